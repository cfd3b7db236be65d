"""Sound and transcripts as they pass. Any bytes are sound; a transcript is text, subtitles or JSON, as it was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.gateway.wire.decoding import decoded
from headgate.gateway.wire.openai import told
from headgate.gateway.wire.plain import ObjectReading
from headgate.gateway.wire.surface import NotAnAnswer, Passing, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.sse import Frame

_DONE = b"[DONE]"
_PASSING = Passing(forward=True)
_PLAIN_FORMS = frozenset({"text", "srt", "vtt"})


class _Event(msgspec.Struct):
    type: Any = None
    delta: Any = None
    text: Any = None


_EVENT = msgspec.json.Decoder(_Event)
_ANY = msgspec.json.Decoder()


class SpeechReading(ObjectReading):
    """Reads speech: bytes of sound, or events that carry them."""

    def frame(self, frame: Frame) -> Passing:
        """Take in an event.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        data = frame.data
        if data is None or not data.strip():
            return _PASSING
        if data == _DONE:
            self.ended = True
        else:
            self.take_in(data)
            self.ended = self.ended or _event(data).type == "speech.audio.done"
        return _PASSING

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in sound, which says nothing about itself."""
        del body
        return ()

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return no sound; why is said in the answer's headers."""
        del body, refusal, settings
        return b""


class TranscriptReading(ObjectReading):
    """Reads a transcript.

    Args:
        texts: Whether somebody wants the text.
        form: The form that was asked for: ``json``, ``text``, ``srt``, ``verbose_json``, ``vtt``, ``diarized_json``.
    """

    def __init__(self, *, texts: bool, form: str) -> None:
        super().__init__(texts=texts)
        self._form = form
        self._said: list[str] = []
        self._segments: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether the last event was seen, or an error was told."""
        return self.ended or self.failed

    def frame(self, frame: Frame) -> Passing:
        """Take in an event.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        data = frame.data
        if data is None or not data.strip():
            return _PASSING
        if data == _DONE:
            self.ended = True
            return _PASSING
        self.take_in(data)
        piece = self._heard(_event(data))
        return Passing(forward=True, pieces=(piece,)) if self.texts and piece is not None else _PASSING

    def _heard(self, event: _Event) -> Piece | None:
        """Return what an event says that none has said before: segments and the last event repeat it, unless they come alone."""
        match event:
            case _Event(type="transcript.text.delta", delta=str(text)):
                self._said.append(text)
                return Piece("text", text)
            case _Event(type="transcript.text.segment", text=str(text)):
                self._segments.append(text)
                return None if _bare(text) in _bare("".join(self._said)) else Piece(f"segment/{len(self._segments)}", text)
            case _Event(type="transcript.text.done", text=text):
                self.ended = True
                heard = {_bare("".join(parts)) for parts in (self._said, self._segments)}
                return Piece("done", text) if isinstance(text, str) and _bare(text) not in heard else None
            case _Event(text=str(text)) | _Event(delta=str(text)):
                return Piece("other", text)
            case _:
                return None

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in a transcript.

        Raises:
            NotAnAnswer: It is neither of the form that was asked for nor text.
        """
        if self._form in _PLAIN_FORMS and not body.lstrip().startswith(b"{"):
            return self._text(body)
        self.take_in(body)
        return tuple(_pieces(cast("dict[str, Any]", decoded(_ANY, body)))) if self.texts else ()

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return the event that ends a transcript, with what was said until then."""
        event = {"type": "transcript.text.done", "text": "".join(self._said), "headgate": told(refusal, settings)}
        return b"event: transcript.text.done\ndata: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return a transcript of nothing; where it is not JSON, why is said in the answer's headers."""
        if self._form not in _PLAIN_FORMS or body.lstrip().startswith(b"{"):
            return json.dumps({"text": "", "headgate": told(refusal, settings)}, separators=(",", ":")).encode()
        return b"WEBVTT\n\n" if self._form == "vtt" else b""

    def _text(self, body: bytes) -> tuple[Piece, ...]:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise NotAnAnswer from None
        return (Piece("text", text),) if self.texts else ()


def _event(data: bytes) -> _Event:
    try:
        return decoded(_EVENT, data)
    except msgspec.ValidationError:
        raise NotAnAnswer from None


def _bare(text: str) -> str:
    """Return text without its spaces, which segments and words are free to set differently."""
    return "".join(text.split())


def _pieces(answer: dict[str, Any]) -> Iterator[Piece]:
    """Yield the text of a transcript, and that of its segments and words where it is not the same again."""
    text: Any = answer.get("text")
    whole = text if isinstance(text, str) else ""
    if whole:
        yield Piece("text", whole)
    for key, member, between in (("segments", "text", ""), ("words", "word", " ")):
        found: Any = answer.get(key)
        parts = [_said(part, member) for part in cast("list[Any]", found)] if isinstance(found, list) else []
        joined = between.join(parts)
        if any(_bare(part) not in _bare(whole) for part in parts):
            yield Piece(key, joined)


def _said(part: Any, member: str) -> str:
    said: Any = cast("dict[str, Any]", part).get(member) if isinstance(part, dict) else part
    return said if isinstance(said, str) else ""
