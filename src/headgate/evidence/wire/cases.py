"""A claim on filed records with everything that its reading was worked out from, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from headgate.evidence.decide import cases
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.cases import AuditClaim, EvaluationClaim, IssuesClaim, Shelf
from headgate.evidence.wire import FORMAT, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.cases import CaseReading, Claim
    from headgate.kernel.ids import EvidenceId

EVALUATION = "evaluation"
ISSUES = "issues"
AUDIT = "audit"

_CLAIMS: dict[str, type[EvaluationClaim | IssuesClaim | AuditClaim]] = {
    EVALUATION: EvaluationClaim,
    ISSUES: IssuesClaim,
    AUDIT: AuditClaim,
}
_KINDS = {of: kind for kind, of in _CLAIMS.items()}


def inputs(shelf: Shelf, claim: Claim, *, now: datetime) -> dict[str, Any]:
    """Return the inputs of a reading of ``claim``."""
    return {
        "format": FORMAT,
        "kind": _KINDS[type(claim)],
        "claim": encode(claim),
        "shelf": encode(shelf),
        "now": now.isoformat(),
    }


def replay(inputs: Mapping[str, Any]) -> CaseReading:
    """Work a reading out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of a reading of filed records.
    """
    shelf, claim, now = _read(inputs)
    return cases.read(shelf, claim, now=now)


def claim_of(inputs: Mapping[str, Any]) -> Claim:
    """Return the claim that inputs are about.

    Raises:
        NotEvidence: They are not the inputs of a reading of filed records.
    """
    return _read(inputs)[1]


def used(inputs: Mapping[str, Any]) -> tuple[EvidenceId, ...]:
    """Return the records that a reading looked at.

    Raises:
        NotEvidence: They are not the inputs of a reading of filed records.
    """
    return tuple(exhibit.id for exhibit in _read(inputs)[0].exhibits)


def without(inputs_of: Mapping[str, Any], id: EvidenceId) -> dict[str, Any]:
    """Return the inputs of the same reading without one record.

    Raises:
        NotEvidence: They are not the inputs of a reading of filed records.
    """
    shelf, claim, now = _read(inputs_of)
    return inputs(cases.without(shelf, claim, id, now=now), claim, now=now)


def _read(inputs: Mapping[str, Any]) -> tuple[Shelf, Claim, datetime]:
    of = _CLAIMS.get(str(inputs.get("kind")))
    if inputs.get("format") != FORMAT or of is None:
        raise NotEvidence(f"These are not the inputs of a reading of filed records, format {FORMAT}.")
    try:
        now = datetime.fromisoformat(str(inputs.get("now")))
    except ValueError as wrong:
        raise NotEvidence("These inputs do not say when they were read.") from wrong
    if now.tzinfo is None:
        raise NotEvidence("These inputs do not say in which time zone they were read.")
    return decode(inputs.get("shelf"), Shelf), decode(inputs.get("claim"), of), now
