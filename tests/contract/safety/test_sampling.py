from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.kernel.errors import Forbidden
from headgate.safety.errors import (
    CollectorOverlap,
    ContentUnavailable,
    DetectorFailed,
    EpochOpen,
    EpochUnknown,
    HazardUnknown,
    SafetyStoreUnavailable,
)
from headgate.safety.model import D_MAX, Harm, Segment, Settled
from headgate.safety.sampling import coin
from headgate.safety.sampling.probability import Flagged, WatchPlan
from headgate.safety.service import sampling
from headgate.safety.service.sampling import batch_digest
from headgate.safety.store import SqlSampling
from headgate.safety.store.tables import batches, draws, items, signals, standings
from headgate.testing.safety import ADA, AUDITOR, BO, EPOCH, FLAGGED_TEXT, HAZARDS, LEAD, NOON, SafetyWorld, an_answer

if TYPE_CHECKING:
    from headgate.safety.model import Reading, Texts

CYBER = HAZARDS[0]
HALF = WatchPlan(flagged=Flagged.REVIEW_ALL, sample_per_week=300)


class BrokenDetector:
    name = "broken@1"

    def score(self, texts: Texts) -> Reading:  # noqa: ARG002 - the port's signature
        raise DetectorFailed("The detector does not answer.")


def toss_nothing(*_arguments: object, **_named: object) -> int:
    return 0


def test_the_seed_is_committed_to_before_any_probability_is_recorded(world: SafetyWorld) -> None:
    world.log.add(3)
    world.collect()
    kinds = [entry.kind for entry in world.ledger()]
    assert kinds == ["sampling.committed", "sampling.recorded"]
    committed, recorded = world.ledger()
    assert committed.body["commitment"].startswith("sha256:")
    assert committed.body["hazards"] == [*HAZARDS, "other"]
    assert (recorded.body["first"], recorded.body["last"], recorded.body["pi0"]) == (1, 3, 1.0)


def test_what_the_ledger_holds_is_the_digest_of_the_probabilities(world: SafetyWorld) -> None:
    world.log.add(5)
    world.collect()
    rows = [tossed.draw for tossed in SqlSampling(world.engine).draws(EPOCH)]
    assert world.ledger()[-1].body["digest"] == batch_digest(rows)
    assert [row.position for row in rows] == [1, 2, 3, 4, 5]


def test_each_exchange_is_drawn_once_however_often_the_collector_runs(world: SafetyWorld) -> None:
    for count in (3, 0, 4):
        world.log.add(count)
        world.collect(limit=2)
        world.collect(limit=2)
    assert world.labelled().drawn == 7


def test_a_log_that_repeats_itself_is_drawn_once(world: SafetyWorld) -> None:
    world.log.add(2)
    world.log.exchanges += world.log.exchanges
    world.collect()
    assert world.labelled().drawn == 2


def test_epochs_count_their_own_positions(world: SafetyWorld) -> None:
    for epoch in ("rel_a/staff/1", "rel_a/trusted/1", "rel_a/staff/1"):
        world.log.add(2, epoch=epoch)
    world.collect()
    assert world.labelled(epoch="rel_a/staff/1").drawn == 4
    assert world.labelled(epoch="rel_a/trusted/1").drawn == 2


def test_what_nobody_was_shown_is_in_no_denominator_and_what_nobody_saw_end_is(world: SafetyWorld) -> None:
    world.log.add(status="UPSTREAM_REFUSED")
    world.log.add(status="UNKNOWN")
    gone = world.log.exchanges[0]
    world.log.exchanges.append(Settled("ex_gone", EPOCH, gone.account_id, gone.at, "CLIENT_GONE", 200, 0))
    collected = world.sampling.collect(100, now=world.now)
    assert (collected.read, collected.drawn, collected.not_served) == (3, 1, 2)


def test_the_design_and_not_the_data_says_whether_a_sample_is_uniform(world: SafetyWorld) -> None:
    world.plans.plan = WatchPlan()  # would prefer flagged exchanges, and there are none
    world.log.add(20)
    world.collect()
    assert not world.labelled().uniform


def test_flagged_exchanges_are_reviewed_by_policy_and_the_rest_by_chance(world: SafetyWorld) -> None:
    world.plans.plan = WatchPlan(sample_per_week=10)
    world.log.add(200)
    world.collect(limit=100)
    world.log.add(5, text=FLAGGED_TEXT)
    world.collect()
    tossed = list(SqlSampling(world.engine).draws(EPOCH))
    assert {t.draw.pi0 for t in tossed[:100]} == {1.0}
    assert {t.draw.pi0 for t in tossed[100:200]} == {0.01}
    assert all(t.sampled and t.draw.flagged and t.draw.pi == 1.0 for t in tossed[200:])
    with world.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(signals)).scalar_one() == 5
    found = world.labelled()
    assert not world.sampling.labelled(EPOCH, CYBER, now=world.now + D_MAX).uniform
    assert found.drawn == 205


def test_the_floor_of_recorded_draws_never_changes(world: SafetyWorld) -> None:
    world.plans.plan = HALF
    world.log.add(100)
    world.collect(limit=50)
    before = [tossed.draw for tossed in SqlSampling(world.engine).draws(EPOCH)]
    world.log.add(5000)
    world.collect(limit=500)
    after = [tossed.draw for tossed in SqlSampling(world.engine).draws(EPOCH)]
    assert after[:100] == before
    assert after[-1].pi0 < before[-1].pi0
    assert sum(segment.requests for segment in _all_segments(world)) == 5100


def _all_segments(world: SafetyWorld) -> tuple[Segment, ...]:
    return world.sampling.labelled(EPOCH, CYBER, now=world.now + D_MAX).segments


def test_a_crash_between_the_phases_loses_nothing_and_tosses_as_before(
    world: SafetyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plans.plan = WatchPlan(sample_per_week=20)
    world.log.add(400)

    def die(*_arguments: object, **_named: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(world.sampling), "_toss", toss_nothing)
        world.collect(limit=100)
    assert world.labelled().frontier == 0
    assert world.labelled().drawn == 400
    in_the_air = list(SqlSampling(world.engine).draws(EPOCH))
    assert {tossed.sampled for tossed in in_the_air} == {None}

    with monkeypatch.context() as patched:
        patched.setattr(type(world.sampling), "_draw", die)
        world.log.add(1)
        with pytest.raises(KeyboardInterrupt):
            world.sampling.collect(10, now=world.now)
    state = SqlSampling(world.engine).state(EPOCH)
    assert state is not None
    tossed = list(SqlSampling(world.engine).draws(EPOCH))
    assert [t.sampled for t in tossed] == [coin.sends_to_review(state.seed, t.draw.exchange_id, t.draw.pi) for t in tossed]
    world.collect()
    assert world.labelled().drawn == 401
    assert world.sampling.audit(EPOCH, by=AUDITOR).misfit is None


def test_coins_are_tossed_a_few_at_a_time_and_each_once_whoever_else_tosses(
    world: SafetyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_TOSSES", 7)
    store = SqlSampling(world.engine)
    world.log.add(20)
    with monkeypatch.context() as patched:
        patched.setattr(type(world.sampling), "_toss", toss_nothing)
        world.collect()
    found = store.in_the_air(7)
    assert found is not None
    state, waiting = found
    assert [draw.position for draw in waiting] == [1, 2, 3, 4, 5, 6, 7]

    world.collect()
    with store.transaction() as tx:
        assert not tx.toss(state, [(draw, True, True) for draw in waiting], at=world.now)

    assert store.in_the_air(7) is None
    tossed = list(store.draws(EPOCH))
    assert [t.sampled for t in tossed] == [coin.sends_to_review(state.seed, t.draw.exchange_id, t.draw.pi) for t in tossed]
    assert len(tossed) == 20


def test_of_two_collectors_with_one_batch_one_does_nothing(world: SafetyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.log.add(4)
    other = world.a_sampling()
    mine = world.sampling
    scored = type(mine)._scored

    def overtaken(self: object, exchanges: object) -> object:
        if self is mine:
            other.collect(100, now=world.now)
        return scored(self, exchanges)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(type(mine), "_scored", overtaken)
    with pytest.raises(CollectorOverlap):
        mine.collect(100, now=world.now)
    monkeypatch.undo()
    world.collect()
    assert world.labelled().drawn == 4


def test_a_detector_that_fails_sends_everything_to_review_and_shows_in_the_health(world: SafetyWorld) -> None:
    world.plans.plan = WatchPlan(sample_per_week=1)
    world.log.add(3)
    world.collect()
    healthy = world.sampling.monitor_health()
    assert (healthy.errors, healthy.healthy_at) == (0, world.now)

    world.now += timedelta(minutes=20)
    world.sampling = world.a_sampling(detectors=[BrokenDetector()])
    world.log.add(50)
    collected = world.sampling.collect(100, now=world.now)
    assert (collected.unscored, collected.sampled) == (50, 50)
    ill = world.sampling.monitor_health()
    assert (ill.errors, ill.unscored, ill.last_error) == (50, 50, "detector.failed")
    assert ill.down_for(world.now) == timedelta(minutes=20)


def test_a_log_that_does_not_answer_is_no_silence(world: SafetyWorld) -> None:
    world.log.broken = True
    with pytest.raises(ContentUnavailable):
        world.sampling.collect(10, now=world.now)
    health = world.sampling.monitor_health()
    assert (health.healthy_at, health.last_error) == (None, "safety.content_unavailable")
    world.log.broken = False
    world.collect()
    assert world.sampling.monitor_health().healthy_at == world.now


def test_a_content_that_is_gone_leaves_the_exchange_unscored_and_reviewed(world: SafetyWorld) -> None:
    world.plans.plan = WatchPlan(sample_per_week=1)
    world.log.add(100)
    world.collect()
    world.log.add()
    world.log.bodies.clear()
    collected = world.sampling.collect(10, now=world.now)
    assert (collected.drawn, collected.sampled, collected.unscored) == (1, 1, 1)
    assert world.sampling.monitor_health().errors == 0


def test_a_locked_database_changes_nothing_and_says_so(world: SafetyWorld) -> None:
    world.log.add(2)
    with world.engine.begin() as held:
        held.execute(sa.select(draws))
        impatient = sa.create_engine(str(world.engine.url), connect_args={"timeout": 0.01})
        blocked = SafetyWorld(impatient)
        blocked.log = world.log
        blocked.sampling = blocked.a_sampling()
        with pytest.raises(SafetyStoreUnavailable):
            blocked.collect()
        impatient.dispose()
    world.collect()
    assert world.labelled().drawn == 2


def test_a_seed_is_revealed_once_its_epoch_is_over_and_late_exchanges_are_all_reviewed(world: SafetyWorld) -> None:
    world.plans.plan = WatchPlan(sample_per_week=1)
    world.log.add(100)
    world.collect()
    with pytest.raises(EpochOpen):
        world.sampling.reveal(EPOCH, by=LEAD, now=world.now)
    world.sampling.close_epoch(EPOCH, now=world.now)
    with pytest.raises(Forbidden):
        world.sampling.reveal(EPOCH, by=ADA, now=world.now)
    seed = world.sampling.reveal(EPOCH, by=LEAD, now=world.now)
    assert seed == world.sampling.reveal(EPOCH, by=LEAD, now=world.now)
    revealed = [entry for entry in world.ledger() if entry.kind == "sampling.revealed"]
    assert len(revealed) == 1
    assert coin.commitment(bytes.fromhex(seed)) == revealed[0].body["commitment"]

    world.log.add(20)
    assert world.sampling.collect(100, now=world.now).sampled == 20
    audit = world.sampling.audit(EPOCH, by=AUDITOR)
    assert (audit.misfit, audit.draws, audit.revealed) == (None, 120, True)


def test_before_a_seed_is_revealed_the_ledger_does_not_hold_it(world: SafetyWorld) -> None:
    world.log.add(3)
    world.collect()
    state = SqlSampling(world.engine).state(EPOCH)
    assert state is not None
    assert state.seed.hex() not in repr(world.ledger())


@pytest.mark.parametrize(
    ("change", "position", "said"),
    [
        (sa.update(draws).where(draws.c.position == 7).values(sampled=False), 7, "coin"),
        (sa.update(draws).where(draws.c.position == 8).values(score=0.3), 10, "recorded before its coins"),
        (sa.update(draws).where(draws.c.position == 4).values(exchange_id="ex_other"), 5, "recorded before its coins"),
        (sa.delete(draws).where(draws.c.position == 3), 4, "missing"),
        (sa.delete(batches).where(batches.c.first == 6), 6, "no recorded batch"),
        (sa.delete(draws).where(draws.c.position > 18), 19, "missing"),
    ],
)
def test_an_audit_names_the_first_draw_that_does_not_fit(
    world: SafetyWorld, change: sa.Executable, position: int, said: str
) -> None:
    world.log.add(20)
    world.collect(limit=5)
    with world.engine.begin() as connection:
        connection.execute(change)
    misfit = world.sampling.audit(EPOCH, by=AUDITOR).misfit
    assert misfit is not None
    assert misfit.position == position
    assert said in misfit.sentence


def test_an_epoch_without_draws_has_no_numbers_and_no_audit(world: SafetyWorld) -> None:
    found = world.labelled(epoch="rel_a/nowhere/1")
    assert (found.drawn, found.frontier, found.segments, found.labels) == (0, 0, (), 0)
    with pytest.raises(EpochUnknown):
        world.sampling.audit("rel_a/nowhere/1", by=AUDITOR)


def test_a_hazard_that_labels_do_not_answer_for_is_an_error_and_not_a_clean_record(world: SafetyWorld) -> None:
    world.log.add(3)
    world.collect()
    with pytest.raises(HazardUnknown):
        world.labelled("made_up")
    with pytest.raises(HazardUnknown):
        world.sampling.looks_since(EPOCH, "made_up", every=timedelta(days=1), now=world.now)


def test_an_item_that_nobody_resolves_counts_as_harm_after_fourteen_days(world: SafetyWorld) -> None:
    world.log.add(3)
    world.collect()
    world.answer(ADA)
    queued = world.now - timedelta(seconds=1)
    just_before = world.sampling.labelled(EPOCH, CYBER, now=queued + D_MAX - timedelta(microseconds=1))
    assert (just_before.frontier, just_before.harms, just_before.pending) == (1, (), 2)
    overdue = world.sampling.labelled(EPOCH, CYBER, now=queued + D_MAX)
    assert (overdue.frontier, overdue.labels, overdue.pending) == (3, 3, 0)
    assert overdue.harms == (Harm(1.0, 1.0), Harm(1.0, 1.0))
    world.answer(ADA)
    assert len(world.sampling.labelled(EPOCH, CYBER, now=queued + D_MAX).harms) == 1


def test_looks_are_closed_windows_that_replay_to_the_same_answer(world: SafetyWorld) -> None:
    day = timedelta(days=1)
    world.sampling.open_epoch(EPOCH, now=NOON)
    for number in range(3):
        world.now = NOON + number * day + timedelta(hours=1)
        world.log.add(10)
        world.collect()
    for _ in range(10):
        world.answer(ADA)
    late = world.answer(ADA, CYBER)
    assert late == "ex_0000011"
    world.now = NOON + 2 * day + timedelta(hours=2)

    looks = world.sampling.looks_since(EPOCH, CYBER, every=day, now=world.now)
    assert [(look.requests, look.harms, look.upto_position) for look in looks] == [(10, (), 10), (10, (), 20)]
    assert looks[0].segments == (Segment(10, 1.0),)
    while (item := world.review.next(by=BO, now=world.now)) is not None:
        harm = item.item == late
        answer = an_answer(*([CYBER] if harm else []))
        world.review.label(item.item, answer, revision=item.revision, by=BO, now=world.now)
    again = world.sampling.looks_since(EPOCH, CYBER, every=day, now=world.now)
    assert [len(look.harms) for look in again] == [0, 1]
    assert again == world.sampling.looks_since(EPOCH, CYBER, every=day, now=world.now)
    assert world.sampling.looks_since(EPOCH, CYBER, every=day, now=world.now, after_position=10) == again[1:]
    assert len(world.sampling.looks_since(EPOCH, CYBER, every=day, now=NOON + 3 * day)) == 3


@pytest.mark.slow
def test_a_hundred_thousand_draws_add_up(world: SafetyWorld) -> None:
    world.plans.plan = WatchPlan(flagged=Flagged.NONE, sample_per_week=2000, uniform=True)
    world.sampling = world.a_sampling(detectors=[])
    world.log.add(100_000)
    world.collect(limit=2_000)
    with world.engine.begin() as connection:
        sampled = connection.execute(sa.select(sa.func.count()).select_from(items)).scalar_one()
        connection.execute(sa.update(standings).values(standing="no_harm"))
    found = world.labelled()
    assert (found.drawn, found.frontier, found.labels, found.uniform) == (100_000, 100_000, sampled, True)
    assert sum(segment.requests for segment in found.segments) == 100_000
    expected = sum(segment.requests * segment.pi0 for segment in found.segments)
    assert abs(sampled - expected) < 5 * expected**0.5
    assert world.sampling.audit(EPOCH, by=AUDITOR).misfit is None
