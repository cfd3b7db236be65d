"""The values of comparisons: before and after, and new access against a group that was kept back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, from realised traffic.

    Attributes:
        epoch: The epoch.
        harms: Harms before the frontier.
        labels: Labels before it.
        rate: Harms per request, weighted by how likely each was to be drawn; ``None`` without labels.
        low: Lower end of a 95 % interval of that rate; ``None`` where labels do not count alike.
        high: Its upper end, likewise.
    """

    epoch: str
    harms: int
    labels: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Two epochs beside each other. It describes; it shows nothing of what caused what.

    Attributes:
        hazard: The kind of harm.
        before: The earlier epoch.
        after: The later epoch.
        ratio: The later rate over the earlier; ``None`` where either is unknown or the earlier is 0.
        caveat: Why it is descriptive only.
    """

    hazard: str
    before: Side
    after: Side
    ratio: float | None
    caveat: str


@dataclass(frozen=True, slots=True)
class Paired:
    """Two results on the same clusters of units: items, prompts, people.

    Attributes:
        task: What was run.
        metric: The number's name.
        unit: What is counted.
        both: Clusters that both results have.
        only_first: Clusters that only the first has.
        only_second: Clusters that only the second has.
        first: The mean over the common clusters of each one's share that counts, of the first.
        second: The same of the second.
        difference: ``second - first``.
        low: Lower end of a two-sided interval of the difference, in ``[-1, 1]``.
        high: Its upper end.
        confidence: The interval's coverage.
    """

    task: str
    metric: str
    unit: str
    both: int
    only_first: int
    only_second: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class HoldbackClaim:
    """What a holdback is asked.

    Attributes:
        new_harms: Confirmed harms by users with the new access.
        old_harms: Confirmed harms by users who were kept on the old access at the same time.
        share: The new side's share of the exposure, known before the harms, in ``(0, 1)``.
        alpha: The chance of ever calling a rise that is none.
    """

    new_harms: int
    old_harms: int
    share: float
    alpha: float


@dataclass(frozen=True, slots=True)
class HoldbackReading:
    """What a holdback shows.

    Attributes:
        risen: New access is shown to have raised the rate.
        log_e: Log of the stake against "it did not", nats.
        threshold_log_e: What that must reach.
        needed: Mean harms, both sides together, that it takes to show a doubling.
        sentence: The reading in one sentence.
        not_shown: What it leaves open.
    """

    risen: bool
    log_e: float
    threshold_log_e: float
    needed: int
    sentence: str
    not_shown: tuple[str, ...]
