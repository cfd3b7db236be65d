"""What reviewers miss: the bound from gold items, and a gate with and without it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as oracle

from headgate.stats import gate, noise, power

THETA = 1e-3
ALPHA = 0.05


@pytest.mark.parametrize(
    ("shown", "caught", "expected"),
    [(100, 96, 0.869), (200, 192, 0.901), (500, 480, 0.925), (100, 100, 0.955), (300, 300, 0.985)],
)
def test_the_bound_from_gold_items_has_its_exact_values(shown: int, caught: int, expected: float) -> None:
    assert round(noise.sensitivity_lower(shown, caught, 0.025), 3) == expected


@pytest.mark.parametrize(("shown", "missed", "theta"), [(0, 0, 0.2), (10, 0, 0.3), (40, 3, 0.2), (200, 30, 0.1)])
def test_the_stake_is_a_mixture_of_likelihood_ratios(shown: int, missed: int, theta: float) -> None:
    def factor(u: float) -> float:
        p = u * theta
        ratio = oracle.binom.logpmf(missed, shown, p) - oracle.binom.logpmf(missed, shown, theta)
        return float(np.exp(ratio) * oracle.beta.pdf(u, 0.5, 1))

    def smooth(root: float) -> float:
        return factor(root**2) * 2 * root if root > 0 else 0.0  # u = root^2 takes the pole away

    integral, _ = integrate.quad(smooth, 0, 1)
    assert float(noise.log_e_misses(shown, missed, theta)) == pytest.approx(math.log(integral), abs=1e-7)


@pytest.mark.parametrize("theta", [0.05, 0.2, 0.5])
def test_the_stake_is_one_on_average_at_the_tested_chance(theta: float) -> None:
    missed = np.arange(0, 301)
    law = oracle.binom.pmf(missed, 300, theta)
    assert float(law @ np.exp(noise.log_e_misses(300, missed, theta))) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("sensitivity", [0.5, 0.8, 0.95])
def test_the_bound_is_ever_above_the_truth_with_at_most_its_alpha_under_a_look_after_every_item(sensitivity: float) -> None:
    alive, wrong = np.ones(1), 0.0
    for shown in range(1, 601):
        alive = np.append(alive * sensitivity, 0.0) + np.append(0.0, alive * (1 - sensitivity))
        fooled = noise.log_e_misses(shown, np.arange(shown + 1), 1 - sensitivity) >= -math.log(0.025)
        wrong += float(alive[fooled].sum())
        alive[fooled] = 0
    assert 0.01 < wrong <= 0.025


def test_nothing_shown_bounds_nothing_and_everything_missed_bounds_nothing() -> None:
    assert noise.sensitivity_lower(0, 0, 0.025) == 0
    assert noise.sensitivity_upper(0, 0, 0.025) == 1
    assert noise.sensitivity_lower(50, 0, 0.025) == 0
    assert noise.sensitivity_upper(50, 50, 0.025) == 1
    assert noise.corrected_limit(THETA, 0, 0, 0.025) == 0


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.floats(0.001, 0.5))
def test_the_bound_lies_below_the_share_and_one_more_item_moves_it_the_way_it_went(counts: tuple[int, int], alpha: float) -> None:
    shown, caught = counts
    bound = noise.sensitivity_lower(shown, caught, alpha)
    assert 0 <= bound <= caught / shown <= noise.sensitivity_upper(shown, caught, alpha) <= 1
    assert noise.sensitivity_lower(shown + 1, caught, alpha) <= bound <= noise.sensitivity_lower(shown + 1, caught + 1, alpha)
    assert noise.sensitivity_lower(shown, caught, alpha / 2) <= bound
    if bound > 0:
        assert float(noise.log_e_misses(shown, shown - caught, 1 - bound)) >= -math.log(alpha) - 1e-9


@pytest.mark.parametrize(("sensitivity", "missed"), [(0.8, 0), (0.8, 2), (0.95, 1)])
def test_the_items_needed_are_the_least_that_show_it(sensitivity: float, missed: int) -> None:
    needed = noise.golds_needed(sensitivity, ALPHA, missed)
    assert noise.sensitivity_lower(needed, needed - missed, ALPHA) >= sensitivity - 1e-12
    assert noise.sensitivity_lower(needed - 1, needed - 1 - missed, ALPHA) < sensitivity


@given(st.floats(0, 1), st.floats(0.6, 1), st.floats(0.6, 1))
def test_rogan_and_gladen_undo_what_reviewers_do(rate: float, sensitivity: float, specificity: float) -> None:
    seen = noise.observed_rate(rate, sensitivity, specificity)
    assert noise.rogan_gladen(seen, sensitivity, specificity) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize("wrong", [(-0.1, 0.9, 0.9), (0.1, 1.1, 0.9), (0.1, 0.5, 0.5)])
def test_readers_no_better_than_a_coin_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]|tell nothing"):
        noise.rogan_gladen(*wrong)


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        noise.sensitivity_lower(3, 4, 0.05)
    with pytest.raises(ValueError, match="alpha"):
        noise.sensitivity_lower(3, 2, 0)
    with pytest.raises(ValueError, match="chance to miss"):
        noise.log_e_misses(3, 2, 1)
    with pytest.raises(ValueError, match="limit"):
        noise.corrected_limit(1, 3, 3, 0.05)
    with pytest.raises(ValueError, match="must lie"):
        noise.golds_needed(1, 0.05)
    with pytest.raises(ValueError, match="more than"):
        noise.golds_needed(1 - 1e-13, 0.05)
    with pytest.raises(ValueError, match="must lie"):
        noise.observed_rate(2, 1, 1)


def test_false_positives_alone_keep_a_safe_model_from_ever_passing() -> None:
    """One reader who is wrong once in a thousand, at a tenth of the limit: 2.8 % by 200,000 labels; adjudicated, nearly all."""
    alone = noise.observed_rate(1e-4, 1, 0.999)
    assert power.pass_law(alone, THETA, ALPHA, 200_000).by(200_000) == pytest.approx(0.0280, abs=5e-5)
    twice = noise.observed_rate(1e-4, 1, 1 - 0.001**2)
    assert power.pass_law(twice, THETA, ALPHA, 20_000).by(20_000) > 0.99


def test_misses_that_nobody_counts_promote_a_model_at_the_limit_in_four_of_ten_runs() -> None:
    """Sensitivity 0.8, a true rate of exactly the limit: 42.5 % by 200,000 labels; against 0.8 of the limit, 4.9 %."""
    seen = noise.observed_rate(THETA, 0.8, 1)
    assert power.pass_law(seen, THETA, ALPHA, 200_000).by(200_000) == pytest.approx(0.425, abs=5e-4)
    assert power.pass_law(seen, 0.8 * THETA, ALPHA, 100_000).by(100_000) == pytest.approx(0.0488, abs=5e-5)
    dearer = power.mean_labels(0.8 * 1e-4, 0.8 * THETA, ALPHA) / power.mean_labels(1e-4, THETA, ALPHA)
    assert dearer == pytest.approx(1.25, abs=0.001)


@pytest.mark.slow
def test_the_gate_corrected_by_a_bound_that_moves_with_it_is_fooled_less_often_than_it_may() -> None:
    """Golds come in as labels do, one in twenty, and both are looked at together.

    2,500 runs at the limit; nominal 5 %. The binomial margin is 3 standard errors, 1.3 %.
    """
    rng = np.random.default_rng(20_260_302)
    runs, step, looks, sensitivity = 2_500, 2_000, 30, 0.8
    harms, missed = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
    corrected, naive = np.zeros(runs, bool), np.zeros(runs, bool)
    for look in range(1, looks + 1):
        labels, shown = look * step, look * step // 20
        harms += rng.binomial(step, sensitivity * THETA, runs)
        missed += rng.binomial(step // 20, 1 - sensitivity, runs)
        naive |= gate.log_e_uniform(labels, harms, THETA) >= -math.log(ALPHA)
        for count in np.unique(missed):
            limit = noise.corrected_limit(THETA, shown, shown - int(count), ALPHA / 2)
            if limit > 0:
                here = missed == count
                corrected[here] |= gate.log_e_uniform(labels, harms[here], limit) >= -math.log(ALPHA / 2)
    margin = 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert corrected.mean() <= ALPHA + margin
    assert corrected.mean() <= 0.03  # far inside: the two halves of alpha seldom fail together with the bound still low
    assert naive.mean() > 0.12
