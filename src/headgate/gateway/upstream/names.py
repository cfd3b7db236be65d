"""Where a server of some name is to be found.

A name is looked up once for all who wait for it: looking up blocks a thread, and a worker that opens many connections at once
must not need as many. What was found holds for some seconds, and of several addresses each comes first in its turn.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any, TypeAlias

Address: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""As ``socket.getaddrinfo`` returns it."""
_REMEMBERED_S = 10.0
_MOST_REMEMBERED = 1024


class Names:
    """The names that a worker has looked up; used on one event loop.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._found: dict[tuple[str, int], tuple[deque[Address], float]] = {}
        self._looking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}

    def close(self) -> None:
        """Look for nobody any more."""
        for looking in self._looking.values():
            looking.cancel()

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return where a server is to be found, whom to try first first.

        Args:
            host: Its name, or its address.
            port: Its port.

        Raises:
            OSError: Nobody knows.
            ValueError: It is no name.
        """
        try:
            return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)]
        except socket.gaierror:
            pass  # it is a name
        known = self._found.get((host, port))
        if known is not None and self._loop.time() < known[1]:
            known[0].rotate(-1)
            return list(known[0])
        looking = self._looking.get((host, port))
        if looking is None:
            looking = self._loop.create_task(self._look_up(host, port))
            self._looking[host, port] = looking
        return await asyncio.shield(looking)  # for whoever else waits for it

    async def _look_up(self, host: str, port: int) -> list[Address]:
        try:
            found: list[Address] = [
                *await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            ]
        finally:
            del self._looking[host, port]
        if len(self._found) >= _MOST_REMEMBERED:
            self._found.clear()
        self._found[host, port] = (deque(found), self._loop.time() + _REMEMBERED_S)
        return found
