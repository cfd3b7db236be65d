"""Labels to a decision, method by method: exact wherever a rule looks only at counts.

A rule that looks only at how many labels there are and how many say harm passes, with ``s`` harms, from some label ``b_s`` on. So
its law follows from its boundaries by sums of binomials, with no simulation. One rule here bets by what it has seen, and is
simulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, betaln

from headgate.stats import gate, power

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

THETA = 1e-3
ALPHA = 0.05
A_DAY = 200
"""Labels a day, where a method looks once a day."""
GROWS = 1.5


@dataclass(frozen=True)
class Law:
    """When a rule passes: labels, the chance at each, and what is left undecided."""

    labels: NDArray[np.int64]
    chance: NDArray[np.float64]

    @property
    def passed(self) -> float:
        return float(self.chance.sum())

    @property
    def mean(self) -> float:
        return float(self.labels @ self.chance) / self.passed if self.passed > 0 else math.nan


def from_boundaries(bounds: NDArray[np.int64], rate: float) -> Law:
    """The law of a rule that passes with ``s`` harms at label ``bounds[s]``, looking after every label."""
    chance, left, at = np.zeros(bounds.size), np.ones(1), 0
    for k, bound in enumerate(bounds):
        left = np.convolve(left, binomial(int(bound) - at, rate))
        chance[k], left, at = left[0], left[1:], int(bound)
        if left.size == 0:
            break
        left = kept(left)
    return Law(bounds, chance)


def from_looks(looks: NDArray[np.int64], allowed: NDArray[np.int64], rate: float) -> Law:
    """The law of a rule that passes at look ``j`` with at most ``allowed[j]`` harms."""
    chance, left, at = np.zeros(looks.size), np.ones(1), 0
    for j, (look, most) in enumerate(zip(looks, allowed, strict=True)):
        left = np.convolve(left, binomial(int(look) - at, rate))
        passes = max(0, min(int(most) + 1, left.size))
        chance[j] = left[:passes].sum()
        left = np.concatenate((np.zeros(passes), left[passes:]))
        at = int(look)
        filled = np.flatnonzero(np.cumsum(left[::-1])[::-1] > power.NEGLIGIBLE)
        left = left[: filled[-1] + 1] if filled.size else np.zeros(1)
    return Law(looks, chance)


def kept(left: NDArray[np.float64]) -> NDArray[np.float64]:
    filled = np.flatnonzero(np.cumsum(left[::-1])[::-1] > power.NEGLIGIBLE)
    return left[: filled[-1] + 1] if filled.size else np.zeros(1)


def binomial(trials: int, rate: float) -> NDArray[np.float64]:
    """The binomial law up to where its tail is negligible."""
    if rate == 0 or trials == 0:
        return np.ones(1)
    mean = trials * rate
    most = min(trials, int(mean + 12 * math.sqrt(mean + 1) + 40))
    k = np.arange(1, most + 1)
    logs = np.cumsum(np.log((trials - k + 1) / k) + math.log(rate) - math.log1p(-rate))
    return np.exp(trials * math.log1p(-rate) + np.concatenate(([0.0], logs)))


def boundaries(
    passes: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]], horizon: int
) -> NDArray[np.int64]:
    """The least label at which each count of harms passes, up to a horizon, for a rule that goes on passing once it does."""
    harms, found = 16, np.zeros(0, np.int64)
    while True:
        s = np.arange(harms, dtype=np.float64)
        low, high = s.astype(np.int64), np.full(harms, horizon + 1)
        reached = passes(high.astype(np.float64), s)
        while np.any(high - low > 1):
            middle = (low + high) // 2
            good = passes(middle.astype(np.float64), s)
            low, high = np.where(good, low, middle), np.where(good, middle, high)
        found = np.where(reached, high, horizon + 1)
        if found[-1] > horizon:
            return np.maximum.accumulate(found[found <= horizon])
        harms *= 2


def mixture(
    bets: tuple[float, ...], weights: tuple[float, ...]
) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]:
    """A fixed-bet gate with other bets than the default ones."""
    c, w = np.array(bets), np.log(np.array(weights))
    win, loss = np.log1p(c * THETA / (1 - THETA)), np.log1p(-c)

    def passes(n: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.bool_]:
        terms = (n - s)[:, None] * win + s[:, None] * loss + w
        return np.logaddexp.reduce(terms, axis=1) >= -math.log(ALPHA)

    return passes


def ours(n: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.bool_]:
    return gate.log_e_uniform(n, np.minimum(s, n), THETA) >= -math.log(ALPHA)


def hoeffding(n: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One-sided normal mixture for variables in [0, 1], tuned to the two million labels that it takes."""
    v, rho = n / 4, 5e5 / 8
    radius = np.sqrt(2 * (v + rho) * np.log(np.sqrt((v + rho) / rho) / (2 * ALPHA) + 1))
    return s + radius < THETA * n


def asymptotic(start: int) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]:
    """The asymptotic confidence sequence of A/B tools (two-sided, tuned to 5,000), from a first look on."""
    spread = math.sqrt((-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA) + 1)) / 5000)

    def passes(n: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.bool_]:
        n = np.maximum(n, 1)
        mean = s / n
        v = n * spread**2
        radius = np.sqrt(mean * (1 - mean)) * np.sqrt(2 * (v + 1) / (n * v) * np.log(np.sqrt(v + 1) / ALPHA))
        return (n >= start) & (mean + radius < THETA)

    return passes


def beta_binomial(a: float, b: float) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]:
    """The two-sided confidence sequence from a Beta(a, b) mixture."""

    def passes(n: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.bool_]:
        log_e = betaln(a + s, b + n - s) - betaln(a, b) - s * math.log(THETA) - (n - s) * math.log1p(-THETA)
        return (log_e >= -math.log(ALPHA)) & (s < THETA * n)

    return passes


def clopper_pearson(looks: NDArray[np.int64], each: float) -> NDArray[np.int64]:
    """The most harms that put the exact upper bound below the limit, look by look."""
    s = np.arange(0, 400)
    return np.array([int((bdtr(s, int(n), THETA) <= each).sum()) - 1 for n in looks], np.int64)


def wald_z(looks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same for the textbook interval, which is nought wide at no harm."""
    s = np.arange(0, 400)
    return np.array(
        [int((s / n + 1.645 * np.sqrt(s / n * (1 - np.minimum(s / n, 1))) / math.sqrt(n) < THETA).sum()) - 1 for n in looks]
    )


def daily(labels: int) -> NDArray[np.int64]:
    return np.arange(A_DAY, labels + 1, A_DAY)


def geometric(looks: int) -> NDArray[np.int64]:
    return np.unique(np.rint(A_DAY * GROWS ** np.arange(looks)).astype(np.int64))


@dataclass(frozen=True)
class Simulated:
    """Labels that runs took; infinity where a run had not passed by the horizon."""

    labels: NDArray[np.float64]

    @property
    def passed(self) -> float:
        return float(np.isfinite(self.labels).mean())

    @property
    def mean(self) -> float:
        """The mean, in which a run that has not passed counts with the horizon, so it is too small if anything."""
        return float(self.labels[np.isfinite(self.labels)].mean()) if self.passed else math.nan


def predictable_mixture(rate: float, runs: int, horizon: int, rng: np.random.Generator, *, most: float = 0.5) -> Simulated:
    """Betting with bets that follow the variance seen so far (Waudby-Smith and Ramdas 2024), one-sided, by simulation.

    Bets change slowly and harm is rare, so time is taken in steps from harm to harm; within a step every label is gone through.
    """
    log_k, mean, squares = np.zeros(runs), np.full(runs, 0.5), np.full(runs, 0.25)
    sums, spreads = np.full(runs, 0.5), np.full(runs, 0.25)
    done = np.full(runs, math.inf)
    open_ = np.ones(runs, np.bool_)
    for t in range(1, horizon + 1):
        bet = np.minimum(np.sqrt(2 * math.log(1 / ALPHA) / (squares * t * math.log(t + 1))), most / (1 - THETA))
        x = rng.random(runs) < rate
        log_k += np.log1p(bet * (THETA - x))
        sums += x
        mean = sums / (t + 1)
        spreads += (x - mean) ** 2
        squares = spreads / (t + 1)
        crossed = open_ & (log_k >= -math.log(ALPHA))
        done[crossed] = t
        open_ &= ~crossed
        if not open_.any():
            break
    return Simulated(done)
