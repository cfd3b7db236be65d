"""How the review and the monitor are doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class HazardWaiting:
    """How much of an epoch waits for one hazard.

    Attributes:
        release_id: Which release.
        epoch: Which epoch.
        hazard: Which hazard.
        items: Items that wait for an opinion on it.
    """

    release_id: str
    epoch: str
    hazard: str
    items: int


@dataclass(frozen=True, slots=True)
class ReviewerCount:
    """One reviewer's work."""

    reviewer: str
    labels: int
    skips: int


@dataclass(frozen=True, slots=True)
class Waits:
    """How long items have waited for their last opinion.

    Attributes:
        flagged: Whether these are the flagged items; ``False`` where none was flagged, and every sampled item is meant.
        done: How many are done of those that still count.
        waiting: How many still wait.
        late: How many of both took, or have taken, longer than they may.
        longest: The longest wait among them; ``None`` when there are none.
    """

    flagged: bool
    done: int
    waiting: int
    late: int
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class HazardAgreement:
    """How far blind second readings agree on one hazard.

    Attributes:
        hazard: Which hazard.
        pairs: Items of the blind double share that were read twice.
        agreed: How many of them were answered alike.
        kappa: Cohen's kappa; ``None`` when it is not defined.
        alpha: Krippendorff's alpha; ``None`` when it is not defined.
    """

    hazard: str
    pairs: int
    agreed: int
    kappa: float | None
    alpha: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the review queue.

    Attributes:
        items: Items that still need somebody.
        oldest_age: Age of the oldest of them, or ``None`` when there is none.
        labels_per_day: Opinions a day over the last seven days (over the time since the first one, if that is shorter).
    """

    items: int
    oldest_age: timedelta | None
    labels_per_day: float


@dataclass(frozen=True, slots=True)
class ReviewHealth:
    """How the review queue is doing.

    Attributes:
        backlog: Items that still need somebody.
        oldest_age: Age of the oldest of them, or ``None`` when there is none.
        labels_per_day: Opinions a day over the last seven days (over the time since the first one, if that is shorter).
        double_reviewed: Items of the blind double share with two opinions.
        kappa: Cohen's kappa over their (item, hazard) pairs; ``None`` when it is not defined.
        positives_checked: First-opinion harms that got a second opinion.
        positives_confirmed: How many of those the second reviewer confirmed.
        reviewers: Counts per reviewer; gold items are work like any other.
        agreement: The blind double share, hazard by hazard.
    """

    backlog: int
    oldest_age: timedelta | None
    labels_per_day: float
    double_reviewed: int
    kappa: float | None
    positives_checked: int
    positives_confirmed: int
    reviewers: tuple[ReviewerCount, ...]
    agreement: tuple[HazardAgreement, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitorHealth:
    """How the collector and its detectors are doing.

    Attributes:
        last_collect_at: When a batch was last collected, or looked for and not needed.
        healthy_at: When that last happened with every exchange scored: the instant a "monitor down" rule counts from.
        errors: Exchanges that a detector could not score, ever.
        unscored: Draws without a score, ever.
        drawn: Draws, ever.
        lag: Time from the admission to the draw of the newest exchange collected.
        last_error: The code of the last failure, if any.
    """

    last_collect_at: datetime | None
    healthy_at: datetime | None
    errors: int
    unscored: int
    drawn: int
    lag: timedelta | None
    last_error: str | None

    def down_for(self, now: datetime) -> timedelta | None:
        """Return how long the monitor has not been seen healthy; ``None`` when it never was."""
        return None if self.healthy_at is None else max(now - self.healthy_at, timedelta(0))
