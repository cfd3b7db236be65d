"""Growth-optimal sampling against the table of labels, a numeric maximum, and its limits."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from headgate.stats import allocation, power

THETA = 1e-3
ALPHA = 0.05


@pytest.mark.parametrize(
    ("rate", "wald", "at_90", "at_95", "at_99", "perfect"),
    [
        (1e-4, 4_470, 4_020, 3_839, 3_574, 3_329),
        (3e-4, 8_836, 6_758, 6_021, 5_064, 4_280),
        (5e-4, 19_510, 12_841, 10_619, 7_952, 5_991),
        (7e-4, 59_471, 33_601, 25_251, 15_936, 9_986),
    ],
)
def test_labels_to_a_pass_by_how_good_the_detector_is(
    rate: float, wald: int, at_90: int, at_95: int, at_99: int, perfect: int
) -> None:
    for auc, expected in ((0.90, at_90), (0.95, at_95), (0.99, at_99)):
        found = allocation.growth_optimal(*allocation.binormal(auc, rate), THETA).labels(ALPHA)
        assert found == pytest.approx(expected, abs=1)
    blind = allocation.growth_optimal([1.0], [rate], THETA)
    assert blind.labels(ALPHA) == pytest.approx(wald, rel=1e-3)  # the table's is Wald's for labels, this one for rare harms
    assert blind.labels(ALPHA) == pytest.approx(power.wald_labels(rate, THETA, ALPHA), rel=1e-3)
    sees_all = allocation.growth_optimal([1 - rate, rate], [0.0, 1.0], THETA).labels(ALPHA)
    limit = -math.log(ALPHA) / (THETA - rate)
    assert round(limit) == perfect
    assert limit < sees_all < 1.06 * limit  # the harms themselves must be read too


def test_the_default_multipliers_are_those_of_a_detector_of_auc_95_at_three_tenths_of_the_limit() -> None:
    shares, rates = allocation.binormal(0.95, 3e-4, 40_000)
    found = allocation.growth_optimal(shares, rates, THETA)
    place = np.cumsum(shares)
    borders = [0.0, 0.5, 0.8, 0.95, 0.99, 0.999, 0.9999, 1 + 1e-9]
    means: list[float] = []
    for low, high in pairwise(borders):
        here = (place - shares >= low) & (place <= high)
        means.append(float(shares[here] @ found.multipliers[here] / shares[here].sum()))
    assert means == pytest.approx([1, 1.08, 1.36, 2.08, 3.7, 7.4, 15], rel=0.02)
    assert found.lift == pytest.approx(1.16, abs=0.005)


@given(
    st.lists(st.floats(0.05, 1), min_size=2, max_size=5),
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
    st.floats(0.05, 0.9),
)
def test_no_other_probabilities_grow_faster(weights: list[float], harms: list[float], part: float) -> None:
    w = np.array(weights) / sum(weights)
    p = np.array(harms[: w.size])
    if w @ p > 0:
        p = p * (part * THETA / float(w @ p))
    found = allocation.growth_optimal(w, p, THETA)

    def ratio(bets: np.ndarray) -> float:
        return float((THETA - w @ (p * -np.log1p(-bets) / bets)) / (w @ (1 / bets)))

    rng = np.random.default_rng(7)
    near = np.clip(rng.normal(1, 0.05, (200, w.size)) * 0.9 / found.multipliers, 1e-4, 0.999)
    for bets in (*rng.uniform(0.01, 0.999, (200, w.size)), *near):
        assert ratio(bets) <= found.growth * (1 + 1e-9)
    assert found.multipliers.min() == 1
    assert found.lift == pytest.approx(float(w @ found.multipliers))


def test_more_expected_harm_means_more_reading_and_no_harm_means_the_floor() -> None:
    found = allocation.growth_optimal([0.5, 0.3, 0.15, 0.05], [0, 1e-5, 1e-3, 5e-3], THETA)
    assert list(found.multipliers) == sorted(found.multipliers)
    assert found.multipliers[0] == 1
    richest = allocation.growth_optimal([0.9998, 1e-4, 1e-4], [0, 0.1, 0.4], THETA).multipliers
    assert richest[2] / richest[1] == pytest.approx(2, rel=0.15)  # like the square root of the rate


def test_a_score_is_binormal() -> None:
    shares, rates = allocation.binormal(0.9, 0.01)
    assert shares.sum() == pytest.approx(1)
    harmful, harmless = shares * rates, shares * (1 - rates)
    assert harmful.sum() == pytest.approx(0.01)
    below = np.cumsum(harmless) - harmless / 2
    assert float(harmful @ below) / (0.01 * 0.99) == pytest.approx(0.9, abs=1e-4)
    assert math.sqrt(2) * oracle.norm.ppf(0.9) == pytest.approx(1.8124, abs=1e-4)


@pytest.mark.parametrize(
    ("shares", "rates", "theta"),
    [([1], [1e-3], 1e-3), ([1], [0.5, 0.5], 0.6), ([0.5], [0], 0.1), ([1], [-0.1], 0.1), ([1], [0], 1.0), ([], [], 0.1)],
)
def test_what_cannot_be_planned_is_refused(shares: list[float], rates: list[float], theta: float) -> None:
    with pytest.raises(ValueError, match="must"):
        allocation.growth_optimal(shares, rates, theta)


def test_impossible_detectors_and_capacities_are_refused() -> None:
    with pytest.raises(ValueError, match="AUC"):
        allocation.binormal(0.4, 0.1)
    with pytest.raises(ValueError, match="capacity"):
        allocation.split(-1)
    with pytest.raises(ValueError, match="directed"):
        allocation.floor_reviews(100, -1)
    with pytest.raises(ValueError, match="directed"):
        allocation.floor_reviews(100, 1, lift=0.5)


def test_a_capacity_is_shared_out_whole() -> None:
    shared = allocation.split(400)
    assert (shared.floor, shared.directed, shared.gold, shared.double) == pytest.approx((280, 80, 20, 20))
    assert shared.floor + shared.directed + shared.gold + shared.double == pytest.approx(400)


@given(st.floats(1, 1e6), st.floats(0, 1e6), st.floats(1, 3))
def test_the_floor_leaves_room_for_what_is_flagged_and_never_vanishes(capacity: float, directed: float, lift: float) -> None:
    floor = allocation.floor_reviews(capacity, directed, lift)
    assert 0.1 * capacity * (1 - 1e-9) <= floor <= 0.7 * capacity * (1 + 1e-9)
    if floor > 0.1 * capacity * (1 + 1e-9):
        assert floor * lift + directed <= 0.85 * capacity * (1 + 1e-9)
