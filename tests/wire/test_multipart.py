"""Forms on the wire: what goes on is what came but for the model's name, and what is hostile goes nowhere and leaves nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from headgate.gateway.model import OnExtra, Replica, Upstream
from wire.kit import KEY, MODEL, a_free_port, eventually
from wire.plain_kit import ALL, Served, rule, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headgate.gateway.http import Gateway

BOUNDARY = "----headgate7MA4YWxk"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
SOUND = bytes(range(256)) * 3000 + b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n--\r\n"
"""Larger than a block, and nearly a boundary at its end."""
ANSWERED = re.compile(rb"HTTP/1.1 ([0-9]+) .*?\r\ncontent-length: ([0-9]+)\r\n.*?\r\n\r\n", re.DOTALL)
WITHIN_S = 1.5
ANSWER = b'{"text":"Hello.","usage":{"type":"tokens","input_tokens":3,"output_tokens":2,"total_tokens":5},"x":1.50}'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    uploads = tmp_path_factory.mktemp("uploads")
    database = tmp_path_factory.mktemp("forms") / "limits.db"
    with serving(database, uploads_dir=uploads, max_uploads_bytes=160_000_000, body_s=WITHIN_S) as served:
        yield served, uploads


@pytest.fixture
def served(house: tuple[Served, Path]) -> Iterator[Served]:
    """The same gateway for every test; after each, nothing may be left of what was uploaded."""
    gateway, uploads = house
    gateway.running.recorder.admissions.clear()
    gateway.running.recorder.outcomes.clear()
    gateway.before_bytes(ANSWER)
    yield gateway
    eventually(lambda: gateway.running.gateway.stats().in_flight == 0)
    assert held_by(gateway.running.gateway) == 0
    assert list(uploads.iterdir()) == []


def held_by(gateway: Gateway) -> int:
    return gateway._forms._uploads.held_bytes  # pyright: ignore[reportPrivateUsage] - nobody else needs to know


def a_field(name: str, value: str, more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n{more}\r\n{value}'.encode()


def a_file(content: bytes = SOUND, name: str = "file", filename: str = "Übung 1.wav") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: audio/wav\r\n\r\n'
    return head.encode() + content


def a_form(*parts: bytes) -> bytes:
    delimiter = b"--" + BOUNDARY.encode()
    return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


FORM = a_form(a_file(), a_field("temperature", "0.50"), a_field("model", MODEL))


def head_of(length: int | None, content_type: str = TYPE, more: str = "", path: str = "audio/transcriptions") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nContent-Type: {content_type}\r\n"
    return f"{lines}{framing}\r\n{more}Connection: close\r\n\r\n".encode()


def said(connection: socket.socket) -> tuple[int, Any]:
    """Return the status and the body of the answer; the server may leave the connection open for a body it does not read."""
    received = bytearray()
    with suppress(ConnectionResetError):  # or answer without reading the rest, and close
        while not (whole := ANSWERED.match(received)) or len(received) < whole.end() + int(whole[2]):
            block = connection.recv(65_536)
            if not block:
                break
            received += block
    whole = ANSWERED.match(received)
    assert whole is not None
    return int(whole[1]), json.loads(received[whole.end() :])


def post(served: Served, body: bytes, **head: Any) -> tuple[int, Any]:
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused before all of it was read
            connection.sendall(head_of(len(body), **head) + body)
        return said(connection)


def test_a_form_goes_on_as_it_came_but_for_the_model(served: Served) -> None:
    assert post(served, FORM) == (200, json.loads(ANSWER))

    forwarded = served.forwarded()
    expected = a_form(a_file(), a_field("temperature", "0.50"), a_field("model", "upstream-atlas"))
    assert forwarded.body == expected
    assert dict(forwarded.headers)["content-length"] == str(len(expected))
    assert dict(forwarded.headers)["content-type"] == TYPE
    assert sum(name == "content-length" for name, _ in forwarded.headers) == 1
    assert not any(name == "transfer-encoding" for name, _ in forwarded.headers)


def test_a_form_for_a_model_of_the_same_name_goes_on_byte_for_byte(served: Served) -> None:
    upstream = Upstream(served.bytes.url, MODEL)
    served.before_bytes(ANSWER, upstream=upstream)

    assert post(served, FORM)[0] == 200
    assert served.forwarded().body == FORM


def test_a_form_may_come_in_chunks_of_any_size(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        connection.sendall(head_of(None))
        for start in range(0, len(FORM), 9973):
            block = FORM[start : start + 9973]
            connection.sendall(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert said(connection)[0] == 200

    assert served.forwarded().body == FORM.replace(b"\r\n\r\natlas\r\n", b"\r\n\r\nupstream-atlas\r\n")


def test_a_large_file_passes_whole(served: Served) -> None:
    content = b"\x00\xff\r\n-" * 4_000_000

    assert post(served, a_form(a_field("model", MODEL), a_file(content)))[0] == 200

    assert (
        hashlib.sha256(content).digest()
        == hashlib.sha256(served.forwarded().body.partition(b"audio/wav\r\n\r\n")[2][: len(content)]).digest()
    )


def test_the_record_keeps_the_fields_of_a_form_and_the_digest_of_its_file(served: Served) -> None:
    post(served, FORM)

    kept = json.loads(served.running.recorder.admissions[0].request_body)
    assert kept["form"][1:] == [{"name": "temperature", "text": "0.50"}, {"name": "model", "text": MODEL}]
    assert kept["form"][0] == {
        "name": "file",
        "filename": "Übung 1.wav",
        "content_type": "audio/wav",
        "bytes": len(SOUND),
        "sha256": hashlib.sha256(SOUND).hexdigest(),
    }


def test_what_a_stage_takes_out_of_a_form_is_out(served: Served) -> None:
    served.before_bytes(ANSWER, stage_rule=rule(capabilities=ALL - {"logprobs"}, on_extra=OnExtra.STRIP))
    body = a_form(a_field("include[]", "logprobs"), a_file(), a_field("include[]", "other"), a_field("model", MODEL))

    assert post(served, body)[0] == 200

    assert served.forwarded().body == a_form(a_file(), a_field("include[]", "other"), a_field("model", "upstream-atlas"))


def test_a_server_that_is_asked_after_another_could_not_be_reached_gets_the_whole_form(served: Served) -> None:
    nobody = f"http://127.0.0.1:{a_free_port()}/v1"
    served.before_bytes(ANSWER, upstream=Upstream(nobody, MODEL, replicas=(Replica(served.bytes.url),)))

    assert post(served, FORM)[0] == 200
    assert served.forwarded().body == FORM


SECOND = a_field("model", "unreleased")
HOSTILE: dict[str, tuple[bytes, int, str]] = {
    "no end": (FORM[: -len(BOUNDARY) - 6], 400, "request.malformed_form"),
    "the end without its hyphens": (FORM[:-4], 400, "request.malformed_form"),
    "two models": (a_form(a_file(), a_field("model", MODEL), SECOND), 400, "request.malformed_form"),
    "a model and an array of models": (
        a_form(a_file(), a_field("model", MODEL), a_field("model[]", "unreleased")),
        400,
        "request.malformed_form",
    ),
    "a second form behind the first": (FORM + a_form(SECOND), 400, "request.malformed_form"),
    "a part behind a bare line feed": (
        a_form(a_file(b"x\n--" + BOUNDARY.encode() + b"\n" + SECOND), a_field("model", MODEL)),
        400,
        "request.malformed_form",
    ),
    "a form within the form": (
        a_form(
            b'Content-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n--x--',
            a_field("model", MODEL),
        ),
        400,
        "request.malformed_form",
    ),
    "a boundary that goes on": (
        a_form(a_file(b"x\r\n--" + BOUNDARY.encode() + b"2\r\n" + SECOND), a_field("model", MODEL)),
        400,
        "request.malformed_form",
    ),
    "10,000 fields": (
        a_form(*[a_field(f"f{index}", "v") for index in range(10_000)], a_file(), a_field("model", MODEL)),
        413,
        "request.too_large",
    ),
    "a header of 1 MB": (a_form(a_file(filename="x" * 1_000_000), a_field("model", MODEL)), 400, "request.malformed_form"),
    "1 MB of headers": (
        a_form(a_field("model", MODEL, "".join(f"x-{index}: y\r\n" for index in range(100_000))), a_file()),
        400,
        "request.malformed_form",
    ),
    "a field of 2 MB": (a_form(a_field("prompt", "x" * 2_000_000), a_file(), a_field("model", MODEL)), 413, "request.too_large"),
    "a model that is a file": (a_form(a_file(), a_file(b"atlas", name="model")), 400, "request.wrong_type"),
    "a file that is a field": (a_form(a_field("file", "x"), a_field("model", MODEL)), 400, "request.wrong_type"),
    "no model": (a_form(a_file()), 400, "request.wrong_type"),
    "no file": (a_form(a_field("model", MODEL)), 400, "request.wrong_type"),
    "a stream that is neither": (a_form(a_file(), a_field("model", MODEL), a_field("stream", "yes")), 400, "request.wrong_type"),
    "nothing": (b"", 400, "request.malformed_form"),
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_a_hostile_form_goes_nowhere(served: Served, what: str) -> None:
    body, status, code = HOSTILE[what]

    answered, told = post(served, body)

    assert (answered, told["error"]["code"]) == (status, code)
    assert not served.bytes.received
    assert not served.running.recorder.admissions


@pytest.mark.parametrize(
    "head",
    [
        {"content_type": "application/json"},
        {"content_type": "multipart/form-data"},
        {"content_type": "multipart/form-data; boundary=a; boundary=b"},
        {"more": "Content-Type: multipart/form-data; boundary=other\r\n"},
        {"more": "Content-Encoding: gzip\r\n"},
    ],
    ids=["JSON", "no boundary", "two boundaries", "two content types", "compressed"],
)
def test_what_is_not_declared_as_one_plain_form_is_refused(served: Served, head: dict[str, str]) -> None:
    body = gzip.compress(FORM) if "Encoding" in head.get("more", "") else FORM

    assert post(served, body, **head)[0] == 415
    assert not served.bytes.received


def test_a_form_where_json_is_expected_is_refused(served: Served) -> None:
    assert post(served, FORM, path="audio/speech")[0] == 415


def test_a_form_that_its_stated_length_cuts_off_is_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        connection.sendall(head_of(len(FORM) - 30) + FORM)

        status, told = said(connection)

    assert (status, told["error"]["code"]) == (400, "request.malformed_form")
    assert not served.bytes.received


def test_a_client_that_leaves_before_its_length_is_reached_leaves_nothing(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        connection.sendall(head_of(len(FORM) + 100) + FORM)
        eventually(lambda: held_by(served.running.gateway) == len(FORM))

    eventually(lambda: held_by(served.running.gateway) == 0)
    assert not served.bytes.received


def test_a_client_that_stops_sending_is_told_so(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        connection.sendall(head_of(len(FORM)) + FORM[:1000])

        status, told = said(connection)

    assert (status, told["error"]["code"]) == (408, "request.too_slow")


def test_a_slow_client_that_keeps_sending_is_given_the_time_that_its_bytes_take(served: Served) -> None:
    body = a_form(a_field("model", MODEL), a_file(bytes(200_000)))
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        connection.sendall(head_of(len(body)))
        for start in range(0, len(body), 50_000):  # longer in all than WITHIN_S
            connection.sendall(body[start : start + 50_000])
            time.sleep(0.5)

        assert said(connection)[0] == 200


@pytest.mark.parametrize("length", [30_000_000, None], ids=["told", "found out"])
def test_a_form_that_is_too_large_is_refused(served: Served, length: int | None) -> None:
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as connection:
        connection.sendall(head_of(length))
        if length is None:
            start = a_form(a_field("model", MODEL), a_file(b""))[: -len(BOUNDARY) - 8]
            connection.sendall(f"{len(start):x}\r\n".encode() + start + b"\r\n")
            with suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(30):
                    connection.sendall(b"f4240\r\n" + bytes(1_000_000) + b"\r\n")

        assert said(connection)[0] == 413

    assert not served.bytes.received


def test_a_form_for_which_there_is_no_room_may_come_back(served: Served) -> None:
    part = a_form(a_field("model", MODEL), a_file(bytes(22_000_000)))[:-200]
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=20) as first:
        first.sendall(head_of(len(part) + 200) + part)
        eventually(lambda: held_by(served.running.gateway) == len(part))

        status, told = post(served, part + b"x" * 200)

        assert (status, told["error"]["code"]) == (503, "gateway.no_room")
        assert held_by(served.running.gateway) == len(part)


def test_a_disk_that_takes_nothing_is_told_as_such(
    served: Served, house: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = served.running.gateway._forms._uploads  # pyright: ignore[reportPrivateUsage] - the disk is its own
    monkeypatch.setattr(uploads, "_directory", house[1] / "gone")

    status, told = post(served, FORM)

    assert (status, told["error"]["code"]) == (503, "gateway.no_room")
