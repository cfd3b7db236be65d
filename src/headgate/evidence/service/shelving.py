"""Which filed records bear on a claim about a version."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from headgate.evidence.model.cases import AuditClaim, EvaluationClaim, Exhibit, Shelf
from headgate.evidence.model.record import Kind
from headgate.evidence.wire import encode
from headgate.kernel.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.evidence.model.cases import Claim
    from headgate.evidence.model.filing import Filed
    from headgate.evidence.model.record import EvidenceRecord


def about(claim: Claim) -> tuple[Kind | None, str | None]:
    """Return the kind and the suite of the records that bear on a claim; ``None`` for any."""
    if isinstance(claim, EvaluationClaim):
        return None, claim.suite
    return (Kind.AUDIT, claim.scope) if isinstance(claim, AuditClaim) else (Kind.REDTEAM, None)


def shelf(filed: Iterable[Filed], version: str) -> Shelf:
    """Return the records that count for ``version``, in the order in which they were measured, and what is known of the rest."""
    counting: list[Filed] = []
    elsewhere = superseded = 0
    for record in filed:
        here = version in record.versions
        if record.superseded is not None:
            superseded += here
        elif here:
            counting.append(record)
        else:
            elsewhere += 1
    counting.sort(key=lambda record: (record.record.finding.produced_at, record.id))
    return Shelf(tuple(exhibit(record, version) for record in counting), (), elsewhere, superseded)


def exhibit(filed: Filed, version: str) -> Exhibit:
    """Return what a gate reads of one record."""
    finding = filed.record.finding
    return Exhibit(
        id=filed.id,
        digest=_digest(filed.record),
        kind=finding.kind,
        metric=finding.metric,
        direction=finding.direction,
        counts=finding.counts,
        reported=finding.reported,
        effort=finding.elicitation.effort,
        attempts=finding.elicitation.attempts,
        relationship=finding.evaluator.relationship,
        produced_at=finding.produced_at,
        expires_at=finding.expires_at,
        final=filed.final,
        carried=finding.subject.model_version != version,
        goalposts=filed.goalposts,
        opinion=None if filed.statement is None else filed.statement.opinion,
        disposition=None if filed.disposed is None else filed.disposed.how,
    )


@lru_cache(maxsize=4096)
def _digest(record: EvidenceRecord) -> str:
    return digest_of(encode(record))
