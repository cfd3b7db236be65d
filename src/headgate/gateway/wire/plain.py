"""Requests of which little is changed and answers of which little is read: what the plain surfaces have in common.

Nothing but the model's name goes upstream differently, and what a stage takes out. An answer that is one JSON object is read for
its usage and for the few texts that it holds. A count that is not a whole number of sane size is not a count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call
from headgate.gateway.wire.decoding import decoded
from headgate.gateway.wire.document import Document, Edit, patched, read
from headgate.gateway.wire.fields import BYTES_PER_TOKEN, end_user, model, strings, without_surrogates
from headgate.gateway.wire.openai import body_of, told
from headgate.gateway.wire.prompts import prompts
from headgate.gateway.wire.surface import MOST_TOKENS, Created, NotAnAnswer, Passing, Piece, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.gateway.model import Admitted, Refusal, Settings
    from headgate.gateway.wire.multipart import Parts, Splice
    from headgate.gateway.wire.sse import Frame
    from headgate.gateway.wire.surface import Reading

_NOT_PROSE = frozenset({"type", "image_url", "input_image", "input_audio", "file"})
_NOTHING: Mapping[str, tuple[str, ...]] = {}


class Answered(Protocol):
    """Makes what reads an answer."""

    def __call__(self, *, texts: bool) -> Reading:
        """Return it.

        Args:
            texts: Whether somebody wants the text.
        """
        ...


class _Counted(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Answer(msgspec.Struct):
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_ANSWER = msgspec.json.Decoder(_Answer)
_COUNTED = msgspec.json.Decoder(_Counted)


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A JSON request as it was read.

    Attributes:
        call: What it asks for.
        document: The body, with where everything stands.
        prose: What a model would read of it.
        answered: Makes what reads its answer.
        fields: The fields that go when a capability is taken out.
    """

    call: Call
    document: Document
    prose: tuple[str, ...]
    answered: Answered
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING)

    def texts(self) -> list[str]:
        """Return everything in it that a model would read as prose."""
        return list(self.prose)

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the body for the upstream: as it came, but for the model's name and what is taken out."""
        gone = {key for capability in admitted.stripped for key in self.fields.get(capability, ())}
        edits: list[Edit] = self.document.removing(gone & set(self.document.members))
        upstream = admitted.policy.upstream
        if upstream.model != self.call.model:
            edit = self.document.setting("model", json.dumps(upstream.model))
            assert edit is not None, "a request without a model is not one"
            edits.append(edit)
        return patched(self.document.text, edits)

    def reading(self, *, texts: bool) -> Reading:
        """Return what reads its answer."""
        return self.answered(texts=texts)


@dataclass(frozen=True, slots=True)
class PlainForm:
    """A form as it was read.

    Attributes:
        call: What it asks for.
        parts: The form.
        prose: What a model would read of it.
        answered: Makes what reads its answer.
        gone: The parts that go when a capability is taken out, as names and the text that they must have.
    """

    call: Call
    parts: Parts
    prose: tuple[str, ...]
    answered: Answered
    gone: Mapping[str, tuple[tuple[str, str | None], ...]]

    def texts(self) -> list[str]:
        """Return everything in it that a model would read as prose."""
        return list(self.prose)

    def splices(self, admitted: Admitted) -> list[Splice]:
        """Return the changes for the upstream: the model's name, and what is taken out."""
        taken_out = {each for capability in admitted.stripped for each in self.gone.get(capability, ())}
        splices = [
            self.parts.removing(part)
            for part in self.parts.parts
            if (part.name, None) in taken_out or (part.name, part.text) in taken_out
        ]
        upstream = admitted.policy.upstream
        if upstream.model != self.call.model:
            splices.append(self.parts.setting("model", upstream.model))
        return splices

    def reading(self, *, texts: bool) -> Reading:
        """Return what reads its answer."""
        return self.answered(texts=texts)


def compile_input(
    surface: str, body: bytes, client_ip: str | None, end_user_key: bytes, *, not_served: tuple[str, ...] = ()
) -> PlainRequest:
    """Read a body whose ``input`` is all that a model reads, and which no model answers in words.

    Args:
        surface: What plans call the way in.
        body: As the client sent it, decompressed.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.
        not_served: Fields by which some servers take other input, which no capability names.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    document = read(body)
    given = document.value("input")
    if given is None:
        raise WrongType("input is missing.", param="input")
    asked = prompts(given, param="input")
    others = {"other_input"} if any(document.value(key) is not None for key in not_served) else set[str]()
    call = Call(
        surface=surface,
        model=model(document),
        stream=False,
        capabilities=asked.capabilities | others,
        input_tokens=max(1, (len(body) - asked.opaque_bytes) // BYTES_PER_TOKEN) + asked.opaque_tokens,
        output_tokens=0,
        choices=0,
        turns=0,
        client_ip=client_ip,
        end_user=end_user((document.value("safety_identifier"), document.value("user")), end_user_key),
        prompts=asked.count,
    )
    prose = tuple(without_surrogates(text) for text in strings(given, passing_over=_NOT_PROSE))
    return PlainRequest(call, document, prose, ObjectReading)


class ObjectReading:
    """Reads one answer that is a JSON object, holds no text and is never streamed.

    Args:
        texts: Whether somebody wants the text.
    """

    def __init__(self, *, texts: bool) -> None:
        self.texts = texts
        self.usage: Usage | None = None
        self.failed = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Whether the last event was seen."""
        return self.ended

    def frame(self, frame: Frame) -> Passing:
        """Refuse a stream.

        Raises:
            NotAnAnswer: Always: nobody can ask for one.
        """
        del frame
        raise NotAnAnswer

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in an answer: its usage; it holds no text.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        self.take_in(body)
        return ()

    def created(self) -> tuple[Created, ...]:
        """Return nothing: these answers are not kept."""
        return ()

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return an error event, at which the official client raises."""
        return b"event: error\ndata: " + body_of(refusal, settings, type_=type_) + b"\n\n"

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return an error event: these streams have no end that says that something was left out."""
        return self.cut(refusal, settings, type_="content_filter")

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return an object that says why there is no answer in it."""
        del body
        return json.dumps({"headgate": told(refusal, settings)}, separators=(",", ":")).encode()

    def take_in(self, data: bytes) -> None:
        """Take in the usage and the error of a JSON object.

        Raises:
            NotAnAnswer: It is not one.
        """
        try:
            answer = decoded(_ANSWER, data)
        except msgspec.ValidationError:
            raise NotAnAnswer from None
        if _says(answer.error):
            self.failed = True
        if _says(answer.usage):
            self.usage = _usage(answer.usage) or self.usage


def _says(value: Any) -> bool:
    return value is not msgspec.UNSET and bytes(value) != b"null"


def _usage(value: Any) -> Usage | None:
    try:
        counted = _COUNTED.decode(value)
    except msgspec.DecodeError:
        return None
    prompt = counted.input_tokens if counted.prompt_tokens is None else counted.prompt_tokens
    completion = counted.output_tokens if counted.completion_tokens is None else counted.completion_tokens
    if prompt is None or not 0 <= prompt <= MOST_TOKENS or not 0 <= (completion or 0) <= MOST_TOKENS:
        return None  # a duration, or nonsense
    return Usage(prompt, completion or 0)
