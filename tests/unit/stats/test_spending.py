from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats import spending


@pytest.mark.parametrize(("attempt", "expected"), [(1, 0.0304), (2, 0.0076), (3, 0.0034)])
def test_attempts_spend_less_and_less(attempt: int, expected: float) -> None:
    assert spending.attempt_alpha(0.05, attempt) == pytest.approx(expected, abs=5e-5)


@given(st.floats(1e-4, 0.5), st.integers(1, 300))
def test_all_attempts_together_never_spend_more_than_the_share(alpha: float, attempts: int) -> None:
    assert math.fsum(spending.attempt_alpha(alpha, v) for v in range(1, attempts + 1)) < alpha


def test_all_attempts_together_spend_the_whole_share() -> None:
    assert math.fsum(spending.attempt_alpha(0.05, v) for v in range(1, 100_000)) == pytest.approx(0.05, rel=1e-4)


def test_three_gates_share_as_the_design_says() -> None:
    assert spending.ladder_alphas(0.05, 3) == pytest.approx((0.02, 0.02, 0.01))


@given(st.floats(1e-4, 0.5), st.integers(1, 40))
def test_a_ladders_shares_add_up_to_its_total(total: float, gates: int) -> None:
    shares = spending.ladder_alphas(total, gates)
    assert len(shares) == gates
    assert math.fsum(shares) == pytest.approx(total)
    assert spending.overspent(total, shares) == 0.0


def test_shares_beyond_the_total_are_found() -> None:
    assert spending.overspent(0.05, (0.02, 0.02, 0.02)) == pytest.approx(0.01)
    assert spending.overspent(0.05, (0.02, 0.02, 0.01)) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: spending.attempt_alpha(0.0, 1),
        lambda: spending.attempt_alpha(0.05, 0),
        lambda: spending.ladder_alphas(1.0, 3),
        lambda: spending.ladder_alphas(0.05, 0),
        lambda: spending.overspent(0.05, (0.0,)),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|count|at least"):
        call()
