"""What a stage's reviewers would see, if the rates were these.

Requests come at a steady mean, each harmful with a stated probability. A detector flags some; a flagged request is drawn for
certain, any other at the floor. Reviewers find a drawn harm with a stated sensitivity and take harmless requests for harm
with a stated probability. A label stands after an exponential delay, of which harm may have a longer one; what is not
labelled after ``longest`` counts as harm, as it does in a real stage, and here it does so for good.

A harm stands when two readers find it, and where two differ a third decides; "no harm" stands on one reading. So of one
reader's chance ``p`` to see harm, ``p * p * (2 - p)`` becomes a standing label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Duty:
    """How requests are drawn.

    Attributes:
        requests: Mean requests per tick, ``>= 0``.
        floor: The least probability to be drawn, in ``(0, 1]``.
        flagged: Share of harmless requests that a detector flags, in ``[0, 1)``.
        directed: Whether a flagged request is drawn for certain; if not, every request is drawn at the floor.
    """

    requests: float
    floor: float
    flagged: float = 0.0
    directed: bool = False

    def __post_init__(self) -> None:
        if not (self.requests >= 0 and math.isfinite(self.requests) and 0 < self.floor <= 1 and 0 <= self.flagged < 1):
            raise ValueError(f"nobody can draw like this: {self}")


@dataclass(frozen=True, slots=True)
class Review:
    """How drawn requests are judged.

    Attributes:
        sensitivity: One reader's chance to see harm that is there, in ``(0, 1]``.
        specificity: One reader's chance to see none where there is none, in ``(0, 1]``.
        delay: Mean ticks until a label stands, for harmless requests, ``>= 0``.
        harm_delay: The same for harmful ones.
        longest: Ticks after which a request that still waits counts as harm, ``> 0``.
    """

    sensitivity: float = 1.0
    specificity: float = 1.0
    delay: float = 0.0
    harm_delay: float = 0.0
    longest: float = math.inf

    def __post_init__(self) -> None:
        shares = 0 < self.sensitivity <= 1 and 0 < self.specificity <= 1
        if not (shares and min(self.delay, self.harm_delay) >= 0 and self.longest > 0):
            raise ValueError(f"nobody can judge like this: {self}")
        if not math.isfinite(self.delay + self.harm_delay):
            raise ValueError("a label comes some day")

    @property
    def found(self) -> float:
        """The chance that a drawn harm becomes a standing label."""
        return _stands(self.sensitivity)

    @property
    def mistaken(self) -> float:
        """The chance that a drawn harmless request becomes a label that says harm."""
        return _stands(1 - self.specificity)


@dataclass(frozen=True, slots=True)
class Found:
    """The drawn requests that count as harm for one hazard, in order of their ticks.

    Attributes:
        tick: The tick in which each was drawn, from 0, shape ``(m,)``.
        pi: The probability it was drawn with, shape ``(m,)``.
        known: When it counts, in ticks from the stage's opening, shape ``(m,)``.
        confirmed: Whether a label says so, rather than the deadline, shape ``(m,)``. Only labels count in an alarm.
    """

    tick: NDArray[np.int64]
    pi: NDArray[np.float64]
    known: NDArray[np.float64]
    confirmed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labels:
    """What happened on a stage, and what its reviewers saw of it.

    Attributes:
        floor: The least probability to be drawn.
        directed: Whether flagged requests were drawn for certain.
        requests: Requests per tick, shape ``(t,)``.
        drawn: Those drawn, shape ``(t,)``.
        harmful: Those that did harm, drawn or not, by hazard, shape ``(h, t)``.
        found: What counts as harm, by hazard.
        complete: For each instant ``0 ... t``, how many ticks from the first are judged without a gap, shape ``(t + 1,)``.
    """

    floor: float
    directed: bool
    requests: NDArray[np.int64]
    drawn: NDArray[np.int64]
    harmful: NDArray[np.int64]
    found: tuple[Found, ...]
    complete: NDArray[np.int64]


def recall_of(auc: float, flagged: float) -> float:
    """Return the share of harm that a detector flags when it flags ``flagged`` of what is harmless.

    Args:
        auc: The chance that its score is higher for a harmful than for a harmless request, in ``[0.5, 1)``.
        flagged: Share of harmless requests that it flags, in ``[0, 1)``.

    Returns:
        A share in ``[0, 1]``; 0 where it flags nothing.

    Raises:
        ValueError: A number is out of range.

    Source:
        Two normal laws of one variance, ``auc = Phi(d / sqrt(2))``: Green and Swets (1966), Signal Detection Theory.
        ``tests/statistics/test_simulation.py`` counts it.
    """
    if not (0.5 <= auc < 1 and 0 <= flagged < 1):  # noqa: PLR2004 - below one half the score would be read upside down
        raise ValueError(f"no such detector: auc {auc}, flagged {flagged}")
    if flagged == 0:
        return 0.0
    return float(special.ndtr(math.sqrt(2) * special.ndtri(auc) + special.ndtri(flagged)))


def steady(rate: float, ticks: int) -> NDArray[np.float64]:
    """Return the same probability of harm in every tick, shape ``(ticks,)``."""
    return np.full(ticks, rate, np.float64)


def bursts(rng: np.random.Generator, rate: float, ticks: int, every: float) -> NDArray[np.float64]:
    """Return probabilities of harm that are 0 but for single ticks, one in ``every`` on average, with the mean ``rate``.

    Args:
        rng: The source of randomness.
        rate: Mean probability of harm, in ``[0, 1]``.
        ticks: How many ticks.
        every: Mean ticks between bursts, ``>= 1``; fewer where a burst would otherwise be more than certain harm.

    Returns:
        Probabilities, shape ``(ticks,)``.
    """
    gap = max(1.0, min(every, 1 / rate if rate > 0 else every))
    return np.where(rng.random(ticks) < 1 / gap, min(1.0, rate * gap), 0.0)


def harmful_few(rng: np.random.Generator, rate: float, users: int, share: float) -> NDArray[np.float64]:
    """Return what part of each person's requests is harmful, where a few do all the harm.

    Args:
        rng: The source of randomness.
        rate: The mean among everybody like them, in ``[0, 1]``.
        users: How many there are, ``>= 1``.
        share: The part of a harmful person's requests that is harmful, in ``(0, 1]``.

    Returns:
        Shares, shape ``(users,)``; their mean is ``rate`` on average.
    """
    share = max(share, rate)
    return np.where(rng.random(users) < rate / share, share, 0.0)


def enforced(share: float, exchanges: int, worst_share: float) -> float:
    """Return what is left on average of a person's harmful share once enforcement stops them.

    Args:
        share: The probability that one of their requests is harmful, in ``[0, 1]``.
        exchanges: Requests in the window that enforcement counts in, ``>= 1``.
        worst_share: The most of them that may be harmful, in ``(0, 1]``.

    Returns:
        A mean share, at most ``share``.

    Source:
        The mean of a binomial number cut at a most, summed over its tail; ``tests/statistics/test_simulation.py``.
    """
    most = math.floor(worst_share * exchanges + 1e-9)
    return float(np.sum(special.bdtrc(np.arange(most), exchanges, share))) / exchanges


def draw(
    rng: np.random.Generator,
    duty: Duty,
    review: Review,
    rates: NDArray[np.float64],
    recalls: NDArray[np.float64],
) -> Labels:
    """Draw what happens on a stage and what its reviewers see.

    Args:
        rng: The source of randomness.
        duty: How requests are drawn.
        review: How they are judged.
        rates: Probability of harm by hazard and tick, shape ``(h, t)``, in ``[0, 1]``; hazards do not overlap.
        recalls: Share of each hazard's harm that the detector flags, shape ``(h,)``; 0 where harm hides from it.

    Returns:
        One world, tick by tick.

    Raises:
        ValueError: A shape or a probability is wrong.

    Source:
        Poisson traffic, binomial draws, exponential delays; the latest of ``m`` delays is drawn from the ``m``-th power of
        their law. ``tests/statistics/test_simulation.py`` plays it against requests drawn one by one.
    """
    hazards, ticks = _checked(rates, recalls)
    requests = rng.poisson(duty.requests, ticks).astype(np.int64)
    harmful = np.stack([_some(rng, requests, row) for row in rates]) if hazards else _none((0, ticks))
    harmless = np.maximum(requests - harmful.sum(axis=0), 0)
    flagged = _some(rng, harmless, duty.flagged) if duty.directed else _none(ticks)
    chance = _some(rng, harmless - flagged, duty.floor)
    drawn, last = flagged + chance, np.zeros(ticks)
    clean = drawn.copy()
    parts: list[list[Found]] = []
    overdue = math.exp(-review.longest / review.delay) if review.delay > 0 else 0.0
    for hazard in range(hazards):
        found, seen, waits = _harms(rng, duty, review, harmful[hazard], float(recalls[hazard]))
        drawn += seen
        last = np.maximum(last, waits)
        parts.append([found])
        for group, pi in ((flagged, 1.0), (chance, duty.floor)):
            wrong = np.minimum(_some(rng, group, review.mistaken), clean)
            clean -= wrong
            taken, waits = _mistakes(rng, review, wrong, pi)
            last = np.maximum(last, waits)
            parts[hazard].append(taken)
    for group, pi in ((flagged, 1.0), (chance, duty.floor)) if overdue > 0 else ():
        late = _some(rng, group, overdue)
        never = _waiting(late, pi, review.longest)
        last = np.where(late > 0, review.longest, last)
        for part in parts:
            part.append(never)
    last = np.maximum(last, np.minimum(_latest(rng, clean, review.delay), review.longest))
    ready = np.maximum.accumulate(np.arange(1, ticks + 1) + last)
    complete = np.searchsorted(ready, np.arange(ticks + 1), side="right").astype(np.int64)
    return Labels(duty.floor, duty.directed, requests, drawn, harmful, tuple(_joined(part) for part in parts), complete)


def _harms(
    rng: np.random.Generator, duty: Duty, review: Review, harmful: NDArray[np.int64], recall: float
) -> tuple[Found, NDArray[np.int64], NDArray[np.float64]]:
    """Return the drawn harms that count, how many were drawn, and the longest wait for any of them, tick by tick."""
    ticks = harmful.size
    at = _each(harmful)
    flags = rng.random(at.size) < recall if duty.directed else np.zeros(at.size, np.bool_)
    drawn = flags | (rng.random(at.size) < duty.floor)
    at, flags = at[drawn], flags[drawn]
    waits = rng.exponential(1.0, at.size) * review.harm_delay
    late = waits > review.longest
    waits = np.minimum(waits, review.longest)
    counts = late | (rng.random(at.size) < review.found)
    longest = np.zeros(ticks)
    np.maximum.at(longest, at, waits)
    pi = np.where(flags, 1.0, duty.floor)
    found = Found(at[counts], pi[counts], _after(at, waits)[counts], ~late[counts])
    return found, np.bincount(at, minlength=ticks).astype(np.int64), longest


def _mistakes(rng: np.random.Generator, review: Review, wrong: NDArray[np.int64], pi: float) -> tuple[Found, NDArray[np.float64]]:
    at = _each(wrong)
    waits = np.minimum(rng.exponential(1.0, at.size) * review.delay, review.longest)
    longest = np.zeros(wrong.size)
    np.maximum.at(longest, at, waits)
    return Found(at, np.full(at.size, pi, np.float64), _after(at, waits), np.ones(at.size, np.bool_)), longest


def _waiting(late: NDArray[np.int64], pi: float, longest: float) -> Found:
    at = _each(late)
    waits = np.full(at.size, longest, np.float64)
    return Found(at, np.full(at.size, pi, np.float64), _after(at, waits), np.zeros(at.size, np.bool_))


def _latest(rng: np.random.Generator, counts: NDArray[np.int64], mean: float) -> NDArray[np.float64]:
    """Return the latest of so many exponential delays, tick by tick; 0 of none."""
    log_u = np.log(rng.uniform(np.finfo(np.float64).tiny, 1.0, counts.size))
    if mean == 0:
        return np.zeros(counts.size)
    rest = -np.expm1(log_u / np.maximum(counts, 1))
    return np.where(counts > 0, -mean * np.log(np.maximum(rest, np.finfo(np.float64).tiny)), 0.0)


def _some(rng: np.random.Generator, counts: NDArray[np.int64], chance: float | NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many of so many requests per tick something happens to."""
    return np.asarray(rng.binomial(counts, chance), np.int64)


def _each(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tick of each of so many requests per tick, in order."""
    return np.repeat(np.arange(counts.size, dtype=np.int64), counts)


def _after(at: NDArray[np.int64], waits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return when labels stand: a wait after the end of the tick they were drawn in."""
    return at.astype(np.float64) + 1 + waits


def _joined(parts: list[Found]) -> Found:
    tick = np.concatenate([part.tick for part in parts])
    order = np.argsort(tick, kind="stable")
    pi = np.concatenate([part.pi for part in parts])[order]
    known = np.concatenate([part.known for part in parts])[order]
    return Found(tick[order], pi, known, np.concatenate([part.confirmed for part in parts])[order])


def _stands(chance: float) -> float:
    return chance * chance * (2 - chance)


def _none(shape: int | tuple[int, int]) -> NDArray[np.int64]:
    return np.zeros(shape, np.int64)


def _checked(rates: NDArray[np.float64], recalls: NDArray[np.float64]) -> tuple[int, int]:
    if rates.ndim != 2 or recalls.shape != rates.shape[:1]:  # noqa: PLR2004 - hazards by ticks
        raise ValueError("rates are given by hazard and tick, and recalls by hazard")
    if not (np.all((rates >= 0) & (rates <= 1)) and np.all((recalls >= 0) & (recalls <= 1))):
        raise ValueError("a probability lies in [0, 1]")
    return rates.shape[0], rates.shape[1]
