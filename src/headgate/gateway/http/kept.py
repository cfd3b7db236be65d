"""What was said in one answer, kept for the record while it is being said.

A stream's frames say the same things around each word, so what has come together of them is kept compressed: a thousand open
streams would otherwise hold several dozen times what they say. What comes in one piece is kept as it is, since it is soon over.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

_BLOCK_BYTES = 16 * 1024
_LEVEL = 1
"""The quickest: frames repeat each other so much that more work gains nothing."""


class _Compressed(NamedTuple):
    data: bytes


class Kept:
    """An answer's bytes, as far as they are kept.

    Args:
        most_bytes: How many are kept.
    """

    __slots__ = ("_blocks", "_fresh", "_most_bytes", "_room_bytes", "truncated")

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = self._room_bytes = most_bytes
        self._blocks: list[bytes | _Compressed] = []
        self._fresh = bytearray()
        self.truncated = False
        """Whether there was more."""

    def add(self, part: bytes) -> None:
        """Keep what is said next."""
        if len(part) > self._room_bytes:
            self.truncated = True
            part = part[: self._room_bytes]
        self._room_bytes -= len(part)
        if len(part) >= _BLOCK_BYTES:
            self._close_block()
            self._blocks.append(part)
            return
        self._fresh += part
        if len(self._fresh) >= _BLOCK_BYTES:
            self._close_block()

    def __len__(self) -> int:
        return self._most_bytes - self._room_bytes

    def __bytes__(self) -> bytes:
        """Return all that is kept."""
        if not self._blocks:
            return bytes(self._fresh)
        blocks = [block if isinstance(block, bytes) else zlib.decompress(block.data) for block in self._blocks]
        return b"".join([*blocks, self._fresh])

    def _close_block(self) -> None:
        if self._fresh:
            self._blocks.append(_Compressed(zlib.compress(self._fresh, _LEVEL)))
            self._fresh.clear()
