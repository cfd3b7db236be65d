"""The machine's clock is set back under a whole house: what had ended stays ended, and nothing opens that was shut.

The house is real and the database too; only the clock is handed in.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from functional.kit import plan
from headgate.access.errors import GrantEnded, GrantExpired, KeyExpired
from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.steward import Steward
from headgate.bootstrap.settings import load
from headgate.bootstrap.up import FIRST_ROLES
from headgate.bootstrap.wiring import open_house
from headgate.gateway.errors import RequestsExhausted
from headgate.gateway.model import Meter, Refusal, Unit
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.service.quota import Quota, Reservation
from headgate.gateway.store import SqlLeases
from headgate.releases.model.release import State
from headgate.releases.service.control import LEASE
from headgate.releases.wire.checking import check_plan
from headgate.safety.model import Severity
from headgate.safety.service.incidents import Report
from headgate.testing.clock import FixedClock
from headgate.testing.homes import empty_home

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from headgate.bootstrap.wiring import House
    from headgate.kernel.actor import Actor
    from headgate.releases.model.release import Release

NOON = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERE = "127.0.0.1"


@contextmanager
def opened(directory: Path, clock: FixedClock) -> Generator[House]:
    """Open the house as a process that has just started would."""
    home = Home(directory)
    house = open_house(home, load(directory, {}), clock=clock)
    try:
        yield house
    finally:
        house.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def house(tmp_path: Path, clock: FixedClock) -> Generator[House]:
    with opened(empty_home(tmp_path / "data").root, clock) as house:
        yield house


@pytest.fixture
def owner(house: House) -> Actor:
    token = house.access.first_staff("owner", roles=FIRST_ROLES, life=timedelta(days=30)).secret
    return house.access.authenticate_staff(token)


def released(house: House, owner: Actor, *, at: datetime | None = None) -> Release:
    read = check_plan(plan("http://127.0.0.1:9/v1"), "plan")
    assert read.plan is not None
    release, _ = house.releases.apply(read.plan, by=owner, at=at)
    Steward(house).keep_cohorts(house.clock.now())
    return release


def went_round(house: House) -> None:
    """Let a steward go round once."""
    for job in Steward(house).jobs():
        job.run(house.clock.now())


def test_a_key_and_a_seat_that_were_swept_away_stay_away(house: House, owner: Actor, clock: FixedClock) -> None:
    # given: a key for an hour, and a seat for three
    released(house, owner)
    account = house.access.accounts.add("somebody", by=owner)
    grant = house.access.grants.add(account.id, "inner", ends_at=NOON + 3 * HOUR, by=owner)
    brief = house.access.keys.add(grant.id, scopes=["api.chat"], life=HOUR, by=owner).secret
    lasting = house.access.keys.add(grant.id, scopes=["api.chat"], by=owner).secret
    steward = Steward(house)
    # when: both hours pass, the steward sweeps, and the clock is set back to the beginning
    clock.advance(2 * HOUR)
    steward.sweep(clock.now())
    clock.advance(2 * HOUR)
    steward.sweep(clock.now())
    clock.set(NOON)
    steward.sweep(clock.now())
    # then
    with pytest.raises(KeyExpired):
        house.access.authenticate(brief, HERE, clock.now())
    with pytest.raises((GrantEnded, GrantExpired)):
        house.access.authenticate(lasting, HERE, clock.now())


async def reserved(house: House, clock: FixedClock, times: int) -> list[Reservation | Refusal]:
    """Reserve a request so many times, as a worker that has just started would."""
    quota = Quota(SqlLeases(house.engine, owner="worker", slot_ttl_s=60), ForwardClock(clock))
    meter = Meter("grant:gr_1:requests:3600", Unit.REQUESTS, limit=3, window_s=3600)
    await quota.start("worker")
    try:
        return [await quota.reserve((meter,), tokens=0, exchange_id=f"ex_{number}") for number in range(times)]
    finally:
        await quota.stop()


async def test_a_window_that_was_used_up_does_not_open_again(house: House, clock: FixedClock) -> None:
    # given: all of this hour is used, after all of the hour before
    assert [isinstance(each, Reservation) for each in await reserved(house, clock, 4)] == [True, True, True, False]
    clock.advance(HOUR)
    assert [isinstance(each, Reservation) for each in await reserved(house, clock, 4)] == [True, True, True, False]
    # when: the clock goes back an hour, or a day
    for back in (HOUR, 24 * HOUR):
        clock.set(NOON + HOUR - back)
        # then
        (again,) = await reserved(house, clock, 1)
        assert isinstance(again, Refusal)
        assert isinstance(again.error, RequestsExhausted)
    # and: the next hour is a new one
    clock.set(NOON + 2 * HOUR)
    assert isinstance((await reserved(house, clock, 1))[0], Reservation)


def test_a_release_opens_when_its_time_has_come_and_never_by_a_clock_set_back(
    house: House, owner: Actor, clock: FixedClock
) -> None:
    # given: a release that opens in an hour
    release = released(house, owner, at=NOON + HOUR)
    # when: the clock goes back and the steward makes its rounds
    clock.set(NOON - 24 * HOUR)
    went_round(house)
    assert house.releases.get(release.id, by=owner).state is State.SCHEDULED
    # when: its time comes
    clock.set(NOON + 2 * HOUR)
    went_round(house)
    live = house.releases.get(release.id, by=owner)
    assert (live.state, live.stage) == (State.LIVE, 1)
    # then: set back again, nothing that is open widens
    clock.set(NOON)
    for _ in range(3):
        went_round(house)
    after = house.releases.get(release.id, by=owner)
    assert [stage.name for stage in after.opened] == ["first"]


def test_a_dead_steward_is_succeeded_and_the_worst_is_cut_although_the_clock_went_back(
    tmp_path: Path, house: House, owner: Actor, clock: FixedClock
) -> None:
    # given: a steward that acted until it died
    release = released(house, owner)
    went_round(house)
    house.releases.lease("the first:1", now=NOON + LEASE, until=NOON + 2 * LEASE)
    assert house.releases.get(release.id, by=owner).state is State.LIVE
    # when: the clock goes back a day, another steward starts, and somebody reports the worst
    clock.set(NOON - 24 * HOUR)
    with opened(tmp_path / "data", clock) as again:
        report = Report(release.id, Severity.CRITICAL, "it harmed somebody", "harm", clock.now())
        again.desk.incidents.open(report, by=owner, now=clock.now())
        went_round(again)
    # then: it does not wait a day for the first one's lease to run out
    assert house.releases.get(release.id, by=owner).state is State.CUT


def test_a_monitor_that_is_silent_is_down_although_the_clock_went_back(house: House, owner: Actor, clock: FixedClock) -> None:
    # given: traffic that is watched
    release = released(house, owner)
    went_round(house)
    # when: the clock goes back an hour, and nothing watches any more
    clock.set(NOON - HOUR)
    Steward(house).control(clock.now())
    # then: nobody new is let in
    assert house.releases.get(release.id, by=owner).state is State.FROZEN
    # and: it is over as soon as traffic is watched again
    went_round(house)
    assert house.releases.get(release.id, by=owner).state is State.LIVE
