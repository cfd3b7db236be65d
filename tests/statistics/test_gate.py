"""The gate against published numbers, independent formulas and exact sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle
from statsmodels.stats.proportion import proportion_confint

from headgate.stats import gate

BETS = (0.95, 0.75, 0.40)
WEIGHTS = (0.5, 0.3, 0.2)


def likelihood_ratio(n: int, s: int, theta: float) -> float:
    """E as a mixture of binomial likelihood ratios: another formula for the same number."""
    null = oracle.binom.logpmf(s, n, theta)
    terms = [math.log(w) + oracle.binom.logpmf(s, n, theta * (1 - c)) - null for c, w in zip(BETS, WEIGHTS, strict=True)]
    return float(np.logaddexp.reduce(terms))


def one_by_one(requests: list[tuple[float, float, bool]], theta: float) -> float:
    """E as a running product over every request: (pi, floor, found harmful)."""
    stakes = [math.log(w) for w in WEIGHTS]
    for pi, floor, harmful in requests:
        z = 1 / pi if harmful else 0.0
        stakes = [stake + math.log(1 + c * floor * (theta - z)) for stake, c in zip(stakes, BETS, strict=True)]
    return float(np.logaddexp.reduce(stakes))


@pytest.mark.parametrize(
    ("labels", "harms", "expected"),
    [
        (1000, 0, 0.800816),
        (3564, 0, 2.994852),
        (3565, 0, 2.995736),
        (5000, 1, 1.942475),
        (10000, 3, 2.459250),
        (10000, 15, -5.274526),
    ],
)
def test_the_stake_has_its_exact_values(labels: int, harms: int, expected: float) -> None:
    assert float(gate.log_e_uniform(labels, harms, 1e-3)) == pytest.approx(expected, abs=5e-7)
    assert likelihood_ratio(labels, harms, 1e-3) == pytest.approx(expected, abs=5e-7)


def test_the_boundary_lies_between_two_labels() -> None:
    below, at = gate.log_e_uniform([3564, 3565], 0, 1e-3)
    assert below < math.log(20) <= at


@pytest.mark.parametrize(("rate", "expected"), [(1e-3, 1.0), (1.2e-3, 0.468773), (2e-3, 0.038317)])
def test_the_stake_is_one_on_average_at_the_limit_and_less_above_it(rate: float, expected: float) -> None:
    harms = np.arange(0, 201)
    law = oracle.binom.pmf(harms, 5000, rate)
    assert float(law @ np.exp(gate.log_e_uniform(5000, harms, 1e-3))) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("rate", [1e-4, 5e-4, 1e-3])
def test_the_mirror_stake_is_one_on_average_at_the_limit_and_less_below_it(rate: float) -> None:
    harms = np.arange(0, 5001)
    terms = oracle.binom.logpmf(harms, 5000, rate) + gate.log_harm_uniform(5000, harms, 1e-3)
    mean = math.exp(float(np.logaddexp.reduce(terms)))
    assert mean == pytest.approx(1.0, abs=1e-9) if rate == 1e-3 else mean < 1


def test_weighted_harms_give_the_exact_value() -> None:
    log_e = gate.log_e_weighted([300_000], [0.01], [0.05, 0.1, 0.1], [0.01] * 3, 1e-3)
    assert log_e == pytest.approx(2.124351, abs=5e-7)
    assert math.exp(log_e) == pytest.approx(8.367462, abs=5e-6)


def test_a_gate_asked_about_every_request_is_the_gate_on_labels() -> None:
    # drawing everything, pi = 1, differs from the labels form only by betting c instead of c / (1 - theta)
    weighted = gate.log_e_weighted([5000], [1.0], [1.0] * 2, [1.0] * 2, 1e-3)
    assert weighted == pytest.approx(float(gate.log_e_uniform(5000, 2, 1e-3)), abs=0.01)


@pytest.mark.parametrize(("labels", "expected"), [(1000, 3.56e-3), (10_000, 3.566e-4)])
def test_no_harm_bounds_the_rate_by_three_and_a_half_over_n(labels: int, expected: float) -> None:
    assert gate.upper_bound_uniform(labels, 0, 0.05) == pytest.approx(expected, rel=1e-3)


def test_looking_for_ever_costs_a_fifth_of_the_bound_at_most_when_there_is_no_harm() -> None:
    ours = gate.upper_bound_uniform(3000, 0, 0.05)
    single_look: Any = proportion_confint(0, 3000, alpha=0.10, method="beta")[1]
    assert 1 < ours / float(single_look) < 1.2


request_made = st.tuples(st.sampled_from([0.3, 0.5, 1.0]), st.sampled_from([0.3, 0.1]), st.booleans())
harmful = st.tuples(st.sampled_from([0.02, 0.1, 1.0]), st.sampled_from([0.02, 0.01]))


@given(st.integers(1, 10**7), st.integers(0, 60), st.floats(1e-6, 0.4), st.floats(1.0, 3.0), st.floats(0.001, 0.2))
def test_counts_keep_the_gates_promises(labels: int, harms: int, theta: float, times: float, alpha: float) -> None:
    harms = min(harms, labels)
    log_e = float(gate.log_e_uniform(labels, harms, theta))
    assert float(gate.log_e_uniform(labels, harms, min(theta * times, 0.9))) >= log_e - 1e-9
    assert float(gate.log_e_uniform(labels + 1, harms, theta)) >= log_e
    if harms < labels:
        assert float(gate.log_e_uniform(labels, harms + 1, theta)) <= log_e
    assert min(log_e, float(gate.log_harm_uniform(labels, harms, theta))) <= 1e-9
    bound = gate.upper_bound_uniform(labels, harms, alpha)
    assert bound == 1 or float(gate.log_e_uniform(labels, harms, bound)) >= -math.log(alpha)
    assert float(gate.log_e_uniform(labels, harms, bound * (1 - 1e-6))) < -math.log(alpha)


@given(
    st.lists(harmful, max_size=20),
    st.integers(20, 10**6),
    st.integers(20, 10**6),
    st.floats(1e-5, 0.3),
    st.floats(1.0, 3.0),
    st.floats(0.1, 1.0),
)
def test_weighted_draws_keep_the_gates_promises(
    harms: list[tuple[float, float]], first: int, second: int, theta: float, times: float, lower: float
) -> None:
    requests, floors = [first, second], [0.02, 0.01]
    pi, pi0 = [max(p, f) for p, f in harms], [f for _, f in harms]

    def log_e(at: float, pi: list[float], pi0: list[float]) -> float:
        return gate.log_e_weighted(requests, floors, pi, pi0, at)

    value = log_e(theta, pi, pi0)
    assert log_e(min(theta * times, 0.9), pi, pi0) >= value - 1e-9
    assert log_e(theta, [*pi, 0.5], [*pi0, 0.01]) <= value + 1e-9
    surer = [max(p * lower, f) for p, f in zip(pi, pi0, strict=True)]
    assert log_e(theta, surer, pi0) <= value + 1e-9
    assert log_e(theta, pi[::-1], pi0[::-1]) == pytest.approx(value, abs=1e-9)
    assert min(value, gate.log_harm_weighted(requests, floors, pi, pi0, theta)) <= 1e-9
    # cutting a stretch in two changes nothing
    assert gate.log_e_weighted([first, 7, second - 7], [0.02, 0.01, 0.01], pi, pi0, theta) == pytest.approx(value, abs=1e-7)


@given(st.lists(request_made, max_size=200))
def test_the_order_of_requests_and_the_number_of_batches_do_not_matter(requests: list[tuple[float, float, bool]]) -> None:
    shuffled = sorted(requests, key=hash)
    found = [(pi, floor) for pi, floor, bad in requests if bad]
    at_once = gate.log_e_weighted(
        [sum(floor == which for _, floor, _ in requests) for which in (0.3, 0.1)],
        [0.3, 0.1],
        [pi for pi, _ in found],
        [floor for _, floor in found],
        0.05,
    )
    assert at_once == pytest.approx(one_by_one(requests, 0.05), abs=1e-9)
    assert at_once == pytest.approx(one_by_one(shuffled, 0.05), abs=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: gate.log_e_uniform(10, 11, 0.1),
        lambda: gate.log_e_uniform(-1, 0, 0.1),
        lambda: gate.log_e_uniform(1.5, 0, 0.1),
        lambda: gate.log_e_uniform(math.inf, 0, 0.1),
        lambda: gate.log_e_uniform(10, 0, 0.0),
        lambda: gate.log_harm_uniform(10, 0, math.nan),
        lambda: gate.upper_bound_uniform(10, 0, 1.0),
        lambda: gate.log_e_weighted([10], [0.1, 0.2], [], [], 0.1),
        lambda: gate.log_e_weighted([10], [0.0], [], [], 0.1),
        lambda: gate.log_e_weighted([10], [0.1], [0.05], [0.1], 0.1),
        lambda: gate.log_e_weighted([10], [0.1], [1.5], [0.1], 0.1),
        lambda: gate.log_e_weighted([-10], [0.1], [], [], 0.1),
        lambda: gate.log_e_weighted([1], [0.1], [0.5, 0.5], [0.1, 0.1], 0.1),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|there are"):
        call()


def test_no_requests_have_no_rate_and_no_evidence() -> None:
    assert math.isnan(gate.rate_weighted([], [], [], []))
    assert gate.log_e_weighted([], [], [], [], 1e-3) == pytest.approx(0)
    assert gate.upper_bound_weighted([], [], [], [], 0.05) == 1.0


@given(st.integers(1, 40), st.floats(0.01, 0.2))
def test_the_weighted_estimate_and_bound_surround_the_truth_they_should(harms: int, alpha: float) -> None:
    draws = ([1000 * harms], [0.1], [0.2] * harms, [0.1] * harms)
    rate = gate.rate_weighted(*draws)
    assert rate == pytest.approx(harms / 0.2 / (1000 * harms))
    assert gate.upper_bound_weighted(*draws, alpha) > rate
