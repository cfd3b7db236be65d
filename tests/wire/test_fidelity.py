"""What a client gets through the gateway is what it would get from the model server, byte for byte."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from headgate.gateway.model import OnExtra
from wire.kit import (
    ANSWER,
    DONE,
    KEY,
    MODEL,
    USAGE_CHUNK,
    Connection,
    Received,
    Running,
    a_policy,
    a_rule,
    chunk_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

AUTH = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def post(served: Running, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{served.url}/chat/completions", content=content, headers=AUTH | headers, timeout=20, trust_env=False)


def ask(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **more}


def test_a_whole_answer_arrives_byte_for_byte(served: Running) -> None:
    answer = post(served, ask())

    assert answer.content == ANSWER
    assert answer.headers["x-upstream"] == "yes"
    assert answer.headers["x-headgate-upstream-request-id"] == "theirs"
    assert answer.headers["x-request-id"] == served.recorder.outcome().exchange_id
    assert "set-cookie" not in answer.headers


def test_a_request_goes_up_with_nothing_changed_but_the_models_name(served: Running) -> None:
    body = (
        b'{ "temperature":1.0e0,"zzz":{"deep":[1E2,0.10,"\\u00e9\\/"]},"model":"atlas" ,\n'
        b' "messages":[{"role":"user","content":"h\xc3\xa9"}],"big":123456789012345678901234567890 }\n'
    )

    post(served, body)

    assert served.upstream.received[0].body == body.replace(b'"atlas"', b'"upstream-atlas"')
    assert served.recorder.admissions[0].request_body == body


def test_no_credential_of_the_clients_reaches_the_upstream(served: Running) -> None:
    post(served, ask(), cookie="a=b", **{"x-api-key": "k", "connection": "close, x-private", "x-private": "1", "x-mine": "2"})

    headers = dict(served.upstream.received[0].headers)
    assert headers["authorization"] == "Bearer headgates-own"
    assert headers["x-mine"] == "2"
    assert not {"cookie", "x-api-key", "x-private"} & headers.keys()
    assert KEY.encode() not in served.upstream.received[0].head


def exchange(served: Running, head: bytes, body: bytes) -> bytes:
    """Send a request as it stands and return the whole answer, head and all."""
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer " + KEY.encode()
    length = b"\r\ncontent-type: application/json\r\ncontent-length: " + str(len(body)).encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client:
        client.sendall(start + length + b"\r\n" + head + b"\r\n" + body)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_headers_go_up_as_they_came_and_none_is_added_that_nobody_sent(served: Running) -> None:
    exchange(served, b"X-Odd: \xc3\xa9\r\nx-twice: a\r\nx-twice: b\r\n", json.dumps(ask()).encode())

    exchange_id = served.recorder.outcome().exchange_id
    _, *lines = served.upstream.received[0].head.split(b"\r\n")
    assert [line.lower() for line in lines[1:-2]] == [
        b"content-type: application/json",
        b"x-odd: \xc3\xa9",
        b"x-twice: a",
        b"x-twice: b",
        b"accept-encoding: identity",
        f"x-headgate-request-id: {exchange_id}".encode().lower(),
        b"authorization: bearer headgates-own",
        f"content-length: {len(served.upstream.received[0].body)}".encode(),
    ]


def test_headers_come_down_as_they_came(served: Running) -> None:
    async def script(connection: Connection, received: Received) -> None:
        await connection.whole("200 OK", ANSWER, extra="link: <b>\r\nx-twice: a\r\nx-twice: b\r\nx-e: \xe9\r\n")

    served.upstream.scripts["odd"] = script

    answer = exchange(served, b"", json.dumps(ask(script="odd")).encode())

    head = answer.partition(b"\r\n\r\n")[0]
    assert b"\r\nlink: <b>\r\nx-twice: a\r\nx-twice: b\r\nx-e: \xc3\xa9\r\n" in head


def test_a_long_conversation_goes_up_whole(served: Running) -> None:
    body = json.dumps(ask(padding="x" * 8_000_000)).encode()

    assert post(served, body).content == ANSWER
    assert served.upstream.received[0].body == body.replace(b'"atlas"', b'"upstream-atlas"')


FRAMES = [
    b"\xef\xbb\xbf: hello\n\n",
    chunk_of("a"),
    b"event: x\r\ndata: " + json.dumps({"choices": [], "n": 1.0}).encode() + b"\r\n\r\n",
    b'data: {"choices":\rdata: [],\rdata: "b": 2}\r\r',
    chunk_of("z\u00e9", x_unknown={"k": 1.50}),
    b": keep-alive\n\n",
    chunk_of(finish="stop"),
    DONE,
]


def sizes_of(total: int, size: int) -> Iterable[tuple[int, int]]:
    return ((start, start + size) for start in range(0, total, size))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
def test_a_stream_arrives_byte_for_byte_however_it_is_split(served: Running, size: int) -> None:
    raw = b"".join(FRAMES)

    async def script(connection: Connection, received: Received) -> None:
        await connection.start_stream()
        for start, end in sizes_of(len(raw), size):
            await connection.chunk(raw[start:end])
        await connection.end_stream()

    served.upstream.scripts["odd"] = script

    answer = post(served, ask(stream=True, script="odd"))

    assert answer.content == raw
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert served.recorder.outcome().response_body == raw


def test_usage_is_asked_for_and_taken_out_again(served: Running) -> None:
    answer = post(served, ask(stream=True))

    assert served.upstream.received[0].value["stream_options"] == {"include_usage": True}
    assert USAGE_CHUNK not in answer.content
    assert answer.content.endswith(DONE)
    assert served.recorder.outcome().usage_exact


def test_a_stage_that_strips_says_what_it_took(served: Running) -> None:
    rule = a_rule(capabilities=frozenset({"streaming"}), on_extra=OnExtra.STRIP, max_output_tokens=50)
    served.world.change_policy(a_policy(served.upstream.url, rule))
    wait_for_policy(served, 1)
    body = ask(seed=1, n=3, tools=[{"type": "function"}], parallel_tool_calls=True, max_tokens=900, logprobs=True)
    body["messages"] = [{"role": "system", "content": "Be brief."}, *body["messages"], {"role": "developer", "content": "!"}]

    answer = post(served, body)

    sent = served.upstream.received[0].value
    assert sent == {"model": "upstream-atlas", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
    assert answer.headers["x-headgate-stripped"] == "logprobs,max_output_tokens,n,parallel_tool_calls,seed,system_prompt,tools"
    assert served.recorder.admissions[0].stripped == tuple(answer.headers["x-headgate-stripped"].split(","))


def test_silence_about_parallel_calls_is_not_a_yes(served: Running) -> None:
    rule = a_rule(capabilities=frozenset({"tools"}))
    served.world.change_policy(a_policy(served.upstream.url, rule))
    wait_for_policy(served, 1)

    post(served, ask(tools=[{"type": "function", "function": {"name": "f"}}]))

    assert served.upstream.received[0].value["parallel_tool_calls"] is False


def test_headers_of_the_upstream_cannot_end_a_line_early(served: Running) -> None:
    async def script(connection: Connection, received: Received) -> None:
        await connection.whole("200 OK", ANSWER, extra="x-headgate-stripped: forged\r\nx-fine: a b\r\n")

    served.upstream.scripts["forger"] = script

    answer = post(served, ask(script="forger"))

    assert "x-headgate-stripped" not in answer.headers
    assert answer.headers["x-fine"] == "a b"


def test_a_second_request_on_the_same_connection_is_served(served: Running) -> None:
    with httpx.Client(trust_env=False, timeout=20) as client:
        for _ in range(3):
            assert client.post(f"{served.url}/chat/completions", json=ask(stream=True), headers=AUTH).content.endswith(DONE)

    assert served.recorder.outcome(3).status.value == "completed"


def test_a_connection_that_never_sends_a_request_harms_nobody(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port)):
        assert post(served, ask()).status_code == 200


def wait_for_policy(served: Running, seq: int) -> None:
    from wire.kit import eventually

    eventually(lambda: served.gateway.stats().policy_seq >= seq)
