"""Limits that many hold together: counted over holders, workers and crashes, and told truthfully while they are used."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.adapters.database import open_sqlite
from headgate.gateway.model import Holder, Meter, Refusal, Unit
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.service.quota import Quota, Reservation
from headgate.gateway.store import SqlLeases, metadata
from headgate.gateway.store import quota as quota_table
from headgate.kernel.clock import SystemClock
from headgate.kernel.errors import Limited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.gateway.model import Standing

LONG_S = 36_500 * 86_400
"""A window that does not end while a test runs."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "limits.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@asynccontextmanager
async def workers(engine: sa.Engine, *names: str) -> AsyncGenerator[list[Quota]]:
    made = [Quota(SqlLeases(engine, owner=name, slot_ttl_s=60), ForwardClock()) for name in names]
    for quota, name in zip(made, names, strict=True):
        await quota.start(name)
    try:
        yield made
    finally:
        for quota in made:
            await quota.stop()


def a_meter(unit: Unit, limit: int, holder: Holder, name: str = "it") -> Meter:
    window_s = LONG_S if unit in (Unit.REQUESTS, Unit.TOKENS) else 0
    return Meter(f"{holder.value}:{name}@rel:{unit.value}", unit, limit, window_s, holder)


def used(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.scope: row.used for row in connection.execute(quota_table.select())}


async def crowd(quotas: list[Quota], count: int, meters: Callable[[int], tuple[Meter, ...]]) -> list[Reservation | Refusal]:
    return await asyncio.gather(
        *(quotas[n % len(quotas)].reserve(meters(n), tokens=10, exchange_id=f"ex_{n}") for n in range(count))
    )


@pytest.mark.parametrize("unit", list(Unit))
async def test_a_crowd_at_two_workers_gets_exactly_what_the_cohort_may_use(engine: sa.Engine, unit: Unit) -> None:
    limit = 370 if unit in (Unit.TOKENS, Unit.TOTAL_TOKENS) else 37
    shared = a_meter(unit, limit, Holder.COHORT)

    async with workers(engine, "w1", "w2") as quotas:
        answers = await crowd(quotas, 100, lambda n: (a_meter(Unit.REQUESTS, 5, Holder.GRANT, f"g{n}"), shared))

        refusals = [answer for answer in answers if isinstance(answer, Refusal)]
        assert len(answers) - len(refusals) == 37
        assert {refusal.error.rule for refusal in refusals} == {f"how_much.cohort.{unit.value}"}


async def test_who_is_refused_for_one_limit_has_taken_nothing_of_the_others(engine: sa.Engine) -> None:
    account = a_meter(Unit.TOKENS, 10_000, Holder.ACCOUNT)
    organisation = a_meter(Unit.REQUESTS, 10, Holder.ORGANISATION)
    cohort = a_meter(Unit.CONCURRENCY, 100, Holder.COHORT)

    async with workers(engine, "w1", "w2") as quotas:
        answers = await crowd(quotas, 60, lambda _: (account, organisation, cohort))
        for answer, quota in zip(answers, quotas * 30, strict=True):
            if isinstance(answer, Reservation):
                quota.settle(answer, tokens=None)

    assert used(engine) == {account.scope: 100, organisation.scope: 10}


async def test_what_a_dead_worker_held_is_stranded_and_never_spent_twice(engine: sa.Engine) -> None:
    shared = a_meter(Unit.REQUESTS, 640, Holder.COHORT)
    async with workers(engine, "w1") as [survivor]:
        dead = Quota(SqlLeases(engine, owner="w2", slot_ttl_s=60), ForwardClock())
        await dead.start("w2")
        spent = sum([isinstance(await dead.reserve((shared,), tokens=0, exchange_id="ex"), Reservation) for _ in range(15)])
        # the dead one is never stopped: what it holds goes back to nobody
        rest = sum(isinstance(answer, Reservation) for answer in await crowd([survivor], 700, lambda _: (shared,)))

        assert spent == 15
        assert 640 - 640 // 64 < spent + rest <= 640
        await dead.stop()


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        (Holder.END_USER, "this end user's"),
        (Holder.GRANT, "this grant's"),
        (Holder.ACCOUNT, "your account's"),
        (Holder.ORGANISATION, "your organisation's"),
        (Holder.COHORT, "this stage's common"),
    ],
)
@pytest.mark.parametrize("unit", list(Unit))
async def test_a_refusal_says_whose_limit_it_is_and_nothing_of_strangers(
    engine: sa.Engine, holder: Holder, said: str, unit: Unit
) -> None:
    limit = 7_919 if unit in (Unit.TOKENS, Unit.TOTAL_TOKENS) else 1
    meter = a_meter(unit, limit, holder)
    wide = a_meter(Unit.REQUESTS, 4_001, Holder.GRANT, "wide")

    async with workers(engine, "w1") as [quota]:
        assert isinstance(await quota.reserve((wide, meter), tokens=limit, exchange_id="ex_1"), Reservation)
        refusal = await quota.reserve((wide, meter), tokens=17, exchange_id="ex_2")

    assert isinstance(refusal, Refusal)
    error = refusal.error
    assert isinstance(error, Limited)
    assert said in error.message
    assert error.rule == ("how_much." if holder is Holder.GRANT else f"how_much.{holder.value}.") + unit.value
    assert "4,001" not in error.message
    if holder is Holder.COHORT:
        assert "7,919" not in error.message
    assert (error.retry_after_s is None) == (unit is Unit.TOTAL_TOKENS)


ENDINGS = {
    "what was counted is charged": (40, 40),
    "more than was reserved is charged": (250, 250),
    "nothing spent costs nothing": (0, 0),
    "what nobody knows is kept": (None, 100),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_ending_is_settled_for_everybody_alike(engine: sa.Engine, ending: str) -> None:
    tokens, charged = ENDINGS[ending]
    meters = tuple(a_meter(Unit.TOKENS, 10_000, holder) for holder in Holder)

    async with workers(engine, "w1") as [quota]:
        reservation = await quota.reserve(meters, tokens=100, exchange_id="ex_1")
        assert isinstance(reservation, Reservation)
        quota.settle(reservation, tokens=tokens)
        quota.settle(reservation, tokens=0)  # again: harmless

    assert used(engine) == {meter.scope: charged for meter in meters}


async def test_what_comes_back_after_a_limit_was_forgotten_still_comes_back(engine: sa.Engine) -> None:
    class Jumping(SystemClock):
        by_s = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.by_s

    clock = Jumping()
    quota = Quota(SqlLeases(engine, owner="w1", slot_ttl_s=60), ForwardClock(clock))
    await quota.start("w1")
    meter = a_meter(Unit.TOTAL_TOKENS, 6_400, Holder.GRANT)
    reservation = await quota.reserve((meter,), tokens=1_000, exchange_id="ex_1")
    assert isinstance(reservation, Reservation)
    clock.by_s = 100.0
    quota.tick(keep_slots=False)

    quota.settle(reservation, tokens=400)
    await quota.stop()

    assert used(engine) == {meter.scope: 400}


async def test_a_limit_that_two_stages_state_differently_is_counted_once(engine: sa.Engine) -> None:
    low, high = (a_meter(Unit.REQUESTS, limit, Holder.ACCOUNT) for limit in (10, 20))

    async with workers(engine, "w1") as [quota]:
        first = [await quota.reserve((low,), tokens=0, exchange_id="ex") for _ in range(12)]
        then = [await quota.reserve((high,), tokens=0, exchange_id="ex") for _ in range(12)]

    assert [isinstance(answer, Reservation) for answer in first] == [True] * 10 + [False] * 2
    assert [isinstance(answer, Reservation) for answer in then] == [True] * 10 + [False] * 2


async def test_a_refused_caller_is_told_how_the_limits_stand(engine: sa.Engine) -> None:
    requests, tokens = a_meter(Unit.REQUESTS, 5, Holder.GRANT), a_meter(Unit.TOKENS, 100, Holder.ORGANISATION)

    async with workers(engine, "w1") as [quota]:
        await quota.reserve((requests, tokens), tokens=90, exchange_id="ex_1")
        from_the_store = await quota.reserve((requests, tokens), tokens=50, exchange_id="ex_2")
        from_memory = await quota.reserve((requests, tokens), tokens=50, exchange_id="ex_3")

    assert isinstance(from_the_store, Refusal)
    assert isinstance(from_memory, Refusal)
    assert [(one.unit, one.limit, one.remaining) for one in from_the_store.standings] == [
        (Unit.REQUESTS, 5, 4),
        (Unit.TOKENS, 100, 10),
    ]
    assert [(one.unit, one.remaining) for one in from_memory.standings] == [(Unit.TOKENS, 0)]
    assert all(one.reset_s > 0 for one in from_the_store.standings)


async def test_places_that_are_taken_come_with_how_the_other_limits_stand(engine: sa.Engine) -> None:
    requests, places = a_meter(Unit.REQUESTS, 5, Holder.GRANT), a_meter(Unit.CONCURRENCY, 1, Holder.COHORT)

    async with workers(engine, "w1", "w2") as [one, other]:
        await one.reserve((requests, places), tokens=0, exchange_id="ex_1")
        refusal = await other.reserve((requests, places), tokens=0, exchange_id="ex_2")

    assert isinstance(refusal, Refusal)
    assert [(standing.unit, standing.remaining) for standing in refusal.standings] == [(Unit.REQUESTS, 4)]


async def test_a_caller_served_from_a_slice_is_told_once_the_store_has_been_looked_at(engine: sa.Engine) -> None:
    meter = a_meter(Unit.REQUESTS, 6_400, Holder.COHORT)
    async with workers(engine, "w1", "w2") as [one, other]:
        await one.reserve((meter,), tokens=0, exchange_id="ex_1")
        await other.reserve((meter,), tokens=0, exchange_id="ex_2")

        for number in range(500):
            await other.reserve((meter,), tokens=0, exchange_id=f"ex_other_{number}")
        local = await one.reserve((meter,), tokens=0, exchange_id="ex_3")
        assert isinstance(local, Reservation)
        at_once = one.standing(local)
        for _ in range(500):
            await asyncio.sleep(0.005)
            if one.standing(local):
                break

        assert at_once == []
        # what the other worker holds is not this worker's to promise
        assert 6_400 - 503 - 100 <= one.standing(local)[0].remaining <= 6_400 - 503


@dataclass
class Truth:
    """What all workers together can still admit, at every instant: nobody else knows it."""

    limit: int
    spent: int = 0
    history: list[int] = field(default_factory=list[int])

    def moves(self, by: int) -> int:
        self.spent += by
        self.history.append(self.limit - self.spent)
        return len(self.history) - 1


async def one_client(quota: Quota, meters: tuple[Meter, ...], truths: dict[Unit, Truth], costs: list[int], name: str) -> None:
    """Reserve, wait, be told, settle; what is told was true at some instant of the request, or less."""
    for number, cost in enumerate(costs):
        # Before anything is reserved the truth is what it was; a reservation that is under way may already count.
        began = {unit: truth.moves(0) for unit, truth in truths.items()}
        answer = await quota.reserve(meters, tokens=cost, exchange_id=f"{name}-{number}")
        if isinstance(answer, Reservation):
            for unit, truth in truths.items():
                truth.moves(1 if unit is Unit.REQUESTS else cost)
        for _ in range(number % 4):
            await asyncio.sleep(0.002)
        standings = quota.standing(answer) if isinstance(answer, Reservation) else list(answer.standings)
        for standing in standings:
            truth = truths[standing.unit]
            assert standing.remaining <= max(truth.history[began[standing.unit] :])
            assert 0 <= standing.remaining <= standing.limit
        if isinstance(answer, Reservation) and cost % 2:
            quota.settle(answer, tokens=cost // 2)
            if Unit.TOKENS in truths:
                truths[Unit.TOKENS].moves(cost // 2 - cost)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(1, 3_000),
    st.integers(1, 60_000),
    st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=12), min_size=2, max_size=8),
)
def test_nobody_is_told_more_than_was_true_while_they_asked(
    tmp_path: Path, most: int, tokens: int, clients: list[list[int]]
) -> None:
    async def run() -> None:
        engine = open_sqlite(tmp_path / "told.db")
        metadata.drop_all(engine)
        metadata.create_all(engine)
        meters = (a_meter(Unit.REQUESTS, most, Holder.COHORT), a_meter(Unit.TOKENS, tokens, Holder.ORGANISATION))
        truths = {Unit.REQUESTS: Truth(most), Unit.TOKENS: Truth(tokens)}
        async with workers(engine, "w1", "w2") as quotas:
            await asyncio.gather(*(one_client(quotas[n % 2], meters, truths, costs, f"c{n}") for n, costs in enumerate(clients)))
        engine.dispose()
        assert all(truth.spent <= truth.limit for truth in truths.values())

    asyncio.run(run())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(60, 8_000), st.lists(st.tuples(st.integers(0, 1), st.integers(1, 90)), min_size=4, max_size=12))
def test_what_a_worker_says_remains_of_requests_is_true_and_only_falls(
    tmp_path: Path, limit: int, bursts: list[tuple[int, int]]
) -> None:
    async def run() -> None:
        engine = open_sqlite(tmp_path / "falls.db")
        metadata.drop_all(engine)
        metadata.create_all(engine)
        meter = a_meter(Unit.REQUESTS, limit, Holder.COHORT)
        told: tuple[list[Standing], list[Standing]] = ([], [])
        spent = 0
        async with workers(engine, "w1", "w2") as quotas:
            for number, (at, length) in enumerate(bursts):
                for _ in range(length):
                    answer = await quotas[at].reserve((meter,), tokens=0, exchange_id="ex")
                    standings = quotas[at].standing(answer) if isinstance(answer, Reservation) else answer.standings
                    assert all(standing.remaining <= limit - spent for standing in standings)
                    told[at].extend(standings)
                    spent += isinstance(answer, Reservation)
                if number % 3 == 0:
                    await asyncio.sleep(0.002)
        engine.dispose()
        assert spent <= limit
        for standings in told:
            remaining = [standing.remaining for standing in standings]
            assert remaining == sorted(remaining, reverse=True)
            resets = [standing.reset_s for standing in standings]
            assert resets == sorted(resets, reverse=True)
        assert any(told)

    asyncio.run(run())
