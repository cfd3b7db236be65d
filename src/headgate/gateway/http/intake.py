"""Bodies on their way in, before anything is decided about them.

A body that comes with its head, or at once after it, costs a worker next to nothing. One that has to be waited for takes up a
place among the requests that it carries, and a large one memory: both are bounded, for all together and for each account, so that
whoever sends slowly, or much, turns away nobody but themselves.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from headgate.gateway.errors import Overloaded, TooLarge, TooSlow, WrongContentType
from headgate.gateway.http.asgi import came, headers_of
from headgate.gateway.service.shares import QUARTER, Shares
from headgate.gateway.wire.encoding import decompressed
from headgate.kernel.eager import Begun

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from headgate.gateway.http.asgi import Receive, Scope
    from headgate.gateway.model import Settings

_FREE_BYTES = 64 * 1024
"""Bodies up to this size are not counted: as much may wait in any connection anyway."""
_AT_ONCE_S = 0.25
"""How long a body is waited for before it counts as one that is: clients send it in a packet of its own."""


class Intake:
    """What clients are sending to one worker.

    Args:
        settings: How much it may be.
    """

    def __init__(self, settings: Settings) -> None:
        self.most_body_bytes = settings.max_body_bytes
        self.within_s = settings.body_s
        places = max(1, settings.max_in_flight // 2)
        self.places = Shares(places, each=max(1, places // QUARTER))
        room = max(settings.max_undecided_bytes, settings.max_body_bytes)
        self.room = Shares(room, each=max(room // QUARTER, settings.max_body_bytes))

    def of(self, whose: str) -> Taking:
        """Return what takes in one request of an account's, and holds room for it until it is left."""
        return Taking(self, whose)

    @contextmanager
    def awaited(self, whose: str) -> Generator[None]:
        """Hold a place for a request that is still being sent.

        Raises:
            Overloaded: There is none.
        """
        if not self.places.take(whose, 1):
            raise _crowded()
        try:
            yield
        finally:
            self.places.give_back(whose, 1)


class Taking:
    """One request, as it is taken in; the room that it takes up is given back when this is left.

    Args:
        intake: Where it is taken in.
        whose: Whose account it is.
    """

    __slots__ = ("_bytes", "_intake", "_is_awaited", "_whose")

    def __init__(self, intake: Intake, whose: str) -> None:
        self._intake = intake
        self._whose = whose
        self._bytes = 0
        self._is_awaited: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bytes:
            self._intake.room.give_back(self._whose, self._bytes)
            self._bytes = 0

    async def json(self, scope: Scope, receive: Receive) -> bytes:
        """Return the request's body, decompressed.

        Raises:
            WrongContentType: It is not declared as JSON.
            TooLarge: It is larger than may be, found out as early as can be.
            TooSlow: It did not arrive in time.
            WrongEncoding: It does not decompress.
            Overloaded: There is no room for it, or the account takes up all that it may.
            ClientGone: The client left.
        """
        headers = dict(reversed(headers_of(scope)))  # the first of each name
        media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
            raise WrongContentType("The body must be JSON.", rule="content-type", help="Send content-type: application/json.")
        announced, most_bytes = _announced_bytes(headers), self._intake.most_body_bytes
        if announced is not None and announced > most_bytes:
            raise _too_large(most_bytes)
        reading = Begun(self._read(receive, announced))
        body = await (reading if reading.returned else self._in_time(reading))
        plain = decompressed(body, headers.get(b"content-encoding", b"").decode("latin-1"), most_bytes=most_bytes)
        self._holds(len(plain))
        return plain

    async def _in_time(self, reading: Begun[bytes]) -> bytes:
        within_s = self._intake.within_s
        try:
            async with asyncio.timeout(within_s) as time:
                soon = asyncio.get_running_loop().call_later(_AT_ONCE_S, self._wait_on, time)
                try:
                    return await reading
                finally:
                    soon.cancel()
        except TimeoutError:
            if self._is_awaited is False:
                raise _crowded() from None
            raise TooSlow(f"The body did not arrive within {within_s:g} seconds.", rule="slow request") from None
        finally:
            if self._is_awaited:
                self._intake.places.give_back(self._whose, 1)

    def _wait_on(self, time: asyncio.Timeout) -> None:
        """Take up a place; where there is none, wait no longer."""
        self._is_awaited = self._intake.places.take(self._whose, 1)
        if not self._is_awaited:
            time.reschedule(asyncio.get_running_loop().time())

    async def _read(self, receive: Receive, announced: int | None) -> bytes:
        """Return a body as it comes, of so many bytes where that was announced."""
        most_bytes = self._intake.most_body_bytes
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            chunk, more = came(await receive())
            size += len(chunk)
            if size > most_bytes:
                raise _too_large(most_bytes)
            self._holds(size)
            chunks.append(chunk)
            # Whatever the server says: it would have to be asked once more to say that nothing follows what was announced.
            more = more and size != announced
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _holds(self, size: int) -> None:
        """Take note that the request is so large by now."""
        more = size - self._bytes
        if size <= _FREE_BYTES or more <= 0:
            return
        if not self._intake.room.take(self._whose, more):
            raise Overloaded(
                "Large requests that are being sent to this worker take up all the room that there is for them.",
                rule="max_undecided_bytes",
                help="Try again soon, or send fewer large requests at once.",
            )
        self._bytes = size


def _announced_bytes(headers: Mapping[bytes, bytes]) -> int | None:
    """Return how long a body is announced to be; ``None`` where that is not said, or not alone (RFC 9112, section 6.3)."""
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() and not headers.get(b"transfer-encoding") else None


def _crowded() -> Overloaded:
    return Overloaded(
        "Too many requests are still being sent to this worker.", rule="requests being sent", help="Send fewer at once."
    )


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most_bytes:,} bytes.", rule="largest body", help="Send less.")
