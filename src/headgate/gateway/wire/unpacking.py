"""Answers that a model server compressed although it was asked not to: unpacked, so that they can be read.

Only what can be unpacked piece by piece is: gzip and deflate. An answer in another coding is one that nobody here can read, and
what nobody can read is not passed on.
"""

from __future__ import annotations

import zlib

from headgate.gateway.wire.surface import NotAnAnswer

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Unpacking:
    """Takes the compression off a stream.

    Args:
        encoding: The ``content-encoding`` header, empty for none.

    Raises:
        NotAnAnswer: The coding is not one that can be unpacked.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        self._inflater = None
        if name not in ("", "identity"):
            window = _WINDOW.get(name)
            if window is None:
                raise NotAnAnswer
            self._inflater = zlib.decompressobj(window)

    def feed(self, chunk: bytes, *, most_bytes: int = 0) -> bytes:
        """Return what these bytes unpack to.

        Args:
            chunk: As they came.
            most_bytes: The most that may come out; 0 for no bound.

        Raises:
            NotAnAnswer: They are not in the coding.
        """
        if self._inflater is None:
            return chunk
        try:
            return self._inflater.decompress(chunk, most_bytes)
        except zlib.error:
            raise NotAnAnswer from None

    @property
    def at_end(self) -> bool:
        """Whether what was fed ends exactly where the coding says; some clients unpack what stands behind it, and some do not."""
        return self._inflater is None or (self._inflater.eof and not self._inflater.unused_data)


def unpacked(body: bytes, encoding: str, *, most_bytes: int) -> bytes:
    """Return a whole answer as it was before it was compressed.

    Raises:
        NotAnAnswer: It cannot be unpacked, is cut short or goes on, or becomes larger than any answer may be.
    """
    unpacking = Unpacking(encoding)
    plain = unpacking.feed(body, most_bytes=most_bytes + 1)
    if len(plain) > most_bytes or not unpacking.at_end:
        raise NotAnAnswer
    return plain
