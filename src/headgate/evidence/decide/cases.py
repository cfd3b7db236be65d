"""Reading a claim from filed records, whichever kind it is, and reading it again without one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide import audit, evaluation, issues, weighing
from headgate.evidence.model.cases import EvaluationClaim, IssuesClaim

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model.cases import CaseReading, Claim, Shelf
    from headgate.kernel.ids import EvidenceId


def read(shelf: Shelf, claim: Claim, *, now: datetime) -> CaseReading:
    """Return what the records on ``shelf`` say of ``claim``. The same input gives the same reading, for ever."""
    if isinstance(claim, EvaluationClaim):
        return evaluation.read_evaluation(shelf, claim, now=now)
    if isinstance(claim, IssuesClaim):
        return issues.read_issues(shelf, claim, now=now)
    return audit.read_audit(shelf, claim, now=now)


def without(shelf: Shelf, claim: Claim, id: EvidenceId, *, now: datetime) -> Shelf:
    """Return the shelf without one record; see ``weighing.without`` for what it leaves behind."""
    return weighing.without(shelf, read(shelf, claim, now=now).weighed, id)
