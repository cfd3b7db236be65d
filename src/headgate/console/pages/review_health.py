"""How review is doing: what waits and since when, who agrees with whom, and what known harms say of the readers.

What gold items say is told only to those who answer for safety: whoever reviews could tell from it which item is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.console.visit import Screen, Shown, Visit
from headgate.kernel.actor import Permission
from headgate.kernel.errors import NotFound
from headgate.kernel.ids import StaffId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.console.desks import Desks
    from headgate.console.visit import Table

_PAGE = 50


def table(desks: Desks) -> Table:
    """Return the addresses of how review is doing."""
    review, golds = desks.safety.review, desks.safety.golds

    def names(visit: Visit, ids: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {visit.actor.id: visit.actor.name}
        for each in ids:
            found.setdefault(each, each)
            if not visit.actor.may(Permission.STAFF):
                continue  # who works here is for those to know who look after staff
            try:
                found[each] = desks.access.staff.get(StaffId(each), by=visit.actor).name
            except NotFound:
                continue
        return found

    def health(visit: Visit) -> Shown:
        found = review.health(by=visit.actor, now=visit.at)
        waiting = review.waiting(by=visit.actor)
        may_know = visit.actor.may(Permission.APPROVE)
        epochs = tuple(dict.fromkeys(each.epoch for each in waiting)) if may_know else ()
        given = {
            "health": found,
            "waiting": waiting,
            "names": names(visit, (count.reviewer for count in found.reviewers)),
            "monitor": desks.safety.sampling.monitor_health(),
            "may_know": may_know,
            "recognised": [(epoch, golds.results(epoch, by=visit.actor, now=visit.at)) for epoch in epochs],
        }
        return Shown("console/review_health.html", given)

    def queue(visit: Visit) -> Shown:
        after = visit.query.get("after")
        lines = review.queue(by=visit.actor, now=visit.at, limit=_PAGE + 1, after=after)
        more = lines[_PAGE - 1].item if len(lines) > _PAGE else None
        return Shown("console/review_queue.html", {"lines": lines[:_PAGE], "more": more, "after": after})

    return (
        Screen("/review/health", health, Permission.VIEW),
        Screen("/review/queue", queue, Permission.VIEW),
    )
