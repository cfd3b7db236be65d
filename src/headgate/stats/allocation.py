"""What to read, when there are fewer readers than requests.

Two questions. *Which* requests: given the harm that one expects at each score, the inclusion probabilities at which a label
moves the gate most. *How many*: how a capacity is shared out, and where the floor must lie so that readers keep up.

**Growth-optimal probabilities.** Let stratum ``k`` hold a share ``w_k`` of requests and a harm rate ``p_k``, and let the gate bet
``lambda`` per request against a limit ``theta``. A request costs ``sum w_k pi_k`` labels, and the log stake grows by
``lambda (theta - sum w_k p_k h(a_k))`` with it, where ``a_k = lambda / pi_k`` and ``h(a) = -ln(1 - a) / a``. The best ratio of
the two, ``G`` nats per label, satisfies in every stratum

    a_k / (1 - a_k) + ln(1 - a_k) = G / p_k.

Where there is no harm, ``a_k`` tends to 1: the floor. Where there is much, ``pi_k`` grows like the square root of ``p_k``
(Neyman). The guess at ``p_k`` decides only how soon a gate passes, never whether it may: probabilities are recorded before
the coin and each harm is weighed by its own, so a wrong guess costs labels and not validity.

No guess takes labels below ``ln(1/alpha) / (theta - p)``, what a perfect detector would need: the claim to be refuted may hide
all harm where the score is low.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FLOOR_SHARE = 0.70
"""The share of a capacity that the random floor may use: the labels that prove safety."""
DIRECTED_SHARE = 0.20
"""The share for what a detector, a report or a new cluster points at: the labels that find harm."""
GOLD_SHARE = 0.05
"""The share for known harms that measure the readers."""
DOUBLE_SHARE = 0.05
"""The share that is read twice, blindly, whatever the first reader says."""
LARGEST_LOAD = 0.85
"""The floor is set so that no more than this part of the capacity is expected to be used: a full queue only grows."""
LEAST_FLOOR_SHARE = 0.10
"""However much is flagged, this part of the capacity stays with the floor: without it nothing can ever be shown."""

_ITERATIONS = 200
_SETTLED = 1e-13


@dataclass(frozen=True, slots=True)
class Allocation:
    """How to draw, and what it buys.

    Attributes:
        multipliers: By which factor each stratum's probability exceeds the floor, ``>= 1``, shape ``(k,)``.
        growth: Nats per label.
        lift: Labels per request, as a multiple of the floor: the mean multiplier.
    """

    multipliers: NDArray[np.float64]
    growth: float
    lift: float

    def labels(self, alpha: float) -> float:
        """Return the mean labels to a pass at ``alpha``, in ``(0, 1)``: not rounded, and a limit that no look schedule beats."""
        return -math.log(alpha) / self.growth


def growth_optimal(shares: ArrayLike, rates: ArrayLike, theta: float) -> Allocation:
    """Return the inclusion probabilities at which a label moves the gate most.

    Args:
        shares: Each stratum's share of requests, ``>= 0``, adding up to 1, shape ``(k,)``.
        rates: The harm rate that is expected in each, in ``[0, 1]``, shape ``(k,)``; their mean lies below ``theta``.
        theta: The limit, harms per request, in ``(0, 1)``.

    Returns:
        Multipliers of the floor, and the growth they buy.

    Raises:
        ValueError: A shape or number is wrong, or the expected rate is not below the limit.

    Source:
        Fixed point above, by Dinkelbach (1967), Management Sci. 13: the ratio at the best answer to the last ratio rises to its
        maximum. The table of labels and a numeric maximum: ``tests/statistics/test_allocation.py``.
    """
    w, p = np.asarray(shares, np.float64), np.asarray(rates, np.float64)
    if w.ndim != 1 or w.shape != p.shape or not w.size:
        raise ValueError("shares and rates must be vectors of one length")
    if not (np.all(w >= 0) and math.isclose(float(w.sum()), 1, rel_tol=1e-9) and np.all((p >= 0) & (p <= 1))):
        raise ValueError("shares must add up to 1 and rates must lie in [0, 1]")
    if not 0 < theta < 1 or float(w @ p) >= theta:
        raise ValueError(f"the expected rate {float(w @ p)} must lie below the limit {theta}, and that below 1")
    growth = theta / 2
    bets = _bets(growth, p)
    for _ in range(_ITERATIONS):
        losses = np.where(p > 0, -np.log1p(-np.minimum(bets, 1 - 1e-16)) / bets, 0.0)
        ratio = (theta - float(w @ (p * losses))) / float(w @ (1 / bets))
        settled = abs(ratio - growth) <= _SETTLED * growth
        growth = ratio if ratio > 0 else growth / 4  # below the best ratio every step gains; above it, come down first
        bets = _bets(growth, p)
        if settled:
            break
    multipliers = bets.max() / bets
    return Allocation(multipliers, growth, float(w @ multipliers))


def binormal(auc: float, rate: float, cells: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the strata of a detector whose scores are normal with equal spread among harmless and harmful requests.

    Args:
        auc: Chance that a harmful request scores above a harmless one, in ``[0.5, 1)``.
        rate: Harms per request, in ``(0, 1)``.
        cells: How finely the score is cut.

    Returns:
        Shares and harm rates of the cells, ascending by score, each of shape ``(cells,)``.

    Raises:
        ValueError: A number is out of range.

    Source:
        Green and Swets (1966): ``auc = Phi(d / sqrt 2)``. ``tests/statistics/test_allocation.py``.
    """
    if not (0.5 <= auc < 1 and 0 < rate < 1 and cells > 1):  # noqa: PLR2004 - a detector no better than a coin
        raise ValueError("an AUC lies in [0.5, 1), a rate in (0, 1), and there are at least two cells")
    apart = math.sqrt(2) * float(special.ndtri(auc))
    borders = np.linspace(-8, 8 + apart, cells + 1)
    harmless, harmful = _cells(borders), _cells(borders - apart)
    shares = (1 - rate) * harmless + rate * harmful
    rates = rate * harmful / np.maximum(shares, np.finfo(float).tiny)
    return shares / shares.sum(), np.clip(rates, 0, 1)


@dataclass(frozen=True, slots=True)
class Split:
    """A capacity, shared out. All in reviews over the span that the capacity was given for.

    Attributes:
        floor: For the random floor, its multipliers included in ``LARGEST_LOAD``.
        directed: For what is pointed at.
        gold: For known harms.
        double: For blind second readings.
    """

    floor: float
    directed: float
    gold: float
    double: float


def split(capacity: float) -> Split:
    """Return how a capacity is shared out by default.

    Args:
        capacity: Reviews, ``>= 0``.

    Raises:
        ValueError: It is negative or not finite.
    """
    _capacity(capacity)
    return Split(FLOOR_SHARE * capacity, DIRECTED_SHARE * capacity, GOLD_SHARE * capacity, DOUBLE_SHARE * capacity)


def floor_reviews(capacity: float, directed: float, lift: float = 1.0) -> float:
    """Return how many reviews the random floor may be planned with, so that readers keep up.

    Args:
        capacity: Reviews that the readers can give, ``>= 0``.
        directed: Reviews that flags alone have been asking for of late, over the same span, ``>= 0``.
        lift: Labels per floor label that score strata add: the mean multiplier, ``>= 1``.

    Returns:
        At most ``FLOOR_SHARE`` of the capacity, less when flags and strata would take the load above ``LARGEST_LOAD``, and never
        less than ``LEAST_FLOOR_SHARE``.

    Raises:
        ValueError: A number is out of range.
    """
    _capacity(capacity)
    if not (directed >= 0 and math.isfinite(directed) and lift >= 1 and math.isfinite(lift)):
        raise ValueError("directed reviews cannot be negative, and strata only add to the floor")
    room = (LARGEST_LOAD * capacity - directed) / lift
    return max(LEAST_FLOOR_SHARE * capacity, min(FLOOR_SHARE * capacity, room))


def _capacity(capacity: float) -> None:
    if not (capacity >= 0 and math.isfinite(capacity)):
        raise ValueError(f"a capacity cannot be {capacity}")


def _bets(growth: float, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``a`` with ``a / (1 - a) + ln(1 - a) = growth / rate``, 1 where the rate is 0.

    With ``t = -ln(1 - a)`` this is ``expm1(t) - t = growth / rate``: convex, so Newton's steps from above stay above.
    """
    with np.errstate(divide="ignore"):
        wanted = np.minimum(growth / rates, 1e15)
    t = np.minimum(np.sqrt(2 * wanted), 2 * np.log1p(wanted) + 1)
    for _ in range(_ITERATIONS):
        step = (np.expm1(t) - t - wanted) / np.expm1(t)
        t = np.maximum(t - step, np.finfo(float).tiny)
        if float(np.max(np.abs(step) / t)) < _SETTLED:
            break
    return -np.expm1(-t)


def _cells(borders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal mass between borders, exact in both tails."""
    below: NDArray[np.float64] = special.ndtr(borders)
    above: NDArray[np.float64] = special.ndtr(-borders)
    return np.where(borders[:-1] > 0, above[:-1] - above[1:], below[1:] - below[:-1])
