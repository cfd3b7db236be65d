"""What any database that holds the counts and cursors must keep to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from headgate.kernel.ids import AccountId, EpochId, OrganisationId, ReleaseId
from headgate.testing.traffic import NOON, TrafficWorld
from headgate.traffic.cursors import advance, position
from headgate.traffic.errors import CursorMoved, LogUnavailable
from headgate.traffic.model import Exposure, OutcomeStatus
from headgate.traffic.rollup import CONSUMER, AccountDay, Exposures
from headgate.traffic.settlements import Settlements
from headgate.traffic.store import metadata

ONE, TWO, OTHER = EpochId("rel_1/trusted/1"), EpochId("rel_1/public/1"), EpochId("rel_10/trusted/1")


async def test_exposure_counts_accounts_organisations_exchanges_and_days_once(world: TrafficWorld) -> None:
    spool = world.open()
    for day in range(3):
        world.clock.set(NOON + timedelta(days=2 * day))
        await world.exchange(spool, epoch=ONE, account_id=AccountId("acc_1"))
        await world.exchange(spool, epoch=TWO, account_id=AccountId("acc_1"))
        await world.exchange(spool, epoch=ONE, account_id=AccountId("acc_2"), organisation_id=None)
    await world.exchange(spool, epoch=OTHER, account_id=AccountId("acc_3"), organisation_id=OrganisationId("org_3"))

    assert world.exposures.collect(100) == 10

    last = NOON + timedelta(days=4)
    assert world.exposures.exposure([ONE]) == Exposure(2, 1, 6, 42, 3, NOON, last)
    assert world.exposures.exposure([ONE, TWO]) == Exposure(2, 1, 9, 63, 3, NOON, last)
    assert world.exposures.release_exposure(ReleaseId("rel_1")) == Exposure(2, 1, 9, 63, 3, NOON, last)
    assert world.exposures.release_exposure(ReleaseId("rel_10")).accounts == 1


@pytest.mark.parametrize("release_id", ["rel_2", "rel", "rel_%", "%", "", "rel%1"])
async def test_a_release_that_nobody_used_has_no_exposure(world: TrafficWorld, release_id: str) -> None:
    spool = world.open()
    await world.exchange(spool)
    world.exposures.collect(100)

    assert world.exposures.release_exposure(ReleaseId(release_id)) == Exposure(0, 0, 0, 0, 0, None, None)
    assert world.exposures.exposure([]) == Exposure(0, 0, 0, 0, 0, None, None)


async def test_an_exchange_that_showed_nothing_is_taken_and_not_counted(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool, outcome={"status": OutcomeStatus.UPSTREAM_REFUSED, "http_status": 400})

    assert world.exposures.collect(100) == 1
    assert world.exposures.collect(100) == 0
    assert world.exposures.exposure([ONE]).accounts == 0


async def test_collectors_that_run_together_count_each_exchange_once(world: TrafficWorld) -> None:
    spools = [world.open(f"w{number}") for number in range(3)]
    for number in range(120):
        await world.exchange(spools[number % 3], account_id=AccountId(f"acc_{number % 7}"))

    def collect() -> int:
        mine = Exposures(Settlements(world.log), world.engine)
        total = 0
        while taken := mine.collect(10):
            total += taken
        return total

    totals = await asyncio.gather(*(asyncio.to_thread(collect) for _ in range(4)))

    assert sum(totals) == 120
    assert world.exposures.exposure([ONE]).exchanges == 120
    assert world.exposures.exposure([ONE]).accounts == 7


async def test_rows_are_read_once_whoever_counts_them(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool)
    reader, collector = world.exposures, Exposures(Settlements(world.log), world.engine)
    collector.collect(10)
    asked: list[str] = []
    event.listen(world.engine, "before_cursor_execute", lambda *sent: asked.append(sent[2]))
    first = reader.exposure([ONE])
    assert reader.exposure([ONE]) == first
    assert sum("FROM traffic_daily" in statement for statement in asked) == 1
    await world.exchange(spool)
    collector.collect(10)
    again = reader.exposure([ONE])
    assert again.exchanges == first.exchanges + 1
    assert again == Exposures(Settlements(world.log), world.engine).exposure([ONE])


async def test_a_crowd_is_counted_by_as_many_statements_as_a_few(world: TrafficWorld) -> None:
    spool = world.open()
    asked: list[str] = []
    event.listen(world.engine, "before_cursor_execute", lambda *sent: asked.append(sent[2]))
    took: list[int] = []
    for accounts in (3, 150, 150):
        for number in range(accounts):
            await world.exchange(spool, account_id=AccountId(f"acc_{number}"), organisation_id=None)
        for number in range(0, accounts, 3):
            await world.exchange(spool, account_id=AccountId(f"acc_{number}"))
        before = len(asked)
        world.exposures.collect(1000)
        took.append(len(asked) - before)

    assert max(took) - min(took) <= 2, took  # some were there, some were new: never one for each
    assert world.exposures.exposure([ONE]).exchanges == 4 + 200 + 200
    assert {day.exchanges for day in world.exposures.days_of(ONE, since="2000-01-01", until="2100-01-01")} == {2, 3}


async def test_a_collector_that_fails_half_way_has_counted_nothing(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool)
    metadata.tables["traffic_daily"].drop(world.engine)

    with pytest.raises(LogUnavailable):
        world.exposures.collect(10)

    metadata.create_all(world.engine)
    assert world.exposures.cursor() == {}
    assert world.exposures.collect(10) == 1


def test_a_cursor_moves_only_from_where_it_was_seen(world: TrafficWorld) -> None:
    with world.engine.begin() as connection:
        advance(connection, "reader", seen={}, to={"a": 3, "b": 1})
        advance(connection, "reader", seen={"a": 3, "b": 1}, to={"a": 5, "b": 1})
    for seen in ({}, {"a": 3}, {"a": 4}):
        with pytest.raises(CursorMoved), world.engine.begin() as connection:
            advance(connection, "reader", seen=seen, to={"a": 9})

    with world.engine.connect() as connection:
        assert position(connection, "reader") == {"a": 5, "b": 1}
        assert position(connection, CONSUMER) == {}


async def test_each_accounts_days_under_an_epoch_are_counted_apart(world: TrafficWorld) -> None:
    spool = world.open()
    for day, account, organisation in ((0, "acc_2", None), (0, "acc_1", "org_1"), (0, "acc_1", "org_1"), (1, "acc_1", "org_1")):
        world.clock.set(NOON + timedelta(days=day))
        belongs = None if organisation is None else OrganisationId(organisation)
        await world.exchange(spool, epoch=ONE, account_id=AccountId(account), organisation_id=belongs)
    await world.exchange(spool, epoch=TWO, account_id=AccountId("acc_3"))
    world.exposures.collect(100)

    first = [AccountDay("acc_1", "org_1", "2026-03-04", 2), AccountDay("acc_2", None, "2026-03-04", 1)]
    assert world.exposures.days_of(ONE, since="2026-03-04", until="2026-03-05") == first
    assert world.exposures.days_of(ONE, since="2026-03-01", until="2026-04-01") == [
        *first,
        AccountDay("acc_1", "org_1", "2026-03-05", 1),
    ]
    assert world.exposures.days_of(OTHER, since="2026-03-01", until="2026-04-01") == []
