"""Comparing two versions of a model on the same items, difference by difference.

Most of what makes one evaluation differ from another is how hard its items are, and that cancels when each item is compared
with itself. The interval is that of a mean of differences, in clusters where items belong together; where every difference
is the same, what was not seen bounds it instead of a standard error of 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.evaluations import clustered_se, student

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RANGE_OF_DIFFERENCE = 2.0
"""Two scores in [0, 1] differ by something in [-1, 1]: an interval of this length."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much version A scores above version B on the same items.

    Attributes:
        mean: Mean of ``a - b``.
        standard_error: Its standard error, clustered where clusters were given.
        low: Lower end of the two-sided interval, in ``[-1, 1]``.
        high: Upper end.
        clusters: Clusters, or items where each stands for itself.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    clusters: int


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float, clusters: ArrayLike | None = None) -> PairedDifference:
    """Compare two versions item by item.

    Where every difference is the same, no spread was seen, and none is assumed to be known: at the given confidence a share
    of up to ``1 - (1 - confidence)**(1/C)`` of items could still differ, by as much as scores can.

    Args:
        a: Scores of one version, each in ``[0, 1]``, shape ``(n,)``.
        b: Scores of the other on the same items, in the same order, shape ``(n,)``.
        confidence: Coverage of the two-sided interval, in ``(0, 1)``.
        clusters: Which cluster each item belongs to, shape ``(n,)``; each is its own when absent.

    Returns:
        The difference, its standard error and its interval.

    Raises:
        ValueError: A shape is wrong, a score lies outside ``[0, 1]``, or the confidence is out of range.

    Source:
        Miller (2024), arXiv 2411.00640, section 4 (paired, clustered); statsmodels' cluster-robust regression of the
        differences on a constant, and scipy's paired t-test where each item is its own cluster:
        ``tests/statistics/test_evaluations.py``.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError("scores must be vectors of one length, not empty")
    both = np.stack((first, second))
    if not (np.all((both >= 0) & (both <= 1)) and 0 < confidence < 1):
        raise ValueError("scores must lie in [0, 1] and the confidence in (0, 1)")
    labels = np.arange(first.size) if clusters is None else np.asarray(clusters)
    difference = first - second
    mean = float(difference.mean())
    error = clustered_se(difference, labels)
    groups = int(np.unique(labels).size)
    half = RANGE_OF_DIFFERENCE
    if groups > 1:
        corrected = error * math.sqrt(groups / (groups - 1))
        unseen = RANGE_OF_DIFFERENCE * -math.expm1(math.log1p(-confidence) / groups)
        spread = float(np.ptp(difference)) > 0
        half = student((1 - confidence) / 2, groups - 1) * corrected if spread else unseen
    return PairedDifference(mean, error, max(-1.0, mean - half), min(1.0, mean + half), groups)
