"""Noticing that a rate rose, with a stated time between false alarms.

The detector is a mixture e-Shiryaev-Roberts procedure. At each look, bet ``j`` multiplies ``R_j + 1`` by the look's
likelihood-like factor ``L_j``: every look is a possible start of the rise, which is what the ``+ 1`` says. The alarm is
raised when the weighted average ``M`` reaches ``A``. If each factor has conditional mean at most one while nothing has
risen, then ``M_k - k`` is a supermartingale, and the mean number of looks to a false alarm is at least ``A``.

Theorem: Shin, Ramdas and Rinaldo, "E-detectors", arXiv 2203.03532 (the bound on the mean time to a false
alarm). Nothing is assumed of the data after the rise, and the weights change only the delay, never the promise.

Everything is kept as logarithms, so that a long quiet run cannot underflow and a catastrophe cannot overflow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.shapes import checked_draws

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RISE_BETS = np.array([0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
"""Bets, in multiples of the floor ``pi0``: ``c`` is sharpest for a rise to ``1 + c`` times the baseline."""
RISE_WEIGHTS = np.array([0.20, 0.25, 0.20, 0.15, 0.10, 0.10])
"""Weights when nothing is known of the rise."""
COUNT_RATIOS = np.array([1.5, 2.0, 3.0, 5.0, 10.0, 30.0])
"""Ratios to the baseline mean that the counts form bets on, weighted by ``RISE_WEIGHTS``."""
ROUNDING = 1e-12
"""Shares that are thirds may add up to this much more than one."""
LARGEST_LOSS = 0.5
"""No bet loses more than this share on a harmless request, so no factor can reach zero."""


def rise_bets(baseline: float) -> NDArray[np.float64]:
    """Return the bets for a label stream, held to a loss of at most half the stake on a harmless request.

    Args:
        baseline: The rate ``r0`` that is no cause for alarm, harms per request, in ``(0, 1)``.

    Returns:
        Bets in multiples of the floor, shape ``(6,)``.

    Raises:
        ValueError: The baseline is out of range.
    """
    _rate(baseline)
    return np.minimum(RISE_BETS, LARGEST_LOSS / baseline)


def rise_weights(ratio: float) -> NDArray[np.float64]:
    """Return weights that favour a rise to ``ratio`` times the baseline and give up on no other.

    Half the weight stays spread as in ``RISE_WEIGHTS``; the other half goes to the two bets either side of
    ``ratio - 1``, shared by distance in log space. At worst that costs ``log 2`` nats against the spread weights.

    Args:
        ratio: The rise that the rule is written for, ``> 1``.

    Returns:
        Weights, shape ``(6,)``, adding up to one.

    Raises:
        ValueError: The ratio is not above one.

    Source:
        Headgate's own choice; the promise holds for any weights fixed before the data. ``tests/statistics/test_alarm.py``.
    """
    return _focused(ratio, RISE_BETS)


def count_weights(ratio: float) -> NDArray[np.float64]:
    """Return weights for counts, or for bounded shares, that favour a rise to ``ratio`` times and give up on no other.

    Args:
        ratio: The rise that the rule is written for, ``> 1``.

    Returns:
        Weights of ``COUNT_RATIOS``, shape ``(6,)``, adding up to one.

    Raises:
        ValueError: The ratio is not above one.

    Source:
        As ``rise_weights``; ``tests/statistics/test_alarm.py``.
    """
    return _focused(ratio, COUNT_RATIOS - 1)


def log_factor_counts(count: ArrayLike, baseline: ArrayLike, ratios: ArrayLike) -> NDArray[np.float64]:
    """Return the log factors of looks at a count whose mean is at most ``baseline`` (Poisson or lighter).

    Lighter are sums of independent tosses with unequal chances: so many of the users at hand, each flagged or not.

    Args:
        count: Events per look (distinct users, never requests of one user), any shape.
        baseline: Mean events per look that is no cause for alarm, ``> 0``; one for all, or a shape that broadcasts with
            ``count``: each hour's own.
        ratios: Ratios to bet on, each ``> 1``, shape ``(j,)``.

    Returns:
        Nats, the shape of ``count`` with ``j`` appended.

    Raises:
        ValueError: A number is out of range.

    Source:
        Likelihood ratio of two Poisson laws; Roberts (1966), Technometrics 8, for its use.
        ``tests/statistics/test_alarm.py``.
    """
    x, mean, rho = np.asarray(count, np.float64), np.asarray(baseline, np.float64), np.asarray(ratios, np.float64)
    if not (np.all(mean > 0) and np.all(np.isfinite(mean)) and np.all(rho > 1) and np.all(x >= 0)):
        raise ValueError("a count needs a baseline above 0, ratios above 1 and no negative events")
    return x[..., None] * np.log(rho) - mean[..., None] * (rho - 1)


def log_factor_draws(
    requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike, baseline: float
) -> NDArray[np.float64]:
    """Return the log factors of one look at requests drawn with recorded probabilities, equal or not.

    A request that is not drawn, or drawn and not judged yet, counts as harmless; judging it harmful can only raise a factor.

    Args:
        requests: Requests in the look, drawn or not, per stretch of constant floor, shape ``(k,)``.
        floors: The floor ``pi0`` of each stretch, shape ``(k,)``, in ``(0, 1]``.
        harm_pi: The recorded inclusion probability of each harm among them, shape ``(m,)``, in ``[its floor, 1]``.
        harm_floor: The floor in force when it was drawn, shape ``(m,)``.
        baseline: The rate that is no cause for alarm, harms per request, in ``(0, 1)``.

    Returns:
        Nats, shape ``(6,)``.

    Raises:
        ValueError: A shape, count or probability is wrong.

    Source:
        Factor ``1 + c pi0 (Z - r0)`` per request, ``Z`` Horvitz-Thompson weighted; ``tests/statistics/test_alarm.py``.
    """
    once = np.zeros(np.size(requests), np.int64), np.zeros(np.size(harm_pi), np.int64)
    return log_factors_draws(once[0], requests, floors, once[1], harm_pi, harm_floor, baseline, looks=1)[0]


def log_factors_draws(
    look_of_stretch: ArrayLike,
    requests: ArrayLike,
    floors: ArrayLike,
    look_of_harm: ArrayLike,
    harm_pi: ArrayLike,
    harm_floor: ArrayLike,
    baseline: float,
    *,
    looks: int,
) -> NDArray[np.float64]:
    """Return the log factors of many looks at once; each is as ``log_factor_draws`` has it.

    Args:
        look_of_stretch: The look that each stretch of requests belongs to, from 0, shape ``(k,)``.
        requests: Requests per stretch, shape ``(k,)``.
        floors: The floor of each stretch, shape ``(k,)``.
        look_of_harm: The look that each harm belongs to, from 0, shape ``(m,)``.
        harm_pi: The inclusion probability of each harm, shape ``(m,)``.
        harm_floor: The floor of each harm, shape ``(m,)``.
        baseline: The rate that is no cause for alarm, harms per request, in ``(0, 1)``.
        looks: How many looks.

    Returns:
        Nats, shape ``(looks, 6)``.

    Raises:
        ValueError: A shape, count or probability is wrong, or a look is not among them.

    Source:
        As ``log_factor_draws``; ``tests/statistics/test_alarm.py``.
    """
    n, floor, pi, pi0 = checked_draws(requests, floors, harm_pi, harm_floor)
    where, found = np.asarray(look_of_stretch, np.int64), np.asarray(look_of_harm, np.int64)
    if where.shape != n.shape or found.shape != pi.shape or not np.all((where >= 0) & (where < looks)):
        raise ValueError("each stretch and each harm must name its look")
    if not np.all((found >= 0) & (found < looks)):
        raise ValueError("each stretch and each harm must name its look")
    factors: list[NDArray[np.float64]] = []
    for bet in rise_bets(baseline):
        quiet = n * np.log1p(-bet * floor * baseline)
        swaps = np.log1p(bet * pi0 * (1 / pi - baseline)) - np.log1p(-bet * pi0 * baseline)
        sums = np.bincount(where, weights=quiet, minlength=looks) + np.bincount(found, weights=swaps, minlength=looks)
        factors.append(np.asarray(sums, np.float64))
    return np.stack(factors, axis=1)


def log_factor_shares(share: ArrayLike, baseline: float, worst: float) -> NDArray[np.float64]:
    """Return the log factors of shares that no enforcement or arithmetic lets exceed ``worst``.

    One share for each unit that is independent of the others' past: a user's harmful share of their requests, or a window's
    share of requests that nobody scored. Nothing is assumed of how a share comes about, only that its mean, given the past,
    is at most ``baseline`` while nothing has risen.

    Args:
        share: Each in ``[0, worst]``, any shape.
        baseline: The mean share that is no cause for alarm, in ``(0, worst)``.
        worst: The largest share there can be, in ``(0, 1]``.

    Returns:
        Nats, the shape of ``share`` with 6 appended. The bets run from one that suits shares of nothing or all of ``worst`` to
        one that suits shares close to their mean, evenly in log space; none loses more than half its stake.

    Raises:
        ValueError: A number is out of range.

    Source:
        Factor ``1 + lambda (V - v0)``: Shin, Ramdas and Rinaldo, arXiv 2203.03532, bounded observations.
        ``tests/statistics/test_alarm_traps.py``.
    """
    shares = np.asarray(share, np.float64)
    if not (0 < baseline < worst <= 1 and np.all((shares >= 0) & (shares <= worst))):
        raise ValueError("shares must satisfy 0 < baseline < worst <= 1 and lie in [0, worst]")
    return np.log1p(_share_bets(baseline, worst) * (shares[..., None] - baseline))


def log_factors_users(
    look_of_user: ArrayLike,
    share: ArrayLike,
    floors: ArrayLike,
    baseline: float,
    *,
    looks: int,
    times: ArrayLike = 1,
) -> NDArray[np.float64]:
    """Return the log factors of looks at users, each by one floor-weighted share of harm in a window of their use.

    A user whose exchanges were read in part enters with the sum of ``pi0 / pi`` over the harms that were found, divided by all
    their exchanges (``users.shares``), and is held against ``floor * baseline``. A harm that was not found, or not yet, counts
    as none, which can only lower a factor. Nothing is assumed of how harmful one user can be.

    Args:
        look_of_user: The look in which each user's window was over, from 0, shape ``(n,)``.
        share: Each user's floor-weighted share, in ``[0, 1]``, shape ``(n,)``.
        floors: The mean sampling floor of each, in ``(0, 1]``, shape ``(n,)``.
        baseline: The mean share of harm among users that is no cause for alarm, in ``(0, 1)``.
        looks: How many looks.
        times: How many users there are of each, ``>= 0``, a shape that broadcasts to ``(n,)``.

    Returns:
        Nats, shape ``(looks, 6)``. The bets are those of ``log_factor_shares`` for shares of at most one.

    Raises:
        ValueError: A shape or number is out of range, or a look is not among them.

    Source:
        Factor ``1 + lambda (V - floor v0)`` for each user, as in ``log_factor_shares``; ``tests/statistics/test_user_shares.py``.
    """
    where, shares, floor = np.asarray(look_of_user, np.int64), np.asarray(share, np.float64), np.asarray(floors, np.float64)
    _rate(baseline)
    if where.ndim != 1 or not where.shape == shares.shape == floor.shape or not np.all((where >= 0) & (where < looks)):
        raise ValueError("each user must have a share and a floor, and name their look")
    if not (np.all((shares >= 0) & (shares <= 1)) and np.all((floor > 0) & (floor <= 1))):
        raise ValueError("shares must lie in [0, 1] and floors in (0, 1]")
    many = np.broadcast_to(np.asarray(times, np.float64), where.shape)
    if not np.all(many >= 0):
        raise ValueError("there cannot be less than no user")
    excess = shares - floor * baseline
    factors = [np.bincount(where, weights=many * np.log1p(bet * excess), minlength=looks) for bet in _share_bets(baseline, 1.0)]
    return np.asarray(np.stack(factors, axis=1), np.float64)


def share_weights(ratio: float, baseline: float) -> NDArray[np.float64]:
    """Return weights for ``log_factors_users`` that favour a rise to ``ratio`` times and give up on no other.

    The bet that suits a rise best depends on how harmful one harmful user is; the one that suits users who do nothing else is
    favoured, and the larger ones keep their spread weight for those who do little of it.

    Args:
        ratio: The rise that the rule is written for, ``> 1``.
        baseline: The mean share that is no cause for alarm, in ``(0, 1)``.

    Returns:
        Weights, shape ``(6,)``, adding up to one.

    Raises:
        ValueError: The ratio is not above one, or the baseline is out of range.

    Source:
        As ``rise_weights``; Kelly (1956) for the bet ``(ratio - 1) / (1 - v0)`` on a share of all or nothing.
        ``tests/statistics/test_user_shares.py``.
    """
    _rate(baseline)
    return _focused(ratio, (1 - baseline) * _share_bets(baseline, 1.0))


def step(log_r: ArrayLike, log_factor: ArrayLike) -> NDArray[np.float64]:
    """Return the detectors after one look: ``R <- (R + 1) L``, in logs.

    Args:
        log_r: Before the look, shape ``(j,)``; minus infinity before the first.
        log_factor: The look's log factors, shape ``(j,)``.

    Returns:
        After the look, shape ``(j,)``.

    Source:
        Shin, Ramdas and Rinaldo, arXiv 2203.03532; published value in ``tests/statistics/test_alarm.py``.
    """
    return np.logaddexp(np.asarray(log_r, np.float64), 0.0) + np.asarray(log_factor, np.float64)


def run(log_factors: ArrayLike) -> NDArray[np.float64]:
    """Return the detectors after each of a series of looks, from the beginning: ``step`` repeated, without a loop.

    Args:
        log_factors: The looks' log factors, shape ``(n, j)``.

    Returns:
        The logs of the detectors after each look, shape ``(n, j)``.

    Source:
        ``R_n`` is the sum over starts ``k`` of the product of the factors ``k..n``; ``tests/statistics/test_alarm.py``.
    """
    factors = np.asarray(log_factors, np.float64)
    if factors.shape[0] == 0:
        return factors
    through = np.cumsum(factors, axis=0)
    starts = np.vstack([np.zeros((1, factors.shape[1])), through[:-1]])
    return through + np.logaddexp.accumulate(-starts, axis=0)


def log_mixture(log_r: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Return ``log M``, the log of the weighted average of the detectors.

    Args:
        log_r: Detectors, shape ``(..., j)``.
        weights: Their weights, shape ``(j,)``, adding up to at most one.

    Returns:
        Nats, shape ``(...)``.

    Source:
        An average of e-detectors is one: Shin, Ramdas and Rinaldo, arXiv 2203.03532.
    """
    return np.logaddexp.reduce(np.asarray(log_r, np.float64) + np.log(np.asarray(weights, np.float64)), axis=-1)


def log_shared(log_ms: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Return ``log sum_d w_d M_d``: several detectors, one time between false alarms.

    Each detector may watch another stream, and they may depend on one another in any way. They take their looks at the same
    instants; one that has nothing to look at stays as it is.

    Args:
        log_ms: ``log M`` of each detector, shape ``(..., d)``; minus infinity before its first look.
        shares: Each detector's share of the budget, shape ``(d,)``, positive, adding up to at most one.

    Returns:
        Nats, shape ``(...)``.

    Raises:
        ValueError: The shares do not fit.

    Source:
        ``sum_d w_d M_d - k`` is a supermartingale when each ``M_d - k`` is: Shin, Ramdas and Rinaldo, arXiv 2203.03532.
        Evidence design, section 1c. ``tests/statistics/test_alarm.py``.
    """
    parts = np.asarray(shares, np.float64)
    if parts.ndim != 1 or parts.size == 0 or not np.all(parts > 0) or parts.sum() > 1 + ROUNDING:
        raise ValueError("shares of a budget must be positive and add up to at most one")
    return log_mixture(log_ms, parts)


def log_threshold(false_alarm_every_s: float, look_every_s: float) -> float:
    """Return the log of ``A``, the mean number of looks between false alarms.

    Args:
        false_alarm_every_s: The promised mean time between false alarms, in seconds.
        look_every_s: The least time between looks, in seconds.

    Returns:
        Nats, ``> 0``.

    Raises:
        ValueError: A span is not positive, or a false alarm is allowed at every look.
    """
    if not (look_every_s > 0 and math.isfinite(false_alarm_every_s)):
        raise ValueError("looks and false alarms need positive spans of time")
    if not false_alarm_every_s > look_every_s:
        raise ValueError("the time between false alarms must be longer than the time between looks")
    return math.log(false_alarm_every_s / look_every_s)


def _focused(ratio: float, growths: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (ratio > 1 and math.isfinite(ratio)):
        raise ValueError(f"a rise goes to more than once the baseline, not {ratio} times")
    place = float(np.interp(math.log(ratio - 1), np.log(growths), np.arange(growths.size)))
    low = min(int(place), growths.size - 2)
    focus = np.zeros(growths.size)
    focus[low], focus[low + 1] = 1 - (place - low), place - low
    return (RISE_WEIGHTS + focus) / 2


def _share_bets(baseline: float, worst: float) -> NDArray[np.float64]:
    most = LARGEST_LOSS / baseline
    return np.geomspace(min(LARGEST_LOSS / (worst - baseline), most), most, RISE_WEIGHTS.size)


def _rate(baseline: float) -> None:
    if not 0 < baseline < 1:
        raise ValueError(f"a baseline rate must lie in (0, 1), not {baseline}")
