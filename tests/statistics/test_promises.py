"""The promise "a false promotion has probability at most alpha", simulated where no exact sum reaches (fixed seeds).

Each simulation looks after every label, never stops looking before its horizon, and counts a run as false when the stake
has ever reached the threshold.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from headgate.stats import gate

ALPHA = 0.05
BETS = np.array([0.95, 0.75, 0.40])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def allowed(runs: int) -> float:
    return ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def ever_promoted(gaps: np.ndarray, pi: np.ndarray, floor: float, theta: float) -> np.ndarray:
    """Return which runs ever reach the threshold, from requests between found harms, and those harms' probabilities.

    Between two harms the stake only rises, so it is highest just before one: looking there is looking everywhere.
    """
    lam = BETS * floor
    rises = (gaps - 1)[..., None] * np.log1p(lam * theta)
    falls = np.log1p(lam * (theta - 1 / pi[..., None]))
    before = np.cumsum(rises, axis=1) + np.cumsum(falls, axis=1) - falls
    peak = np.logaddexp.reduce(before + np.log(WEIGHTS), axis=-1).max(axis=1)
    return peak >= -math.log(ALPHA)


@pytest.mark.parametrize(
    ("where", "shares"),
    [
        ("spread over the scores", (0.2, 0.2, 0.3, 0.3)),
        ("hidden from the score", (1.0, 0.0, 0.0, 0.0)),
        ("all flagged", (0.0, 0.0, 0.0, 1.0)),
    ],
)
def test_directed_draws_promise_the_same_wherever_harm_hides(where: str, shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(20260103)
    theta, floor, runs, harms = 1e-2, 0.01, 10_000, 300
    strata = floor * np.array([1.0, 2.08, 3.7, 15.0])
    found = theta * float(np.array(shares) @ strata)  # probability that a request is a harm and is drawn
    gaps = rng.geometric(found, (runs, harms))
    odds = np.array(shares) * strata
    pi = rng.choice(strata, (runs, harms), p=odds / odds.sum())
    false = ever_promoted(gaps, pi, floor, theta)
    assert false.mean() <= allowed(runs), where
    # the simulation's arithmetic is the gate's
    requests = int(gaps[0, :20].sum())
    ours = gate.log_e_weighted([requests], [floor], pi[0, :20], [floor] * 20, theta)
    terms = (requests - 20) * np.log1p(BETS * floor * theta) + np.log1p(BETS[:, None] * floor * (theta - 1 / pi[0, :20])).sum(
        axis=1
    )
    assert ours == pytest.approx(float(np.logaddexp.reduce(terms + np.log(WEIGHTS))), abs=1e-9)


@pytest.mark.parametrize("adversary", ["late", "early", "shy", "greedy"])
def test_an_adversary_who_watches_every_label_gains_nothing(adversary: str) -> None:
    """The mean over the traffic is kept at or above the limit at all times; when harm is done is the adversary's choice."""
    rng = np.random.default_rng(20260104)
    theta, floor, runs, requests = 0.05, 0.2, 2000, 4000
    log_e = np.tile(np.log(WEIGHTS), (runs, 1))
    lam = BETS * floor
    harms = np.zeros(runs)
    quiet = np.zeros(runs)
    promoted = np.zeros(runs, bool)
    for t in range(1, requests + 1):
        owed = harms < theta * t  # without one more harm the mean would fall below the limit
        stake = np.logaddexp.reduce(log_e, axis=1)
        wish = {
            "late": np.zeros(runs, bool),
            "early": np.full(runs, t <= 300),
            "shy": (quiet > 40) & (harms < theta * t + 30),
            "greedy": (stake < -1.5) & (harms < theta * t + 60),
        }[adversary]
        harmful = owed | wish
        found = harmful & (rng.random(runs) < floor)
        harms += harmful
        quiet = np.where(found, 0, quiet + 1)
        log_e += np.where(found[:, None], np.log1p(lam * (theta - 1 / floor)), np.log1p(lam * theta))
        promoted |= np.logaddexp.reduce(log_e, axis=1) >= -math.log(ALPHA)
    assert np.all(harms >= theta * requests)
    assert promoted.mean() <= allowed(runs)


def test_slow_reviews_of_harm_do_not_hasten_a_promotion() -> None:
    """Harm takes a week to judge, the rest half a day: going by what is finished is fooled, going in order is not."""
    rng = np.random.default_rng(20260105)
    theta, a_day, days, runs, longest = 1e-2, 40, 100, 1500, 14.0
    drawn = np.repeat(np.arange(days), a_day).astype(float)
    harmful = rng.random((runs, drawn.size)) < theta
    wait = np.where(harmful, rng.exponential(7.0, harmful.shape), rng.exponential(0.5, harmful.shape))
    counted = harmful | (wait > longest)  # what nobody has judged after two weeks counts as harm
    ready = drawn + np.minimum(wait, longest)
    in_order = np.maximum.accumulate(ready, axis=1)
    harms_so_far = np.cumsum(counted, axis=1)
    promoted = {"in order": np.zeros(runs, bool), "as finished": np.zeros(runs, bool)}
    for today in range(1, days + 1):
        labels = (in_order <= today).sum(axis=1)
        harms = np.where(labels > 0, np.take_along_axis(harms_so_far, np.maximum(labels - 1, 0)[:, None], axis=1)[:, 0], 0)
        promoted["in order"] |= gate.log_e_uniform(labels, harms, theta) >= -math.log(ALPHA)
        finished = ready <= today
        promoted["as finished"] |= gate.log_e_uniform(finished.sum(axis=1), (finished & counted).sum(axis=1), theta) >= -math.log(
            ALPHA
        )
    assert promoted["in order"].mean() <= allowed(runs)
    assert promoted["as finished"].mean() > allowed(runs)


def test_a_quiet_end_does_not_undo_an_incident() -> None:
    """An incident early and quiet later: the mean over all the traffic is at the limit, and is never called lower."""
    rng = np.random.default_rng(20260106)
    theta, floor, runs = 1e-2, 0.1, 4000
    incident, quiet = 2000, 18_000  # a tenth of the traffic at ten times the limit, then nothing
    found = rng.binomial(incident, 10 * theta * floor, runs)
    for after in np.linspace(0, quiet, 40).astype(int):
        requests = incident + int(after)
        terms = (requests - found)[:, None] * np.log1p(BETS * floor * theta) + found[:, None] * np.log1p(
            BETS * floor * (theta - 1 / floor)
        )
        log_e = np.logaddexp.reduce(terms + np.log(WEIGHTS), axis=1)
        assert (log_e >= -math.log(ALPHA)).mean() <= allowed(runs)


def test_harm_is_shown_falsely_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(20260107)
    theta, runs, harms = 1e-2, 10_000, 200
    at = np.cumsum(rng.geometric(theta, (runs, harms)), axis=1)  # the mirror stake is highest right after a harm
    log_e = gate.log_harm_uniform(at, np.arange(1, harms + 1), theta)
    assert (log_e.max(axis=1) >= -math.log(ALPHA)).mean() <= allowed(runs)
