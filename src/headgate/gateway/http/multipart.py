"""Forms, taken in to disk and read on the way.

An upload may be far larger than what a worker should hold in memory, and nothing of it may go upstream before it was decided
on, so it waits in a file. The file has no name: however the request ends, the worker itself included, nothing is left behind.
Disk is touched in another thread. A form is given the time of any request, and more as it arrives, so a large one on a slow line
is taken in and one that trickles is not.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

from headgate.gateway.errors import NoRoom, TooSlow, WrongContentType, WrongEncoding
from headgate.gateway.http.asgi import came, header, headers_of
from headgate.gateway.service.shares import QUARTER, Shares
from headgate.gateway.wire.multipart import FormReader, too_large

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from pathlib import Path

    from headgate.gateway.http.asgi import Receive, Scope
    from headgate.gateway.http.intake import Intake
    from headgate.gateway.model import Admitted, Call
    from headgate.gateway.wire.document import Span
    from headgate.gateway.wire.multipart import FormLimits, Part, Parts, Splice
    from headgate.gateway.wire.surface import FormRequest, Reading

T = TypeVar("T")

_BLOCK_BYTES = 256 * 1024
_LEAST_BYTES_PER_S = 32 * 1024
"""A form that arrives more slowly than this, once its first time is over, is given up."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body that is not held in memory. It can be read more than once.

    Attributes:
        length: Its length in bytes.
    """

    length: int
    _file: IO[bytes]
    _pieces: tuple[bytes | Span, ...]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield it in blocks."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                async for block in _blocks(self._file, piece):
                    yield block


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was taken in.

    Attributes:
        parts: What it consists of.
        content_type: The request's, boundary included.
    """

    parts: Parts
    content_type: str
    _file: IO[bytes]

    def body(self, splices: Sequence[Splice] = ()) -> Body:
        """Return the body as it came, except for the splices."""
        length, pieces = self.parts.spliced(splices)
        return Body(length, self._file, tuple(pieces))

    def content(self, part: Part) -> AsyncIterator[bytes]:
        """Return the content of a part, in blocks."""
        return _blocks(self._file, part.at)


@dataclass(frozen=True, slots=True)
class FormCarried:
    """A request that came as a form, with the form that it came as.

    Attributes:
        request: What was asked for.
        form: The form.
    """

    request: FormRequest
    form: Form

    @property
    def call(self) -> Call:
        """What it asks for."""
        return self.request.call

    def texts(self) -> list[str]:
        """Return everything in it that a model would read as prose, for a screen."""
        return self.request.texts()

    def forwarded(self, admitted: Admitted) -> Body:
        """Return the body for the upstream: as it came, except what the admission demands."""
        return self.form.body(self.request.splices(admitted))

    def reading(self, *, texts: bool) -> Reading:
        """Return what reads its answer."""
        return self.request.reading(texts=texts)


class Uploads:
    """Where one worker keeps the forms that it is taking in.

    Args:
        intake: Bounds how many are still being sent.
        directory: A directory on a disk with room; the system's own for temporary files where absent.
        most_bytes: The most that all forms together may take up; those of one account, a quarter of it.
    """

    def __init__(self, intake: Intake, directory: Path | None = None, *, most_bytes: int) -> None:
        self._intake = intake
        self._directory = directory
        self._room = Shares(most_bytes, each=most_bytes // QUARTER)

    @property
    def held_bytes(self) -> int:
        """How much all forms take up now."""
        return self._room.held

    @asynccontextmanager
    async def receive(
        self, scope: Scope, receive: Receive, *, whose: str, limits: FormLimits, within_s: float
    ) -> AsyncGenerator[Form]:
        """Take in a request's body, which must be a form; it is kept until the context is left.

        Args:
            scope: The request.
            receive: Where its body comes from.
            whose: Whose account it is.
            limits: How large it may be.
            within_s: How long it may take, in seconds, besides the time that its bytes are given.

        Raises:
            WrongContentType: It is not declared as a form.
            WrongEncoding: It is compressed.
            FormMalformed: It is not one form.
            TooLarge: It is larger than may be, found out as early as can be.
            TooSlow: It did not arrive in time.
            NoRoom: It cannot be kept.
            Overloaded: As many requests are being sent as may be.
            ClientGone: The client left.
        """
        reader = FormReader(_content_type(scope), limits=limits)
        if header(scope, b"content-encoding").strip().lower() not in ("", "identity"):
            raise WrongEncoding("A form must not be compressed.", rule="content-encoding", help="Send it plain.")
        stated = header(scope, b"content-length")
        if stated.isdecimal() and int(stated) > limits.total_bytes:
            raise too_large(limits.total_bytes)
        held = _Held(whose)
        try:
            file = await _in_thread(self._open)
            try:
                with self._intake.awaited(whose):
                    await self._take_in(receive, reader, file, held, within_s)
                yield Form(reader.finish(), header(scope, b"content-type"), file)
            finally:
                file.close()
        finally:
            self._room.give_back(whose, held.bytes)

    def _open(self) -> IO[bytes]:
        try:
            return tempfile.TemporaryFile(dir=self._directory, buffering=0)
        except OSError:
            raise _no_room() from None

    async def _take_in(self, receive: Receive, reader: FormReader, file: IO[bytes], held: _Held, within_s: float) -> None:
        waiting = bytearray()
        started_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(within_s) as time:
                more = True
                while more:
                    chunk, more = came(await receive())
                    if not self._room.take(held.whose, len(chunk)):
                        raise _no_room()
                    held.bytes += len(chunk)
                    waiting += chunk
                    if len(waiting) >= _BLOCK_BYTES or not more:
                        await _in_thread(partial(_write, reader, file, bytes(waiting)))
                        waiting.clear()
                    time.reschedule(started_s + within_s + held.bytes / _LEAST_BYTES_PER_S)
        except TimeoutError:
            raise TooSlow(f"The form did not arrive within {within_s:g} seconds.", rule="slow request") from None


@dataclass(slots=True)
class _Held:
    """What one form takes up."""

    whose: str
    bytes: int = 0


def _write(reader: FormReader, file: IO[bytes], block: bytes) -> None:
    reader.feed(block)
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        raise _no_room() from None


async def _blocks(file: IO[bytes], at: Span) -> AsyncIterator[bytes]:
    start = at.start
    while start < at.end:
        block = await _in_thread(partial(os.pread, file.fileno(), min(_BLOCK_BYTES, at.end - start), start))
        if not block:
            raise _no_room()  # what was written is gone: the disk fails
        start += len(block)
        yield block


async def _in_thread(call: Callable[[], T]) -> T:
    """Run something in another thread. Whoever is cancelled meanwhile waits for it, so it never finds its file closed."""
    running = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _content_type(scope: Scope) -> str:
    stated = [value for name, value in headers_of(scope) if name == b"content-type"]
    if len(stated) > 1:
        raise WrongContentType("The request states several content types.", rule="content-type", help="State one.")
    return stated[0].decode("latin-1") if stated else ""


def _no_room() -> NoRoom:
    return NoRoom("There is no room to take in what is uploaded now.", rule="uploads", help="Try again soon, or send less.")
