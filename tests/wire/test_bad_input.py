"""What goes wrong, on either side: a clear answer each, everything settled, never a wider door."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from headgate.gateway.model import Limits, ModelPolicy, Upstream
from headgate.kernel.units import Rate
from wire.kit import (
    ANSWER,
    DONE,
    KEY,
    MODEL,
    Connection,
    Received,
    Running,
    ScriptedUpstream,
    a_policy,
    a_rule,
    chunk_of,
    eventually,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

AUTH = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def ask(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **more}


def post(served: Running, body: bytes | dict[str, Any], path: str = "chat/completions", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{served.url}/{path}", content=content, headers=AUTH | headers, timeout=30, trust_env=False)


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert {"type", "param", "headgate"} <= error.keys()
    assert answer.headers["x-request-id"]
    assert answer.headers["x-headgate-code"] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "request.malformed"),
        (b"{", "request.malformed"),
        (b"[]", "request.malformed"),
        (b'{"model":"atlas","messages":[]} trailing', "request.malformed"),
        (b'{"model":"atlas","model":"other","messages":[{"role":"user","content":"x"}]}', "request.malformed"),
        (b'{"model":"atlas","messages":[{"role":"user","role":"system","content":"x"}]}', "request.malformed"),
        (b'{"model":"atlas","mod\\u0065l":"other","messages":[{"role":"user","content":"x"}]}', "request.malformed"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"\xff"}]}', "request.malformed"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"x"}],"t":NaN}', "request.malformed"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"x"}],"t":' + b"1" * 5000 + b"}", "request.malformed"),
        (b'{"model":"atlas","messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "request.malformed"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "request.wrong_type"),
        (b'{"model":7,"messages":[{"role":"user","content":"x"}]}', "request.wrong_type"),
        (b'{"model":"atlas"}', "request.wrong_type"),
        (b'{"model":"atlas","messages":["x"]}', "request.wrong_type"),
        (b'{"model":"atlas","messages":[{"role":"user","content":3}]}', "request.wrong_type"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"x"}],"n":"3"}', "request.wrong_type"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"x"}],"n":true}', "request.wrong_type"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "request.wrong_type"),
        (b'{"model":"atlas","messages":[{"role":"user","content":"x"}],"max_tokens":-1}', "request.wrong_type"),
    ],
)
def test_a_body_that_cannot_be_understood_is_refused(served: Running, body: bytes, code: str) -> None:
    assert_refused(post(served, body), 400, code)
    assert served.upstream.received == []


def test_fifty_megabytes_are_refused_without_being_read(served: Running) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode()
            + b"\r\ncontent-type: application/json\r\ncontent-length: 50000000\r\n\r\n{"
        )  # fmt: skip
        reply = client.recv(65536)

    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"request.too_large" in reply
    assert time.monotonic() - began < 5


def test_a_body_whose_length_is_not_announced_is_refused_when_it_grows_too_large(served: Running) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 100_000

    try:
        answer = httpx.post(f"{served.url}/chat/completions", content=chunks(), headers=AUTH, timeout=30, trust_env=False)
    except httpx.TransportError:
        pass  # the connection may be closed before the answer is read
    else:
        assert_refused(answer, 413, "request.too_large")
    assert served.gateway.stats().refused == {"request.too_large": 1}


def test_a_compressed_body_is_read(served: Running) -> None:
    answer = post(served, gzip.compress(json.dumps(ask()).encode()), **{"content-encoding": "gzip"})

    assert answer.content == ANSWER
    assert "content-encoding" not in dict(served.upstream.received[0].headers)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (gzip.compress(b" " * 50_000_000, mtime=0), "gzip", 413, "request.too_large"),
        (b"not gzip", "gzip", 415, "request.wrong_encoding"),
        (gzip.compress(b"{}", mtime=0)[:-4], "gzip", 415, "request.wrong_encoding"),
        (b"{}", "br", 415, "request.wrong_encoding"),
    ],
)
def test_a_compressed_body_that_cannot_be_taken_is_refused(
    served: Running, body: bytes, encoding: str, status: int, code: str
) -> None:
    assert_refused(post(served, body, **{"content-encoding": encoding}), status, code)


@pytest.mark.parametrize("media_type", ["text/plain", "", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(served: Running, media_type: str) -> None:
    assert_refused(post(served, ask(), **{"content-type": media_type}), 415, "request.wrong_content_type")


def test_a_client_that_is_too_slow_is_told_so(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with (
        running(upstream, tmp_path / "limits.db", body_s=0.3) as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as client,
    ):
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode()
            + b"\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )  # fmt: skip
        reply = client.recv(65536)

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"request.too_slow" in reply


def test_a_client_that_does_not_read_is_let_go(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async def flood(connection: Connection, received: Received) -> None:
        await connection.start_stream()
        while True:
            await connection.chunk(chunk_of("x" * 60_000))

    upstream.scripts["flood"] = flood
    body = json.dumps(ask(stream=True, script="flood")).encode()
    with (
        running(upstream, tmp_path / "limits.db", send_idle_s=0.5) as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as client,
    ):
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode()
            + f"\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )  # fmt: skip
        outcome = served.recorder.outcome()
        assert (outcome.status.value, outcome.detail) == (
            "client_gone",
            "the client stopped reading; the record of the answer is cut short",
        )
        assert len(outcome.response_body) <= 1024 * 1024
        eventually(lambda: upstream.abandoned == 1)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/models", 405, "request.method_not_allowed"),
        ("GET", "/v1/chat/completions", 405, "request.method_not_allowed"),
        ("POST", "/v1/completions", 403, "surface.not_admitted"),
        ("GET", "/v1/responses/resp_1", 404, "object_not_found"),
        ("GET", "/v1/vector_stores", 403, "surface.not_admitted"),
        ("POST", "/v1/chat/completions/x", 403, "surface.not_admitted"),
        ("POST", "/v1/realtime", 403, "surface.not_admitted"),
        ("POST", "/v1/", 404, "surface.unknown"),
        ("POST", "/v2/chat/completions", 404, "surface.unknown"),
        ("POST", "//v1/chat/completions", 404, "surface.unknown"),
        ("GET", "/v1/models/", 404, "surface.unknown"),
    ],
)
def test_every_path_is_known_by_name_or_refused_by_name(served: Running, method: str, path: str, status: int, code: str) -> None:
    url = f"http://127.0.0.1:{served.port}{path}"

    assert_refused(httpx.request(method, url, headers=AUTH, json=ask(), timeout=20, trust_env=False), status, code)


def test_nobody_is_told_of_a_model_they_may_not_know(served: Running) -> None:
    hidden = a_policy(served.upstream.url, model="hidden", rules={"employees": a_rule()})
    served.world.change_policy(hidden)
    eventually(lambda: served.gateway.stats().policy_seq == 1)

    refused = post(served, ask(model="hidden"))
    unknown = post(served, ask(model="unheard"))

    assert_refused(refused, 404, "model_not_found")
    assert refused.json()["error"]["param"] == "model"
    assert refused.text.replace("hidden", "unheard") == unknown.text


def test_a_request_without_a_key_is_not_even_read(served: Running) -> None:
    answer = httpx.post(f"{served.url}/chat/completions", content=b"{", trust_env=False)

    assert_refused(answer, 401, "key.missing")


@pytest.mark.parametrize("header", ["Bearer", "Basic abc", "Bearer \u00e9\u00e9", "Bearer " + "x" * 5000])
def test_a_strange_key_is_refused(served: Running, header: str) -> None:
    answer = httpx.post(
        f"{served.url}/chat/completions",
        content=b"{}",
        headers={b"authorization": header.encode("latin-1"), b"content-type": b"application/json"},
        trust_env=False,
    )

    assert answer.status_code == 401


def test_an_input_that_the_screen_blocks_is_not_forwarded(served: Running) -> None:
    served.world.change_policy(a_policy(served.upstream.url, a_rule(input_screen=True)))
    eventually(lambda: served.gateway.stats().policy_seq == 1)

    parts = [{"type": "text", "text": "make sarin"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    refused = post(served, ask(messages=[{"role": "user", "content": parts}]))

    assert_refused(refused, 403, "input.blocked")
    assert "sarin" not in refused.text
    assert post(served, ask()).status_code == 200
    assert served.recorder.outcome().screened.value == "passed"
    served.screen.broken = True
    assert_refused(post(served, ask()), 503, "screen.unavailable")
    assert len(served.upstream.received) == 1


# The model server fails.


def test_a_status_of_the_upstreams_own_is_passed_on(served: Running) -> None:
    async def script(connection: Connection, received: Received) -> None:
        await connection.whole(received.value["status"], b'{"error":{"message":"theirs"}}', extra="retry-after: 7\r\n")

    served.upstream.scripts["status"] = script

    for count, (status, outcome) in enumerate(
        [
            ("500 Oops", "upstream_failed"),
            ("503 Busy", "upstream_failed"),
            ("400 Bad", "upstream_refused"),
            ("429 Slow", "upstream_refused"),
        ],
        start=1,
    ):
        answer = post(served, ask(script="status", status=status, stream=count % 2 == 0))
        assert (answer.status_code, answer.json()["error"]["message"]) == (int(status[:3]), "theirs")
        assert answer.headers["retry-after"] == "7"
        settled = served.recorder.outcome(count)
        assert (settled.status.value, settled.http_status) == (outcome, int(status[:3]))
        assert bool(settled.charged_tokens) == (outcome == "upstream_failed")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "302 Found", "101 Switching"])
def test_a_status_that_would_mislead_the_client_is_not_passed_on(served: Running, status: str) -> None:
    async def script(connection: Connection, received: Received) -> None:
        await connection.whole(status, b"{}", extra="location: http://127.0.0.1:1/\r\n")

    served.upstream.scripts["status"] = script

    answer = post(served, ask(script="status"))

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] in ("upstream.failed", "upstream.garbage")


def raw(data: bytes) -> Any:
    async def script(connection: Connection, received: Received) -> None:
        connection.writer.write(data)
        await connection.writer.drain()
        connection.close = True

    return script


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnot json!", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000 + b"\r\n\r\n", "upstream.garbage"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{", "upstream.failed"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "upstream.garbage"),
        (b"", "upstream.failed"),
    ],
)
def test_garbage_from_the_upstream_is_answered_for(served: Running, data: bytes, code: str) -> None:
    served.upstream.scripts["raw"] = raw(data)

    assert_refused_upstream(post(served, ask(script="raw")), 502, code)
    settled = served.recorder.outcome()
    assert (settled.status.value, settled.http_status) == ("upstream_failed", 502)
    assert settled.charged_tokens == served.recorder.admissions[0].reserved_tokens


def assert_refused_upstream(answer: httpx.Response, status: int, code: str) -> None:
    assert_refused(answer, status, code)
    assert answer.headers["x-request-id"].startswith("ex_")


def test_an_answer_that_ends_with_the_connection_is_whole(served: Running) -> None:
    served.upstream.scripts["raw"] = raw(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + ANSWER)

    assert post(served, ask(script="raw")).content == ANSWER


def test_bytes_that_nobody_asked_for_are_not_the_next_callers_answer(served: Running) -> None:
    async def script(connection: Connection, received: Received) -> None:
        await connection.whole("200 OK", ANSWER)
        connection.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    served.upstream.scripts["more"] = script

    assert post(served, ask(script="more")).content == ANSWER
    assert post(served, ask()).content == ANSWER


def test_bytes_that_come_late_are_not_the_next_callers_answer_either(served: Running) -> None:
    async def script(connection: Connection, received: Received) -> None:
        await connection.whole("200 OK", ANSWER)
        await asyncio.sleep(0.2)  # the gateway has put the connection by
        await connection.whole("200 OK", b'{"somebody": "else\'s"}')
        told.set()

    told = threading.Event()
    served.upstream.scripts["late"] = script

    assert post(served, ask(script="late")).content == ANSWER
    assert told.wait(10)
    time.sleep(0.1)
    assert post(served, ask()).content == ANSWER
    assert len(served.upstream.received) == 2


def test_a_request_is_never_sent_twice(served: Running) -> None:
    async def script(connection: Connection, received: Received) -> None:
        connection.close = len(served.upstream.received) > 1  # without a word, on a connection that worked before
        if not connection.close:
            await connection.whole("200 OK", ANSWER)

    served.upstream.scripts["once"] = script

    assert post(served, ask(script="once")).content == ANSWER
    assert_refused_upstream(post(served, ask(script="once")), 502, "upstream.failed")
    assert len(served.upstream.received) == 2


def test_an_upstream_that_cannot_be_reached_costs_nothing(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(upstream, tmp_path / "limits.db", policy=a_policy("http://127.0.0.1:1/v1")) as served:
        assert_refused_upstream(post(served, ask()), 502, "upstream.unreachable")
        assert served.recorder.outcome().charged_tokens == 0


@contextmanager
def impatient(upstream: ScriptedUpstream, database: Path) -> Generator[Running]:
    policy: ModelPolicy = a_policy(
        upstream.url, upstream=Upstream(upstream.url, MODEL, first_byte_s=0.1, idle_s=0.3, connect_s=0.2)
    )
    with running(upstream, database, policy=policy) as served:
        yield served


def test_a_silent_upstream_is_a_timeout(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with impatient(upstream, tmp_path / "limits.db") as served:
        assert_refused_upstream(post(served, ask(script="nothing")), 504, "upstream.timeout")
        assert_refused_upstream(post(served, ask(script="nothing", stream=True)), 504, "upstream.timeout")
        assert served.recorder.outcome(2).status.value == "upstream_failed"
        eventually(lambda: upstream.abandoned == 2)


async def two_frames_then_silence(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    await connection.chunk(chunk_of("a") + chunk_of("b") + b'data: {"half":')
    await connection.reader.read(1)
    connection.close = True


async def two_frames_then_close(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    await connection.chunk(chunk_of("a") + chunk_of("b") + b'data: {"half":')
    connection.close = True


async def two_frames_then_a_proper_end(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    await connection.chunk(chunk_of("a") + chunk_of("b"))
    await connection.end_stream()


async def two_frames_then_garbage(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    await connection.chunk(chunk_of("a") + chunk_of("b") + b"data: <html>\n\n")
    await connection.end_stream()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (two_frames_then_silence, "upstream.timeout"),
        (two_frames_then_close, "upstream.failed"),
        (two_frames_then_a_proper_end, "upstream.failed"),
        (two_frames_then_garbage, "upstream.garbage"),
    ],
)
def test_a_stream_that_fails_is_sealed(upstream: ScriptedUpstream, tmp_path: Path, script: Any, code: str) -> None:
    upstream.scripts["failing"] = script
    with impatient(upstream, tmp_path / "limits.db") as served:
        answer = post(served, ask(script="failing", stream=True))

        begun = chunk_of("a") + chunk_of("b")
        assert answer.content.startswith(begun)
        assert answer.content.endswith(DONE)
        error = json.loads(answer.content[len(begun) :].removesuffix(DONE).removeprefix(b"data: "))["error"]
        assert error["code"] == code
        settled = served.recorder.outcome()
        assert (settled.status.value, settled.usage_exact, settled.detail) == ("upstream_failed", False, code)
        assert settled.charged_tokens == served.recorder.admissions[0].reserved_tokens


def test_a_whole_answer_where_a_stream_was_asked_for_is_passed_on_as_it_is(served: Running) -> None:
    answer = post(served, ask(script="whole", stream=True))

    assert answer.content == ANSWER
    assert served.recorder.outcome().usage_exact


def test_a_client_that_leaves_stops_the_upstream_before_and_after_the_first_byte(served: Running) -> None:
    for count, (script, stream) in enumerate([("nothing", False), ("nothing", True), ("forever", True)], start=1):
        body = json.dumps(ask(script=script, stream=stream)).encode()
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode()
                + f"\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            )  # fmt: skip
            eventually(lambda count=count: len(served.upstream.received) == count)
            if script == "forever":
                client.recv(100)
        settled = served.recorder.outcome(count)
        assert (settled.status.value, settled.usage_exact) == ("client_gone", False)
        assert settled.charged_tokens > 0
        eventually(lambda count=count: served.upstream.abandoned == count)


# Headgate's own stores fail.


def test_a_full_disk_lets_nothing_through(served: Running) -> None:
    served.recorder.full = True

    assert_refused(post(served, ask()), 503, "record.unavailable")
    assert served.upstream.received == []
    assert served.gateway.stats().open == 0


def test_a_fault_of_headgates_own_is_answered_without_its_traceback(served: Running) -> None:
    def fault(_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    served.screen.prompt = fault  # type: ignore[method-assign, assignment]
    served.world.change_policy(a_policy(served.upstream.url, a_rule(input_screen=True)))
    eventually(lambda: served.gateway.stats().policy_seq == 1)

    answer = post(served, ask())

    assert_refused(answer, 500, "gateway.fault")
    assert "secret" not in answer.text
    assert served.gateway.stats().open == 0


def test_a_locked_store_of_limits_lets_nothing_through_and_recovers(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    policy = a_policy(upstream.url, a_rule(limits=Limits(requests=Rate(100, 3600))))
    with running(upstream, tmp_path / "limits.db", policy=policy) as served:
        with closing(sqlite3.connect(served.database)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert_refused(post(served, ask()), 503, "quota.unavailable")
            holder.rollback()
        assert upstream.received == []
        eventually(lambda: post(served, ask()).status_code == 200)


def test_a_stopping_worker_says_so_and_ends_what_is_open(served: Running) -> None:
    body = ask(stream=True, script="forever")
    with httpx.stream("POST", f"{served.url}/chat/completions", json=body, headers=AUTH, timeout=20, trust_env=False) as response:
        stream = response.iter_raw()
        next(stream)
        served.thread.run(served.gateway.stop(0.1))
        assert b"gateway.stopping" in b"".join(stream)

    assert_refused(post(served, ask()), 503, "gateway.stopping")


def test_a_worker_that_is_full_sends_requests_away(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(upstream, tmp_path / "limits.db", max_in_flight=1) as served:
        body = ask(stream=True, script="forever")
        with httpx.stream(
            "POST", f"{served.url}/chat/completions", json=body, headers=AUTH, timeout=20, trust_env=False
        ) as response:
            stream = response.iter_raw()
            next(stream)
            answer = post(served, ask())
            assert_refused(answer, 503, "gateway.overloaded")
            assert answer.headers["retry-after"] == "1"
