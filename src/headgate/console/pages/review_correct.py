"""Correcting a label that stands: first what stands, then what would change, then a reason.

A correction moves the evidence. It is looked at before it is done, and whoever does it has proved lately that it is they.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headgate.console.pages.review import severity_of
from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError, Invalid, NotFound, Refused
from headgate.safety.decide import check_label
from headgate.safety.errors import LabelInvalid
from headgate.safety.model import OTHER, Severity
from headgate.safety.wire.shown import Sides, sides

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table

_UNPROCESSABLE = 422
_TEMPLATE = "console/review_correct.html"


class Correcting:
    """Somebody who corrects a label.

    Args:
        desks: The services.
        at: Where the console is.
    """

    def __init__(self, desks: Desks, at: str) -> None:
        self._review = desks.safety.review
        self._home = f"{at}/review/correct"

    def page(self, visit: Visit) -> Shown:
        """Ask for an item, or show what stands for it."""
        return self._shown(visit, visit.query.get("item", "").strip())

    def read(self, visit: Visit) -> Shown:
        """Show what was said in the item, too."""
        item = visit.said("item")
        texts = self._review.read_again(item, by=visit.actor)
        return self._shown(visit, item, read=True, said=None if texts is None else sides(texts, ()))

    def preview(self, visit: Visit) -> Shown:
        """Show what a correction would change; nothing is done."""
        item = visit.said("item")
        try:
            harms, severity = self._wanted(visit, item)
        except LabelInvalid as wrong:
            return self._shown(visit, item, trouble=wrong, status=_UNPROCESSABLE)
        standing = self._review.settled(item, by=visit.actor).standings
        changes = [(hazard, standing[hazard], harm) for hazard, harm in harms.items()]
        moved = [change for change in changes if change[1].counts_as_harm is not change[2]]
        lifts = any(before.counts_as_harm and not harm for _, before, harm in changes)
        return self._shown(visit, item, preview={"changes": moved, "lifts": lifts, "harms": harms, "severity": severity})

    def correct(self, visit: Visit) -> Shown | Went:
        """Replace what stands."""
        item = visit.said("item")
        try:
            harms, severity = self._wanted(visit, item)
            self._review.correct(
                item,
                harms,
                severity=severity,
                reason=visit.said("reason"),
                by=visit.actor,
                now=visit.at,
                kind=visit.said("kind") or None,
            )
        except LabelInvalid as wrong:
            return self._shown(visit, item, trouble=wrong, status=_UNPROCESSABLE)
        return Went(f"{self._home}?item={quote(item)}", "Corrected. Gates and alarms that read it have moved with it.")

    def _wanted(self, visit: Visit, item: str) -> tuple[dict[str, bool], Severity | None]:
        hazards = self._review.hazards(item, by=visit.actor)
        said = {harm for harm in visit.form.getlist("harm") if isinstance(harm, str)}
        harms, severity = dict.fromkeys(hazards, False) | dict.fromkeys(said, True), severity_of(visit)
        check_label(hazards, harms, severity, visit.said("reason"))
        return harms, severity

    def _shown(
        self,
        visit: Visit,
        item: str,
        *,
        trouble: HeadgateError | None = None,
        preview: dict[str, Any] | None = None,
        read: bool = False,
        said: Sides | None = None,
        status: int = 200,
    ) -> Shown:
        settled = None
        if item:
            try:
                settled = self._review.settled(item, by=visit.actor)
            except (NotFound, Refused, Invalid) as why:
                trouble = trouble or why
        given = {
            "item": item,
            "settled": settled,
            "trouble": trouble,
            "preview": preview,
            "read": read,
            "sides": said,
            "severities": tuple(Severity),
            "other": OTHER,
            "chosen": {"reason": visit.said("reason"), "kind": visit.said("kind")},
        }
        return Shown(_TEMPLATE, given, status)


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of correcting."""
    correcting = Correcting(desks, at)
    return (
        Screen("/review/correct", correcting.page, Permission.REVIEW),
        Deed("/review/correct/read", correcting.read, Permission.READ_CONTENT),
        Deed("/review/correct/preview", correcting.preview, Permission.REVIEW),
        Deed("/review/correct", correcting.correct, Permission.REVIEW, confirmed=True),
    )
