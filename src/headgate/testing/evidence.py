"""Records to weigh, with one word for each thing that may be different about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from headgate.evidence.errors import EvidenceNotFound
from headgate.evidence.model.cases import AuditClaim, EvaluationClaim, Exhibit, IssuesClaim
from headgate.evidence.model.filing import Goalposts, Opinion
from headgate.evidence.model.record import Counts, Direction, Effort, Elicitation, Evaluator, Kind, Relationship, Status, Subject
from headgate.evidence.ports import Named
from headgate.evidence.service import Declaration, HandedIn
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
EVALUATION = EvaluationClaim("dual_use", "api", POSTS, "the most that fine-tuning added to atlas-1", timedelta(days=30))
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


class ReleaseUnknown(EvidenceNotFound):
    """A stand-in was asked for a release that it does not know."""

    code = "testing.release_unknown"


@dataclass
class KnownReleases:
    """Releases by name: ``atlas-2`` and its successor, each with ``POSTS`` for the suite ``dual_use``.

    Attributes:
        goalposts: What the plans tolerate, by suite.
    """

    goalposts: dict[str, Goalposts] = field(default_factory=lambda: {"dual_use": POSTS})

    def named(self, release: str) -> Named:
        if release not in {"atlas-2", "atlas-3"}:
            raise ReleaseUnknown(f"There is no release {release!r}.")
        return Named(f"rel_{release}", release, Subject(f"sha256:{release}", None, None), self.goalposts)


def handed_in(k: int = 3, n: int = 120, *, metric: str = "accuracy") -> HandedIn:
    """Return a table of counts as it is handed in: ``k`` of ``n`` tasks solved."""
    return document(f"task,metric,unit,cluster,k,n\nintrusion,{metric},item,,{k},{n}\n".encode())


def document(content: bytes = b"a report") -> HandedIn:
    """Return a file as it is handed in."""
    return HandedIn(BytesIO(content), "results.csv")


def declared(**changed: Any) -> Declaration:
    """Return what is declared with a final third-party capability result of ``dual_use`` on ``atlas-2``."""
    made = Declaration(
        release="atlas-2",
        kind=Kind.CAPABILITY,
        suite="dual_use",
        domain="cyber",
        valid_for=timedelta(days=180),
        direction=Direction.LOWER_IS_BETTER,
        elicitation=Elicitation(Effort.SCAFFOLDED),
        evaluator=Evaluator("an institute", Relationship.THIRD_PARTY),
        status=Status.FINAL,
        produced_at=NOON - timedelta(days=3),
    )
    return replace(made, **changed)
