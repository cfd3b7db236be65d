"""Carrying a rate over to another population: the design's example, closed forms, and a simulation of what is promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats import alarm, coverage, gate, users

shares_and_users = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 400)), min_size=1, max_size=6).filter(
    lambda strata: sum(weight for weight, _ in strata) > 0
)


def test_an_unseen_tenth_outweighs_everything_that_was_measured() -> None:
    assert coverage.transport_bound([0.5, 0.4, 0.1], [4e-4, 3e-3, 1.0]) == pytest.approx(0.1014)
    assert coverage.transport_bound([0.5, 0.5], [4e-4, 3e-3]) == pytest.approx(0.0017)


def test_strata_that_nobody_expects_cost_nothing() -> None:
    assert coverage.transport_bound([1.0, 0.0], [4e-4, 1.0]) == pytest.approx(4e-4)


def test_the_mean_of_stratum_bounds_is_the_stratified_one() -> None:
    """Two strata, 1,000 and 200 users, nobody harmful; each bound is at alpha / 2, and the other stage is half and half."""
    bounds = [gate.upper_bound_uniform(n, 0, 0.025) for n in (1000, 200)]
    exact = 0.5 * bounds[0] + 0.5 * bounds[1]
    assert coverage.transport_bound([0.5, 0.5], bounds) == pytest.approx(exact)
    assert exact == pytest.approx(0.0128, abs=2e-4)


@given(shares_and_users)
def test_effective_users_are_no_more_than_there_are(strata: list[tuple[int, int]]) -> None:
    weights, here = np.array(strata, float).T
    shares = weights / weights.sum()
    worth = coverage.effective_users(here, shares)
    assert 0 <= worth <= here.sum() * (1 + 1e-9)


def test_users_in_the_shares_that_are_wanted_are_worth_themselves() -> None:
    assert coverage.effective_users([70, 30], [0.7, 0.3]) == pytest.approx(100)
    assert coverage.effective_users([0, 0], [0.7, 0.3]) == 0


def test_effective_users_are_those_of_the_weights() -> None:
    here, shares = np.array([900, 90, 10]), np.array([0.2, 0.3, 0.5])
    weights = np.repeat(shares / (here / here.sum()), here)
    assert coverage.effective_users(here, shares) == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


def test_the_bound_carried_over_holds_at_all_times() -> None:
    """Three strata, one population; shares of the next stage differ. A run fails if its bound is ever below the true rate."""
    rng = np.random.default_rng(20261129)
    rates, now, later = np.array([0.01, 0.05, 0.2]), [0.8, 0.15, 0.05], np.array([0.3, 0.3, 0.4])
    truth, alpha, runs, failed = float(later @ rates), 0.1, 100, 0
    for _ in range(runs):
        strata = rng.choice(3, 1500, p=now)
        harmful = rng.random(1500) < rates[strata]
        for upto in (100, 400, 1500):
            there = [(strata[:upto] == k) for k in range(3)]
            bounds = [
                gate.upper_bound_uniform(int(k.sum()), int((harmful[:upto] & k).sum()), alpha / 3) if k.any() else 1.0
                for k in there
            ]
            if coverage.transport_bound(later, bounds) < truth:
                failed += 1
                break
    assert failed / runs <= alpha


def test_the_lower_bound_is_where_the_mirror_stake_reaches_the_threshold() -> None:
    harm = [0.0] * 60 + [0.2] * 40
    low = coverage.lower_bound_users(harm, [1.0] * 100, 0.05, 0.25)
    assert 0.03 < low < 0.08  # the mean share is 0.08
    assert float(users.log_harm_users(harm, [1.0] * 100, low, 0.25)) == pytest.approx(math.log(20), abs=1e-6)
    assert coverage.lower_bound_users([0.0] * 100, [1.0] * 100, 0.05, 0.25) == 0.0
    assert coverage.lower_bound_users([], [], 0.05, 0.25) == 0.0


@pytest.mark.parametrize("mean", [0.02, 0.1])
def test_the_lower_bound_lies_above_the_truth_no_more_often_than_is_promised(mean: float) -> None:
    rng = np.random.default_rng(20261201)
    runs, failed = 150, 0
    for _ in range(runs):
        harm = 0.25 * (rng.random(400) < mean / 0.25)
        failed += any(coverage.lower_bound_users(harm[:n], np.ones(n), 0.05, 0.25) > mean for n in (50, 200, 400))
    assert failed / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def test_people_who_are_not_told_apart_break_the_bound() -> None:
    """The trap: trusted testers are all mild, the public is not, and no stratum says which is which."""
    trusted = gate.upper_bound_uniform(5000, 0, 0.05)
    public = 0.05
    assert coverage.transport_bound([1.0], [trusted]) < public
    told_apart = coverage.transport_bound([0.0, 1.0], [trusted, 1.0])  # the remedy: the public is a stratum, and is unseen
    assert told_apart >= public


def test_a_shift_is_noticed_and_a_normal_share_is_not() -> None:
    rng = np.random.default_rng(20261130)
    threshold = math.log(20 * 365)  # a false alarm in twenty years of daily looks
    weights = alarm.RISE_WEIGHTS
    newcomers = np.full(365, 40)
    quiet = rng.binomial(newcomers, 0.02)
    shifted = np.concatenate([quiet[:60], rng.binomial(newcomers[60:], 0.10)])
    calm = alarm.log_mixture(alarm.run(coverage.log_factors_shift(newcomers, quiet, 0.02)), weights)
    risen = alarm.log_mixture(alarm.run(coverage.log_factors_shift(newcomers, shifted, 0.02)), weights)
    assert calm.max() < threshold
    assert 60 <= int(np.argmax(risen >= threshold)) < 70


def test_a_look_is_the_product_over_its_newcomers() -> None:
    share = 0.1
    ours = coverage.log_factors_shift([5, 0, 3], [2, 0, 0], share)
    bets = np.minimum(alarm.RISE_BETS, alarm.LARGEST_LOSS / share)
    assert ours[0] == pytest.approx(2 * np.log1p(bets * (1 - share)) + 3 * np.log1p(-bets * share))
    assert ours[1] == pytest.approx(np.zeros(6))
    assert ours[2] == pytest.approx(3 * np.log1p(-bets * share))


def test_a_look_is_fair_at_the_normal_share() -> None:
    share, n = 0.1, 12
    law = np.array([math.comb(n, x) * share**x * (1 - share) ** (n - x) for x in range(n + 1)])
    factors = np.exp([coverage.log_factors_shift([n], [x], share)[0] for x in range(n + 1)])
    assert law @ factors == pytest.approx(np.ones(6))


@pytest.mark.parametrize(
    ("shares", "bounds"),
    [([], []), ([0.5, 0.4], [0.1, 0.1]), ([1.2, -0.2], [0.1, 0.1]), ([1.0], [1.5]), ([1.0], [0.1, 0.1]), ([1.0], [math.nan])],
)
def test_shares_and_bounds_that_cannot_be_are_refused(shares: list[float], bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        coverage.transport_bound(shares, bounds)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="number of users"):
        coverage.effective_users([-1.0], [1.0])
    with pytest.raises(ValueError, match="among the newcomers"):
        coverage.log_factors_shift([1], [2], 0.1)
