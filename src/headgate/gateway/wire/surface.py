"""What every surface is to the gateway: a way to read requests, and a way to read answers as they pass.

A surface compiles a body into a ``Request``, whose ``Call`` is all that a decision may look at; and it reads the answer, frame
by frame or whole, without changing a byte: what was used, what can be screened, what was created, whether it has ended. Two
things it can write itself, in its own protocol: the end of a stream that is cut off, and an answer that is withheld.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from headgate.gateway.model import Admitted, Api, Call, ObjectKind, Refusal, Settings, Standing, StoredObject
    from headgate.gateway.wire.multipart import FormLimits, Parts, Splice
    from headgate.gateway.wire.sse import Frame

MOST_TOKENS = 2**31
"""Larger counts are garbage."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the upstream counted them; what was read from a cache counts as prompt."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


class Piece(NamedTuple):
    """A piece of text that a client would see.

    Attributes:
        channel: Which text it continues: pieces of one channel, joined in order, are one text. Choices, tool arguments,
            reasoning and refusals are channels of their own: ``content/0``, ``arguments/0/1``, ``reasoning/0``.
        text: The text.
    """

    channel: str
    text: str


class Created(NamedTuple):
    """Something that the upstream now keeps under an identifier, which must be bound to its owner before anyone sees it.

    Attributes:
        kind: What it is.
        id: What the upstream calls it.
        detail: What must be remembered about it, as JSON; told again, it takes the place of what was told before.
    """

    kind: ObjectKind
    id: str
    detail: Mapping[str, Any] = MappingProxyType({})


class Reference(NamedTuple):
    """Something that a request names, which an upstream keeps: to use it, it must be the caller's own.

    Attributes:
        kind: What it is; ``None`` for what nobody can own here, so that it is not there for anybody.
        id: What the upstream calls it.
        param: Where the request names it.
    """

    kind: ObjectKind | None
    id: str
    param: str


class Passing(NamedTuple):
    """What one frame is.

    Attributes:
        forward: Whether it goes to the client.
        pieces: Its text; empty where nobody asked for text, or there is none.
    """

    forward: bool
    pieces: tuple[Piece, ...] = ()


class NotAnAnswer(Exception):
    """The bytes are not what this surface answers with."""


class Reading(Protocol):
    """Reads one answer as it passes. Made for one answer, by the request that it answers."""

    @property
    def usage(self) -> Usage | None:
        """What the upstream counted, as far as it has said so."""
        ...

    @property
    def failed(self) -> bool:
        """Whether the answer itself reports an error."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the last frame has been seen; what still comes is passed on for a moment and not waited for."""
        ...

    @property
    def complete(self) -> bool:
        """Whether a stream that closes now was finished, with or without a last frame (not every server sends one)."""
        ...

    def frame(self, frame: Frame) -> Passing:
        """Take in a frame of a stream.

        Raises:
            NotAnAnswer: It carries something that this surface does not send.
        """
        ...

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in an answer that is not streamed; return its text, where somebody asked for text.

        Raises:
            NotAnAnswer: It is not what this surface answers with.
        """
        ...

    def created(self) -> tuple[Created, ...]:
        """Return what was created since this was last asked."""
        ...

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return the frames that end a begun stream with an error, so that the official client raises it.

        Args:
            refusal: Why.
            settings: Where a person may turn.
            type_: What the protocol's error type shall be, instead of the one that the error's kind has.
        """
        ...

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return the frames that end a begun stream because a screen stopped it.

        An ordinary, well-formed end of this protocol that says so (``content_filter``, ``refusal``), after exactly the frames
        that ``frame`` was given and that were forwarded.
        """
        ...

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return an answer in the place of ``body`` that carries none of its text and says why, in this protocol."""
        ...


class Request(Protocol):
    """A request as it was read."""

    @property
    def call(self) -> Call:
        """What it asks for."""
        ...

    def texts(self) -> list[str]:
        """Return everything in it that a model would read as prose, for a screen."""
        ...

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the body for the upstream: as it came, except what the admission demands."""
        ...

    def reading(self, *, texts: bool) -> Reading:
        """Return what reads its answer.

        Args:
            texts: Whether somebody wants the text.
        """
        ...


class Body(Protocol):
    """A request's body that is not held in memory. It can be read more than once."""

    @property
    def length(self) -> int:
        """Its length in bytes."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield it in blocks."""
        ...


class Carried(Protocol):
    """A request with all that is needed to carry it out, whether its body is held in memory or not."""

    @property
    def call(self) -> Call:
        """What it asks for."""
        ...

    def texts(self) -> list[str]:
        """Return everything in it that a model would read as prose, for a screen."""
        ...

    def forwarded(self, admitted: Admitted) -> bytes | Body:
        """Return the body for the upstream."""
        ...

    def reading(self, *, texts: bool) -> Reading:
        """Return what reads its answer."""
        ...


class FormRequest(Protocol):
    """A request that came as a form, as it was read."""

    @property
    def call(self) -> Call:
        """What it asks for."""
        ...

    def texts(self) -> list[str]:
        """Return everything in it that a model would read as prose, for a screen."""
        ...

    def splices(self, admitted: Admitted) -> list[Splice]:
        """Return what the admission demands to be changed in the form."""
        ...

    def reading(self, *, texts: bool) -> Reading:
        """Return what reads its answer.

        Args:
            texts: Whether somebody wants the text.
        """
        ...


class Referring(Request, Protocol):
    """A request of a surface where a request may name what an upstream keeps."""

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it names; each must be the caller's own."""
        ...

    def continuing(self, kept: Sequence[StoredObject]) -> Request:
        """Return the same request, counting what it goes on from.

        Args:
            kept: What its references name.
        """
        ...


def referring(request: Request) -> Referring | None:
    """Return a request as one that names what an upstream keeps; ``None`` where it names nothing."""
    return cast("Referring", request) if getattr(request, "references", ()) else None


class Dialect(Protocol):
    """How one API says no, and how its limits stand."""

    def status(self, refusal: Refusal) -> int:
        """Return the HTTP status of a refusal."""
        ...

    def body(self, refusal: Refusal, settings: Settings, *, type_: str | None = None, request_id: str | None = None) -> bytes:
        """Return the error object."""
        ...

    def headers(self, refusal: Refusal) -> list[tuple[bytes, bytes]]:
        """Return the headers that a refusal adds."""
        ...

    def limits(self, standings: Sequence[Standing], *, now: datetime) -> list[tuple[bytes, bytes]]:
        """Return the headers that say how limits stand, at an instant in UTC."""
        ...

    def identified(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """Return the headers that carry a request's identifier."""
        ...


@dataclass(frozen=True, slots=True)
class Surface:
    """A way in that takes one JSON body and gives one answer.

    Attributes:
        name: What plans call it: ``api.chat``.
        api: The API it belongs to; an upstream that does not speak it does not serve it.
        path: Where clients and upstreams have it, below the version.
        dialect: How it says no.
        compile: Reads a body, as ``compile(body, client_ip=…, end_user_key=…)``. Raises ``Malformed`` or ``WrongType``.
        unread: Whether an answer that is no stream of events is bytes which say nothing to anybody here: sound.
    """

    name: str
    api: Api
    path: str
    dialect: Dialect
    compile: Callable[[bytes, str | None, bytes], Request]
    unread: bool = False


@dataclass(frozen=True, slots=True)
class FormSurface:
    """A way in that takes one form and gives one answer.

    Attributes:
        name: What plans call it: ``api.audio``.
        api: The API it belongs to; an upstream that does not speak it does not serve it.
        path: Where clients and upstreams have it, below the version.
        dialect: How it says no.
        compile: Reads a form, as ``compile(parts, client_ip=…, end_user_key=…)``. Raises ``WrongType``.
        limits: How large a form the API takes.
        unread: As of ``Surface``.
    """

    name: str
    api: Api
    path: str
    dialect: Dialect
    compile: Callable[[Parts, str | None, bytes], FormRequest]
    limits: FormLimits
    unread: bool = False


def texts_of(pieces: Sequence[Piece]) -> list[str]:
    """Return the texts that pieces make up, channel by channel."""
    joined: dict[str, list[str]] = {}
    for piece in pieces:
        joined.setdefault(piece.channel, []).append(piece.text)
    return ["".join(parts) for parts in joined.values()]
