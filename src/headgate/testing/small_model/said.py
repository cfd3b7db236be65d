"""What every surface of the stand-in has in common: reading a JSON body, and an answer that is ready to be sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from headgate.testing.small_model.request import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

_WHERE = re.compile(r" - at `\$\.?(.*)`$")


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, ready to be sent.

    Attributes:
        tokens: How many tokens it took.
        body: The whole of it; empty for a stream.
        events: The stream; ``None`` for a whole answer.
        content_type: What a whole answer is.
    """

    tokens: int
    body: bytes = b""
    events: Iterable[bytes] | None = None
    content_type: bytes = b"application/json"


def read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a JSON body.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as wrong:
        where = _WHERE.search(str(wrong))
        missing = re.search(r"missing required field `(\w+)`", str(wrong))
        param = ".".join(filter(None, (where[1] if where else "", missing[1] if missing else ""))) or None
        raise Rejected(f"Invalid request: {wrong}.", param=param) from wrong
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Rejected("The body is not JSON in UTF-8.", code="invalid_json") from wrong


def event(value: object, name: str | None = None) -> bytes:
    """Return one server-sent event."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + msgspec.json.encode(value) + b"\n\n"
