"""A gateway in front of a scripted server that speaks the Anthropic API, and the official client of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anthropic
import httpx

from headgate.gateway.model import Api, Upstream
from wire.kit import KEY, a_policy, a_principal, a_rule, running

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from headgate.gateway.model import ModelPolicy, StageRule
    from wire.kit import Connection, Received, Running, Script, ScriptedUpstream

SURFACES = frozenset({"api.messages"})
CAPABILITIES = frozenset(
    {
        "streaming",
        "tools",
        "parallel_tool_calls",
        "system_prompt",
        "response_format",
        "image_input",
        "thinking",
        "hosted_tools",
        "stored",
    }
)
USAGE = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 5}
TOOL: Any = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
HI: Any = [{"role": "user", "content": "Hi"}]


def a_stage(**changes: Any) -> StageRule:
    return a_rule(**{"surfaces": SURFACES, "capabilities": CAPABILITIES, **changes})


def a_messages_policy(url: str, rule: StageRule | None = None, **changes: Any) -> ModelPolicy:
    upstream = Upstream(
        url, "upstream-atlas", api_key="headgates-own", first_byte_s=5.0, idle_s=5.0, apis=frozenset({Api.ANTHROPIC})
    )
    return a_policy(url, rule or a_stage(), upstream=upstream, **changes)


@contextmanager
def messages_gateway(
    upstream: ScriptedUpstream, database: Path, rule: StageRule | None = None, **settings: Any
) -> Generator[Running]:
    """Serve a gateway in front of a server that speaks the Anthropic API; its one key may use messages."""
    upstream.scripts |= SCRIPTS
    with running(upstream, database, policy=a_messages_policy(upstream.url, rule), **settings) as served:
        served.world.principals = {KEY: a_principal(scopes=SURFACES)}
        yield served


def a_client(served: Running, key: str = KEY, *, max_retries: int = 0) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=f"http://127.0.0.1:{served.port}", api_key=key, max_retries=max_retries, timeout=20)


def an_async_client(served: Running, key: str = KEY) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=f"http://127.0.0.1:{served.port}", api_key=key, max_retries=0, timeout=20)


def posted(url: str, path: str, body: bytes, **headers: str) -> httpx.Response:
    """Send raw bytes and return the raw answer."""
    sent = {"content-type": "application/json", "x-api-key": KEY, "anthropic-version": "2023-06-01", **headers}
    return httpx.post(f"{url}{path}", content=body, headers=sent, timeout=20)


# What the server says. The oddities are those of real servers: blanks before a frame's end, members out of order, pings.


def event(name: str, **members: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **members})}   \n\n".encode()


def started(**message: Any) -> bytes:
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "upstream-atlas", "content": [], "stop_reason": None}
    return event("message_start", message={**start, "stop_sequence": None, "usage": {**USAGE, "output_tokens": 1}, **message})


def text_block(index: int, *texts: str) -> list[bytes]:
    return [
        event("content_block_start", index=index, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=index, delta={"type": "text_delta", "text": text}) for text in texts),
        event("content_block_stop", index=index),
    ]


def ended(reason: str = "end_turn") -> list[bytes]:
    return [
        event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 5}),
        event("message_stop"),
    ]


PLAIN = [started(), event("ping"), *text_block(0, "Hel", "lo", "."), *ended()]
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+/=="
THOUGHTS = [
    started(),
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
    event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Let me see."}),
    event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": SIGNATURE}),
    event("content_block_stop", index=0),
    *text_block(1, "Seen."),
    *ended(),
]
CALLS = [
    started(),
    *text_block(0, "Looking."),
    event("content_block_start", index=1, content_block={"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}),
    event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"city": "Be'}),
    event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": 'rn"}'}),
    event("content_block_stop", index=1),
    *ended("tool_use"),
]
_START_BACKWARDS = (
    b'data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],'
    b'"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":32,"output_tokens":0}}}\nevent: message_start\n\n'
)
BACKWARDS = [
    _START_BACKWARDS,
    b": comment\n\n",
    *(frame.replace(b"\n", b"\r\n") for frame in text_block(0, "Hel", "lo.")),
    *ended(),
    b"event: data\ndata: [DONE]\n\n",
]
BLOCKED = [started(), *text_block(0, "Fine so far. "), *text_block(1, "Now make ", "sarin.")[:-1]]
FAILING = [*PLAIN[:4], event("error", error={"type": "overloaded_error", "message": "Overloaded"})]

MESSAGE = (
    b'{"model":"upstream-atlas","id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hello."}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"x_new":1.50,"usage":' + json.dumps(USAGE).encode() + b"}\n"
)


def a_stream(frames: Iterable[bytes]) -> Script:
    sent = list(frames)

    async def say(connection: Connection, received: Received) -> None:
        await connection.start_stream()
        for frame in sent:
            await connection.chunk(frame)
        await connection.end_stream()

    return say


def a_whole(body: bytes, status: str = "200 OK", extra: str = "") -> Script:
    async def say(connection: Connection, received: Received) -> None:
        await connection.whole(status, body, extra=extra)

    return say


async def say_as_asked(connection: Connection, received: Received) -> None:
    """Count, stream or answer whole, by the path and the body."""
    if b"/count_tokens " in received.head.split(b"\r\n", 1)[0]:
        await a_whole(b'{"input_tokens":19}')(connection, received)
    elif received.value.get("stream"):
        await a_stream(PLAIN)(connection, received)
    else:
        extra = "request-id: req_theirs\r\nanthropic-ratelimit-requests-limit: 4000\r\nanthropic-organization-id: org\r\n"
        await a_whole(MESSAGE, extra=extra)(connection, received)


async def say_for_ever(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    for frame in PLAIN[:3]:
        await connection.chunk(frame)
    while True:
        await connection.chunk(event("content_block_delta", index=0, delta={"type": "text_delta", "text": "word "}))
        await asyncio.sleep(0.02)


async def say_blocked(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    for frame in BLOCKED:
        await connection.chunk(frame)
        await asyncio.sleep(0.02)
    while True:
        await connection.chunk(event("content_block_delta", index=1, delta={"type": "text_delta", "text": "And so on. "}))
        await asyncio.sleep(0.02)


async def say_half(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    for frame in PLAIN[:4]:
        await connection.chunk(frame)
    connection.close = True


SCRIPTS: dict[str, Script] = {
    "whole": say_as_asked,
    "stream": say_as_asked,
    "thoughts": a_stream(THOUGHTS),
    "calls": a_stream(CALLS),
    "backwards": a_stream(BACKWARDS),
    "blocked": say_blocked,
    "failing": a_stream(FAILING),
    "for_ever": say_for_ever,
    "half": say_half,
    "unfinished": a_stream(PLAIN[:-1]),
    "overloaded": a_whole(
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}', "529 Overloaded"
    ),
    "rejected": a_whole(
        b'{"type":"error","error":{"type":"invalid_request_error","message":"temperature: range: 0..1"}}', "400 Bad Request"
    ),
    "blocked_whole": a_whole(MESSAGE.replace(b"Hello.", b"Make sarin.")),
    "garbage": a_whole(b"<html>"),
}
