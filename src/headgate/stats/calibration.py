"""How good predictions were: chances against what happened.

A prediction is a chance, given before; an outcome is whether it came true. Of two forecasters with equal luck the one whose
chances were nearer to what happened scores lower, here, under both scores, and nobody scores better on average by saying
anything but what they believe.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SUREST = 1e-6
"""No chance counts as surer than this far from 0 or 1, so that one surprise is dear and not infinitely so."""
PRIOR = 0.5
"""What both sides of a rate get before any label: Jeffreys' prior."""


def chance_below(harms: int, labels: int, later: int, limit: float) -> float:
    """Return the chance that the next ``later`` labels show a rate below ``limit``, if nothing changes.

    Args:
        harms: Harms so far, ``0 <= harms <= labels``.
        labels: Labels so far.
        later: Labels to come, ``>= 1``.
        limit: A rate in ``(0, 1]``.

    Returns:
        A probability.

    Raises:
        ValueError: A number is out of range.

    Source:
        Beta-binomial law with Jeffreys' prior; against scipy's in ``tests/statistics/test_calibration.py``.
    """
    if not (0 <= harms <= labels and later >= 1 and 0 < limit <= 1):
        raise ValueError("a forecast needs 0 <= harms <= labels, labels to come and a limit in (0, 1]")
    most = math.ceil(limit * later) - 1
    found = np.arange(most + 1, dtype=np.float64)
    a, b = harms + PRIOR, labels - harms + PRIOR
    choices = special.gammaln(later + 1) - special.gammaln(found + 1) - special.gammaln(later - found + 1)
    logs = choices + special.betaln(found + a, later - found + b) - special.betaln(a, b)
    return min(1.0, float(np.exp(logs).sum()))


def brier(chances: ArrayLike, came_true: ArrayLike) -> float:
    """Return the mean squared distance of chances from what happened; 0 is perfect, 0.25 a coin's.

    Args:
        chances: In ``[0, 1]``, shape ``(n,)``, ``n >= 1``.
        came_true: Truths, shape ``(n,)``.

    Raises:
        ValueError: A shape or a chance is wrong.

    Source:
        Brier (1950), Monthly Weather Review 78. ``tests/statistics/test_calibration.py``.
    """
    said, was = _checked(chances, came_true)
    return float(np.mean((said - was) ** 2))


def log_score(chances: ArrayLike, came_true: ArrayLike) -> float:
    """Return the mean surprise in nats; 0 is perfect, ``log 2`` a coin's.

    Args:
        chances: In ``[0, 1]``, shape ``(n,)``, ``n >= 1``; none counts as surer than ``SUREST``.
        came_true: Truths, shape ``(n,)``.

    Raises:
        ValueError: A shape or a chance is wrong.

    Source:
        Good (1952), JRSS-B 14. ``tests/statistics/test_calibration.py``.
    """
    said, was = _checked(chances, came_true)
    sure = np.clip(said, SUREST, 1 - SUREST)
    return float(-np.mean(np.where(was > 0, np.log(sure), np.log1p(-sure))))


def _checked(chances: ArrayLike, came_true: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    said, was = np.asarray(chances, np.float64), np.asarray(came_true, np.float64)
    if said.ndim != 1 or said.size == 0 or said.shape != was.shape:
        raise ValueError("scores need as many outcomes as chances, and at least one")
    if not (np.all((said >= 0) & (said <= 1)) and np.all((was == 0) | (was == 1))):
        raise ValueError("chances must lie in [0, 1] and outcomes be true or false")
    return said, was
