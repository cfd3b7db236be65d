"""The interval of a rate, from its counts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.model.record import Interval, IntervalMethod
from headgate.stats import evaluations

if TYPE_CHECKING:
    from headgate.evidence.model.record import Counts

CONFIDENCE = 0.95
"""Coverage of the interval that people are shown; gates work their own bounds out at their own error probability."""

_TAIL = 0.025
"""What is left beyond each end; written out, because ``(1 - 0.95) / 2`` is not it to the last digit."""


def interval_of(counts: Counts) -> Interval:
    """Return the two-sided interval that a record shows.

    Args:
        counts: Counts that do not contradict themselves.

    Raises:
        ValueError: They do.
    """
    if not counts.tallies:
        low = evaluations.exact_lower(counts.k, counts.n, _TAIL)
        return Interval(low, evaluations.exact_upper(counts.k, counts.n, _TAIL), CONFIDENCE, IntervalMethod.CLOPPER_PEARSON)
    sizes, successes = [tally.n for tally in counts.tallies], [tally.k for tally in counts.tallies]
    copies = [tally.clusters for tally in counts.tallies]
    low = evaluations.clustered_lower(sizes, successes, copies, _TAIL)
    high = evaluations.clustered_upper(sizes, successes, copies, _TAIL)
    return Interval(low, high, CONFIDENCE, IntervalMethod.CLUSTERED)
