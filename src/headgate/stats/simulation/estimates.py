"""How sure a number of plays makes one.

A simulation that prints 0 without saying "of how many" claims what it has not seen. Counts carry exact binomial intervals,
quantiles carry intervals from the ranks, which need nothing of the law, and means carry a seeded bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RESAMPLES = 2000
"""How often a mean is drawn anew for its interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: The number; NaN where there was nothing to estimate it from.
        low: Where the interval begins.
        high: Where it ends; infinity where the plays cannot say.
        of: How many plays it rests on.
        count: How many of them did what is counted; ``None`` for a mean or a quantile.
    """

    value: float
    low: float
    high: float
    of: int
    count: int | None = None


def proportion(count: int, of: int, *, confidence: float = 0.95) -> Estimate:
    """Return the share of plays in which something happened.

    Args:
        count: In how many it did, ``0 <= count <= of``.
        of: How many there were, ``>= 0``.
        confidence: Of the interval, in ``(0, 1)``.

    Returns:
        The share with its exact interval; of no plays NaN, between 0 and 1.

    Raises:
        ValueError: A number is out of range.

    Source:
        Clopper and Pearson (1934), Biometrika 26; statsmodels agrees in ``tests/statistics/test_simulation.py``.
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share")
    tail = (1 - _sure(confidence)) / 2
    low = float(special.betaincinv(count, of - count + 1, tail)) if count > 0 else 0.0
    high = float(special.betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return Estimate(count / of if of else math.nan, low, high, of, count)


def quantile(values: ArrayLike, at: float, *, confidence: float = 0.95) -> Estimate:
    """Return a quantile of what was seen.

    Args:
        values: One number per play, shape ``(n,)``; infinity for "not within the play".
        at: Which quantile, in ``(0, 1)``.
        confidence: Of the interval, in ``(0, 1)``.

    Returns:
        The quantile with an interval from the ranks; of no plays NaN, between minus and plus infinity.

    Raises:
        ValueError: A number is out of range.

    Source:
        The number of values below a quantile is binomial: Thompson (1936), Ann. Math. Stat. 7.
    """
    x = np.sort(np.asarray(values, np.float64))
    if not 0 < at < 1:
        raise ValueError(f"a quantile lies in (0, 1), not {at}")
    tail = (1 - _sure(confidence)) / 2
    if x.size == 0:
        return Estimate(math.nan, -math.inf, math.inf, 0)
    below = np.asarray(special.bdtr(np.arange(x.size + 1), x.size, at), np.float64)
    low = int(np.searchsorted(below, tail)) - 1
    high = int(np.searchsorted(below, 1 - tail)) + 1
    return Estimate(
        float(x[min(x.size - 1, math.ceil(at * x.size) - 1)]),
        float(x[low]) if low >= 0 else -math.inf,
        float(x[high - 1]) if high <= x.size else math.inf,
        int(x.size),
    )


def mean(values: ArrayLike, rng: np.random.Generator, *, confidence: float = 0.95) -> Estimate:
    """Return the mean of what was seen.

    Args:
        values: One finite number per play, shape ``(n,)``.
        rng: The source of randomness of the bootstrap.
        confidence: Of the interval, in ``(0, 1)``.

    Returns:
        The mean with its percentile interval, which is too narrow where single plays outweigh the rest; of fewer than two
        plays the interval is unbounded.

    Raises:
        ValueError: A number is out of range.

    Source:
        Efron (1979), Ann. Stat. 7.
    """
    x = np.asarray(values, np.float64)
    tail = (1 - _sure(confidence)) / 2
    if x.size < 2:  # noqa: PLR2004 - one value says nothing of the spread
        return Estimate(float(x[0]) if x.size else math.nan, -math.inf, math.inf, int(x.size))
    again = np.array([x[rng.integers(0, x.size, x.size)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(again, [tail, 1 - tail])
    return Estimate(float(x.mean()), float(low), float(high), int(x.size))


def _sure(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies in (0, 1), not {confidence}")
    return confidence
