"""What a chat answer says about itself, read without touching it.

Only what settling needs is decoded: usage, whether an error came in the stream, whether a chunk is nothing but usage. A
count that is not a whole number of sane size is not a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

MOST_TOKENS = 2**31
"""Larger counts are garbage."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the upstream counted them."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0


class _Chunk(msgspec.Struct):
    choices: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_CHUNK = msgspec.json.Decoder(_Chunk)
_USAGE = msgspec.json.Decoder(_Usage)
_CHOICES = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Seen:
    """What one chunk, or one whole answer, says.

    Attributes:
        usage: Its usage, if it states one that can be believed.
        only_usage: Whether it carries no choice, so that nobody misses it who did not ask for usage.
        error: Whether it reports an error.
    """

    usage: Usage | None
    only_usage: bool
    error: bool


_PLAIN = Seen(None, only_usage=False, error=False)


class NotAnAnswer(Exception):
    """The bytes are not a JSON object."""


def look(data: bytes) -> Seen:
    """Read one chunk of a stream, or a whole answer.

    Raises:
        NotAnAnswer: The bytes are not a JSON object.
    """
    try:
        chunk = _CHUNK.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    error = _says(chunk.error)
    if not _says(chunk.usage):
        return Seen(None, only_usage=False, error=True) if error else _PLAIN
    return Seen(_usage(chunk.usage), only_usage=_is_empty(chunk.choices), error=error)


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


def _is_empty(choices: Any) -> bool:
    if choices is msgspec.UNSET:
        return False
    try:
        return not _CHOICES.decode(choices)
    except msgspec.DecodeError:
        return False
