from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from headgate.testing.traffic import NOON, REVIEWER, TrafficWorld, an_admission, an_outcome
from headgate.traffic import layout
from headgate.traffic.errors import CannotRecord, LogUnavailable, MasterKeyUnusable, NotUnderway
from headgate.traffic.keys import DayKey, DayKeys, MasterKey
from headgate.traffic.model import Exchange, Opened, OutcomeStatus
from headgate.traffic.orphans import Settlement, settle_orphans
from headgate.traffic.sealing import seal
from headgate.traffic.spool import Spool
from headgate.traffic.spool_file import Sync
from headgate.traffic.spool_ops import Admit

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.traffic.spool_ops import Op


def file_of(world: TrafficWorld, spool: Spool) -> Path:
    return world.directory / "spools" / f"{spool.name}.sqlite"


def rows_in(world: TrafficWorld, spool: Spool, table: str) -> int:
    with closing(sqlite3.connect(file_of(world, spool))) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("sync", Sync)
@pytest.mark.parametrize("size", [0, 100, 200_000])
async def test_an_admission_is_on_record_when_admit_returns(world: TrafficWorld, sync: Sync, size: int) -> None:
    spool = world.open(sync=sync)
    admission = an_admission(request_body=b"x" * size)

    await spool.admit(admission)

    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Opened)
    assert not isinstance(found, Exchange)
    assert spool.underway == 1


async def test_a_settled_exchange_reads_back_whole(world: TrafficWorld) -> None:
    spool = world.open()

    admission = await world.exchange(spool, outcome={"detail": "early", "status": OutcomeStatus.CUT})

    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Exchange)
    assert (found.status, found.detail, found.spool, found.outcome_seq) == (OutcomeStatus.CUT, "early", spool.name, 1)
    content = world.log.content(admission.exchange_id, REVIEWER, "a check")
    assert (content.request, content.response) == (b'{"q": "a question"}', b'{"a": "an answer"}')
    assert spool.underway == 0


async def test_two_hundred_admissions_at_once_are_all_recorded_and_settled_in_one_order(world: TrafficWorld) -> None:
    spool = world.open()
    admissions = [an_admission(request_body=b"q" * (70_000 if n % 10 == 0 else 50)) for n in range(200)]

    await asyncio.gather(*(spool.admit(admission) for admission in admissions))
    await asyncio.gather(*(spool.settle(an_outcome(admission)) for admission in admissions))

    exchanges, cursor = world.log.settled_after({}, 1000)
    assert [exchange.outcome_seq for exchange in exchanges] == list(range(1, 201))
    assert {exchange.exchange_id for exchange in exchanges} == {admission.exchange_id for admission in admissions}
    assert cursor == {spool.name: 200}


async def test_a_crowd_with_much_to_say_neither_keeps_the_event_loop_nor_is_held_twice(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = world.open()
    here, here_bytes, batches = threading.get_ident(), 0, [0]
    seal, take = Admit.seal, spool._take

    def sealed(op: Admit, key: DayKey, nonce: bytes | None = None) -> None:
        nonlocal here_bytes
        if threading.get_ident() == here:
            here_bytes += op.bytes
        else:
            batches[-1] += op.bytes
        seal(op, key, nonce)

    def taken() -> list[Op]:
        batches.append(0)
        return take()

    monkeypatch.setattr(Admit, "seal", sealed)
    monkeypatch.setattr(spool, "_take", taken)
    admissions = [an_admission(request_body=bytes([n]) * 60_000) for n in range(200)]

    await asyncio.gather(*(spool.admit(admission) for admission in admissions))

    assert 0 < here_bytes <= 2**18
    assert here_bytes + sum(batches) == 200 * 60_000
    assert max(batches) < 2**22 + 60_000
    assert rows_in(world, spool, "admission") == 200


async def test_no_plain_text_of_a_body_lies_on_the_disk(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool, request_body=b"SECRETQUESTION", outcome={"response_body": b"SECRETANSWER"})
    await spool.close()

    for path in world.directory.rglob("*"):
        if path.is_file():
            assert b"SECRET" not in path.read_bytes()


async def test_an_outcome_belongs_to_an_exchange_that_is_underway_here(world: TrafficWorld) -> None:
    spool = world.open()
    admission = await world.exchange(spool)

    for stranger in (an_outcome(admission), an_outcome(an_admission())):
        with pytest.raises(NotUnderway):
            spool.settle(stranger)


async def test_an_exchange_that_is_admitted_twice_fails_alone(world: TrafficWorld) -> None:
    spool = world.open(sync=Sync.FULL)
    twice, others = an_admission(), [an_admission() for _ in range(20)]
    await spool.admit(twice)

    results = await asyncio.gather(*(spool.admit(each) for each in (*others, twice)), return_exceptions=True)

    assert results[:-1] == [None] * 20
    assert isinstance(results[-1], CannotRecord)
    assert rows_in(world, spool, "admission") == 21


@pytest.mark.parametrize("sync", Sync)
async def test_an_admission_that_is_not_unicode_fails_alone(world: TrafficWorld, sync: Sync) -> None:
    spool = world.open(sync=sync)
    admissions = [an_admission(), an_admission(model="half \ud83d"), an_admission()]

    results = await asyncio.gather(*(spool.admit(admission) for admission in admissions), return_exceptions=True)

    assert [type(result) for result in results] == [type(None), CannotRecord, type(None)]


async def test_a_caller_that_leaves_while_it_waits_is_settled_at_no_charge(world: TrafficWorld) -> None:
    spool = world.open(sync=Sync.FULL, busy_s=10)
    admission = an_admission()
    with closing(sqlite3.connect(file_of(world, spool), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(spool.admit(admission))
        await asyncio.sleep(0.05)  # it is being written, and the file is held by somebody else
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        other.execute("ROLLBACK")

    await world.exchange(spool)
    await world.exchange(spool)

    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Exchange)
    assert (found.status, found.charged_tokens, found.usage_exact) == (OutcomeStatus.CLIENT_GONE, 0, True)
    assert spool.underway == 0


@pytest.mark.parametrize("sync", Sync)
async def test_a_full_disk_refuses_admissions_keeps_outcomes_and_leaves_the_log_readable(world: TrafficWorld, sync: Sync) -> None:
    spool = world.open(sync=sync)
    before = await world.exchange(spool)
    underway = an_admission()
    await spool.admit(underway)
    pages = spool._file._connection.execute("PRAGMA page_count").fetchone()[0]
    spool._file._connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(CannotRecord) as caught:
        await asyncio.gather(*(spool.admit(an_admission(request_body=b"x" * 5000)) for _ in range(100)))
    settled = spool.settle(an_outcome(underway, response_body=b"y" * 50_000))
    await asyncio.sleep(0.2)

    assert "full" in caught.value.message
    assert not settled.done()
    assert spool.owed == 1
    assert world.log.get(before.exchange_id).exchange_id == before.exchange_id
    assert world.log.settled_after({}, 10)[0][0].exchange_id == before.exchange_id

    spool._file._connection.execute("PRAGMA max_page_count = 1000000")
    await settled
    found = world.log.get(underway.exchange_id)
    assert isinstance(found, Exchange)
    assert found.response_bytes == 50_000
    await world.exchange(spool)


async def test_a_spool_that_is_closed_over_a_full_disk_says_what_it_could_not_write(world: TrafficWorld) -> None:
    spool = world.open()
    underway = an_admission()
    await spool.admit(underway)
    pages = spool._file._connection.execute("PRAGMA page_count").fetchone()[0]
    spool._file._connection.execute(f"PRAGMA max_page_count = {pages}")
    settled = spool.settle(an_outcome(underway, response_body=b"y" * 500_000))

    with pytest.raises(CannotRecord, match="1 outcomes"):
        await spool.close()
    with pytest.raises(CannotRecord):
        await settled


async def test_a_database_that_somebody_else_locks_refuses_after_a_while_and_recovers(world: TrafficWorld) -> None:
    spool = world.open(busy_s=0.1)
    underway = an_admission()
    await spool.admit(underway)
    with closing(sqlite3.connect(file_of(world, spool), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        settled = spool.settle(an_outcome(underway))
        with pytest.raises(CannotRecord, match="locked"):
            await spool.admit(an_admission())
        assert not settled.done()
        assert isinstance(world.log.get(underway.exchange_id), Opened)
        other.execute("ROLLBACK")

    await settled
    await world.exchange(spool)


async def test_a_read_only_directory_opens_no_spool(world: TrafficWorld) -> None:
    (world.directory / "spools").rmdir()
    (world.directory / "spools").touch()

    with pytest.raises(LogUnavailable):
        world.open()


@pytest.mark.parametrize("name", ["", "W1", "w_1", "../w1", "w" * 41, "w1.x"])
async def test_a_worker_has_a_plain_name(world: TrafficWorld, name: str) -> None:
    with pytest.raises(ValueError, match="worker"):
        world.open(name)


async def test_a_closed_spool_takes_nothing_and_closes_again(world: TrafficWorld) -> None:
    spool = world.open()
    admission = an_admission()
    await spool.admit(admission)
    await spool.close()
    await spool.close()

    with pytest.raises(CannotRecord):
        await spool.admit(an_admission())
    with pytest.raises(CannotRecord):
        spool.settle(an_outcome(admission))


async def test_everything_queued_before_the_end_is_written(world: TrafficWorld) -> None:
    spool = world.open(sync=Sync.FULL)
    admissions = [an_admission() for _ in range(600)]
    await asyncio.gather(*(spool.admit(admission) for admission in admissions))
    settled = [spool.settle(an_outcome(admission)) for admission in admissions]

    await spool.close()
    await asyncio.gather(*settled)

    assert rows_in(world, spool, "outcome") == 600


def lose_the_database(folder: Path) -> None:
    for path in folder.glob("headgate.sqlite*"):
        path.unlink()


async def test_midnight_needs_no_database(world: TrafficWorld, tmp_path: Path) -> None:
    spool = world.open()
    await world.exchange(spool)
    await world.exchange(spool)
    await asyncio.sleep(0.05)  # the writing thread looks ahead after a batch
    world.engine.dispose()
    lose_the_database(tmp_path)

    world.clock.advance(timedelta(days=1))
    admission = await world.exchange(spool)

    assert world.log.get(admission.exchange_id).at == NOON + timedelta(days=1)
    world.clock.advance(timedelta(days=5))
    with pytest.raises(CannotRecord, match="does not answer"):
        await spool.admit(an_admission(world.clock.now()))


async def test_a_clock_that_is_set_back_loses_nothing(world: TrafficWorld) -> None:
    spool = world.open()
    first = await world.exchange(spool)
    world.clock.set(NOON - timedelta(days=40))
    second = await world.exchange(spool)

    exchanges, _ = world.log.settled_after({}, 10)

    assert [exchange.exchange_id for exchange in exchanges] == [first.exchange_id, second.exchange_id]
    assert world.log.content(second.exchange_id, REVIEWER, "a check").request


async def test_a_spool_needs_the_master_key_that_wrapped_today(world: TrafficWorld, tmp_path: Path) -> None:
    world.open()
    other = DayKeys(world.engine, MasterKey.load_or_create(tmp_path / "other.key"), world.clock)

    with pytest.raises(MasterKeyUnusable):
        Spool.open(world.directory, "w2", other, world.clock)


async def test_the_log_written_ahead_stays_small_under_steady_writing(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.traffic.spool_file._CHECKPOINT_BYTES", 200_000)
    spool = world.open()
    for _ in range(60):
        await world.exchange(spool, request_body=b"x" * 20_000)

    assert file_of(world, spool).with_name(f"{spool.name}.sqlite-wal").stat().st_size < 1_000_000


async def test_whoever_moves_the_log_written_ahead_begins_it_anew_so_that_no_event_loop_has_to(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = world.open()
    log = file_of(world, spool).with_name(f"{spool.name}.sqlite-wal")

    def salts() -> bytes:
        return log.read_bytes()[16:24]  # drawn anew whenever the log begins anew (SQLite's file format, section 4.1)

    await world.exchange(spool, request_body=b"x" * 20_000)
    at_first = salts()
    monkeypatch.setattr("headgate.traffic.spool_file._CHECKPOINT_BYTES", 1)
    spool._file.checkpoint_if_due()

    assert salts() != at_first
    await world.exchange(spool)
    assert rows_in(world, spool, "admission") == 2


async def test_a_caller_that_leaves_in_the_moment_of_being_told_is_settled_at_no_charge(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = world.open(sync=Sync.FULL)
    admission = an_admission()
    waiting = asyncio.create_task(spool.admit(admission))
    tell = spool._tell

    def tell_and_cancel(done: Any) -> None:
        tell(done)
        waiting.cancel()

    monkeypatch.setattr(spool, "_tell", tell_and_cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    monkeypatch.undo()
    await spool.close()

    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Exchange)
    assert (found.status, found.charged_tokens) == (OutcomeStatus.CLIENT_GONE, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writing_thread_that_breaks_leaves_nobody_waiting(world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = world.open(sync=Sync.FULL)

    def broken(*_rows: object) -> None:
        raise MemoryError

    monkeypatch.setattr(spool._file, "insert", broken)
    with pytest.raises(CannotRecord, match="closed"):
        await spool.admit(an_admission())
    with pytest.raises(CannotRecord):
        await spool.admit(an_admission())


async def test_an_outcome_waits_for_its_key_as_long_as_it_takes(world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = world.open()
    admission = an_admission()
    await spool.admit(admission)
    world.day_keys.forget()

    def unavailable(day: object) -> DayKey:
        raise LogUnavailable("the database does not answer")

    monkeypatch.setattr(world.day_keys, "for_sealing", unavailable)
    settled = spool.settle(an_outcome(admission))
    await asyncio.sleep(0.1)
    assert not settled.done()

    monkeypatch.undo()
    await settled
    assert world.log.content(admission.exchange_id, REVIEWER, "a check").response == b'{"a": "an answer"}'


async def test_a_spool_whose_lock_is_cleared_away_while_it_is_taken_takes_another_name(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = layout.fcntl.flock, 0

    def slow(descriptor: int, how: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            clear_strays(world)
        real(descriptor, how)

    monkeypatch.setattr(layout.fcntl, "flock", slow)

    spool = world.open()

    await world.exchange(spool)
    assert [path.name for path in (world.directory / "spools").glob("*.lock")] == [f"{spool.name}.lock"]


def clear_strays(world: TrafficWorld) -> None:
    for path in (world.directory / "spools").glob("*.lock"):
        path.unlink()


async def test_a_lock_that_is_taken_every_time_opens_no_spool(world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(descriptor: int, how: int) -> None:
        raise BlockingIOError

    monkeypatch.setattr(layout.fcntl, "flock", taken)
    with pytest.raises(CannotRecord, match="taken each time"):
        world.open()


async def test_a_spool_that_cannot_be_made_lets_go_of_its_lock(world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.traffic.spool_file.SCHEMA", "CREATE nonsense")

    with pytest.raises(CannotRecord):
        world.open()

    assert settle_orphans(world.directory, world.clock) == Settlement(0, ())
    assert seal(world.directory, older_than=NOON, upto={}).removed == 1


async def test_a_log_does_not_live_where_its_reader_would_see_a_pattern(world: TrafficWorld, tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="cannot live"):
        Spool.open(tmp_path / "a[b]", "w1", world.day_keys, world.clock)
