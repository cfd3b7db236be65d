"""How several records together answer a claim, and what becomes of the answer when one is left out.

Each record is weighed by itself. One that shows the claim supports it, until it is too old. One that was meant to settle it
and does not, or shows the opposite, objects, however old it is: support ages, objections do not. The claim passes when a
record supports it and none objects. So of two results the better one is never picked: a suite that was measured twice passes
twice, or somebody puts the later result in the place of the earlier one, by name and with a reason.

**Leaving a record out never makes a claim pass** (``without``). What supports is simply gone. What objects leaves an open
question behind: it is known that something was found, and not any more what. Hence, for every set of records and every one
of them:

* without it the verdict is PASS only if it was PASS with it;
* an INSUFFICIENT never turns into anything better;
* FAIL, ERROR and STALE stay what they are unless the record that said so is the one left out. Then the verdict may become
  INSUFFICIENT, because nobody may claim that a harm is shown with nothing to show for it; it is not better for the release.

*Proof.* A claim passes only with no objection and nothing withheld. Leaving out a supporting, aged or silent record takes
away no objection; leaving out an objecting one puts a withheld record in its place. So objections never become fewer than
one where there was one, and support never grows. ∎ ``tests/unit/evidence/test_leaving_out.py`` tries it on every claim.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.evidence.model.cases import Shelf, Weighed, Weight
from headgate.kernel.verdict import Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from headgate.evidence.model.cases import Exhibit
    from headgate.kernel.ids import EvidenceId

_MOST_NAMED = 3


def together(weighed: Iterable[Weighed], *, elsewhere: int) -> Verdict:
    """Return what records say together.

    Args:
        weighed: Each record that counts for the version, and each that is withheld.
        elsewhere: How many records of the same thing count for other versions only.

    Returns:
        The worst objection; of none, PASS if anything supports, STALE if something once did or is about another version,
        and INSUFFICIENT of nothing at all.
    """
    records = tuple(weighed)
    objections = [record.verdict for record in records if record.weight is Weight.OBJECTS]
    if objections:
        return worst(objections)
    weights = {record.weight for record in records}
    if Weight.SUPPORTS in weights:
        return Verdict.PASS
    if Weight.AGED in weights or (not records and elsewhere):
        return Verdict.STALE
    return Verdict.INSUFFICIENT


def supports(exhibit: Exhibit, why: str, *, now: datetime, max_age: timedelta | None) -> Weighed:
    """Return the weight of a record that shows the claim: it is too old, or it supports.

    Args:
        exhibit: The record.
        why: What it shows.
        now: The present instant.
        max_age: How old it may be; until it expires when ``None``.
    """
    if now >= exhibit.expires_at:
        return Weighed(exhibit.id, Weight.AGED, Verdict.STALE, f"expired on {exhibit.expires_at:%Y-%m-%d}")
    if max_age is not None and now - exhibit.produced_at > max_age:
        why = f"measured on {exhibit.produced_at:%Y-%m-%d}, which is too long ago"
        return Weighed(exhibit.id, Weight.AGED, Verdict.STALE, why)
    return Weighed(exhibit.id, Weight.SUPPORTS, Verdict.PASS, why)


def objects(exhibit: Exhibit, verdict: Verdict, why: str) -> Weighed:
    """Return the weight of a record that speaks against the claim; ``verdict`` is never PASS."""
    return Weighed(exhibit.id, Weight.OBJECTS, verdict, why)


def silent(exhibit: Exhibit, why: str) -> Weighed:
    """Return the weight of a record that cannot count."""
    return Weighed(exhibit.id, Weight.SILENT, Verdict.INSUFFICIENT, why)


def withheld(shelf: Shelf) -> tuple[Weighed, ...]:
    """Return the open questions that records which are not there leave behind."""
    why = "it spoke against the claim and is left out"
    return tuple(Weighed(missing, Weight.OBJECTS, Verdict.INSUFFICIENT, why) for missing in shelf.withheld)


def without(shelf: Shelf, weighed: Iterable[Weighed], id: EvidenceId) -> Shelf:
    """Return the records without one of them.

    Args:
        shelf: The records.
        weighed: Each of them, weighed.
        id: The one to leave out; one that is not there changes nothing.
    """
    if not any(exhibit.id == id for exhibit in shelf.exhibits):
        return shelf
    objected = any(record.id == id and record.weight is Weight.OBJECTS for record in weighed)
    rest = tuple(exhibit for exhibit in shelf.exhibits if exhibit.id != id)
    return replace(shelf, exhibits=rest, withheld=(*shelf.withheld, id) if objected else shelf.withheld)


def reasons(weighed: Iterable[Weighed], weight: Weight) -> str:
    """Return why records have a weight, the first few by name; empty when none has."""
    told = [f"{record.id}: {record.why}" for record in weighed if record.weight is weight]
    more = f" and {len(told) - _MOST_NAMED:,} more" if len(told) > _MOST_NAMED else ""
    return "; ".join(told[:_MOST_NAMED]) + more


def unsettled(weighed: tuple[Weighed, ...], *, elsewhere: int, nothing: str) -> str:
    """Return why a claim is neither shown nor refuted, in one clause.

    Args:
        weighed: Each record.
        elsewhere: Records that count for other versions only.
        nothing: What is missing when there is no record at all.
    """
    for weight in (Weight.OBJECTS, Weight.AGED, Weight.SILENT):
        if told := reasons(weighed, weight):
            return told
    if elsewhere:
        return f"{nothing}; {elsewhere:,} about other versions, and nobody carried them over"
    return nothing
