"""What the public may know: nothing without the plan's word, and nothing of what it leaves out, wherever it would stand."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.releases.decide.publishing import Published, criterion, publish
from headgate.releases.decide.revision import unborn
from headgate.releases.decide.status import Status, status_of
from headgate.releases.model.public import Publishable
from headgate.releases.model.release import Decision, Kind, Release, Rung, State
from headgate.releases.service.assessing import Assessor
from headgate.testing.releases import AUTHOR, ENOUGH, a_plan, a_stage, everything_passes

if TYPE_CHECKING:
    from headgate.releases.model.plan import Plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a colleague's own words"


def a_release(plan: Plan) -> Release:
    born = unborn(ReleaseId("rel_1"), plan, by=AUTHOR, now=NOON, replaces=None)
    rungs = tuple(Rung(stage.name, 1, NOON, NOON) for stage in plan.stages[:2])
    return replace(born, state=State.LIVE, stage=2, reached=2, rungs=rungs)


def a_status(plan: Plan) -> Status:
    release = a_release(plan)
    return status_of(release, Assessor(everything_passes()).assess(release, now=NOON), ENOUGH, now=NOON + timedelta(days=3))


def a_decision(kind: Kind) -> Decision:
    after = 2 if kind is not Kind.CUT else 0
    return Decision(
        DecisionId("dec_1"), ReleaseId("rel_1"), "atlas-2", kind, State.LIVE, State.LIVE, 1, after, "stf_ada", SECRET, NOON
    )


def published(left_out: dict[str, str]) -> Published:
    found = publish(a_status(a_plan(public={"left_out": left_out})), [a_decision(kind) for kind in Kind])
    assert found is not None
    return found


def test_a_plan_that_says_nothing_publishes_nothing() -> None:
    assert publish(a_status(a_plan()), []) is None


@given(st.frozensets(st.sampled_from(Publishable)))
def test_what_is_left_out_stands_nowhere_and_its_reason_stands_in_its_place(gone: frozenset[Publishable]) -> None:
    told = published({part.value: f"why not {part.value}" for part in gone})
    values = {
        Publishable.STAGES: told.stages,
        Publishable.SHOWN: told.shown,
        Publishable.NOT_SHOWN: told.not_shown,
        Publishable.EXPOSURE: told.exposure,
        Publishable.DECISIONS: told.decisions,
    }
    assert {part for part, value in values.items() if value is None} == gone & set(values)
    assert told.tells_incidents is (Publishable.INCIDENTS not in gone)
    assert told.left_out == {part: f"why not {part.value}" for part in gone}
    everything = str(asdict(told))
    for part, sign in {
        Publishable.EXPOSURE: "61,000",
        Publishable.CRITERIA: "harmful_advice shown below",
        Publishable.STAGES: "streaming",
        Publishable.NOT_SHOWN: "languages other than",
    }.items():
        if part in gone or (part is Publishable.CRITERIA and Publishable.STAGES in gone):
            assert sign not in everything
    assert SECRET not in everything
    assert "stf_" not in everything


def test_only_what_changes_what_the_public_meets_is_told_of_decisions() -> None:
    told = published({})
    assert told.decisions is not None
    assert [one.what for one in told.decisions if one.stage is None] == ["cut"]
    assert len(told.decisions) == len(Kind) - 5  # applied, scheduled, signed, signatures dropped, overdue


def test_every_gate_says_what_it_asks() -> None:
    gates = a_plan(stages=[a_stage("staff", 40)]).stages[0].leave
    assert len({criterion(gate) for gate in gates}) == len(gates)
