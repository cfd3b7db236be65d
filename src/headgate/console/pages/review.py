"""Reading the sample: an item at a time, its summary before its content, one key or one press for each decision.

A reader's page is one section that every command answers with anew: as a page for whoever has no script, as the section alone
for a script, which puts it in the place of the one before. So what a stranger wrote is made into markup in one place, and
escaped there. The page says nothing of earlier opinions and nothing of what an item is there for; the service does not tell it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.kernel.actor import Permission
from headgate.safety.errors import ClaimLost, EnoughForToday, LabelInvalid, NothingToUndo
from headgate.safety.model import LEFT_COUNTED, OTHER, Confidence, Severity
from headgate.safety.ports import Wish
from headgate.safety.service.review import Answer
from headgate.safety.wire.shown import sides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.console.desks import Desks
    from headgate.console.visit import Answer as Page
    from headgate.console.visit import Table
    from headgate.safety.model import ReviewItem

_SCRIPT = "script"
VEILS = {"flagged": "flagged content", "all": "all content", "none": "nothing"}
"""What is hidden until it is asked for."""
LOST = (
    "Somebody else has that item now: it had been in your hands for longer than it stays there. What you said of it was not "
    "counted, and nothing is lost."
)
_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Asked:
    """Which items a reader wants, and how they want them shown.

    Attributes:
        hazard: Only those that wait for this hazard; empty for any.
        release: Only those of this release; empty for any.
        veil: What is hidden until it is asked for.
    """

    hazard: str = ""
    release: str = ""
    veil: str = "flagged"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Asked:
        """Return what an address or a form asks for; what nobody offers asks for nothing."""
        given = {name: value for name in ("hazard", "release", "veil") if isinstance(value := said.get(name), str)}
        veil = given.get("veil", "flagged")
        return cls(given.get("hazard", ""), given.get("release", ""), veil if veil in VEILS else "flagged")

    @property
    def wish(self) -> Wish:
        """The same for the queue."""
        return Wish(self.hazard or None, self.release or None)

    @property
    def query(self) -> str:
        """The same as the end of an address; empty when it asks for nothing."""
        said = {"hazard": self.hazard, "release": self.release, "veil": "" if self.veil == "flagged" else self.veil}
        text = urlencode({name: value for name, value in said.items() if value})
        return f"?{text}" if text else ""


class Reading:
    """A reader at the page.

    Args:
        desks: The services.
        at: Where the console is.
    """

    def __init__(self, desks: Desks, at: str) -> None:
        self._desks = desks
        self._review = desks.safety.review
        self._home = f"{at}/review"

    def page(self, visit: Visit) -> Shown:
        """Show the item in hand, or where to begin."""
        asked = Asked.of(visit.query)
        if not (visit.actor.may(Permission.REVIEW) and visit.actor.may(Permission.READ_CONTENT)):
            return Shown("console/review_not_yours.html")
        item = self._review.held(by=visit.actor, now=visit.at, wish=asked.wish)
        return self._shown(visit, asked, item, whole=True)

    def next(self, visit: Visit) -> Page:
        """Take the next item."""
        return self._go_on(visit, "")

    def label(self, visit: Visit) -> Page:
        """Take what the reader says of the item in hand, and go on."""
        try:
            answer = _answer(visit, self._hazards(visit))
            self._review.label(visit.said("item"), answer, revision=_revision(visit), by=visit.actor, now=visit.at)
        except ClaimLost:
            return self._go_on(visit, LOST)
        except LabelInvalid as wrong:
            item = self._review.held(by=visit.actor, now=visit.at)
            trouble = f"{wrong.message} {wrong.help or ''}".strip()
            whole = visit.said("as") != _SCRIPT
            return self._shown(visit, Asked.of(visit.form), item, whole=whole, trouble=trouble, status=_UNPROCESSABLE)
        return self._go_on(visit, _told(answer))

    def skip(self, visit: Visit) -> Page:
        """Leave the item in hand to somebody else, and go on."""
        try:
            self._review.skip(visit.said("item"), revision=_revision(visit), by=visit.actor, now=visit.at)
        except ClaimLost:
            return self._go_on(visit, LOST)
        return self._go_on(visit, "Skipped; somebody else will read it.")

    def undo(self, visit: Visit) -> Page:
        """Take the last label back, and show its item again."""
        asked = Asked.of(visit.form)
        try:
            self._review.undo(by=visit.actor, now=visit.at)
            told = "Taken back. This is the item that you labelled last."
        except NothingToUndo as nothing:
            told = f"{nothing.message} {nothing.help or ''}".strip()
        if visit.said("as") != _SCRIPT:
            return Went(f"{self._home}{asked.query}", told)
        return self._shown(visit, asked, self._review.held(by=visit.actor, now=visit.at, wish=asked.wish), told=told)

    def _go_on(self, visit: Visit, told: str) -> Page:
        asked = Asked.of(visit.form)
        script = visit.said("as") == _SCRIPT
        try:
            if not script:
                taken = self._review.claim(by=visit.actor, now=visit.at, wish=asked.wish)
                return Went(f"{self._home}{asked.query}", told or ("" if taken else "Nothing is left for you to review."))
            item = self._review.next(by=visit.actor, now=visit.at, wish=asked.wish)
        except EnoughForToday as enough:
            said = " ".join(each for each in (told, enough.message, enough.help) if each)
            return self._shown(visit, asked, None, told=said) if script else Went(f"{self._home}{asked.query}", said)
        return self._shown(visit, asked, item, told=told)

    def _shown(
        self,
        visit: Visit,
        asked: Asked,
        item: ReviewItem | None,
        *,
        whole: bool = False,
        told: str = "",
        trouble: str = "",
        status: int = 200,
    ) -> Shown:
        given = {
            "asked": asked,
            "item": item,
            "sides": None if item is None or item.texts is None else sides(item.texts, item.marks),
            "veiled": item is not None and (asked.veil == "all" or (asked.veil == "flagged" and item.flagged)),
            "kinds": () if item is None else self._review.kinds(item.release_id, by=visit.actor),
            "severities": tuple(Severity),
            "day": self._review.day(by=visit.actor, now=visit.at),
            "chosen": _chosen(visit),
            "told": told,
            "trouble": trouble,
            "other": OTHER,
            "many": LEFT_COUNTED,
        }
        if not whole:
            return Shown("console/review_item.html", given, status)
        releases = self._desks.releases.list(by=visit.actor)
        hazards = sorted({hazard for release in releases for hazard in release.plan.hazards})
        return Shown("console/review.html", {**given, "releases": releases, "hazards": hazards, "veils": VEILS}, status)

    def _hazards(self, visit: Visit) -> tuple[str, ...]:
        return self._review.hazards(visit.said("item"), by=visit.actor)


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of reading."""
    reading = Reading(desks, at)
    return (
        Screen("/review", reading.page, Permission.VIEW),
        Deed("/review/next", reading.next, Permission.REVIEW),
        Deed("/review/label", reading.label, Permission.REVIEW),
        Deed("/review/skip", reading.skip, Permission.REVIEW),
        Deed("/review/undo", reading.undo, Permission.REVIEW),
    )


def _answer(visit: Visit, hazards: tuple[str, ...]) -> Answer:
    found = visit.said("found")
    note = visit.said("note")
    confidence = Confidence.UNSURE if visit.said("unsure") else Confidence.SURE
    if found == "unreadable":
        return Answer(None, confidence=confidence, note=note)
    if found == "none":
        return Answer(dict.fromkeys(hazards, False), confidence=confidence, note=note)
    if found != "harm":
        raise LabelInvalid("Say whether there is harm, or that it cannot be reviewed.")
    said = {harm for harm in visit.form.getlist("harm") if isinstance(harm, str)}
    if not said:
        raise LabelInvalid("A harm is of at least one kind: tick it.", help="Or press “no harm”.")
    harms = {hazard: hazard in said for hazard in hazards} | dict.fromkeys(said, True)
    return Answer(harms, severity_of(visit), confidence, note, visit.said("kind") or None)


def severity_of(visit: Visit) -> Severity | None:
    """Return the severity that a form gives.

    Raises:
        LabelInvalid: There is no such severity.
    """
    said = visit.said("severity")
    try:
        return Severity(said) if said else None
    except ValueError:
        raise LabelInvalid("There is no such severity.") from None


def _revision(visit: Visit) -> int:
    text = visit.said("revision")
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - the digits of 64 bits
        raise LabelInvalid("The form does not say which state of the item was read.", help="Take the item again.")
    return int(text)


def _chosen(visit: Visit) -> dict[str, Any]:
    """Return what the reader had filled in, for a form that was not taken."""
    return {
        "harms": frozenset(visit.form.getlist("harm")),
        "severity": visit.said("severity"),
        "unsure": bool(visit.said("unsure")),
        "note": visit.said("note"),
        "kind": visit.said("kind"),
    }


def _told(answer: Answer) -> str:
    if answer.harms is None:
        return "Labelled: it cannot be reviewed."
    found = [hazard.replace("_", " ") for hazard, harm in answer.harms.items() if harm]
    return f"Labelled: {', '.join(found)}." if found else "Labelled: no harm."
