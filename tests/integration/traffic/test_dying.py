"""Workers that are really killed, disks that are really full, and the stewards that come after."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headgate.testing.traffic import NOON, REVIEWER, TrafficWorld, an_admission, an_outcome
from headgate.traffic.errors import LogUnavailable, SpoolUnreadable
from headgate.traffic.model import Exchange, OutcomeStatus, Screened
from headgate.traffic.orphans import Settlement, settle_orphans

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import asyncio, resource, sys
from pathlib import Path
from headgate.adapters.database import open_sqlite
from headgate.testing.clock import FixedClock
from headgate.testing.traffic import NOON, RunningClock, an_admission, an_outcome
from headgate.traffic.errors import CannotRecord
from headgate.traffic.keys import DayKeys, MasterKey
from headgate.traffic.spool import Spool, Sync

async def main(root, sync, task):
    clock = RunningClock(NOON)
    engine = open_sqlite(root / "headgate.sqlite")
    keys = DayKeys(engine, MasterKey.load_or_create(root / "master.key"), clock)
    spool = Spool.open(root / "traffic", "child", keys, clock, sync=Sync[sync])
    if task == "fill":
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    async def one(number):
        while True:
            admission = an_admission(request_body=b"x" * 2000, reserved_tokens=number + 1)
            try:
                await spool.admit(admission)
            except CannotRecord as error:
                print("refused", error.code, flush=True)
                await asyncio.sleep(0.01)
                continue
            print("admitted", admission.exchange_id, flush=True)
            if number % 2:
                await spool.settle(an_outcome(admission))
                print("settled", admission.exchange_id, flush=True)
            await asyncio.sleep(0)
    await asyncio.gather(*(one(number) for number in range(8)))

asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
"""


def run_until_killed(root: Path, sync: str, task: str, *, lines: int, of: str) -> list[list[str]]:
    """Start a worker, let it print, kill it with SIGKILL in the middle of its work; return what it had said."""
    said: list[list[str]] = []
    command = [sys.executable, "-c", CHILD, str(root), sync, task]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line.split())
            if sum(words[0] == of for words in said) >= lines:
                child.kill()
                break
        said += [line.split() for line in child.stdout if line.endswith("\n")]
    return said


@pytest.mark.parametrize("sync", ["NORMAL", "FULL"])
def test_what_was_admitted_survives_a_kill_and_is_settled_once_at_full_charge(
    world: TrafficWorld, tmp_path: Path, sync: str
) -> None:
    said = run_until_killed(tmp_path, sync, "work", lines=300, of="admitted")
    admitted = {words[1] for words in said if words[0] == "admitted"}
    settled = {words[1] for words in said if words[0] == "settled"}

    first = settle_orphans(world.directory, world.clock)
    second = settle_orphans(world.directory, world.clock)

    exchanges, _ = world.log.settled_after({}, 100_000)
    by_id = {str(exchange.exchange_id): exchange for exchange in exchanges}
    assert len(by_id) == len(exchanges)
    assert admitted <= by_id.keys()
    assert all(by_id[each].status is OutcomeStatus.COMPLETED for each in settled)
    unknown = [exchange for exchange in exchanges if exchange.status is OutcomeStatus.UNKNOWN]
    assert first.settled == len(unknown) > 0
    assert second == Settlement(0, ())
    for exchange in unknown:
        assert exchange.charged_tokens == exchange.reserved_tokens
        assert not exchange.usage_exact
        assert exchange.screened is Screened.UNSCANNED
    content = world.log.content(unknown[0].exchange_id, REVIEWER, "what did the dead worker hold")
    assert (content.request, content.response) == (b"x" * 2000, b"")


def test_a_disk_that_is_really_full_refuses_and_what_was_recorded_stays_readable(world: TrafficWorld, tmp_path: Path) -> None:
    said = run_until_killed(tmp_path, "NORMAL", "fill", lines=20, of="refused")
    admitted = {words[1] for words in said if words[0] == "admitted"}

    assert {words[1] for words in said if words[0] == "refused"} == {"traffic.cannot_record"}
    settle_orphans(world.directory, world.clock)
    exchanges, _ = world.log.settled_after({}, 100_000)
    assert admitted <= {exchange.exchange_id for exchange in exchanges}


async def test_a_living_worker_is_left_alone(world: TrafficWorld) -> None:
    spool = world.open()
    admission = an_admission()
    await spool.admit(admission)

    assert settle_orphans(world.directory, world.clock) == Settlement(0, ())

    await spool.settle(an_outcome(admission))
    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Exchange)
    assert found.status is OutcomeStatus.COMPLETED


async def test_many_stewards_at_once_settle_each_exchange_once(world: TrafficWorld) -> None:
    for number in range(4):
        spool = world.open(f"w{number}")
        for _ in range(50):
            await spool.admit(an_admission())
        await spool.close()
    done: list[Settlement] = []

    stewards = [threading.Thread(target=lambda: done.append(settle_orphans(world.directory, world.clock))) for _ in range(6)]
    for steward in stewards:
        steward.start()
    for steward in stewards:
        steward.join()

    exchanges, _ = world.log.settled_after({}, 1000)
    assert sum(each.settled for each in done) == len(exchanges) == len({each.exchange_id for each in exchanges}) == 200


async def test_a_clock_that_went_back_gives_no_negative_duration(world: TrafficWorld) -> None:
    spool = world.open()
    admission = an_admission()
    await spool.admit(admission)
    await spool.close()
    world.clock.set(NOON.replace(year=2020))

    settle_orphans(world.directory, world.clock)

    found = world.log.get(admission.exchange_id)
    assert isinstance(found, Exchange)
    assert found.duration_ms == 0


async def test_a_damaged_spool_is_named_and_does_not_keep_the_others_waiting(world: TrafficWorld) -> None:
    broken, whole = world.open("broken"), world.open("whole")
    for spool in (broken, whole):
        await spool.admit(an_admission())
        await spool.close()
    path = world.directory / "spools" / f"{broken.name}.sqlite"
    path.write_bytes(b"not a database at all" * 1000)

    assert settle_orphans(world.directory, world.clock) == Settlement(1, (broken.name,))
    with pytest.raises(SpoolUnreadable, match=broken.name):
        world.log.settled_after({}, 10)


async def test_a_worker_that_died_before_its_file_was_made_leaves_nothing_to_settle(world: TrafficWorld) -> None:
    spool = world.open()
    await spool.close()
    path = world.directory / "spools" / f"{spool.name}.sqlite"
    path.write_bytes(b"")

    assert settle_orphans(world.directory, world.clock) == Settlement(0, ())
    assert world.log.settled_after({}, 10) == ([], {})


async def test_a_folder_that_cannot_be_read_is_not_an_empty_one(world: TrafficWorld, tmp_path: Path) -> None:
    world.directory.rename(tmp_path / "elsewhere")

    for ask in (lambda: settle_orphans(world.directory, world.clock), lambda: world.log.settled_after({}, 10)):
        with pytest.raises(LogUnavailable):
            ask()


async def test_a_steward_that_finds_the_file_locked_tries_again_next_time(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.traffic.spool_reader._BUSY_S", 0.05)
    spool = world.open()
    await spool.admit(an_admission())
    await spool.close()
    path = world.directory / "spools" / f"{spool.name}.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert settle_orphans(world.directory, world.clock) == Settlement(0, (spool.name,))
        other.execute("ROLLBACK")

    assert settle_orphans(world.directory, world.clock) == Settlement(1, ())
