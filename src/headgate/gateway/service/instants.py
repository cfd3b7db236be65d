"""A wall clock that does not go back while the process lives.

A key that has expired stays expired, and a window that is used up stays used up, when somebody sets the machine's clock back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kernel.clock import SystemClock, to_us

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.clock import Clock


class ForwardClock:
    """Another clock, held at the latest instant that it has shown."""

    def __init__(self, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self.monotonic = clock.monotonic
        self._present = clock.now
        self._latest = clock.now()

    def now(self) -> datetime:
        instant = self._present()
        if instant < self._latest:
            return self._latest
        self._latest = instant
        return instant

    def now_us(self) -> int:
        """Return the same instant in microseconds since 1970."""
        return to_us(self.now())
