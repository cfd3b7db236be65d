"""With which probability an exchange is read.

Every served exchange has a probability of at least ``pi0 > 0``: a random floor that proves safety even where a detector sees
nothing. Detectors may only raise it. The floor follows the reviewers' budget and the traffic of the past, and moves only
when it is off by a factor of two, and only for exchanges still to come: the probability of a draw is never revised.

Where a plan asks for it, a higher score raises the probability by strata (growth-optimal for a detector of middling quality, see
``headgate.stats.allocation``). Their borders are quantiles of scores drawn under earlier epochs and are frozen when the epoch
opens; where there are too few such scores, the floor alone decides.

Only exchanges that showed somebody something of the model are drawn at all. One that upstream refused, or that failed before
its first byte, cannot have done the harm that is being counted, and would only thin the rate out. One whose end nobody
saw is drawn: something may have been shown.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from headgate.safety.errors import WatchPlanInvalid
from headgate.stats import allocation

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOOR_SHARE = allocation.FLOOR_SHARE
"""The share of the reviewers' budget that the random floor may use; the rest is for flags, gold items and second readings."""

PI_MIN = 1e-4
"""No floor is lower: a harm's weight, ``1 / pi0``, stays within four digits."""

SLACK = 2.0
"""The floor moves only when it is off by this factor."""

WEEK = timedelta(days=7)
_SHORTEST_SPAN = timedelta(days=1)

QUANTILE_MULTIPLIERS: tuple[tuple[float, float], ...] = (
    (0.0, 1.0),
    (0.5, 1.08),
    (0.8, 1.36),
    (0.95, 2.08),
    (0.99, 3.7),
    (0.999, 7.4),
    (0.9999, 15.0),
)
"""By which factor the floor rises from each score quantile on; about 15 % more labels than the floor alone."""


LIFT = sum(
    (end - start) * multiplier
    for (start, multiplier), end in zip(
        QUANTILE_MULTIPLIERS, [start for start, _ in QUANTILE_MULTIPLIERS[1:]] + [1.0], strict=True
    )
)
"""How many labels the strata add to the floor's, at most: the mean multiplier."""

REFERENCE_SCORES = 10_000
"""How many of the latest earlier scores the strata are taken from."""
LEAST_SCORES = 1_000
"""With fewer, there are no strata: nobody knows yet where the top thousandth of scores begins."""


class Flagged(Enum):
    """What becomes of flagged exchanges."""

    REVIEW_ALL = "review_all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Stratum:
    """From a score on, the floor is raised by a factor.

    Attributes:
        score_at_least: Where the stratum begins, in ``[0, 1]``.
        multiplier: At least one.
    """

    score_at_least: float
    multiplier: float


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """A stage's review duty.

    Attributes:
        flagged: Whether every flagged exchange is reviewed.
        sample_per_week: Reviews a week that the reviewers can give; ``None`` reviews everything.
        strata: Score strata, ascending by score; frozen for the epoch.
        uniform: Whether every exchange has the same probability whatever its score; then flags and strata must be off.
        by_score: Whether strata are to be taken from the scores of earlier epochs when this one opens.

    Raises:
        WatchPlanInvalid: The fields contradict each other.
    """

    flagged: Flagged = Flagged.REVIEW_ALL
    sample_per_week: int | None = None
    strata: tuple[Stratum, ...] = ()
    uniform: bool = False
    by_score: bool = False

    def __post_init__(self) -> None:
        if self.sample_per_week is not None and self.sample_per_week < 1:
            raise WatchPlanInvalid(
                f"A sample of {self.sample_per_week} a week reviews nothing.", rule="watch.sample", help="Ask for at least one."
            )
        if self.uniform and (self.flagged is not Flagged.NONE or self.strata or self.by_score):
            raise WatchPlanInvalid(
                "A uniform sample cannot also prefer flagged or high-scoring exchanges.",
                rule="watch.uniform",
                help="Write flagged: none and leave the strata out, or leave uniform out.",
            )
        starts = [stratum.score_at_least for stratum in self.strata]
        if starts != sorted(set(starts)) or any(not 0.0 <= start <= 1.0 for start in starts):
            raise WatchPlanInvalid("Score strata must ascend within [0, 1].", rule="watch.strata")
        if any(not (math.isfinite(stratum.multiplier) and stratum.multiplier >= 1.0) for stratum in self.strata):
            raise WatchPlanInvalid(
                "A stratum's multiplier is at least 1: a detector may raise the floor, never lower it.", rule="watch.strata"
            )

    def floor_labels_per_week(self, flagged_per_week: float) -> float | None:
        """Return the reviews a week that the random floor may use; ``None`` for all.

        Args:
            flagged_per_week: How many reviews flags alone have been asking for.
        """
        if self.sample_per_week is None:
            return None
        directed = flagged_per_week if self.flagged is Flagged.REVIEW_ALL else 0.0
        return allocation.floor_reviews(self.sample_per_week, directed, LIFT if self.strata else 1.0)

    def with_strata_of(self, scores: Sequence[float]) -> WatchPlan:
        """Return the duty with its strata taken from earlier scores, if it asks for that and there are enough of them."""
        if not self.by_score or self.strata or len(scores) < LEAST_SCORES:
            return self
        return replace(self, strata=strata_from(scores))


def pi_for(score: float | None, *, flagged: bool, pi0: float, plan: WatchPlan) -> float:
    """Return the probability of one exchange, ``pi0 <= pi <= 1``.

    Args:
        score: The highest score of any signal; ``None`` when a detector could not tell. Then it may have been flagged, so it
            is treated as if it were.
        flagged: Whether any signal flags it.
        pi0: The floor of the moment, in ``(0, 1]``.
        plan: The stage's review duty.

    Raises:
        ValueError: ``pi0`` or ``score`` is out of range.
    """
    if not 0.0 < pi0 <= 1.0:
        raise ValueError(f"a floor lies in (0, 1], not {pi0}")
    if score is not None and not 0.0 <= score <= 1.0:
        raise ValueError(f"a score lies in [0, 1], not {score}")
    if plan.uniform:
        return pi0
    if plan.flagged is Flagged.REVIEW_ALL and (flagged or score is None):
        return 1.0
    if score is None:
        highest = max((stratum.multiplier for stratum in plan.strata), default=1.0)
        return min(1.0, pi0 * highest)
    place = bisect.bisect_right(plan.strata, score, key=lambda stratum: stratum.score_at_least)
    multiplier = plan.strata[place - 1].multiplier if place else 1.0
    return min(1.0, pi0 * multiplier)


def strata_from(
    scores: Sequence[float], multipliers: Sequence[tuple[float, float]] = QUANTILE_MULTIPLIERS
) -> tuple[Stratum, ...]:
    """Return strata whose borders are the quantiles of a reference sample, to be frozen for an epoch.

    Quantiles that fall on one score become one stratum with the smallest of their multipliers: a score that half of all
    traffic shares says nothing, and must not make the floor rise for everything.

    Args:
        scores: Scores of earlier traffic, each in ``[0, 1]``.
        multipliers: ``(quantile, multiplier)`` pairs, ascending.

    Raises:
        ValueError: ``scores`` is empty.
    """
    if not scores:
        raise ValueError("strata need a reference sample")
    ordered = sorted(scores)
    strata: list[Stratum] = []
    for quantile, multiplier in multipliers:
        border = ordered[min(int(quantile * len(ordered)), len(ordered) - 1)]
        if not strata:
            strata.append(Stratum(0.0, multiplier))
        if border > strata[-1].score_at_least:
            strata.append(Stratum(border, multiplier))
    return tuple(strata)


def weekly_rate(requests: int, over: timedelta) -> float:
    """Return requests a week from a count over a trailing span, which is taken to be a day when it is shorter.

    A young epoch's first minutes would otherwise be read as a torrent or as silence.
    """
    return requests * (WEEK / max(over, _SHORTEST_SPAN))


def floor_probability(labels_per_week: float | None, requests_per_week: float, current: float | None) -> float:
    """Return the floor for exchanges to come.

    Args:
        labels_per_week: What the floor may use; ``None`` for everything.
        requests_per_week: Traffic of the past, never of the exchanges about to be drawn.
        current: The floor so far; ``None`` before the first.

    Returns:
        A probability in ``[PI_MIN, 1]``; ``current`` unless it is off by more than ``SLACK`` either way. One when the
        reviewers can read everything.
    """
    if labels_per_week is None or requests_per_week <= labels_per_week:
        wanted = 1.0
    else:
        wanted = max(PI_MIN, labels_per_week / requests_per_week)
    if current is not None and current / SLACK < wanted < current * SLACK:
        return current
    return wanted


def is_drawn(status: str, *, http_status: int | None, response_bytes: int) -> bool:
    """Return whether a settled exchange belongs to the traffic that claims are made about.

    It does if anything of the model was shown, or may have been:

    ==================  =======================================================
    COMPLETED, UNKNOWN  yes; without a kept answer, a sampled one is unreviewable and counts as harm
    CLIENT_GONE, CUT    if any byte of an answer was relayed
    UPSTREAM_FAILED     if an answer had begun (upstream said 2xx and bytes were relayed)
    UPSTREAM_REFUSED    no
    anything else       yes: what is not understood is not left out
    ==================  =======================================================
    """
    match status.upper():
        case "UPSTREAM_REFUSED":
            return False
        case "CLIENT_GONE" | "CUT":
            return response_bytes > 0
        case "UPSTREAM_FAILED":
            return response_bytes > 0 and (http_status is None or http_status < 400)  # noqa: PLR2004 - HTTP's own border
        case _:
            return True
