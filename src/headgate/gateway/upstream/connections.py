"""Connections to model servers: opened when one is needed, kept for the next request, closed when they lie about.

A connection is kept for the server it was made to and no other: the same name, port and, in TLS, the same proof of who it is. The
one that was used last is used first, so that what is not needed grows old together. How many are open is bounded by how many
exchanges a worker carries; how many are kept, by what one server is kept for at most.

A server may close a kept connection at the moment at which a request is written to it. The request is sent again, once and on a
new connection, only if repeating it can do no harm and nothing has come back (RFC 9112, section 9.3.1); a POST never is.

Of several addresses of a server, the next one is tried while one is slow to answer (RFC 8305). Nothing is taken from the
environment: no proxy and no credential.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import TYPE_CHECKING

from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType] - its addresses are plain tuples

from headgate.gateway.errors import UpstreamFailed
from headgate.gateway.upstream.connection import Connection
from headgate.gateway.upstream.errors import not_reached
from headgate.gateway.upstream.names import Names

if TYPE_CHECKING:
    import socket

    from headgate.gateway.upstream.request import Origin
    from headgate.gateway.wire.surface import Body

IDLE_S = 30.0
"""How long a connection that nobody uses is kept."""
MOST_KEPT = 512
"""Most connections to one server that are kept while nobody uses them."""
_NEXT_ADDRESS_AFTER_S = 0.25
"""How long one address may take before the next one is tried as well."""
_REPEATABLE = ("GET", "HEAD", "DELETE")


class Connections:
    """The connections of one worker; used on one event loop.

    Args:
        trust: Whom servers must be vouched for by, in TLS; ``None`` for whom the machine trusts.
        idle_s: How long a connection that nobody uses is kept, in seconds.
        most_kept: How many of one server's are kept while nobody uses them.
    """

    def __init__(self, trust: ssl.SSLContext | None = None, *, idle_s: float = IDLE_S, most_kept: int = MOST_KEPT) -> None:
        self._trust = trust
        self._idle_s = idle_s
        self._most_kept = most_kept
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._kept: dict[Origin, list[tuple[Connection, float]]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._names = Names(self._loop)

    async def close(self) -> None:
        """Break off every connection."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self._kept.clear()
        self._names.close()
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # what was broken off is closed in the next round

    async def ask(self, origin: Origin, method: str, head: bytes, body: bytes | Body, *, connect_s: float) -> Connection:
        """Send a request and wait for the head of its answer; the connection is the caller's until :meth:`give_back`.

        Args:
            origin: Where to.
            method: Its method.
            head: Its head.
            body: Its body.
            connect_s: How long opening a connection may take, in seconds.

        Raises:
            NotReached: There is no connection; nothing was sent.
            UpstreamFailed: The server broke off.
            UpstreamGarbage: It does not speak HTTP.
        """
        kept = self._take(origin)
        if kept is not None:
            try:
                return await self._answered(kept, method, head, body)
            except UpstreamFailed:
                if kept.heard or method not in _REPEATABLE:
                    raise
        return await self._answered(await self._connect(origin, connect_s), method, head, body)

    def give_back(self, connection: Connection) -> None:
        """Have done with an exchange: keep its connection, or break it off where its answer has not come to a clean end."""
        if not connection.let_go():
            return
        kept = self._kept.setdefault(connection.origin, [])
        if len(kept) >= self._most_kept:
            connection.abort()
            return
        kept.append((connection, self._loop.time()))
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._idle_s, self._sweep)

    async def _answered(self, connection: Connection, method: str, head: bytes, body: bytes | Body) -> Connection:
        connection.ask(method, head, body)
        try:
            await connection.answered()
        except BaseException:  # a caller may also be called off just as the head has come
            self.give_back(connection)
            raise
        return connection

    def _take(self, origin: Origin) -> Connection | None:
        kept = self._kept.get(origin)
        while kept:
            connection, since_s = kept.pop()
            if self._loop.time() - since_s < self._idle_s and connection.is_usable:
                return connection
            connection.abort()
        return None

    def _sweep(self) -> None:
        """Close what has been kept for too long, and come back when the next one will have been."""
        self._sweeping = None
        now_s = self._loop.time()
        left: dict[Origin, list[tuple[Connection, float]]] = {}
        for origin, kept in self._kept.items():
            for connection, since_s in kept:
                if now_s - since_s >= self._idle_s or not connection.is_usable:
                    connection.abort()
                else:
                    left.setdefault(origin, []).append((connection, since_s))
        self._kept = left
        if left:
            oldest_s = min(kept[0][1] for kept in left.values())
            self._sweeping = self._loop.call_at(oldest_s + self._idle_s, self._sweep)

    # Opening.

    async def _connect(self, origin: Origin, within_s: float) -> Connection:
        try:
            async with asyncio.timeout(within_s):
                reached = await start_connection(
                    await self._names.addresses(origin.host, origin.port),
                    happy_eyeballs_delay=_NEXT_ADDRESS_AFTER_S,
                    loop=self._loop,
                )
                return await self._speak(origin, reached)
        except (OSError, RuntimeError, ValueError):  # the second is how uvloop says the first at times
            raise not_reached() from None

    async def _speak(self, origin: Origin, reached: socket.socket) -> Connection:
        try:
            _, connection = await self._loop.create_connection(
                functools.partial(Connection, origin, self._loop, self._open.discard),
                sock=reached,
                ssl=(self._trust or _machine_trust()) if origin.tls else None,
                server_hostname=origin.host if origin.tls else None,
            )
        except BaseException:
            reached.close()
            raise
        if not connection.is_open:  # it closed, or spoke, before it was asked anything
            raise ConnectionAbortedError
        self._open.add(connection)
        return connection


@functools.cache
def _machine_trust() -> ssl.SSLContext:
    trust = ssl.create_default_context()
    trust.set_alpn_protocols(["http/1.1"])
    return trust
