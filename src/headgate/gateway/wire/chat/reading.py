"""A chat answer, read as it passes.

What settling needs is decoded from every chunk: usage, an error, which choices are finished. Text is decoded only where a
screen wants it, and then all of it: every string that a choice's ``delta`` or ``message`` holds is text that a client would
see, whatever the server calls it, except the few that are names of things.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.gateway.model import ObjectKind
from headgate.gateway.wire.decoding import decoded
from headgate.gateway.wire.openai import body_of, told
from headgate.gateway.wire.surface import MOST_TOKENS, Created, NotAnAnswer, Passing, Piece, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.sse import Frame

_DONE = b"[DONE]"
_LAST = b"data: [DONE]\n\n"
_NOT_TEXT = frozenset({"role", "type", "id", "index", "format", "signature", "data", "encrypted_content", "expires_at"})
"""Members of a delta or a message that name or encode, and say nothing."""


class _Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class _Words(msgspec.Struct, forbid_unknown_fields=True):
    """A delta as nearly all are."""

    role: Any = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: None = None
    function_call: None = None


class _WordedChoice(msgspec.Struct):
    index: int
    delta: _Words | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0


class _Head(msgspec.Struct):
    id: Any = None
    created: Any = None
    model: Any = None
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Chunk(_Head):
    choices: list[_Choice] | msgspec.UnsetType | None = msgspec.UNSET


class _WordedChunk(_Head):
    choices: list[_WordedChoice] | msgspec.UnsetType | None = msgspec.UNSET


class _Bare(msgspec.Struct):
    """A chunk whose choices are not what they should be."""

    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_CHUNK = msgspec.json.Decoder(_Chunk)
_WORDED = msgspec.json.Decoder(_WordedChunk)
_BARE = msgspec.json.Decoder(_Bare)
_USAGE = msgspec.json.Decoder(_Usage)
_ANY = msgspec.json.Decoder()
_PASSING = Passing(forward=True)
_OURS = Passing(forward=False)


class ChatReading:
    """Reads one chat answer.

    Args:
        wants_usage: Whether the client itself asked for usage on the stream; if not, the chunk that carries nothing else is
            Headgate's own and goes no further.
        choices: How many choices were asked for.
        texts: Whether somebody wants the text.
        aloud: Whether the answer may be spoken; the upstream keeps what is, under an identifier.
    """

    def __init__(self, *, wants_usage: bool, choices: int, texts: bool, aloud: bool = False) -> None:
        self._wants_usage = wants_usage
        self._choices = choices
        self._texts = texts
        self._usual: msgspec.json.Decoder[_WordedChunk] | msgspec.json.Decoder[_Chunk] = _WORDED if texts else _CHUNK
        self._aloud = aloud
        self._spoken: list[str] = []
        self._told = 0
        self._finished: set[int] = set()
        self._first: _Head | None = None
        self.usage: Usage | None = None
        self.failed = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Whether every choice is finished, or an error has been told; not every server sends ``[DONE]``."""
        return self.ended or self.failed or len(self._finished) >= self._choices

    def frame(self, frame: Frame) -> Passing:
        """Take in a chunk.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        data = frame.data
        if data is None or not data.strip():
            return _PASSING
        if data == _DONE:
            self.ended = True
            return _PASSING
        try:
            chunk = decoded(self._usual, data)
        except msgspec.ValidationError:
            return self._unusual(data)
        self._take_in(chunk)
        if not self._wants_usage and chunk.choices == [] and _says(chunk.usage):
            return _OURS
        pieces = _words(chunk) if isinstance(chunk, _WordedChunk) else self._said(data, "delta")
        return Passing(forward=True, pieces=pieces) if pieces else _PASSING

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in a whole answer.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        self._take_in_bare(body)
        return self._said(body, "message")

    def created(self) -> tuple[Created, ...]:
        """Return what was said aloud since it was last asked; nothing else of a chat answer is kept."""
        if self._told == len(self._spoken):
            return ()
        fresh = self._spoken[self._told :]
        self._told = len(self._spoken)
        return tuple(Created(ObjectKind.SPOKEN_ANSWER, spoken) for spoken in fresh)

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return an error frame and ``[DONE]``, at which the official client raises."""
        return b"data: " + body_of(refusal, settings, type_=type_) + b"\n\n" + _LAST

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return a chunk that finishes every open choice as ``content_filter``, and ``[DONE]``."""
        open_choices = [index for index in range(self._choices) if index not in self._finished]
        first = self._first
        chunk: dict[str, Any] = {
            "id": None if first is None else first.id,
            "object": "chat.completion.chunk",
            "created": None if first is None else first.created,
            "model": None if first is None else first.model,
            "choices": [{"index": index, "delta": {}, "finish_reason": "content_filter"} for index in open_choices],
            "headgate": told(refusal, settings),
        }
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n" + _LAST

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return the same answer with every choice emptied and finished as ``content_filter``."""
        answer = cast("dict[str, Any]", json.loads(body))
        given: Any = answer.get("choices")
        found = cast("list[Any]", given) if isinstance(given, list) else []
        answer["choices"] = [
            {"index": index, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}
            for index, _ in enumerate(found)
        ]
        answer["headgate"] = told(refusal, settings)
        return json.dumps(answer, separators=(",", ":")).encode()

    def _unusual(self, data: bytes) -> Passing:
        """Take in a chunk that holds more than words, or whose choices are not what they should be."""
        try:
            chunk = decoded(_CHUNK, data)
        except msgspec.ValidationError:
            self._take_in_bare(data)
        else:
            self._take_in(chunk)
        pieces = self._said(data, "delta")
        return Passing(forward=True, pieces=pieces) if pieces else _PASSING

    def _take_in_bare(self, data: bytes) -> None:
        try:
            bare = decoded(_BARE, data)
        except msgspec.ValidationError:
            raise NotAnAnswer from None
        self.failed = self.failed or _says(bare.error)
        if _says(bare.usage):
            self.usage = _usage(bare.usage) or self.usage

    def _take_in(self, chunk: _Chunk | _WordedChunk) -> None:
        if self._first is None:
            self._first = chunk
        for choice in chunk.choices or ():
            if choice.finish_reason is not None:
                self._finished.add(choice.index)
        if _says(chunk.error):
            self.failed = True
        if _says(chunk.usage):
            self.usage = _usage(chunk.usage) or self.usage

    def _said(self, data: bytes, holder: str) -> tuple[Piece, ...]:
        """Return all text of a chunk or an answer, where somebody wants it, and hear what is said aloud."""
        if not (self._texts or self._aloud):
            return ()
        said = decoded(_ANY, data)
        if self._aloud:
            self._hear(said, holder)
        return tuple(_pieces(said, holder)) if self._texts else ()

    def _hear(self, chunk: Any, holder: str) -> None:
        """Note what a chunk or an answer calls what is said aloud."""
        given: Any = cast("dict[str, Any]", chunk).get("choices")
        for choice in cast("list[Any]", given) if isinstance(given, list) else ():
            said: Any = cast("dict[str, Any]", choice).get(holder) if isinstance(choice, dict) else None
            audio: Any = cast("dict[str, Any]", said).get("audio") if isinstance(said, dict) else None
            name: Any = cast("dict[str, Any]", audio).get("id") if isinstance(audio, dict) else None
            if isinstance(name, str) and name and name not in self._spoken:
                self._spoken.append(name)


def _says(value: Any) -> bool:
    return value is not msgspec.UNSET and bytes(value) != b"null"


def _usage(value: Any) -> Usage | None:
    try:
        usage = _USAGE.decode(value)
    except msgspec.DecodeError:
        return None
    if 0 <= usage.prompt_tokens <= MOST_TOKENS and 0 <= usage.completion_tokens <= MOST_TOKENS:
        return Usage(usage.prompt_tokens, usage.completion_tokens)
    return None


def _words(chunk: _WordedChunk) -> tuple[Piece, ...]:
    """Return the text of a chunk whose words stand where nearly all do, by the same names as ``_pieces``."""
    found: list[Piece] = []
    for choice in chunk.choices or ():
        if (delta := choice.delta) is not None:
            if delta.content:
                found.append(Piece(f"{choice.index}/content", delta.content))
            if delta.reasoning_content:
                found.append(Piece(f"{choice.index}/reasoning_content", delta.reasoning_content))
            if delta.reasoning:
                found.append(Piece(f"{choice.index}/reasoning", delta.reasoning))
            if delta.refusal:
                found.append(Piece(f"{choice.index}/refusal", delta.refusal))
        if choice.text:
            found.append(Piece(f"{choice.index}", choice.text))
    return tuple(found)


def _pieces(chunk: Any, holder: str) -> Iterator[Piece]:
    """Yield all text of a chunk's or an answer's choices; choices of another shape are text as a whole."""
    choices: Any = cast("dict[str, Any]", chunk).get("choices")
    if not isinstance(choices, list):
        return
    for position, choice in enumerate(cast("list[Any]", choices)):
        if not isinstance(choice, dict):
            yield from texts_in(choice, f"choice/{position}")
            continue
        members = cast("dict[str, Any]", choice)
        index: Any = members.get("index", position)
        for key in (holder, "text"):
            yield from texts_in(members.get(key), f"{index}")


def texts_in(value: Any, channel: str) -> Iterator[Piece]:
    """Yield every string in a value as a piece; elements of a list go by their ``index``, where they have one."""
    waiting: list[tuple[str, Any]] = [(channel, value)]
    while waiting:
        where, item = waiting.pop()
        if isinstance(item, str):
            if item:
                yield Piece(where, item)
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            waiting.extend((f"{where}/{key}", members[key]) for key in reversed(members) if key not in _NOT_TEXT)
        elif isinstance(item, list):
            elements = cast("list[Any]", item)
            for position in range(len(elements) - 1, -1, -1):
                element = elements[position]
                index: Any = position
                if isinstance(element, dict):
                    index = cast("dict[str, Any]", element).get("index", position)
                waiting.append((f"{where}/{index}", elements[position]))
