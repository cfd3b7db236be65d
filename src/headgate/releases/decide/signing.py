"""Signing and waiving: what a person may put their name under, and what takes two.

Approval comes last, under the evidence as it is, by somebody whose duty is asked for and who did not write the plan. A
waiver bypasses one gate, takes two different people, and ends; signatures, and whatever guards a stage that cannot be
taken back, are never waived.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.releases.decide import approvals, leaving
from headgate.releases.errors import (
    ApprovalNotAsked,
    ApprovalTooEarly,
    AuthorApproves,
    EvidenceMoved,
    NoSuchGate,
    NoSuchStage,
    NotWaivable,
    WaiverTooLong,
)
from headgate.releases.model.release import Approval, SignedFor, State, Waiver

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Declaration, Material, Release

LONGEST_WAIVER = timedelta(days=30)


def lapses(release: Release, assessment: Assessment) -> tuple[tuple[str, str], ...]:
    """Return whose signature, or half of a declared risk, no longer counts under what was read, and why."""
    signed = [(approval.by, approval.material) for approval in release.approvals]
    if release.declaration is not None:
        signed.append((release.declaration.asked_by, release.declaration.material))
    return tuple((by, reason) for by, then in signed if (reason := _lapsed(release, assessment, then)) is not None)


def _lapsed(release: Release, assessment: Assessment, then: Material) -> str | None:
    return approvals.what_changed(then, approvals.material(release, assessment, then.purpose, then.to))


def still_signed(release: Release, assessment: Assessment) -> tuple[Approval, ...]:
    """Return the signatures that count under what was read."""
    return tuple(approval for approval in release.approvals if _lapsed(release, assessment, approval.material) is None)


def still_declared(release: Release, assessment: Assessment) -> Declaration | None:
    """Return the declared risk that waits for its second person, unless the evidence has changed materially since."""
    pending = release.declaration
    return pending if pending is None or _lapsed(release, assessment, pending.material) is None else None


def approve(
    release: Release,
    purpose: SignedFor,
    seen: str,
    to: int,
    note: str,
    by: Actor,
    assessment: Assessment,
    now: datetime,
) -> Release:
    """Return the release with one more signature; signing again replaces the signer's earlier one.

    Raises:
        ApprovalNotAsked: Not in this state, or not from somebody with these duties.
        AuthorApproves: The signer wrote the plan.
        ApprovalTooEarly: Another gate still blocks.
        EvidenceMoved: The signer looked at other evidence.
        NoSuchStage: ``to`` cannot be opened by resuming.
    """
    wanted_state = release.state in {State.HELD, State.NARROWED, State.CUT}
    if wanted_state is not (purpose is SignedFor.RESUME):
        raise ApprovalNotAsked(f"Nobody is asked to sign for {words_for(purpose)} while the release is {release.state.value}.")
    to = approved_stage(release, purpose, to)
    wanted = approvals.requirements(release, purpose, to)
    roles = {role for requirement in wanted for role in requirement.roles}
    if not by.roles & roles:
        named = " or ".join(sorted(role.value.replace("_", " ") for role in roles))
        raise ApprovalNotAsked(
            f"{by.name} is not asked to sign: it takes a {named}." if roles else "No signature is asked for here.",
            rule=f"stages.{stage_name(release)}.leave.approval",
        )
    if by.id == release.author and all(requirement.not_author for requirement in wanted if set(requirement.roles) & by.roles):
        raise AuthorApproves(
            f"{by.name} applied this plan and may not sign for it.",
            rule=f"stages.{stage_name(release)}.leave.approval.not_author",
        )
    if not leaving.approvals_open(release, assessment, purpose, now):
        blocking = ", ".join(item.reading.gate_id for item in leaving.gates(release, assessment, now).blocking)
        raise ApprovalTooEarly(f"Approval comes last; first these must pass: {blocking}.", rule="approval is evaluated last")
    present = approvals.material(release, assessment, purpose, to)
    if seen != present.digest:
        raise EvidenceMoved(
            f"{by.name} looked at other evidence than there is now.", help="Look at the status again, then sign again."
        )
    signature = Approval(by.id, by.name, by.roles, now, present, note)
    others = tuple(
        item
        for item in release.approvals
        if item.material.purpose is not purpose or (item.by != by.id and item.material.to == to)
    )
    return replace(release, approvals=(*others, signature))


def approved_stage(release: Release, purpose: SignedFor, to: int) -> int:
    """Return how many stages would be open after what ``purpose`` asks for.

    Raises:
        NoSuchStage: ``to`` is not a stage that resuming can open.
    """
    if purpose is not SignedFor.RESUME:
        return release.stage + 1
    if release.state is not State.CUT:
        return release.stage
    if not 1 <= to <= max(1, release.reached):
        raise NoSuchStage(f"Resuming can open stages 1 to {max(1, release.reached)}, not {to}.")
    return to


def waive(release: Release, gate_id: str, reason: str, until: datetime, by: Actor, now: datetime) -> tuple[str, Release]:
    """Return what is said, and the release with a waiver asked for or confirmed.

    Raises:
        NotWaivable: It is a signature, guards a stage that cannot be taken back, or the same person asks twice.
        NoSuchGate: The present stage has no such gate.
        WaiverTooLong: It would end in the past, or later than thirty days from now.
    """
    stage = release.current
    assert stage is not None
    gates = dict(leaving.asked(release.plan, release.stage))
    signatures = {item.gate_id for item in approvals.requirements(release, SignedFor.PROMOTE, release.stage + 1)}
    if gate_id in signatures:
        raise NotWaivable("An approval cannot be waived: it is people who bypass, never what bypasses people.", rule=gate_id)
    if gate_id not in gates:
        raise NoSuchGate(f"{stage.name} has no gate {gate_id!r}.", help="Its gates: " + ", ".join(gates) + ".")
    if stage.irreversible or (release.following is not None and release.following.irreversible):
        raise NotWaivable(
            "What opens or leaves a stage that cannot be taken back is never waived.", rule=f"stages.{stage.name}.{gate_id}"
        )
    if not now < until <= now + LONGEST_WAIVER:
        raise WaiverTooLong("A waiver ends after now and within thirty days.", rule="waiver of at most 30d")
    pending = next(
        (
            item
            for item in release.waivers
            if (item.stage, item.gate_id, item.confirmed_by) == (stage.name, gate_id, None) and now < item.until
        ),
        None,
    )
    others = tuple(item for item in release.waivers if (item.stage, item.gate_id) != (stage.name, gate_id))
    if pending is None:
        asked = Waiver(stage.name, gate_id, reason, until, by.id, now)
        return f"{gate_id} asked for, waits for a second person: {reason}", replace(release, waivers=(*others, asked))
    if pending.asked_by == by.id:
        raise NotWaivable("A waiver takes a second person.", rule="two people", help="Somebody else asks for the same.")
    confirmed = replace(pending, confirmed_by=by.id, until=min(pending.until, until))
    return f"{gate_id} waived until {confirmed.until:%Y-%m-%d %H:%M} UTC: {reason}", replace(
        release, waivers=(*others, confirmed)
    )


def words_for(purpose: SignedFor) -> str:
    """Return what a signature is for, for people."""
    return {SignedFor.PROMOTE: "promotion", SignedFor.RESUME: "resumption", SignedFor.DECLARED_RISK: "a declared risk"}[purpose]


def stage_name(release: Release) -> str:
    """Return the name of the widest open stage, for people."""
    return release.current.name if release.current else "no stage"
