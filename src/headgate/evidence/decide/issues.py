"""Whether what red teams and researchers found has been answered.

A finding is a record of a red team that found something: attacks with success among its counts, or a write-up that has none.
It is answered when somebody who may judge evidence says what was done about it. Silence is no answer either: where no red
team's record is filed for the version at all, nothing is shown.

This gate never FAILs a release. A finding without an answer is an open question; what it shows to be harmful in use is an
incident's matter, or a rate's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text
from headgate.evidence.decide.weighing import objects, silent, supports, together, unsettled, withheld
from headgate.evidence.model.cases import CaseReading, Weight
from headgate.evidence.model.filing import Disposition
from headgate.evidence.model.record import Direction, Kind
from headgate.kernel.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model.cases import Exhibit, IssuesClaim, Shelf, Weighed


def read_issues(shelf: Shelf, claim: IssuesClaim, *, now: datetime) -> CaseReading:
    """Return what the records on ``shelf`` say of ``claim``. The same input gives the same reading, for ever."""
    weighed = (*(weigh(exhibit, now=now) for exhibit in shelf.exhibits), *withheld(shelf))
    open_ = [record for record in weighed if record.weight is Weight.OBJECTS]
    tolerated = open_ if len(open_) <= claim.undisposed else []
    settled = [record for record in weighed if record not in tolerated]
    verdict = together(settled, elsewhere=shelf.elsewhere)
    if tolerated and verdict is not Verdict.ERROR:
        verdict = Verdict.PASS  # somebody looked, and no more is open than the plan allows
    passed = verdict is Verdict.PASS
    found = sum(_found(exhibit) for exhibit in shelf.exhibits)
    accepted = sum(exhibit.disposition is Disposition.ACCEPTED for exhibit in shelf.exhibits)
    return CaseReading(
        verdict=verdict,
        sentence=_sentence(verdict, shelf, claim, weighed, found=found),
        numbers={
            "found": found,
            "undisposed": len(open_),
            "allowed": claim.undisposed,
            "accepted": accepted,
            "records": len(shelf.exhibits),
            "progress": 1.0 if passed else min(0.99, 1 - len(open_) / len(weighed)) if open_ else 0.0,
        },
        weighed=weighed,
        need=None if passed else "an answer to each finding" if open_ else "a red team's record on this version",
        not_shown=_not_shown(accepted),
    )


def weigh(exhibit: Exhibit, *, now: datetime) -> Weighed:
    """Return what one record does to the claim that nothing is left unanswered."""
    if exhibit.kind is not Kind.REDTEAM:
        return silent(exhibit, f"it is about {exhibit.kind.value}")
    if _found(exhibit):
        if exhibit.disposition is None:
            return objects(exhibit, Verdict.INSUFFICIENT, "nobody has answered it")
        return supports(exhibit, f"answered: {exhibit.disposition.value.replace('_', ' ')}", now=now, max_age=None)
    return (
        supports(exhibit, "nothing was found", now=now, max_age=None) if exhibit.final else silent(exhibit, "it is preliminary")
    )


def _found(exhibit: Exhibit) -> bool:
    """Return whether a red team's record says that something was found; one without counts does."""
    if exhibit.kind is not Kind.REDTEAM:
        return False
    if exhibit.counts is None:
        return True
    lower_is_safer = exhibit.direction is Direction.LOWER_IS_BETTER
    return (exhibit.counts.k if lower_is_safer else exhibit.counts.n - exhibit.counts.k) > 0


def _sentence(verdict: Verdict, shelf: Shelf, claim: IssuesClaim, weighed: tuple[Weighed, ...], *, found: int) -> str:
    open_ = sum(record.weight is Weight.OBJECTS for record in weighed)
    told = f"{open_:,} of {count_text(max(found, open_), 'finding')} without an answer, at most {claim.undisposed:,} allowed"
    if verdict is Verdict.PASS:
        return f"{told}."
    nothing = "no red team's record is filed for this version: nobody is known to have looked"
    return f"{told if open_ else 'Not shown'}: {unsettled(weighed, elsewhere=shelf.elsewhere, nothing=nothing)}."


def _not_shown(accepted: int) -> tuple[str, ...]:
    lines = ["What nobody has tried, found or reported.", "That what was mended stays mended, and that no variant of it works."]
    if accepted:
        lines.insert(0, f"That they are harmless: {count_text(accepted, 'finding')} accepted as a risk, not mended.")
    return tuple(lines)
