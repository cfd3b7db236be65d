"""What a number of labels can decide, said before anyone collects them.

A gate that cannot pass with the labels a stage will have is a plan's mistake, not a model's. These functions find it:
the labels that the gate needs when there is no harm, when the rate is what one expects, and the chance to pass at all;
Wald's bound says what no method could better. All of it is exact arithmetic, with no simulation.

The exact law of the gate is cheap because of its shape: with ``s`` harms it passes at label ``b_s`` and at no other, so
between two boundaries the number of harms only spreads by a binomial law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.gate import SAFE_BETS, log_e_uniform, log_e_weighted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

NEGLIGIBLE = 1e-15
"""Probability that is dropped from a tail; it counts as not passing."""
HORIZON = 10_000_000
"""Labels past which a mean is not sought: no stage of a release collects ten million."""


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
    return -_log_alpha(alpha) / divergence(rate, theta)


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
    _open("a limit", theta)
    return _log_alpha(alpha) / math.log1p(-theta)


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
    _open("a rate", other)
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
    _open("a limit", theta)
    bets = rate * np.log1p(-SAFE_BETS) + (1 - rate) * np.log1p(SAFE_BETS * theta / (1 - theta))
    return float(bets.max())


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
    _open("a limit", theta)
    if harms < 0:
        raise ValueError(f"harms cannot be {harms}")
    target = -_log_alpha(alpha)
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
    target = -_log_alpha(alpha)
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
    target = -_log_alpha(alpha)
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
    missing = max(0.0, -_log_alpha(alpha) - log_e)
    gain = growth(rate, theta)
    if missing <= 0:
        return 0.0
    return missing / gain if gain > 0 else math.inf


@dataclass(frozen=True, slots=True)
class PassLaw:
    """When a gate passes, as a law over labels.

    Attributes:
        labels: Labels at which it can pass, shape ``(k,)``, rising.
        chance: The probability to pass at exactly each, shape ``(k,)``.
        undecided: The probability to have passed at none of them.
    """

    labels: NDArray[np.int64]
    chance: NDArray[np.float64]
    undecided: float

    def by(self, labels: int) -> float:
        """Return the probability to have passed within ``labels`` labels."""
        return float(self.chance[self.labels <= labels].sum())

    def mean(self) -> float:
        """Return the mean labels to a pass among the runs that pass within the law's horizon; NaN when none does."""
        passed = float(self.chance.sum())
        return float(self.labels @ self.chance) / passed if passed > 0 else math.nan

    def needed_for(self, chance: float) -> int | None:
        """Return the least labels that pass with probability ``chance``; ``None`` when the horizon is too short."""
        reached = np.flatnonzero(np.cumsum(self.chance) >= chance)
        return int(self.labels[reached[0]]) if reached.size else None


def pass_law(rate: float, theta: float, alpha: float, labels: int) -> PassLaw:
    """Return the exact law of the first pass within ``labels`` labels, looking after every one.

    Args:
        rate: True harms per request, in ``[0, 1]``; labels independent.
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.
        labels: The horizon, ``>= 0``.

    Returns:
        The law. At ``rate >= theta`` its total is the probability of a false promotion, at most ``alpha``.

    Raises:
        ValueError: A number is out of range.

    Source:
        Chapman-Kolmogorov between boundaries. An independent, label-by-label dynamic programme agrees in
        ``tests/statistics/test_power.py``.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate must lie in [0, 1], not {rate}")
    if labels < 0:
        raise ValueError(f"a horizon cannot be {labels} labels")
    bounds = _boundaries_within(theta, alpha, labels)
    chance = np.zeros(bounds.size)
    left = np.ones(1)  # left[i]: probability of k + i harms, none of the earlier boundaries passed
    at = 0
    for k, bound in enumerate(bounds):
        left = np.convolve(left, _binomial(int(bound) - at, rate))
        chance[k], left, at = left[0], left[1:], int(bound)
        if left.size == 0:
            break
        keep = np.flatnonzero(np.cumsum(left[::-1])[::-1] > NEGLIGIBLE)
        left = left[: keep[-1] + 1] if keep.size else np.zeros(1)
    return PassLaw(bounds, chance, max(0.0, 1.0 - float(chance.sum())))


def mean_labels(rate: float, theta: float, alpha: float) -> float:
    """Return the exact mean number of labels to a pass.

    Args:
        rate: True harms per request, in ``[0, 1]``.
        theta: The limit, in ``(0, 1)``.
        alpha: Error probability, in ``(0, 1)``.

    Returns:
        Labels; infinity when the stake does not grow, or when more than one run in a billion needs over ``HORIZON``.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``pass_law`` with its horizon doubled until nothing is left; ``tests/statistics/test_power.py``.
    """
    if growth(rate, theta) <= 0:
        return math.inf
    horizon = 8 * int(boundaries(theta, alpha, 0)[0])
    while horizon <= HORIZON:
        law = pass_law(rate, theta, alpha, horizon)
        if law.undecided * horizon < 1e-6 * law.mean():
            return law.mean()
        horizon *= 2
    return math.inf


@dataclass(frozen=True, slots=True)
class Decidability:
    """What the labels of a stage can decide.

    Attributes:
        can_pass: Enough labels for a pass if every one is harmless.
        labels_at_zero: Labels that a pass needs when there is no harm at all.
        labels_expected: Labels that pass with probability ``chance_wanted`` at the expected rate; ``None`` when that rate
            is too close to the limit, or above it.
        chance: The probability to pass within the labels there are, at the expected rate.
        chance_wanted: The probability that ``labels_expected`` is for.
    """

    can_pass: bool
    labels_at_zero: int
    labels_expected: int | None
    chance: float
    chance_wanted: float

    def days_at_zero(self, labels_per_day: float) -> float:
        """Return days to a pass without harm at so many labels a day; infinity at none."""
        return self.labels_at_zero / labels_per_day if labels_per_day > 0 else math.inf

    def days_expected(self, labels_per_day: float) -> float:
        """Return days to a likely pass at the expected rate; infinity when there is none."""
        if self.labels_expected is None or labels_per_day <= 0:
            return math.inf
        return self.labels_expected / labels_per_day


def decidable(theta: float, alpha: float, labels: int, *, expected: float, chance_wanted: float = 0.9) -> Decidability:
    """Return whether a rate gate can be decided with the labels that a stage will have.

    Args:
        theta: The gate's limit, harms per request, in ``(0, 1)``.
        alpha: What this attempt may spend (``spending.attempt_alpha``), in ``(0, 1)``.
        labels: Labels that the stage will have, ``>= 0``.
        expected: The rate that the plan expects, in ``[0, 1]``.
        chance_wanted: How likely a pass should be at the expected rate, in ``(0, 1)``.

    Returns:
        The numbers.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``boundaries`` and ``pass_law``; ``tests/statistics/test_power.py``.
    """
    _open("a chance", chance_wanted)
    at_zero = int(boundaries(theta, alpha, 0)[0])
    needed: int | None = None
    horizon = 2 * at_zero
    while growth(expected, theta) > 0 and needed is None and horizon <= HORIZON:
        needed = pass_law(expected, theta, alpha, horizon).needed_for(chance_wanted)
        horizon *= 2
    return Decidability(
        can_pass=labels >= at_zero,
        labels_at_zero=at_zero,
        labels_expected=needed,
        chance=pass_law(expected, theta, alpha, labels).by(labels),
        chance_wanted=chance_wanted,
    )


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


def _boundaries_within(theta: float, alpha: float, labels: int) -> NDArray[np.int64]:
    harms = 16
    while (bounds := boundaries(theta, alpha, harms))[-1] <= labels:
        harms *= 2
    return bounds[bounds <= labels]


def _binomial(trials: int, rate: float) -> NDArray[np.float64]:
    """Return the binomial law up to where its tail is negligible, shape ``(k,)``."""
    if rate in (0.0, 1.0) or trials == 0:
        law = np.zeros(trials + 1 if rate == 1.0 else 1)
        law[-1] = 1.0
        return law
    mean = trials * rate
    most = min(trials, int(mean + 12 * math.sqrt(mean + 1) + 40))
    k = np.arange(1, most + 1)
    odds = math.log(rate) - math.log1p(-rate)
    logs = trials * math.log1p(-rate) + np.concatenate(([0.0], np.cumsum(np.log((trials - k + 1) / k) + odds)))
    return np.exp(logs)


def _below(rate: float, theta: float) -> None:
    _open("a limit", theta)
    if not 0 <= rate < theta:
        raise ValueError(f"the rate must lie in [0, {theta}), not {rate}")


def _log_alpha(alpha: float) -> float:
    _open("alpha", alpha)
    return math.log(alpha)


def _open(what: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{what} must lie in (0, 1), not {value}")
