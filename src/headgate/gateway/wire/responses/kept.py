"""Requests about a response that an upstream keeps: to read it, to read what it was asked, to cancel it, to delete it.

Such a request has no body of its own; what it asks for stands in its path and its query. What the query does not name twice goes
upstream as it came, except what the stage takes out. Whoever reads a response for the first time after the upstream went on by
itself learns what it used, and that is settled then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call
from headgate.gateway.wire.responses.ending import cut_off, listed_nothing
from headgate.gateway.wire.responses.reading import ResponsesReading
from headgate.gateway.wire.responses.request import LOGPROBS, SURFACE
from headgate.gateway.wire.responses.texts import strings_in
from headgate.gateway.wire.surface import NotAnAnswer, Passing, Piece, Usage

if TYPE_CHECKING:
    from headgate.gateway.model import Admitted, Refusal, Settings, StoredObject
    from headgate.gateway.wire.sse import Frame
    from headgate.gateway.wire.surface import Created

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,256}")
_QUERY = re.compile(r"[!$-;=?-Z\[\]_a-z~]{0,4096}")
_PASSING = Passing(forward=True)
_ANY = msgspec.json.Decoder()


class Wish(Enum):
    """What somebody wants with a response that is kept."""

    READ = "read"
    READ_INPUT = "read_input"
    CANCEL = "cancel"
    DELETE = "delete"

    @property
    def method(self) -> str:
        """How the API spells it."""
        return {Wish.CANCEL: "POST", Wish.DELETE: "DELETE"}.get(self, "GET")


def named(path: str) -> tuple[str, str] | None:
    """Return the identifier in a path below ``responses/`` and what follows it; ``None`` for a path that names nothing."""
    response_id, _, what = path.partition("/")
    if _ID.fullmatch(response_id) is None or response_id in (".", "..") or what not in _WISHES:
        return None
    return response_id, what


def wishes(what: str) -> dict[str, Wish]:
    """Return what can be wished for at a path that ``named`` knows, by method."""
    return {wish.method: wish for wish in _WISHES[what]}


_WISHES: dict[str, tuple[Wish, ...]] = {"": (Wish.READ, Wish.DELETE), "cancel": (Wish.CANCEL,), "input_items": (Wish.READ_INPUT,)}


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A request about a response that is kept.

    Attributes:
        call: What it asks for.
        wish: What is wanted.
        stored: The response.
        query: As the client sent it.
        late: Whether nobody has seen yet what the response used.
    """

    call: Call
    wish: Wish
    stored: StoredObject
    query: str
    late: bool

    def texts(self) -> list[str]:
        """Return nothing: it says nothing to a model."""
        return []

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return no body."""
        del admitted
        return b""

    def path(self, admitted: Admitted) -> str:
        """Return where it goes at the upstream."""
        ends = {Wish.CANCEL: "/cancel", Wish.READ_INPUT: "/input_items"}
        query = self.query
        if "logprobs" in admitted.stripped:
            query = urlencode([pair for pair in parse_qsl(query, keep_blank_values=True) if pair[1] != LOGPROBS])
        return f"/responses/{self.stored.id}{ends.get(self.wish, '')}{'?' if query else ''}{query}"

    def reading(self, *, texts: bool) -> ResponsesReading | PlainReading:
        """Return what reads its answer."""
        if self.wish in (Wish.DELETE, Wish.READ_INPUT):
            return PlainReading(texts=texts)
        turns: Any = self.stored.detail.get("turns")
        return ResponsesReading(
            texts=texts, store=True, turns=turns if isinstance(turns, int) else 0, background=self.late, late=self.late
        )


def compile_kept(wish: Wish, stored: StoredObject, query: bytes, *, late: bool, client_ip: str | None) -> KeptRequest:
    """Read a request about a response that is kept.

    Args:
        wish: What is wanted.
        stored: The response.
        query: The query as the client sent it.
        late: Whether nobody has seen yet what the response used.
        client_ip: Where it came from.

    Raises:
        WrongType: The query cannot be understood, or two readers could each understand it in another way.
    """
    text = query.decode("latin-1")
    if _QUERY.fullmatch(text) is None:
        raise WrongType("The query holds something that does not belong there.", param="query")
    pairs = parse_qsl(text, keep_blank_values=True)
    streams = [value for name, value in pairs if name == "stream"]
    if len(streams) > 1 or any(value not in ("true", "false") for value in streams):
        raise WrongType("stream must be true or false.", param="stream")
    included = [value for name, value in pairs if name.startswith("include") and name != "include_obfuscation"]
    capabilities = {"stored"}
    if streams == ["true"]:
        capabilities.add("streaming")
    if any(value.startswith("reasoning.") for value in included):
        capabilities.add("thinking")
    if LOGPROBS in included:
        capabilities.add("logprobs")
    call = Call(
        surface=SURFACE,
        model=stored.model,
        stream=streams == ["true"] and wish is Wish.READ,
        capabilities=frozenset(capabilities),
        input_tokens=1,
        output_tokens=None,
        choices=0,
        turns=0,
        client_ip=client_ip,
    )
    return KeptRequest(call, wish, stored, text, late)


class PlainReading:
    """Reads what is neither a response nor a stream: a list of items, or that something is gone.

    Args:
        texts: Whether somebody wants the text.
    """

    def __init__(self, *, texts: bool) -> None:
        self._texts = texts
        self.usage: Usage | None = Usage(0, 0)
        self.failed = False
        self.ended = False
        self.complete = True

    def frame(self, frame: Frame) -> Passing:
        """Pass on a frame: nobody streams this."""
        if self._texts and frame.data is not None:
            return Passing(forward=True, pieces=(Piece("frame", frame.data.decode(errors="replace")),))
        return _PASSING

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in an answer.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        try:
            answer: Any = _ANY.decode(body)
        except (msgspec.DecodeError, RecursionError):
            raise NotAnAnswer from None
        if not isinstance(answer, dict):
            raise NotAnAnswer
        return tuple(Piece(where, text) for where, text in strings_in(answer, "answer")) if self._texts else ()

    def created(self) -> tuple[Created, ...]:
        """Return nothing."""
        return ()

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return an ``error`` event."""
        return cut_off(0, refusal, settings, type_=type_)

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return an ``error`` event."""
        return cut_off(0, refusal, settings, type_=None)

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return a list of nothing."""
        del body
        return listed_nothing(refusal, settings)
