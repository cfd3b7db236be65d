"""Requests that two readers could take for one or for two, against the server that really answers.

Every attempt is followed on its connection by an innocent request for the list of models, which ends the connection. What was
tried is refused, or is one request; what hides in it never reaches the model server.
"""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wire.kit import ANSWER, KEY, MODEL, SCRIPTS, Connection, LoopThread, Received, Running, ScriptedUpstream, running

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = b"what nobody asked for"
BODY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}).encode()
SERVED = BODY.replace(b'"atlas"', b'"upstream-atlas"')
STOWAWAY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": HIDDEN.decode()}]}).encode()
LINE = b"POST /v1/chat/completions HTTP/1.1"
HOST, TYPE = b"host: x", b"content-type: application/json"
AUTH = b"authorization: Bearer " + KEY.encode()
CHUNKED = b"transfer-encoding: chunked"
LAST = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + AUTH + b"\r\n\r\n"

ONE = [b"200", b"200"]
"""It is one request, and the connection goes on."""
REFUSED = [b"400"]
"""It is refused by the server, and nothing after it is read."""


def of_length(body: bytes) -> bytes:
    return b"content-length: " + str(len(body)).encode()


def head(*more: bytes, line: bytes = LINE) -> bytes:
    return b"\r\n".join((line, HOST, AUTH, TYPE, *more)) + b"\r\n\r\n"


def in_chunks(body: bytes, *, size: bytes = b"", after: bytes = b"\r\n", end: bytes = b"\r\n") -> bytes:
    return (size or f"{len(body):x}".encode()) + end + body + after + b"0\r\n\r\n"


PLAIN = head(of_length(BODY)) + BODY
SECOND = head(of_length(STOWAWAY)) + STOWAWAY
SIZE = f"{len(BODY):x}".encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    thread = LoopThread()
    upstream = ScriptedUpstream(thread, dict(SCRIPTS))
    thread.run(upstream.start())
    with running(upstream, tmp_path_factory.mktemp("smuggling") / "limits.db") as served:
        yield served
    thread.run(upstream.stop())
    thread.close()


def sent(gateway: Running, data: bytes, *, last: bytes = LAST) -> tuple[list[bytes], bytes]:
    """Return the status of each answer that comes, and everything that comes."""
    gateway.upstream.received.clear()
    reply = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as client:
        client.sendall(data + last)
        try:
            while piece := client.recv(65536):
                reply += piece
        except ConnectionResetError:
            pass  # closed before it had read everything
    return [status for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", reply) if status != b"100"], reply


def reached(gateway: Running) -> list[bytes]:
    """Return the bodies that reached the model server."""
    return [received.body for received in gateway.upstream.received]


def framed(line: bytes, body: bytes = BODY) -> bytes:
    """Return a request with this line among its headers, besides a true length."""
    return head(line, of_length(body)) + body


@pytest.mark.parametrize(
    ("attempt", "answers"),
    {
        "nothing strange": (PLAIN, ONE),
        "chunks": (head(CHUNKED) + in_chunks(BODY), ONE),
        # Two lengths.
        "a length, and chunks that end before it": (
            head(of_length(b"0\r\n\r\n" + SECOND), CHUNKED) + b"0\r\n\r\n" + SECOND,
            REFUSED,
        ),
        "chunks, and a length that ends before them": (head(CHUNKED, b"content-length: 4") + in_chunks(SECOND), REFUSED),
        "a length and chunks that agree": (head(of_length(in_chunks(BODY)), CHUNKED) + in_chunks(BODY), REFUSED),
        "one length twice": (head(of_length(BODY), of_length(BODY)) + BODY, REFUSED),
        "two lengths": (head(of_length(BODY), of_length(BODY + SECOND)) + BODY + SECOND, REFUSED),
        "two lengths, the longer first": (head(of_length(BODY + SECOND), of_length(BODY)) + BODY + SECOND, REFUSED),
        "a list of lengths": (head(of_length(BODY) + b", 9") + BODY, REFUSED),
        # Lengths that are none.
        "a length with a sign": (head(b"content-length: +%d" % len(BODY)) + BODY, REFUSED),
        "a length below nothing": (head(b"content-length: -1") + BODY, REFUSED),
        "a length in hexadecimal": (head(b"content-length: 0x%x" % len(BODY)) + BODY, REFUSED),
        "a length beyond counting": (head(b"content-length: 99999999999999999999999") + BODY, REFUSED),
        "a length of nothing": (head(b"content-length: ") + BODY, REFUSED),
        "a length with a space in its name": (head(b"content-length : %d" % len(BODY)) + BODY, REFUSED),
        "a length with leading zeros": (head(b"content-length: 000%d" % len(BODY)) + BODY, ONE),
        # Chunks, or not.
        "chunks with a space in the name": (framed(b"transfer-encoding : chunked"), REFUSED),
        "a coding that is almost chunks": (framed(b"transfer-encoding: xchunked"), REFUSED),
        "chunks that are not the last coding": (framed(b"transfer-encoding: chunked, identity"), REFUSED),
        "chunks as the last coding": (head(b"transfer-encoding: identity, chunked") + in_chunks(BODY), [b"501"]),
        "chunks, and then not": (head(CHUNKED, b"transfer-encoding: identity") + in_chunks(BODY), REFUSED),
        "chunks behind a vertical tab": (framed(b"transfer-encoding: \x0bchunked"), REFUSED),
        "chunks behind a tab": (head(b"transfer-encoding:\tchunked") + in_chunks(BODY), ONE),
        "chunks on a line of their own": (framed(b"transfer-encoding:\r\n chunked"), REFUSED),
        "chunks in odd letters": (head(b"transfer-encoding: chunKed") + in_chunks(BODY), ONE),
        "chunks in quotes": (framed(b'transfer-encoding: "chunked"'), REFUSED),
        "chunks with an underscore": (framed(b"transfer_encoding: chunked"), ONE),
        "chunks before there were any": (head(CHUNKED, line=LINE.replace(b"1.1", b"1.0")) + in_chunks(BODY), REFUSED),
        # Chunks of odd sizes.
        "a chunk with an extension": (head(CHUNKED) + in_chunks(BODY, size=SIZE + b";a=b"), ONE),
        "an extension with a line end": (head(CHUNKED) + in_chunks(BODY, size=SIZE + b";a=\nb"), REFUSED),
        "a chunk after a bare LF": (head(CHUNKED) + in_chunks(BODY, end=b"\n"), REFUSED),
        "a size in C": (head(CHUNKED) + in_chunks(BODY, size=b"0x" + SIZE), REFUSED),
        "a size with a sign": (head(CHUNKED) + in_chunks(BODY, size=b"+" + SIZE), REFUSED),
        "a size below nothing": (head(CHUNKED) + in_chunks(BODY, size=b"-1"), REFUSED),
        "a size that overflows": (head(CHUNKED) + in_chunks(BODY, size=b"10000000000000000" + SIZE), REFUSED),
        "a chunk without a size": (head(CHUNKED) + b"\r\n" + BODY + b"\r\n0\r\n\r\n", REFUSED),
        "a chunk without an end": (head(CHUNKED) + in_chunks(BODY, after=b"") + SECOND, REFUSED),
        "a chunk with another end": (head(CHUNKED) + in_chunks(BODY, after=b"XX") + SECOND, REFUSED),
        "trailers that would be headers": (
            head(CHUNKED) + in_chunks(BODY)[:-2] + b"authorization: Bearer x\r\ncontent-length: 5\r\n\r\n",
            REFUSED,
        ),
        # Headers that are two, or none.
        "lines that end in LF": (head(of_length(BODY)).replace(b"\r\n", b"\n") + BODY, REFUSED),
        "a CR in a value": (framed(b"x-a: b\rtransfer-encoding: chunked"), REFUSED),
        "a NUL in a value": (framed(b"x-a: b\x00c"), REFUSED),
        "a space in a name": (framed(b"x a: b"), REFUSED),
        "no name": (framed(b": b"), REFUSED),
        "no colon": (framed(b"xyz"), REFUSED),
        "a value of two lines": (framed(b"x-a: b\r\n c"), REFUSED),
        "a space before the first name": (PLAIN.replace(b"\r\nhost", b"\r\n host"), REFUSED),
        # The line.
        "two spaces in the line": (head(of_length(BODY), line=LINE.replace(b" /", b"  /")) + BODY, ONE),
        "a tab in the line": (head(of_length(BODY), line=LINE.replace(b" /", b"\t/")) + BODY, REFUSED),
        "a version that is none": (head(of_length(BODY), line=LINE.replace(b"1.1", b"9.9")) + BODY, REFUSED),
        "no version": (b"GET /v1/models\r\n\r\n", [b"505"]),
        "a place to connect to": (head(of_length(BODY), line=b"CONNECT model.test:80 HTTP/1.1") + BODY, [b"501"]),
        "a method in small letters": (head(of_length(BODY), line=LINE.replace(b"POST", b"post")) + BODY, REFUSED),
        # Requests in the bodies of requests that nobody reads to their end.
        "a request in the body of one without a key": (
            head(of_length(SECOND)).replace(AUTH + b"\r\n", b"") + SECOND,
            [b"401", b"200"],
        ),
        "a request in the body of one for nothing": (
            head(of_length(SECOND), line=b"POST /v1/nothing HTTP/1.1") + SECOND,
            [b"404", b"200"],
        ),
        "a request in the body of one of another type": (
            head(of_length(SECOND)).replace(TYPE, b"content-type: text/plain") + SECOND,
            [b"415", b"200"],
        ),
        "an expectation": (framed(b"expect: 100-continue"), ONE),
        "an upgrade to HTTP/2": (
            head(of_length(BODY), b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQ") + BODY,
            ONE,
        ),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_attempt_is_refused_or_is_one_request(gateway: Running, attempt: str, answers: tuple[bytes, list[bytes]]) -> None:
    data, expected = answers

    statuses, _ = sent(gateway, data)

    assert statuses == expected, attempt
    assert reached(gateway) == ([SERVED] if expected[0] == b"200" else [])


def test_a_request_in_the_body_of_a_request_for_a_list_is_none(gateway: Running) -> None:
    statuses, _ = sent(gateway, head(of_length(SECOND), line=b"GET /v1/models HTTP/1.1") + SECOND)

    assert statuses == [b"200", b"200"]
    assert reached(gateway) == []


def test_two_requests_on_one_connection_are_two_each_with_its_own_key(gateway: Running) -> None:
    stranger = SECOND.replace(KEY.encode(), b"hg_test_nobody")

    statuses, _ = sent(gateway, PLAIN + stranger + PLAIN)

    assert statuses == [b"200", b"401", b"200", b"200"]
    assert len(reached(gateway)) == 2
    assert not any(HIDDEN in body for body in reached(gateway))


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/chat/completions", 200),
        ("/v1/chat/completions?x=%0d%0ax:y", 200),
        ("http://elsewhere.test/v1/chat/completions", 200),
        ("/v1/chat/%63ompletions", 200),
        ("/v1/chat%2fcompletions", 200),
        ("file:///v1/chat/completions", 400),
        ("chat/completions", 400),
        ("v1/chat/completions", 400),
        ("*", 404),
        ("/chat/completions", 404),
        ("//v1/chat/completions", 404),
        ("/v1//chat/completions", 404),
        ("/v1/./chat/completions", 404),
        ("/v1/../v1/chat/completions", 404),
        ("/v1/%2e%2e/v1/chat/completions", 404),
        ("/x/../v1/chat/completions", 404),
        ("/v1/v1/chat/completions", 404),
        ("/V1/chat/completions", 404),
        ("/v1/Chat/completions", 404),
        ("/\\v1/chat/completions", 404),
        ("/v1/chat\\completions", 404),
        ("/v1/chat/completions/", 404),
        ("/v1/chat/completions;x", 404),
        ("/v1/chat/completions%20", 404),
        ("/v1/chat/completions%00", 404),
        ("/v1/chat/completions%0d%0a", 404),
        ("/v1/chat/completions%3fx", 404),
        ("/v1/chat/completions/../../admin", 404),
        ("/v1/responses/..%2f..%2fchat%2fcompletions", 404),
        ("/v1/models/../chat/completions", 405),
    ],
)
def test_a_path_is_one_that_is_known_or_is_refused(gateway: Running, target: str, status: int) -> None:
    """Whatever is served by a path is served by the same door, however the path is spelled."""
    line = f"POST {target} HTTP/1.1".encode()

    statuses, reply = sent(gateway, head(of_length(BODY), line=line) + BODY)

    first = int(statuses[0])
    assert first == status or {first, status} == {403, 404}  # a surface that is known by its first word is named as closed
    assert len(reached(gateway)) == (status == 200)
    for received in gateway.upstream.received:
        assert received.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"x:y" not in reply


# Headers on their way up.

_ENDS_A_LINE = {0, 10, 13}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=40))
def test_a_value_goes_up_as_one_value_or_not_at_all(gateway: Running, value: bytes) -> None:
    statuses, _ = sent(gateway, framed(b"x-odd: " + value + b"."))

    if statuses[0] == b"400":
        assert reached(gateway) == []
        return
    assert statuses[0] == b"200"
    lines = gateway.upstream.received[0].head.split(b"\r\n")
    assert not any(_ENDS_A_LINE & set(line) for line in lines)
    if b"\n" in value:
        return  # for the server that is the end of the line, and what follows is a header of its own
    (line,) = [line for line in lines if line.lower().startswith(b"x-odd:")]
    got = line.partition(b":")[2].strip()
    asked = (value + b".").strip(b" \t")
    assert got in (asked, asked.decode("latin-1").encode())  # what is not UTF-8 was Latin-1


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer mine",
        b"x-api-key: mine",
        b"X_Api_Key: mine",
        b"api_key: mine",
        b"cookie: session=mine",
        b"OpenAI-Organization: mine",
        b"openai_organization: mine",
        b"OpenAI_Project: mine",
        b"x-request-id: mine",
        b"X_Request_Id: mine",
        b"x-forwarded-for: mine",
        b"X_Forwarded_For: mine",
        b"x-forwarded-prefix: /mine",
        b"x-original-url: /mine",
        b"x-rewrite-url: /mine",
        b"x-http-method-override: MINE",
        b"x-real-ip: mine",
        b"x-headgate-stripped: mine",
        b"te: mine",
        b"proxy-authorization: mine",
        b"keep-alive: timeout=mine",
        b"upgrade: mine",
        b"trailer: mine",
        b"transfer_encoding: mine",
        b"content_length: mine",
        b"connection: x-mine, x-also\r\nx-mine: mine\r\nx-also: mine",
    ],
)
def test_a_header_by_which_a_client_would_be_another_does_not_go_up(gateway: Running, line: bytes) -> None:
    statuses, _ = sent(gateway, framed(line))

    assert statuses[0] in (b"200", b"401")
    for received in gateway.upstream.received:
        assert b"mine" not in received.head.lower()
        names = [name for name, _ in received.headers]
        assert names.count("content-length") == names.count("authorization") == names.count("host") == 1
        assert "transfer-encoding" not in names


def test_a_name_with_a_line_end_stays_in_the_body(gateway: Running) -> None:
    body = json.dumps({"model": "a\r\nx-evil: 1", "messages": [{"role": "user", "content": "Hi"}]}).encode()

    statuses, reply = sent(gateway, head(of_length(body)) + body)

    assert statuses == [b"404", b"200"]
    assert b"\nx-evil" not in reply
    assert b"\nx-evil" not in sent(gateway, head(line=b"GET /v1/models/a%0d%0ax-evil:%201 HTTP/1.1"))[1]


# Headers on their way down.


@pytest.mark.parametrize(
    "lines",
    [
        b"x-a: b\rx-evil: 1\r\n",
        b"x-a: b\nx-evil: 1\r\n",
        b"x-a: b\r\n x-evil: 1\r\n",
        b"x-a: b\x00x-evil: 1\r\n",
        b"x-a: b\x0bx-evil: 1\r\n",
        b"x-a\x0d: b\r\n",
        b"x-evil : 1\r\n",
        b": x-evil\r\n",
        b"x-a: b\xc4\x8d\xc4\x8ax-evil: 1\r\n",
        b"connection: x-evil\r\nx-evil: 1\r\n",
        b"x-headgate-withheld: x-evil\r\n",
        b"x-ratelimit-remaining-requests: x-evil\r\n",
        b"content-length: 3\r\n",
        b"transfer-encoding: chunked\r\n",
    ],
)
def test_an_upstreams_header_is_one_header_or_the_answer_is_refused(gateway: Running, lines: bytes) -> None:
    async def script(connection: Connection, received: Received) -> None:
        start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + of_length(ANSWER) + b"\r\n"
        connection.writer.write(start + lines + b"\r\n" + ANSWER)
        await connection.writer.drain()
        connection.close = True

    gateway.upstream.scripts["whole"] = script
    try:
        _, reply = sent(gateway, PLAIN)
    finally:
        gateway.upstream.scripts["whole"] = SCRIPTS["whole"]

    answer = reply.partition(LAST)[0].partition(b"\r\n\r\n")[0]
    status = int(answer.split()[1])
    assert status in (200, 502)
    found = [line.partition(b":")[0].lower() for line in re.split(rb"\r\n|\r|\n", answer)]
    assert (b"x-evil" in found) == (b"\nx-evil: 1" in lines and b"connection" not in lines)  # a header of its own
    assert b"x-headgate-withheld" not in found
    assert found.count(b"content-length") == 1
    assert status == 502 or ANSWER in reply
