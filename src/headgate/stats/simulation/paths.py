"""What gates and alarms would have said, instant by instant, of a played stage.

The arithmetic is that of ``headgate.stats.gate``, ``users`` and ``alarm``, for all instants at once; the tests hold it
against what the evidence engine itself says of the same labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import alarm, gate, users

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headgate.stats.simulation.labels import Labels


_WHOLE = 1e-9
"""A share times a whole number may miss the next whole number by this much."""


@dataclass(frozen=True, slots=True)
class RatePath:
    """A rate gate over time.

    Attributes:
        log_e: The log stake against "the rate is at or above the limit", at each instant ``0 ... t``, shape ``(t + 1,)``.
        harm_log_e: The log stake against "the rate is at or below it", likewise.
        labels: Labels that count, or users, likewise.
        harms: Those that say harm, or users with any, likewise.
    """

    log_e: NDArray[np.float64]
    harm_log_e: NDArray[np.float64]
    labels: NDArray[np.int64]
    harms: NDArray[np.int64]


def rate_path(labels: Labels, hazard: int, theta: float) -> RatePath:
    """Return a rate gate's stakes at the end of every tick.

    Args:
        labels: A played stage.
        hazard: Which row of it.
        theta: The limit, harms per request, in ``(0, 1)``.

    Returns:
        The stakes. They are those of the labels in order up to the first gap, as the gate's frontier asks.

    Raises:
        ValueError: The limit is out of range.

    Source:
        ``headgate.stats.gate``; ``tests/statistics/test_simulation.py`` gives the same labels to the evidence engine.
    """
    found, ticks, upto = labels.found[hazard], labels.requests.size, labels.complete
    drawn = _summed(labels.drawn)[upto]
    harms = _summed(np.bincount(found.tick, minlength=ticks))[upto]
    if not labels.directed:
        safe, harm = gate.log_e_uniform(drawn, harms, theta), gate.log_harm_uniform(drawn, harms, theta)
        return RatePath(safe, harm, drawn, harms)
    requests = _summed(labels.requests)[upto].astype(np.float64)
    stakes: list[NDArray[np.float64]] = []
    for bets, weights, sign in ((gate.SAFE_BETS, gate.SAFE_WEIGHTS, 1.0), (gate.harm_bets(theta), gate.HARM_WEIGHTS, -1.0)):
        lam = bets * labels.floor
        terms: list[NDArray[np.float64]] = []
        for one, weight in zip(lam, weights, strict=True):
            swap = np.log1p(sign * one * (theta - 1 / found.pi)) - np.log1p(sign * one * theta)
            fallen = np.concatenate(([0.0], np.cumsum(np.bincount(found.tick, weights=swap, minlength=ticks))))
            terms.append(np.log(weight) + requests * np.log1p(sign * one * theta) + fallen[upto])
        stakes.append(np.asarray(np.logaddexp.reduce(np.stack(terms), axis=0), np.float64))
    return RatePath(stakes[0], stakes[1], drawn, harms)


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


def users_path(rng: np.random.Generator, labels: Labels, seats: Seats, theta: float, worst_share: float) -> RatePath:
    """Return the stakes of a rate gate on users at the end of every tick.

    People's exchanges are drawn anew here, with the rates of the stage's traffic; a user enters, in the order of first
    exchanges, once the window is over and the stage's frontier has passed its end. Enforcement keeps its word: nobody does more
    harm in a window than ``worst_share`` of it.

    Args:
        rng: The source of randomness.
        labels: The played stage that they are people of.
        seats: The people.
        theta: The limit on the mean share, in ``(0, worst_share)``.
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
    safe = users.log_e_path(share, floors, theta, worst_share)
    win = (theta * floors - share) / worst_share
    terms = [np.cumsum(np.log1p(-bet * win)) for bet in gate.harm_bets(theta / worst_share)]
    harm = np.logaddexp.reduce(np.stack(terms) + np.log(gate.HARM_WEIGHTS)[:, None], axis=0)
    ends = np.ceil(first) + seats.window
    entered = np.searchsorted(ends, labels.complete, side="right")
    begun = np.zeros(1)
    return RatePath(
        np.concatenate((begun, safe))[entered],
        np.concatenate((begun, harm))[entered],
        entered.astype(np.int64),
        _summed((share > 0).astype(np.int64))[entered],
    )


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
