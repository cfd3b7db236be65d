"""Time as an argument: whoever needs it is handed a clock.

Instants are aware and in UTC. Stores keep them as whole microseconds since 1970 (``to_us``, ``from_us``), which sort and
compare alike in every engine. Spans are measured on the monotonic clock, which a wrong wall clock cannot move.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    now = staticmethod(partial(datetime.now, UTC))
    monotonic = staticmethod(time.monotonic)


def to_us(instant: datetime) -> int:
    """Return whole microseconds since 1970-01-01T00:00Z.

    Raises:
        ValueError: ``instant`` carries no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """Return the instant ``us`` microseconds after 1970-01-01T00:00Z."""
    return _EPOCH + us * _MICROSECOND
