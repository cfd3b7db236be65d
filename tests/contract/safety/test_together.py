"""Epochs that are compared: drawn at one floor, by one design, out of one budget, whatever traffic each of them has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.safety.ports import Watch
from headgate.safety.sampling.probability import LEAST_SCORES, WatchPlan
from headgate.safety.service.sampling import Sampling
from headgate.safety.store import SqlSampling
from headgate.testing.safety import ADA, BO, HAZARDS, SafetyWorld

if TYPE_CHECKING:
    import sqlalchemy as sa

OWN, APART, ALONE, EARLIER = "rel_a/more/1", "rel_a/more/1.held_back", "rel_a/other/1", "rel_a/some/1"


class Compared:
    """One review duty for every epoch, and two epochs that are compared."""

    def __init__(self, plan: WatchPlan) -> None:
        self.plan = plan

    def watch(self, epoch: str) -> Watch | None:
        return Watch("rel_a", self.plan, HAZARDS, (OWN, APART) if epoch in {OWN, APART} else ())


def a_world(engine: sa.Engine, plan: WatchPlan) -> SafetyWorld:
    world = SafetyWorld(engine)
    world.sampling = Sampling(
        store=SqlSampling(engine),
        exchanges=world.log,
        epochs=Compared(plan),
        detectors=[],
        entropy=world.entropy,
        second_share=0.0,
    )
    return world


def floors(engine: sa.Engine, *epochs: str) -> list[float | None]:
    states = [SqlSampling(engine).state(epoch) for epoch in epochs]
    return [None if state is None else state.pi0 for state in states]


@pytest.mark.parametrize("ratio", [1, 9])
def test_both_are_drawn_at_the_floor_of_the_first_at_every_batch(engine: sa.Engine, ratio: int) -> None:
    world = a_world(engine, WatchPlan(sample_per_week=100))
    seen: set[float] = set()
    for _ in range(6):
        world.log.add(30 * ratio, epoch=OWN)
        world.log.add(30, epoch=APART)
        world.log.add(30, epoch=ALONE)
        world.collect()
        own, apart, alone = floors(engine, OWN, APART, ALONE)
        assert own == apart
        assert own is not None
        assert alone is not None
        assert own <= alone  # two share what the other has for itself
        seen.add(own)
        world.now += timedelta(days=1)
    assert len(seen) > 1
    assert min(seen) < 0.5


def test_the_first_epochs_floor_allows_for_the_others_traffic(engine: sa.Engine) -> None:
    world = a_world(engine, WatchPlan(sample_per_week=100))
    for _ in range(2):
        world.log.add(10, epoch=OWN)
        world.log.add(900, epoch=APART)
        world.collect()
        world.now += timedelta(days=1)
    own, apart = floors(engine, OWN, APART)
    assert own == apart
    assert own is not None
    assert own < 0.1  # ten exchanges a day alone would all be read


def test_whichever_is_served_first_opens_both_by_one_design(engine: sa.Engine) -> None:
    world = a_world(engine, WatchPlan(sample_per_week=50, by_score=True))
    world.log.add(LEAST_SCORES, epoch=EARLIER)
    world.collect()
    world.log.add(5, epoch=APART)
    world.collect()
    own, apart = (SqlSampling(engine).state(epoch) for epoch in (OWN, APART))
    assert own is not None
    assert apart is not None
    assert own.plan == apart.plan
    assert own.seed != apart.seed
    assert own.committed_at <= apart.committed_at


def test_confirmed_harms_come_in_the_order_of_their_labels_and_name_whose_they_are(engine: sa.Engine) -> None:
    world = a_world(engine, WatchPlan())
    world.log.add(3, epoch=OWN)
    world.collect()
    first, second, third = world.log.exchanges
    for harms in ((HAZARDS[0],), (), (HAZARDS[0], HAZARDS[1])):
        for by in (ADA, BO) if harms else (ADA,):
            world.answer(by, *harms)
    store = SqlSampling(engine)
    assert [(one.account_id, one.at) for one in store.confirmed(OWN, HAZARDS[0])] == [
        (first.account_id, first.at),
        (third.account_id, third.at),
    ]
    assert [one.account_id for one in store.confirmed(OWN, HAZARDS[1])] == [third.account_id]
    assert store.confirmed(APART, HAZARDS[0]) == ()
    assert second.account_id not in {one.account_id for one in store.confirmed(OWN, HAZARDS[0])}
