"""What the users' process refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headgate.stats import users


@pytest.mark.parametrize(
    ("harm", "floors", "theta", "worst"),
    [
        ([0.3], [1.0], 0.01, 0.25),
        ([-0.1], [1.0], 0.01, 0.25),
        ([math.nan], [1.0], 0.01, 0.25),
        ([0.1], [0.0], 0.01, 0.25),
        ([0.1], [1.1], 0.01, 0.25),
        ([0.1], [1.0], 0.0, 0.25),
        ([0.1], [1.0], 0.25, 0.25),
        ([0.1], [1.0], 0.3, 0.25),
        ([0.1], [1.0], 0.01, 0.0),
        ([0.1], [1.0], 0.01, 1.5),
    ],
)
def test_what_is_out_of_range_is_refused(harm: list[float], floors: list[float], theta: float, worst: float) -> None:
    for stake in (users.log_e_users, users.log_e_path, users.log_harm_users):
        with pytest.raises(ValueError, match="lies"):
            stake(harm, floors, theta, worst)


@pytest.mark.parametrize(
    ("exchanges", "whose", "pi", "floor"),
    [
        ([0], [], [], []),
        ([1.5], [], [], []),
        ([math.inf], [], [], []),
        ([[1]], [], [], []),
        ([5], [1], [0.5], [0.1]),
        ([5], [-1], [0.5], [0.1]),
        ([5], [0], [0.05], [0.1]),
        ([5], [0], [0.5], [0.0]),
        ([5], [0], [1.5], [0.1]),
        ([5], [0, 0], [0.5], [0.1]),
        ([1], [0, 0], [0.5, 0.5], [0.1, 0.1]),
    ],
)
def test_shares_of_impossible_draws_are_refused(
    exchanges: list[float], whose: list[int], pi: list[float], floor: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"user|exchanges|probabilities"):
        users.shares(exchanges, whose, pi, floor)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_an_error_probability_is_one(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        users.upper_bound_users([], [], alpha, 1.0)
    with pytest.raises(ValueError, match="alpha"):
        users.clean_users_to_go([], [], 0.01, alpha, 1.0)
    with pytest.raises(ValueError, match="alpha"):
        users.users_to_go([], [], 0.01, alpha, 1.0)


def test_numbers_of_users_are_of_one_run() -> None:
    both = np.zeros((2, 3))
    with pytest.raises(ValueError, match="one run"):
        users.upper_bound_users(both, 1.0, 0.05, 1.0)
    with pytest.raises(ValueError, match="one run"):
        users.clean_users_to_go(both, 1.0, 0.01, 0.05, 1.0)
    with pytest.raises(ValueError, match="floor"):
        users.clean_users_to_go([], [], 0.01, 0.05, 1.0, floor=0.0)
    with pytest.raises(ValueError, match="users"):
        users.tightest_share(-1, 0.05, 1.0)
    with pytest.raises(ValueError, match="mean share"):
        users.typical_users(1.5, 0.01, 0.05, 1.0)


@pytest.mark.parametrize("times", [-1, math.inf, math.nan])
def test_a_number_of_users_is_one(times: float) -> None:
    with pytest.raises(ValueError, match="number of users"):
        users.log_e_users([0.0], [1.0], 0.01, 1.0, times=times)


def test_nobody_is_no_evidence_either_way() -> None:
    assert float(users.log_e_users([], [], 0.01, 1.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(users.log_harm_users([], [], 0.01, 1.0)) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(users.mean_share([], []))
    assert users.users_to_go([], [], 0.01, 0.05, 1.0) == math.inf


def test_what_would_take_for_ever_is_said_to() -> None:
    assert users.clean_users_to_go([1.0] * 400, [1e-3] * 400, 1e-9, 0.05, 1.0, floor=1e-6) == users.MANY_USERS


def test_harm_at_the_worst_share_is_allowed_for() -> None:
    assert math.isfinite(float(users.log_e_users([0.25, 0.25], [1.0, 1.0], 0.01, 0.25)))
    assert math.isfinite(float(users.log_harm_users([0.25, 0.25], [1.0, 1.0], 0.01, 0.25)))
    assert users.upper_bound_users([0.25] * 5, [1.0] * 5, 0.05, 0.25) == 0.25
