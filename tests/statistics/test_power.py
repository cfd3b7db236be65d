"""Power against a label-by-label dynamic programme that shares no code with it, and against published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import binom

from headgate.stats import gate, power

BOUNDARIES = {
    (1e-3, 0.05): [3565, 6305, 8698, 10764, 12642, 14439, 16198, 17928, 19627],
    (1e-3, 0.02): [4593, 7401, 9886, 12029, 13956, 15790, 17584, 19355, 21104],
    (1e-3, 0.01): [5360, 8211, 10761, 12960, 14923, 16779, 18594, 20387, 22163],
    (1e-2, 0.05): [355, 629, 867, 1073, 1261, 1440],
    (1e-4, 0.05): [35668, 63070, 87010, 107666, 126450, 144430],
}


def dynamic_programme(rate: float, theta: float, alpha: float, labels: int, most: int) -> tuple[np.ndarray, float]:
    """Return P(first pass at n) for n = 1..labels and the mass left, one label at a time."""
    bets, weights = np.array([0.95, 0.75, 0.40]), np.array([0.5, 0.3, 0.2])
    s = np.arange(most + 1)
    harm, safe = s[:, None] * np.log(1 - bets), np.log((1 - theta * (1 - bets)) / (1 - theta))
    mass = np.zeros(most + 1)
    mass[0] = 1.0
    passed = np.zeros(labels)
    for n in range(1, labels + 1):
        mass[1:] = mass[1:] * (1 - rate) + mass[:-1] * rate
        mass[0] *= 1 - rate
        crossed = np.exp(harm + (n - s)[:, None] * safe) @ weights >= 1 / alpha
        passed[n - 1] = mass[crossed].sum()
        mass[crossed] = 0.0
    return passed, float(mass.sum())


@pytest.mark.parametrize(("theta", "alpha"), BOUNDARIES)
def test_the_gate_passes_at_the_published_boundaries(theta: float, alpha: float) -> None:
    expected = BOUNDARIES[theta, alpha]
    assert power.boundaries(theta, alpha, len(expected) - 1).tolist() == expected


@given(st.floats(1e-4, 0.3), st.floats(0.005, 0.2), st.integers(0, 30))
def test_a_boundary_is_the_first_label_that_passes(theta: float, alpha: float, harms: int) -> None:
    bounds = power.boundaries(theta, alpha, harms)
    s = np.arange(harms + 1)
    assert np.all(gate.log_e_uniform(bounds, s, theta) >= -math.log(alpha))
    assert np.all(gate.log_e_uniform(bounds - 1, np.minimum(s, bounds - 1), theta) < -math.log(alpha))
    assert np.all(np.diff(bounds) > 0)


def test_a_model_at_the_limit_is_promoted_as_seldom_as_the_dynamic_programme_says() -> None:
    passed, _ = dynamic_programme(1e-3, 1e-3, 0.05, 100_000, 220)
    law = power.pass_law(1e-3, 1e-3, 0.05, 100_000)
    for labels, expected in ((20_000, 0.042699), (100_000, 0.049428)):
        assert passed[:labels].sum() == pytest.approx(expected, abs=5e-7)
        assert law.by(labels) == pytest.approx(expected, abs=5e-7)
    assert np.all(passed[law.labels - 1] == pytest.approx(law.chance, abs=1e-12))
    assert law.by(100_000) <= 0.05


@pytest.mark.parametrize(("rate", "labels", "expected"), [(1e-4, 60_000, 4786.03), (3e-4, 160_000, 9731.37)])
def test_the_mean_number_of_labels_is_what_the_dynamic_programme_says(rate: float, labels: int, expected: float) -> None:
    passed, left = dynamic_programme(rate, 1e-3, 0.05, labels, 120)
    assert left < 1e-7
    assert float(np.arange(1, labels + 1) @ passed) == pytest.approx(expected, abs=0.02)
    assert power.mean_labels(rate, 1e-3, 0.05) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("rate", "over_wald"), [(1e-4, 1.10), (3e-4, 1.12), (5e-4, 1.25)])
def test_the_gate_stays_near_the_information_limit(rate: float, over_wald: float) -> None:
    assert power.mean_labels(rate, 1e-3, 0.05) <= over_wald * power.wald_labels(rate, 1e-3, 0.05)


def test_without_harm_the_gate_needs_at_most_a_fifth_more_than_any_method() -> None:
    assert power.mean_labels(0.0, 1e-3, 0.05) == 3565
    assert power.mean_labels(0.0, 1e-3, 0.05) <= 1.20 * math.log(20) / 1e-3


@pytest.mark.parametrize(("rate", "theta", "expected"), [(1e-4, 1e-3, 4470.26), (5e-4, 1e-3, 19509.62), (1e-3, 1e-2, 444.59)])
def test_walds_bound_has_its_published_values(rate: float, theta: float, expected: float) -> None:
    assert power.wald_labels(rate, theta, 0.05) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("theta", "expected"), [(1e-2, 298), (1e-3, 2994), (1e-4, 29956)])
def test_a_single_look_without_harm_needs_three_over_the_limit(theta: float, expected: int) -> None:
    exact = power.zero_harm_labels(theta, 0.05)
    assert round(exact) == expected
    assert binom.cdf(0, math.ceil(exact), theta) <= 0.05 < binom.cdf(0, math.floor(exact), theta)


@pytest.mark.parametrize(("baseline", "risen", "expected"), [(1e-4, 1e-3, 4205), (1e-4, 3e-4, 45_523), (1e-3, 3e-3, 4546)])
def test_an_alarm_needs_the_published_number_of_labels(baseline: float, risen: float, expected: int) -> None:
    assert round(power.alarm_labels(baseline, risen, 365)) == expected


@given(st.floats(0.0, 1.0), st.floats(0.001, 0.999))
def test_divergence_is_that_of_the_library(rate: float, other: float) -> None:
    assert power.divergence(rate, other) == pytest.approx(rel_entr(rate, other) + rel_entr(1 - rate, 1 - other), abs=1e-12)


@given(st.floats(0.0, 0.5), st.floats(0.001, 0.5))
def test_no_bet_grows_faster_than_information(rate: float, theta: float) -> None:
    assert power.growth(rate, theta) <= power.divergence(rate, theta) + 1e-12
    if rate >= theta:
        assert power.growth(rate, theta) <= 0


@given(st.floats(0.0, 0.4), st.sampled_from([0.02, 0.1, 0.3]), st.integers(0, 400))
def test_a_pass_law_is_a_law(rate: float, theta: float, labels: int) -> None:
    law = power.pass_law(rate, theta, 0.05, labels)
    assert np.all(law.chance >= 0)
    assert law.chance.sum() + law.undecided == pytest.approx(1)
    if rate >= theta:
        assert law.by(labels) <= 0.05


def test_certain_harm_never_passes() -> None:
    assert power.pass_law(1.0, 0.1, 0.05, 1000).by(1000) == 0.0
    assert power.mean_labels(1.0, 0.1, 0.05) == math.inf
    assert power.mean_labels(7.8e-5, 1e-4, 0.05) == math.inf  # it grows, but not within any stage of a release
    assert math.isnan(power.pass_law(0.5, 0.1, 0.05, 10).mean())


def test_a_stage_with_too_few_labels_cannot_decide() -> None:
    few = power.decidable(1e-3, 0.05, 3000, expected=1e-4)
    assert (few.can_pass, few.labels_at_zero, few.chance) == (False, 3565, 0.0)
    assert few.labels_expected == 8698
    assert few.days_at_zero(400) == pytest.approx(3565 / 400)
    assert few.days_expected(400) == pytest.approx(8698 / 400)
    assert few.days_expected(0) == few.days_at_zero(0) == math.inf


def test_enough_labels_at_the_expected_rate_pass_as_often_as_wanted() -> None:
    enough = power.decidable(1e-3, 0.05, 8698, expected=1e-4)
    assert enough.can_pass
    assert enough.chance >= 0.9 > power.decidable(1e-3, 0.05, 8697, expected=1e-4).chance


@pytest.mark.parametrize("expected", [9e-4, 2e-3])
def test_an_expectation_at_the_limit_is_never_likely_to_pass(expected: float) -> None:
    answer = power.decidable(1e-3, 0.05, 10_000, expected=expected)
    assert answer.labels_expected is None
    assert answer.days_expected(1000) == math.inf


@given(st.integers(0, 20_000), st.integers(0, 5))
def test_labels_to_go_count_down_to_the_boundary(labels: int, harms: int) -> None:
    harms = min(harms, labels)
    boundary = BOUNDARIES[1e-3, 0.05][harms]
    assert power.clean_labels_to_go(labels, harms, 1e-3, 0.05) == max(0, boundary - labels)


def test_clean_requests_to_go_are_the_last_step_to_a_pass() -> None:
    draws = ([300_000, 1000], [0.01, 0.02], [0.05, 0.1, 0.1], [0.01] * 3)
    more = power.clean_requests_to_go(*draws, 1e-3, 0.05)
    at = [gate.log_e_weighted([300_000, 1000 + m], *draws[1:], 1e-3) for m in (more - 1, more)]
    assert at[0] < math.log(20) <= at[1]
    assert power.clean_requests_to_go([10**7], [0.01], [], [], 1e-3, 0.05) == 0


def test_labels_to_go_at_a_rate_follow_the_growth() -> None:
    assert power.labels_to_go(0.0, 0.0, 1e-3, 0.05) == pytest.approx(math.log(20) / power.growth(0.0, 1e-3))
    assert power.labels_to_go(4.0, 0.0, 1e-3, 0.05) == 0
    assert power.labels_to_go(0.0, 2e-3, 1e-3, 0.05) == math.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: power.wald_labels(1e-3, 1e-3, 0.05),
        lambda: power.wald_labels(0, 0, 0.05),
        lambda: power.zero_harm_labels(0.1, 0),
        lambda: power.divergence(1.1, 0.5),
        lambda: power.growth(-0.1, 0.5),
        lambda: power.boundaries(0.1, 0.05, -1),
        lambda: power.pass_law(2.0, 0.1, 0.05, 10),
        lambda: power.pass_law(0.1, 0.1, 0.05, -1),
        lambda: power.alarm_labels(0.1, 0.1, 10),
        lambda: power.decidable(0.1, 0.05, 10, expected=0.01, chance_wanted=1.0),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|cannot|goes"):
        call()
