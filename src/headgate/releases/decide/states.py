"""What may be done to a release in each state, and what it makes of it.

Whatever ``LEGAL`` does not list is refused. Hold and cut are legal from every state that has not ended, and never widen:
a hold in a state that is already narrower is recorded and changes nothing. Widening happens in four places only, each of
which asks for its proof here: opening the first stage, promotion, a declared risk, and resuming after a cut.

A frozen release returns by itself to the state it was in once everything can be read again: that gives nobody more than
they had before the freeze. To hold or narrow it meanwhile changes what it returns to, and lets nobody new in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from headgate.kernel.actor import Permission
from headgate.releases.decide import revision, signing, stay, widening
from headgate.releases.errors import (
    CannotTell,
    IllegalMove,
    NothingNarrower,
    OnlyController,
    OnlyPeople,
    ReasonMissing,
)
from headgate.releases.model import command as ask
from headgate.releases.model.record import Moved
from headgate.releases.model.release import (
    Decision,
    Kind,
    State,
)

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import DecisionId
    from headgate.releases.model.command import Command
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Alarm, Release

_ALWAYS = frozenset({Kind.HOLD, Kind.CUT, Kind.WITHDRAW, Kind.APPLY, Kind.OVERDUE})
_WATCHED = _ALWAYS | {Kind.NARROW, Kind.DROP_APPROVALS}

LEGAL: dict[State, frozenset[Kind]] = {
    State.DRAFT: _ALWAYS | {Kind.SCHEDULE, Kind.OPEN},
    State.SCHEDULED: _ALWAYS | {Kind.SCHEDULE, Kind.OPEN},
    State.LIVE: _WATCHED | {Kind.PROMOTE, Kind.DECLARE_RISK, Kind.COMPLETE, Kind.FREEZE, Kind.APPROVE, Kind.WAIVE},
    State.HELD: _WATCHED | {Kind.FREEZE, Kind.RESUME, Kind.APPROVE, Kind.WAIVE},
    State.FROZEN: _WATCHED | {Kind.UNFREEZE, Kind.WAIVE},
    State.NARROWED: _WATCHED | {Kind.FREEZE, Kind.RESUME, Kind.APPROVE, Kind.WAIVE},
    State.CUT: _ALWAYS | {Kind.RESUME, Kind.APPROVE, Kind.DROP_APPROVALS},
    State.COMPLETED: _WATCHED | {Kind.FREEZE},
    State.WITHDRAWN: frozenset(),
}
"""Every legal pair of state and kind of decision."""

PERMISSION: dict[Kind, Permission] = {
    Kind.APPLY: Permission.PLAN,
    Kind.SCHEDULE: Permission.PLAN,
    Kind.OPEN: Permission.PLAN,
    Kind.PROMOTE: Permission.PROMOTE,
    Kind.COMPLETE: Permission.PROMOTE,
    Kind.DECLARE_RISK: Permission.WAIVE,
    Kind.HOLD: Permission.HOLD,
    Kind.NARROW: Permission.NARROW,
    Kind.CUT: Permission.CUT,
    Kind.FREEZE: Permission.HOLD,
    Kind.UNFREEZE: Permission.HOLD,
    Kind.DROP_APPROVALS: Permission.HOLD,
    Kind.OVERDUE: Permission.HOLD,
    Kind.RESUME: Permission.RESUME,
    Kind.APPROVE: Permission.APPROVE,
    Kind.WAIVE: Permission.WAIVE,
    Kind.WITHDRAW: Permission.WITHDRAW,
}
"""What each kind of decision needs; a declared risk is a bypass, and so needs what a waiver needs."""

_BY_PEOPLE = frozenset({Kind.APPLY, Kind.SCHEDULE, Kind.DECLARE_RISK, Kind.RESUME, Kind.APPROVE, Kind.WAIVE})
_BY_CONTROLLER = frozenset({Kind.FREEZE, Kind.UNFREEZE, Kind.DROP_APPROVALS, Kind.OVERDUE})


def decide(
    release: Release, command: Command, *, by: Actor, assessment: Assessment, now: datetime, decision_id: DecisionId
) -> Moved:
    """Return what ``command`` makes of ``release``, with the decision to record.

    Args:
        release: As it stands.
        command: What is asked for.
        by: Who asks.
        assessment: What was read of the release at ``now``.
        now: The present instant.
        decision_id: What the decision will be called.

    Raises:
        Forbidden: ``by`` lacks the permission.
        Refused: The table, a gate, a tripwire, a missing signature or a rule of the command says no; the subclass says which.
        NotFound: The command names a stage or gate that is not there.
        EvidenceMoved: A signer looked at other evidence than there is.
    """
    kind = kind_of(release, command)
    may(release, kind, by)
    reason, changed = _carry_out(release, command, by, assessment, now)
    if (changed.state, changed.stage, changed.alarms) != (release.state, release.stage, release.alarms):
        # a signature or a half-made declaration was for where the release stood
        changed = replace(changed, approvals=(), declaration=None, overdue_told=False, since=now)
    if changed.stage != release.stage:
        changed = replace(changed, stage_since=now, reached=max(changed.reached, changed.stage), waivers=())
    decision = Decision(
        id=decision_id,
        release_id=release.id,
        model=release.model,
        kind=kind,
        before=release.state,
        after=changed.state,
        stage_before=release.stage,
        stage_after=changed.stage,
        by=by.id,
        reason=reason,
        at=now,
        readings_digest=assessment.digest,
    )
    return Moved(changed, decision)


def kind_of(release: Release, command: Command) -> Kind:  # noqa: PLR0911, PLR0912, C901 - one line for each command
    """Return the kind of decision that ``command`` asks for."""
    match command:
        case ask.Apply():
            return Kind.APPLY
        case ask.Schedule():
            return Kind.SCHEDULE
        case ask.Open():
            return Kind.OPEN
        case ask.Promote():
            return Kind.COMPLETE if release.state is State.LIVE and release.following is None else Kind.PROMOTE
        case ask.DeclareRisk():
            return Kind.DECLARE_RISK
        case ask.Hold():
            return Kind.HOLD
        case ask.Narrow():
            return Kind.NARROW
        case ask.Cut():
            return Kind.CUT
        case ask.Freeze():
            return Kind.FREEZE
        case ask.Unfreeze():
            return Kind.UNFREEZE
        case ask.Resume():
            return Kind.RESUME
        case ask.Approve():
            return Kind.APPROVE
        case ask.DropApprovals():
            return Kind.DROP_APPROVALS
        case ask.Waive():
            return Kind.WAIVE
        case ask.TellOwner():
            return Kind.OVERDUE
        case ask.Withdraw():
            return Kind.WITHDRAW
        case _:
            assert_never(command)


def may(release: Release, kind: Kind, by: Actor) -> None:
    """Go on only if the table of moves and the table of permissions allow it.

    Raises:
        Forbidden: ``by`` lacks the permission.
        OnlyPeople: A process asks for what takes a person.
        OnlyController: A person asks for what only the controller does.
        IllegalMove: The release's state does not allow it.
    """
    system = by.id.startswith("system:")
    # the controller keeps an appointment that a person made; it needs only what it needs to widen
    by.must(Permission.PROMOTE if system and kind is Kind.OPEN else PERMISSION[kind])
    if system and kind in _BY_PEOPLE:
        raise OnlyPeople(f"Only a person may {_words(kind)} a release.", rule=f"move {kind.value}")
    if not system and kind in _BY_CONTROLLER:
        raise OnlyController(f"Only the controller does this: {_words(kind)}.", rule=f"move {kind.value}")
    if kind not in LEGAL[release.state]:
        allowed = ", ".join(sorted(_words(move) for move in LEGAL[release.state] - _BY_CONTROLLER)) or "nothing: it has ended"
        raise IllegalMove(
            f"{release.model} is {release.state.value}: it cannot be done to it: {_words(kind)}.",
            rule=f"moves from {release.state.value}",
            help=f"From here one may: {allowed}.",
        )


def _words(kind: Kind) -> str:
    return kind.value.replace("_", " ")


def _carry_out(  # noqa: PLR0911, PLR0912, C901 - one line for each command
    release: Release, command: Command, by: Actor, assessment: Assessment, now: datetime
) -> tuple[str, Release]:
    match command:
        case ask.Apply(plan):
            return revision.revise(release, plan, by=by, now=now)
        case ask.Schedule(at):
            return f"opens {at:%Y-%m-%d %H:%M} UTC", replace(release, state=State.SCHEDULED, scheduled_at=at)
        case ask.Open():
            return widening.begin(release, by, now)
        case ask.Promote():
            return widening.promote(release, assessment, now)
        case ask.DeclareRisk(because):
            return widening.declare_risk(release, _said(because), by, assessment, now)
        case ask.Hold(reason, alarm):
            return _said(reason), _hold(release, alarm)
        case ask.Narrow(to, reason, alarm):
            return _said(reason), _narrow(release, to, alarm)
        case ask.Cut(reason, alarm):
            return _said(reason), replace(
                release, state=State.CUT, stage=0, parked=None, scheduled_at=None, alarms=_with(release, alarm)
            )
        case ask.Freeze(reason):
            return _said(reason), replace(release, state=State.FROZEN, parked=release.state)
        case ask.Unfreeze():
            return _unfreeze(release, assessment, now)
        case ask.Resume(reason, to):
            return _said(reason), widening.resume(release, to, assessment, now)
        case ask.Approve(purpose, seen, to, note):
            return note or f"for {signing.words_for(purpose)}", signing.approve(
                release, purpose, seen, to, note, by, assessment, now
            )
        case ask.DropApprovals(reason):
            return reason, replace(
                release,
                approvals=signing.still_signed(release, assessment),
                declaration=signing.still_declared(release, assessment),
            )
        case ask.Waive(gate_id, reason, until):
            return signing.waive(release, gate_id, _said(reason), until, by, now)
        case ask.TellOwner():
            return stay.overdue_sentence(release, now), replace(release, overdue_told=True)
        case ask.Withdraw(reason):
            return _said(reason), replace(release, state=State.WITHDRAWN, stage=0, parked=None, scheduled_at=None)
        case _:
            assert_never(command)


def _said(reason: str) -> str:
    if not reason.strip():
        raise ReasonMissing("A decision needs a reason.", help='Say in a sentence why: --reason "…".')
    return reason.strip()


# What narrows.


def _with(release: Release, alarm: Alarm | None) -> tuple[Alarm, ...]:
    return release.alarms if alarm is None or alarm in release.alarms else (*release.alarms, alarm)


def _held(state: State) -> State:
    """Return what a hold makes of a state: never anything wider."""
    match state:
        case State.LIVE | State.COMPLETED:
            return State.HELD
        case State.SCHEDULED:
            return State.DRAFT
        case State.DRAFT | State.HELD | State.FROZEN | State.NARROWED | State.CUT | State.WITHDRAWN:
            return state
        case _:
            assert_never(state)


def _hold(release: Release, alarm: Alarm | None) -> Release:
    parked = _held(release.parked) if release.parked else None
    return replace(release, state=_held(release.state), parked=parked, scheduled_at=None, alarms=_with(release, alarm))


def _narrow(release: Release, to: int, alarm: Alarm | None) -> Release:
    if not 1 <= to < release.stage:
        raise NothingNarrower(
            f"{release.model} is open up to stage {release.stage}; it can be narrowed to 1 … {release.stage - 1}."
            if release.stage > 1
            else f"{release.model} is at its first stage; only a cut is narrower.",
            rule="narrow closes at least one stage and leaves at least one",
            help="To close every stage, cut.",
        )
    frozen = release.state is State.FROZEN
    return replace(
        release,
        state=State.FROZEN if frozen else State.NARROWED,
        parked=State.NARROWED if frozen else None,
        stage=to,
        alarms=_with(release, alarm),
    )


def _unfreeze(release: Release, assessment: Assessment, now: datetime) -> tuple[str, Release]:
    if blind_to(release, assessment, now):
        raise CannotTell(f"It still cannot be read: {', '.join(blind_to(release, assessment, now))}.")
    assert release.parked is not None
    return "everything can be read again", replace(release, state=release.parked, parked=None)


def blind_to(release: Release, assessment: Assessment, now: datetime) -> tuple[str, ...]:
    """Return what cannot be read and has not been waived; a waived gate's silence freezes nothing."""
    stage = release.plan.stages[assessment.stage - 1].name if assessment.stage else ""
    waived = {waiver.gate_id for waiver in release.waivers if waiver.holds(stage, waiver.gate_id, now)}
    return tuple(name for name in assessment.blind if name not in waived)
