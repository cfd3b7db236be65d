"""Noticing that users have come to do more harm each: what is promised, how long it takes, and what goes wrong without it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats import alarm, users

CALM = 0.01
"""The mean share of harm among users that is no cause for alarm."""
BETWEEN = 100
"""Looks between false alarms."""


def sounded(log_factors: np.ndarray, ratio: float, threshold: float) -> np.ndarray:
    """Return the look at which each run sounds, counted from 1; one more than there are where it does not."""
    weights = alarm.share_weights(ratio, CALM)
    over = [alarm.log_mixture(alarm.run(run), weights) >= threshold for run in log_factors]
    return np.array([int(np.argmax(run)) + 1 if run.any() else run.size + 1 for run in over])


def a_stream(
    rng: np.random.Generator, mean: float, worst: float, *, looks: int, each: int, floor: float, exchanges: int = 20
) -> np.ndarray:
    """Return the factors of looks at users of whom a few do ``worst`` harm, read at ``floor``, so that the mean is ``mean``."""
    harmful = rng.random((looks, each)) < mean / worst
    harms = np.where(harmful, rng.binomial(exchanges, worst, (looks, each)), 0)
    found = rng.binomial(harms, floor)
    where = np.repeat(np.arange(looks), each)
    # drawn at the floor, so each harm that was found counts once
    return alarm.log_factors_users(where, (found / exchanges).ravel(), np.full(where.size, floor), CALM, looks=looks)


@pytest.mark.parametrize(("worst", "floor", "seed"), [(1.0, 1.0, 1), (0.25, 1.0, 2), (0.25, 0.2, 3), (0.01, 0.5, 4)])
def test_a_false_alarm_comes_no_oftener_than_promised(worst: float, floor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs, looks = 150, 6 * BETWEEN
    factors = np.stack([a_stream(rng, CALM, worst, looks=looks, each=10, floor=floor) for _ in range(runs)])
    lengths = sounded(factors, 10.0, math.log(BETWEEN))  # cut off at six times what is promised, which only shortens the mean
    mean, error = float(lengths.mean()), float(lengths.std()) / math.sqrt(runs)
    assert mean - 3 * error >= BETWEEN


@pytest.mark.parametrize(
    ("worst", "ratio"),
    [
        (1.0, 10.0),  # harmful users who do nothing else
        (0.25, 10.0),  # up to what enforcement lets pass
        (0.25, 3.0),
    ],
)
def test_a_rise_is_noticed_in_about_the_users_that_it_takes_to_tell(worst: float, ratio: float) -> None:
    rng = np.random.default_rng(int(ratio) + int(100 * worst))
    each, runs, looks = 10, 300, 120
    factors = np.stack([a_stream(rng, CALM * ratio, worst, looks=looks, each=each, floor=1.0) for _ in range(runs)])
    lengths = sounded(factors, ratio, math.log(365 * 24))
    assert lengths.max() <= looks
    # what one who knew both laws would need: a user is harmful or not, and being so is the whole of the evidence
    before, after = CALM / worst, CALM * ratio / worst
    kl = after * math.log(after / before) + (1 - after) * math.log((1 - after) / (1 - before))
    assert float(lengths.mean()) * each <= 1.3 * math.log(365 * 24) / kl + each  # a look may be begun in vain


def test_reading_a_fifth_takes_longer_and_still_notices() -> None:
    rng = np.random.default_rng(9)
    delays = {
        floor: float(
            sounded(
                np.stack([a_stream(rng, 0.1, 0.25, looks=600, each=10, floor=floor) for _ in range(80)]), 10.0, math.log(8760)
            ).mean()
        )
        for floor in (1.0, 0.2)
    }
    assert 1.5 * delays[1.0] <= delays[0.2] <= 8 * delays[1.0]


def test_labels_one_by_one_mistake_one_busy_person_for_a_rise_and_users_do_not() -> None:
    """The trap: a person who does much harm in one day is many labels, and one user."""
    rng = np.random.default_rng(10)
    runs, looks, each, exchanges = 200, BETWEEN, 10, 50
    by_label, by_user = 0, 0
    for _ in range(runs):
        harms = np.where(rng.random((looks, each)) < CALM, exchanges, 0)
        where = np.repeat(np.arange(looks), each)
        shares = (harms / exchanges).ravel()
        ours = alarm.log_factors_users(where, shares, np.ones(where.size), CALM, looks=looks)
        by_user += int(sounded(ours[None], 10.0, math.log(BETWEEN))[0] <= looks)
        hits = np.repeat(where, harms.ravel())
        ones = np.ones(hits.size)
        theirs = alarm.log_factors_draws(
            np.arange(looks), np.full(looks, each * exchanges), np.ones(looks), hits, ones, ones, CALM, looks=looks
        )
        weights = alarm.rise_weights(10.0)
        by_label += int(bool(np.any(alarm.log_mixture(alarm.run(theirs), weights) >= math.log(BETWEEN))))
    assert by_label / runs >= 0.95
    assert by_user / runs <= 0.5 + 3 * math.sqrt(0.25 / runs)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1e-3, 1)), min_size=1, max_size=20),
    st.floats(1e-4, 0.9),
    st.integers(1, 4),
)
def test_a_look_is_the_product_over_its_users_and_alike_users_may_be_counted_together(
    people: list[tuple[float, float]], baseline: float, times: int
) -> None:
    shares, floors = [one[0] for one in people], [one[1] for one in people]
    where = [at % 3 for at in range(len(people))]
    ours = alarm.log_factors_users(where, shares, floors, baseline, looks=3, times=times)
    by_hand = np.zeros((3, 6))
    for at, share, floor in zip(where * times, shares * times, floors * times, strict=True):
        by_hand[at] += alarm.log_factors_users([0], [share], [floor], baseline, looks=1)[0]
    assert ours == pytest.approx(by_hand, abs=1e-9)


@given(st.floats(1e-4, 0.9), st.floats(1e-3, 1.0), st.floats(0.0, 1.0))
def test_a_user_read_in_part_is_a_fair_bet_at_the_baseline(baseline: float, floor: float, spread: float) -> None:
    """Exchanges of which a part ``p`` is harmful, one of them drawn with ``floor``: exact, and no better than even below it."""
    share = baseline + spread * (1 - baseline)  # of those who do harm at all
    with_harm, without = alarm.log_factors_users([0, 1], [1.0, 0.0], [floor, floor], baseline, looks=2)
    found = share * floor * baseline / share  # the chance that the one exchange is harmful and read
    mean = found * np.exp(with_harm) + (1 - found) * np.exp(without)
    assert mean == pytest.approx(np.ones(6), abs=1e-9)


@given(st.floats(1e-4, 0.9), st.floats(1e-3, 1.0), st.floats(0.0, 1.0))
def test_a_harm_that_is_not_found_yet_never_sounds_sooner(baseline: float, floor: float, share: float) -> None:
    found, waiting = alarm.log_factors_users([0, 1], [share, 0.0], [floor, floor], baseline, looks=2)
    assert np.all(waiting <= found)


def test_with_everything_read_they_are_the_bounded_shares() -> None:
    shares = np.array([0.0, 0.3, 1.0])
    ours = alarm.log_factors_users([0, 1, 2], shares, np.ones(3), CALM, looks=3)
    assert ours == pytest.approx(alarm.log_factor_shares(shares, CALM, 1.0))


@pytest.mark.parametrize("baseline", [1e-4, 0.01, 0.3, 0.6, 0.9])
def test_weights_add_up_whatever_is_favoured(baseline: float) -> None:
    weights = alarm.share_weights(3.0, baseline)
    assert weights.sum() == pytest.approx(1.0)
    assert np.all(weights >= alarm.RISE_WEIGHTS / 2)


def test_shares_of_harm_are_those_of_the_gate_on_users() -> None:
    assert users.shares([10, 4], [0, 0, 1], [0.5, 1.0, 0.25], [0.25, 0.25, 0.25]) == pytest.approx([0.075, 0.25])


@pytest.mark.parametrize(
    ("where", "share", "floors", "times"),
    [
        ([0], [1.1], [1.0], 1),
        ([0], [0.1], [0.0], 1),
        ([0], [0.1], [1.0, 1.0], 1),
        ([3], [0.1], [1.0], 1),
        ([0], [0.1], [1.0], -1),
    ],
)
def test_users_that_cannot_be_are_refused(where: list[int], share: list[float], floors: list[float], times: int) -> None:
    with pytest.raises(ValueError, match=r"must|cannot"):
        alarm.log_factors_users(where, share, floors, CALM, looks=3, times=times)
