"""Handing evidence in: the page shows what was understood of a file before anything is filed.

Nothing is kept between looking and filing. Whoever has no script chooses the file again; it is filed only if it is the very file
that was looked at.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

from starlette.datastructures import UploadFile

from headgate.console.pages.evidence import chosen
from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.evidence.errors import EvidenceDuplicate, FilingInvalid
from headgate.evidence.importers.interface import Unfit
from headgate.evidence.model.filing import Opinion, Statement
from headgate.evidence.model.record import Access, Direction, Effort, Elicitation, Evaluator, Kind, Relationship, Status
from headgate.evidence.service import Declaration, HandedIn
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError, NotFound
from headgate.kernel.units import parse_span

if TYPE_CHECKING:
    from datetime import timedelta
    from enum import Enum

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.evidence.service import Understood

_E = TypeVar("_E", bound="Enum")
_UNPROCESSABLE = 422
_FIELDS = (
    *("release", "kind", "suite", "domain", "expires", "direction", "effort", "steps", "attempts", "elicited", "evaluator"),
    *("relationship", "access", "status", "produced", "title", "opinion"),
)
_AT_FIRST = {"expires": "180d", "attempts": "1", "status": "final", "relationship": "first_party"}
_CHOICES: dict[str, type[Enum]] = {
    "kinds": Kind,
    "directions": Direction,
    "efforts": Effort,
    "relationships": Relationship,
    "accesses": Access,
    "statuses": Status,
    "opinions": Opinion,
}


class Handing:
    """Somebody who hands evidence in.

    Args:
        desks: The services.
        at: Where the console is.
    """

    def __init__(self, desks: Desks, at: str) -> None:
        self._desks = desks
        self._home = f"{at}/evidence"

    def page(self, visit: Visit) -> Shown:
        """Show the empty form."""
        return self._shown(visit)

    def understood(self, visit: Visit) -> Shown:
        """Show what was understood of a file; nothing is filed."""
        try:
            found = self._desks.filing.understood(_handed(visit), _declared(visit), by=visit.actor)
        except (FilingInvalid, Unfit, EvidenceDuplicate, NotFound) as why:
            return self._shown(visit, trouble=why)
        return self._shown(visit, found=found)

    def file(self, visit: Visit) -> Shown | Went:
        """File it, if it is the file that was looked at."""
        try:
            handed, declared = _handed(visit), _declared(visit)
            found = self._desks.filing.understood(handed, declared, by=visit.actor)
            if found.sha256 != visit.said("seen"):
                other = FilingInvalid("This is not the file that was looked at.", help="See what was understood of this one.")
                return self._shown(visit, trouble=other, found=found)
            handed.file.seek(0)
            added = self._desks.filing.add(handed, declared, by=visit.actor)
        except (FilingInvalid, Unfit, EvidenceDuplicate, NotFound) as why:
            return self._shown(visit, trouble=why)
        count = len(added.filed)
        said = "Filed: one record." if count == 1 else f"Filed: {count:,} records."
        return Went(f"{self._home}/{added.filed[0].id}" if count == 1 else self._home, said)

    def _shown(self, visit: Visit, *, trouble: HeadgateError | None = None, found: Understood | None = None) -> Shown:
        first = _AT_FIRST if not visit.form else {}
        given = {
            "filled": {name: visit.said(name) or first.get(name, "") for name in _FIELDS},
            "releases": self._desks.releases.list(by=visit.actor),
            "trouble": trouble,
            "understood": found,
            **{name: tuple(of) for name, of in _CHOICES.items()},
        }
        return Shown("console/evidence_new.html", given, 200 if trouble is None else _UNPROCESSABLE)


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of handing evidence in."""
    handing = Handing(desks, at)
    return (
        Screen("/evidence/new", handing.page, Permission.FILE_EVIDENCE),
        Deed("/evidence/understood", handing.understood, Permission.FILE_EVIDENCE),
        Deed("/evidence", handing.file, Permission.FILE_EVIDENCE),
    )


def _handed(visit: Visit) -> HandedIn:
    file = visit.form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise FilingInvalid("No file was chosen.", help="Choose the file of results, or the document.")
    file.file.seek(0)
    return HandedIn(BytesIO(file.file.read()), file.filename)


def _declared(visit: Visit) -> Declaration:
    title, opinion = visit.said("title"), visit.said("opinion")
    who = visit.said("evaluator")
    return Declaration(
        release=visit.said("release"),
        kind=_one(Kind, visit, "kind"),
        suite=visit.said("suite"),
        domain=visit.said("domain") or visit.said("suite"),
        valid_for=_span(visit.said("expires")),
        direction=None if not visit.said("direction") else _one(Direction, visit, "direction"),
        elicitation=Elicitation(
            effort=_one(Effort, visit, "effort", Effort.UNSTATED),
            steps=tuple(step for each in visit.said("steps").split(",") if (step := each.strip())),
            attempts=_whole(visit.said("attempts") or "1"),
            note=visit.said("elicited"),
        ),
        evaluator=None
        if not who
        else Evaluator(
            who,
            _one(Relationship, visit, "relationship", Relationship.FIRST_PARTY),
            _one(Access, visit, "access", Access.UNSTATED),
        ),
        status=_one(Status, visit, "status", Status.FINAL),
        produced_at=_day(visit.said("produced")),
        statement=None if not title and not opinion else Statement(title, _one(Opinion, visit, "opinion") if opinion else None),
    )


def _one(of: type[_E], visit: Visit, name: str, otherwise: _E | None = None) -> _E:
    said = visit.said(name)
    found = otherwise if not said else chosen(of, said)
    if found is None:
        raise FilingInvalid(f"Say which {name} it is: {', '.join(str(member.value) for member in of)}.")
    return found


def _span(text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as wrong:
        raise FilingInvalid(f"How long it counts is {wrong}") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 8 and int(text)):  # noqa: PLR2004 - a million tries, no more
        raise FilingInvalid("Tries at an item are a whole number, at least 1.")
    return int(text)


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise FilingInvalid("The day of the measurement is no date.", help="Write it like 2026-03-02.") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
