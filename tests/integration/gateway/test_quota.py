"""The local side of limits, over a real store."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.model import Meter, Refusal, Unit
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.service.quota import Quota, Reservation
from headgate.gateway.store import SqlLeases, metadata
from headgate.gateway.store import quota as quota_table
from headgate.kernel.clock import SystemClock
from headgate.kernel.errors import Limited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.gateway.ports import Ask, Chores, Lent, Short

DAY_S = 86_400


class Moved(SystemClock):
    """The machine's clock, moved in both senses by the test."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.by

    def monotonic(self) -> float:
        return super().monotonic() + self.by.total_seconds()


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    engine = open_sqlite(tmp_path / "limits.db")
    metadata.create_all(engine)
    return engine


@pytest.fixture
def clock() -> Moved:
    return Moved()


@pytest.fixture
async def quota(engine: sa.Engine, clock: Moved) -> AsyncIterator[Quota]:
    quota = Quota(SqlLeases(engine, owner="w1", slot_ttl_s=60), ForwardClock(clock))
    await quota.start("w1")
    yield quota
    await quota.stop()
    engine.dispose()


def tokens(limit: int, *, window_s: int = 36_500 * DAY_S) -> Meter:
    return Meter("g:tokens", Unit.TOKENS if window_s else Unit.TOTAL_TOKENS, limit, window_s)


def requests(limit: int) -> Meter:
    return Meter("g:requests", Unit.REQUESTS, limit, 36_500 * DAY_S)


def places(limit: int) -> Meter:
    return Meter("g:places", Unit.CONCURRENCY, limit, 0)


async def reserve(quota: Quota, *meters: Meter, cost: int = 10, exchange: str = "ex_1") -> Reservation:
    reservation = await quota.reserve(meters, tokens=cost, exchange_id=exchange)
    assert isinstance(reservation, Reservation)
    return reservation


async def refused(quota: Quota, *meters: Meter, cost: int = 10) -> Limited:
    refusal = await quota.reserve(meters, tokens=cost, exchange_id="ex_other")
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, Limited)
    return refusal.error


def used(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.scope: row.used for row in connection.execute(quota_table.select())}


async def test_what_was_reserved_and_not_used_can_be_used_again(quota: Quota) -> None:
    reservation = await reserve(quota, tokens(20), cost=20)
    assert (await refused(quota, tokens(20), cost=1)).code == "limit.tokens"

    quota.settle(reservation, tokens=5)
    quota.settle(reservation, tokens=0)  # again: harmless

    await reserve(quota, tokens(20), cost=15)
    await refused(quota, tokens(20), cost=1)


async def test_what_nobody_knows_is_not_refunded(quota: Quota) -> None:
    quota.settle(await reserve(quota, tokens(20), cost=20), tokens=None)

    await refused(quota, tokens(20), cost=1)


async def test_what_was_used_beyond_the_reservation_is_owed(quota: Quota, engine: sa.Engine) -> None:
    quota.settle(await reserve(quota, tokens(100), cost=10), tokens=60)

    await refused(quota, tokens(100), cost=50)
    await reserve(quota, tokens(100), cost=40)
    assert used(engine)["g:tokens"] == 100


async def test_a_request_that_was_not_admitted_costs_nothing(quota: Quota) -> None:
    reservation = await reserve(quota, requests(1), tokens(10))
    await refused(quota, requests(1), tokens(10))

    quota.settle(reservation, tokens=0, admitted=False)

    await reserve(quota, requests(1), tokens(10))


async def test_a_refusal_takes_nothing(quota: Quota) -> None:
    assert (await refused(quota, requests(1), tokens(5))).code == "limit.tokens"
    await reserve(quota, tokens(5), cost=5)
    assert (await refused(quota, requests(1), tokens(5), cost=1)).code == "limit.tokens"

    await reserve(quota, requests(1))


async def test_a_grant_that_is_used_up_says_that_time_will_not_cure_it(quota: Quota) -> None:
    total = tokens(10, window_s=0)
    await reserve(quota, total)

    error = await refused(quota, total, cost=1)

    assert (error.code, error.retry_after_s) == ("limit.total_tokens", None)
    assert (await refused(quota, tokens(10), cost=11)).retry_after_s is None


async def test_a_place_is_free_again_when_its_exchange_is_settled(quota: Quota) -> None:
    one = await reserve(quota, places(2), requests(10), exchange="ex_1")
    await reserve(quota, places(2), requests(10), exchange="ex_2")
    assert (await refused(quota, places(2), requests(10))).code == "limit.concurrency"

    quota.settle(one, tokens=0)

    await reserve(quota, places(2), requests(10), exchange="ex_3")


async def test_many_requests_at_once_get_exactly_the_limit(quota: Quota) -> None:
    answers = await asyncio.gather(
        *(quota.reserve((requests(150), tokens(10**6)), tokens=10, exchange_id=f"ex_{n}") for n in range(200))
    )

    assert sum(isinstance(answer, Reservation) for answer in answers) == 150


async def comes_to(engine: sa.Engine, scope: str, amount: int) -> bool:
    """Return whether the store counts so much before long."""
    for _ in range(500):
        if used(engine)[scope] == amount:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_an_idle_slice_goes_back_for_other_workers(quota: Quota, engine: sa.Engine, clock: Moved) -> None:
    await reserve(quota, requests(6400))
    assert used(engine)["g:requests"] == 100

    clock.by = timedelta(seconds=25)
    quota.tick(keep_slots=False)

    assert await comes_to(engine, "g:requests", 1)


async def test_whoever_comes_every_few_seconds_does_not_borrow_each_time(quota: Quota, engine: sa.Engine, clock: Moved) -> None:
    for times in range(5):
        clock.by = timedelta(seconds=5 * times)
        quota.tick(keep_slots=False)
        await asyncio.sleep(0.05)
        await reserve(quota, requests(6400))

    assert used(engine)["g:requests"] == 100


async def test_an_idle_slice_that_others_may_miss_goes_back_soon(quota: Quota, engine: sa.Engine, clock: Moved) -> None:
    other = Quota(SqlLeases(engine, owner="w2", slot_ttl_s=60), ForwardClock(clock))
    await other.start("w2")
    await reserve(quota, tokens(6400), cost=10)
    await reserve(other, tokens(6400), cost=6200)
    for _ in range(100):  # until it has heard how little is left
        await reserve(quota, tokens(6400), cost=0)
        await asyncio.sleep(0.02)

    clock.by = timedelta(seconds=5)
    quota.tick(keep_slots=False)

    assert await comes_to(engine, "g:tokens", 6210)
    await other.stop()


async def test_an_idle_slice_of_what_never_starts_afresh_goes_back_soon(quota: Quota, engine: sa.Engine, clock: Moved) -> None:
    await reserve(quota, tokens(6400, window_s=0), cost=10)
    assert used(engine)["g:tokens"] == 100

    clock.by = timedelta(seconds=5)
    quota.tick(keep_slots=False)

    assert await comes_to(engine, "g:tokens", 10)


async def test_many_idle_slices_go_back_a_part_at_a_time_and_all_of_them(quota: Quota, engine: sa.Engine, clock: Moved) -> None:
    meters = [requests(6400)._replace(scope=f"g{number}:requests") for number in range(2100)]
    await asyncio.gather(*(reserve(quota, meter) for meter in meters))
    assert sum(used(engine).values()) == 2100 * 100

    clock.by = timedelta(seconds=25)
    for left in (1100, 100, 0):
        quota.tick(keep_slots=False)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if sum(used(engine).values()) == 2100 + left * 99:
                break
        assert sum(used(engine).values()) == 2100 + left * 99


async def test_what_is_held_at_the_end_is_given_back(engine: sa.Engine, clock: Moved) -> None:
    quota = Quota(SqlLeases(engine, owner="w1", slot_ttl_s=60), ForwardClock(clock))
    await quota.start("w1")
    quota.settle(await reserve(quota, tokens(6400)), tokens=4)

    await quota.stop()

    assert used(engine)["g:tokens"] == 4


async def test_a_new_window_is_a_new_quota_and_an_old_refund_does_not_reach_it(quota: Quota, clock: Moved) -> None:
    hourly = tokens(20, window_s=3600)
    old = await reserve(quota, hourly, cost=20)
    clock.by = timedelta(hours=1)

    fresh = await reserve(quota, hourly, cost=20)
    quota.settle(old, tokens=0)
    await refused(quota, hourly, cost=1)
    clock.by = timedelta(0)
    await refused(quota, hourly, cost=1)
    quota.settle(fresh, tokens=0)
    await reserve(quota, hourly, cost=20)


async def test_a_caller_that_gives_up_waiting_leaves_nothing_behind(quota: Quota, engine: sa.Engine) -> None:
    with engine.begin():
        asking = asyncio.create_task(quota.reserve((requests(1), places(1)), tokens=0, exchange_id="ex_1"))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])

    answers: list[Reservation | Refusal] = []
    for _ in range(100):
        answers.append(await quota.reserve((requests(1), places(1)), tokens=0, exchange_id="ex_2"))
        if isinstance(answers[-1], Reservation):
            break
        await asyncio.sleep(0.05)
    assert isinstance(answers[-1], Reservation)


async def test_a_lowered_limit_holds_at_once(quota: Quota) -> None:
    for _ in range(10):
        await reserve(quota, requests(1000))

    await refused(quota, requests(10))


async def test_a_worker_that_was_held_up_hears_what_the_store_has_said_before_it_gives_up(
    quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.gateway.service.quota._STEP_S", 0.05)
    asking = asyncio.create_task(quota.reserve((tokens(20),), tokens=10, exchange_id="ex_1"))
    await asyncio.sleep(0)

    time.sleep(0.6)  # noqa: ASYNC251 - something of the worker's own holds everybody up, for longer than all steps

    assert isinstance(await asking, Reservation)


async def test_a_store_that_is_silent_is_given_up_and_what_it_lends_later_goes_back(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.gateway.service.quota._STEP_S", 0.01)
    leases = Slow(engine)
    quota = Quota(leases, ForwardClock(Moved()))
    await quota.start("w1")

    refusal = await quota.reserve((tokens(20),), tokens=10, exchange_id="ex_1")

    assert isinstance(refusal, Refusal)
    assert refusal.error.code == "quota.unavailable"
    leases.go_on.set()
    async with asyncio.timeout(5):
        while used(engine).get("g:tokens") != 0:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.01)
    await quota.stop()


class Slow(SqlLeases):
    """A store that says nothing for a while."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine, owner="w1", slot_ttl_s=60)
        self.go_on = threading.Event()

    def carry_out(self, asks: Sequence[Ask], chores: Chores, *, now_us: int) -> list[Lent | Short]:
        if asks:
            self.go_on.wait(5)
        return super().carry_out(asks, chores, now_us=now_us)


_LENDS_AND_DIES = """
import os, signal, sys
from pathlib import Path
from headgate.adapters.database import open_sqlite
from headgate.gateway.ports import Ask, Borrow, Chores
from headgate.gateway.store import SqlLeases

leases = SqlLeases(open_sqlite(Path(sys.argv[1])), owner="w1", slot_ttl_s=60, flush=sys.argv[2] == "flush")
leases.carry_out([Ask((Borrow("g:tokens", 1000, 0, 100),), (), ())], Chores(), now_us=1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("mode", ["flush", "leave it to the system"])
def test_what_was_lent_is_still_lent_when_the_worker_is_killed_at_once(engine: sa.Engine, tmp_path: Path, mode: str) -> None:
    done = subprocess.run([sys.executable, "-c", _LENDS_AND_DIES, str(tmp_path / "limits.db"), mode], check=False)

    assert done.returncode == -signal.SIGKILL
    assert used(engine) == {"g:tokens": 100}


@pytest.mark.parametrize(("flush", "level"), [(True, 2), (False, 1)])
def test_only_what_is_lent_is_committed_without_waiting_for_the_disk(engine: sa.Engine, flush: bool, level: int) -> None:
    leases = SqlLeases(engine, owner="w1", slot_ttl_s=60, flush=flush)
    with leases._connected() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == level
        connection.rollback()
    with pytest.raises(LookupError), leases._connected():
        raise LookupError  # a connection that failed is not used again, by nobody

    for _ in range(3):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
