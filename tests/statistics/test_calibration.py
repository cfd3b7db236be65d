"""Scores of predictions: exact laws, propriety, and that the engine's own chances are right when nothing changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, betabinom

from headgate.stats.calibration import PRIOR, SUREST, brier, chance_below, log_score
from headgate.stats.gate import upper_bound_uniform


@given(st.integers(0, 40), st.integers(0, 4000), st.integers(1, 3000), st.floats(1e-4, 1.0))
def test_the_chance_is_the_beta_binomial_law(harms: int, clean: int, later: int, limit: float) -> None:
    most = math.ceil(limit * later) - 1
    law = float(betabinom(later, harms + PRIOR, clean + PRIOR).cdf(most))
    assert chance_below(harms, harms + clean, later, limit) == pytest.approx(law, rel=1e-6, abs=1e-9)


def test_with_many_labels_to_come_the_chance_is_the_rates_own() -> None:
    rate = float(beta(3 + PRIOR, 997 + PRIOR).cdf(0.006))
    assert chance_below(3, 1000, 300_000, 0.006) == pytest.approx(rate, abs=1e-3)


def test_chances_come_true_as_often_as_they_say_when_the_rate_is_drawn_from_the_prior() -> None:
    # the one world in which a calibrated forecaster must be calibrated: rates drawn from Jeffreys' prior
    rng = np.random.default_rng(51)
    runs = 3000
    rates = rng.beta(PRIOR, PRIOR, runs)
    seen, came = rng.binomial(200, rates), rng.binomial(150, rates)
    bounds = np.array([upper_bound_uniform(200, int(harms), 0.05) for harms in seen])
    chances = np.array(
        [chance_below(int(harms), 200, 150, min(1.0, float(bound))) for harms, bound in zip(seen, bounds, strict=True)]
    )
    true = came / 150 < bounds
    margin = 3 * math.sqrt(float(np.mean(chances * (1 - chances))) / runs)
    assert abs(float(true.mean() - chances.mean())) <= margin


def test_scores_have_their_closed_forms() -> None:
    assert brier([0.9, 0.2], [True, False]) == pytest.approx((0.01 + 0.04) / 2)
    assert log_score([0.5, 0.5], [True, False]) == pytest.approx(math.log(2))
    assert brier([1.0], [True]) == 0
    assert log_score([1.0], [False]) == pytest.approx(-math.log(SUREST))  # dear, and not infinitely so


@given(st.floats(0.01, 0.99), st.floats(0.0, 1.0))
def test_nobody_scores_better_on_average_by_saying_something_else(belief: float, said: float) -> None:
    for score in (brier, log_score):
        honest = belief * score([belief], [True]) + (1 - belief) * score([belief], [False])
        other = belief * score([said], [True]) + (1 - belief) * score([said], [False])
        assert honest <= other + 1e-12


@pytest.mark.parametrize(
    "call",
    [
        lambda: chance_below(2, 1, 10, 0.1),
        lambda: chance_below(0, 1, 0, 0.1),
        lambda: chance_below(0, 1, 10, 0.0),
        lambda: brier([], []),
        lambda: brier([0.5], [True, False]),
        lambda: brier([1.5], [True]),
        lambda: log_score([0.5], [0.5]),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|needs?"):
        call()
