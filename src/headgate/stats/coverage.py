"""Carrying what was measured on one population over to another, stratum by stratum.

A stage's evidence speaks of its own people. The next stage has other people: more of one language, another use, a region that
nobody came from. If people of one stratum behave alike on both stages, the next stage's rate is the mean of the strata's rates
weighted by the *next* stage's shares, and it is bounded by the mean of their bounds, each at ``alpha / K`` so that all ``K``
hold together. A stratum that nobody came from is bounded by 1: nothing is known of it. That is why an unseen tenth of the next
stage outweighs everything that was measured on the other nine.

What this cannot repair: people of one stratum who are not alike on both stages, and people whom the strata do not tell apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import alarm, users

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FEW_EFFECTIVE = 0.3
"""Below this share of the users there are, the effective number of users is worth a warning."""
ROUNDING = 1e-6
"""Shares may fail to add up to one by this much."""
_HALVINGS = 40


def transport_bound(shares: ArrayLike, bounds: ArrayLike) -> float:
    """Return the bound on a rate in a population whose strata have these shares.

    With each bound an upper bound at ``alpha / K`` the result is one at ``alpha``; with lower bounds it is a lower bound.

    Args:
        shares: The other population's share of each stratum, adding up to one, shape ``(K,)``.
        bounds: The bound of each stratum, in ``[0, 1]``, 1 for one that nobody came from, shape ``(K,)``.

    Returns:
        A rate in ``[0, 1]``.

    Raises:
        ValueError: A shape or number is wrong, or there are no strata.

    Source:
        Law of total probability and the union bound; ``tests/statistics/test_coverage.py``.
    """
    q, u = _checked_shares(shares), np.asarray(bounds, np.float64)
    if u.shape != q.shape or not np.all((u >= 0) & (u <= 1)):
        raise ValueError("there must be one bound in [0, 1] for each stratum")
    return min(1.0, float(q @ u))


def effective_users(here: ArrayLike, shares: ArrayLike) -> float:
    """Return how many users of the other population the users at hand are worth, when each is weighted into its shares.

    With ``w = q' / q`` for each user, ``(sum w)^2 / sum w^2``. Strata that nobody came from cannot be weighted in: they are left
    out here, and count in full in ``transport_bound``.

    Args:
        here: Users at hand in each stratum, ``>= 0``, shape ``(K,)``.
        shares: The other population's share of each stratum, adding up to one, shape ``(K,)``.

    Returns:
        Users, between 0 and as many as there are.

    Raises:
        ValueError: A shape or number is wrong.

    Source:
        Kish (1965), Survey Sampling; ``tests/statistics/test_coverage.py``.
    """
    n, q = np.asarray(here, np.float64), _checked_shares(shares)
    if n.shape != q.shape or not (np.all(np.isfinite(n)) and np.all(n >= 0)):
        raise ValueError("there must be a number of users for each stratum, not negative")
    there = n > 0
    # each of the n_k users of a stratum weighs q'_k / n_k, up to a factor that cancels
    squares = float(np.sum(q[there] ** 2 / n[there]))
    return float(np.sum(q[there])) ** 2 / squares if squares > 0 else 0.0


def lower_bound_users(harm: ArrayLike, floors: ArrayLike, alpha: float, worst_share: float) -> float:
    """Return the largest limit that the users show the mean share of harm to lie above: the mirror of ``upper_bound_users``.

    Args:
        harm: Floor-weighted shares, in ``[0, worst_share]``, shape ``(n,)``.
        floors: Mean floors, in ``(0, 1]``, shape ``(n,)``.
        alpha: Error probability over the whole, unbounded, look-as-you-like run, in ``(0, 1)``.
        worst_share: The most that enforcement lets be harmful of one user's window, in ``(0, 1]``.

    Returns:
        A mean share in ``[0, worst_share)``; 0 when nothing is shown.

    Raises:
        ValueError: A shape, share, floor or probability is out of range.

    Source:
        Inversion of ``users.log_harm_users``, which falls with the limit; ``tests/statistics/test_coverage.py``.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"an error probability must lie in (0, 1), not {alpha}")
    target = -math.log(alpha)
    if not np.any(np.asarray(harm, np.float64) > 0):
        return 0.0
    low, high = 0.0, worst_share
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(users.log_harm_users(harm, floors, middle, worst_share)) >= target:
            low = middle
        else:
            high = middle
    return low


def log_factors_shift(newcomers: ArrayLike, unseen: ArrayLike, share: float) -> NDArray[np.float64]:
    """Return the log factors of looks at how many newcomers belong to strata that were unseen, against a share that is normal.

    Feed them to ``alarm.run``; newcomers are distinct users, each counted in the look in which they came, so that one user's
    burst of requests is one observation.

    Args:
        newcomers: Users who came in each look, whole numbers ``>= 0``, shape ``(n,)``.
        unseen: Those of them who belong to no stratum that was seen before, ``0 <= unseen <= newcomers``, shape ``(n,)``.
        share: The share that is no cause for alarm, in ``(0, 1)``.

    Returns:
        Nats, shape ``(n, 6)``.

    Raises:
        ValueError: A count or the share is out of range.

    Source:
        Factor ``1 + c (x - share)`` for each newcomer, as ``alarm.log_factors_draws`` has it with everything read;
        ``tests/statistics/test_coverage.py``.
    """
    n, x = np.asarray(newcomers, np.float64), np.asarray(unseen, np.float64)
    if n.ndim != 1 or x.shape != n.shape or not (np.all(x >= 0) and np.all(x <= n) and np.all(x % 1 == 0)):
        raise ValueError("unseen newcomers must be whole numbers, not negative, and among the newcomers")
    looks = np.arange(n.size)
    ones = np.repeat(looks, x.astype(np.int64))
    everything = np.ones(ones.size)
    return alarm.log_factors_draws(looks, n, np.ones(n.size), ones, everything, everything, share, looks=n.size)


def _checked_shares(shares: ArrayLike) -> NDArray[np.float64]:
    q = np.asarray(shares, np.float64)
    if q.ndim != 1 or not q.size or not np.all((q >= 0) & (q <= 1)) or not math.isclose(float(q.sum()), 1, abs_tol=ROUNDING):
        raise ValueError("shares must be probabilities that add up to one")
    return q
