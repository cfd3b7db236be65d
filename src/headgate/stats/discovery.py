"""Bounding what nobody has seen yet, from the order in which new kinds turned up.

Users come one after another, and some show a kind of harm (or of use) that no earlier one has shown. The *unseen mass*
``M_t`` is the probability that the next user does. Good and Turing estimate it; the functions here bound it from above, while
looking whenever one likes, however many kinds there are and however rarely they occur.

Theorem (prequential discovery). Let users be independent and alike, ``D_t`` say that user ``t`` shows an unseen kind, and
``M_t`` be the unseen mass after ``t`` users. What has been seen only grows, so ``M_t`` never rises, and
``E[D_t | past] = M_{t-1}``. For a fixed ``lambda`` in (0, 1), ``K_t = prod (1 + lambda (M_{i-1} - D_i))`` is a nonnegative
martingale from 1, and ``E_t(m) = prod (1 + lambda (m - D_i))`` at ``m = M_t <= M_{i-1}`` is at most ``K_t``. So, by Ville's
inequality, the least ``m`` with ``E_t(m) >= 1 / alpha`` lies at or above ``M_t`` for *all* ``t`` at once, with probability
``1 - alpha``. Averages of such products keep the promise: over bets, and over *restarts*, which forget the discoveries of the
early days, when everything is new.

Drawn exchanges. Where only a random part of what users do is read, let a user's ``Z`` be ``1 / pi`` of the first exchange that
was drawn (with probability ``pi``, known before the coin) and shows an unseen kind, or 0. Of the exchanges that do show one,
the first is drawn with its ``pi``, and if it is missed the next may be; so ``E[Z]`` is at least the chance that the user shows
an unseen kind *at all*, read or not. The bets are multiplied by the floor ``pi0 <= pi``, and the theorem holds as before. Where
floors differ between users, the mass is the mean weighted by them.

The point estimates below are shown beside the bound. They carry no guarantee, and no gate reads them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BETS = np.array([0.03, 0.10, 0.30, 0.60, 0.90, 0.98])
"""Bets, as fractions of the largest that cannot lose everything."""
BET_WEIGHTS = np.array([0.05, 0.10, 0.15, 0.20, 0.25, 0.25])
FIRST_RESTART = 8
"""Users before the first restart."""
RESTART_GROWTH = 1.6
"""Each restart comes after so many times the users of the one before."""

RESOLUTION = 1e-9
"""A bound is solved to this relative precision, and rounded up."""
_MOST_USERS = 1 << 50
"""Beyond this nobody is asked to wait: a thousand times all the people there are."""


def log_e_unseen(users: ArrayLike, floors: ArrayLike, found_at: ArrayLike, found_pi: ArrayLike, mass: float) -> float:
    """Return the log of the stake against "the unseen mass is at least ``mass``".

    Args:
        users: Users per stretch of constant floor, in the order of their enrolment, whole numbers ``>= 0``, shape ``(k,)``.
        floors: The floor ``pi0`` of each stretch, in ``(0, 1]``, shape ``(k,)``; 1 where everything is read.
        found_at: The places, counted from 1 and rising, of the users who showed an unseen kind, shape ``(m,)``.
        found_pi: The inclusion probability of the exchange that showed it, in ``[the user's floor, 1]``, shape ``(m,)``.
        mass: A probability, in ``[0, 1]``.

    Returns:
        Nats; rises with ``mass``.

    Raises:
        ValueError: A shape, count, place or probability is wrong.

    Source:
        Prequential discovery theorem above; Ville (1939). One-by-one product, exact values and coverage at all times:
        ``tests/statistics/test_discovery.py``.
    """
    if not 0 <= mass <= 1:
        raise ValueError(f"a mass lies in [0, 1], not {mass}")
    return _Run(users, floors, found_at, found_pi).log_e(mass)


def unseen_mass_bound(users: ArrayLike, floors: ArrayLike, found_at: ArrayLike, found_pi: ArrayLike, alpha: float) -> float:
    """Return the upper bound on the unseen mass: on the probability that the next user shows a kind that nobody showed before.

    Valid for all numbers of users at once. With no discovery among many users, all read, it comes to about ``3.9 / n``.

    Args:
        users: As in ``log_e_unseen``.
        floors: As in ``log_e_unseen``.
        found_at: As in ``log_e_unseen``.
        found_pi: As in ``log_e_unseen``.
        alpha: Error probability over the whole, unbounded, look-as-you-like run, in ``(0, 1)``.

    Returns:
        A probability in ``(0, 1]``; 1 when nothing is ruled out.

    Raises:
        ValueError: A shape, count, place or probability is wrong.

    Source:
        Inversion of ``log_e_unseen``; ``tests/statistics/test_discovery.py``.
    """
    return _Run(users, floors, found_at, found_pi).bound(_checked_alpha(alpha))


def clean_users_to_go(
    users: ArrayLike, floors: ArrayLike, found_at: ArrayLike, found_pi: ArrayLike, mass: float, alpha: float
) -> int | None:
    """Return how many more users, none of whom shows anything new, it takes to bring the bound down to ``mass``.

    Args:
        users: As in ``log_e_unseen``. Further users are taken to have the last stretch's floor; 1 when there is none.
        floors: As in ``log_e_unseen``.
        found_at: As in ``log_e_unseen``.
        found_pi: As in ``log_e_unseen``.
        mass: The bound that is wanted, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Users, ``>= 0``; ``None`` when it takes more than there are.

    Raises:
        ValueError: A shape, count, place or probability is wrong.

    Source:
        Bisection on ``log_e_unseen``, which rises with users who show nothing new; ``tests/statistics/test_discovery.py``.
    """
    if not 0 < mass < 1:
        raise ValueError(f"the bound that is wanted lies in (0, 1), not {mass}")
    target = -math.log(_checked_alpha(alpha))
    run = _Run(users, floors, found_at, found_pi)
    last = float(run.floors[-1]) if run.floors.size else 1.0

    def enough(more: int) -> bool:
        further = _Run([*run.users, more], [*run.floors, last], run.found_at, run.found_pi)
        return further.log_e(mass) >= target

    high = 1
    if enough(0):
        return 0
    while not enough(high):
        high *= 2
        if high > _MOST_USERS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def next_stage(users: int, mass: float) -> tuple[float, float]:
    """Return what a bound on the unseen mass says of ``users`` more users of the same population.

    Args:
        users: Users of the next stage, ``>= 0``.
        mass: A bound on the unseen mass, in ``[0, 1]``.

    Returns:
        At most so many of them are expected to meet a kind that is unseen now; with at least this probability, none does.

    Raises:
        ValueError: A number is out of range.

    Source:
        Linearity of expectation, and the union bound; ``tests/statistics/test_discovery.py``.
    """
    if users < 0 or not 0 <= mass <= 1:
        raise ValueError("users must not be negative, and a mass lies in [0, 1]")
    return users * mass, max(0.0, 1.0 - users * mass)


def good_turing(singletons: int, users: int) -> float:
    """Return the estimate of the unseen mass: the share of users whose kind nobody else showed.

    Args:
        singletons: Kinds shown by exactly one user, ``0 <= singletons``.
        users: Users, ``>= 1``.

    Returns:
        A probability; at most 1, unless users show many kinds each.

    Raises:
        ValueError: A count is out of range.

    Source:
        Good (1953), Biometrika 40; ``tests/statistics/test_discovery.py``.
    """
    if singletons < 0 or users < 1:
        raise ValueError("there must be at least one user, and no negative number of singletons")
    return singletons / users


def chao1(kinds: int, singletons: int, doubletons: int, users: int) -> float:
    """Return the estimate of how many kinds there are in all, seen or not: a lower bound in the mean, with no guarantee here.

    Args:
        kinds: Kinds seen, ``>= singletons + doubletons``.
        singletons: Kinds shown by exactly one user.
        doubletons: Kinds shown by exactly two.
        users: Users, ``>= 1``.

    Returns:
        Kinds, ``>= kinds``.

    Raises:
        ValueError: A count is out of range.

    Source:
        Chao (1984), Scand. J. Stat. 11, bias-corrected where no kind was shown twice; published values in
        ``tests/statistics/test_discovery.py``.
    """
    _frequent(singletons, doubletons, users)
    if kinds < singletons + doubletons:
        raise ValueError("singletons and doubletons are among the kinds seen")
    unseen = singletons**2 / (2 * doubletons) if doubletons else singletons * (singletons - 1) / 2
    return kinds + (users - 1) / users * unseen


def sample_coverage(singletons: int, doubletons: int, shown: int) -> float:
    """Return the estimated share of what will be shown that has been seen: one less the unseen mass, better for small samples.

    Args:
        singletons: Kinds shown exactly once.
        doubletons: Kinds shown exactly twice.
        shown: How often kinds were shown in all, ``>= 1``.

    Returns:
        A share in ``[0, 1]``.

    Raises:
        ValueError: A count is out of range.

    Source:
        Chao and Jost (2012), Ecology 93, equation 4a; published values in ``tests/statistics/test_discovery.py``.
    """
    _frequent(singletons, doubletons, shown)
    if singletons == 0:
        return 1.0
    rest = (shown - 1) * singletons
    return 1 - singletons / shown * (rest / (rest + 2 * doubletons) if rest + doubletons else 1.0)


def good_toulmin(frequencies: ArrayLike, growth: float) -> float:
    """Return the estimate of how many new kinds ``growth`` times as many further users would show.

    The plain series holds up to ``growth = 1``. Beyond, its terms are smoothed, which is good up to a growth of about the
    logarithm of the number of times that kinds were shown, and worthless far beyond it.

    Args:
        frequencies: How many kinds were shown exactly once, twice, and so on, ``>= 0``, shape ``(j,)``.
        growth: Further users as a multiple of those seen, ``>= 0``.

    Returns:
        Kinds; an unguarded estimate, which may even be negative.

    Raises:
        ValueError: A number is out of range.

    Source:
        Good and Toulmin (1956), Biometrika 43; smoothed by a binomial with ``q = 2 / (2 + t)``: Orlitsky, Suresh and Wu (2016),
        PNAS 113. Corbet's butterflies and simulations: ``tests/statistics/test_discovery.py``.
    """
    f = np.asarray(frequencies, np.float64)
    if f.ndim != 1 or not (np.all(np.isfinite(f)) and np.all(f >= 0)) or not (growth >= 0 and math.isfinite(growth)):
        raise ValueError("frequencies and growth must be numbers, not negative")
    j = np.arange(1, f.size + 1, dtype=np.float64)
    if growth <= 1:
        return float(-np.sum((-growth) ** j * f))
    shown = float(j @ f)
    if shown == 0:
        return 0.0
    trials = max(0, math.floor(0.5 * math.log(shown * growth**2 / (growth - 1), 3)))
    q = 2 / (2 + growth)
    law = [math.comb(trials, i) * q**i * (1 - q) ** (trials - i) for i in range(trials + 1)]
    reach = min(trials, f.size)  # the smoothing leaves out every longer term
    kept = np.cumsum(law[::-1])[::-1][1 : reach + 1]
    return float(-np.sum((-growth) ** j[:reach] * kept * f[:reach]))


def mcallester_schapire(singletons: int, users: int, delta: float) -> float:
    """Return the classical upper bound on the unseen mass, for comparison: one look, one kind a user.

    Args:
        singletons: Kinds shown by exactly one user.
        users: Users, ``>= 1``.
        delta: Error probability of the one look, in ``(0, 1)``.

    Returns:
        A number ``>= 0``; above 1 it says nothing.

    Raises:
        ValueError: A number is out of range.

    Source:
        McAllester and Schapire (2000), COLT, theorem 3; ``tests/statistics/test_discovery.py``.
    """
    spread = (2 * math.sqrt(2) + math.sqrt(3)) * math.sqrt(math.log(3 / _checked_alpha(delta)) / users)
    return good_turing(singletons, users) + spread


class _Run:
    """Users in the order of their enrolment, checked once and laid out for many values of the mass."""

    def __init__(self, users: ArrayLike, floors: ArrayLike, found_at: ArrayLike, found_pi: ArrayLike) -> None:
        self.users, self.floors = np.asarray(users, np.float64), np.asarray(floors, np.float64)
        self.found_at, self.found_pi = np.asarray(found_at, np.float64), np.asarray(found_pi, np.float64)
        n, floor, at, pi = self.users, self.floors, self.found_at, self.found_pi
        if n.ndim != 1 or n.shape != floor.shape or at.ndim != 1 or at.shape != pi.shape:
            raise ValueError("users and floors, and likewise places and their probabilities, must be vectors of one length")
        if not (np.all(np.isfinite(n)) and np.all(n >= 0) and np.all(n % 1 == 0)):
            raise ValueError("users must be whole numbers, not negative")
        ends = np.cumsum(n)
        self.total = float(ends[-1]) if n.size else 0.0
        if not (np.all(at % 1 == 0) and np.all(np.diff(at) > 0) and np.all((at >= 1) & (at <= self.total))):
            raise ValueError("the places of discoveries must be rising whole numbers among the users")
        self.found_floor = floor[np.searchsorted(ends, at)] if at.size else pi
        if not (np.all((floor > 0) & (floor <= 1)) and np.all((self.found_floor <= pi) & (pi <= 1))):
            raise ValueError("probabilities must satisfy 0 < floor <= pi <= 1")
        starts = _restarts(self.total)
        self._before = np.searchsorted(at, starts, side="right")
        self._after = np.maximum(0.0, ends - np.maximum(starts[:, None], ends - n)) if n.size else np.zeros((starts.size, 0))
        rank = np.arange(starts.size, dtype=np.float64)
        self._log_weights = -np.log((rank + 1) * (rank + 2))[:, None] + np.log(BET_WEIGHTS)
        self._log_waiting = -math.log(starts.size + 1)  # restarts to come hold their stakes

    def log_e(self, mass: float) -> float:
        quiet = np.log1p(np.outer(self.floors, BETS) * mass)
        stakes = self._after @ quiet
        if self.found_at.size:
            bets = np.outer(self.found_floor, BETS)
            swaps = np.log1p(bets * (mass - 1 / self.found_pi[:, None])) - np.log1p(bets * mass)
            later = np.zeros((self.found_at.size + 1, BETS.size))
            later[:-1] = np.cumsum(swaps[::-1], axis=0)[::-1]
            stakes = stakes + later[self._before]
        terms = stakes + self._log_weights
        top = max(float(terms.max()), self._log_waiting)
        return top + math.log(float(np.exp(terms - top).sum()) + math.exp(self._log_waiting - top))

    def bound(self, alpha: float) -> float:
        target = -math.log(alpha)
        if self.log_e(1.0) < target:
            return 1.0
        low, high = 0.0, min(1.0, (self.found_at.size + 4) / (float(self.users @ self.floors) + 4))
        while self.log_e(high) < target:
            low, high = high, min(1.0, 2 * high)
        while low == 0.0:
            half = high / 2
            low, high = (half, high) if self.log_e(half) < target else (0.0, half)
        at_low, at_high = self.log_e(low) - target, self.log_e(high) - target
        halve = False
        while (width := high - low) > RESOLUTION * high:  # false position, halving whenever a step leaves more than half
            share = 0.5 if halve else at_low / (at_low - at_high)
            middle = low + width * min(max(share, RESOLUTION / 4), 1 - RESOLUTION / 4)
            at_middle = self.log_e(middle) - target
            if at_middle >= 0:
                high, at_high = middle, at_middle
            else:
                low, at_low = middle, at_middle
            halve = not halve and high - low > width / 2
        return high


def _restarts(total: float) -> NDArray[np.float64]:
    """Return how many users come before each start of a product, the first from the beginning."""
    starts, after = [0.0], float(FIRST_RESTART)
    while after < total:
        starts.append(float(math.floor(after)))
        after *= RESTART_GROWTH
    return np.array(starts)


def _frequent(singletons: int, doubletons: int, users: int) -> None:
    if min(singletons, doubletons) < 0 or users < 1:
        raise ValueError("there must be at least one user, and no negative number of kinds")


def _checked_alpha(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"an error probability must lie in (0, 1), not {alpha}")
    return alpha
