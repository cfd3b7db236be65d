"""Who reads content, and what the ledger says of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.kernel.actor import Actor
from headgate.kernel.digest import digest_of
from headgate.kernel.errors import Forbidden, HeadgateError
from headgate.kernel.ids import AccountId, EpochId, ExchangeId, OrganisationId, ReleaseId
from headgate.ledger import store as ledger
from headgate.testing.traffic import DETECTORS, NOON, REVIEWER, VISITOR, TrafficWorld, an_admission
from headgate.traffic.errors import ContentTampered, ExchangeNotFound, ProcessesOnly, ReasonMissing
from headgate.traffic.model import Content, OutcomeStatus, Unreadable
from headgate.traffic.sealing import seal

if TYPE_CHECKING:
    from headgate.traffic.spool import Spool


def tamper(world: TrafficWorld, spool: Spool, exchange_id: ExchangeId) -> None:
    with closing(sqlite3.connect(world.directory / "spools" / f"{spool.name}.sqlite", isolation_level=None)) as connection:
        connection.execute(
            "UPDATE admission SET request_sealed = zeroblob(length(request_sealed)) WHERE exchange_id = ?", (exchange_id,)
        )


async def test_a_person_who_reads_stands_in_the_ledger_with_the_reason(world: TrafficWorld) -> None:
    admission = await world.exchange(world.open())

    content = world.log.content(admission.exchange_id, REVIEWER, "  flagged by a rule ")

    assert content == Content(b'{"q": "a question"}', b'{"a": "an answer"}')
    (entry,) = world.entries()
    assert (entry.kind, entry.subject, entry.actor) == ("content.read", admission.exchange_id, REVIEWER.id)
    assert entry.body == {"why": "flagged by a rule"}


async def test_content_stays_shut_when_the_ledger_cannot_be_written(world: TrafficWorld) -> None:
    admission = await world.exchange(world.open())
    ledger.metadata.drop_all(world.engine)

    with pytest.raises(HeadgateError):
        world.log.content(admission.exchange_id, REVIEWER, "a check")
    with pytest.raises(HeadgateError):
        world.log.contents([admission.exchange_id], DETECTORS, "a scan")


async def test_nobody_reads_without_permission_or_reason(world: TrafficWorld) -> None:
    admission = await world.exchange(world.open())
    blind = Actor.system("blind")

    with pytest.raises(Forbidden):
        world.log.content(admission.exchange_id, VISITOR, "curious")
    with pytest.raises(Forbidden):
        world.log.contents([admission.exchange_id], blind, "a scan")
    with pytest.raises(ReasonMissing):
        world.log.content(admission.exchange_id, REVIEWER, "  ")
    with pytest.raises(ReasonMissing):
        world.log.contents([admission.exchange_id], DETECTORS, "")
    assert world.entries() == []


async def test_people_do_not_read_wholesale(world: TrafficWorld) -> None:
    admission = await world.exchange(world.open())

    with pytest.raises(ProcessesOnly):
        world.log.contents([admission.exchange_id], REVIEWER, "all of it")


async def test_a_scan_is_one_entry_for_a_batch(world: TrafficWorld) -> None:
    spool = world.open()
    ids = [(await world.exchange(spool)).exchange_id for _ in range(3)]
    tampered = (await world.exchange(spool)).exchange_id
    tamper(world, spool, tampered)
    asked = [*ids, tampered, ExchangeId("ex_none"), ExchangeId("ex_\ud800"), ids[0]]

    contents = world.log.contents(asked, DETECTORS, "scored by rules@1")

    assert list(contents) == asked[:-1]
    assert all(isinstance(contents[each], Content) for each in ids)
    assert contents[tampered] is Unreadable.TAMPERED
    assert contents[asked[-2]] is contents[asked[-3]] is Unreadable.MISSING
    (entry,) = world.entries()
    assert (entry.kind, entry.subject, entry.actor) == ("content.scanned", "system:detectors", "system:detectors")
    readable = sorted(ids)
    assert entry.body == {"why": "scored by rules@1", "count": 3, "ids_digest": digest_of(readable)}


async def test_a_scan_that_opens_nothing_leaves_no_entry(world: TrafficWorld) -> None:
    assert world.log.contents([], DETECTORS, "a scan") == {}
    assert world.log.contents([ExchangeId("ex_none")], DETECTORS, "a scan") == {ExchangeId("ex_none"): Unreadable.MISSING}
    assert world.entries() == []


async def test_bytes_that_were_altered_on_the_disk_are_withheld(world: TrafficWorld) -> None:
    spool = world.open()
    admission = await world.exchange(spool)
    tamper(world, spool, admission.exchange_id)

    with pytest.raises(ContentTampered):
        world.log.content(admission.exchange_id, REVIEWER, "a check")
    assert world.entries() == []


@pytest.mark.parametrize("name", ["ex_none", "", "ex_\ud800", "ex_ü", "' OR 1=1 --"])
async def test_what_is_not_kept_is_not_found(world: TrafficWorld, name: str) -> None:
    spool = world.open()
    await world.exchange(spool)
    seal(world.directory, older_than=NOON + timedelta(days=1), upto={spool.name: 9})
    await world.exchange(spool)

    with pytest.raises(ExchangeNotFound):
        world.log.get(ExchangeId(name))
    with pytest.raises(ExchangeNotFound):
        world.log.content(ExchangeId(name), REVIEWER, "a check")


async def test_the_recent_are_found_by_each_filter_sealed_or_not(world: TrafficWorld) -> None:
    spools = [world.open("w1"), world.open("w2")]
    for number in range(40):
        world.clock.advance(60)
        await world.exchange(
            spools[number % 2],
            account_id=AccountId(f"acc_{number % 4}"),
            organisation_id=OrganisationId("org_even") if number % 2 == 0 else None,
            epoch=EpochId(f"rel_1/stage{number % 5}/1"),
            outcome={"status": OutcomeStatus.CUT if number % 8 == 0 else OutcomeStatus.COMPLETED},
        )
        if number == 25:
            seal(world.directory, older_than=world.clock.now(), upto={spool.name: 99 for spool in spools}, most_rows=4)

    recent = world.log.recent(limit=100)

    assert len(recent) == 40
    assert [each.settled_at for each in recent] == sorted((each.settled_at for each in recent), reverse=True)
    assert world.log.recent(limit=7) == recent[:7]
    assert world.log.recent(limit=30) == recent[:30]
    half_way = recent[30].settled_at
    assert world.log.recent(limit=100, since=half_way) == recent[:31]
    assert world.log.recent(limit=100, account_id=AccountId("acc_1")) == [e for e in recent if e.account_id == "acc_1"]
    assert world.log.recent(limit=100, epoch=EpochId("rel_1/stage3/1")) == [e for e in recent if e.epoch == "rel_1/stage3/1"]
    assert len(world.log.recent(limit=100, organisation_id=OrganisationId("org_even"))) == 20
    assert len(world.log.recent(limit=100, status=OutcomeStatus.CUT, account_id=AccountId("acc_0"))) == 5
    assert world.log.recent(limit=100, release_id=ReleaseId("rel_2")) == []


async def test_what_is_underway_is_listed_newest_first(world: TrafficWorld) -> None:
    spool = world.open()
    first, second = an_admission(NOON), an_admission(NOON + timedelta(seconds=1))
    for admission in (first, second):
        await spool.admit(admission)

    assert [each.exchange_id for each in world.log.underway(limit=10)] == [second.exchange_id, first.exchange_id]
    assert len(world.log.underway(limit=1)) == 1
