"""Something written on the way from one side to the other, kept on disk because it may be large, and gone when it was sent.

The file has no name: however the request ends, nothing is left behind. Disk is touched in another thread, in large blocks.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

from headgate.gateway.errors import NoRoom

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

T = TypeVar("T")

_BLOCK_BYTES = 256 * 1024


class Scratch:
    """Takes bytes in, then gives them out. It can be read more than once.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting = bytearray()
        self.length = 0
        """How many bytes were taken in."""

    async def write(self, data: bytes) -> None:
        """Take in more.

        Raises:
            NoRoom: It cannot be kept.
        """
        self._waiting += data
        self.length += len(data)
        if len(self._waiting) >= _BLOCK_BYTES:
            await self._flush()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what was taken in, in blocks."""
        await self._flush()
        start = 0
        while start < self.length:
            block = await _in_thread(partial(os.pread, self._file.fileno(), _BLOCK_BYTES, start))
            if not block:
                raise _no_room()  # what was written is gone: the disk fails
            start += len(block)
            yield block

    async def _flush(self) -> None:
        if self._waiting:
            block = bytes(self._waiting)
            self._waiting.clear()
            await _in_thread(partial(_write, self._file, block))


@asynccontextmanager
async def scratch(directory: Path | None) -> AsyncGenerator[Scratch]:
    """Yield room on disk.

    Args:
        directory: Where; the system's own for temporary files where absent.

    Raises:
        NoRoom: There is none.
    """
    file = await _in_thread(partial(_open, directory))
    try:
        yield Scratch(file)
    finally:
        file.close()


def _open(directory: Path | None) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=directory, buffering=0)
    except OSError:
        raise _no_room() from None


def _write(file: IO[bytes], block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        raise _no_room() from None


async def _in_thread(call: Callable[[], T]) -> T:
    """Run something in another thread. Whoever is cancelled meanwhile waits for it, so it never finds its file closed."""
    running = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _no_room() -> NoRoom:
    return NoRoom("There is no room on this worker's disk now.", rule="uploads", help="Try again soon.")
