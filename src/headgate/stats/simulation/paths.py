"""What gates and alarms would have said, instant by instant, of a played stage.

The arithmetic is that of ``headgate.stats.gate``, ``users`` and ``alarm``, for all instants at once; the tests hold it
against what the evidence engine itself says of the same labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import alarm, gate, noise, users

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from headgate.stats.simulation.labels import Labels


_WHOLE = 1e-9
"""A share times a whole number may miss the next whole number by this much."""


@dataclass(frozen=True, slots=True)
class Golds:
    """Known harms that were mixed into what reviewers read, up to each instant.

    Attributes:
        shown: How many had been answered, at each instant ``0 ... t``, never falling, shape ``(t + 1,)``.
        caught: Those that ended as a harm, likewise.
    """

    shown: NDArray[np.int64]
    caught: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a rate gate wants shown.

    Attributes:
        theta: The limit, in ``(0, 1)``.
        alpha: What this attempt may spend, in ``(0, 1)``.
        golds: What measures the reviewers; ``None`` when nothing does.
        required: Whether it passes only once something has.
    """

    theta: float
    alpha: float
    golds: Golds | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class RatePath:
    """A rate gate over time.

    Attributes:
        log_e: The log stake against "the rate is at or above the limit", at each instant ``0 ... t``, shape ``(t + 1,)``.
        harm_log_e: The log stake against "the rate is at or below it", likewise.
        passes: Whether the gate passes, likewise.
        fails: Whether it shows harm, likewise.
        labels: Labels that count, or users, likewise.
        harms: Those that say harm, or users with any, likewise.
    """

    log_e: NDArray[np.float64]
    harm_log_e: NDArray[np.float64]
    passes: NDArray[np.bool_]
    fails: NDArray[np.bool_]
    labels: NDArray[np.int64]
    harms: NDArray[np.int64]


def rate_path(labels: Labels, hazard: int, ask: Ask) -> RatePath:
    """Return what a rate gate says at the end of every tick.

    Args:
        labels: A played stage.
        hazard: Which row of it.
        ask: What is to be shown. Where golds measure the reviewers, the limit is lowered by what they miss.

    Returns:
        The stakes. They are those of the labels in order up to the first gap, as the gate's frontier asks.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``headgate.stats.gate``, ``headgate.stats.noise``; ``tests/statistics/test_simulation.py`` gives the same labels to the
        evidence engine.
    """
    found, ticks, upto = labels.found[hazard], labels.requests.size, labels.complete
    sure = found.pi >= 1
    drawn = _summed(labels.drawn)[upto]
    harms = _summed(np.bincount(found.tick, minlength=ticks))[upto]
    surely = _summed(np.bincount(found.tick[sure], minlength=ticks))[upto].astype(np.float64)
    requests = _summed(labels.requests)[upto].astype(np.float64)

    def stake(
        theta: float, at: slice, bets: NDArray[np.float64], weights: NDArray[np.float64], sign: float
    ) -> NDArray[np.float64]:
        """Return the log stake of the weighted gate; a harm was drawn for certain or at the floor."""
        terms: list[NDArray[np.float64]] = []
        by_chance = harms[at] - surely[at]
        for bet, weight in zip(bets * labels.floor, weights, strict=True):
            benign = np.log1p(sign * bet * theta)
            certain = np.log1p(sign * bet * (theta - 1)) - benign
            floor = np.log1p(sign * bet * (theta - 1 / labels.floor)) - benign
            terms.append(np.log(weight) + requests[at] * benign + surely[at] * certain + by_chance * floor)
        return np.asarray(np.logaddexp.reduce(np.stack(terms), axis=0), np.float64)

    def safe(theta: float, at: slice) -> NDArray[np.float64]:
        if labels.directed:
            return stake(theta, at, gate.SAFE_BETS, gate.SAFE_WEIGHTS, 1.0)
        return gate.log_e_uniform(drawn[at], harms[at], theta)

    everything = slice(0, ticks + 1)
    if labels.directed:
        harm = stake(ask.theta, everything, gate.harm_bets(ask.theta), gate.HARM_WEIGHTS, -1.0)
    else:
        harm = gate.log_harm_uniform(drawn, harms, ask.theta)
    return _judged(ask, safe, harm, drawn, harms)


def _judged(
    ask: Ask,
    safe: Callable[[float, slice], NDArray[np.float64]],
    harm: NDArray[np.float64],
    labels: NDArray[np.int64],
    harms: NDArray[np.int64],
) -> RatePath:
    """Return the path of a gate whose limit moves with what is known of its reviewers; half of alpha goes to knowing it."""
    log_e, passes, fails = np.zeros(harm.size), np.zeros(harm.size, np.bool_), np.zeros(harm.size, np.bool_)
    shown = np.zeros(harm.size, np.int64) if ask.golds is None else ask.golds.shown
    caught = shown if ask.golds is None else ask.golds.caught
    turns = np.flatnonzero((np.diff(shown) != 0) | (np.diff(caught) != 0)) + 1
    for begin, end in pairwise((0, *turns.tolist(), harm.size)):
        at, measured = slice(begin, end), int(shown[begin]) > 0
        recognised = _recognised(int(shown[begin]), int(caught[begin]), ask.alpha / 2) if measured else 1.0
        threshold = -math.log(ask.alpha / 2 if measured else ask.alpha)
        if recognised > 0:
            log_e[at] = safe(ask.theta * recognised, at)
        passes[at] = (log_e[at] >= threshold) & (measured or not ask.required)
        fails[at] = ~passes[at] & (harm[at] >= threshold)
    return RatePath(log_e, harm, passes, fails, labels, harms)


@lru_cache(maxsize=4096)
def _recognised(shown: int, caught: int, alpha: float) -> float:
    return noise.sensitivity_lower(shown, caught, alpha)


@dataclass(frozen=True, slots=True)
class Seats:
    """The people of a stage, for a gate whose unit is the user.

    Attributes:
        first: When each sent their first exchange, in ticks from the opening, shape ``(u,)``.
        each: Mean exchanges of one of them per tick.
        window: For how many ticks each is observed, from their first exchange.
        shares: The probability that an exchange of theirs is harmful, shape ``(u,)``.
        recall: The share of their harm that the detector flags.
        found: The chance that a drawn harm becomes a standing label.
        mistaken: The same for a drawn harmless exchange.
    """

    first: NDArray[np.float64]
    each: float
    window: int
    shares: NDArray[np.float64]
    recall: float
    found: float
    mistaken: float


def users_path(rng: np.random.Generator, labels: Labels, seats: Seats, ask: Ask, worst_share: float) -> RatePath:
    """Return what a rate gate on users says at the end of every tick.

    People's exchanges are drawn anew here, with the rates of the stage's traffic; a user enters, in the order of first
    exchanges, once the window is over and the stage's frontier has passed its end. Enforcement keeps its word: nobody does more
    harm in a window than ``worst_share`` of it.

    Args:
        rng: The source of randomness.
        labels: The played stage that they are people of.
        seats: The people.
        ask: What is to be shown of the mean share; its limit lies below ``worst_share``.
        worst_share: The most of a window that may be harmful, in ``(0, 1]``.

    Returns:
        The stakes, with users for labels and users with confirmed harm for harms.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``headgate.stats.users``; ``tests/statistics/test_simulation.py``.
    """
    order = np.argsort(seats.first, kind="stable")
    first, shares = seats.first[order], seats.shares[order]
    exchanges = 1 + rng.poisson(seats.each * seats.window, first.size)
    harms = np.minimum(rng.binomial(exchanges, shares), np.floor(worst_share * exchanges + _WHOLE).astype(np.int64))
    flagged = rng.binomial(harms, seats.recall if labels.directed else 0.0)
    chance = rng.binomial(harms - flagged, labels.floor)
    found = labels.floor * rng.binomial(flagged, seats.found) + rng.binomial(chance, seats.found)
    wrong = rng.binomial(exchanges - harms, labels.floor * seats.mistaken)
    share = np.minimum((found + wrong) / exchanges, worst_share)
    floors = np.full(first.size, labels.floor)
    entered = np.searchsorted(np.ceil(first) + seats.window, labels.complete, side="right").astype(np.int64)
    begun = np.zeros(1)

    def safe(theta: float, at: slice) -> NDArray[np.float64]:
        return np.concatenate((begun, users.log_e_path(share, floors, theta, worst_share)))[entered[at]]

    win = (ask.theta * floors - share) / worst_share
    terms = [np.cumsum(np.log1p(-bet * win)) for bet in gate.harm_bets(ask.theta / worst_share)]
    harm = np.logaddexp.reduce(np.stack(terms) + np.log(gate.HARM_WEIGHTS)[:, None], axis=0)
    harmful = _summed((share > 0).astype(np.int64))[entered]
    return _judged(ask, safe, np.concatenate((begun, harm))[entered], entered, harmful)


def rise_at(labels: Labels, hazard: int, *, baseline: float, ratio: float, log_threshold: float, look: int) -> int | None:
    """Return the first instant at which the alarm of a label stream is raised; ``None`` when it never is.

    A window's harms count from the moment they are known, out of order. What is known only grows, and with it every
    factor, so an alarm that has been raised stays raised, and the first instant is found by halving.

    Args:
        labels: A played stage.
        hazard: Which row of it.
        baseline: The rate that is no cause for alarm, in ``(0, 1)``.
        ratio: The rise that the rule is written for, ``> 1``.
        log_threshold: The log of the mean number of looks between false alarms.
        look: Ticks in a window, ``>= 1``.

    Returns:
        Ticks from the stage's opening.

    Raises:
        ValueError: A number is out of range.

    Source:
        ``headgate.stats.alarm``; ``tests/statistics/test_simulation.py`` gives the same looks to the evidence engine.
    """
    if look < 1:
        raise ValueError(f"a window has at least one tick, not {look}")
    weights, found = alarm.rise_weights(ratio), labels.found[hazard]
    windows = labels.requests.size // look
    in_window = labels.requests[: windows * look].reshape(windows, look).sum(axis=1)
    number = np.cumsum(in_window > 0) - 1  # a window without requests is no look
    inside = found.confirmed & (found.tick < windows * look)
    window, pi, known = found.tick[inside] // look, found.pi[inside], found.known[inside]

    def raised(now: int) -> bool:
        closed = now // look
        use = (known <= now) & (window < closed)
        if not np.any(use):
            return False
        seen = in_window[:closed][in_window[:closed] > 0]
        where = number[window[use]]
        log_r = alarm.run(
            alarm.log_factors_draws(
                np.arange(seen.size, dtype=np.int64),
                seen,
                np.full(seen.size, labels.floor),
                where,
                pi[use],
                np.full(where.size, labels.floor),
                baseline,
                looks=seen.size,
            )
        )
        harmed = np.zeros(seen.size, np.bool_)
        harmed[where] = True
        return bool(np.any((alarm.log_mixture(log_r, weights) >= log_threshold) & harmed))

    last = labels.requests.size
    if not raised(last):
        return None
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if raised(middle) else (middle, high)
    return high


def _summed(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the running sums of counts, before the first and after each."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))).astype(np.int64)
