"""Proving that a share of harm is low among *users like these*, with the user as the unit.

Requests of one user go together: a thousand harmless requests of fifty people say little about the fifty-first. So each
user counts once, by the share of harm in a fixed window of their use, and the bet is on users. Whatever the number of
requests, ``n`` users show no mean share below about ``3.6 h / n``, where ``h`` is the worst share: the most of one user's
window that enforcement lets be harmful.

A user enters with two numbers. ``floor``: the mean over their exchanges of the sampling floor ``pi0``; 1 where everything
is reviewed. ``share``: the sum over their *drawn* harms of ``pi0 / pi``, divided by the number of all their exchanges,
drawn or not (Horvitz-Thompson, times the floor). With everything reviewed that is the plain share of harm. A share can
never exceed the worst share unless more than that part of the exchanges really was harmful, whatever the coins did: sampling
noise cannot push it out of range, and what is out of range is a broken promise of enforcement, to be looked into and
never cut down to fit. Cutting it down would hide exactly the users that the claim is about.

Theorem (users). Let ``d_u`` be the mean, given the users before, of ``share - theta * floor``, and ``lambda = c / h`` with
``0 <= c < 1``. Each factor ``1 + lambda (theta * floor - share)`` is at least ``1 - c``, and the product of the factors
divided by that of ``1 - lambda d_u`` is a nonnegative martingale from 1. The divisor is at most ``exp(-lambda sum d_u) <= 1``
whenever the floor-weighted mean share is at least ``theta``; Ville's inequality does the rest: the stake against "the mean
share is at least ``theta``" exceeds ``1 / alpha`` at any time with probability at most ``alpha``.

What it takes: users who come exchangeably, in an order fixed before anything is known of them, each entering when their
window is over and never leaving. A user who departs or is banned stays in with what they did; a bet must not depend on how
much a user does, or those who do little and harm much would be bet on least. What it costs: where only a part of the
exchanges is drawn, users of few exchanges may not have been looked at at all, and the floor divides what ``n`` users show.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.gate import HARM_WEIGHTS, RESOLUTION, harm_bets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

USER_BETS = np.array([0.97, 0.90, 0.60, 0.25, 0.05])
"""Bets on "low", as fractions of the largest that cannot lose everything on a user at the worst share."""
USER_WEIGHTS = np.array([0.35, 0.30, 0.20, 0.10, 0.05])

MANY_USERS = 10**12
"""Past this many users, no number of them is sought."""


def shares(exchanges: ArrayLike, user_of_harm: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike) -> NDArray[np.float64]:
    """Return each user's floor-weighted share of harm.

    Args:
        exchanges: Exchanges in each user's window, drawn or not, whole numbers ``>= 1``, shape ``(n,)``.
        user_of_harm: The user of each drawn harm, from 0, shape ``(m,)``.
        harm_pi: Its inclusion probability, shape ``(m,)``, in ``[its floor, 1]``.
        harm_floor: The floor in force when it was drawn, shape ``(m,)``, in ``(0, 1]``.

    Returns:
        Shares in ``[0, 1]``, shape ``(n,)``.

    Raises:
        ValueError: A shape, count or probability is wrong, or a user has more harms than exchanges.

    Source:
        Horvitz and Thompson (1952), JASA 47, times the floor; unbiased in ``tests/statistics/test_users.py``.
    """
    n, whose = np.asarray(exchanges, np.float64), np.asarray(user_of_harm, np.int64)
    pi, pi0 = np.asarray(harm_pi, np.float64), np.asarray(harm_floor, np.float64)
    if n.ndim != 1 or whose.ndim != 1 or not whose.shape == pi.shape == pi0.shape:
        raise ValueError("exchanges must be a vector, and users, probabilities and floors of harms vectors of one length")
    if not (np.all(np.isfinite(n)) and np.all(n >= 1) and np.all(n % 1 == 0)):
        raise ValueError("a user has a whole number of exchanges, at least one")
    if not np.all((whose >= 0) & (whose < n.size)):
        raise ValueError("each harm must name its user")
    if not np.all((pi0 > 0) & (pi0 <= pi) & (pi <= 1)):
        raise ValueError("probabilities must satisfy 0 < floor <= pi <= 1")
    if np.any(np.bincount(whose, minlength=n.size) > n):
        raise ValueError("a user has more harms than exchanges")
    return np.asarray(np.bincount(whose, weights=pi0 / pi, minlength=n.size) / n, np.float64)


def log_e_users(
    harm: ArrayLike, floors: ArrayLike, theta: float, worst_share: float, *, times: ArrayLike = 1
) -> NDArray[np.float64]:
    """Return the log of the stake against "the mean share of harm is at least ``theta``".

    Args:
        harm: Each user's floor-weighted share of harm, in ``[0, worst_share]``, shape ``(..., n)``.
        floors: Each user's mean sampling floor, in ``(0, 1]``, a shape that broadcasts to that of ``harm``.
        theta: The limit on the mean share, in ``(0, worst_share)``.
        worst_share: The most that enforcement lets be harmful of one user's window, in ``(0, 1]``.
        times: How many users there are of each, ``>= 0``, a shape that broadcasts to that of ``harm``.

    Returns:
        Nats, shape ``(...)``; 0 for no users.

    Raises:
        ValueError: A shape, share, floor or limit is out of range.

    Source:
        Theorem (users) above; Ville (1939). Values, mean one and false claims: ``tests/statistics/test_users.py``.
    """
    win, many = _wins(harm, floors, theta, worst_share), _times(times)
    return _mixture([(many * np.log1p(bet * win)).sum(axis=-1) for bet in USER_BETS], USER_WEIGHTS)


def log_e_path(harm: ArrayLike, floors: ArrayLike, theta: float, worst_share: float) -> NDArray[np.float64]:
    """Return ``log_e_users`` after each user in turn.

    Args:
        harm: As in ``log_e_users``.
        floors: As in ``log_e_users``.
        theta: As in ``log_e_users``.
        worst_share: As in ``log_e_users``.

    Returns:
        Nats, the shape of ``harm``.

    Raises:
        ValueError: As in ``log_e_users``.

    Source:
        As ``log_e_users``.
    """
    win = _wins(harm, floors, theta, worst_share)
    return _mixture([np.log1p(bet * win).cumsum(axis=-1) for bet in USER_BETS], USER_WEIGHTS)


def log_harm_users(
    harm: ArrayLike, floors: ArrayLike, theta: float, worst_share: float, *, times: ArrayLike = 1
) -> NDArray[np.float64]:
    """Return the log of the stake against "the mean share of harm is at most ``theta``": the mirror of ``log_e_users``.

    Args:
        harm: As in ``log_e_users``; count here only what is known to be harm.
        floors: As in ``log_e_users``.
        theta: As in ``log_e_users``.
        worst_share: As in ``log_e_users``.
        times: As in ``log_e_users``.

    Returns:
        Nats, shape ``(...)``.

    Raises:
        ValueError: As in ``log_e_users``.

    Source:
        Theorem (users) with the sign turned, and the gate's own bets on "high"; ``tests/statistics/test_users.py``.
    """
    win, many = _wins(harm, floors, theta, worst_share), _times(times)
    return _mixture([(many * np.log1p(-bet * win)).sum(axis=-1) for bet in harm_bets(theta / worst_share)], HARM_WEIGHTS)


def mean_share(harm: ArrayLike, floors: ArrayLike, *, times: ArrayLike = 1) -> float:
    """Return the estimate of the floor-weighted mean share: unbiased where the floor is constant, and with no guarantee.

    Args:
        harm: Floor-weighted shares, shape ``(n,)``.
        floors: Mean floors, shape ``(n,)``.
        times: As in ``log_e_users``.

    Returns:
        A share, ``>= 0``; NaN for no users.

    Source:
        Horvitz and Thompson (1952), JASA 47; ``tests/statistics/test_users.py``.
    """
    many = _times(times)
    weight = float(np.sum(many * np.asarray(floors, np.float64)))
    return float(np.sum(many * np.asarray(harm, np.float64))) / weight if weight > 0 else math.nan


def upper_bound_users(harm: ArrayLike, floors: ArrayLike, alpha: float, worst_share: float, *, times: ArrayLike = 1) -> float:
    """Return the smallest limit that the users rule out at ``alpha``: the bound to show beside a mean share.

    As with a rate, the guarantee while behaviour drifts is that of each limit declared beforehand.

    Args:
        harm: Floor-weighted shares, in ``[0, worst_share]``, shape ``(n,)``.
        floors: Mean floors, in ``(0, 1]``, shape ``(n,)``.
        alpha: Error probability over the whole, unbounded, look-as-you-like run, in ``(0, 1)``.
        worst_share: As in ``log_e_users``.
        times: As in ``log_e_users``.

    Returns:
        A mean share in ``(0, worst_share]``; ``worst_share`` itself when they rule out nothing, since that is assumed.

    Raises:
        ValueError: A shape, share, floor or probability is out of range.

    Source:
        Inversion of ``log_e_users``, which rises with ``theta``; ``tests/statistics/test_users.py``.
    """
    target = _needed(alpha)
    x, rho = _scaled(harm, floors, worst_share)
    if x.ndim != 1:
        raise ValueError("a bound is of one run of users")
    many = np.broadcast_to(_times(times), x.shape)

    def reached(scaled: float) -> bool:
        logs = np.log1p(USER_BETS[:, None] * (rho * scaled - x)) @ many
        return bool(_mixture(list(logs), USER_WEIGHTS) >= target)

    low, high = 0.0, 1.0
    if not reached(high):
        return worst_share
    while high - low > RESOLUTION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high * worst_share


def clean_users_to_go(
    harm: ArrayLike,
    floors: ArrayLike,
    theta: float,
    alpha: float,
    worst_share: float,
    *,
    times: ArrayLike = 1,
    floor: float = 1.0,
) -> int:
    """Return the least further users, none of whom does harm, with whom the gate passes; 0 when it has passed.

    Args:
        harm: Floor-weighted shares so far, shape ``(n,)``.
        floors: Mean floors so far, shape ``(n,)``.
        theta: As in ``log_e_users``.
        alpha: Error probability, in ``(0, 1)``.
        worst_share: As in ``log_e_users``.
        times: As in ``log_e_users``.
        floor: The mean floor of the users to come, in ``(0, 1]``.

    Returns:
        Users, ``>= 0``; ``MANY_USERS`` when it would take that many or more.

    Raises:
        ValueError: A shape, share, floor, limit or probability is out of range.

    Source:
        Bisection over whole users of ``log_e_users``; closed forms in ``tests/statistics/test_users.py``.
    """
    target = _needed(alpha)
    if not 0 < floor <= 1:
        raise ValueError(f"a floor lies in (0, 1], not {floor}")
    win = _wins(harm, floors, theta, worst_share)
    if win.ndim != 1:
        raise ValueError("users to go are of one run of users")
    so_far = np.array([(_times(times) * np.log1p(bet * win)).sum() for bet in USER_BETS])
    each = np.log1p(USER_BETS * floor * theta / worst_share)

    def passes(more: int) -> bool:
        return bool(_mixture(list(so_far + more * each), USER_WEIGHTS) >= target)

    if passes(0):
        return 0
    low, high = 0, 1
    while not passes(high):
        low, high = high, 2 * high
        if high >= MANY_USERS:
            return MANY_USERS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def users_to_go(
    harm: ArrayLike, floors: ArrayLike, theta: float, alpha: float, worst_share: float, *, times: ArrayLike = 1
) -> float:
    """Return the further users with whom the gate passes if they are like those so far, and a little worse.

    Half a user at the worst share is added to those seen, so that no harm among few does not promise none for ever.

    Args:
        harm: Floor-weighted shares so far, shape ``(n,)``.
        floors: Mean floors so far, shape ``(n,)``.
        theta: As in ``log_e_users``.
        alpha: Error probability, in ``(0, 1)``.
        worst_share: As in ``log_e_users``.
        times: As in ``log_e_users``.

    Returns:
        Users, ``>= 0``; infinity when the stake does not grow among users like these.

    Raises:
        ValueError: As in ``log_e_users``, or ``alpha`` is out of range.

    Source:
        Kelly (1956), Bell Syst. Tech. J. 35: the mean log of the factor; a forecast, with no guarantee.
    """
    missing = _needed(alpha) - float(log_e_users(harm, floors, theta, worst_share, times=times))
    if missing <= 0:
        return 0.0
    win = _wins(harm, floors, theta, worst_share)
    many = np.broadcast_to(_times(times), win.shape)
    users = float(many.sum())
    floor = float(np.sum(many * np.asarray(floors, np.float64))) / users if users else 1.0
    worst = floor * (theta / worst_share - 1)
    growth = [((many * np.log1p(bet * win)).sum() + 0.5 * np.log1p(bet * worst)) / (users + 0.5) for bet in USER_BETS]
    return missing / float(max(growth)) if max(growth) > 0 else math.inf


def typical_users(expected: float, theta: float, alpha: float, worst_share: float, *, floor: float = 1.0) -> float:
    """Return the users with whom a gate passes in a typical run, where a few do all that enforcement lets them.

    Harm among few is the slowest case for a given mean: ``expected / worst_share`` of the users are at the worst share, and the
    others do none. About half of the runs pass with so many users.

    Args:
        expected: The true mean share, in ``[0, 1]``.
        theta: As in ``log_e_users``.
        alpha: Error probability, in ``(0, 1)``.
        worst_share: As in ``log_e_users``.
        floor: The users' mean sampling floor, in ``(0, 1]``.

    Returns:
        Users; infinity when the stake does not grow, or when it would take ``MANY_USERS``.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``log_e_users`` with the expected number of harms; against simulated runs in ``tests/statistics/test_users.py``.
    """
    if not 0 <= expected <= 1:
        raise ValueError(f"a mean share lies in [0, 1], not at {expected}")
    target, bad = _needed(alpha), min(1.0, expected / worst_share) * floor

    def passes(users: float) -> bool:
        run = log_e_users([0.0, worst_share], [floor, floor], theta, worst_share, times=[users * (1 - bad), users * bad])
        return bool(run >= target)

    low, high = 0, 1
    while not passes(high):
        low, high = high, 2 * high
        if high >= MANY_USERS:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return float(high)


def tightest_share(users: int, alpha: float, worst_share: float, *, floor: float = 1.0) -> float:
    """Return the smallest limit that so many users could show if none of them does harm: about ``3.6 worst_share / users``.

    Args:
        users: Users, ``>= 0``.
        alpha: Error probability, in ``(0, 1)``.
        worst_share: The worst share, in ``(0, 1]``.
        floor: Their mean sampling floor, in ``(0, 1]``.

    Returns:
        A mean share in ``(0, worst_share]``; ``worst_share`` itself when they can show nothing.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``upper_bound_users`` at no harm; evidence design, section 5 (100 users: 3.6 %). ``tests/statistics/test_users.py``.
    """
    if users < 0:
        raise ValueError(f"there cannot be {users} users")
    return upper_bound_users([0.0], [floor], alpha, worst_share, times=users)


def _wins(harm: ArrayLike, floors: ArrayLike, theta: float, worst_share: float) -> NDArray[np.float64]:
    """Return what a bet of one wins or loses on each user: ``(theta * floor - share) / worst_share``."""
    x, rho = _scaled(harm, floors, worst_share)
    if not 0 < theta < worst_share:
        raise ValueError(f"a limit lies between 0 and the worst share {worst_share}, not at {theta}")
    return rho * (theta / worst_share) - x


def _scaled(harm: ArrayLike, floors: ArrayLike, worst_share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not 0 < worst_share <= 1:
        raise ValueError(f"a worst share lies in (0, 1], not at {worst_share}")
    v = np.asarray(harm, np.float64)
    rho = np.broadcast_to(np.asarray(floors, np.float64), v.shape)
    if not (np.all(v >= 0) and np.all(v <= worst_share)):
        raise ValueError(f"a user's share of harm lies in [0, {worst_share}]: more was not to be possible")
    if not (np.all(rho > 0) and np.all(rho <= 1)):
        raise ValueError("a user's mean floor lies in (0, 1]")
    return v / worst_share, rho


def _times(times: ArrayLike) -> NDArray[np.float64]:
    many = np.asarray(times, np.float64)
    if not (np.all(np.isfinite(many)) and np.all(many >= 0)):
        raise ValueError("a number of users is not negative")
    return many


def _mixture(terms: list[NDArray[np.float64]], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    stakes = np.stack([np.asarray(term, np.float64) for term in terms], axis=-1)
    return np.asarray(np.logaddexp.reduce(stakes + np.log(weights), axis=-1), np.float64)


def _needed(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), not {alpha}")
    return -math.log(alpha)
