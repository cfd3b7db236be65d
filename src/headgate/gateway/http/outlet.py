"""The client's end of one exchange: an answer begun at most once, ended at most once, and what was said kept for the record."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from headgate.gateway.http.asgi import answer
from headgate.gateway.http.kept import Kept
from headgate.kernel.eager import Begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.gateway.http.asgi import Headers, Send

_LAST_WORD_S = 5.0
"""How long a client that is being cut off may take to read why."""
_NOT_SENT = b": withheld from the caller\n\n"
"""Stands in the record before what the caller never saw."""


class Outlet:
    """Where an answer goes.

    Args:
        send: The server's; a server that can send without waiting says so by a ``write`` on it.
        most_kept_bytes: How much of the answer is kept.
    """

    def __init__(self, send: Send, *, most_kept_bytes: int) -> None:
        self._send = send
        self._write: Callable[[bytes], bool] | None = getattr(send, "write", None)
        self._flows = False
        self._kept = Kept(most_bytes=most_kept_bytes)
        self.status: int | None = None
        """The status that the client was sent; ``None`` while it was sent nothing."""

    @property
    def kept(self) -> Kept:
        """What was said, as far as it is kept."""
        return self._kept

    @property
    def truncated(self) -> bool:
        """Whether more was said than is kept."""
        return self._kept.truncated

    def keep(self, body: bytes, *, sent: bool = True) -> None:
        """Keep a part of the answer for the record."""
        self._kept.add(body if sent else _NOT_SENT + body)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer."""
        await answer(self._send, status, headers, body)
        self.status = status

    async def begin(self, status: int, headers: Headers) -> None:
        """Begin a stream."""
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes) -> None:
        """Send more of a stream."""
        self._kept.add(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    def pass_on(self, body: bytes) -> Begun[None] | None:
        """Send more of a stream that was begun; return what is to be waited for, if anything is."""
        if self._write is None or not self._flows:
            self._flows = True
            sending = Begun(self.write(body))
            return None if sending.returned else sending
        self._kept.add(body)
        if self._write(body):
            return None
        return Begun(self.write(b""))

    async def end(self) -> None:
        """End a stream; a client that does not read its end is not waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_S):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def last_words(self, body: bytes) -> bool:
        """End a stream with these; return whether the client took them."""
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await self.write(body)
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return False
        return True
