"""What may be asked of a release as it stands: by whom it may, and who else could.

It asks the tables that decide. Whatever is not offered is refused as well; whatever is offered may still be refused by its gates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.actor import PERMISSIONS
from headgate.releases.decide import approvals
from headgate.releases.decide.states import LEGAL, PERMISSION
from headgate.releases.model.release import Kind, SignedFor, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.kernel.actor import Actor, Role
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Approval, Material, Release

_STOPPED = frozenset({State.HELD, State.FROZEN, State.NARROWED, State.CUT})


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that could be asked of a release now.

    Attributes:
        kind: What.
        may: Whether this person may ask for it.
        who: The roles whose holders may.
    """

    kind: Kind
    may: bool
    who: tuple[Role, ...]


def offers(release: Release, by: Actor) -> Mapping[Kind, Offer]:
    """Return what makes sense to ask of ``release`` now, and whether ``by`` may."""
    return {
        kind: Offer(kind, by.may(PERMISSION[kind]), tuple(role for role, held in PERMISSIONS.items() if PERMISSION[kind] in held))
        for kind in Kind
        if kind in LEGAL[release.state] and _sensible(release, kind)
    }


def _sensible(release: Release, kind: Kind) -> bool:  # noqa: PLR0911 - one line for each kind
    """Return whether a legal move would change anything that people ask for here."""
    match kind:
        case Kind.HOLD:
            return release.state in {State.LIVE, State.COMPLETED, State.SCHEDULED}
        case Kind.NARROW:
            return release.stage > 1
        case Kind.CUT:
            return release.state is not State.CUT
        case Kind.PROMOTE:
            return release.following is not None
        case Kind.COMPLETE:
            return release.following is None
        case Kind.DECLARE_RISK:
            return release.following is not None and not release.following.irreversible
        case Kind.WAIVE:
            following = release.following
            return release.current is not None and not (following is not None and following.irreversible)
        case Kind.APPROVE:
            return True
        case Kind.APPLY | Kind.FREEZE | Kind.UNFREEZE | Kind.DROP_APPROVALS | Kind.OVERDUE:
            return False  # plans have a page of their own, and the others are the controller's
        case _:
            return True


@dataclass(frozen=True, slots=True)
class Signatures:
    """Signatures that something waits for, as they stand.

    Attributes:
        gate_id: How status calls them.
        roles: The duties whose holders sign.
        wanted: How many it takes.
        signed: Those who have, first to last; only signatures that still count.
        missing: The duties that nobody has signed for yet.
        not_author: Whether the plan's author may not.
        counts_from: When they count, after a cool-off; ``None`` while they are not complete.
    """

    gate_id: str
    roles: tuple[Role, ...]
    wanted: int
    signed: tuple[Approval, ...]
    missing: tuple[Role, ...]
    not_author: bool
    counts_from: datetime | None

    @property
    def complete(self) -> bool:
        """Whether enough people have signed."""
        return self.counts_from is not None


def purpose_of(release: Release) -> SignedFor:
    """Return what a signature is for in the state that ``release`` is in."""
    return SignedFor.RESUME if release.state in _STOPPED - {State.FROZEN} else SignedFor.PROMOTE


def signatures(release: Release, present: Material) -> tuple[Signatures, ...]:
    """Return who has signed for what ``present`` is about, and who is missing.

    Args:
        release: The release.
        present: The evidence as it is, and what the signatures are for.
    """
    signed = approvals.standing(release.approvals, present)
    found: list[Signatures] = []
    for wanted in approvals.requirements(release, present.purpose, present.to):
        counted = tuple(
            sorted(
                (
                    approval
                    for approval in signed
                    if approval.roles & set(wanted.roles) and not (wanted.not_author and approval.by == release.author)
                ),
                key=lambda approval: approval.at,
            )
        )
        done_at = approvals.complete_at(wanted, signed, author=release.author)
        missing = () if done_at is not None else approvals.missing_roles(wanted, signed, author=release.author)
        found.append(
            Signatures(
                wanted.gate_id,
                wanted.roles,
                wanted.signatures,
                counted,
                missing,
                wanted.not_author,
                None if done_at is None else done_at + wanted.cool_off,
            )
        )
    return tuple(found)


def material_now(release: Release, assessment: Assessment, *, to: int | None = None) -> Material:
    """Return the evidence that somebody who signs now would sign under.

    Args:
        release: The release.
        assessment: What was read of it.
        to: For resuming a cut release: how many stages would be open.
    """
    purpose = purpose_of(release)
    if purpose is SignedFor.PROMOTE:
        position = release.stage + 1
    else:
        position = (to or assessment.stage + 1) if release.state is State.CUT else max(1, release.stage)
    return approvals.material(release, assessment, purpose, position)
