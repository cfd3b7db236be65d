"""The releases, side by side: how far each is open, what its gates say, and what blocks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.console.visit import Screen, Shown, Told, Visit
from headgate.kernel.actor import Permission

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table


def table(desks: Desks) -> Table:
    """Return the addresses of the releases."""

    def every(visit: Visit) -> Shown:
        releases = desks.releases.list(by=visit.actor)
        found = [desks.releases.status(each, by=visit.actor) for each in releases]
        return Shown("console/releases.html", {"releases": found})

    def changes(visit: Visit) -> Told:
        del visit
        return Told({"seq": desks.ledger.head().size})

    return (
        Screen("/", every, Permission.VIEW),
        Screen("/changes", changes, Permission.VIEW),
    )
