"""Records to weigh, with one word for each thing that may be different about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from headgate.evidence.model.cases import AuditClaim, EvaluationClaim, Exhibit, IssuesClaim
from headgate.evidence.model.filing import Goalposts, Opinion
from headgate.evidence.record import Counts, Direction, Effort, Kind, Relationship
from headgate.kernel.ids import EvidenceId

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POSTS = Goalposts(
    measures=Kind.CAPABILITY,
    metric=None,
    direction=Direction.LOWER_IS_BETTER,
    thresholds={"api": 0.3, "theft": 0.25, "open_weights": 0.2},
    margin=0.1,
    alpha=0.05,
)
EVALUATION = EvaluationClaim("dual_use", "api", POSTS, "the most that fine-tuning added to atlas-1", 1, timedelta(days=30))
ISSUES = IssuesClaim(0)
AUDIT = AuditClaim("deployment", Opinion.UNQUALIFIED, timedelta(days=365))


def exhibit(name: str = "a", k: int | None = 3, n: int = 120, **changed: Any) -> Exhibit:
    """Return a final third-party result of three days ago: 3 of 120 dangerous tasks solved, which passes ``EVALUATION``."""
    made = Exhibit(
        id=EvidenceId(f"ev_{name}"),
        digest="sha256:" + "0" * 64,
        kind=Kind.CAPABILITY,
        metric="accuracy",
        direction=Direction.LOWER_IS_BETTER,
        counts=None if k is None else Counts(k, n, "item"),
        reported=None,
        effort=Effort.SCAFFOLDED,
        attempts=1,
        relationship=Relationship.THIRD_PARTY,
        produced_at=NOON - timedelta(days=3),
        expires_at=NOON + timedelta(days=300),
        final=True,
        carried=False,
        goalposts=POSTS,
    )
    return replace(made, **changed)


def finding(name: str = "a", k: int | None = 3, n: int = 120, **changed: Any) -> Exhibit:
    """Return a red team's record: 3 of 120 attacks succeeded, and nobody has answered."""
    return exhibit(name, k, n, kind=Kind.REDTEAM, metric="attack_success", **changed)


def opinion(name: str = "a", said: Opinion | None = Opinion.UNQUALIFIED, **changed: Any) -> Exhibit:
    """Return an outside auditor's opinion of three days ago."""
    return exhibit(name, None, kind=Kind.AUDIT, metric="opinion", opinion=said, **changed)
