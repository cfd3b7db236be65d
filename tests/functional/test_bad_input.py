"""Bad requests, bad clients and a bad model server, through the whole stack: a clear error each, and a settled exchange."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from functional.kit import MODEL, Running, eventually, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.testing.cast import Member

HI = [{"role": "user", "content": "Hi"}]
GOOD = {"model": MODEL, "messages": HI, "max_tokens": 8}
JSON = {"content-type": "application/json"}


@pytest.fixture
def who(shared: Running, request: pytest.FixtureRequest) -> Member:
    return shared.member(request.node.name)


def told(response: httpx.Response) -> tuple[int, str]:
    error = problem(response)
    assert error["message"]
    assert {"message", "type", "param", "code", "headgate"} == set(error)
    assert "Traceback" not in response.text
    return response.status_code, error["code"]


NEVER_ADMITTED: dict[str, tuple[Any, dict[str, str], int, str]] = {
    "malformed JSON": (b'{"model": "small-model", "messages": [', JSON, 400, "request.malformed"),
    "no object": (b"[1, 2]", JSON, 400, "request.malformed"),
    "nothing at all": (b"", JSON, 400, "request.malformed"),
    "a key twice": (b'{"model": "small-model", "model": "x", "messages": []}', JSON, 400, "request.malformed"),
    "broken UTF-8": (
        b'{"model": "small-model", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        JSON,
        400,
        "request.malformed",
    ),
    "very deep": (b'{"model": "small-model", "messages": ' + b"[" * 100_000, JSON, 400, "request.malformed"),
    "a wrong type": (json.dumps({**GOOD, "stream": "yes"}).encode(), JSON, 400, "request.wrong_type"),
    "an unknown model": (json.dumps({**GOOD, "model": "gpt-none"}).encode(), JSON, 404, "model_not_found"),
    "a wrong content type": (json.dumps(GOOD).encode(), {"content-type": "text/plain"}, 415, "request.wrong_content_type"),
    "no content type": (json.dumps(GOOD).encode(), {}, 415, "request.wrong_content_type"),
    "an unknown encoding": (json.dumps(GOOD).encode(), {**JSON, "content-encoding": "wild"}, 415, "request.wrong_encoding"),
    "a broken encoding": (json.dumps(GOOD).encode(), {**JSON, "content-encoding": "gzip"}, 415, "request.wrong_encoding"),
    "a right nobody gave": (json.dumps({**GOOD, "n": 4}).encode(), JSON, 403, "capability.not_allowed"),
    "too long an answer": (json.dumps({**GOOD, "max_tokens": 100_000}).encode(), JSON, 403, "capability.max_output_tokens"),
}


@pytest.mark.parametrize(("body", "headers", "status", "code"), NEVER_ADMITTED.values(), ids=NEVER_ADMITTED)
def test_a_bad_request_is_told_what_is_wrong_and_is_never_admitted(
    shared: Running, who: Member, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    assert told(shared.post(who, content=body, headers=headers)) == (status, code)
    assert shared.endings(of=who.account_id) == {}


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_fifty_megabytes_are_turned_away(shared: Running, who: Member, declared: bool) -> None:
    size, piece = 50_000_000, b"x" * 1_000_000

    def pieces() -> Iterator[bytes]:
        yield from (piece for _ in range(50))

    headers = {**JSON, **({"content-length": str(size)} if declared else {})}
    try:
        response = shared.post(who, content=pieces(), headers=headers)
    except httpx.TransportError:
        pass  # it may hang up on a client that goes on sending
    else:
        assert told(response) == (413, "request.too_large")
    assert shared.endings(of=who.account_id) == {}
    assert shared.ask(who).status_code == 200


def test_a_field_that_nobody_knows_survives(shared: Running, who: Member) -> None:
    assert shared.ask(who, x_brand_new={"a": [1.50, None]}, service_tier="auto").status_code == 200


def test_a_client_that_stops_sending_is_let_go(shared: Running, who: Member) -> None:
    address = urlsplit(shared.where.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as wire:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {who.key}\r\n"
        wire.sendall((head + "content-type: application/json\r\ncontent-length: 200\r\n\r\n{").encode())
        answer = b""
        while b"request.too_slow" not in answer and (got := wire.recv(4096)):
            answer += got
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request.too_slow" in answer
    assert shared.endings(of=who.account_id) == {}


FAULTS: dict[str, tuple[str, int, str, str]] = {
    "status 500": ("status=500", 500, "fault", "upstream_failed"),
    "status 429": ("status=429", 429, "fault", "upstream_refused"),
    "garbage": ("garbage", 502, "upstream.garbage", "upstream_failed"),
    "closed half-way": ("close-early", 502, "upstream.failed", "upstream_failed"),
    "silent": ("slow=30", 504, "upstream.timeout", "upstream_failed"),
    "stalled before its answer": ("stall", 504, "upstream.timeout", "upstream_failed"),
}


@pytest.mark.parametrize(("fault", "status", "code", "ending"), FAULTS.values(), ids=FAULTS)
def test_a_model_server_that_fails_is_told_as_it_is_and_settled(
    shared: Running, who: Member, fault: str, status: int, code: str, ending: str
) -> None:
    response = shared.ask(who, metadata={"x-small-model-fault": fault})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    eventually(lambda: shared.endings(of=who.account_id) == {ending: 1})


STREAM_FAULTS: dict[str, tuple[str, str]] = {
    "garbage, then nothing": ("garbage", "upstream.failed"),
    "closed after three events": ("close-early=3", "upstream.failed"),
    "stalled after three events": ("stall=3", "upstream.timeout"),
}


@pytest.mark.parametrize(("fault", "code"), STREAM_FAULTS.values(), ids=STREAM_FAULTS)
def test_a_stream_that_fails_ends_with_an_error_and_is_charged_in_full(
    shared: Running, who: Member, fault: str, code: str
) -> None:
    response = shared.ask(who, stream=True, metadata={"x-small-model-fault": fault})
    said = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    if response.status_code == 200:
        assert said[-1] == "[DONE]"
        assert json.loads(said[-2])["error"]["code"] == code
    else:
        assert told(response)[1] == code
    (row,) = eventually(
        lambda: [row for row in shared.admitted().values() if row["account_id"] == who.account_id and row["status"]]
    )
    assert (row["status"], row["charged_tokens"]) == ("upstream_failed", row["reserved_tokens"])


def test_a_client_that_leaves_is_settled_as_gone(shared: Running, who: Member) -> None:
    body = {**GOOD, "stream": True, "metadata": {"x-small-model-fault": "stall=1"}}
    headers = {"authorization": f"Bearer {who.key}"}
    with (
        httpx.Client(trust_env=False, timeout=20) as http,
        http.stream("POST", f"{shared.where.url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        next(response.iter_bytes())
    left = time.monotonic()
    eventually(lambda: shared.endings(of=who.account_id) == {"client_gone": 1})
    assert time.monotonic() - left < 10


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer sk-not-ours", "Bearer hg_live_" + "0" * 40, "Bearer \u20ac"])
def test_a_key_that_is_none_opens_nothing(shared: Running, key: str) -> None:
    headers = {b"authorization": key.encode("utf-8")} if key else {}
    response = httpx.post(f"{shared.where.url}/v1/chat/completions", json=GOOD, headers=headers, trust_env=False)
    assert told(response)[0] == 401
