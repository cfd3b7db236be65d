"""What reviewers miss, measured on harms that are known, and what that does to a limit.

A reviewer who misses one harm in five makes a model look a fifth safer than it is. Gold items are exchanges whose harm is known
beforehand, mixed unmarked into what reviewers read; the share of them that ends as a standing harm is the sensitivity ``Se`` of
the *whole* process of reading, second opinions included. From it comes a lower bound ``Se_L`` that holds at every look, and the
gate then bets against ``theta * Se_L`` instead of ``theta``.

Theorem (corrected gate). Let request ``t`` be truly harmful or not (``Y``), and let a harmful one that is drawn stand as a harm
with probability at least ``Se`` given the past, whatever it is; let a harmless one stand or not as it may. Let ``L_T <= 1`` be
any bound with ``P(exists T: L_T > Se) <= alpha / 2``. Let ``E_T`` be the gate of ``headgate.stats.gate``, fed with what stands.
Then

    P(exists T: E_T(theta * L_T) >= 2 / alpha, and the pi0-weighted mean of Y up to T is at least theta) <= alpha.

Proof. Given the past, what stands at request ``t`` has mean ``mu_t >= Se * Y_t``, so on the event in question the weighted mean
of ``mu`` is at least ``theta * Se``. The running-mean theorem in its general form (the divisor of the martingale is
``1 + lambda_t (theta - mu_t)``) bounds the chance that ``E_T(theta * Se)`` ever reaches ``2 / alpha`` on it by ``alpha / 2``.
``E_T`` rises with its limit, so as long as no ``L_T`` exceeds ``Se``, ``E_T(theta * L_T) <= E_T(theta * Se)``. Add the two
chances; nothing is assumed of how gold items and traffic depend on each other. QED

What it costs is the price of not knowing: half of ``alpha`` and the factor ``Se_L``. What it does not cover: harms of a kind that
no gold item has. Golds are *known* harms, and ``Se`` is the sensitivity to harms like them.

The bound itself is the same bet as the gate's, with a spread of stakes made for tens and hundreds of items instead of thousands:
a missed item is the "harm", and ``u`` times the tested rate is bet on with ``u`` spread as Beta(1/2, 1). The spread is fixed
before the data, so the bound holds for the running mean of the chances to miss, at all times at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special
from headgate.stats.shapes import checked_counts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SPREAD = 0.5
"""The first parameter of the Beta law that bets are spread by; smaller is sharper when nothing is missed."""

_HALVINGS = 80
_MOST_GOLDS = 10**12


def log_e_misses(shown: ArrayLike, missed: ArrayLike, theta: float) -> NDArray[np.float64]:
    """Return the log of the stake against "a known harm is missed with a chance of at least ``theta``".

    Args:
        shown: Gold items with a known harm that reviewers have answered, whole numbers ``>= 0``, any shape.
        missed: Those that did not end as a harm, ``0 <= missed <= shown``, a shape that broadcasts with ``shown``.
        theta: The chance to miss that is bet against, in ``(0, 1)``.

    Returns:
        Nats, in the broadcast shape; ``-inf`` where the stake is below what a double can hold.

    Raises:
        ValueError: A count or the chance is out of range.

    Source:
        Mixture of likelihood ratios over ``p = u * theta``, ``u ~ Beta(1/2, 1)``: Robbins (1970), Ann. Math. Stat. 41, for the
        method; closed form by the incomplete beta function. Against quadrature, and mean one by summation:
        ``tests/statistics/test_noise.py``.
    """
    n, s = checked_counts(shown, missed)
    if not 0 < theta < 1:
        raise ValueError(f"a chance to miss must lie in (0, 1), not {theta}")
    a, b = s + SPREAD, n - s + 1
    with np.errstate(divide="ignore"):
        inside = np.log(special.betainc(a, b, theta))
    total = math.log(SPREAD) + special.betaln(a, b) + inside - a * math.log(theta) - (n - s) * math.log1p(-theta)
    return np.asarray(total, np.float64)


def sensitivity_lower(shown: int, caught: int, alpha: float) -> float:
    """Return the lower bound on the share of harms that reviewers recognise, valid at every look.

    Args:
        shown: Gold items with a known harm that reviewers have answered.
        caught: Those that ended as a harm, ``0 <= caught <= shown``.
        alpha: The chance that the bound ever lies above the truth, over the whole run, in ``(0, 1)``.

    Returns:
        A share in ``[0, 1)``; 0 when nothing was shown.

    Raises:
        ValueError: A count or ``alpha`` is out of range.

    Source:
        Inversion of ``log_e_misses``, which rises with ``theta``. Values, and coverage under looks after every item by an exact
        sum: ``tests/statistics/test_noise.py``.
    """
    checked_counts(shown, caught)
    missed = shown - caught
    return 1 - _smallest_miss(shown, missed, alpha)


def sensitivity_upper(shown: int, caught: int, alpha: float) -> float:
    """Return the upper bound on the share of harms that reviewers recognise: the mirror of ``sensitivity_lower``.

    Args:
        shown: As in ``sensitivity_lower``.
        caught: As in ``sensitivity_lower``.
        alpha: As in ``sensitivity_lower``.

    Returns:
        A share in ``(0, 1]``; 1 when nothing was shown.

    Raises:
        ValueError: A count or ``alpha`` is out of range.

    Source:
        ``sensitivity_lower`` with caught and missed exchanged.
    """
    checked_counts(shown, caught)
    return _smallest_miss(shown, caught, alpha)


def corrected_limit(theta: float, shown: int, caught: int, alpha: float) -> float:
    """Return the limit that the rate of *standing* harms must be shown to lie below, for the true rate to lie below ``theta``.

    Args:
        theta: The limit on the true rate, harms per request, in ``(0, 1)``.
        shown: As in ``sensitivity_lower``.
        caught: As in ``sensitivity_lower``.
        alpha: What may be spent on the sensitivity: half of the gate's, in ``(0, 1)``.

    Returns:
        ``theta * Se_L``, in ``[0, theta)``; 0, which nothing can be shown to lie below, when nothing was shown.

    Raises:
        ValueError: A number is out of range.

    Source:
        Theorem above; false promotion with and without it: ``tests/statistics/test_noise.py``.
    """
    if not 0 < theta < 1:
        raise ValueError(f"a limit must lie in (0, 1), not {theta}")
    return theta * sensitivity_lower(shown, caught, alpha)


def golds_needed(sensitivity: float, alpha: float, missed: int = 0) -> int:
    """Return how many gold items it takes to show a sensitivity when so many of them are missed.

    Args:
        sensitivity: What is to be shown, in ``(0, 1)``.
        alpha: The chance to show it falsely, in ``(0, 1)``.
        missed: Gold items that are not recognised, ``>= 0``.

    Returns:
        The least number, the missed ones among them.

    Raises:
        ValueError: A number is out of range, or more would be needed than there will ever be.

    Source:
        Bisection of ``log_e_misses`` over whole numbers; ``tests/statistics/test_noise.py``.
    """
    if not (0 < sensitivity < 1 and 0 < alpha < 1 and missed >= 0):
        raise ValueError("a sensitivity and an alpha must lie in (0, 1), and misses cannot be negative")
    theta, target = 1 - sensitivity, -math.log(alpha)
    low, high = missed, missed + 1
    while float(log_e_misses(high, missed, theta)) < target:
        low, high = high, 2 * high
        if high > _MOST_GOLDS:
            raise ValueError(f"to show a sensitivity of {sensitivity} takes more than {_MOST_GOLDS:,} gold items")
    while high - low > 1:
        middle = (low + high) // 2
        enough = float(log_e_misses(middle, missed, theta)) >= target
        low, high = (low, middle) if enough else (middle, high)
    return high


def observed_rate(rate: float, sensitivity: float, specificity: float) -> float:
    """Return the rate at which labels say "harm" when reviewers err both ways.

    Args:
        rate: The true rate, in ``[0, 1]``.
        sensitivity: Chance that a harm is called one, in ``[0, 1]``.
        specificity: Chance that a harmless exchange is called harmless, in ``[0, 1]``.

    Returns:
        ``Se * p + (1 - Sp) * (1 - p)``.

    Raises:
        ValueError: A number is out of range.
    """
    if not all(0 <= share <= 1 for share in (rate, sensitivity, specificity)):
        raise ValueError("rates, sensitivity and specificity must lie in [0, 1]")
    return sensitivity * rate + (1 - specificity) * (1 - rate)


def rogan_gladen(rate: float, sensitivity: float, specificity: float) -> float:
    """Return the estimate of the true rate from the rate of labels that say "harm". It has no guarantee; gates do not read it.

    Args:
        rate: The observed rate, in ``[0, 1]``.
        sensitivity: As in ``observed_rate``.
        specificity: As in ``observed_rate``; together with the sensitivity above 1.

    Returns:
        Harms per request, held to ``[0, 1]``.

    Raises:
        ValueError: A number is out of range, or the readers are no better than a coin.

    Source:
        Rogan and Gladen (1978), Am. J. Epidemiol. 107; inverse of ``observed_rate``: ``tests/statistics/test_noise.py``.
    """
    if not all(0 <= share <= 1 for share in (rate, sensitivity, specificity)):
        raise ValueError("rates, sensitivity and specificity must lie in [0, 1]")
    if sensitivity + specificity <= 1:
        raise ValueError("readers whose sensitivity and specificity add up to no more than 1 tell nothing")
    return min(1.0, max(0.0, (rate + specificity - 1) / (sensitivity + specificity - 1)))


def _smallest_miss(shown: int, missed: int, alpha: float) -> float:
    """Return the least chance to miss at which the rising stake reaches ``1 / alpha``, rounded up; 1 when none does."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), not {alpha}")
    target = -math.log(alpha)
    low, high = missed / shown if shown else 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if float(log_e_misses(shown, missed, middle)) >= target else (middle, high)
    return high
