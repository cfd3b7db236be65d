"""``/metrics``: every worker writes down what it counted once a second, and whichever is asked adds up all of it.

Nothing here is waited for by a request. A disk that is full makes the other workers' numbers old; it fails nobody.
"""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import structlog

from headgate.adapters.telemetry import Sheets, exposed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from headgate.adapters.telemetry import Counting
    from headgate.adapters.telemetry.sheets import Sheet
    from headgate.gateway.http import Stats

PATH = "/metrics"
_EVERY_S = 1.0
_CROSSED_A_PROXY = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})

log = structlog.get_logger()


class Numbers:
    """One worker's part in ``/metrics``.

    Args:
        directory: Where the workers' sheets lie.
        worker: This worker's name.
        counting: What it counts.
        stats: Tells how its gateway is doing.
        owed: Tells how many endings are not on the disk yet.
        retiring: Tells whether it was told to end.
    """

    def __init__(
        self,
        directory: Path,
        worker: str,
        counting: Counting,
        *,
        stats: Callable[[], Stats],
        owed: Callable[[], int],
        retiring: Callable[[], bool],
    ) -> None:
        self._counting = counting
        self._sheets = Sheets(directory, worker)
        self._stats = stats
        self._owed = owed
        self._retiring = retiring
        self._publishing: asyncio.Task[None] | None = None
        self._trouble = False

    def start(self) -> None:
        """Begin to write down."""
        self._publishing = asyncio.create_task(self._publish_always())

    async def stop(self) -> None:
        """Write down a last time."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.wait([self._publishing])
        await self._publish()
        self._sheets.close()

    async def told(self, accept: str) -> tuple[bytes, str]:
        """Return the numbers of all workers and their media type, in the format that the reader asks for."""
        sheet = self._sheet()
        return await asyncio.to_thread(lambda: exposed(self._sheets.together(sheet), accept))

    async def _publish_always(self) -> None:
        while True:
            await self._publish()
            await asyncio.sleep(_EVERY_S)

    async def _publish(self) -> None:
        try:
            await asyncio.to_thread(self._sheets.publish, self._sheet())
        except OSError as problem:
            if not self._trouble:
                log.warning("metrics.cannot_be_written", why=problem.strerror)
            self._trouble = True
        else:
            self._trouble = False

    def _sheet(self) -> Sheet:
        return self._counting.sheet(self._stats(), owed=self._owed(), retiring=self._retiring())


def may_read(scope: Mapping[str, Any], setting: Literal["loopback", "open", "off"]) -> bool:
    """Return whether a request may read the numbers.

    What came through a proxy on this machine came from elsewhere, whatever its address says.
    """
    if setting != "loopback":
        return setting == "open"
    client = scope.get("client")
    if not client or any(name in _CROSSED_A_PROXY for name, _ in scope["headers"]):
        return False
    with suppress(ValueError):
        return ipaddress.ip_address(client[0]).is_loopback
    return False
