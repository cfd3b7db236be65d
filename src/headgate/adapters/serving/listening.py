"""One listening socket, and the connections that wait on it.

Many are accepted in one turn of the event loop. The loop's own way is one a turn (libuv, since 1.45), and a turn of a busy worker
serves everybody who has asked: in a crowd that comes at once, each newcomer would wait until all before it were served again.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

_LOG = structlog.get_logger("headgate.serving")
_BACKLOG = 2048
"""How many connections may wait to be accepted."""
_AT_ONCE = 64
"""Most that are accepted in one turn: others that listen on the same socket have theirs."""
_AGAIN_S = 0.1
"""How long nobody is accepted once somebody could not be."""
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listening:
    """Accepts connections from a socket that is bound.

    Args:
        listener: The socket; it is this object's from here on, in this process.
        loop: The event loop that connections live on.
        protocol: Makes what speaks on a connection.
        make_room: Told when the system has no room for another connection.

    Raises:
        OSError: It cannot be listened on.
    """

    def __init__(
        self,
        listener: socket.socket,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], asyncio.Protocol],
        make_room: Callable[[], object],
    ) -> None:
        self._listener = listener
        self._loop = loop
        self._protocol = protocol
        self._make_room = make_room
        self._opening: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        listener.setblocking(False)  # noqa: FBT003 - its only parameter
        listener.listen(_BACKLOG)
        self._listen()

    def close(self) -> None:
        """Accept no more; what waits is left to others that listen on the same socket."""
        if self._listener.fileno() < 0:  # it is closed
            return
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _listen(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return  # nobody waits, or somebody has left again: whoever waits still is told of
            except OSError as problem:  # no room, or an error of the network's that the newcomer brought (accept(2))
                self._pause(problem)
                return
            accepted.setblocking(False)  # noqa: FBT003 - its only parameter
            opening = self._loop.create_task(self._open(accepted))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:
            accepted.close()  # it has left again

    def _pause(self, problem: OSError) -> None:
        _LOG.warning("server.cannot_accept", why=problem.strerror)
        if problem.errno in _NO_ROOM:
            self._make_room()
        self._loop.remove_reader(self._listener)
        self._again = self._loop.call_later(_AGAIN_S, self._listen)
