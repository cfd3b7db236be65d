"""Who must agree, whose signature still counts, and what makes one lapse.

A signature stands under the evidence that the signer looked at. It lapses when that evidence changes in a way that would
change a careful person's mind: a gate that passed no longer does, a harm was confirmed, an incident opened, or the plan,
the version or the epoch is another. Better news changes nothing. Only people sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.verdict import Verdict
from headgate.releases.model.plan import ApprovalGate, EntryApproval
from headgate.releases.model.reading import GateReading, Need
from headgate.releases.model.release import Material, SignedFor, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.kernel.actor import Role
    from headgate.kernel.digest import Json
    from headgate.releases.model.plan import Stage
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Approval, Release


@dataclass(frozen=True, slots=True)
class Requirement:
    """Signatures that something waits for.

    Attributes:
        gate_id: How the gate is called in status and waivers.
        roles: The duties whose holders sign.
        signatures: How many different signatures it takes, each for a role of its own while roles last.
        distinct: Whether one person may sign for one role only.
        not_author: Whether the plan's author may not sign.
        cool_off: How long after the last needed signature it counts.
    """

    gate_id: str
    roles: tuple[Role, ...]
    signatures: int
    distinct: bool = True
    not_author: bool = True
    cool_off: timedelta = timedelta(0)


def requirements(release: Release, purpose: SignedFor, to: int) -> tuple[Requirement, ...]:
    """Return the signatures that ``purpose`` waits for.

    Promotion, declared risk included, needs what the stage being left asks for and what the next stage asks for on
    entry. Resuming needs what the present stage asks for; opening stage ``to`` again after a cut needs that stage's, its
    entry's, and those of the stage before it, because it lets people in as promotion once did.
    """
    stages = release.plan.stages
    if purpose is not SignedFor.RESUME:
        current, following = release.current, release.following
        return (_leaving(current) if current else ()) + (_entering(following) if following else ())
    if release.state is not State.CUT:
        return _leaving(release.current) if release.current else ()
    before = _leaving(stages[to - 2]) if to > 1 else ()
    return before + _entering(stages[to - 1]) + _leaving(stages[to - 1])


def _leaving(stage: Stage) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(gate.id, gate.roles, gate.signatures, gate.distinct, gate.not_author)
        for gate in stage.leave
        if isinstance(gate, ApprovalGate)
    )


def _entering(stage: Stage) -> tuple[Requirement, ...]:
    match stage.approval:
        case EntryApproval() as entry:
            cool_off = entry.cool_off or timedelta(0)
            return (Requirement(f"entry.{stage.name}", entry.roles, entry.quorum, cool_off=cool_off),)
        case None:
            return ()


def material(release: Release, assessment: Assessment, purpose: SignedFor, to: int) -> Material:
    """Return what an approver of ``purpose`` looks at now.

    Args:
        release: The release.
        assessment: What was read of it. An unreadable count of incidents counts as more than any other.
        purpose: What the approval is for.
        to: How many stages would be open afterwards.
    """
    return Material(
        purpose=purpose,
        to=to,
        version=release.plan.version_digest,
        plan=release.plan_digest,
        epochs=tuple((rung.stage, rung.attempt) for rung in release.rungs),
        verdicts=tuple((reading.gate_id, reading.verdict) for reading in assessment.gates),
        harms=tuple((reading.gate_id, reading.harms) for reading in assessment.gates),
        incidents=_UNREADABLE if assessment.incidents is None else assessment.incidents,
    )


_UNREADABLE = 2**31


def what_changed(then: Material, now: Material) -> str | None:
    """Return why a signature under ``then`` no longer counts, in one sentence; ``None`` while it does."""
    otherwise = {
        "it was given for something else": (then.purpose, then.to) != (now.purpose, now.to),
        "the plan or the version is another one": (then.version, then.plan) != (now.version, now.plan),
        "a stage's evidence has begun afresh": then.epochs != now.epochs,
        "an incident was opened": now.incidents > then.incidents,
    }
    verdicts: Mapping[str, Verdict] = dict(now.verdicts)
    for gate_id, verdict in then.verdicts:
        if verdict is Verdict.PASS and verdicts.get(gate_id) is not Verdict.PASS:
            return f"{gate_id} no longer passes"
    harms = dict(now.harms)
    for gate_id, count in then.harms:
        if harms.get(gate_id, count) > count:
            return f"a harm was confirmed ({gate_id}: {count} then, {harms[gate_id]} now)"
    return next((reason for reason, moved in otherwise.items() if moved), None)


def standing(approvals: Sequence[Approval], present: Material) -> tuple[Approval, ...]:
    """Return the signatures that count under ``present``."""
    return tuple(approval for approval in approvals if what_changed(approval.material, present) is None)


def complete_at(requirement: Requirement, approvals: Sequence[Approval], *, author: str) -> datetime | None:
    """Return when enough people had signed; ``None`` while they have not. The cool-off is not counted."""
    signed = sorted(approvals, key=lambda approval: approval.at)
    for count in range(1, len(signed) + 1):
        if _enough(requirement, signed[:count], author):
            return signed[count - 1].at
    return None


def missing_roles(requirement: Requirement, approvals: Sequence[Approval], *, author: str) -> tuple[Role, ...]:
    """Return the roles that nobody has signed for yet, as far as signatures can be given to roles one each."""
    covered = _assign(requirement, _eligible(requirement, approvals, author))
    return tuple(role for role in requirement.roles if role not in covered)


def _enough(requirement: Requirement, approvals: Sequence[Approval], author: str) -> bool:
    eligible = _eligible(requirement, approvals, author)
    people = {approval.by for approval in eligible}
    covered = _assign(requirement, eligible)
    if not requirement.distinct:
        return len(covered) >= min(requirement.signatures, len(requirement.roles))
    return len(people) >= requirement.signatures and len(covered) >= min(requirement.signatures, len(requirement.roles))


def _eligible(requirement: Requirement, approvals: Sequence[Approval], author: str) -> list[Approval]:
    wanted = set(requirement.roles)
    return [
        approval for approval in approvals if approval.roles & wanted and not (requirement.not_author and approval.by == author)
    ]


def _assign(requirement: Requirement, approvals: Sequence[Approval]) -> dict[Role, str]:
    """Give as many roles as possible a signer; where signers must be distinct, each of them one role (Kuhn's matching)."""
    roles_of = {approval.by: approval.roles for approval in approvals}
    if not requirement.distinct:
        return {role: by for role in requirement.roles for by, held in roles_of.items() if role in held}
    signer: dict[Role, str] = {}

    def place(by: str, seen: set[Role]) -> bool:
        for role in requirement.roles:
            if role not in roles_of[by] or role in seen:
                continue
            seen.add(role)
            if role not in signer or place(signer[role], seen):
                signer[role] = by
                return True
        return False

    for by in roles_of:
        place(by, set())
    return signer


def reading(requirement: Requirement, approvals: Sequence[Approval], *, author: str, is_open: bool, now: datetime) -> GateReading:
    """Return what an approval gate says.

    Args:
        requirement: Who must sign.
        approvals: The signatures that still count.
        author: Who applied the plan.
        is_open: Whether anybody may sign yet: approval comes last.
        now: The present instant.
    """
    done_at = complete_at(requirement, approvals, author=author)
    counted = _eligible(requirement, approvals, author)
    inputs: Json = {
        "signed": [[approval.by, approval.at.isoformat(), approval.material.digest] for approval in counted],
        "roles": [role.value for role in requirement.roles],
        "open": is_open,
    }
    figures = {"signed": len({approval.by for approval in counted}), "wanted": requirement.signatures}
    missing = missing_roles(requirement, approvals, author=author)
    waiting = ", ".join(role.value.replace("_", " ") for role in missing) or "one more person"
    need: Need | None = None
    if done_at is None and not is_open:
        verdict, sentence = Verdict.INSUFFICIENT, "opens when the above pass"
    elif done_at is None:
        verdict = Verdict.INSUFFICIENT
        sentence = f"{figures['signed']} of {figures['wanted']} signed, waits for {waiting}"
        need = Need(who=waiting)
    elif now < done_at + requirement.cool_off:
        opens = done_at + requirement.cool_off
        verdict, sentence = Verdict.INSUFFICIENT, f"signed, cools off until {opens:%Y-%m-%d %H:%M} UTC"
        need = Need(expected_at=opens, who="time")
    else:
        verdict, sentence = Verdict.PASS, "signed by " + ", ".join(sorted({approval.name for approval in counted}))
    return GateReading.of(requirement.gate_id, "approval", verdict, sentence, numbers=figures, inputs=inputs, need=need)
