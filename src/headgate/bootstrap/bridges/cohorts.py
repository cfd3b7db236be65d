"""Access keeps the cohorts that releases name: how many seats each has, and whether it takes people in.

The plan is the word: a cohort that a plan names and access does not know is made; one that has other seats than the plan says is
given the plan's; one whose release is frozen lets nobody new in. What a person froze stays frozen: only what was frozen from
here is opened again from here. Whoever is in stays in. Doing it again changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access.errors import CohortExists, CohortNotFound
from headgate.access.model import CohortState
from headgate.kernel.actor import Actor, Permission
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.access.service import Access
    from headgate.ledger.service import Ledger
    from headgate.releases.model.release import Release

KEEPER = Actor.system("cohorts", Permission.COHORT, Permission.VIEW)
"""Who carries a plan's seats over to access."""

_OVER = frozenset({State.DRAFT, State.WITHDRAWN})


def keep_cohorts(releases: Iterable[Release], access: Access, ledger: Ledger) -> int:
    """Make access agree with the plans that are carried out; return how many cohorts changed.

    Args:
        releases: All releases, newest first; where two name one cohort, the newer one's seats count.
        access: Who gets in.
        ledger: Tells who froze a cohort.

    Raises:
        Unavailable: Access does not answer; what was done before stays done.
    """
    wanted: dict[str, tuple[int | None, str | None, CohortState]] = {}
    for release in releases:
        if release.state in _OVER:
            continue
        for stage in release.plan.stages:
            frozen = release.state is State.FROZEN or wanted.get(stage.who.cohort, (0, "", None))[2] is CohortState.FROZEN
            seats, terms, _ = wanted.get(stage.who.cohort, (stage.who.seats, stage.who.terms, None))
            wanted[stage.who.cohort] = (seats, terms, CohortState.FROZEN if frozen else CohortState.OPEN)
    return sum(_keep(access, ledger, name, *asked) for name, asked in wanted.items())


def _keep(access: Access, ledger: Ledger, name: str, seats: int | None, terms: str | None, state: CohortState) -> bool:
    try:
        cohort = access.cohorts.get(name, by=KEEPER).cohort
    except CohortNotFound:
        try:
            cohort = access.cohorts.add(name, seats=seats, terms_version=terms, by=KEEPER)
        except CohortExists:
            return False  # another steward was faster
        if state is CohortState.OPEN:
            return True
    if cohort.state is CohortState.FROZEN and not _frozen_from_here(ledger, name):
        state = CohortState.FROZEN
    if (cohort.seats, cohort.state) == (seats, state):
        return False
    access.cohorts.change(name, seats=seats, state=state, by=KEEPER)
    return True


def _frozen_from_here(ledger: Ledger, name: str) -> bool:
    """Return whether the last change of a cohort's state was made from here."""
    after, last = 0, ""
    while changes := ledger.search(kind="cohort.changed", subject=name, after=after):
        after, last = changes[-1].seq, changes[-1].entry.actor
    return last == KEEPER.id
