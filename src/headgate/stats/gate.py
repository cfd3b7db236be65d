"""Proving that a rate of harm is low, from labels on a random sample, while looking whenever one likes.

The gate bets against the claim "the rate is at least ``theta``". Each bet is fixed before the data: a harmless request
multiplies the stake by a little more than one, a harmful one by a good deal less. The stake, ``E``, is an e-process: if
the claim is true it exceeds ``1 / alpha`` at *any* time with probability at most ``alpha``, so one may look after every
label, for ever, and stop at the first success. The mirror image bets against "the rate is at most ``theta``" and shows
harm.

Theorem (running mean). Let request ``t`` be harmful or not (``Y``), drawn with probability ``pi >= pi0 > 0`` that is known
before the coin, and ``Z = Y / pi`` if drawn, else 0. With ``lambda_t = c * pi0_t``, ``0 <= c < 1``, the product of
``1 + lambda_t (theta - Z_t)`` divided by that of ``1 + lambda_t (theta - Y_t)`` is a nonnegative martingale from 1, and the
divisor is at most ``exp(sum lambda_t (theta - Y_t)) <= 1`` whenever the ``pi0``-weighted mean of ``Y`` is at least
``theta``; Ville's inequality does the rest. The only randomness used is that of our own coins. Nothing is assumed of the
people: not independence, not a constant rate, not good faith.

Three consequences to keep in mind:

* The bets are **fixed**, never tuned on the run. A bet that adapts proves the claim for a mean weighted by the bets
  themselves, which forgives bad days.
* What is proved is the mean over the requests *so far*, weighted by ``pi0`` where ``pi0`` changed on the way.
* ``E`` and its mirror are never both above one: a run is evidence in one direction at a time.

Two forms. When every draw has the same probability, only labels count (``*_uniform``). When a score directs part of the
draws, each harm is weighed by its own probability (``*_weighted``; Horvitz-Thompson).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.shapes import checked_counts, checked_draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

SAFE_BETS = np.array([0.95, 0.75, 0.40])
"""Bets on "low", as fractions of the largest that cannot lose everything. The boldest wins soonest when there is no harm;
the most careful survives a rate of half the limit."""
SAFE_WEIGHTS = np.array([0.5, 0.3, 0.2])
HARM_BETS = np.array([0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
"""Bets on "high": ``c`` is sharpest where the rate is ``1 + c`` times the limit."""
HARM_WEIGHTS = np.array([0.25, 0.25, 0.20, 0.15, 0.10, 0.05])
LARGEST_LOSS = 0.5
"""A bet on "high" loses at most this share of the stake on a harmless request."""

RESOLUTION = 1e-9
"""A bound is solved to this relative precision, and rounded up."""


def log_e_uniform(labels: ArrayLike, harms: ArrayLike, theta: float) -> NDArray[np.float64]:
    """Return the log of the stake against "the rate is at least ``theta``", every request drawn with one probability.

    Args:
        labels: Resolved labels, whole numbers ``>= 0``, any shape.
        harms: Those that say harm, ``0 <= harms <= labels``, a shape that broadcasts with ``labels``.
        theta: The limit, harms per request, in ``(0, 1)``.

    Returns:
        Nats, in the broadcast shape.

    Raises:
        ValueError: A count or the limit is out of range.

    Source:
        Running-mean theorem above with ``pi`` constant: a request that is not drawn leaves the stake alone. Wald (1945),
        Ann. Math. Stat. 16, for a single bet; Ville (1939) for the bound. Values, mean one by summation and false promotion
        by dynamic programme: ``tests/statistics/test_gate.py``.
    """
    n, s = checked_counts(labels, harms)
    _limit(theta)
    return _log_uniform(n, s, theta)


def log_harm_uniform(labels: ArrayLike, harms: ArrayLike, theta: float) -> NDArray[np.float64]:
    """Return the log of the stake against "the rate is at most ``theta``": the mirror of ``log_e_uniform``.

    Args:
        labels: As in ``log_e_uniform``.
        harms: As in ``log_e_uniform``.
        theta: As in ``log_e_uniform``.

    Returns:
        Nats, in the broadcast shape.

    Raises:
        ValueError: A count or the limit is out of range.

    Source:
        Running-mean theorem with ``Z - theta`` for ``theta - Z``; ``tests/statistics/test_gate.py``.
    """
    n, s = checked_counts(labels, harms)
    _limit(theta)
    bets = harm_bets(theta)
    return _mixture(_outer(n - s, np.log1p(-bets * theta)) + _outer(s, np.log1p(bets * (1 - theta))), HARM_WEIGHTS)


def log_e_weighted(requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike, theta: float) -> float:
    """Return the log of the stake against "the rate is at least ``theta``", requests drawn with unequal probabilities.

    Args:
        requests: Requests per stretch of constant floor, drawn or not, shape ``(k,)``, whole numbers ``>= 0``.
        floors: The floor ``pi0`` of each stretch, shape ``(k,)``, in ``(0, 1]``.
        harm_pi: The recorded inclusion probability of each confirmed harm, shape ``(m,)``, in ``[its floor, 1]``.
        harm_floor: The floor in force when it was drawn, shape ``(m,)``.
        theta: The limit, harms per request, in ``(0, 1)``.

    Returns:
        Nats.

    Raises:
        ValueError: A shape, count or probability is wrong, or there are more harms than requests.

    Source:
        Horvitz and Thompson (1952), JASA 47 (the weights); running-mean theorem above. Values and simulations with harm
        hidden from the score: ``tests/statistics/test_gate.py``, ``tests/statistics/test_promises.py``.
    """
    n, floor, pi, pi0 = _draws(requests, floors, harm_pi, harm_floor)
    _limit(theta)
    return _log_weighted(n, floor, pi, pi0, theta, SAFE_BETS, SAFE_WEIGHTS, direction=1.0)


def log_harm_weighted(requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike, theta: float) -> float:
    """Return the log of the stake against "the rate is at most ``theta``": the mirror of ``log_e_weighted``.

    Args:
        requests: As in ``log_e_weighted``.
        floors: As in ``log_e_weighted``.
        harm_pi: As in ``log_e_weighted``.
        harm_floor: As in ``log_e_weighted``.
        theta: As in ``log_e_weighted``.

    Returns:
        Nats.

    Raises:
        ValueError: As in ``log_e_weighted``.

    Source:
        As ``log_e_weighted``, with ``Z - theta`` for ``theta - Z``.
    """
    n, floor, pi, pi0 = _draws(requests, floors, harm_pi, harm_floor)
    _limit(theta)
    return _log_weighted(n, floor, pi, pi0, theta, harm_bets(theta), HARM_WEIGHTS, direction=-1.0)


def upper_bound_uniform(labels: int, harms: int, alpha: float) -> float:
    """Return the smallest limit that the labels rule out at ``alpha``: the bound to show beside a rate.

    Valid at every look while the rate is constant; with a drifting rate the guarantee is that of each limit declared
    beforehand, so gates use declared limits and people are shown this curve. Zero harms give a bound above zero.

    Args:
        labels: Resolved labels, ``>= 0``.
        harms: Those that say harm.
        alpha: Error probability over the whole, unbounded, look-as-you-like run, in ``(0, 1)``.

    Returns:
        Harms per request in ``(0, 1]``; 1 when nothing is ruled out.

    Raises:
        ValueError: A count or ``alpha`` is out of range.

    Source:
        Inversion of ``log_e_uniform``, which rises with ``theta``; ``tests/statistics/test_gate.py``.
    """
    n, s = checked_counts(labels, harms)
    return _smallest(lambda theta: float(_log_uniform(n, s, theta)), alpha, near=(harms + 4) / (labels + 4))


def upper_bound_weighted(
    requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike, alpha: float
) -> float:
    """Return the smallest limit that Horvitz-Thompson weighted labels rule out at ``alpha``; see ``upper_bound_uniform``.

    Args:
        requests: As in ``log_e_weighted``.
        floors: As in ``log_e_weighted``.
        harm_pi: As in ``log_e_weighted``.
        harm_floor: As in ``log_e_weighted``.
        alpha: Error probability over the whole run, in ``(0, 1)``.

    Returns:
        Harms per request in ``(0, 1]``.

    Raises:
        ValueError: A shape, count or probability is wrong.

    Source:
        Inversion of ``log_e_weighted``; ``tests/statistics/test_gate.py``.
    """
    n, floor, pi, pi0 = _draws(requests, floors, harm_pi, harm_floor)
    return _smallest(
        lambda theta: _log_weighted(n, floor, pi, pi0, theta, SAFE_BETS, SAFE_WEIGHTS, direction=1.0),
        alpha,
        near=(float(np.sum(pi0 / pi)) + 4) / (float(n @ floor) + 4),
    )


def rate_weighted(requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike) -> float:
    """Return the estimate of the ``pi0``-weighted mean rate: unbiased, and with no guarantee of its own.

    Args:
        requests: As in ``log_e_weighted``.
        floors: As in ``log_e_weighted``.
        harm_pi: As in ``log_e_weighted``.
        harm_floor: As in ``log_e_weighted``.

    Returns:
        Harms per request, ``>= 0``; NaN when there are no requests.

    Raises:
        ValueError: A shape, count or probability is wrong.

    Source:
        Horvitz and Thompson (1952), JASA 47; ``tests/statistics/test_gate.py``.
    """
    n, floor, pi, pi0 = _draws(requests, floors, harm_pi, harm_floor)
    weight = float(n @ floor)
    return float(np.sum(pi0 / pi)) / weight if weight > 0 else math.nan


def harm_bets(theta: float) -> NDArray[np.float64]:
    """Return the bets on "high", held to a loss of at most half the stake on a harmless request.

    The cap does not depend on ``pi0``, so the bets stay proportional to it, as the theorem asks.

    Args:
        theta: The limit, in ``(0, 1)``.

    Returns:
        Bets in multiples of ``pi0``, shape ``(6,)``.
    """
    return np.minimum(HARM_BETS, LARGEST_LOSS / theta)


def _log_uniform(n: NDArray[np.float64], s: NDArray[np.float64], theta: float) -> NDArray[np.float64]:
    win, loss = np.log1p(SAFE_BETS * theta / (1 - theta)), np.log1p(-SAFE_BETS)
    return _mixture(_outer(n - s, win) + _outer(s, loss), SAFE_WEIGHTS)


def _log_weighted(
    requests: NDArray[np.float64],
    floors: NDArray[np.float64],
    harm_pi: NDArray[np.float64],
    harm_floor: NDArray[np.float64],
    theta: float,
    bets: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    direction: float,
) -> float:
    stretch = bets[:, None] * floors
    harm = bets[:, None] * harm_floor
    benign = np.log1p(direction * stretch * theta) @ requests
    # every request is first counted as harmless; each harm then swaps its own factor
    swaps = np.log1p(direction * harm * (theta - 1 / harm_pi)) - np.log1p(direction * harm * theta)
    return float(_mixture(benign + swaps.sum(axis=1), weights))


def _mixture(terms: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log of the weighted sum of exponentials over the last axis."""
    top = terms.max(axis=-1)
    return top + np.log(np.exp(terms - top[..., None]) @ weights)


def _outer(counts: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts[..., None] * factors


def _smallest(log_e: Callable[[float], float], alpha: float, *, near: float) -> float:
    """Return the least ``theta`` at which the rising ``log_e`` reaches ``-log(alpha)``, or 1 when none does."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), not {alpha}")
    target, largest = -math.log(alpha), 1 - 1e-12
    if log_e(largest) < target:
        return 1.0
    low = high = min(near, largest)
    at_low = at_high = log_e(high) - target
    while at_high < 0:
        low, at_low, high = high, at_high, min(2 * high, largest)
        at_high = log_e(high) - target
    while at_low >= 0:
        high, at_high, low = low, at_low, low / 2
        at_low = log_e(low) - target
    # false position; whenever a step leaves more than half of the bracket, the next one halves it
    halve = False
    while (width := high - low) > RESOLUTION * high:
        share = 0.5 if halve else at_low / (at_low - at_high)
        middle = low + width * min(max(share, RESOLUTION / 4), 1 - RESOLUTION / 4)
        at_middle = log_e(middle) - target
        if at_middle >= 0:
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle
        halve = not halve and high - low > width / 2
    return high


def _limit(theta: float) -> None:
    if not 0 < theta < 1:
        raise ValueError(f"a limit must lie in (0, 1), not {theta}")


def _draws(
    requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n, floor, pi, pi0 = checked_draws(requests, floors, harm_pi, harm_floor)
    if pi.size > n.sum():
        raise ValueError("there are more harms than requests")
    return n, floor, pi, pi0
