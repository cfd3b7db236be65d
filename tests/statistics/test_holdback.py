"""The holdback's e-process: exact means and laws by dynamic programming, against closed forms and the design's table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from headgate.stats import holdback


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_stake_is_one_on_average_when_access_raised_nothing_and_less_below(share: float) -> None:
    harms, new = 60, np.arange(61)
    stakes = np.exp(holdback.log_e(new, harms - new, share))
    assert binom.pmf(new, harms, share) @ stakes == pytest.approx(1.0, abs=1e-9)
    assert binom.pmf(new, harms, share * 0.9) @ stakes < 1


def test_one_harm_is_worth_its_likelihood_ratio() -> None:
    # rho = 1/2: q_j = r / (1 + r), so a harm on the new side is worth the mean of 2 r / (1 + r)
    ratios = holdback.RATIOS
    assert math.exp(float(holdback.log_e(1, 0, 0.5))) == pytest.approx(float(np.mean(2 * ratios / (1 + ratios))))
    assert math.exp(float(holdback.log_e(0, 1, 0.5))) == pytest.approx(float(np.mean(2 / (1 + ratios))))


@pytest.mark.parametrize(
    ("share", "ratio", "published"),
    [
        (0.9, 1.5, 634),
        (0.5, 1.5, 197),
        (0.5, 2.0, 62),
        (0.5, 3.0, 27),
        (0.5, 5.0, 15),
        (0.9, 2.0, 228),
        (0.9, 3.0, 106),
        (0.9, 5.0, 69),
    ],
)
def test_it_takes_the_harms_of_the_table(share: float, ratio: float, published: int) -> None:
    # the table was simulated; these laws are exact, and within a twentieth of it
    law = holdback.events_needed(share, ratio, 0.05, horizon=2500)
    assert law.shown > 0.99
    assert law.mean == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_no_rise_is_called_one_less_often_than_promised_however_often_one_looks(share: float) -> None:
    law = holdback.events_needed(share, 1.0, 0.05, horizon=1000)
    assert 0.03 < law.shown <= 0.05  # exact, so no margin


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.01, 0.99))
def test_a_harm_on_the_new_side_raises_the_stake_and_one_on_the_old_side_lowers_it(new: int, old: int, share: float) -> None:
    now = float(holdback.log_e(new, old, share))
    assert float(holdback.log_e(new + 1, old, share)) > now
    assert float(holdback.log_e(new, old + 1, share)) < now


@given(st.integers(0, 100), st.floats(0.05, 0.95), st.sampled_from([0.01, 0.05]))
def test_the_boundary_is_the_first_count_that_shows_a_rise(old: int, share: float, alpha: float) -> None:
    least = holdback.least_new(old, share, alpha)
    assert float(holdback.log_e(least, old, share)) >= -math.log(alpha)
    assert least == 0 or float(holdback.log_e(least - 1, old, share)) < -math.log(alpha)


def test_the_boundary_can_never_be_none() -> None:
    assert holdback.least_new(0, 0.5, 0.05) == 7  # six harms, all new, could still be luck
    assert float(holdback.log_e(0, 0, 0.5)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: holdback.log_e(1, 1, 0.0),
        lambda: holdback.log_e(1, 1, 1.0),
        lambda: holdback.log_e(-1, 1, 0.5),
        lambda: holdback.log_e(1, -1, 0.5),
        lambda: holdback.log_e(0.5, 1, 0.5),
        lambda: holdback.least_new(1, 0.5, 1.0),
        lambda: holdback.events_needed(0.5, 0.0, 0.05, horizon=10),
        lambda: holdback.events_needed(0.5, 2.0, 0.05, horizon=0),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|needs"):
        call()
