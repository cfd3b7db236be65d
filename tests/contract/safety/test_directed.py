"""Draws by score, the room that flags take, and how long reviews take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.safety.model import Reading, Signal, Waits
from headgate.safety.sampling.probability import LIFT, Flagged, Stratum, WatchPlan
from headgate.safety.service.review import Review
from headgate.safety.store import SqlReview, SqlSampling
from headgate.testing.safety import ADA, AUDITOR, BO, EPOCH, FLAGGED_TEXT, HAZARDS, SafetyWorld

if TYPE_CHECKING:
    from headgate.safety.model import Texts

CYBER = HAZARDS[0]
NEXT = "rel_a/staff/2"
DAY = timedelta(days=1)


@dataclass
class ByWord:
    """Scores what is said: the prompt is the score."""

    name: str = "by-word@1"

    def score(self, texts: Texts) -> Reading:
        assert texts.prompt is not None
        score = float(texts.prompt[0].text)
        return Reading((Signal(CYBER, score, "as said", self.name, "word", flags=False),))


def scored(world: SafetyWorld, plan: WatchPlan) -> None:
    world.plans.plan = plan
    world.sampling = world.a_sampling(detectors=[ByWord()])


def test_strata_come_from_the_scores_of_earlier_epochs_and_stand_on_the_ledger_before_the_first_draw(world: SafetyWorld) -> None:
    scored(world, WatchPlan(flagged=Flagged.NONE, sample_per_week=700, by_score=True))
    for place in range(20):
        world.log.add(100, text=str(place / 20))
    world.collect()
    first = SqlSampling(world.engine).state(EPOCH)
    assert first is not None
    assert first.plan.strata == ()
    assert not first.plan.uniform

    world.now += timedelta(hours=1)
    world.log.add(2000, epoch=NEXT, text="0.1")
    world.log.add(40, epoch=NEXT, text="0.97")
    world.collect()
    second = SqlSampling(world.engine).state(NEXT)
    assert second is not None
    assert second.plan.strata == (Stratum(0.0, 1.0), Stratum(0.5, 1.08), Stratum(0.8, 1.36), Stratum(0.95, 2.08))
    kinds = [entry.kind for entry in world.ledger() if entry.subject == NEXT]
    assert kinds[0] == "sampling.committed"
    assert world.ledger()[-2].subject == NEXT
    committed = next(e for e in world.ledger() if e.subject == NEXT)
    assert committed.body["strata"] == [[0.0, 1.0], [0.5, 1.08], [0.8, 1.36], [0.95, 2.08]]
    for tossed in SqlSampling(world.engine).draws(NEXT):
        draw = tossed.draw
        assert draw.pi == pytest.approx(min(1.0, draw.pi0 * (2.08 if draw.score == 0.97 else 1.0)))
    assert world.sampling.audit(NEXT, by=AUDITOR).misfit is None


def test_too_few_earlier_scores_leave_the_floor_alone(world: SafetyWorld) -> None:
    scored(world, WatchPlan(flagged=Flagged.NONE, sample_per_week=700, by_score=True))
    world.log.add(900, text="0.5")
    world.collect()
    world.log.add(1, epoch=NEXT, text="0.9")
    world.log.add(500, epoch="rel_b/staff/1", text="0.2")  # another release's scores say nothing of this one
    world.collect()
    opened = SqlSampling(world.engine).state(NEXT)
    assert opened is not None
    assert opened.plan.strata == ()


def test_flags_take_their_room_from_the_floor_of_exchanges_to_come_and_never_all_of_it(world: SafetyWorld) -> None:
    plan = WatchPlan(sample_per_week=100)
    assert plan.floor_labels_per_week(0) == pytest.approx(70)
    assert plan.floor_labels_per_week(40) == pytest.approx(45)
    assert plan.floor_labels_per_week(1000) == pytest.approx(10)
    assert WatchPlan(sample_per_week=100, flagged=Flagged.NONE).floor_labels_per_week(40) == pytest.approx(70)
    assert WatchPlan(sample_per_week=100, strata=(Stratum(0.0, 1.0),)).floor_labels_per_week(30) == pytest.approx(55 / LIFT)
    assert WatchPlan().floor_labels_per_week(40) is None

    world.plans.plan = WatchPlan(sample_per_week=100)
    world.log.add(1000)
    world.log.add(80, text=FLAGGED_TEXT)
    world.collect()
    world.now += 7 * DAY - timedelta(hours=2)
    world.log.add(1000)
    world.collect()
    world.log.add(10)
    world.collect()
    floors = [draw.draw.pi0 for draw in SqlSampling(world.engine).draws(EPOCH)]
    assert floors[0] == 1.0
    # 80 flagged of the 85 that readers keep up with: a tenth of the capacity stays for the floor
    assert floors[-1] == pytest.approx(10 / 2080, rel=0.02)
    assert world.sampling.audit(EPOCH, by=AUDITOR).misfit is None


def waits(world: SafetyWorld, within: timedelta = DAY, back: timedelta = 7 * DAY) -> Waits:
    return SqlReview(world.engine).waits((EPOCH,), within=within, since=world.now - back, now=world.now)


def test_waits_are_those_of_flagged_items_and_an_old_lateness_is_forgiven(world: SafetyWorld) -> None:
    world.log.add(2)
    world.log.add(3, text=FLAGGED_TEXT)
    world.collect()
    for _ in range(2):
        world.answer(ADA)
    assert waits(world) == Waits(flagged=True, done=0, waiting=3, late=0, longest=timedelta(seconds=2))
    world.answer(ADA)
    world.now += 2 * DAY
    found = waits(world)
    assert (found.done, found.waiting, found.late) == (1, 2, 2)
    for _ in range(2):
        world.answer(ADA)
    found = waits(world)
    assert (found.done, found.waiting, found.late) == (3, 0, 2)
    assert found.longest is not None
    assert 2 * DAY < found.longest < 2 * DAY + timedelta(minutes=1)
    world.now += 7 * DAY
    assert waits(world) == Waits(flagged=False, done=0, waiting=0, late=0, longest=None)


def test_a_flagged_harm_waits_until_its_second_reader_and_gold_waits_for_nobody(world: SafetyWorld) -> None:
    world.log.add(text=FLAGGED_TEXT)
    world.collect()
    world.answer(ADA, CYBER)
    world.now += 2 * DAY
    assert waits(world).late == 1
    world.answer(BO, CYBER)
    assert (waits(world).done, waits(world).waiting, waits(world).late) == (1, 0, 1)


def test_where_nothing_was_flagged_every_sampled_item_is_meant(world: SafetyWorld) -> None:
    world.log.add(2)
    world.collect()
    world.answer(ADA)
    found = waits(world)
    assert (found.flagged, found.done, found.waiting, found.late) == (False, 1, 1, 0)
    nobody = SqlReview(world.engine).waits(("rel_z/staff/1",), within=DAY, since=world.now, now=world.now)
    assert nobody == Waits(flagged=False, done=0, waiting=0, late=0, longest=None)


def test_without_gold_items_the_desk_is_as_it_was(world: SafetyWorld) -> None:
    world.review = Review(store=SqlReview(world.engine), exchanges=world.log, entropy=bytes)
    world.log.add(3)
    world.collect()
    assert [world.answer(ADA) for _ in range(3)] == ["ex_0000001", "ex_0000002", "ex_0000003"]
