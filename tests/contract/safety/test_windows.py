"""Closed windows of an epoch: who was there, who was flagged, what was never scored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.safety.errors import DetectorFailed, SafetyStoreUnavailable
from headgate.safety.model import Reading
from headgate.safety.sampling.windows import AGAIN_AFTER, Window, newly_flagged
from headgate.safety.service.windows import Windows
from headgate.safety.store import SqlSampling
from headgate.safety.store.windows import SqlWindows
from headgate.testing.safety import EPOCH, FLAGGED_TEXT, HAZARDS, NOON, SafetyWorld

if TYPE_CHECKING:
    import sqlalchemy as sa

    from headgate.safety.model import Texts

HOUR = timedelta(hours=1)
CYBER = HAZARDS[0]


class Flaky:
    """A detector that fails when it is told to."""

    name = "flaky@1"
    fails = False

    def score(self, texts: Texts) -> Reading:
        del texts
        if self.fails:
            raise DetectorFailed("The detector does not answer.")
        return Reading(())


def hourly(world: SafetyWorld, *texts: tuple[str, int]) -> None:
    """Settle so many exchanges with each text, collect them, and let an hour pass."""
    for text, count in texts:
        world.log.add(count, text=text)
    world.collect()
    world.now += HOUR


def closed(world: SafetyWorld, every: timedelta = HOUR, after: int = -1) -> tuple[Window, ...]:
    return SqlWindows(world.engine).closed(EPOCH, every=every, after=after, now=world.now)


def test_users_are_counted_once_in_a_window_and_flags_by_hazard(world: SafetyWorld) -> None:
    hourly(world, ("hello", 20), (FLAGGED_TEXT, 3))
    hourly(world, ("hello", 2))
    first, second = closed(world)
    assert (first.number, first.requests, first.users, first.unscored) == (0, 23, 7, 0)
    assert first.flagged == {CYBER: {"acc_0", "acc_1", "acc_2"}}
    assert (second.number, second.requests, second.users, second.flagged) == (1, 2, 2, {})
    assert second.began_at - first.began_at == HOUR


def test_windows_are_those_of_the_looks_at_labels(world: SafetyWorld) -> None:
    for count in (3, 1, 4, 1, 5):
        hourly(world, ("hello", count))
        world.now += HOUR
    looks = SqlSampling(world.engine).looks(EPOCH, CYBER, after_position=0, every=HOUR, now=world.now)
    assert [(look.requests, look.closed_at) for look in looks] == [
        (window.requests, window.began_at + HOUR) for window in closed(world)
    ]
    assert [window.number for window in closed(world)] == [0, 2, 4, 6, 8]


def test_a_window_is_not_read_before_it_is_closed(world: SafetyWorld) -> None:
    world.log.add(3)
    world.collect()
    assert closed(world) == ()
    world.now += HOUR - timedelta(microseconds=1)
    assert closed(world) == ()
    world.now += timedelta(microseconds=1)
    assert len(closed(world)) == 1


def test_only_later_windows_are_read_again(world: SafetyWorld) -> None:
    for count in (1, 2, 3):
        hourly(world, ("hello", count))
    every = closed(world)
    assert closed(world, after=0) == every[1:]
    assert closed(world, after=2) == ()
    remembered = Windows(SqlWindows(world.engine))
    assert remembered.closed(EPOCH, every=HOUR, now=world.now - HOUR) == every[:2]
    assert remembered.closed(EPOCH, every=HOUR, now=world.now) == every
    assert remembered.closed(EPOCH, every=HOUR, now=world.now - HOUR) == every[:2]  # the clock was set back


def test_what_no_detector_could_score_is_counted(engine: sa.Engine) -> None:
    world, detector = SafetyWorld(engine), Flaky()
    world.sampling = world.a_sampling(detectors=[detector])
    hourly(world, ("hello", 5))
    detector.fails = True
    hourly(world, ("hello", 4))
    assert [(window.requests, window.unscored) for window in closed(world)] == [(5, 0), (4, 4)]


def test_an_epoch_that_nobody_knows_has_no_windows(world: SafetyWorld) -> None:
    assert SqlWindows(world.engine).closed("rel_z/none/1", every=HOUR, after=-1, now=NOON) == ()
    with pytest.raises(ValueError, match="positive"):
        SqlWindows(world.engine).closed(EPOCH, every=timedelta(0), after=-1, now=NOON)


def test_a_database_that_is_gone_is_said_to_be_unavailable(world: SafetyWorld) -> None:
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE safety_epoch")
    with pytest.raises(SafetyStoreUnavailable):
        closed(world)


def test_a_user_who_stays_counts_once_a_week() -> None:
    def window(at: int, *accounts: str) -> Window:
        return Window(at, NOON + at * timedelta(days=1), 10, 0, 5, {CYBER: frozenset(accounts)})

    windows = [window(0, "a"), window(1, "a", "b"), window(6, "a"), window(7, "a"), window(8, "b", "c"), window(9, "a", "b")]
    assert newly_flagged(windows, CYBER) == [1, 1, 0, 1, 2, 0]
    assert newly_flagged(windows, "another") == [0] * 6
    assert timedelta(days=7) == AGAIN_AFTER
    assert newly_flagged([replace(windows[0], flagged={})], CYBER) == [0]
