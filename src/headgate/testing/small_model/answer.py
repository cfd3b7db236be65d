"""What the small model answers: sentences, a JSON value, or calls of the caller's tools; and how many tokens that took.

It calls a tool when it must, and when the last message is a user's and mentions a tool by name. Everything is determined
by the messages, the tools, the form asked for, and the seed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from headgate.testing.small_model.ngrams import Draws, Piece, Trigrams, split
from headgate.testing.small_model.request import Chosen
from headgate.testing.small_model.schema import value_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.testing.small_model.request import ChatRequest, Function, Message

Finish = Literal["stop", "length", "tool_calls"]

_PER_MESSAGE_TOKENS = 3
_PER_PART_TOKENS = 85
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of the caller's tools.

    Attributes:
        id: Names the call in the messages that follow.
        name: The function.
        arguments: Its arguments, JSON in tokens; cut short when the answer had to end.
    """

    id: str
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer.

    Attributes:
        pieces: Its tokens; none when it calls tools.
        calls: The tools that it calls; none when it says something.
        finish: Why it ended.
        tokens: How many tokens it took.
    """

    pieces: tuple[Piece, ...]
    calls: tuple[Call, ...]
    finish: Finish
    tokens: int


class SmallModel:
    """The stand-in for a model.

    Args:
        prose: What it knows, one sentence a line.
    """

    def __init__(self, prose: str) -> None:
        self._trigrams = Trigrams(prose)
        self._sentences = lru_cache(maxsize=_REMEMBERED)(self._write)

    @property
    def fingerprint(self) -> str:
        """What the answers depend on besides the request: the same fingerprint and seed, the same answers."""
        return self._trigrams.fingerprint

    def answer(self, request: ChatRequest) -> list[Choice]:
        """Return as many answers as were asked for."""
        asked = msgspec.json.encode((request.messages, request.tools, request.response_format, request.seed))
        seed = hashlib.sha256(asked).digest()
        return [self._choice(request, seed + index.to_bytes(2)) for index in range(request.n or 1)]

    def _choice(self, request: ChatRequest, seed: bytes) -> Choice:
        most = request.most_tokens()
        if called := called_tools(request):
            return _calls(called, Draws(seed), most)
        form = request.response_format
        if form is None or form.type == "text":
            return _ended(self._sentences(seed), request.stops(), most)
        draws = Draws(seed)
        if form.json_schema is not None:
            value = value_for(form.json_schema.schema, draws)
        else:
            value = {"text": "".join(piece.text for piece in self._sentences(seed)[:12]), "notches": draws.below(9)}
        spelled = tuple(Piece(text, 0.0, ((text, 0.0),)) for text in split(msgspec.json.encode(value).decode()))
        return _ended(spelled, request.stops(), most)

    def _write(self, seed: bytes) -> tuple[Piece, ...]:
        return tuple(self._trigrams.write(Draws(seed)))


def prompt_tokens(request: ChatRequest) -> int:
    """Return how many tokens the prompt is counted as."""
    count = _PER_MESSAGE_TOKENS + sum(map(_message_tokens, request.messages))
    if request.tools:
        count += len(split(msgspec.json.encode(request.tools).decode()))
    return count


def called_tools(request: ChatRequest) -> list[Function]:
    """Return the functions to call; none means to say something."""
    functions = [tool.function for tool in request.tools or ()]
    if not functions or request.tool_choice == "none":
        return []
    if isinstance(request.tool_choice, Chosen):
        name = request.tool_choice.function.name
        return [function for function in functions if function.name == name][:1]
    last = request.messages[-1]
    mentioned = [function for function in functions if last.role == "user" and _mentions(last.text(), function.name)]
    called = mentioned or (functions[:1] if request.tool_choice == "required" else [])
    return called[:1] if request.parallel_tool_calls is False else called


def _mentions(text: str, name: str) -> bool:
    words = re.split(r"[_.-]+", name)
    return re.search(r"(?<!\w)" + r"[\s_.-]+".join(map(re.escape, words)) + r"(?!\w)", text, re.IGNORECASE) is not None


def _message_tokens(message: Message) -> int:
    count = _PER_MESSAGE_TOKENS + len(split(message.text())) + _PER_PART_TOKENS * message.other_parts()
    if message.name:
        count += 1
    if message.tool_calls:
        count += len(split(msgspec.json.encode(message.tool_calls).decode()))
    return count


def _calls(functions: Sequence[Function], draws: Draws, most: int | None) -> Choice:
    calls: list[Call] = []
    tokens = 0
    for function in functions:
        arguments = value_for({"type": "object", **function.parameters}, draws)
        spelled = split(msgspec.json.encode(arguments).decode())
        left = len(spelled) if most is None else max(0, most - tokens - 1)
        calls.append(Call(f"call_{draws.below(1 << 32):08x}{draws.below(1 << 32):08x}", function.name, tuple(spelled[:left])))
        tokens += 1 + min(left, len(spelled))
        if left < len(spelled):
            return Choice((), tuple(calls), "length", tokens)
    return Choice((), tuple(calls), "tool_calls", tokens)


def _ended(pieces: tuple[Piece, ...], stops: Sequence[str], most: int | None) -> Choice:
    """End an answer at the first stop, or after the most tokens."""
    finish: Finish = "stop"
    if most is not None and len(pieces) > most:
        pieces, finish = pieces[:most], "length"
    if stops:
        text = "".join(piece.text for piece in pieces)
        if found := [at for at in map(text.find, stops) if at >= 0]:
            kept = _first(pieces, min(found))
            return Choice(kept, (), "stop", len(kept))
    return Choice(pieces, (), finish, len(pieces))


def _first(pieces: Sequence[Piece], chars: int) -> tuple[Piece, ...]:
    """Return the tokens of the first so many characters; the last may be cut."""
    kept: list[Piece] = []
    for piece in pieces:
        if chars <= 0:
            break
        kept.append(piece if len(piece.text) <= chars else Piece(piece.text[:chars], piece.logprob, piece.alternatives))
        chars -= len(piece.text)
    return tuple(kept)
