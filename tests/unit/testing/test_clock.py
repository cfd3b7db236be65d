from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from headgate.kernel.clock import Clock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_clock_stands_still() -> None:
    clock: Clock = FixedClock(NOON, monotonic=5.0)
    assert (clock.now(), clock.monotonic()) == (NOON, 5.0)
    assert (clock.now(), clock.monotonic()) == (NOON, 5.0)


@pytest.mark.parametrize("span", [timedelta(minutes=1), 60.0, 60])
def test_time_passes_on_both_clocks(span: timedelta | float) -> None:
    clock = FixedClock(NOON)
    clock.advance(span)
    assert (clock.now(), clock.monotonic()) == (NOON + timedelta(minutes=1), 60.0)


def test_the_wall_clock_can_be_set_back_and_the_monotonic_cannot() -> None:
    clock = FixedClock(NOON)
    clock.set(NOON - timedelta(days=1))
    assert (clock.now(), clock.monotonic()) == (NOON - timedelta(days=1), 0.0)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the point
