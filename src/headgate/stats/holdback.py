"""Whether access caused a rise: new access against a group of users that was kept on the old one at the same time.

Before and after differ in more than access: the week, the news and the people differ too. A holdback does not: users are
assigned at random, and both groups live through the same days. If the new access raised nothing, a confirmed harm falls on
the new side with at most the share ``rho`` of the exposure that the new side has, whatever harm does over time. So each
harm is a toss of a coin of known bias, and betting against that coin gives an e-process: its chance of ever reaching
``1 / alpha`` is at most ``alpha``, however often one looks.

Bet ``j`` is on a rise to ``r_j`` times: a harm on the new side multiplies it by ``q_j / rho``, one on the old side by
``(1 - q_j) / (1 - rho)``, where ``q_j = rho r_j / (rho r_j + 1 - rho)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.shapes import checked_counts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RATIOS = np.array([1.5, 2.0, 3.0, 5.0, 10.0])
"""Rises that are bet on."""
WEIGHTS = np.full(5, 0.2)
"""Weights when nothing is known of the rise: as good as any other of them to within ``log 5`` nats."""
_NEGLIGIBLE = 1e-9


def log_e(new: ArrayLike, old: ArrayLike, share: float) -> NDArray[np.float64]:
    """Return the log of the stake against "a harm falls on the new side with at most its share of the exposure".

    Args:
        new: Confirmed harms on the new side, whole numbers ``>= 0``, any shape.
        old: Confirmed harms on the old side, a shape that broadcasts with ``new``.
        share: The new side's share of the exposure ``rho``, known before the harms, in ``(0, 1)``.

    Returns:
        Nats, the broadcast shape.

    Raises:
        ValueError: A count or the share is out of range.

    Source:
        Conditional on its total, a sum of two Poisson counts splits binomially (Przyborowski and Wilenski 1940, Biometrika
        31); Ville's inequality for the mixture. ``tests/statistics/test_holdback.py``.
    """
    _share(share)
    k, m = np.asarray(new, np.float64), np.asarray(old, np.float64)
    checked_counts(k + m, k)
    checked_counts(k + m, m)
    win, loss = _log_steps(share)
    stakes = np.log(WEIGHTS) + k[..., None] * win + m[..., None] * loss
    return np.asarray(np.logaddexp.reduce(stakes, axis=-1), np.float64)


def log_e_over(new: ArrayLike, old: ArrayLike, shares: ArrayLike) -> float:
    """Return the log of the stake over several stretches of time, each with a share of its own.

    Each harm is weighed by the share of its own stretch, and a stretch in which one side was not exposed at all weighs nothing:
    there its harms could have fallen nowhere else.

    Args:
        new: Confirmed harms on the new side, one whole number ``>= 0`` for each stretch, shape ``(n,)``.
        old: Confirmed harms on the old side, likewise.
        shares: The new side's share of the exposure in each stretch, in ``[0, 1]``.

    Returns:
        Nats; 0 for no stretches.

    Raises:
        ValueError: A count or a share is out of range, or they are not as many.

    Source:
        As ``log_e``, to which it comes down where all shares are equal; ``tests/statistics/test_holdback.py``.
    """
    k, m, rho = (np.asarray(each, np.float64) for each in (new, old, shares))
    if not k.shape == m.shape == rho.shape or k.ndim != 1:
        raise ValueError("harms and shares are one number for each stretch")
    checked_counts(k + m, k)
    if not np.all((rho >= 0) & (rho <= 1)):
        raise ValueError("a share of the exposure lies in [0, 1]")
    told = (rho > 0) & (rho < 1)
    each = np.log(WEIGHTS)
    for count_new, count_old, share in zip(k[told], m[told], rho[told], strict=True):
        win, loss = _log_steps(float(share))
        each = each + count_new * win + count_old * loss
    return _log_sum(each)


def least_new(old: int, share: float, alpha: float) -> int:
    """Return the least harms on the new side that show a rise beside ``old`` harms on the old side.

    Args:
        old: Harms on the old side, ``>= 0``.
        share: The new side's share of the exposure, in ``(0, 1)``.
        alpha: The chance of ever calling a rise that is none, in ``(0, 1)``.

    Returns:
        A whole number.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``log_e`` grows in ``new``; ``tests/statistics/test_holdback.py``.
    """
    threshold = _log_threshold(alpha)
    high = 1
    while float(log_e(high, old, share)) < threshold:
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if float(log_e(middle, old, share)) >= threshold else (middle, high)
    return high


@dataclass(frozen=True, slots=True)
class EventsLaw:
    """What happens when harms come one by one and one looks after each.

    Attributes:
        mean: Mean harms, both sides together, until a rise is shown, those that show none counted up to ``horizon``.
        shown: Chance that a rise has been shown by ``horizon`` harms.
        horizon: Harms looked at.
    """

    mean: float
    shown: float
    horizon: int


def events_needed(share: float, ratio: float, alpha: float, *, horizon: int) -> EventsLaw:
    """Return how many harms it takes to show a rise to ``ratio`` times; exact, by dynamic programming.

    Args:
        share: The new side's share of the exposure, in ``(0, 1)``.
        ratio: Harms per exposure of the new side over the old side's, ``> 0``; at 1 ``shown`` is the false alarm.
        alpha: The chance of ever calling a rise that is none, in ``(0, 1)``.
        horizon: Harms after which nobody looks any more, ``>= 1``. Cost grows with its square.

    Returns:
        The law of the first harm that shows it.

    Raises:
        ValueError: A number is out of range.

    Source:
        Markov chain over the harms of the new side; ``tests/statistics/test_holdback.py``.
    """
    _share(share)
    threshold = _log_threshold(alpha)
    if not (ratio > 0 and math.isfinite(ratio) and horizon >= 1):
        raise ValueError("a law of harms needs a ratio above 0 and a horizon of at least 1")
    chance = share * ratio / (share * ratio + 1 - share)
    win, loss = _log_steps(share)
    log_weights = np.log(WEIGHTS)
    law, mean, shown, least = np.ones(1), 0.0, 0.0, 0
    for harms in range(1, horizon + 1):
        mean += float(law.sum())
        moved = np.zeros(law.size + 1)
        moved[:-1] += law * (1 - chance)
        moved[1:] += law * chance
        # The stake grows with the new side's harms, and the count that shows a rise grows with all harms.
        while least <= harms and _log_sum(log_weights + least * win + (harms - least) * loss) < threshold:
            least += 1
        shown += float(moved[least:].sum())
        law = moved[:least]
        if law.sum() < _NEGLIGIBLE:
            break
    return EventsLaw(mean=mean, shown=shown, horizon=horizon)


def _log_sum(logs: NDArray[np.float64]) -> float:
    return float(np.logaddexp.reduce(logs))


def _log_steps(share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    risen = share * RATIOS / (share * RATIOS + 1 - share)
    return np.log(risen / share), np.log((1 - risen) / (1 - share))


def _share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"a share of the exposure must lie in (0, 1), not {share}")


def _log_threshold(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"an error probability must lie in (0, 1), not {alpha}")
    return -math.log(alpha)
