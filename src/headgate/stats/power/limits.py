"""What no method can better, and how fast the gate's own bets grow."""

from __future__ import annotations

import math

import numpy as np

from headgate.stats.gate import SAFE_BETS
from headgate.stats.power.ranges import log_alpha, must_be_open


def wald_labels(rate: float, theta: float, alpha: float) -> float:
    """Return the mean labels that *any* test needs to show the rate below ``theta``: the information limit.

    Args:
        rate: True harms per request, in ``[0, theta)``.
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Labels, not rounded.

    Raises:
        ValueError: A number is out of range.

    Source:
        Wald (1945), Ann. Math. Stat. 16, with a power of one: ``log(1/alpha) / KL(rate, theta)``.
        ``tests/statistics/test_power.py``.
    """
    _below(rate, theta)
    return -log_alpha(alpha) / divergence(rate, theta)


def zero_harm_labels(theta: float, alpha: float) -> float:
    """Return the labels, all harmless, that a single look planned beforehand needs ("rule of three").

    Args:
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Labels, not rounded.

    Raises:
        ValueError: A number is out of range.

    Source:
        Clopper and Pearson (1934), Biometrika 26, for zero events. ``tests/statistics/test_power.py``.
    """
    must_be_open("a limit", theta)
    return log_alpha(alpha) / math.log1p(-theta)


def divergence(rate: float, other: float) -> float:
    """Return the Kullback-Leibler divergence between two rates, in nats per label.

    Args:
        rate: The rate that labels follow, in ``[0, 1]``.
        other: The rate that is tested, in ``(0, 1)``.

    Returns:
        Nats per label, ``>= 0``.

    Raises:
        ValueError: A rate is out of range.

    Source:
        Kullback and Leibler (1951), Ann. Math. Stat. 22; checked against ``scipy.special.rel_entr``.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate must lie in [0, 1], not {rate}")
    must_be_open("a rate", other)
    harm = rate * math.log(rate / other) if rate > 0 else 0.0
    safe = (1 - rate) * (math.log1p(-rate) - math.log1p(-other)) if rate < 1 else 0.0
    return harm + safe


def growth(rate: float, theta: float) -> float:
    """Return how fast the gate's log stake grows in the long run.

    Args:
        rate: True harms per request, in ``[0, 1]``.
        theta: The limit, in ``(0, 1)``.

    Returns:
        Nats per label of the gate's best bet; negative when the gate will never pass except by luck.

    Raises:
        ValueError: A number is out of range.

    Source:
        Kelly (1956), Bell Syst. Tech. J. 35: the mean log of the factor. ``tests/statistics/test_power.py``.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate must lie in [0, 1], not {rate}")
    must_be_open("a limit", theta)
    bets = rate * np.log1p(-SAFE_BETS) + (1 - rate) * np.log1p(SAFE_BETS * theta / (1 - theta))
    return float(bets.max())


def alarm_labels(baseline: float, risen: float, looks_between_false_alarms: float) -> float:
    """Return the mean labels that *any* alarm needs to notice a rise, in the limit of rare false alarms.

    Args:
        baseline: The rate that is no cause for alarm, in ``(0, 1)``.
        risen: The rate to be noticed, in ``(baseline, 1]``.
        looks_between_false_alarms: Mean looks to a false alarm, ``> 1``.

    Returns:
        Labels after the rise, not rounded.

    Raises:
        ValueError: A number is out of range.

    Source:
        Lorden (1971), Ann. Math. Stat. 42: ``log(ARL) / KL(risen, baseline)``. ``tests/statistics/test_power.py``.
    """
    if not (0 < baseline < risen <= 1 and looks_between_false_alarms > 1):
        raise ValueError("a rise goes from a baseline above 0 to a higher rate, with more than one look between false alarms")
    return math.log(looks_between_false_alarms) / divergence(risen, baseline)


def _below(rate: float, theta: float) -> None:
    must_be_open("a limit", theta)
    if not 0 <= rate < theta:
        raise ValueError(f"the rate must lie in [0, {theta}), not {rate}")
