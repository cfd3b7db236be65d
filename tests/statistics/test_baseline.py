"""The usual week against exact Poisson tails, coverage by simulation and unequal chances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from headgate.stats import baseline


@given(st.integers(0, 5000), st.sampled_from([0.05, 0.01, 1e-4]))
def test_the_bound_is_the_mean_at_which_so_few_are_that_rare(events: int, alpha: float) -> None:
    bound = float(baseline.upper_mean(events, alpha))
    assert float(poisson.cdf(events, bound)) == pytest.approx(alpha, rel=1e-6)


def test_no_events_are_not_no_risk() -> None:
    assert float(baseline.upper_mean(0, 0.05)) == pytest.approx(math.log(20))


def test_unequal_chances_are_covered_too() -> None:
    # a few people flagged nearly always, many hardly ever: exact law by convolution
    chances = [0.9] * 3 + [0.02] * 60
    law = np.ones(1)
    for chance in chances:
        law = np.convolve(law, [1 - chance, chance])
    mean, alpha = sum(chances), 0.05
    too_low = baseline.upper_mean(np.arange(law.size), alpha) < mean
    assert law[too_low].sum() <= alpha


def test_all_hours_are_covered_at_once() -> None:
    rng = np.random.default_rng(5)
    hours = np.tile(np.arange(168), 4)
    share = 0.02 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(168) / 24))
    people = np.full(hours.size, 200)
    misses, runs, delta = 0, 1000, 0.05
    for _ in range(runs):
        week = baseline.usual_week(hours, rng.binomial(people, share[hours]), people, delta)
        misses += bool(np.any(week < share))
    assert misses / runs <= delta + 3 * math.sqrt(delta * (1 - delta) / runs)


def test_an_hour_that_was_never_seen_bounds_nothing() -> None:
    week = baseline.usual_week([5], [0], [1000], 0.01)
    assert week[5] == pytest.approx(math.log(168 / 0.01) / 1000)
    assert np.all(np.delete(week, 5) == 1.0)


@given(st.lists(st.tuples(st.integers(0, 167), st.integers(0, 5), st.integers(5, 50)), max_size=20), st.floats(0.001, 0.2))
def test_a_bound_lies_above_what_was_seen(windows: list[tuple[int, int, int]], delta: float) -> None:
    hours, events, people = ([window[part] for window in windows] for part in range(3))
    week = baseline.usual_week(hours, events, people, delta)
    for hour in set(hours):
        seen = sum(event for at, event, _ in windows if at == hour)
        there = sum(number for at, _, number in windows if at == hour)
        assert seen / there <= week[hour] <= 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: baseline.upper_mean(-1, 0.05),
        lambda: baseline.upper_mean(0.5, 0.05),
        lambda: baseline.upper_mean(1, 0.0),
        lambda: baseline.usual_week([168], [0], [1], 0.01),
        lambda: baseline.usual_week([0], [2], [1], 0.01),
        lambda: baseline.usual_week([0, 1], [0], [1], 0.01),
        lambda: baseline.usual_week([0], [0], [1], 1.0),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|needs"):
        call()
