"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class FixedClock:
    """A stand-in for ``kernel.clock.Clock``.

    Args:
        now: The first instant, aware, in UTC.
        monotonic: The first reading of the monotonic clock, in seconds.
    """

    def __init__(self, now: datetime, *, monotonic: float = 0.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self.set(now)

    def now(self) -> datetime:
        """Return the instant that the clock was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that the clock was advanced by, on top of where it began."""
        return self._monotonic

    def set(self, now: datetime) -> None:
        """Set the wall clock, backwards too; the monotonic clock does not follow.

        Raises:
            ValueError: ``now`` carries no time zone.
        """
        if now.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        self._now = now

    def advance(self, span: timedelta | float) -> None:
        """Let time pass on both clocks.

        Args:
            span: How long; a number is seconds.

        Raises:
            ValueError: Time would go back; see ``set``.
        """
        span = span if isinstance(span, timedelta) else timedelta(seconds=span)
        if span < timedelta(0):
            raise ValueError("time does not go back; set the clock instead")
        self._now += span
        self._monotonic += span.total_seconds()
