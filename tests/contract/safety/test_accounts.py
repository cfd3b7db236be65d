"""Accounts by their first use: who counts, in which order, and with what; checked against a plain count of the draws."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.adapters.database import open_sqlite
from headgate.kernel.clock import to_us
from headgate.ledger import store as ledger
from headgate.safety.errors import HazardUnknown
from headgate.safety.model import D_MAX, Content, Harm, Settled, Severity
from headgate.safety.sampling.probability import Flagged, WatchPlan
from headgate.safety.service.review import Answer
from headgate.safety.store import SqlSampling, metadata
from headgate.safety.store.tables import standings
from headgate.testing.safety import ADA, BO, EPOCH, HAZARDS, LEAD, NOON, SafetyWorld, an_answer

if TYPE_CHECKING:
    from headgate.safety.sampling.accounts import HarmfulAccount, LabelledAccounts

HAZARD = HAZARDS[0]
WEEK = timedelta(days=7)
DAY = timedelta(days=1)


class World(SafetyWorld):
    """A world that remembers its store."""

    def __init__(self, engine: sa.Engine, plan: WatchPlan | None = None) -> None:
        super().__init__(engine, plan)
        self.store = SqlSampling(engine)


def use(world: SafetyWorld, account: str, times: int = 1) -> None:
    """Let an account send so many requests, and record them at once."""
    for _ in range(times):
        exchange_id = f"ex_{len(world.log.exchanges) + 1:07d}"
        world.log.exchanges.append(Settled(exchange_id, EPOCH, account, world.now, "COMPLETED", 200, 2))
        world.log.bodies[exchange_id] = Content(b"{}", b"{}")
    world.collect()


def accounts(world: World, span: timedelta = WEEK, hazard: str = HAZARD) -> LabelledAccounts:
    return world.store.accounts(EPOCH, hazard, span=span, now=world.now, d_max=D_MAX)


@pytest.fixture
def world(world: SafetyWorld) -> World:
    return World(world.engine)


def counted(found: LabelledAccounts) -> int:
    return sum(group.accounts for group in found.clean) + len(found.harmful)


def answer_all(world: SafetyWorld, *harms: str, times: int = 10_000) -> None:
    """Read everything that waits, finding these harms in all of it; every harm is confirmed by a second reader."""
    for _ in range(times):
        done = False
        for by in (ADA, BO):
            item = world.review.next(by=by, now=world.now)
            if item is not None:
                world.review.label(
                    item.item, an_answer(*harms, hazards=item.hazards), revision=item.revision, by=by, now=world.now
                )
                done = True
        if not done:
            return


def the_one(found: LabelledAccounts) -> HarmfulAccount:
    (account,) = found.harmful
    return account


def test_nobody_counts_before_their_time_is_over_and_then_in_the_order_in_which_they_came(world: World) -> None:
    use(world, "acc_a", 3)
    world.now += DAY
    use(world, "acc_b", 2)
    answer_all(world)
    world.now = NOON + timedelta(hours=1) + WEEK - timedelta(seconds=1)
    assert (counted(accounts(world)), accounts(world).came) == (0, 2)
    world.now += timedelta(seconds=1)
    (group,) = accounts(world).clean
    assert (group.accounts, group.exchanges, group.labels, group.floor) == (1, 3, 3, 1.0)
    world.now += DAY
    (group,) = accounts(world).clean
    assert (group.accounts, group.exchanges, group.labels) == (2, 5, 5)


def test_an_account_that_still_waits_for_a_label_holds_up_all_who_came_later(world: World) -> None:
    use(world, "acc_a")
    use(world, "acc_b", 2)
    use(world, "acc_c")
    held = world.take(ADA)  # acc_a's
    world.review.skip(held.item, revision=held.revision, by=ADA, now=world.now)
    while (item := world.review.next(by=ADA, now=world.now)) is not None:
        world.review.label(item.item, an_answer(hazards=item.hazards), revision=item.revision, by=ADA, now=world.now)
    world.now += WEEK
    assert waiting(world) == {held.item}
    assert counted(accounts(world)) == 0
    answer_all(world)
    assert counted(accounts(world)) == 3


def test_what_nobody_answers_in_time_is_in_doubt_and_holds_nobody_up_any_longer(world: World) -> None:
    use(world, "acc_a", 4)
    answer_all(world, times=1)
    world.now += D_MAX - timedelta(seconds=1)
    assert counted(accounts(world)) == 0
    world.now += timedelta(seconds=1)
    account = the_one(accounts(world))
    assert (account.exchanges, account.labels, account.harms) == (4, 4, ())
    assert account.doubtful == (Harm(1.0, 1.0),) * len(account.doubtful)
    assert account.doubtful


def test_what_cannot_be_reviewed_is_in_doubt_and_a_harm_is_a_harm(world: World) -> None:
    use(world, "acc_a", 1)
    item = world.take()
    world.review.label(item.item, Answer(None, None), revision=item.revision, by=ADA, now=world.now)
    use(world, "acc_b", 1)
    answer_all(world, HAZARD)
    world.now += WEEK
    unsure, harmful = accounts(world).harmful
    assert (unsure.harms, unsure.doubtful) == ((), (Harm(1.0, 1.0),))
    assert (harmful.harms, harmful.doubtful) == ((Harm(1.0, 1.0),), ())
    assert counted(accounts(world, hazard=HAZARDS[1])) == 2


def test_what_comes_after_the_span_neither_counts_nor_holds_anybody_up(world: World) -> None:
    use(world, "acc_a", 2)
    answer_all(world)
    world.now += WEEK
    use(world, "acc_a", 5)  # unread
    (group,) = accounts(world).clean
    assert (group.accounts, group.exchanges, group.labels) == (1, 2, 2)
    assert counted(accounts(world, span=timedelta(days=8))) == 0


def test_whoever_is_stopped_stays_with_what_they_did(world: World) -> None:
    use(world, "acc_bad", 1)
    answer_all(world, HAZARD)
    world.now += timedelta(hours=1)
    for name in ("acc_a", "acc_b"):
        use(world, name, 6)
    answer_all(world)
    world.now += 100 * DAY  # nothing was ever heard of acc_bad again
    found = accounts(world)
    assert (counted(found), the_one(found).exchanges) == (3, 1)


def test_a_coin_in_the_air_holds_up_all_who_came_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use(world, "acc_a")

    def toss_nothing(*_arguments: object, **_named: object) -> int:
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(type(world.sampling), "_toss", toss_nothing)
        use(world, "acc_b")
    answer_all(world)
    world.now += WEEK
    assert counted(accounts(world)) == 1
    world.collect()
    answer_all(world)
    assert counted(accounts(world)) == 2


def test_labels_and_floors_are_those_of_the_draws(world: World) -> None:
    world.plans.plan = WatchPlan(flagged=Flagged.NONE, sample_per_week=20, uniform=True)
    for number in range(40):
        use(world, f"acc_{number % 8}", 5)
        world.now += timedelta(hours=2)
    answer_all(world)
    world.now += WEEK
    found = accounts(world)
    tossed = list(world.store.draws(EPOCH))
    assert counted(found) == 8
    assert sum(group.exchanges for group in found.clean) == 200
    assert sum(group.labels for group in found.clean) == sum(bool(one.sampled) for one in tossed)
    floors = sorted(group.floor for group in found.clean for _ in range(group.accounts))
    means = sorted(sum(one.draw.pi0 for one in tossed if one.draw.account_id == f"acc_{number}") / 25 for number in range(8))
    assert floors == pytest.approx(means)
    assert len(set(floors)) > 1


def test_a_correction_moves_what_was_counted_already(world: World) -> None:
    use(world, "acc_a", 2)
    answer_all(world)
    world.now += WEEK
    assert not accounts(world).harmful
    item = next(iter(world.log.bodies))
    harms = {hazard: hazard == HAZARD for hazard in (*HAZARDS, "other")}
    world.review.correct(item, harms, severity=Severity.HIGH, reason="seen again", by=LEAD, now=world.now)
    assert the_one(accounts(world)).harms == (Harm(1.0, 1.0),)


def test_who_is_not_there_is_nobody_and_a_hazard_that_nobody_answered_for_is_refused(world: World) -> None:
    assert accounts(world).came == 0
    use(world, "acc_a")
    with pytest.raises(HazardUnknown):
        accounts(world, hazard="never_declared")


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from([0, 1, 20, 60, 100]), st.booleans()), min_size=1, max_size=14
)


@settings(max_examples=8, deadline=None)
@given(STEPS, st.sampled_from([timedelta(hours=30), timedelta(days=3), WEEK]))
def test_the_count_is_a_plain_count_and_what_is_remembered_is_what_is_there(
    steps: list[tuple[int, int, int, bool]], span: timedelta
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_sqlite(Path(folder) / "headgate.db")
        metadata.create_all(engine)
        ledger.metadata.create_all(engine)
        world = World(engine, WatchPlan(flagged=Flagged.NONE, sample_per_week=5, uniform=True))
        recorded: list[tuple[str, datetime]] = []
        for account, times, hours, answers in steps:
            use(world, f"acc_{account}", times)
            recorded += [(f"acc_{account}", world.now)] * times
            if answers:
                answer_all(world)
            world.now += timedelta(hours=hours)
            found = accounts(world, span)
            assert found == SqlSampling(engine).accounts(EPOCH, HAZARD, span=span, now=world.now, d_max=D_MAX)
            _check(world, found, recorded, span)
        engine.dispose()


def waiting(world: World) -> set[str]:
    """Return the items that wait and are not overdue."""
    rows = sa.select(standings.c.exchange_id).where(
        standings.c.hazard == HAZARD, standings.c.standing == "pending", standings.c.drawn_at_us > to_us(world.now - D_MAX)
    )
    with world.engine.connect() as connection:
        return set(connection.execute(rows).scalars())


def _check(world: World, found: LabelledAccounts, recorded: list[tuple[str, datetime]], span: timedelta) -> None:
    first = dict(reversed(recorded))
    order = list(dict.fromkeys(name for name, _ in recorded))
    over = bisect_right([first[name] for name in order], world.now - span)
    tossed = list(world.store.draws(EPOCH))
    waits = waiting(world)
    exchanges = 0
    users = 0
    for name in order[:over]:
        theirs = [one for one, (account, at) in zip(tossed, recorded, strict=True) if account == name and at < first[name] + span]
        queued = {one.draw.exchange_id for one in theirs if one.sampled}
        if queued & waits:
            break
        users += 1
        exchanges += len(theirs)
    assert counted(found) == users
    assert sum(group.exchanges for group in (*found.clean, *found.harmful)) == exchanges
    assert found.came == len(order)
