"""A file: what it may be for, and what an upstream says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from headgate.gateway.wire.surface import NotAnAnswer

if TYPE_CHECKING:
    from headgate.gateway.model import Call

SURFACE = "api.files"
PATH = "/files"

BATCH = "batch"
FINE_TUNE = "fine-tune"
ANSWERS = "batch_output"
RESULTS = "fine-tune-results"
OTHERS = frozenset({"assistants", "vision", "user_data", "evals"})
"""Purposes of files that a request refers to later."""
PURPOSES = OTHERS | {BATCH, FINE_TUNE}
"""What may be uploaded."""

_LONGEST = 200
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:\-]{{0,{_LONGEST - 1}}}")


class _Kept(msgspec.Struct):
    id: str


_KEPT = msgspec.json.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class Creation:
    """A request that makes an upstream keep something; its texts were looked at row by row before.

    Attributes:
        call: What it asks for.
    """

    call: Call

    def texts(self) -> list[str]:
        """Return nothing more to look at."""
        return []


def kept_id(body: bytes) -> str:
    """Return the identifier of what an upstream says it keeps.

    Raises:
        NotAnAnswer: It is not an object with an identifier that can stand in a path.
    """
    try:
        found = _KEPT.decode(body).id
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    if not is_id(found):
        raise NotAnAnswer
    return found


def is_id(text: str) -> bool:
    """Return whether a text can be an identifier in a path."""
    return _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Return whether a text can be a model's name: an identifier, or several with slashes between them."""
    return all(is_id(part) for part in text.split("/")) and len(text) <= _LONGEST
