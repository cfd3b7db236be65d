"""The alarm against published values, exact means and simulated false alarms and delays (fixed seeds)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from headgate.stats import alarm

NEVER = np.full(6, -np.inf)


def run_lengths(log_factors: np.ndarray, weights: np.ndarray, log_threshold: float) -> np.ndarray:
    """Return the look that raises the alarm in each run; one past the end when none does. Shape (runs, looks, bets)."""
    runs, looks, bets = log_factors.shape
    log_r = np.full((runs, bets), -np.inf)
    raised = np.full(runs, looks + 1)
    for look in range(looks):
        log_r = alarm.step(log_r, log_factors[:, look])
        raised = np.where((alarm.log_mixture(log_r, weights) >= log_threshold) & (raised > looks), look + 1, raised)
    return raised


def test_the_detector_has_its_published_value() -> None:
    counts, baseline, ratio = [0, 1, 0, 2, 3, 1, 4], 0.5, 3.0
    log_r = np.array([-np.inf])
    for factor in alarm.log_factor_counts(counts, baseline, [ratio]):
        log_r = alarm.step(log_r, factor)
    assert math.exp(float(alarm.log_mixture(log_r, [1.0]))) == pytest.approx(2469.367524, abs=5e-7)
    # CUSUM keeps only the best start, Shiryaev-Roberts adds them all up
    cusum = 1.0
    for count in counts:
        cusum = max(cusum, 1.0) * ratio**count * math.exp(-baseline * (ratio - 1))
    assert cusum == pytest.approx(1081.520161, abs=5e-7)


def test_in_logs_is_the_same_as_without() -> None:
    rng = np.random.default_rng(1)
    factors = rng.normal(-0.1, 0.5, (40, 6))
    plain, log_r = np.zeros(6), NEVER
    for factor in factors:
        plain, log_r = (plain + 1) * np.exp(factor), alarm.step(log_r, factor)
    assert np.exp(log_r) == pytest.approx(plain, rel=1e-9)
    assert math.exp(float(alarm.log_mixture(log_r, alarm.RISE_WEIGHTS))) == pytest.approx(
        float(plain @ alarm.RISE_WEIGHTS), rel=1e-9
    )


def uniform(labels: int, harms: np.ndarray, baseline: float) -> np.ndarray:
    """Factors of looks in which every request is drawn: shape of ``harms`` with the bets appended."""
    quiet = alarm.log_factor_draws([labels], [1.0], [], [], baseline)
    swap = alarm.log_factor_draws([labels], [1.0], [1.0], [1.0], baseline) - quiet
    return quiet + harms[..., None] * swap


@pytest.mark.parametrize("baseline", [1e-4, 1e-2, 0.2])
def test_each_factor_is_one_on_average_at_the_baseline_and_less_below(baseline: float) -> None:
    labels, harms = 50, np.arange(51)
    factors = np.exp(uniform(labels, harms, baseline))
    assert binom.pmf(harms, labels, baseline) @ factors == pytest.approx(np.ones(6), abs=1e-9)
    assert np.all(binom.pmf(harms, labels, baseline / 2) @ factors < 1)


def test_each_weighted_factor_is_one_on_average_at_the_baseline() -> None:
    # one request: drawn with pi, harmful with the baseline rate
    baseline, pi, floor = 0.02, 0.25, 0.1
    nothing = np.exp(alarm.log_factor_draws([1], [floor], [], [], baseline))
    harm = np.exp(alarm.log_factor_draws([1], [floor], [pi], [floor], baseline))
    assert (1 - pi * baseline) * nothing + pi * baseline * harm == pytest.approx(np.ones(6), abs=1e-12)


def test_each_count_factor_is_one_on_average_at_the_baseline() -> None:
    counts = np.arange(200)
    factors = np.exp(alarm.log_factor_counts(counts, 0.694, alarm.COUNT_RATIOS))
    assert poisson.pmf(counts, 0.694) @ factors == pytest.approx(np.ones(6), abs=1e-9)


@given(st.floats(1e-6, 0.999), st.integers(0, 500), st.integers(0, 60), st.floats(0.001, 1.0), st.floats(1.0, 50.0))
def test_no_factor_is_ever_lost(baseline: float, requests: int, harms: int, floor: float, times: float) -> None:
    pi = min(1.0, floor * times)
    weighted = alarm.log_factor_draws([requests], [floor], [pi] * harms, [floor] * harms, baseline)
    assert np.all(np.isfinite(weighted))
    fewer = alarm.log_factor_draws([requests], [floor], [pi] * max(0, harms - 1), [floor] * max(0, harms - 1), baseline)
    assert np.all(weighted >= fewer)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.sampled_from([0.01, 0.3]), st.integers(0, 3)), max_size=20), st.floats(1e-5, 0.9)
)
def test_many_looks_at_once_are_each_look_alone(windows: list[tuple[int, float, int]], baseline: float) -> None:
    at = range(len(windows))
    harms = [(look, floor) for look, (_, floor, count) in enumerate(windows) for _ in range(count)]
    together = alarm.log_factors_draws(
        list(at),
        [requests for requests, _, _ in windows],
        [floor for _, floor, _ in windows],
        [look for look, _ in harms],
        [min(1.0, 2 * floor) for _, floor in harms],
        [floor for _, floor in harms],
        baseline,
        looks=len(windows),
    )
    alone = [
        alarm.log_factor_draws([requests], [floor], [min(1.0, 2 * floor)] * count, [floor] * count, baseline)
        for requests, floor, count in windows
    ]
    assert together == pytest.approx(np.array(alone).reshape(-1, 6), abs=1e-9)


@given(st.floats(1.0001, 1e6))
def test_weights_add_up_and_give_up_on_no_rise(ratio: float) -> None:
    weights = alarm.rise_weights(ratio)
    assert weights.sum() == pytest.approx(1)
    assert np.all(weights >= alarm.RISE_WEIGHTS / 2)


def test_weights_favour_the_rise_that_the_rule_names() -> None:
    assert np.argmax(alarm.rise_weights(11.0)) == 3
    assert np.argmax(alarm.rise_weights(1.3)) == 0
    assert np.argmax(alarm.rise_weights(1e5)) == 5


def test_false_alarms_come_no_sooner_than_promised() -> None:
    rng = np.random.default_rng(20260101)
    looks_between, runs, looks = 60, 1500, 900
    harms = rng.binomial(100, 0.02, (runs, looks))
    lengths = run_lengths(uniform(100, harms, 0.02), alarm.rise_weights(10.0), math.log(looks_between))
    assert lengths.mean() - 2 * lengths.std() / math.sqrt(runs) >= looks_between


def test_false_alarms_of_a_directed_sample_come_no_sooner_than_promised() -> None:
    rng = np.random.default_rng(20260102)
    looks_between, runs, looks, requests = 50, 400, 500, 2000
    floor, baseline = 0.02, 0.01
    # harm is spread over three strata, drawn at 1, 3 and 15 times the floor
    pi = floor * np.array([1.0, 3.0, 15.0])
    found = rng.binomial(requests, baseline * np.array([0.3, 0.3, 0.4]) * pi, (runs, looks, 3))
    quiet = alarm.log_factor_draws([requests], [floor], [], [], baseline)
    swap = np.array([alarm.log_factor_draws([requests], [floor], [p], [floor], baseline) - quiet for p in pi])
    lengths = run_lengths(quiet + found @ swap, alarm.RISE_WEIGHTS, math.log(looks_between))
    assert lengths.mean() - 2 * lengths.std() / math.sqrt(runs) >= looks_between


@pytest.mark.parametrize(("ratio", "hours"), [(1.5, 10.0), (2.0, 3.1), (3.0, 1.07), (5.0, 0.43)])
def test_a_rise_in_counts_is_noticed_as_fast_as_published(ratio: float, hours: float) -> None:
    rng = np.random.default_rng(7)
    mean, looks_a_year = 100_000 * 0.002 / 288, 365 * 288
    before, after = rng.poisson(mean, (300, 288)), rng.poisson(mean * ratio, (300, round(hours * 12 * 5) + 20))
    factors = alarm.log_factor_counts(np.concatenate([before, after], axis=1), mean, alarm.COUNT_RATIOS)
    raised = run_lengths(factors, alarm.RISE_WEIGHTS, math.log(looks_a_year))
    delays = raised[raised > 288] - 288  # a day without a rise, then the rise
    information = mean * (ratio * math.log(ratio) - ratio + 1)
    assert delays.mean() <= 1.3 * math.log(looks_a_year) / information
    assert delays.mean() / 12 == pytest.approx(hours, rel=0.15)


def test_naming_the_rise_makes_its_alarm_sooner() -> None:
    rng = np.random.default_rng(8)
    harms = rng.binomial(200, 1e-3, (1500, 120))
    factors = uniform(200, harms, 1e-4)
    named, unnamed = (run_lengths(factors, weights, math.log(365)) for weights in (alarm.rise_weights(10.0), alarm.RISE_WEIGHTS))
    assert named.mean() < unnamed.mean() < 21.5  # days; the information limit is 21


@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_a_run_is_its_steps(looks: int, seed: int) -> None:
    factors = np.random.default_rng(seed).normal(-0.2, 1.0, (looks, 6))
    log_r = NEVER
    steps = [log_r := alarm.step(log_r, factor) for factor in factors]
    assert alarm.run(factors) == pytest.approx(np.array(steps).reshape(-1, 6), abs=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: alarm.rise_bets(0.0),
        lambda: alarm.rise_weights(1.0),
        lambda: alarm.rise_weights(math.inf),
        lambda: alarm.log_factor_counts([1], 0.0, [2.0]),
        lambda: alarm.log_factor_counts([1], 1.0, [1.0]),
        lambda: alarm.log_factor_draws([1], [0.1], [], [], 1.0),
        lambda: alarm.log_factor_draws([1], [0.1], [0.05], [0.1], 0.1),
        lambda: alarm.log_factors_draws([1], [1], [0.1], [], [], [], 0.1, looks=1),
        lambda: alarm.log_factors_draws([0], [1], [0.1], [-1], [0.5], [0.1], 0.1, looks=1),
        lambda: alarm.log_threshold(10, 0),
        lambda: alarm.log_threshold(10, 10),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|needs?|goes"):
        call()
