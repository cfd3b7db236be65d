"""How much hard content one reader is handed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.safety.decide.care import Care, Due, Sight, due, rested_at, strain, wants_change
from headgate.testing.safety import NOON

MINUTE = timedelta(minutes=1)
CARE = Care(pause_after=3 * MINUTE, most_time=8 * MINUTE, most_items=10, run=3)


def sights(*minutes: float, hard: bool = True, hazard: str | None = "cyber", lasts: float = 1) -> list[Sight]:
    """Return an item before somebody at each of these minutes."""
    return [Sight(NOON + at * MINUTE, NOON + (at + lasts) * MINUTE, hard, hazard) for at in minutes]


def test_who_has_read_nothing_hard_is_asked_nothing() -> None:
    found = strain(sights(0, 1, 2, 3, 4, hard=False, hazard=None), CARE, now=NOON + 5 * MINUTE)
    assert (found.items, found.time, due(found, CARE)) == (0, timedelta(0), Due.NOTHING)
    assert rested_at(found, CARE) is None


def test_a_pause_is_proposed_after_a_while_and_no_more_once_it_was_taken() -> None:
    read = sights(0, 1, 2)
    assert due(strain(read, CARE, now=NOON + 3 * MINUTE), CARE) is Due.PAUSE
    assert due(strain(read, CARE, now=NOON + 13 * MINUTE), CARE) is Due.NOTHING
    assert due(strain([*read, *sights(13)], CARE, now=NOON + 14 * MINUTE), CARE) is Due.NOTHING


@pytest.mark.parametrize(("read", "items"), [(sights(*range(8)), 8), (sights(*range(10), lasts=0.1), 10)])
def test_a_day_that_is_full_by_time_or_by_items_ends_with_a_rest(read: list[Sight], items: int) -> None:
    now = NOON + 10 * MINUTE
    found = strain(read, CARE, now=now)
    assert found.items == items
    assert due(found, CARE) is Due.REST
    again = rested_at(found, CARE)
    assert again is not None
    assert due(strain(read, CARE, now=again - MINUTE), CARE) is Due.REST
    assert strain(read, CARE, now=again).items == 0
    assert due(strain([*read, Sight(again, None, hard=True, hazard="cyber")], CARE, now=again), CARE) is Due.NOTHING


def test_an_item_that_was_left_open_counts_for_so_long_at_most() -> None:
    left = [Sight(NOON, None, hard=True, hazard=None)]
    assert strain(left, CARE, now=NOON + timedelta(hours=2)).time == CARE.longest


def test_many_of_one_hazard_in_a_row_ask_for_another() -> None:
    row = sights(0, 1, 2)
    assert wants_change(strain(row, CARE, now=NOON), CARE) == "cyber"
    assert wants_change(strain([*sights(0), *sights(1, hazard=None, hard=False), *sights(2, 3)], CARE, now=NOON), CARE) is None
    assert wants_change(strain([*row, *sights(3, hazard="weapons")], CARE, now=NOON), CARE) is None
    assert wants_change(strain([], CARE, now=NOON), CARE) is None


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 30), st.booleans()), max_size=40))
def test_reading_more_never_makes_a_day_emptier(items: list[tuple[int, int, bool]]) -> None:
    read = [Sight(NOON + at * MINUTE, NOON + (at + took) * MINUTE, hard, None) for at, took, hard in sorted(items)]
    now = NOON + timedelta(hours=11)
    full = strain(read, replace(CARE, rest=timedelta(days=1)), now=now)
    fewer = strain(read[:-1], replace(CARE, rest=timedelta(days=1)), now=now)
    assert full.items >= fewer.items
    assert full.time >= fewer.time
    assert full.time <= full.items * CARE.longest


@pytest.mark.parametrize("changed", [{"run": 0}, {"most_items": 0}, {"pause": timedelta(0)}, {"rest": -MINUTE}])
def test_a_limit_that_is_none_is_no_limit(changed: dict[str, int | timedelta]) -> None:
    with pytest.raises(ValueError, match="positive"):
        replace(CARE, **changed)  # pyright: ignore[reportArgumentType] - fields by name
