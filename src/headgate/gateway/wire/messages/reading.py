"""A message, read as it passes.

What settling needs is decoded from every event: the counts, which are cumulative and final only with the stop reason; an error;
which blocks are open. Text is decoded only where a screen wants it, and then all of it: every string of a block, of a delta
and of an event that nobody has heard of is text that a client would see, except names of things and what only the server that
wrote it can read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.gateway.model import ObjectKind
from headgate.gateway.wire.anthropic import body_of
from headgate.gateway.wire.decoding import decoded
from headgate.gateway.wire.messages.tally import Tally
from headgate.gateway.wire.openai import told
from headgate.gateway.wire.surface import MOST_TOKENS, Created, NotAnAnswer, Passing, Piece, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.sse import Frame

_DONE = b"[DONE]"
"""Not of this protocol; a gateway upstream of here adds it."""
_NO_ID = "msg_withheld"
_NAMES = frozenset(
    {
        "type",
        "role",
        "id",
        "index",
        "model",
        "tool_use_id",
        "file_id",
        "signature",
        "stop_reason",
        "stop_sequence",
        "usage",
        "expires_at",
        "service_tier",
    }
)
_SEALED = re.compile(r"encrypted_\w+")
_NOTHING = {"input_tokens": 0, "output_tokens": 0}
_KEPT = ("id", "type", "role", "model", "usage")
"""Members of a message that carry none of its text."""


class _Container(msgspec.Struct):
    id: str | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    container: _Container | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None
    container: _Container | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    message: msgspec.Raw = msgspec.Raw(b"null")
    delta: msgspec.Raw = msgspec.Raw(b"null")
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


class _Words(msgspec.Struct, forbid_unknown_fields=True):
    """A delta as nearly all are."""

    type: str
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Count(msgspec.Struct):
    input_tokens: int


_EVENT = msgspec.json.Decoder(_Event)
_MESSAGE = msgspec.json.Decoder(_Message)
_DELTA = msgspec.json.Decoder(_Delta)
_WORDS = msgspec.json.Decoder(_Words)
_COUNT = msgspec.json.Decoder(_Count)
_ANY = msgspec.json.Decoder()
_PASSING = Passing(forward=True)


class MessagesReading:
    """Reads one message.

    Args:
        model: What the client called the model.
        texts: Whether somebody wants the text.
        kept: What to remember of the conversation, where the upstream was asked to keep it; ``None`` where it was not.
    """

    def __init__(self, *, model: str, texts: bool, kept: Mapping[str, int] | None) -> None:
        self._model = model
        self._texts = texts
        self._kept = kept
        self._tally = Tally()
        self._is_counted = False
        self._message: _Message | None = None
        self._open: set[int] = set()
        self._stopped = False
        self._created: dict[tuple[ObjectKind, str], Created] = {}
        self.failed = False
        self.ended = False

    @property
    def usage(self) -> Usage | None:
        """What the upstream counted, once it is final: what is said before the stop reason is what there was so far."""
        return self._tally.usage() if self._is_counted and (self._stopped or self.ended) else None

    @property
    def complete(self) -> bool:
        """Whether the message has a stop reason, or an error has been told."""
        return self.ended or self.failed or self._stopped

    def frame(self, frame: Frame) -> Passing:
        """Take in an event.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        data = frame.data
        if data is None or data.strip() in (b"", _DONE):
            return _PASSING
        pieces: tuple[Piece, ...] | None = None
        try:
            event = decoded(_EVENT, data)
        except msgspec.ValidationError:
            _object(data)  # an event of another shape passes as it is, as long as it is one
        else:
            self._take_in(event, data)
            if self._texts and event.type == "content_block_delta":
                pieces = _words(event)
        if not self._texts:
            return _PASSING
        return Passing(forward=True, pieces=tuple(_event_pieces(_object(data))) if pieces is None else pieces)

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in a whole message.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        message = _object(body)
        self.failed = self.failed or message.get("error") is not None
        self._begun(body, is_whole=True)
        self._files(body, message)
        self._stopped = self.ended = True
        return tuple(_message_pieces(message)) if self._texts else ()

    def created(self) -> tuple[Created, ...]:
        """Return what the upstream keeps, of what has been told since this was last asked."""
        found = tuple(self._created.values())
        self._created.clear()
        return found

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return an ``error`` event, at which the official client raises."""
        return _frame("error", body_of(refusal, settings, type_=type_))

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return the events that close what is open and stop the message as a ``refusal``; none when it has ended already."""
        if self.ended:
            return b""
        frames: list[bytes] = []
        if self._message is None:
            message = {**_refused({"id": _NO_ID, "model": self._model, "usage": _NOTHING}, None), "stop_reason": None}
            frames.append(_event("message_start", message=message))
        frames += [_event("content_block_stop", index=index) for index in sorted(self._open)]
        counted = {"output_tokens": self._tally.output_tokens or 0}
        delta = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": _stop_details(refusal, settings)}
        frames += [_event("message_delta", delta=delta, usage=counted), _event("message_stop")]
        return b"".join(frames)

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return the same message without content, stopped as a ``refusal``."""
        message = _refused(_object(body), _stop_details(refusal, settings))
        return json.dumps(message, separators=(",", ":")).encode()

    def _take_in(self, event: _Event, data: bytes) -> None:
        if bytes(event.error) != b"null" or event.type == "error":
            self.failed = self.ended = True
        match event.type:
            case "content_block_start" if event.index is not None:
                self._open.add(event.index)
                if b'"file_id"' in data:
                    self._files(data, _object(data))
            case "content_block_stop" if event.index is not None:
                self._open.discard(event.index)
            case "message_start":
                self._open.clear()
                self._begun(event.message, is_whole=False)
            case "message_delta":
                self._delta(event)
            case "message_stop":
                self.ended = True
            case _:
                pass

    def _begun(self, raw: bytes | msgspec.Raw, *, is_whole: bool) -> None:
        try:
            message = decoded(_MESSAGE, raw)
        except msgspec.ValidationError:
            message = _Message()
        self._message = message
        counted = self._tally.add(message.usage)
        self._is_counted = counted and is_whole
        self._contained(message.container)
        if self._kept is not None and message.id is not None:
            self._keep(Created(ObjectKind.MESSAGE, message.id, self._kept))

    def _delta(self, event: _Event) -> None:
        try:
            delta = _DELTA.decode(event.delta)
        except msgspec.ValidationError:
            delta = _Delta()
        if delta.stop_reason is not None:
            self._stopped = True
        self._is_counted = self._tally.add(event.usage) or self._is_counted
        self._contained(delta.container)

    def _contained(self, container: _Container | None) -> None:
        if container is not None and container.id is not None:
            self._keep(Created(ObjectKind.CONTAINER, container.id))

    def _files(self, data: bytes, value: Mapping[str, Any]) -> None:
        """Take in the files that code which the server ran has left with it."""
        if b'"file_id"' in data:
            for name in _named(value, "file_id"):
                self._keep(Created(ObjectKind.FILE, name))

    def _keep(self, created: Created) -> None:
        self._created[created.kind, created.id] = created


class CountReading:
    """Reads the count of a message's tokens.

    Counting runs no model: the exchange is a request like any other, and no token of it is charged.
    """

    usage: Usage | None = None
    failed = False
    ended = False
    complete = False

    def frame(self, frame: Frame) -> Passing:
        """Refuse every frame: a count is not streamed.

        Raises:
            NotAnAnswer: Always.
        """
        del frame
        raise NotAnAnswer

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in the count.

        Raises:
            NotAnAnswer: It is not one.
        """
        try:
            counted = decoded(_COUNT, body).input_tokens
        except msgspec.ValidationError:
            raise NotAnAnswer from None
        if not 0 <= counted <= MOST_TOKENS:
            raise NotAnAnswer
        self.usage = Usage(0, 0)
        return ()

    def created(self) -> tuple[Created, ...]:
        """Return nothing: a count is not kept."""
        return ()

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return an ``error`` event."""
        return _frame("error", body_of(refusal, settings, type_=type_))

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return an ``error`` event."""
        return self.cut(refusal, settings, type_=None)

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return the count and nothing else that may stand beside it."""
        del refusal, settings
        return json.dumps({"input_tokens": _COUNT.decode(body).input_tokens}).encode()


def _object(data: bytes) -> dict[str, Any]:
    value = decoded(_ANY, data)
    if not isinstance(value, dict):
        raise NotAnAnswer
    return cast("dict[str, Any]", value)


def _event(name: str, **members: Any) -> bytes:
    return _frame(name, json.dumps({"type": name, **members}, separators=(",", ":")).encode())


def _frame(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _stop_details(refusal: Refusal, settings: Settings) -> dict[str, Any]:
    """Return why a message was stopped; the hazard's name is Headgate's, not one of the API's categories."""
    error = refusal.error
    return {"type": "refusal", "category": None, "explanation": error.message, "headgate": told(refusal, settings)}


def _refused(message: Mapping[str, Any], stop_details: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "assistant",
        **{key: message[key] for key in _KEPT if key in message},
        "content": [],
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": stop_details,
    }


def _words(event: _Event) -> tuple[Piece, ...] | None:
    """Return the text of a delta; ``None`` where it is not as nearly all are."""
    try:
        words = _WORDS.decode(event.delta)
    except msgspec.DecodeError:
        return None
    named = (("text", words.text), ("thinking", words.thinking), ("partial_json", words.partial_json))
    return tuple([Piece(f"{event.index}/{name}", text) for name, text in named if text])


def _event_pieces(event: dict[str, Any]) -> Iterator[Piece]:
    match event.get("type"):
        case "content_block_delta":
            yield from _pieces(event.get("delta"), f"{event.get('index')}")
        case "content_block_start":
            yield from _pieces(event.get("content_block"), f"{event.get('index')}")
        case "message_start" if isinstance(event.get("message"), dict):
            yield from _message_pieces(event["message"])
        case kind:
            yield from _pieces(event, f"{kind}")


def _message_pieces(message: dict[str, Any]) -> Iterator[Piece]:
    content = message.get("content")
    for index, block in enumerate(cast("list[Any]", content) if isinstance(content, list) else [content]):
        yield from _pieces(block, f"{index}")
    yield from _pieces({key: value for key, value in message.items() if key != "content"}, "message")


def _pieces(value: Any, channel: str) -> Iterator[Piece]:
    """Yield every string in a value as a piece; the input of a call as the JSON that a stream has it in."""
    waiting: list[tuple[str, Any]] = [(channel, value)]
    while waiting:
        where, item = waiting.pop()
        if isinstance(item, str):
            if item:
                yield Piece(where, item)
        elif isinstance(item, list):
            items = cast("list[Any]", item)
            waiting.extend((f"{where}/{position}", items[position]) for position in range(len(items) - 1, -1, -1))
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            is_encoded = members.get("type") in ("redacted_thinking", "base64")
            for key in reversed(members):
                if key == "input":
                    if members[key]:
                        waiting.append((f"{where}/partial_json", json.dumps(members[key], ensure_ascii=False)))
                elif not (key in _NAMES or _SEALED.fullmatch(key) or (key == "data" and is_encoded)):
                    waiting.append((f"{where}/{key}", members[key]))


def _named(value: Any, key: str) -> Iterator[str]:
    """Yield every string under ``key``, at any depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(cast("list[Any]", item))
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            if isinstance(members.get(key), str):
                yield members[key]
            waiting.extend(members.values())
