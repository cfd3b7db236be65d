"""Where the gate passes, and how far it is from there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.gate import log_e_uniform, log_e_weighted
from headgate.stats.power.limits import growth
from headgate.stats.power.ranges import log_alpha, must_be_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


def boundaries(theta: float, alpha: float, harms: int) -> NDArray[np.int64]:
    """Return the labels at which the gate passes with 0, 1, ..., ``harms`` harms.

    Args:
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.
        harms: The most harms asked for, ``>= 0``.

    Returns:
        Least labels, shape ``(harms + 1,)``, strictly rising.

    Raises:
        ValueError: A number is out of range.

    Source:
        Bisection of ``headgate.stats.gate.log_e_uniform`` over whole labels; values in ``tests/statistics/test_power.py``.
    """
    must_be_open("a limit", theta)
    if harms < 0:
        raise ValueError(f"harms cannot be {harms}")
    target = -log_alpha(alpha)
    s = np.arange(harms + 1)
    low = s.astype(np.int64)
    high = low + 1
    while np.any(short := log_e_uniform(high, s, theta) < target):
        high = np.where(short, 2 * high, high)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        passes = log_e_uniform(middle, s, theta) >= target
        low, high = np.where(passes, low, middle), np.where(passes, middle, high)
    return high


def clean_labels_to_go(labels: int, harms: int, theta: float, alpha: float) -> int:
    """Return the least further labels, all harmless, with which the gate passes; 0 when it has passed.

    Args:
        labels: Labels so far, every request drawn with one probability.
        harms: Those that say harm.
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Labels; exact.

    Raises:
        ValueError: A number is out of range.

    Source:
        Bisection of ``headgate.stats.gate.log_e_uniform``; ``tests/statistics/test_power.py``.
    """
    target = -log_alpha(alpha)
    return _least(lambda more: float(log_e_uniform(labels + more, harms, theta)) >= target)


def clean_requests_to_go(
    requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike, theta: float, alpha: float
) -> int:
    """Return the least further requests without a harm, at the last floor, with which the weighted gate passes.

    Args:
        requests: Requests per stretch of constant floor, shape ``(k,)``, ``k >= 1``.
        floors: The floor of each stretch, shape ``(k,)``.
        harm_pi: The inclusion probability of each harm, shape ``(m,)``.
        harm_floor: The floor of each harm, shape ``(m,)``.
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Requests, drawn or not; 0 when the gate has passed. Times the last floor, about the labels that they cost.

    Raises:
        ValueError: A shape or number is wrong.

    Source:
        Bisection of ``headgate.stats.gate.log_e_weighted``; ``tests/statistics/test_power.py``.
    """
    target = -log_alpha(alpha)
    n = np.asarray(requests, np.float64)
    last = np.zeros(n.shape)
    last[-1] = 1
    return _least(lambda more: log_e_weighted(n + more * last, floors, harm_pi, harm_floor, theta) >= target)


def labels_to_go(log_e: float, rate: float, theta: float, alpha: float) -> float:
    """Return about how many further labels a pass takes if harm goes on at ``rate``.

    Args:
        log_e: The log stake so far, nats.
        rate: Harms per request, in ``[0, 1]``.
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Labels, ``>= 0``; infinity when the stake does not grow at that rate.

    Raises:
        ValueError: A number is out of range.

    Source:
        What is missing, over ``growth``: evidence design, section 1j. ``tests/statistics/test_power.py``.
    """
    missing = max(0.0, -log_alpha(alpha) - log_e)
    gain = growth(rate, theta)
    if missing <= 0:
        return 0.0
    return missing / gain if gain > 0 else math.inf


def _least(passes: Callable[[int], bool]) -> int:
    """Return the least whole number ``>= 0`` at which ``passes`` turns true, once and for all."""
    if passes(0):
        return 0
    low, high = 0, 1024
    while not passes(high):
        low, high = high, 4 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
