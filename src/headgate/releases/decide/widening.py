"""The four ways in which a release may open further, and the proof that each asks for.

Opening the first stage takes a person, or the time that a person set. Promotion takes a PASS of every gate, a waiver
counted as what it is, and the approvals. A declared risk takes every approval and two people, and is never called a pass.
Resuming takes the stage's approvals; after a cut it opens the first stage, or a later one whose preceding gates still pass.
In each of them a touched tripwire wins, and nothing widens blind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.releases.decide import approvals, leaving, signing
from headgate.releases.decide.signing import stage_name
from headgate.releases.errors import (
    ApprovalsMissing,
    CannotTell,
    EvidenceMoved,
    GatesDoNotPass,
    IllegalMove,
    NoSuchStage,
    NotWaivable,
    OnlyPeople,
    WireTripped,
)
from headgate.releases.model.release import Declaration, DeclaredRisk, Rung, SignedFor, State
from headgate.releases.model.wires import OF_EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Release


def begin(release: Release, by: Actor, now: datetime) -> tuple[str, Release]:
    """Return what is said, and the release open at its first stage.

    Raises:
        OnlyPeople: The controller comes before the time that a person set.
    """
    due = release.state is State.SCHEDULED and release.scheduled_at is not None and release.scheduled_at <= now
    if by.id.startswith("system:") and not due:
        raise OnlyPeople("The controller opens a release at its set time, never before.", rule="move open")
    first = release.plan.stages[0]
    opened = replace(
        release, state=State.LIVE, stage=1, scheduled_at=None, rungs=_begun(release, [first.name], now, afresh=[first.name])
    )
    return f"opened at {first.name}", opened


def promote(release: Release, assessment: Assessment, now: datetime) -> tuple[str, Release]:
    """Return what is said, and the release one stage wider, or completed.

    Raises:
        GatesDoNotPass: A gate blocks, or there is none.
        ApprovalsMissing: Only signatures are missing.
        WireTripped: A tripwire is touched.
        CannotTell: A tripwire or the monitor cannot be read.
        EvidenceMoved: The readings are of another stage.
    """
    to = release.stage + 1
    _must_see(release, assessment, release.stage)
    _must_be_quiet(assessment)
    verdict = leaving.whole(release, assessment, SignedFor.PROMOTE, to, now)
    if not verdict.clear:
        blocking = [f"{standing.reading.gate_id} {standing.shown}" for standing in verdict.blocking]
        only_signatures = bool(blocking) and all(standing.reading.kind == "approval" for standing in verdict.blocking)
        error = ApprovalsMissing if only_signatures else GatesDoNotPass
        raise error(
            f"{release.model} stays at {stage_name(release)}: " + (", ".join(blocking) or "the stage has no gate") + ".",
            rule=f"stages.{stage_name(release)}.leave",
        )
    waived = [standing.reading.gate_id for standing in verdict.waived]
    told = "every gate passes" if not waived else f"every gate passes or is waived ({', '.join(waived)})"
    if release.following is None:
        return told, replace(release, state=State.COMPLETED)
    return told, _widened(release, now)


def _widened(release: Release, now: datetime) -> Release:
    following = release.following
    assert following is not None
    rungs = _begun(release, [following.name], now, afresh=[following.name])
    return replace(release, stage=release.stage + 1, rungs=rungs, alarms=())


def declare_risk(release: Release, because: str, by: Actor, assessment: Assessment, now: datetime) -> tuple[str, Release]:
    """Return what is said, and the release with the risk asked for, or taken by a second person.

    Raises:
        IllegalMove: There is no further stage.
        NotWaivable: The next stage cannot be taken back, or the same person asks twice.
        ApprovalsMissing: Not everybody has signed for the risk.
        WireTripped: A tripwire is touched.
        CannotTell: A tripwire or the monitor cannot be read.
        EvidenceMoved: The readings are of another stage.
    """
    following, current = release.following, release.current
    if following is None or current is None:
        raise IllegalMove("There is no further stage to take a risk for.", rule="move declare_risk")
    if following.irreversible:
        raise NotWaivable(
            f"{following.name} cannot be taken back; it opens on proof only.", rule=f"stages.{following.name}.irreversible"
        )
    _must_see(release, assessment, release.stage)
    _must_be_quiet(assessment)
    to = release.stage + 1
    present = approvals.material(release, assessment, SignedFor.DECLARED_RISK, to)
    pending = signing.still_declared(release, assessment)
    if pending is None:
        declaration = Declaration(because, by.id, now, present)
        return f"asked for, waits for a second person: {because}", replace(release, declaration=declaration)
    if pending.asked_by == by.id:
        raise NotWaivable(
            "A declared risk takes a second person.", rule="two people", help="Somebody else asks for the same to confirm it."
        )
    verdict = leaving.approvals_only(release, assessment, SignedFor.DECLARED_RISK, to, now)
    if verdict.blocking:
        raise ApprovalsMissing(
            "A declared risk needs every approval: " + "; ".join(item.reading.sentence for item in verdict.blocking) + ".",
            rule=f"stages.{current.name}.leave.approval",
        )
    risk = DeclaredRisk(current.name, pending.because, (pending.asked_by, by.id), now)
    widened = replace(_widened(release, now), declared_risks=(*release.declared_risks, risk))
    return f"released although the gates did not pass, because {pending.because}", widened


def resume(release: Release, to: int, assessment: Assessment, now: datetime) -> Release:
    """Return the release live again, with the stages that an alarm or a cut was about begun afresh.

    Raises:
        NoSuchStage: ``to`` was never open.
        GatesDoNotPass: The gates before ``to`` do not pass.
        ApprovalsMissing: Not everybody has signed for it.
        WireTripped: A tripwire other than a rise is touched.
        CannotTell: A tripwire or the monitor cannot be read.
        EvidenceMoved: The readings are of another stage.
    """
    after_cut = release.state is State.CUT
    to = to if after_cut else release.stage
    if after_cut and not 1 <= to <= max(1, release.reached):
        raise NoSuchStage(
            f"Resuming can open stages 1 to {max(1, release.reached)}, not {to}: what was never open is reached by promotion."
        )
    _must_see(release, assessment, to - 1 if after_cut else release.stage)
    _must_be_quiet(assessment, rises=False)
    if after_cut and to > 1:
        blocking = leaving.gates(release, assessment, now).blocking
        if blocking or not assessment.gates:
            raise GatesDoNotPass(
                f"Opening {release.plan.stages[to - 1].name} again needs the gates before it to pass.",
                rule=f"stages.{release.plan.stages[to - 2].name}.leave",
                help="Resume at the first stage, and climb.",
            )
    verdict = leaving.approvals_only(release, assessment, SignedFor.RESUME, to, now)
    if verdict.blocking:
        raise ApprovalsMissing(
            "Resuming needs the stage's approvals: " + "; ".join(item.reading.sentence for item in verdict.blocking) + ".",
            rule=f"stages.{release.plan.stages[to - 1].name}.leave.approval",
        )
    names = [stage.name for stage in release.plan.stages[:to]]
    if after_cut:
        afresh = names
    elif release.state is State.NARROWED or release.alarms:
        afresh = [names[-1], *(alarm.stage for alarm in release.alarms)]
    else:
        afresh = []
    return replace(release, state=State.LIVE, stage=to, alarms=(), rungs=_begun(release, names, now, afresh=afresh))


def _begun(release: Release, names: list[str], now: datetime, *, afresh: Iterable[str]) -> tuple[Rung, ...]:
    """Return the rungs with ``names`` among them; those in ``afresh`` begin a new attempt, and those that were shut reopen."""
    again = set(afresh)
    is_open = {stage.name for stage in release.opened}
    kept = tuple(
        rung.afresh(now, reopens=rung.stage not in is_open) if rung.stage in again and rung.stage in names else rung
        for rung in release.rungs
    )
    known = {rung.stage for rung in release.rungs}
    return kept + tuple(Rung(name, 1, now, now) for name in names if name not in known)


def _must_see(release: Release, assessment: Assessment, stage: int) -> None:
    if assessment.stage != stage:
        raise EvidenceMoved(f"The readings are of stage {assessment.stage} of {release.model}, not of stage {stage}.")


def _must_be_quiet(assessment: Assessment, *, rises: bool = True) -> None:
    """Go on only if no tripwire is touched and everything that guards the release can be read.

    Args:
        assessment: What was read.
        rises: Whether a rise, or missing scores, count; resuming begins those epochs afresh, so their alarms are answered by
            the resumption.
    """
    loud = [wire for wire in assessment.wires if wire.demands is not None and (rises or wire.kind not in OF_EPOCH)]
    if loud:
        told = "; ".join(f"{wire.wire_id} of {wire.stage}: {wire.reading.sentence}" for wire in loud)
        raise WireTripped(f"A tripwire is touched: {told}.", rule=f"stages.{loud[0].stage}.stop.{loud[0].wire_id}")
    blind = [wire.wire_id for wire in assessment.wires if wire.reading.tripped is None]
    if blind:
        raise CannotTell(f"It cannot be read: {', '.join(blind)}.", rule="nothing widens blind")
