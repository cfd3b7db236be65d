"""Every pair of state and move, and random walks through them: nothing widens without proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.actor import Actor, Permission, Role
from headgate.kernel.errors import HeadgateError, Refused
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.releases.decide import approvals, leaving
from headgate.releases.decide.policy import exposure_of, policy_of
from headgate.releases.decide.revision import unborn
from headgate.releases.decide.states import LEGAL, PERMISSION, decide, kind_of
from headgate.releases.errors import IllegalMove, NoSuchStage, NotWaivable, OnlyPeople
from headgate.releases.model import command as ask
from headgate.releases.model.plan import Reaction
from headgate.releases.model.reading import Assessment, GateReading, WireReading, WireStanding
from headgate.releases.model.release import LIVE_STATES, Kind, Release, SignedFor, State
from headgate.releases.service import CONTROLLER
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, SECURITY, a_plan, a_stage, person

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = a_plan()
GATES = ("exposure", "soak", "rate.harmful_advice", "incidents")
EVERYBODY = person("eve", *Role)
LIVE = [state for state in State if state in LIVE_STATES]
MIGHTY = Actor.system("controller", *Permission)


def a_release(state: State = State.LIVE, stage: int = 2, **changed: object) -> Release:
    born = unborn(ReleaseId("rel_1"), PLAN, by=AUTHOR, now=NOON, replaces=None)
    moved = decide(born, ask.Apply(PLAN), by=AUTHOR, assessment=read(0), now=NOON, decision_id=DecisionId("dec_0"))
    release = moved.release
    if state is State.DRAFT:
        return replace(release, **changed)  # type: ignore[arg-type]
    opened = decide(release, ask.Open(), by=AUTHOR, assessment=read(0), now=NOON, decision_id=DecisionId("dec_0")).release
    for _ in range(stage - 1):
        opened = promoted(opened)
    shut = state not in LIVE_STATES
    parked = State.LIVE if state is State.FROZEN else None
    at = NOON + timedelta(days=1) if state is State.SCHEDULED else None
    ready = replace(opened, state=state, parked=parked, scheduled_at=at, stage=0 if shut else opened.stage)
    return replace(ready, **changed)  # type: ignore[arg-type]


def promoted(release: Release) -> Release:
    signed = release
    for who in (LEAD, MANAGER):
        signed = approve(signed, who)
    return go(signed, ask.Promote(), CONTROLLER)


def approve(
    release: Release, who: Actor, purpose: SignedFor = SignedFor.PROMOTE, assessment: Assessment | None = None
) -> Release:
    seen = assessment or read(release.stage)
    to = release.stage + (purpose is not SignedFor.RESUME)
    to = seen.stage + 1 if release.state is State.CUT else to
    digest = approvals.material(release, seen, purpose, to).digest
    return go(release, ask.Approve(purpose, digest, to), who, seen)


def go(release: Release, command: ask.Command, who: Actor, assessment: Assessment | None = None, now: datetime = NOON) -> Release:
    seen = assessment if assessment is not None else read(release.stage)
    return decide(release, command, by=who, assessment=seen, now=now, decision_id=DecisionId("dec_1")).release


def read(
    stage: int,
    verdict: Verdict = Verdict.PASS,
    *,
    tripped: Reaction | None = None,
    blind: bool = False,
    open_incidents: int = 0,
    harms: int = 0,
    one: tuple[str, Verdict] | None = None,
) -> Assessment:
    gates = tuple(
        GateReading.of(name, "rate", one[1] if one and one[0] == name else verdict, "made up", numbers={"k": harms}, inputs={})
        for name in GATES
        if stage
    )
    if stage == 0:
        gates = ()
    wire = WireStanding(
        "staff", "incident.critical", "incident", tripped, WireReading(None if blind else tripped is not None, "", {}, {})
    )
    return Assessment(stage, gates, (wire,), open_incidents)


def a_command(kind: Kind, release: Release) -> ask.Command:
    seen = read(release.stage)
    purpose = SignedFor.RESUME if release.state in {State.HELD, State.NARROWED, State.CUT} else SignedFor.PROMOTE
    to = 1 if release.state is State.CUT else release.stage + (purpose is SignedFor.PROMOTE)
    return {
        Kind.APPLY: ask.Apply(PLAN),
        Kind.SCHEDULE: ask.Schedule(NOON + timedelta(days=1)),
        Kind.OPEN: ask.Open(),
        Kind.PROMOTE: ask.Promote(),
        Kind.COMPLETE: ask.Promote(),
        Kind.DECLARE_RISK: ask.DeclareRisk("because"),
        Kind.HOLD: ask.Hold("because"),
        Kind.NARROW: ask.Narrow(1, "because"),
        Kind.CUT: ask.Cut("because"),
        Kind.FREEZE: ask.Freeze("because"),
        Kind.UNFREEZE: ask.Unfreeze(),
        Kind.RESUME: ask.Resume("because"),
        Kind.APPROVE: ask.Approve(purpose, approvals.material(release, seen, purpose, to).digest, to),
        Kind.DROP_APPROVALS: ask.DropApprovals("because"),
        Kind.WAIVE: ask.Waive("soak", "because", NOON + timedelta(days=1)),
        Kind.OVERDUE: ask.TellOwner(),
        Kind.WITHDRAW: ask.Withdraw("because"),
    }[kind]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_a_move_that_the_table_does_not_list_is_refused(state: State, kind: Kind) -> None:
    release = a_release(state, stage=3 if kind is Kind.COMPLETE or state is State.COMPLETED else 2)
    command = a_command(kind, release)
    if kind_of(release, command) in LEGAL[state]:
        return
    for who in (EVERYBODY, MIGHTY):
        with pytest.raises((IllegalMove, OnlyPeople, Refused)):
            go(release, command, who)


@pytest.mark.parametrize("state", [state for state in State if state is not State.WITHDRAWN])
@pytest.mark.parametrize("kind", [Kind.HOLD, Kind.CUT])
def test_one_person_may_hold_or_cut_from_every_state_that_has_not_ended(state: State, kind: Kind) -> None:
    release = a_release(state)
    after = go(release, a_command(kind, release), LEAD)
    assert exposure_of(after) <= exposure_of(release)
    if kind is Kind.CUT:
        assert after.state is State.CUT
        assert exposure_of(after) == frozenset()


@pytest.mark.parametrize("state", LIVE)
def test_one_person_may_narrow_from_every_live_state(state: State) -> None:
    after = go(a_release(state, stage=3), ask.Narrow(1, "because"), LEAD)
    assert [stage.name for stage in policy_of(after).stages] == ["staff"]


@pytest.mark.parametrize("kind", Kind)
def test_nobody_without_the_permission_may_do_anything(kind: Kind) -> None:
    for state in State:
        release = a_release(state)
        with pytest.raises(Refused):
            go(release, a_command(kind, release), person("nobody", Role.AUDITOR))


def test_every_kind_of_decision_names_a_permission() -> None:
    assert set(PERMISSION) == set(Kind)


LIKELY = [Kind.APPROVE] * 12 + [Kind.PROMOTE] * 6 + [Kind.RESUME] * 4 + [Kind.DECLARE_RISK, Kind.WAIVE] * 2
"""What widens needs several steps in a row, so a walk takes them more often than chance would."""
PASSING = [Verdict.PASS] * 12
WALK = st.lists(
    st.tuples(
        st.sampled_from([*Kind, *LIKELY]),
        st.sampled_from([AUTHOR, LEAD, MANAGER, LEAD, MANAGER, SECURITY, EVERYBODY, MIGHTY]),
        st.sampled_from([*PASSING, *Verdict]),
        st.sampled_from([*[None] * 12, *Reaction]),
        st.sampled_from([*[False] * 12, True]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(WALK)
def test_exposure_never_grows_without_a_pass_of_all_and_the_approvals(
    walk: list[tuple[Kind, Actor, Verdict, Reaction | None, bool, int]],
) -> None:
    release = a_release(State.LIVE, stage=1)
    now = NOON
    for kind, who, verdict, tripped, blind, to in walk:
        now += timedelta(hours=1)
        command: ask.Command = ask.Resume("because", to) if kind is Kind.RESUME else a_command(kind, release)
        seen = read(to - 1 if release.state is State.CUT else release.stage, verdict, tripped=tripped, blind=blind)
        if isinstance(command, ask.Approve):
            aim = SignedFor.RESUME if release.state in {State.HELD, State.NARROWED, State.CUT} else command.purpose
            there = {State.CUT: to}.get(release.state, release.stage + (aim is not SignedFor.RESUME))
            command = ask.Approve(aim, approvals.material(release, seen, aim, there).digest, there)
        if isinstance(command, ask.Waive):
            command = replace(command, until=now + timedelta(days=1))
        try:
            after = go(release, command, who, seen, now)
        except HeadgateError:
            continue
        if not exposure_of(after) <= exposure_of(release):
            assert tripped is None or kind is Kind.OPEN
            assert not blind or kind is Kind.OPEN
            _assert_proof(release, command, seen, now)
        if after.admits_newcomers and not release.admits_newcomers and release.stage:
            assert kind is Kind.UNFREEZE
            assert not blind
        release = after


def _assert_proof(release: Release, command: ask.Command, seen: Assessment, now: datetime) -> None:
    match command:
        case ask.Open():
            assert release.state in {State.DRAFT, State.SCHEDULED}
        case ask.Promote():
            verdict = leaving.whole(release, seen, SignedFor.PROMOTE, release.stage + 1, now)
            assert verdict.clear
            assert all(item.reading.verdict is Verdict.PASS or item.waiver is not None for item in verdict.standings)
            assert all(item.waiver is None or item.waiver.asked_by != item.waiver.confirmed_by for item in verdict.standings)
            assert {item.by for item in release.approvals} - {AUTHOR.id}
        case ask.DeclareRisk():
            assert not leaving.approvals_only(release, seen, SignedFor.DECLARED_RISK, release.stage + 1, now).blocking
            assert release.declaration is not None
        case ask.Resume():
            assert release.state is State.CUT
            assert not leaving.approvals_only(release, seen, SignedFor.RESUME, seen.stage + 1, now).blocking
            assert not leaving.gates(release, seen, now).blocking
        case _:
            raise AssertionError(command)


@given(st.sampled_from([verdict for verdict in Verdict if verdict is not Verdict.PASS]), st.sampled_from(GATES))
def test_one_gate_that_does_not_pass_keeps_the_next_stage_shut(verdict: Verdict, gate: str) -> None:
    signed = approve(approve(a_release(), LEAD), MANAGER)
    seen = read(2, one=(gate, verdict))
    with pytest.raises(Refused):
        go(signed, ask.Promote(), CONTROLLER, seen)


def test_a_gate_that_nobody_read_does_not_pass() -> None:
    signed = approve(approve(a_release(), LEAD), MANAGER)
    seen = replace(read(2), gates=read(2).gates[1:])
    with pytest.raises(Refused):
        go(signed, ask.Promote(), CONTROLLER, seen)


def test_a_stage_without_gates_is_never_left() -> None:
    plan = a_plan(stages=[a_stage("staff", 40, leave=[]), a_stage("trusted", 400)])
    release = replace(a_release(stage=1), plan=plan)
    with pytest.raises(Refused, match="no gate"):
        go(release, ask.Promote(), CONTROLLER, Assessment(1, (), (), 0))


def test_the_last_stage_completes_and_opens_nothing() -> None:
    release = a_release(stage=3)
    done = promoted(release)
    assert done.state is State.COMPLETED
    assert exposure_of(done) == exposure_of(release)


def test_a_hold_while_frozen_lets_nobody_new_in_and_is_held_when_readings_recover() -> None:
    frozen = go(a_release(), ask.Freeze("blind"), CONTROLLER)
    assert not frozen.admits_newcomers
    held = go(frozen, ask.Hold("look"), LEAD)
    assert (held.state, held.parked, held.admits_newcomers) == (State.FROZEN, State.HELD, False)
    assert go(held, ask.Unfreeze(), CONTROLLER).state is State.HELD


def test_an_attempt_begins_afresh_after_a_cut_a_narrowing_or_an_alarm_but_not_after_a_plain_hold() -> None:
    live = a_release(stage=2)
    held = go(live, ask.Hold("look"), LEAD)
    for who in (LEAD, MANAGER):
        held = approve(held, who, SignedFor.RESUME)
    assert go(held, ask.Resume("seen"), SECURITY).epoch("trusted") == live.epoch("trusted") == "rel_1/trusted/1"

    narrowed = go(live, ask.Narrow(1, "look"), LEAD)
    for who in (LEAD, MANAGER):
        narrowed = approve(narrowed, who, SignedFor.RESUME)
    again = go(narrowed, ask.Resume("seen"), SECURITY)
    assert (again.stage, again.epoch("staff")) == (1, "rel_1/staff/2")
    assert promoted(again).epoch("trusted") == "rel_1/trusted/2"

    cut = go(live, ask.Cut("stop"), LEAD)
    for who in (LEAD, MANAGER):
        cut = approve(cut, who, SignedFor.RESUME, read(1))
    back = go(cut, ask.Resume("seen", 2), SECURITY, read(1))
    assert (back.stage, back.epoch("staff"), back.epoch("trusted")) == (2, "rel_1/staff/2", "rel_1/trusted/2")


def test_after_a_cut_a_later_stage_opens_again_only_while_the_gates_before_it_pass() -> None:
    cut = go(a_release(stage=2), ask.Cut("stop"), LEAD)
    with pytest.raises(Refused):
        go(cut, ask.Resume("seen", 2), SECURITY, read(1, Verdict.INSUFFICIENT))
    with pytest.raises(NoSuchStage):
        go(cut, ask.Resume("seen", 3), SECURITY, read(2))


def test_a_declared_risk_takes_two_people_and_every_approval_and_is_never_a_pass() -> None:
    short = read(2, Verdict.INSUFFICIENT)
    release = approve(approve(a_release(), LEAD, SignedFor.DECLARED_RISK, short), MANAGER, SignedFor.DECLARED_RISK, short)
    asked = go(release, ask.DeclareRisk("nobody waits"), LEAD, short)
    assert asked.stage == 2
    with pytest.raises(NotWaivable):
        go(asked, ask.DeclareRisk("nobody waits"), LEAD, short)
    moved = decide(asked, ask.DeclareRisk("yes"), by=SECURITY, assessment=short, now=NOON, decision_id=DecisionId("dec_1"))
    assert moved.release.stage == 3
    assert moved.decision.kind is Kind.DECLARE_RISK
    assert "although the gates did not pass, because nobody waits" in moved.decision.reason
    assert moved.release.declared_risks[0].by == (LEAD.id, SECURITY.id)


def test_a_declared_risk_does_not_open_without_the_approvals() -> None:
    short = read(2, Verdict.INSUFFICIENT)
    asked = go(a_release(), ask.DeclareRisk("nobody waits"), LEAD, short)
    with pytest.raises(Refused, match="every approval"):
        go(asked, ask.DeclareRisk("yes"), SECURITY, short)


def test_a_declared_risk_never_opens_what_cannot_be_taken_back() -> None:
    plan = a_plan(stages=[a_stage("staff", 40), a_stage("weights", 400, irreversible=True)])
    release = replace(a_release(stage=1), plan=plan)
    with pytest.raises(NotWaivable):
        go(release, ask.DeclareRisk("because"), LEAD, read(1))
    with pytest.raises(NotWaivable):
        go(release, ask.Waive("soak", "because", NOON + timedelta(days=1)), LEAD, read(1))


def test_an_irreversible_stage_waits_for_what_it_needs_its_quorum_and_its_cool_off() -> None:
    entry = {"quorum": 2, "roles": ["safety_lead", "security"], "cool_off": "72h"}
    last = a_stage("weights", 400, irreversible=True, approval=entry, needs_before=["api_stage_completed"])
    release = replace(a_release(stage=1), plan=a_plan(stages=[a_stage("staff", 40), last]))
    needed = GateReading.of("needs.api_stage_completed", "precondition", Verdict.PASS, "shown", numbers={}, inputs={})
    seen = replace(read(1), gates=(*read(1).gates, needed))
    for who in (LEAD, MANAGER, SECURITY):
        release = approve(release, who, assessment=seen)
    with pytest.raises(Refused):
        go(release, ask.Promote(), CONTROLLER, read(1), NOON + timedelta(days=4))
    with pytest.raises(Refused):
        go(release, ask.Promote(), CONTROLLER, seen, NOON + timedelta(hours=71))
    assert go(release, ask.Promote(), CONTROLLER, seen, NOON + timedelta(hours=72)).stage == 2


def test_the_controller_opens_a_scheduled_release_at_its_time_and_not_before() -> None:
    scheduled = go(a_release(State.DRAFT), ask.Schedule(NOON + timedelta(days=1)), AUTHOR, read(0))
    with pytest.raises(OnlyPeople):
        go(scheduled, ask.Open(), CONTROLLER, read(0))
    assert go(scheduled, ask.Open(), CONTROLLER, read(0), NOON + timedelta(days=1)).state is State.LIVE


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_stop_without_a_reason_is_refused(blank: str) -> None:
    with pytest.raises(Refused):
        go(a_release(), ask.Cut(blank), LEAD)
