"""What gates and alarms would have said, instant by instant, of a played stage.

The arithmetic is that of ``headgate.stats.gate`` and ``headgate.stats.alarm``, for all instants at once; the tests hold both
against what the evidence engine itself says of the same labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import alarm, gate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headgate.stats.simulation.labels import Labels


@dataclass(frozen=True, slots=True)
class RatePath:
    """A rate gate over time.

    Attributes:
        log_e: The log stake against "the rate is at or above the limit", at each instant ``0 ... t``, shape ``(t + 1,)``.
        harm_log_e: The log stake against "the rate is at or below it", likewise.
        labels: Labels that count, likewise.
        harms: Those that say harm, likewise.
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
