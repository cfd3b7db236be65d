"""Several claims at once: the design's example, closed forms, and the false share by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from headgate.stats import multiple

EXAMPLE = [300.0, 120.0, 70.0, 10.0, 4.0, 2.0, 1.0, 0.5, 0.1, 0.0]

stakes = st.lists(st.floats(-50, 50), min_size=1, max_size=30)


def logs(values: list[float]) -> np.ndarray:
    return np.array([math.log(value) if value else -math.inf for value in values])


def test_the_example_names_three() -> None:
    named = multiple.e_bh(logs(EXAMPLE), 0.05)
    assert list(np.flatnonzero(named)) == [0, 1, 2]


def test_order_does_not_matter() -> None:
    turned = np.random.default_rng(3).permutation(10)
    assert np.array_equal(multiple.e_bh(logs(EXAMPLE)[turned], 0.05), multiple.e_bh(logs(EXAMPLE), 0.05)[turned])


def test_nothing_stands_out_among_nothing() -> None:
    assert multiple.e_bh([], 0.1).size == 0


@given(stakes, st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_what_stands_out_strictly_stands_out_loosely(log_es: list[float], one: float, other: float) -> None:
    strict, loose = multiple.e_bh(log_es, min(one, other)), multiple.e_bh(log_es, max(one, other))
    assert np.all(loose[strict])


@given(stakes, st.integers(0, 29), st.floats(0, 10))
def test_more_evidence_never_takes_a_name_away(log_es: list[float], which: int, more: float) -> None:
    before = multiple.e_bh(log_es, 0.1)
    log_es[which % len(log_es)] += more
    assert np.all(multiple.e_bh(log_es, 0.1)[before])


def test_the_false_share_is_within_its_limit_even_when_all_depend() -> None:
    # 50 clusters, 5 elevated; the null stakes are one and the same coin: 1 / u of a shared uniform, capped, of mean one
    rng = np.random.default_rng(4)
    alpha, runs, shares = 0.1, 4000, 0.0
    for _ in range(runs):
        same = 100.0 if rng.random() < 0.01 else 0.0
        log_es = logs([same] * 45 + [float(value) for value in rng.choice([1.0, 200.0, 5000.0], 5)])
        named = multiple.e_bh(log_es, alpha)
        shares += float(named[:45].sum()) / max(1, int(named.sum()))
    assert shares / runs <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)


@given(stakes)
def test_all_claims_together_are_as_strong_as_the_weakest(log_es: list[float]) -> None:
    assert multiple.log_e_all(log_es) == min(log_es)
    assert multiple.log_e_all([*log_es, -1.0]) <= multiple.log_e_all(log_es)


def test_p_values_become_the_published_e_values() -> None:
    assert float(multiple.p_to_e(0.01)) == pytest.approx(4.450992, abs=5e-7)
    assert float(multiple.p_to_e_at(0.01, 0.5)) == pytest.approx(5.0, abs=1e-12)
    assert float(multiple.p_to_e(1.0)) == 0.5


@given(st.floats(1e-12, 1.0))
def test_the_averaged_calibrator_is_the_average(p: float) -> None:
    def at(kappa: float) -> float:
        return kappa * p ** (kappa - 1)

    average, _ = quad(at, 0, 1)
    assert float(multiple.p_to_e(p)) == pytest.approx(average, rel=1e-6)


def test_a_calibrator_of_uniform_p_values_is_one_on_average() -> None:
    # as an integral over the gap -log p, whose law is exponential
    def averaged(gap: float) -> float:
        return float(multiple.p_to_e(math.exp(-gap))) * math.exp(-gap)

    def at_a_half(gap: float) -> float:
        return float(multiple.p_to_e_at(math.exp(-gap), 0.5)) * math.exp(-gap)

    assert quad(averaged, 0, 500, limit=500)[0] <= 1
    assert quad(at_a_half, 0, 500)[0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: multiple.log_e_all([]),
        lambda: multiple.log_e_all([math.nan]),
        lambda: multiple.e_bh([0.0], 0.0),
        lambda: multiple.e_bh([[0.0]], 0.1),
        lambda: multiple.p_to_e(0.0),
        lambda: multiple.p_to_e(1.1),
        lambda: multiple.p_to_e_at(0.1, 1.0),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|no claim"):
        call()
