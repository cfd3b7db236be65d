"""Every past decision can be made again from what was stored, and a changed record is found out."""

from __future__ import annotations

import contextlib
import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from headgate.kernel.errors import HeadgateError
from headgate.kernel.verdict import Verdict
from headgate.releases.model.release import Kind
from headgate.releases.store import decisions, readings
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, SECURITY, a_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kernel.ids import DecisionId
    from headgate.releases.model.release import Release
    from integration.releases.conftest import House


def a_run(house: House, seed: int, steps: int = 60) -> set[Kind]:
    """Let people, evidence and the controller do what they like for a while."""
    chance = random.Random(seed)
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    for _ in range(steps):
        house.clock.advance(timedelta(hours=chance.randint(1, 72)))
        release = house.service.get(release.id, by=AUTHOR)
        house.readings.verdicts["harmful_advice"] = chance.choice([Verdict.PASS] * 8 + list(Verdict))
        house.readings.open_incidents = {chance.choice(["critical", "high", "low"]): chance.choice([0] * 6 + [1, 3])}
        house.readings.down_since = chance.choice([None] * 8 + [house.clock.now() - timedelta(hours=1)])
        house.readings.gone = {chance.choice(["rate", "rise", "exposure", "incidents"])} if chance.random() < 0.1 else set()
        if release.rungs and chance.random() < 0.1:
            house.readings.risen.add(release.epoch(release.rungs[-1].stage))
        with contextlib.suppress(HeadgateError):
            _somebody_acts(house, release, chance)
        house.controller().tick()
    return {decision.kind for decision in house.service.decisions(by=AUTHOR, limit=1000)}


def _somebody_acts(house: House, release: Release, chance: random.Random) -> None:
    until = house.clock.now() + timedelta(days=9)
    who = chance.choice([LEAD, MANAGER, SECURITY])
    acts: list[Callable[[], Any]] = [
        lambda: house.sign(release),
        lambda: house.sign(release),
        lambda: house.sign(release),
        lambda: house.service.resume(release.id, reason="again", by=who),
        lambda: house.service.resume(release.id, reason="again", by=who),
        lambda: house.service.hold(release.id, reason="look", by=who),
        lambda: house.service.narrow(release.id, to="staff", reason="look", by=who),
        lambda: house.service.waive(release.id, gate_id="rate.harmful_advice", reason="known", until=until, by=who),
        lambda: house.service.declare_risk(release.id, because="nobody waits", by=who),
        lambda: house.sign(release, declared_risk=True),
    ]
    chance.choice(acts)()


def test_every_decision_of_random_runs_replays(house: House) -> None:
    seen = a_run(house, seed=7)
    for decision in house.service.decisions(by=AUTHOR, limit=1000):
        explanation = house.service.explain(decision.id, by=AUTHOR)
        assert explanation.replays, (decision, explanation.differences)
    assert {
        Kind.APPLY,
        Kind.OPEN,
        Kind.PROMOTE,
        Kind.APPROVE,
        Kind.HOLD,
        Kind.CUT,
        Kind.FREEZE,
        Kind.UNFREEZE,
        Kind.RESUME,
    } <= seen


def promoted(house: House) -> DecisionId:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.sign(release)
    (decision,) = house.controller().tick().decisions
    assert decision.kind is Kind.PROMOTE
    return decision.id


def tamper(house: House, decision_id: DecisionId, name: str, where: tuple[str, ...], value: Any) -> None:
    with house.engine.begin() as connection:
        here = (readings.c.decision_id == decision_id) & (readings.c.name == name)
        body: dict[str, Any] = json.loads(connection.execute(sa.select(readings.c.body).where(here)).scalars().first() or "{}")
        at = body
        for key in where[:-1]:
            at = at[key]
        assert at[where[-1]] != value
        at[where[-1]] = value
        connection.execute(readings.update().where(here).values(body=json.dumps(body)))


CHANGES: list[tuple[str, tuple[str, ...], Any]] = [
    ("rate.harmful_advice", ("inputs", "verdict"), "INSUFFICIENT"),
    ("rate.harmful_advice", ("inputs", "k"), 9),
    ("rate.harmful_advice", ("numbers", "upper"), 1.8e-3 * (1 + 1e-6)),
    ("rate.harmful_advice", ("inputs",), {}),
    ("exposure", ("inputs", "facts", "accounts"), 3),
    ("soak", ("inputs", "active_days"), 1),
    ("incidents", ("inputs", "counts"), {"critical": 4}),
    ("incident.critical", ("reading", "inputs", "counts"), {"critical": 4}),
    ("monitor", ("reading", "inputs", "down_since"), "2026-03-01T00:00:00+00:00"),
]


@pytest.mark.parametrize(("name", "where", "value"), CHANGES)
def test_changed_evidence_does_not_replay(house: House, name: str, where: tuple[str, ...], value: Any) -> None:
    decision_id = promoted(house)
    assert house.service.explain(decision_id, by=AUTHOR).replays
    tamper(house, decision_id, name, where, value)
    explanation = house.service.explain(decision_id, by=AUTHOR)
    assert not explanation.replays
    assert explanation.differences


def test_a_decision_that_was_rewritten_does_not_agree_with_the_ledger(house: House) -> None:
    decision_id = promoted(house)
    with house.engine.begin() as connection:
        body = json.loads(connection.scalar(sa.select(decisions.c.body).where(decisions.c.id == decision_id)) or "{}")
        rewritten = json.dumps({**body, "reason": "nobody looked"})
        connection.execute(decisions.update().where(decisions.c.id == decision_id).values(body=rewritten))
    told = house.service.explain(decision_id, by=AUTHOR).differences
    assert any("ledger" in difference for difference in told)
