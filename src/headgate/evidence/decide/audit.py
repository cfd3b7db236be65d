"""What auditors from outside say.

An opinion counts when it is a third party's, names the scope that the gate names, is final, and is not too old. An adverse
opinion is a FAIL; a disclaimer, or an opinion worse than the plan accepts, leaves the question open. The worst opinion in
force decides: a second auditor does not outvote the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text
from headgate.evidence.decide.weighing import objects, reasons, silent, supports, together, unsettled, withheld
from headgate.evidence.model.cases import CaseReading, Weight
from headgate.evidence.model.filing import Opinion
from headgate.evidence.model.record import Kind, Relationship
from headgate.kernel.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model.cases import AuditClaim, Exhibit, Shelf, Weighed

_ORDER = tuple(Opinion)


def read_audit(shelf: Shelf, claim: AuditClaim, *, now: datetime) -> CaseReading:
    """Return what the opinions on ``shelf`` say of ``claim``. The same input gives the same reading, for ever."""
    weighed = (*(weigh(exhibit, claim, now=now) for exhibit in shelf.exhibits), *withheld(shelf))
    verdict = together(weighed, elsewhere=shelf.elsewhere)
    supporting = sum(record.weight is Weight.SUPPORTS for record in weighed)
    return CaseReading(
        verdict=verdict,
        sentence=_sentence(verdict, claim, weighed, elsewhere=shelf.elsewhere),
        numbers={
            "opinions": len(shelf.exhibits),
            "supporting": supporting,
            "objecting": sum(record.weight is Weight.OBJECTS for record in weighed),
            "progress": 1.0 if verdict is Verdict.PASS else 0.0,
        },
        weighed=weighed,
        need=f"an outside opinion on {claim.scope}" if verdict in {Verdict.INSUFFICIENT, Verdict.STALE} else None,
        not_shown=(
            "What the auditor was not shown, or had no access to.",
            "What has changed since the auditor looked.",
            *((f"What replaced opinions said: {count_text(shelf.superseded, 'opinion')}.",) if shelf.superseded else ()),
        ),
    )


def weigh(exhibit: Exhibit, claim: AuditClaim, *, now: datetime) -> Weighed:
    """Return what one opinion does to the claim."""
    if exhibit.kind is not Kind.AUDIT or exhibit.opinion is None:
        return silent(exhibit, "it is no opinion")
    said = exhibit.opinion.value
    if exhibit.opinion is Opinion.ADVERSE:
        return objects(exhibit, Verdict.FAIL, "the opinion is adverse")
    if _ORDER.index(exhibit.opinion) > _ORDER.index(claim.opinion):
        why = f"the opinion is {said}, and the plan asks for {claim.opinion.value}"
        return objects(exhibit, Verdict.INSUFFICIENT, why) if exhibit.final else silent(exhibit, f"{why}; it is preliminary")
    if (unfit := _unfit(exhibit)) is not None:
        return silent(exhibit, unfit)
    return supports(exhibit, f"the opinion is {said}", now=now, max_age=claim.max_age)


def _unfit(exhibit: Exhibit) -> str | None:
    """Return why a favourable opinion does not count, or ``None``."""
    if exhibit.relationship is not Relationship.THIRD_PARTY:
        return f"it is a {exhibit.relationship.value.replace('_', ' ')} opinion, not a third party's"
    if exhibit.opinion is Opinion.DISCLAIMER:
        return "the auditor could not see enough to say"
    return None if exhibit.final else "it is preliminary"


def _sentence(verdict: Verdict, claim: AuditClaim, weighed: tuple[Weighed, ...], *, elsewhere: int) -> str:
    match verdict:
        case Verdict.PASS:
            return f"{claim.scope} was audited from outside: {reasons(weighed, Weight.SUPPORTS)}."
        case Verdict.FAIL:
            return f"{claim.scope} is not as it is said to be: {reasons(weighed, Weight.OBJECTS)}."
        case _:
            why = unsettled(weighed, elsewhere=elsewhere, nothing="no opinion is filed for this version")
            return f"{claim.scope} is not shown to be audited from outside: {why}."
