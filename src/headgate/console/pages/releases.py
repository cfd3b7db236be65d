"""The releases, side by side: how far each is open, what its gates say, and what blocks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.console.rail import STANDING, rail
from headgate.console.visit import Screen, Shown, Told, Visit
from headgate.kernel.actor import Permission
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table


def table(desks: Desks) -> Table:
    """Return the addresses of the releases."""

    def every(visit: Visit) -> Shown:
        releases = desks.releases.list(by=visit.actor)
        shown = [desks.releases.status(each, by=visit.actor) for each in releases if each.state is not State.WITHDRAWN]
        ended = [each for each in releases if each.state is State.WITHDRAWN]
        found = [(status, rail(status.release, {})) for status in shown]
        return Shown("console/releases.html", {"releases": found, "ended": ended, "standing": STANDING})

    def changes(visit: Visit) -> Told:
        del visit
        return Told({"seq": desks.ledger.head().size})

    return (
        Screen("/", every, Permission.VIEW),
        Screen("/changes", changes, Permission.VIEW),
    )
