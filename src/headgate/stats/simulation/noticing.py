"""What an alarm that is silent says: which rates it would very likely have noticed by now.

"No alarm" is worth as much as the alarm's chance to have gone off. So the traffic that was served, window by window, is played
again with a higher rate, hidden from every detector, and the least rate is sought at which the alarm would have been raised
with a stated chance. Nothing is claimed about lower rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import alarm
from headgate.stats.shapes import checked_draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

STEPS = 7
"""Halvings of a factor of two, in logs: to within a hundredth part."""
_TWICE = 2.0


def noticed_rate(
    rng: np.random.Generator,
    requests: ArrayLike,
    floors: ArrayLike,
    *,
    baseline: float,
    ratio: float,
    log_threshold: float,
    chance: float = 0.9,
    plays: int = 200,
) -> float:
    """Return the least rate that would have raised the alarm by now with a stated chance, had it held from the first window on.

    Args:
        rng: The source of randomness.
        requests: Requests of each closed window, whole numbers ``>= 0``, shape ``(k,)``.
        floors: The sampling floor of each, in ``(0, 1]``, shape ``(k,)``.
        baseline: The rate that is no cause for alarm, in ``(0, 1)``.
        ratio: The rise that the rule is written for, ``> 1``.
        log_threshold: The log of the mean number of looks between false alarms.
        chance: The chance, in ``(0, 1)``.
        plays: In how many plays it is counted; the chance is off by about ``sqrt(chance (1 - chance) / plays)``.

    Returns:
        Harms per request, to within a hundredth part, as if every label were in; 1 where not even certain harm would have been
        noticed.

    Raises:
        ValueError: A shape or number is wrong.

    Source:
        ``headgate.stats.alarm``; ``tests/statistics/test_simulation.py`` plays the rate that comes out anew.
    """
    n, floor, _, _ = checked_draws(requests, floors, [], [])
    if not (0 < chance < 1 and plays >= 1):
        raise ValueError(f"a chance lies in (0, 1), and takes plays to count: {chance}, {plays}")
    served = n > 0
    n, floor, weights = n[served].astype(np.int64), floor[served], alarm.rise_weights(ratio)
    bets = alarm.rise_bets(baseline)
    quiet = n[:, None] * np.log1p(-bets * floor[:, None] * baseline)
    swap = np.log1p(bets * floor[:, None] * (1 / floor[:, None] - baseline)) - np.log1p(-bets * floor[:, None] * baseline)

    def share(harms: NDArray[np.int64]) -> float:
        """Return the share of plays in which so many drawn harms per window, shape ``(k, plays)``, raise the alarm."""
        factors = quiet[:, None, :] + harms[:, :, None] * swap[:, None, :]
        log_r = alarm.run(factors.reshape(n.size, -1)).reshape(factors.shape)
        return float(((alarm.log_mixture(log_r, weights) >= log_threshold) & (harms > 0)).any(axis=0).mean())

    high = baseline
    while n.size and high < 1:
        high = min(1.0, _TWICE * high)
        most = np.asarray(rng.binomial(n[:, None], high * floor[:, None], (n.size, plays)), np.int64)
        if share(most) >= chance:
            return _least(rng, most, high, share, chance)
    return 1.0


def _least(
    rng: np.random.Generator, most: NDArray[np.int64], high: float, share: Callable[[NDArray[np.int64]], float], chance: float
) -> float:
    """Return the least rate between half of ``high`` and ``high``: a lower rate keeps each harm with one and the same coin."""
    at = np.repeat(np.arange(most.size), most.ravel())
    coins = rng.random(at.size)
    low, top = 0.5, 1.0
    for _ in range(STEPS):
        middle = float(np.sqrt(low * top))
        kept = np.bincount(at[coins < middle], minlength=most.size).reshape(most.shape)
        low, top = (low, middle) if share(kept) >= chance else (middle, top)
    return top * high
