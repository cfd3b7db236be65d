"""What the controller does next about a release: one command, or nothing.

Tripwires come first, whatever the gates say; then harm that a gate shows; then what cannot be read; then signatures that
have lapsed; and only then, when nothing of that is left, promotion. The rule looks at levels, not at events: the same
release and the same readings always give the same answer, and once it has been carried out the answer is nothing. So a
controller may be killed anywhere, started again, or look twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kernel.verdict import Verdict
from headgate.releases.decide import leaving, signing, states, stay
from headgate.releases.model.command import (
    Command,
    Cut,
    DropApprovals,
    Freeze,
    Hold,
    Narrow,
    Open,
    Promote,
    TellOwner,
    Unfreeze,
)
from headgate.releases.model.plan import RateGate, Reaction
from headgate.releases.model.release import LIVE_STATES, Alarm, SignedFor, State
from headgate.releases.model.wires import OF_EPOCH

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Release


def next_step(release: Release, assessment: Assessment, *, now: datetime) -> Command | None:
    """Return what the controller should do now; ``None`` when everything is as it should be."""
    if release.state in LIVE_STATES:
        step = _wires(release, assessment) or _harm(release, assessment, now) or _blindness(release, assessment, now)
        if step is not None:
            return step
    if release.state is State.SCHEDULED and release.scheduled_at is not None and release.scheduled_at <= now:
        return Open()
    step = _lapsed(release, assessment)
    if step is not None:
        return step
    if release.state is State.LIVE and _may_leave(release, assessment, now):
        return Promote()
    if stay.overdue(release, now) and not release.overdue_told:
        return TellOwner()
    return None


def _wires(release: Release, assessment: Assessment) -> Command | None:
    for reaction in (Reaction.CUT, Reaction.NARROW, Reaction.HOLD):
        for wire in assessment.wires:
            if wire.demands is reaction:
                alarm = Alarm(wire.stage, wire.wire_id)
                reason = f"tripwire {wire.wire_id} of {wire.stage}: {wire.reading.sentence}"
                step = _react(release, reaction, alarm, reason, of_stage=wire.kind in OF_EPOCH)
                if step is not None:
                    return step
    return None


def _harm(release: Release, assessment: Assessment, now: datetime) -> Command | None:
    stage = release.current
    if stage is None or assessment.stage != release.stage:
        return None
    for standing in leaving.gates(release, assessment, now).blocking:
        if standing.reading.verdict is not Verdict.FAIL:
            continue
        gate = next((gate for gate in stage.leave if gate.id == standing.reading.gate_id), None)
        reaction = release.plan.on_fail(gate) if isinstance(gate, RateGate) else Reaction.HOLD
        alarm = Alarm(stage.name, standing.reading.gate_id)
        reason = f"gate {standing.reading.gate_id} fails: {standing.reading.sentence}"
        step = _react(release, reaction, alarm, reason, of_stage=True)
        if step is not None:
            return step
    return None


def _react(release: Release, reaction: Reaction, alarm: Alarm, reason: str, *, of_stage: bool) -> Command | None:
    """Return what carries ``reaction`` out; ``None`` when the release is already as narrow, and the alarm is known.

    Args:
        release: As it stands.
        reaction: What is demanded.
        alarm: What went off.
        reason: Why, for people.
        of_stage: Whether the alarm is about one stage's traffic, as a harm is: narrowing then closes that stage and all
            above it, and when it is the first, nothing is left, so it is a cut. Otherwise (an incident, a silent monitor)
            narrowing steps down one stage, and from the first stage it holds: the plan did not ask for a cut.
    """
    known = alarm in release.alarms
    state = release.parked if release.parked is not None else release.state
    match reaction:
        case Reaction.CUT:
            return Cut(reason, alarm)
        case Reaction.NARROW if of_stage:
            names = [stage.name for stage in release.opened]
            to = names.index(alarm.stage)
            return Narrow(to, reason, alarm) if to >= 1 else Cut(reason, alarm)
        case Reaction.NARROW if release.stage > 1:
            stepped = state is State.NARROWED and any(alarm.source == other.source for other in release.alarms)
            return None if stepped else Narrow(release.stage - 1, reason, alarm)
        case Reaction.NARROW | Reaction.HOLD:
            return None if known and state in {State.HELD, State.NARROWED} else Hold(reason, alarm)


def _blindness(release: Release, assessment: Assessment, now: datetime) -> Command | None:
    blind = states.blind_to(release, assessment, now)
    if blind and release.state is not State.FROZEN:
        return Freeze(f"cannot be read: {', '.join(blind)}")
    if not blind and release.state is State.FROZEN:
        return Unfreeze()
    return None


def _lapsed(release: Release, assessment: Assessment) -> Command | None:
    if release.state is not State.CUT and assessment.stage != release.stage:
        return None
    reasons = {reason for _, reason in signing.lapses(release, assessment)}
    return DropApprovals("; ".join(sorted(reasons))) if reasons else None


def _may_leave(release: Release, assessment: Assessment, now: datetime) -> bool:
    if assessment.stage != release.stage:
        return False
    quiet = all(wire.demands is None and wire.reading.tripped is False for wire in assessment.wires)
    return quiet and leaving.whole(release, assessment, SignedFor.PROMOTE, release.stage + 1, now).clear
