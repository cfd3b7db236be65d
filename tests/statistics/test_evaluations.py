"""Bounds of a finished evaluation: published values, independent oracles, and coverage by simulation."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from headgate.stats.evaluations import (
    clustered_lower,
    clustered_se,
    clustered_se_of_counts,
    clustered_upper,
    effective_items,
    exact_lower,
    exact_upper,
    items_for_zero,
    margin_reading,
    pass_at_k,
    thresholds_in_order,
    within_attempts,
)
from headgate.stats.pairing import paired_difference

ALPHA = 0.05
SCORES = [1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0]
CLUSTERS = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
TALLIES = st.lists(
    st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, 5))), min_size=1, max_size=8
)


def written_out(tallies: list[tuple[int, int, int]]) -> tuple[list[int], list[int]]:
    scores: list[int] = []
    clusters: list[int] = []
    for size, success, copies in tallies:
        for _ in range(copies):
            cluster = clusters[-1] + 1 if clusters else 0
            scores += [1] * success + [0] * (size - success)
            clusters += [cluster] * size
    return scores, clusters


def test_the_published_example_of_clustered_errors() -> None:
    assert clustered_se(SCORES, range(12)) == pytest.approx(0.1443376, abs=5e-8)
    assert clustered_se(SCORES, CLUSTERS) == pytest.approx(0.1863390, abs=5e-8)


def test_clustered_errors_are_those_of_cluster_robust_regression() -> None:
    rng = np.random.default_rng(20)
    scores = rng.random(60)
    clusters = rng.integers(0, 9, 60)
    fit = sm.OLS(scores, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    assert clustered_se(scores, clusters) == pytest.approx(float(fit.bse[0]), rel=1e-12)


@given(TALLIES)
def test_counts_give_the_error_of_the_items_written_out(tallies: list[tuple[int, int, int]]) -> None:
    scores, clusters = written_out(tallies)
    assert clustered_se_of_counts(*zip(*tallies, strict=True)) == pytest.approx(clustered_se(scores, clusters), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 64), (1, 64), (5, 100), (64, 64), (499, 1000)])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.001])
def test_exact_bounds_are_those_of_scipy_and_statsmodels(k: int, n: int, alpha: float) -> None:
    test = scipy_stats.binomtest(k, n, alternative="two-sided").proportion_ci(1 - 2 * alpha, method="exact")
    low, high = proportion_confint(k, n, alpha=2 * alpha, method="beta")
    assert exact_lower(k, n, alpha) == pytest.approx(test.low, abs=1e-12)
    assert exact_upper(k, n, alpha) == pytest.approx(test.high, abs=1e-12)
    assert exact_lower(k, n, alpha) == pytest.approx(low, abs=1e-12)
    assert exact_upper(k, n, alpha) == pytest.approx(high, abs=1e-12)


def test_nothing_in_n_items_bounds_the_rate_away_from_zero() -> None:
    assert exact_upper(0, 64, 0.05) == pytest.approx(1 - 0.05 ** (1 / 64), rel=1e-12)
    assert exact_lower(0, 64, 0.05) == 0


@pytest.mark.parametrize(("limit", "items"), [(1e-2, 299), (1e-3, 2995), (1e-4, 29956)])
def test_items_without_a_success_that_show_a_limit(limit: float, items: int) -> None:
    """Section 4 prints the real-valued solutions rounded down, 298, 2,994 and 29,956; whole items must clear the limit."""
    assert items_for_zero(limit, 0.05) == items
    assert exact_upper(0, items, 0.05) < limit <= exact_upper(0, items - 1, 0.05)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_success(drawn: tuple[int, int, int]) -> None:
    n, c, k = drawn
    subsets = list(combinations([1] * c + [0] * (n - c), k))
    assert float(pass_at_k(n, c, k)) == pytest.approx(sum(any(s) for s in subsets) / len(subsets), abs=1e-12)


def test_pass_at_k_keeps_the_shape_and_refuses_too_few_tries() -> None:
    assert pass_at_k([10, 10, 10], [0, 1, 10], 5).tolist() == pytest.approx([0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match="at least k tries"):
        pass_at_k([4], [1], 5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 50))
def test_several_tries_are_bounded_whatever_items_are_like(rates: list[float], attempts: int) -> None:
    truth = float(np.mean([1 - (1 - rate) ** attempts for rate in rates]))
    assert truth <= within_attempts(float(np.mean(rates)), attempts) + 1e-9


@given(TALLIES, st.sampled_from([0.5, 0.05, 0.01]))
def test_bounds_enclose_the_rate_and_clusters_never_tighten_them(tallies: list[tuple[int, int, int]], alpha: float) -> None:
    sizes, successes, copies = (np.array(counts) for counts in zip(*tallies, strict=True))
    n, k = int(sizes @ copies), int(successes @ copies)
    low, high = clustered_lower(sizes, successes, copies, alpha), clustered_upper(sizes, successes, copies, alpha)
    assert 0 <= low <= k / n <= high <= 1
    assert high >= exact_upper(k, n, alpha) - 1e-9
    assert low <= exact_lower(k, n, alpha) + 1e-9
    assert 1 <= effective_items(sizes, successes, copies, alpha) <= n


def test_items_of_one_each_have_the_exact_bound() -> None:
    assert clustered_upper([1, 1], [0, 1], [97, 3], 0.05) == exact_upper(3, 100, 0.05)


def test_no_success_counts_clusters_and_not_their_items() -> None:
    """Five runs of each of 20 items, none of them solved: the runs may be copies of each other."""
    assert clustered_upper([5], [0], [20], 0.05) == pytest.approx(1 - 0.05 ** (1 / 20), rel=1e-12)


def test_one_cluster_bounds_nothing() -> None:
    assert clustered_upper([50], [1], [1], 0.05) == 1
    assert clustered_lower([50], [49], [1], 0.05) == 0


def upper_when_copied(solved: int, items: int, *, copies: int) -> float:
    kinds = [(successes, times) for successes, times in ((copies, solved), (0, items - solved)) if times]
    return clustered_upper([copies] * len(kinds), [kind[0] for kind in kinds], [kind[1] for kind in kinds], ALPHA)


def share_missed(clusters: int, size: int, rate: float, agreement: float, *, runs: int, seed: int) -> float:
    """Return how often the bound lies below the rate when each item copies its cluster's first with this probability."""
    rng = np.random.default_rng(seed)
    first = rng.random((runs, clusters, 1)) < rate
    copied = rng.random((runs, clusters, size)) < agreement
    items = np.where(copied, first, rng.random((runs, clusters, size)) < rate)
    histograms = Counter(tuple(np.bincount(counts, minlength=size + 1).tolist()) for counts in items.sum(axis=2))
    missed = 0
    for histogram, times in histograms.items():
        found = [count for count, copies in enumerate(histogram) if copies]
        bound = clustered_upper([size] * len(found), found, [histogram[count] for count in found], ALPHA)
        missed += times * (bound < rate)
    return missed / runs


@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("clusters", "size", "rate"), [(8, 5, 0.3), (20, 5, 0.05)])
def test_the_clustered_bound_covers(agreement: float, clusters: int, size: int, rate: float) -> None:
    """2,000 runs; the margin is four standard errors."""
    missed = share_missed(clusters, size, rate, agreement, runs=2000, seed=7)
    assert missed <= ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / 2000)


@pytest.mark.slow
@pytest.mark.parametrize("agreement", [0.0, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(
    ("clusters", "size", "rate"), [(60, 4, 0.02), (40, 10, 0.5), (100, 10, 0.01), (200, 2, 0.01), (30, 5, 0.1), (100, 4, 0.05)]
)
def test_the_clustered_bound_covers_at_many_sizes_and_rates(agreement: float, clusters: int, size: int, rate: float) -> None:
    """4,000 runs; the margin is four standard errors."""
    missed = share_missed(clusters, size, rate, agreement, runs=4000, seed=8)
    assert missed <= ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / 4000)


def test_a_few_successes_do_not_show_how_successes_go_together() -> None:
    """One hundred clusters of ten, a rate of 1%, nearly copies: t with C - 1 degrees of freedom misses in a quarter of runs."""
    rng = np.random.default_rng(12)
    runs = 1000
    first = rng.random((runs, 100, 1)) < 0.01
    items = np.where(rng.random((runs, 100, 10)) < 0.8, first, rng.random((runs, 100, 10)) < 0.01).sum(axis=2)
    errors = np.sqrt(((items - items.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)) / 1000
    plain = items.sum(axis=1) / 1000 + scipy_stats.t.isf(ALPHA, 99) * errors
    assert np.mean(plain < 0.01) > 0.2
    assert share_missed(100, 10, 0.01, 0.8, runs=runs, seed=12) <= ALPHA


def test_ignoring_clusters_misses_where_the_clustered_bound_holds() -> None:
    """Ten copies of each of 30 items at a rate of 0.3: exact binomial probabilities of a false bound."""
    chances = scipy_stats.binom.pmf(np.arange(31), 30, 0.3)
    naive = np.array([exact_upper(10 * solved, 300, ALPHA) < 0.3 for solved in range(31)])
    honest = np.array([upper_when_copied(solved, 30, copies=10) < 0.3 for solved in range(31)])
    assert chances @ naive > 0.2
    assert chances @ honest <= ALPHA


def test_paired_differences_are_those_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.random(40), rng.random(40)
    ours = paired_difference(a, b, confidence=0.95)
    theirs = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, rel=1e-9), pytest.approx(theirs.high, rel=1e-9))


def test_paired_differences_in_clusters_are_those_of_cluster_robust_regression() -> None:
    rng = np.random.default_rng(10)
    a, b, clusters = rng.random(40), rng.random(40), rng.integers(0, 8, 40)
    fit = sm.OLS(a - b, np.ones(40)).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    ours = paired_difference(a, b, confidence=0.95, clusters=clusters)
    assert ours.mean == pytest.approx(float(fit.params[0]), rel=1e-12)
    assert ours.standard_error == pytest.approx(float(fit.bse[0]), rel=1e-12)
    half = scipy_stats.t.isf(0.025, 7) * ours.standard_error * math.sqrt(8 / 7)
    assert ours.high - ours.mean == pytest.approx(half, rel=1e-9)


def test_pairing_by_item_is_sharper_than_two_separate_intervals() -> None:
    rng = np.random.default_rng(11)
    hard = rng.random(200)
    a, b = (hard > 0.4).astype(float), (hard > 0.45).astype(float)
    paired = paired_difference(a, b, confidence=0.95)
    apart = 1.96 * math.sqrt(clustered_se(a, np.arange(200)) ** 2 + clustered_se(b, np.arange(200)) ** 2)
    assert paired.high - paired.low < apart


def test_equal_answers_on_every_item_are_no_proof_of_equality() -> None:
    same = paired_difference([1.0] * 30, [1.0] * 30, confidence=0.95)
    assert same.mean == 0
    assert same.high == pytest.approx(2 * (1 - 0.05 ** (1 / 30)))
    assert same.low == -same.high
    alone = paired_difference([1.0], [0.0], confidence=0.95)
    assert (alone.low, alone.high) == (-1.0, 1.0)


def test_a_gate_passes_only_with_room_for_the_margin() -> None:
    clean = margin_reading([1], [0], [300], alpha=0.05, margin=0.05, threshold=0.1)
    assert clean.below
    assert clean.slack == pytest.approx(0.1 - 0.05 - (1 - 0.05 ** (1 / 300)))
    tight = margin_reading([1], [0], [300], alpha=0.05, margin=0.095, threshold=0.1)
    assert not tight.below
    assert not tight.above
    harmful = margin_reading([1, 1], [0, 1], [200, 100], alpha=0.05, margin=0.05, threshold=0.1)
    assert harmful.above
    assert harmful.rate == pytest.approx(1 / 3)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0])
def test_a_margin_of_nothing_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        margin_reading([1], [0], [300], alpha=0.05, margin=margin, threshold=0.1)


@given(TALLIES, st.floats(0.001, 0.999), st.floats(0.001, 1))
def test_a_reading_never_says_both(tallies: list[tuple[int, int, int]], margin: float, threshold: float) -> None:
    reading = margin_reading(*zip(*tallies, strict=True), alpha=0.05, margin=margin, threshold=threshold)
    assert not (reading.below and reading.above)


def test_thresholds_grow_no_laxer_as_a_model_gets_out_of_hand() -> None:
    assert thresholds_in_order(0.2, 0.1, 0.1)
    assert thresholds_in_order(0.2, None, 0.05)
    assert thresholds_in_order(None, None, None)
    assert not thresholds_in_order(0.1, None, 0.2)
    with pytest.raises(ValueError, match="threshold"):
        thresholds_in_order(0.0, None, None)


@pytest.mark.parametrize(
    "counts",
    [
        ([], [], []),
        ([1], [2], [1]),
        ([0], [0], [1]),
        ([1.5], [1], [1]),
        ([2], [1], [0]),
        ([1, 1], [0], [1]),
        ([1], [0], [math.nan]),
    ],
)
def test_counts_that_contradict_themselves_are_refused(counts: tuple[list[float], list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match=r"counts|vectors"):
        clustered_upper(*counts, 0.05)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.7, math.nan])
def test_an_error_probability_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        clustered_upper([2], [1], [4], alpha)


def test_other_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        items_for_zero(1.0, 0.05)
    with pytest.raises(ValueError, match="attempt"):
        within_attempts(0.5, 0)
    with pytest.raises(ValueError, match="vectors"):
        clustered_se([], [])
    with pytest.raises(ValueError, match="vectors"):
        paired_difference([1.0], [1.0, 0.0], confidence=0.95)
    with pytest.raises(ValueError, match="scores must lie"):
        paired_difference([1.5], [1.0], confidence=0.95)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0), (0, math.inf)])
def test_a_rate_out_of_range_is_refused(k: float, n: float) -> None:
    with pytest.raises(ValueError, match="counts"):
        exact_upper(k, n, 0.05)
