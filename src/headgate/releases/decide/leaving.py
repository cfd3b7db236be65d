"""Whether a stage may be left: its gates, what the next stage needs before it, and the signatures, in that order.

The plan says which gates there are, not the readings: a gate that nobody read is INSUFFICIENT, so a reader that forgets
one cannot open anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kernel.verdict import Verdict
from headgate.releases.decide import approvals
from headgate.releases.decide.verdicts import StageVerdict, judge
from headgate.releases.model.plan import ApprovalGate
from headgate.releases.model.reading import GateReading
from headgate.releases.model.release import SignedFor, State

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.releases.model.plan import Plan
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Release


def asked(plan: Plan, stage: int) -> tuple[tuple[str, str], ...]:
    """Return identifier and kind of each gate of the ``stage``-th stage, approvals left out; of stage 0, none."""
    if not stage:
        return ()
    own = tuple((gate.id, gate.kind) for gate in plan.stages[stage - 1].leave if not isinstance(gate, ApprovalGate))
    following = plan.stages[stage].needs_before if stage < len(plan.stages) else ()
    return own + tuple((f"needs.{wanted.value}", "precondition") for wanted in following)


def gates(release: Release, assessment: Assessment, now: datetime) -> StageVerdict:
    """Return what the gates of the assessed stage say together, approvals left out."""
    read = {reading.gate_id: reading for reading in assessment.gates}
    readings = [read.get(gate_id) or _unread(gate_id, kind) for gate_id, kind in asked(release.plan, assessment.stage)]
    name = release.plan.stages[assessment.stage - 1].name if assessment.stage else ""
    return judge(readings, release.waivers, stage=name, now=now)


def whole(release: Release, assessment: Assessment, purpose: SignedFor, to: int, now: datetime) -> StageVerdict:
    """Return what the gates and the signatures for ``purpose`` say together.

    Args:
        release: The release.
        assessment: What was read of it.
        purpose: What the signatures must be for.
        to: How many stages would be open afterwards.
        now: The present instant.
    """
    others = gates(release, assessment, now)
    present = approvals.material(release, assessment, purpose, to)
    signed = approvals.standing(release.approvals, present)
    is_open = approvals_open(release, assessment, purpose, now)
    last = [
        approvals.reading(requirement, signed, author=release.author, is_open=is_open, now=now)
        for requirement in approvals.requirements(release, purpose, to)
    ]
    name = release.plan.stages[assessment.stage - 1].name if assessment.stage else ""
    readings = [standing.reading for standing in others.standings]
    return judge([*readings, *last], release.waivers, stage=name, now=now)


def approvals_open(release: Release, assessment: Assessment, purpose: SignedFor, now: datetime) -> bool:
    """Return whether anybody may sign yet.

    For promotion the other gates must pass or be waived first, and so must those of the stage before when a cut release
    is to open more than its first stage. A declared risk and a plain resumption are signed for as things are.
    """
    by_gates = purpose is SignedFor.PROMOTE or (purpose is SignedFor.RESUME and release.state is State.CUT)
    return not by_gates or not gates(release, assessment, now).blocking


def approvals_only(release: Release, assessment: Assessment, purpose: SignedFor, to: int, now: datetime) -> StageVerdict:
    """Return what the signatures for ``purpose`` say, without the gates."""
    verdict = whole(release, assessment, purpose, to, now)
    kept = [standing.reading for standing in verdict.standings if standing.reading.kind == "approval"]
    return judge(kept, (), stage="", now=now)


def _unread(gate_id: str, kind: str) -> GateReading:
    return GateReading.of(gate_id, kind, Verdict.INSUFFICIENT, "has not been read", numbers={}, inputs={"unread": gate_id})
