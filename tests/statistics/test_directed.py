"""What directed draws buy and what they cannot break: the weighted gate played with the default multipliers.

Between two sampled harms the stake only grows, by a known factor a request; so a run is played from sampled harm to sampled harm,
and the request at which it passes is solved for instead of looked for.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from headgate.safety.sampling.probability import LIFT, QUANTILE_MULTIPLIERS
from headgate.stats import allocation, gate, power

THETA, ALPHA, FLOOR = 1e-3, 0.05, 0.01
MULTIPLIERS = np.array([multiplier for _, multiplier in QUANTILE_MULTIPLIERS])
STARTS = np.array([start for start, _ in QUANTILE_MULTIPLIERS])
GROWTH = np.log1p(gate.SAFE_BETS * FLOOR * THETA)


def strata_of_harm(auc: float, rate: float) -> np.ndarray:
    """How harm spreads over the quantile strata when the detector has this AUC."""
    shares, rates = allocation.binormal(auc, rate, 40_000)
    stratum = np.searchsorted(STARTS, np.cumsum(shares) - shares / 2, side="right") - 1
    harm = np.bincount(stratum, shares * rates, MULTIPLIERS.size)
    return harm / harm.sum()


def enough(stakes: np.ndarray, requests: np.ndarray) -> np.ndarray:
    """Which runs have passed after so many requests."""
    return np.exp(stakes + requests[:, None] * GROWTH).sum(axis=1) >= 1 / ALPHA


def requests_to_pass(rng: np.random.Generator, rate: float, where: np.ndarray, runs: int, horizon: float) -> np.ndarray:
    """Requests at which each run passes; infinite beyond the horizon.

    Args:
        rng: Randomness.
        rate: Harms per request.
        where: Which share of them lies in each stratum.
        runs: How many.
        horizon: Requests.
    """
    pi = np.minimum(1, FLOOR * MULTIPLIERS)
    drawn = float(where @ pi)
    swaps = np.log1p(gate.SAFE_BETS * FLOOR * (THETA - 1 / pi[:, None])) - GROWTH
    at, stakes, passed = np.zeros(runs), np.tile(np.log(gate.SAFE_WEIGHTS), (runs, 1)), np.full(runs, math.inf)
    alive = np.arange(runs)
    while alive.size:
        following = at[alive] + rng.exponential(1 / (rate * drawn), alive.size)
        last = np.minimum(following, horizon)
        now = enough(stakes[alive], last)
        low, high = at[alive[now]], last[now]
        for _ in range(40):
            middle = (low + high) / 2
            there = enough(stakes[alive[now]], middle)
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        passed[alive[now]] = high
        on = ~now & (following < horizon)
        alive = alive[on]
        at[alive] = following[on]
        stakes[alive] += swaps[rng.choice(MULTIPLIERS.size, alive.size, p=where * pi / drawn)]
    return passed


def test_the_stake_that_is_played_is_the_gate_s() -> None:
    pi = FLOOR * MULTIPLIERS[[0, 3, 6]]
    swaps = np.log1p(gate.SAFE_BETS * FLOOR * (THETA - 1 / pi[:, None])) - GROWTH
    played = np.logaddexp.reduce(np.log(gate.SAFE_WEIGHTS) + 400_000 * GROWTH + swaps.sum(axis=0))
    assert played == pytest.approx(gate.log_e_weighted([400_000], [FLOOR], pi, [FLOOR] * 3, THETA), abs=1e-9)
    assert pytest.approx(1.153, abs=5e-4) == LIFT


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "goal"), [(1e-4, 1.08), (3e-4, 0.80), (5e-4, 0.63)])
def test_a_detector_of_auc_95_takes_the_labels_that_the_goal_allows(rate: float, goal: float) -> None:
    """3,000 runs; labels over Wald's bound for uniform labels, with two standard errors."""
    passed = requests_to_pass(np.random.default_rng(7), rate, strata_of_harm(0.95, rate), 3_000, 2e7)
    assert np.isfinite(passed).all()
    labels = passed * FLOOR * LIFT / power.wald_labels(rate, THETA, ALPHA)
    assert labels.mean() + 2 * labels.std() / math.sqrt(labels.size) <= goal


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [True, False])
def test_harm_at_the_limit_is_promoted_no_more_often_where_the_score_does_not_see_it(hidden: bool) -> None:
    """20,000 runs of ten million requests; two standard errors are 0.31 %."""
    where = np.eye(MULTIPLIERS.size)[0] if hidden else strata_of_harm(0.95, THETA)
    passed = requests_to_pass(np.random.default_rng(11), THETA, where, 20_000, 1e7)
    assert np.isfinite(passed).mean() <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / passed.size)
    assert np.isfinite(passed).mean() >= 0.03


def test_reading_the_highest_scores_alone_shows_nothing_and_a_random_floor_under_them_does() -> None:
    """Five times the limit, none of it where the score is high: read from the top, no harm is ever found.

    Taken for a random sample, that passes in every run after 3,565 labels. With the floor, of 2,000 runs of a million requests
    (10,000 labels) at most 5 % may pass by the theorem; at five times the limit hardly any does.
    """
    from_the_top = gate.log_e_uniform(3_565, 0, THETA)
    assert float(from_the_top) >= -math.log(ALPHA)
    passed = requests_to_pass(np.random.default_rng(3), 5 * THETA, np.eye(MULTIPLIERS.size)[0], 2_000, 1e6)
    assert np.isfinite(passed).mean() <= 0.005


def played_in_blocks(floors: np.ndarray, bets: np.ndarray, rate: np.ndarray, runs: int) -> tuple[np.ndarray, float]:
    """Play blocks of 10,000 requests, each with its floor, its bets and its rate, and look after each.

    Returns:
        Whether each run ever passed, and the least factor that any harm multiplied a stake by.
    """
    rng, block = np.random.default_rng(5), 10_000
    stakes, passed, least = np.tile(gate.SAFE_WEIGHTS, (runs, 1)), np.zeros(runs, bool), math.inf
    for floor, bet, harm in zip(floors, bets, rate, strict=True):
        found = rng.binomial(block, harm * floor, runs)
        factor = 1 + bet * (THETA - 1 / floor)
        least = min(least, float(factor.min()))
        stakes *= np.exp(np.log1p(bet * THETA) * (block - found[:, None])) * factor ** found[:, None]
        passed |= stakes.sum(axis=1) >= 1 / ALPHA
    return passed, least


def test_a_floor_that_is_lowered_takes_its_bets_along() -> None:
    """Harm at the limit throughout, the floor lowered from 2 % to 0.5 % half-way; 4,000 runs, two standard errors are 0.7 %.

    Bets that stay multiply the stake by a negative number with every harm, so that two harms are better than none.
    """
    floors = np.repeat([0.02, 0.005], 100)
    rate = np.full(floors.size, THETA)
    moved, least = played_in_blocks(floors, floors[:, None] * gate.SAFE_BETS, rate, 4_000)
    assert least > 0
    assert moved.mean() <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / moved.size)
    stayed, negative = played_in_blocks(floors, np.full((floors.size, 1), 0.02) * gate.SAFE_BETS, rate, 4_000)
    assert negative < -1
    assert stayed.mean() > 0.3


def test_what_is_proved_under_a_floor_that_moves_is_the_mean_weighted_by_it() -> None:
    """Harm under the high floor and none under the low one, so that the weighted mean stays at or above the limit: 4,000 runs.

    The plain mean falls to five eighths of the limit. It is not what the gate speaks of, and the reading says so.
    """
    floors, rate = np.repeat([0.02, 0.005], 100), np.repeat([1.25 * THETA, 0.0], 100)
    weighted = np.cumsum(floors * rate) / np.cumsum(floors)
    assert weighted.min() == pytest.approx(THETA)
    assert rate.mean() == pytest.approx(0.625 * THETA)
    passed, _ = played_in_blocks(floors, floors[:, None] * gate.SAFE_BETS, rate, 4_000)
    assert passed.mean() <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / passed.size)
