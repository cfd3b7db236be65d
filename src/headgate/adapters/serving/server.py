"""Serves the connections of one listening socket and ends them: when they are idle, late, too many, or the server retires.

Idle connections are kept for a while and are the first to go when there is no room for another one. A request must have come
within a time of its first byte, and its body must go on coming while its application waits for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.adapters.serving.connection import Connection
from headgate.adapters.serving.listening import Listening

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, MutableMapping

    from headgate.adapters.serving.exchange import Exchange

    Application = Callable[
        [
            MutableMapping[str, Any],
            Callable[[], Awaitable[MutableMapping[str, Any]]],
            Callable[[MutableMapping[str, Any]], Awaitable[None]],
        ],
        Awaitable[None],
    ]

_SWEEP_S = 0.5
_SETTLE_S = 0.2
"""How long what was just accepted may take to become a request."""
_LAST_S = 2.0
"""How long applications may take to come to their ends once nobody hears them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a server carries.

    Attributes:
        connections: Most open connections, idle ones among them.
        late_s: How long a head may take from its first byte, and how long a body may pause while it is waited for.
        idle_s: How long a connection without a request is kept.
    """

    connections: int = 16_384
    late_s: float = 30.0
    idle_s: float = 120.0


class Server:
    """Serves one ASGI application on the running event loop.

    Args:
        application: What it serves; of the kinds of scope, it is asked ``http`` only.
        bounds: How much it carries.

    Attributes:
        application: What it serves.
        retiring: Whether every answer that begins now ends its connection.
        serving: What is under way, and the task of each.
    """

    def __init__(self, application: Application, bounds: Bounds | None = None) -> None:
        self.application = application
        self.retiring = False
        self.serving: dict[Exchange, asyncio.Task[None]] = {}
        self._bounds = bounds or Bounds()
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._idle: dict[Connection, float] = {}
        self._late: dict[Connection, float] = {}
        self._listening: Listening | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None

    def listen(self, listener: socket.socket) -> None:
        """Accept from a socket that is bound; it is this server's from here on, in this process.

        Raises:
            OSError: It cannot be listened on.
        """
        self._listening = Listening(listener, self._loop, lambda: Connection(self, self._loop), self._make_room)
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def retire(self) -> None:
        """From here on, have every client come on another connection next time."""
        self.retiring = True

    async def stop_accepting(self) -> None:
        """Leave new connections to others that listen on the same socket, and close those on which nothing is asked.

        What was accepted just now has a moment to become a request.
        """
        self._stop_listening()
        await asyncio.sleep(_SETTLE_S)
        self._close_idle()

    async def close(self, within_s: float) -> None:
        """Accept no more, let what is under way end, then break it off.

        Args:
            within_s: How long it may take to end by itself, in seconds.
        """
        self._stop_listening()
        self._close_idle()
        if self._open:
            self._emptied = self._loop.create_future()
            await asyncio.wait([self._emptied], timeout=within_s)
        for connection in list(self._open):
            connection.abort()
        if self.serving:
            _, left = await asyncio.wait(list(self.serving.values()), timeout=_LAST_S)
            for task in left:
                task.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
        await asyncio.sleep(0)  # what was broken off is closed in the next round

    def _stop_listening(self) -> None:
        self.retire()
        if self._listening is not None:
            self._listening.close()

    def _close_idle(self) -> None:
        for connection in list(self._open):
            connection.retire()

    def _make_room(self) -> bool:
        """Close the connection that has had nothing to do for longest; return whether there was one."""
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        oldest.retire()
        return True

    # What connections say.

    def takes(self, connection: Connection) -> bool:
        """Take in a connection that was accepted; return whether there is room for it."""
        self._open.add(connection)
        if len(self._open) > self._bounds.connections and not self._make_room():
            return False
        self.rests(connection)
        return True

    def rests(self, connection: Connection) -> None:
        """Take note that a connection has nothing to do."""
        self._idle[connection] = self._loop.time() + self._bounds.idle_s

    def awaits(self, connection: Connection) -> None:
        """Take note that more of a request is awaited."""
        self._idle.pop(connection, None)
        self._late.pop(connection, None)
        self._late[connection] = self._loop.time() + self._bounds.late_s

    def forgets(self, connection: Connection) -> None:
        """Take note that nothing is awaited of a connection."""
        self._idle.pop(connection, None)
        self._late.pop(connection, None)

    def loses(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self.forgets(connection)
        self._open.discard(connection)
        if not self._open and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _sweep(self) -> None:
        """Close what has waited for too long; those that have waited longest stand first."""
        now_s = self._loop.time()
        for waiting in (self._idle, self._late):
            while waiting and waiting[first := next(iter(waiting))] <= now_s:
                del waiting[first]
                first.close_late()
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
