r"""JSON of answers, decoded as leniently as clients decode it.

JSON can escape half a character (``"\ud83d"``), and a model server that streams token by token sometimes sends one half now and
the other in the next chunk. Most readers take that; the fast decoder here does not. What it refuses is read by the slow one,
with a replacement for each half, before it is called unreadable.
"""

from __future__ import annotations

import json
from typing import Protocol, TypeVar

import msgspec

from headgate.gateway.wire.surface import NotAnAnswer

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Decoder(Protocol[T_co]):
    """Anything that decodes JSON to one type; msgspec's decoders do."""

    def decode(self, buf: bytes, /) -> T_co:
        """Return the value.

        Raises:
            msgspec.ValidationError: It is JSON, of another type.
            msgspec.DecodeError: It is not JSON.
        """
        ...


def decoded(decoder: Decoder[T], data: bytes) -> T:
    """Return what ``data`` says.

    Raises:
        msgspec.ValidationError: It is JSON, of another type than the decoder's.
        NotAnAnswer: It is not JSON.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        return _mended(decoder, data)


def _mended(decoder: Decoder[T], data: bytes) -> T:
    try:
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return decoder.decode(text.encode("utf-8", "replace"))
    except msgspec.ValidationError:
        raise
    except (ValueError, RecursionError):
        raise NotAnAnswer from None
