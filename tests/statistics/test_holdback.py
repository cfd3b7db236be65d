"""The holdback's e-process: exact means and laws by dynamic programming, against closed forms and the design's table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from headgate.evidence.decide.holdback import share_of
from headgate.evidence.model.holdback import HoldbackDay
from headgate.stats import holdback

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        lambda: holdback.log_e_over([1, 2], [0], [0.5]),
        lambda: holdback.log_e_over([1], [0], [1.1]),
        lambda: holdback.log_e_over([-1], [2], [0.5]),
        lambda: holdback.log_e_over([0.5], [2], [0.5]),
        lambda: holdback.log_e_over(1, 2, 0.5),
        lambda: holdback.least_new(1, 0.5, 1.0),
        lambda: holdback.events_needed(0.5, 0.0, 0.05, horizon=10),
        lambda: holdback.events_needed(0.5, 2.0, 0.05, horizon=0),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"must|needs|lies|are one|whole"):
        call()


COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12)


@given(COUNTS, st.floats(0.01, 0.99))
def test_days_of_one_share_are_worth_what_they_are_worth_together(days: list[tuple[int, int]], share: float) -> None:
    new, old = [day[0] for day in days], [day[1] for day in days]
    together = float(holdback.log_e(sum(new), sum(old), share))
    assert holdback.log_e_over(new, old, [share] * len(days)) == pytest.approx(together, abs=1e-9)


@given(COUNTS, st.sampled_from([0.0, 1.0]))
def test_a_day_on_which_one_side_was_away_is_worth_nothing(days: list[tuple[int, int]], share: float) -> None:
    new, old = [day[0] for day in days], [day[1] for day in days]
    assert holdback.log_e_over([*new, 3], [*old, 1], [*([share] * len(days)), 0.5]) == pytest.approx(
        float(holdback.log_e(3, 1, 0.5)), abs=1e-9
    )


def test_the_stake_is_one_on_average_whatever_share_each_day_has() -> None:
    shares, harms = (0.3, 0.9), 12
    grid = [np.arange(harms + 1), np.arange(harms + 1)]
    chances = [binom.pmf(grid[day], harms, shares[day]) for day in (0, 1)]
    mean = sum(
        chances[0][one] * chances[1][two] * math.exp(holdback.log_e_over([one, two], [harms - one, harms - two], shares))
        for one in grid[0]
        for two in grid[1]
    )
    assert mean == pytest.approx(1.0, abs=1e-9)


@dataclass(frozen=True)
class Fates:
    """What became of many comparisons: of those that called a rise, by each of two ways to count."""

    units: float
    requests: float


def played(raised: float, *, runs: int, seed: int) -> Fates:
    """Play comparisons of 300 units over 14 days, looked at on each day, half of them held back.

    Units are as unlike as they come: their use is log-normal, so that a few do most of it, and one in ten does all the harm, each
    in proportion to its use, and goes on doing it.

    Args:
        raised: How many times as likely as before a request is harmful with the new access.
        runs: How many comparisons.
        seed: Of the randomness.
    """
    rng = np.random.default_rng(seed)
    units, days, called, naive = 300, 14, 0, 0
    for _ in range(runs):
        new = rng.random(units) < 0.5
        use = 1 + rng.poisson(np.exp(rng.normal(0, 2, units))[:, None], (units, days))
        rate = np.where(rng.random(units) < 0.1, 0.05, 0.0) * np.where(new, raised, 1.0)
        harms = rng.binomial(use, np.minimum(1, rate)[:, None])
        first = np.where(harms.any(axis=1), (harms > 0).argmax(axis=1), days)
        read = [_day(new, use, first, day) for day in range(days)]
        called += _calls([day.new_harms for day in read], [day.old_harms for day in read], [share_of(day) for day in read])
        one, other = ([int(harms[side, day].sum()) for day in range(days)] for side in (new, ~new))
        shares = [float(use[new, day].sum() / use[:, day].sum()) for day in range(days)]
        naive += _calls(one, other, shares)
    return Fates(called / runs, naive / runs)


def _day(new: NDArray[np.bool_], use: NDArray[np.int64], first: NDArray[np.int64], day: int) -> HoldbackDay:
    at_risk = first >= day
    one, other = at_risk & new, at_risk & ~new
    return HoldbackDay(
        day=str(day),
        new_units=int(one.sum()),
        old_units=int(other.sum()),
        new_exchanges=int(use[one, day].sum()),
        old_exchanges=int(use[other, day].sum()),
        new_harms=int((first[one] == day).sum()),
        old_harms=int((first[other] == day).sum()),
    )


def _calls(new: list[int], old: list[int], shares: list[float]) -> bool:
    looks = range(1, len(shares) + 1)
    return any(holdback.log_e_over(new[:look], old[:look], shares[:look]) >= -math.log(0.05) for look in looks)


@pytest.mark.slow
def test_units_as_unlike_as_they_come_feign_no_rise_and_requests_counted_one_by_one_do() -> None:
    none = played(1.0, runs=1500, seed=1)
    assert none.units <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1500)
    assert none.requests > 0.2  # one busy unit that does harm every day, and the coin was tossed for it once


@pytest.mark.slow
def test_a_rise_is_called_all_the_same() -> None:
    assert played(10.0, runs=200, seed=2).units > 0.2
