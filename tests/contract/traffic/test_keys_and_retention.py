"""What any database that holds the day keys must keep to."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.kernel.errors import Forbidden
from headgate.testing.traffic import DETECTORS, KEEPER, NOON, REVIEWER, TrafficWorld, an_admission, an_outcome
from headgate.traffic.errors import CannotRecord, ContentDestroyed, ExchangeNotFound, LogUnavailable, TooSoon
from headgate.traffic.keys import DayKeys, Direction
from headgate.traffic.model import Exchange, Unreadable
from headgate.traffic.retention import Retention
from headgate.traffic.sealing import seal
from headgate.traffic.store import day_keys, metadata

if TYPE_CHECKING:
    from pathlib import Path

TODAY = NOON.date()
TOMORROW = TODAY + timedelta(days=1)


def wrapped(world: TrafficWorld, day: date) -> bytes:
    with world.engine.execution_options(read_only=True).connect() as connection:
        return connection.execute(sa.select(day_keys.c.wrapped_key).where(day_keys.c.day == day.isoformat())).scalar_one()


def database_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("headgate.sqlite*")))


def test_a_day_has_one_key_in_every_process(world: TrafficWorld) -> None:
    one, two = (DayKeys(world.engine, world.master, world.clock) for _ in range(2))
    exchange_id = an_admission().exchange_id
    sealed = one.for_sealing(TODAY).seal(b"body", exchange_id, Direction.REQUEST)

    assert two.for_sealing(TODAY).open(sealed, exchange_id, Direction.REQUEST) == b"body"
    assert two.for_opening(TODAY).open(sealed, exchange_id, Direction.REQUEST) == b"body"
    assert wrapped(world, TODAY) != bytes(len(wrapped(world, TODAY)))


async def test_workers_that_meet_a_new_day_together_make_one_key(world: TrafficWorld) -> None:
    processes = [DayKeys(world.engine, world.master, world.clock) for _ in range(8)]
    exchange_id = an_admission().exchange_id

    keys = await asyncio.gather(*(asyncio.to_thread(process.for_sealing, TOMORROW) for process in processes))

    sealed = keys[0].seal(b"body", exchange_id, Direction.REQUEST)
    assert {key.open(sealed, exchange_id, Direction.REQUEST) for key in keys} == {b"body"}


def test_a_day_without_a_key_opens_nothing(world: TrafficWorld) -> None:
    with pytest.raises(ContentDestroyed):
        world.day_keys.for_opening(date(2020, 1, 1))


def test_a_database_without_the_tables_is_unavailable(world: TrafficWorld) -> None:
    metadata.drop_all(world.engine)

    with pytest.raises(LogUnavailable):
        world.day_keys.for_sealing(TODAY)


async def test_content_is_unreadable_for_ever_once_its_day_is_destroyed(world: TrafficWorld, tmp_path: Path) -> None:
    spool = world.open()
    admission = await world.exchange(spool)
    key_on_disk = wrapped(world, TODAY)
    assert key_on_disk in database_files(tmp_path)
    world.clock.advance(timedelta(days=1))
    kept = await world.exchange(spool)

    assert world.retention.destroy_before(TOMORROW, KEEPER) == [TODAY]

    with pytest.raises(ContentDestroyed):
        world.log.content(admission.exchange_id, REVIEWER, "too late")
    answers = world.log.contents([admission.exchange_id, kept.exchange_id], DETECTORS, "a scan")
    assert answers[admission.exchange_id] is Unreadable.DESTROYED
    assert world.log.content(kept.exchange_id, REVIEWER, "in time").request == kept.request_body
    assert isinstance(world.log.get(admission.exchange_id), Exchange)
    assert wrapped(world, TODAY) == bytes(len(key_on_disk))
    assert key_on_disk not in database_files(tmp_path)


async def test_a_destruction_is_in_the_ledger_once(world: TrafficWorld) -> None:
    world.day_keys.for_sealing(TODAY)
    world.day_keys.for_sealing(TODAY - timedelta(days=1))
    world.clock.advance(timedelta(days=1))

    world.retention.destroy_before(TOMORROW, KEEPER)
    assert world.retention.destroy_before(TOMORROW, KEEPER) == []

    (entry,) = world.entries()
    assert (entry.kind, entry.actor, entry.subject) == ("traffic.keys_destroyed", "system:steward", "2026-03-04")
    assert entry.body == {"before": "2026-03-05", "days": ["2026-03-03", "2026-03-04"]}


def test_a_day_that_is_not_over_cannot_be_destroyed(world: TrafficWorld) -> None:
    world.day_keys.for_sealing(TODAY)

    with pytest.raises(TooSoon):
        world.retention.destroy_before(TOMORROW, KEEPER)
    assert world.retention.destroy_before(TODAY, KEEPER) == []


def test_content_is_destroyed_by_those_who_may(world: TrafficWorld) -> None:
    for destroy in (world.retention.destroy_before, world.retention.drop_segments_before):
        with pytest.raises(Forbidden):
            destroy(TODAY, REVIEWER)


def test_a_ledger_that_cannot_be_written_keeps_the_keys(world: TrafficWorld) -> None:
    world.day_keys.for_sealing(TODAY)
    world.clock.advance(timedelta(days=1))

    def failing(connection: sa.Connection, **_entry: object) -> int:
        return connection.execute(sa.text("INSERT INTO nowhere VALUES (1)")).rowcount

    with pytest.raises(LogUnavailable):
        Retention(world.directory, world.engine, world.day_keys, failing, world.clock).destroy_before(TOMORROW, KEEPER)

    assert world.day_keys.for_opening(TODAY)


async def test_an_answer_that_ends_after_its_day_was_destroyed_is_settled_without_its_body(world: TrafficWorld) -> None:
    spool = world.open()
    admission = an_admission()
    await spool.admit(admission)
    world.clock.advance(timedelta(days=1))
    world.retention.destroy_before(TOMORROW, KEEPER)

    await spool.settle(an_outcome(admission))

    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Exchange)
    assert found.charged_tokens == 7
    with pytest.raises(CannotRecord, match="destroyed"):
        await spool.admit(an_admission())  # dated on the destroyed day


async def test_segments_are_dropped_only_after_their_keys(world: TrafficWorld) -> None:
    spool = world.open()
    old = await world.exchange(spool)
    world.clock.advance(timedelta(days=1))
    seal(world.directory, older_than=world.clock.now(), upto={spool.name: 9})
    kept = await world.exchange(spool)
    seal(world.directory, older_than=world.clock.now() + timedelta(days=1), upto={spool.name: 9})
    world.exposures.collect(10)

    assert world.retention.drop_segments_before(TOMORROW, KEEPER) == 0
    world.retention.destroy_before(TOMORROW, KEEPER)
    assert world.retention.drop_segments_before(TODAY, KEEPER) == 0
    assert world.retention.drop_segments_before(TOMORROW, KEEPER) == 1

    with pytest.raises(ExchangeNotFound):
        world.log.get(old.exchange_id)
    assert [exchange.exchange_id for exchange in world.log.settled_after({}, 10)[0]] == [kept.exchange_id]
    assert world.exposures.release_exposure(old.release_id).exchanges == 2
    assert world.entries()[-1].kind == "traffic.segments_dropped"
    assert world.entries()[-1].body == {"before": "2026-03-05", "segments": 1, "exchanges": 1}
