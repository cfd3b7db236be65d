"""When the gate passes, as a law over labels, and what the labels of a stage can therefore decide.

The exact law of the gate is cheap because of its shape: with ``s`` harms it passes at label ``b_s`` and at no other, so
between two boundaries the number of harms only spreads by a binomial law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats.power.limits import growth
from headgate.stats.power.passes import boundaries
from headgate.stats.power.ranges import must_be_open

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGLIGIBLE = 1e-15
"""Probability that is dropped from a tail; it counts as not passing."""
HORIZON = 10_000_000
"""Labels past which a mean is not sought: no stage of a release collects ten million."""


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
    must_be_open("a chance", chance_wanted)
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
