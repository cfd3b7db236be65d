"""What is usual for each hour of the week, as an upper bound.

Traffic breathes: by day and night, by workday and weekend. An alarm on counts that takes the average for the baseline
sounds at every noon. The baseline here is a bound for each hour of the week by itself, learned from windows before those
that the alarm judges by it, and all the bounds hold together with probability ``1 - delta``. The alarm's promise is made on
them, so its statement carries ``delta``.

Counts are of people, each at most once in a window: requests of one person come in bursts, and bursts are not Poisson.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

HOURS_A_WEEK = 168
"""Cells of the usual week: Monday 00:00 UTC is 0."""


def upper_mean(events: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """Return an upper bound of a count's mean, from one value of it.

    Args:
        events: Whole numbers ``>= 0``, any shape.
        alpha: The chance that a bound lies below the mean, for each, in ``(0, 1)``.

    Returns:
        Means, the shape of ``events``; ``log(1 / alpha)`` for no events, never 0.

    Raises:
        ValueError: A number is out of range.

    Source:
        Garwood (1936), Biometrika 28. It also bounds sums of independent tosses with unequal chances, whose lower tail is
        lighter: Anderson and Samuels (1967). ``tests/statistics/test_baseline.py``.
    """
    counts = np.asarray(events, np.float64)
    if not (0 < alpha < 1 and np.all(np.isfinite(counts)) and np.all(counts >= 0) and np.all(counts % 1 == 0)):
        raise ValueError("a bound needs whole counts, not negative, and an error probability in (0, 1)")
    return np.asarray(special.gammaincinv(counts + 1, 1 - alpha), np.float64)


def usual_week(hours: ArrayLike, events: ArrayLike, exposed: ArrayLike, delta: float) -> NDArray[np.float64]:
    """Return an upper bound of events per exposed unit for each hour of the week, all at once with ``1 - delta``.

    Args:
        hours: The hour of the week of each window, in ``[0, 168)``, shape ``(n,)``.
        events: Events in each window, shape ``(n,)``; distinct people, never requests.
        exposed: People that could have been among them, ``>= events``, shape ``(n,)``.
        delta: The chance that any of the bounds is too low, in ``(0, 1)``.

    Returns:
        Shares in ``(0, 1]``, shape ``(168,)``; 1 where nobody was there to learn from.

    Raises:
        ValueError: A shape or number is out of range.

    Source:
        ``upper_mean`` at ``delta / 168``, union bound. ``tests/statistics/test_baseline.py``.
    """
    cell, count, people = np.asarray(hours, np.int64), np.asarray(events, np.float64), np.asarray(exposed, np.float64)
    if cell.ndim != 1 or not cell.shape == count.shape == people.shape or not 0 < delta < 1:
        raise ValueError("hours, events and exposed units must be vectors of one length, and delta lie in (0, 1)")
    if not np.all((cell >= 0) & (cell < HOURS_A_WEEK)) or not np.all((count >= 0) & (count <= people)):
        raise ValueError("hours must lie in [0, 168) and events must not exceed the exposed units")
    seen = np.bincount(cell, weights=count, minlength=HOURS_A_WEEK)
    there = np.bincount(cell, weights=people, minlength=HOURS_A_WEEK)
    bound = upper_mean(seen, delta / HOURS_A_WEEK)
    return np.where(there > 0, np.minimum(1.0, bound / np.maximum(there, 1.0)), 1.0)
