"""What may follow what: the moves of a seat, of its terms, of a key, and of the staff.

Each rule takes what is on record and returns what shall be; a move that is not listed is refused. Narrowing is legal from
every state that is not over; nothing leads back from an end.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import FULL_PERCENT, listed
from headgate.access.decide.use import key_state_of, resting_state, state_of
from headgate.access.model import GrantState, KeyState
from headgate.kernel.actor import PERMISSIONS, Permission

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from headgate.access.model import Cohort, Grant, Key, Staff
    from headgate.kernel.actor import Role
    from headgate.kernel.ids import KeyId


class GrantMove(Enum):
    """What can be done to a seat."""

    LIMIT = "limit"
    UNLIMIT = "unlimit"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


OPEN_GRANTS = frozenset(GrantState) - {GrantState.ENDED}

GRANT_MOVES: dict[GrantMove, frozenset[GrantState]] = {
    GrantMove.LIMIT: OPEN_GRANTS,
    GrantMove.UNLIMIT: OPEN_GRANTS,
    GrantMove.PAUSE: OPEN_GRANTS - {GrantState.PAUSED},
    GrantMove.RESUME: frozenset({GrantState.PAUSED}),
    GrantMove.END: OPEN_GRANTS,
}
"""From where each move may be made; what is not listed is refused."""

ROTATABLE_KEYS = frozenset({KeyState.ACTIVE, KeyState.QUARANTINED, KeyState.EXPIRED})
"""The states from which a key may get a successor; only an active one keeps working beside it."""

REVOCABLE_KEYS = frozenset(KeyState) - {KeyState.REVOKED}
"""Everything that is not revoked yet can be."""


def moved(grant: Grant, cohort: Cohort, move: GrantMove, *, now: datetime, percent: int | None = None) -> Grant:
    """Return a seat after a move.

    Args:
        grant: The seat.
        cohort: The cohort that it is in.
        move: What is done.
        now: The present instant.
        percent: For ``LIMIT``: the share of the stage's quota that is left, 1 to 99.

    Raises:
        GrantExpired: Its end date has passed.
        GrantEnded: It was ended before.
        GrantMoveIllegal: The move leads nowhere from its state.
        GrantInvalid: The share is out of range.
    """
    state = state_of(grant, cohort, now=now)
    if state is GrantState.ENDED:
        if grant.state is GrantState.ENDED:
            raise errors.GrantEnded("This grant has ended.", rule=f"state of {grant.id}", help="Decide on a new grant.")
        raise errors.GrantExpired("This grant's end date has passed.", rule=f"end of {grant.id}", help="Decide on a new grant.")
    if state not in GRANT_MOVES[move]:
        raise errors.GrantMoveIllegal(
            f"A grant that is {state.value} cannot {move.value}.",
            rule=f"{move.value} from {listed(s.value for s in GRANT_MOVES[move])}",
            help="Look at the grant again: somebody may have moved it.",
        )
    match move:
        case GrantMove.END:
            return replace(grant, state=GrantState.ENDED)
        case GrantMove.PAUSE:
            return replace(grant, state=GrantState.PAUSED)
        case GrantMove.RESUME:
            return replace(grant, state=resting_state(grant, cohort, now=now))
        case GrantMove.LIMIT | GrantMove.UNLIMIT:
            share = FULL_PERCENT if move is GrantMove.UNLIMIT else _share(percent)
            changed = replace(grant, limited_to_percent=share)
            held = grant.state in {GrantState.PAUSED, GrantState.PENDING_TERMS}
            return changed if held else replace(changed, state=resting_state(changed, cohort, now=now))


def accepted(grant: Grant, cohort: Cohort, version: str, *, now: datetime) -> Grant:
    """Return a seat whose holder has accepted a version of the terms.

    Raises:
        GrantEnded: The seat is over.
        TermsSuperseded: Another version is in force.
    """
    if state_of(grant, cohort, now=now) is GrantState.ENDED:
        raise errors.GrantEnded("This grant has ended.", rule=f"state of {grant.id}", help="Apply for a new grant.")
    if version != cohort.terms_version:
        raise errors.TermsSuperseded(
            f"Version {cohort.terms_version} of the terms is in force.",
            rule=f"terms of {cohort.name}",
            help=f"Read {cohort.terms_url or 'it'}, then accept version {cohort.terms_version}.",
            link=cohort.terms_url,
        )
    changed = replace(grant, terms_version=version, terms_due_at=None)
    if grant.state is GrantState.PAUSED:
        return changed
    return replace(changed, state=resting_state(changed, cohort, now=now))


def rotated(key: Key, successor: KeyId, *, now: datetime, overlap: timedelta) -> Key:
    """Return a key that has been given a successor.

    An active key keeps working for ``overlap``; a quarantined or expired one gets none and is revoked.

    Raises:
        KeyMoveIllegal: It is revoked, or has a successor already.
        KeyInvalid: The overlap is negative.
    """
    if overlap.total_seconds() < 0:
        raise errors.KeyInvalid("An overlap cannot be negative.", help="Write 0s for none, or a span such as 24h.")
    state = key_state_of(key, now=now)
    if key.state not in ROTATABLE_KEYS or key.replaced_by is not None:
        raise errors.KeyMoveIllegal(
            f"A key that is {key.state.value} cannot be rotated.",
            rule=f"state of {key.id}",
            help=f"Rotate its successor, {key.replaced_by}." if key.replaced_by else "Issue a new key of the grant.",
        )
    if state is KeyState.ACTIVE and overlap.total_seconds() > 0:
        return replace(key, state=KeyState.ROTATING, replaced_by=successor, retires_at=min(now + overlap, key.expires_at))
    return replace(key, state=KeyState.REVOKED, replaced_by=successor, retires_at=now)


def _share(percent: int | None) -> int:
    if percent is None or not 1 <= percent < FULL_PERCENT:
        raise errors.GrantInvalid(
            "A limit is a share of the stage's quota from 1 to 99 percent.", help="To stop it altogether, pause the grant."
        )
    return percent


def may_lose(member: Staff, active: Iterable[Staff]) -> bool:
    """Return whether somebody who may manage staff is left when this member goes."""
    return any(other.id != member.id and manages_staff(other.roles) for other in active)


def may_lose_a_way_in(member: Staff, ways: int, active: Iterable[Staff]) -> bool:
    """Return whether a member may lose one of the ways in that are theirs to keep: passkeys, and accounts at a provider.

    The only one who may manage staff keeps the last, because nobody could make them a link in the console.
    """
    return ways > 1 or not manages_staff(member.roles) or may_lose(member, active)


def manages_staff(roles: Iterable[Role]) -> bool:
    """Return whether these duties allow managing staff."""
    return any(Permission.STAFF in PERMISSIONS[role] for role in roles)
