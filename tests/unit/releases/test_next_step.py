"""What the controller does next: tripwires first, and once it is done, nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.releases.decide.next_step import next_step
from headgate.releases.decide.revision import unborn
from headgate.releases.decide.states import decide
from headgate.releases.model import command as ask
from headgate.releases.model.plan import Reaction
from headgate.releases.model.reading import Assessment, GateReading, WireReading, WireStanding
from headgate.releases.model.release import LIVE_STATES, Release, Rung, State, Waiver
from headgate.releases.service import CONTROLLER
from headgate.testing.releases import AUTHOR, a_plan, a_stage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = a_plan()
RATE = "rate.harmful_advice"
LIVE = [state for state in State if state in LIVE_STATES]


def a_release(state: State = State.LIVE, stage: int = 2) -> Release:
    born = unborn(ReleaseId("rel_1"), PLAN, by=AUTHOR, now=NOON, replaces=None)
    rungs = tuple(Rung(name.name, 1, NOON) for name in PLAN.stages[:stage])
    parked = State.LIVE if state is State.FROZEN else None
    return replace(born, state=state, stage=stage, reached=stage, rungs=rungs, parked=parked)


def seen(
    stage: int, *, demands: Reaction | None = None, kind: str = "incident", of: str = "staff", **verdicts: Verdict
) -> Assessment:
    gates = tuple(
        GateReading.of(name, "rate", verdicts.get(name.split(".")[0], Verdict.INSUFFICIENT), "made up", numbers={}, inputs={})
        for name in ("exposure", "soak", RATE, "incidents")
    )
    wire = WireStanding(of, f"{kind}.wire", kind, demands, WireReading(demands is not None, "touched", {}, {}))
    return Assessment(stage, gates if stage else (), (wire,), 0)


def carried_out(release: Release, assessment: Assessment, now: datetime = NOON) -> Release:
    """Carry steps out until there is none, and check that the end is an end."""
    for _ in range(8):
        step = next_step(release, assessment, now=now)
        if step is None:
            return release
        release = decide(release, step, by=CONTROLLER, assessment=assessment, now=now, decision_id=DecisionId("dec_1")).release
        if release.stage != assessment.stage:
            return release
    raise AssertionError("the controller never comes to rest")


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize("reaction", Reaction)
@pytest.mark.parametrize("kind", ["incident", "rise", "monitor_down"])
def test_a_touched_wire_is_acted_on_in_every_live_state_and_only_once(state: State, reaction: Reaction, kind: str) -> None:
    release = a_release(state)
    assessment = seen(2, demands=reaction, kind=kind, of="trusted", rate=Verdict.PASS)
    after = carried_out(release, assessment)
    if after.stage == 2:
        assert next_step(after, assessment, now=NOON) is None
        assert after.state in {State.HELD, State.NARROWED} if reaction is Reaction.HOLD else State.NARROWED
    else:
        assert after.stage == (0 if reaction is Reaction.CUT else 1)
    assert after.alarms


def test_a_touched_wire_wins_over_gates_that_all_pass() -> None:
    good = Verdict.PASS
    everything = seen(2, demands=Reaction.CUT, exposure=good, soak=good, rate=good, incidents=good)
    step = next_step(a_release(), everything, now=NOON)
    assert isinstance(step, ask.Cut)


def test_a_rise_of_an_earlier_stage_closes_that_stage_too() -> None:
    step = next_step(a_release(stage=3), seen(3, demands=Reaction.NARROW, kind="rise", of="trusted"), now=NOON)
    assert isinstance(step, ask.Narrow)
    assert step.to == 1


def test_a_rise_at_the_first_stage_that_should_narrow_cuts_for_nothing_is_left() -> None:
    step = next_step(a_release(stage=1), seen(1, demands=Reaction.NARROW, kind="rise"), now=NOON)
    assert isinstance(step, ask.Cut)


def test_a_silent_monitor_steps_down_once_and_holds_at_the_first_stage() -> None:
    down = seen(3, demands=Reaction.NARROW, kind="monitor_down")
    narrowed = carried_out(a_release(stage=3), down)
    assert (narrowed.state, narrowed.stage) == (State.NARROWED, 2)
    assert next_step(narrowed, replace(down, stage=2), now=NOON) is None
    held = carried_out(a_release(stage=1), seen(1, demands=Reaction.NARROW, kind="monitor_down"))
    assert held.state is State.HELD


def test_shown_harm_does_what_the_gate_says_and_a_critical_hazard_narrows() -> None:
    held = carried_out(a_release(), seen(2, rate=Verdict.FAIL))
    assert held.state is State.HELD
    gate = {"kind": "rate", "hazard": "harmful_advice", "below": 1e-2, "alpha": 0.02, "on_fail": "narrow"}
    plan = a_plan(stages=[a_stage("staff", 40), a_stage("trusted", 400, leave=[gate])])
    narrow = next_step(replace(a_release(), plan=plan), seen(2, rate=Verdict.FAIL), now=NOON)
    assert isinstance(narrow, ask.Narrow)


def test_shown_harm_of_a_waived_gate_stops_nothing() -> None:
    waiver = Waiver("trusted", RATE, "known", NOON + timedelta(days=1), "stf_a", NOON, "stf_b")
    release = replace(a_release(), waivers=(waiver,))
    assert next_step(release, seen(2, rate=Verdict.FAIL), now=NOON) is None
    assert isinstance(next_step(release, seen(2, rate=Verdict.FAIL), now=NOON + timedelta(days=1)), ask.Hold)


@pytest.mark.parametrize("state", [State.LIVE, State.HELD, State.NARROWED, State.COMPLETED])
def test_what_cannot_be_read_freezes_and_what_can_be_read_again_returns_to_where_it_was(state: State) -> None:
    frozen = carried_out(a_release(state), seen(2, soak=Verdict.ERROR))
    assert (frozen.state, frozen.parked) == (State.FROZEN, state)
    assert next_step(frozen, seen(2, soak=Verdict.ERROR), now=NOON) is None
    assert carried_out(frozen, seen(2)).state is state


@pytest.mark.parametrize("verdict", [Verdict.INSUFFICIENT, Verdict.STALE])
def test_a_gate_that_cannot_tell_yet_moves_nothing_either_way(verdict: Verdict) -> None:
    assert next_step(a_release(), seen(2, rate=verdict), now=NOON) is None


def test_the_owner_is_told_once_when_a_state_lasts_too_long() -> None:
    held = a_release(State.HELD)
    late = NOON + timedelta(days=8)
    assert isinstance(next_step(held, seen(2), now=late), ask.TellOwner)
    assert next_step(carried_out(held, seen(2), late), seen(2), now=late + timedelta(days=1)) is None


def test_a_stage_that_soaks_longer_than_it_may_is_overdue() -> None:
    assert next_step(a_release(), seen(2), now=NOON + timedelta(days=30)) is None
    assert isinstance(next_step(a_release(), seen(2), now=NOON + timedelta(days=30, seconds=1)), ask.TellOwner)


@pytest.mark.parametrize("state", [State.DRAFT, State.WITHDRAWN, State.CUT])
def test_the_controller_opens_nothing_that_people_shut(state: State) -> None:
    assert next_step(a_release(state, stage=0), seen(0), now=NOON) is None


def test_a_cut_release_stays_cut_whatever_the_wires_say() -> None:
    cut = replace(a_release(State.CUT, stage=0), reached=2)
    assert next_step(cut, seen(0, demands=Reaction.CUT), now=NOON) is None
