"""What real model servers do that a reader of their documentation would not expect, each by its name.

Each quirk stands here in its smallest form, written for this test; where the recordings are at hand, one that has it is replayed
as well.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from headgate.traffic.model import OutcomeStatus
from wire import recorded
from wire.recorded import Recorded
from wire.recorded_requests import MINIMAL, SYNTHETIC, Exchange, exchanges, surfaces
from wire.replaying_kit import body_wrong, coded_wrong, fetch_all, headers_wrong, replaying, sent_wrongly, settled_wrongly, unseen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wire.replaying_kit import Fetched

CHAT, RESPONSES, MESSAGES = "/chat/completions", "/responses", "/messages"
STREAM = (b"content-type", b"text/event-stream")
JSON = (b"content-type", b"application/json")
WHOLE_CHAT = (
    b'{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
)


def chunk(text: str | None, *, finish: str | None = None, **more: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": choices} | more).encode()


def frames(*data: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(b"data: " + one + end + end for one in data)


def event(name: str, *, more: bytes = b"", **members: Any) -> bytes:
    data = json.dumps({"type": name} | members, separators=(",", ":")).encode()
    return b"event: " + name.encode() + b"\ndata: " + data[:-1] + more + b"}\n\n"


USAGE = {"prompt_tokens": 7, "completion_tokens": 2}
SPOKEN = (chunk("Hel"), chunk("lo"), chunk(None, finish="stop"))
RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "response", "output": [], "usage": None}
RESPONSE_DONE = RESPONSE | {"usage": {"input_tokens": 7, "output_tokens": 2}}
DELTA: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hello"}
STARTED: dict[str, Any] = {"message": {"id": "msg_1", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}}


def message(*, padding: bytes = b"", after: bytes = b"") -> bytes:
    return b"".join(
        (
            event("message_start", **STARTED),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}, more=padding),
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"}, more=padding),
            event("content_block_stop", index=0, more=padding),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2}, more=padding),
            event("message_stop", more=padding),
            after,
        )
    )


def response(*, after: bytes = b"", **delta: Any) -> bytes:
    return b"".join(
        (
            event("response.created", sequence_number=0, response=RESPONSE),
            event("response.output_text.delta", sequence_number=1, **(DELTA | delta)),
            event("response.completed", sequence_number=2, response=RESPONSE_DONE),
            after,
        )
    )


def swapped(stream: bytes) -> bytes:
    """Return a stream with the data line of every frame before its event line."""
    return b"".join(b"\n".join(reversed(frame.split(b"\n"))) + b"\n\n" for frame in stream.split(b"\n\n") if frame)


@dataclass(frozen=True)
class Quirk:
    """One.

    Attributes:
        name: What it is.
        path: The surface.
        body: The answer.
        has: Whether a recording has it too; ``None`` where none does, or the catalogue does not say.
        headers: The answer's.
        status: The answer's.
        asked: What the request has besides the least.
        ends: How the exchange is settled.
    """

    name: str
    path: str
    body: bytes
    has: Callable[[Recorded], bool] | None
    headers: tuple[tuple[bytes, bytes], ...] = (STREAM,)
    status: int = 200
    asked: dict[str, Any] = field(default_factory=dict[str, Any])
    ends: OutcomeStatus = OutcomeStatus.COMPLETED

    @property
    def exchange(self) -> Exchange:
        streamed = any(value.startswith(b"text/event-stream") for _, value in self.headers)
        asked = {"model": SYNTHETIC, **MINIMAL[self.path], **self.asked, **({"stream": True} if streamed else {})}
        one = Recorded(
            name=self.name,
            source="",
            surface=self.path,
            streamed=streamed,
            fidelity="",
            quirks=frozenset(),
            method="POST",
            url="",
            request=b"",
            status=self.status,
            headers=self.headers,
            body=self.body,
            coded=gzip.compress(self.body, mtime=0),
        )
        return Exchange(one, surfaces()[self.path], json.dumps(asked).encode(), is_own=False)


def tagged(tag: str) -> Callable[[Recorded], bool]:
    return lambda one: any(quirk.startswith(tag) for quirk in one.quirks)


QUIRKS = (
    Quirk(
        "2a. padding before a closing brace",
        MESSAGES,
        message(padding=b"            "),
        lambda one: one.surface == "messages" and b"  }\n" in one.body,
    ),
    Quirk(
        "2b. padding of random length in a member",
        RESPONSES,
        response(obfuscation="aZ09xQ"),
        lambda one: b'"obfuscation"' in one.body and one.streamed,
    ),
    Quirk("3. the data line before the event line", RESPONSES, swapped(response()), tagged("data-before-event")),
    Quirk("4. lines that end in CRLF", CHAT, frames(*SPOKEN, b"[DONE]", end=b"\r\n"), None),
    Quirk("4b. lines that end in CR", CHAT, frames(*SPOKEN, b"[DONE]", end=b"\r"), None),
    Quirk(
        "5. comments between and before events",
        CHAT,
        b": PROCESSING\n\n" * 17 + frames(SPOKEN[0]) + b": keepalive\n\n: \n\n" + frames(*SPOKEN[1:], b"[DONE]"),
        lambda one: tagged("comment")(one) and one.surface == "chat",
    ),
    Quirk(
        "6. blank lines astray",
        CHAT,
        b"\n\n\n\n" + frames(SPOKEN[0]) + b"\n" + frames(*SPOKEN[1:]) + b"\n\n\n" + frames(b"[DONE]"),
        lambda one: bool(one.quirks & {"triple-newline", "sse-leading-blank"}) and one.surface == "chat",
    ),
    Quirk(
        "7. whitespace, line by line, before the JSON",
        CHAT,
        b"\n         \n" * 6 + WHOLE_CHAT,
        tagged("json-leading-ws"),
        headers=(JSON,),
    ),
    Quirk(
        "8a. an error event at the end of a stream",
        CHAT,
        frames(SPOKEN[0]) + b'event: error\ndata: {"error":{"message":"no","status_code":400}}\n\n',
        tagged("error-in-stream"),
        ends=OutcomeStatus.UPSTREAM_FAILED,
    ),
    Quirk(
        "8b. an error in a chunk, and then the ordinary end",
        CHAT,
        frames(SPOKEN[0], chunk(None, error={"code": 502, "message": "no"}), b"[DONE]"),
        None,
        ends=OutcomeStatus.UPSTREAM_FAILED,
    ),
    Quirk(
        "8c. an error as the whole of a 200",
        CHAT,
        b'{"error":{"message":"filtered","code":400}}',
        tagged("200-with-error-json"),
        headers=(JSON,),
    ),
    Quirk(
        "9a. no last frame",
        CHAT,
        frames(*SPOKEN, chunk(None, choices=[], usage=USAGE)),
        lambda one: "chat-no-DONE" in one.quirks and not one.quirks & {"error-in-stream"},
        asked={"stream_options": {"include_usage": True}},
    ),
    Quirk(
        "9b. a last frame that is of another protocol, after responses",
        RESPONSES,
        response(after=b"data: [DONE]\n\n"),
        tagged("responses-with-DONE"),
    ),
    Quirk(
        "9c. a last frame that is of another protocol, after messages",
        MESSAGES,
        message(after=b"event: data\ndata: [DONE]\n\n"),
        tagged("messages-with-DONE"),
    ),
    Quirk("9d. a last frame without its empty line", CHAT, frames(*SPOKEN, b"[DONE]").rstrip(), None),
    Quirk("9e. a last frame with half of its empty line", CHAT, frames(*SPOKEN, b"[DONE]", end=b"\r\n")[:-1], None),
    Quirk("9f. neither a last frame nor the empty line of the one before", CHAT, frames(*SPOKEN).rstrip(), None),
    Quirk(
        "9g. no end at all",
        CHAT,
        frames(*SPOKEN[:2]),
        None,
        ends=OutcomeStatus.UPSTREAM_FAILED,
    ),
    Quirk(
        "10a. a last chunk of usage and no choices",
        CHAT,
        frames(*SPOKEN, chunk(None, choices=[], usage=USAGE), b"[DONE]"),
        lambda one: one.streamed and b'"choices":[],"usage":{' in one.body,
        asked={"stream_options": {"include_usage": True}},
    ),
    Quirk(
        "10b. a last chunk of usage that the client did not ask for",
        CHAT,
        frames(*SPOKEN, chunk(None, choices=[], usage=USAGE), b"[DONE]"),
        None,
    ),
    Quirk(
        "10c. a first chunk of filter results and no choices",
        CHAT,
        frames(b'{"choices":[],"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}', *SPOKEN, b"[DONE]"),
        tagged("azure-first-empty-choices"),
    ),
    Quirk(
        "11a. retry-after on a success",
        MESSAGES,
        b'{"id":"msg_1","type":"message","content":[{"type":"text","text":"Hi"}],"usage":{"input_tokens":7,"output_tokens":2}}',
        lambda one: tagged("retry-after")(one) and one.status == 200,
        headers=(JSON, (b"retry-after", b"17")),
    ),
    Quirk(
        "11b. two ways to say when, which differ",
        CHAT,
        b'{"error":{"code":"429","message":"slow down"}}',
        lambda one: one.status == 429,
        headers=(JSON, (b"retry-after", b"1"), (b"retry-after-ms", b"0"), (b"x-should-retry", b"false")),
        status=429,
        ends=OutcomeStatus.UPSTREAM_REFUSED,
    ),
    *(
        Quirk(
            f"12. a stream of {name.decode()}",
            CHAT,
            frames(*SPOKEN, b"[DONE]"),
            lambda one, name=name: one.streamed and one.content_type.encode() == name,
            headers=((b"content-type", name),),
        )
        for name in (b"text/event-stream; charset=utf-8", b"text/event-stream;charset=UTF-8", b"text/event-stream")
    ),
    Quirk(
        "12b. an error in JSON that is declared as bytes",
        CHAT,
        b'{"error":{"message":"no"}}',
        lambda one: one.content_type == "application/octet-stream",
        headers=((b"content-type", b"application/octet-stream"),),
        status=400,
        ends=OutcomeStatus.UPSTREAM_REFUSED,
    ),
    Quirk(
        "13. headers that stand twice",
        CHAT,
        WHOLE_CHAT,
        tagged("duph"),
        headers=(
            JSON,
            *((b"vary", b"accept-encoding"), (b"vary", b"origin"), (b"access-control-expose-headers", b"a")),
            *((b"access-control-expose-headers", b"b"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
            *((b"date", b"today"), (b"date", b"now"), (b"server", b"one"), (b"server", b"two")),
        ),
    ),
    Quirk(
        "14. numbers and text that another writer would spell otherwise",
        CHAT,
        b'{"choices":[{"index":0,"message":{"content":"\\u00E9\xc3\xa9\\/\\ud83d\\ude00"},"finish_reason":"stop","p":1.0,'
        b'"q":4e-07,"r":-0.12345678901234567890123,"s":1E+2,"t":-0}] ,\r\n\t"usage":{"prompt_tokens":3,"completion_tokens":1}}\n',
        tagged("float>17digits"),
        headers=(JSON,),
    ),
    Quirk(
        "15a. an answer of bytes that are no text",
        "/audio/speech",
        bytes(range(256)) * 40,
        lambda one: one.url.endswith("/audio/speech"),
        headers=((b"content-type", b"audio/mpeg"),),
    ),
    Quirk(
        "15b. a failure that says nothing",
        CHAT,
        b"",
        lambda one: one.status == 500 and not one.body,
        headers=(JSON,),
        status=500,
        ends=OutcomeStatus.UPSTREAM_FAILED,
    ),
    Quirk(
        "16. a line of more than 64 KiB",
        RESPONSES,
        response(delta="Hello " * 20_000),
        tagged("line>65536"),
    ),
)
BY_NAME = {quirk.name: quirk for quirk in QUIRKS}


def replayed(tmp_path: Path, exchange: Exchange, *, times: int = 2, coded: bool = False) -> list[Fetched]:
    """Return an exchange as it was received, without and with a screen that holds it back."""
    with replaying(tmp_path / "limits.db", [exchange] * times, coded=coded) as served:
        return asyncio.run(fetch_all(served, [exchange] * times))


def wrong(one: Fetched) -> list[str]:
    checks = (body_wrong, headers_wrong, settled_wrongly, unseen, sent_wrongly)
    return [why for check in checks if (why := check(one))]


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Fetched]]:
    played = [quirk.exchange for quirk in QUIRKS for _ in range(4)]  # split otherwise each time, held back every other
    with replaying(tmp_path_factory.mktemp("quirks") / "limits.db", played) as served:
        fetched = asyncio.run(fetch_all(served, played))
    return {quirk.name: fetched[4 * number : 4 * number + 4] for number, quirk in enumerate(QUIRKS)}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_quirk_survives(synthetic: dict[str, list[Fetched]], name: str) -> None:
    for one in synthetic[name]:
        assert wrong(one) == []
        assert one.outcome is not None
        assert one.outcome.status is BY_NAME[name].ends


@pytest.fixture(scope="module")
def in_recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Fetched]]:
    recorded.everything()  # or skip
    found = [(quirk.name, one) for quirk in QUIRKS if (one := _recorded_with(quirk)) is not None]
    with replaying(tmp_path_factory.mktemp("recorded") / "limits.db", [one for _, one in found for _ in range(2)]) as served:
        fetched = asyncio.run(fetch_all(served, [one for _, one in found for _ in range(2)]))
    return {name: fetched[2 * number : 2 * number + 2] for number, (name, _) in enumerate(found)}


def _recorded_with(quirk: Quirk) -> Exchange | None:
    has = quirk.has
    return None if has is None else next((one for one in exchanges() if has(one.recorded)), None)


@pytest.mark.parametrize("name", [quirk.name for quirk in QUIRKS if quirk.has is not None])
def test_a_recording_that_has_it_survives(in_recordings: dict[str, list[Fetched]], name: str) -> None:
    for one in in_recordings[name]:
        assert wrong(one) == []


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_1_a_stream_that_is_compressed_is_unpacked(tmp_path: Path, path: str) -> None:
    body = message() if path == MESSAGES else frames(*SPOKEN, chunk(None, choices=[], usage=USAGE), b"[DONE]")
    quirk = Quirk("1. a compressed stream", path, body, None, asked={"stream_options": {"include_usage": True}})

    for one in replayed(tmp_path, quirk.exchange, times=6, coded=True):
        assert coded_wrong(one) == ""
        assert unseen(one) == ""
        assert one.through.body == body


def test_1_a_recorded_stream_that_is_compressed_is_unpacked(tmp_path: Path) -> None:
    recorded.everything()
    exchange = next(one for one in exchanges() if one.streamed and one.recorded.coded)

    for one in replayed(tmp_path, exchange, coded=True):
        assert coded_wrong(one) == ""
        assert unseen(one) == ""


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"x-unheard-of"])
def test_a_coding_that_nobody_can_read_is_not_passed_on(tmp_path: Path, coding: bytes) -> None:
    for headers in ((JSON,), (STREAM,)):
        quirk = Quirk("coded", CHAT, b"\x0b\x02\x80no json", None, headers=(*headers, (b"content-encoding", coding)))

        for one in replayed(tmp_path, quirk.exchange):
            assert (one.through.status, one.through.header(b"content-encoding")) == (502, b"")
            assert b"upstream.garbage" in one.through.body


def test_what_stands_after_the_end_of_a_compressed_answer_is_not_passed_on_unread(tmp_path: Path) -> None:
    quirk = Quirk("two members", CHAT, WHOLE_CHAT, None, headers=(JSON, (b"content-encoding", b"gzip")))
    hidden = gzip.compress(WHOLE_CHAT, mtime=0) + gzip.compress(b"what no screen has seen", mtime=0)
    exchange = quirk.exchange
    exchange = replace(exchange, recorded=replace(exchange.recorded, body=hidden))

    for one in replayed(tmp_path, exchange):
        assert one.through.status == 502
        assert hidden not in one.through.body


def test_15_an_answer_without_a_body_is_none_for_a_surface_that_answers_in_json(tmp_path: Path) -> None:
    quirk = Quirk("15c. nothing at all", CHAT, b"", None, headers=(JSON,), status=204)

    for one in replayed(tmp_path, quirk.exchange):
        assert one.through.status == 502
        assert b"upstream.garbage" in one.through.body
