"""Accounts by when they came and by when their first use was over, checked against a plain count of what was sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.safety.errors import HazardUnknown, SafetyStoreUnavailable
from headgate.safety.model import Content, Harm, Settled
from headgate.safety.sampling.arrivals import Arrival, FirstUse
from headgate.safety.sampling.probability import Flagged, WatchPlan
from headgate.safety.store import SqlSampling
from headgate.testing.safety import ADA, BO, EPOCH, HAZARDS, NOON, SafetyWorld, an_answer

if TYPE_CHECKING:
    import sqlalchemy as sa

    from headgate.safety.sampling.arrivals import Arrivals

HAZARD = HAZARDS[0]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANOTHER = EPOCH.rsplit("/", 1)[0] + "/2"


def send(world: SafetyWorld, *accounts: str, epoch: str = EPOCH) -> None:
    """Let each of these accounts send something, and record it at once."""
    for account in accounts:
        exchange = f"ex_{len(world.log.exchanges) + 1:07d}"
        world.log.exchanges.append(Settled(exchange, epoch, account, world.now, "COMPLETED", 200, 2))
        world.log.bodies[exchange] = Content(b"{}", b"{}")
    world.collect()


def find(world: SafetyWorld, *harms: str, items: int) -> None:
    """Read so many items and find these harms in them, confirmed by a second reader."""
    for _ in range(items):
        item = world.take(ADA)
        world.review.label(item.item, an_answer(*harms, hazards=item.hazards), revision=item.revision, by=ADA, now=world.now)
        again = world.review.next(by=BO, now=world.now)
        if again is not None:
            world.review.label(
                again.item, an_answer(*harms, hazards=again.hazards), revision=again.revision, by=BO, now=world.now
            )


def arrivals(world: SafetyWorld, epoch: str = EPOCH, every: timedelta = HOUR) -> Arrivals:
    return SqlSampling(world.engine).arrivals(epoch, every=every, now=world.now)


def uses(world: SafetyWorld, hazard: str = HAZARD, span: timedelta = DAY) -> tuple[FirstUse, ...]:
    return SqlSampling(world.engine).first_uses(EPOCH, hazard, span=span, every=HOUR, now=world.now)


def test_everybody_comes_once_in_the_window_of_their_first_request(world: SafetyWorld) -> None:
    send(world, "acc_a", "acc_b", "acc_a")
    assert arrivals(world).came == ()  # the window is still open
    world.now += HOUR
    send(world, "acc_a", "acc_c")
    world.now += HOUR
    assert arrivals(world).came == (Arrival(0, "acc_a"), Arrival(0, "acc_b"), Arrival(1, "acc_c"))
    assert arrivals(world, every=2 * HOUR).came == (Arrival(0, "acc_a"), Arrival(0, "acc_b"), Arrival(0, "acc_c"))


def test_who_came_before_is_who_was_there_when_the_epoch_began(world: SafetyWorld) -> None:
    send(world, "acc_a", "acc_b")
    world.now += HOUR
    send(world, "acc_b", "acc_c", epoch=ANOTHER)
    world.now += HOUR
    send(world, "acc_late")  # to the earlier epoch, after the later one began
    send(world, "acc_foreign", epoch="rel_z/staff/1")
    world.now += HOUR
    assert arrivals(world, ANOTHER).before == {"acc_a", "acc_b"}
    assert [arrival.account_id for arrival in arrivals(world, ANOTHER).came] == ["acc_b", "acc_c"]
    assert arrivals(world).before == frozenset()
    assert arrivals(world, "rel_z/none/1").came == ()


def test_a_first_use_is_over_in_the_window_that_holds_its_end(world: SafetyWorld) -> None:
    send(world, "acc_a", "acc_a", "acc_b")
    world.now += HOUR
    send(world, "acc_a", "acc_c")
    find(world, HAZARD, items=1)
    world.now = NOON + HOUR + DAY
    send(world, "acc_a")  # after its first day: nobody's business here
    world.now += HOUR - timedelta(seconds=1)
    assert uses(world) == ()
    world.now += timedelta(seconds=1)
    clean, harmful = sorted(uses(world), key=lambda use: len(use.harms))
    assert clean == FirstUse(24, 1, 1, 1, 1.0, ())
    assert harmful == FirstUse(24, 1, 3, 3, 1.0, (Harm(1.0, 1.0),))
    world.now += HOUR
    assert [(use.window, use.accounts, use.exchanges) for use in uses(world)][-1] == (25, 1, 1)


def test_accounts_alike_are_counted_together_and_a_late_label_moves_one_out(world: SafetyWorld) -> None:
    send(world, "acc_a", "acc_b", "acc_c")
    world.now += DAY + 2 * HOUR
    assert uses(world) == (FirstUse(24, 3, 3, 3, 1.0, ()),)
    find(world, HAZARD, items=1)
    assert uses(world) == (FirstUse(24, 2, 2, 2, 1.0, ()), FirstUse(24, 1, 1, 1, 1.0, (Harm(1.0, 1.0),)))
    assert uses(world, HAZARDS[1]) == (FirstUse(24, 3, 3, 3, 1.0, ()),)


def test_floors_and_probabilities_are_those_of_the_draws(engine: sa.Engine) -> None:
    world = SafetyWorld(engine, WatchPlan(flagged=Flagged.NONE, sample_per_week=5000, uniform=True))
    send(world, *(["acc_a"] * 400))
    send(world, *(f"acc_{number}" for number in range(50)))
    world.now += DAY + 2 * HOUR
    found = uses(world)
    assert sum(use.accounts for use in found) == 51
    assert sum(use.exchanges for use in found) == 450
    assert 0 < sum(use.labels for use in found) <= 450
    assert all(0 < use.floor <= 1 for use in found)


def test_what_was_never_opened_is_empty_and_what_cannot_be_is_refused(world: SafetyWorld) -> None:
    assert SqlSampling(world.engine).first_uses("rel_z/none/1", HAZARD, span=DAY, every=HOUR, now=NOON) == ()
    send(world, "acc_a")
    with pytest.raises(HazardUnknown):
        uses(world, "boredom")
    with pytest.raises(ValueError, match="positive length"):
        arrivals(world, every=timedelta(0))
    with pytest.raises(ValueError, match="positive length"):
        SqlSampling(world.engine).first_uses(EPOCH, HAZARD, span=DAY, every=timedelta(0), now=world.now)
    world.engine.dispose()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE safety_newcomer")
    with pytest.raises(SafetyStoreUnavailable):
        arrivals(world)
