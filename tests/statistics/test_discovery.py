"""The bound on what nobody has seen yet, against closed forms, another formula, published counts and known populations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from headgate.stats import discovery

ALPHA = 0.05
BETS = (0.03, 0.1, 0.3, 0.6, 0.9, 0.98)
BET_WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.25)
BUTTERFLIES = (118, 74, 44, 24, 29, 22, 20, 19, 20, 15, 12, 14, 6, 12, 6, 9, 9, 6, 10, 10, 11, 5, 3, 3)
"""Corbet's butterflies of Malaya: species caught once, twice, and so on."""


def normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


POPULATIONS = {
    "Zipf 1": normalised(1 / np.arange(1, 2001)),
    "Zipf 1.5": normalised(1 / np.arange(1, 2001) ** 1.5),
    "geometric": normalised(0.97 ** np.arange(1, 2001)),
    "equal": np.full(200, 1 / 200),
}


def restarts(total: int) -> list[int]:
    starts, rank = [0], 0
    while 8 * 1.6**rank < total:
        starts.append(math.floor(8 * 1.6**rank))
        rank += 1
    return starts


def user_by_user(users: list[tuple[float, float]], mass: float) -> float:
    """The stake as products over every user, (floor, Z), each restart with its own."""
    total = 0.0
    starts = restarts(len(users))
    for rank, start in enumerate(starts):
        for bet, weight in zip(BETS, BET_WEIGHTS, strict=True):
            product = math.prod(1 + bet * floor * (mass - z) for floor, z in users[start:])
            total += weight * product / ((rank + 1) * (rank + 2))
    return total + 1 / (len(starts) + 1)


def discoveries(kinds: np.ndarray) -> np.ndarray:
    """Return the places, from 1, at which a kind is seen for the first time."""
    return np.sort(np.unique(kinds, return_index=True)[1]) + 1


def ever_below_the_truth(kinds: np.ndarray, law: np.ndarray, alpha: float = ALPHA) -> bool:
    """Return whether the stake against the true unseen mass ever reaches the threshold.

    Between two discoveries the mass stays and the stake rises, so it is highest just before one, and at the end.
    """
    found = discoveries(kinds)
    masses = np.maximum(0.0, 1 - np.concatenate([[0.0], np.cumsum(law[kinds[found - 1]])]))
    times = np.concatenate([found - 1, [kinds.size]])
    starts = np.array(restarts(kinds.size))
    before = np.searchsorted(found, starts, side="right")
    users = np.maximum(0, times[:, None] - starts)
    new = np.where(users > 0, np.arange(times.size)[:, None] - before, 0)
    bets = np.array(BETS)
    stakes = (users - new)[..., None] * np.log1p(bets * masses[:, None, None]) + new[..., None] * np.log1p(
        bets * (masses[:, None, None] - 1)
    )
    rank = np.arange(starts.size)
    weights = np.log(np.array(BET_WEIGHTS)) - np.log((rank + 1) * (rank + 2))[:, None]
    log_e = np.logaddexp(special.logsumexp(stakes + weights, axis=(1, 2)), -math.log(starts.size + 1))
    return bool(np.any(log_e >= -math.log(alpha)))


def test_the_stake_is_the_product_over_every_user_and_restart() -> None:
    rng = np.random.default_rng(20261121)
    floors = np.repeat([1.0, 0.2, 0.05], [40, 60, 50])
    at = np.sort(rng.choice(150, 12, replace=False)) + 1
    pi = np.maximum(floors[at - 1], rng.uniform(0.05, 1.0, 12))
    z = np.zeros(150)
    z[at - 1] = 1 / pi
    for mass in (0.0, 0.03, 0.4, 1.0):
        ours = discovery.log_e_unseen([40, 60, 50], [1.0, 0.2, 0.05], at, pi, mass)
        assert ours == pytest.approx(math.log(user_by_user(list(zip(floors, z, strict=True)), mass)), abs=1e-9)


@pytest.mark.parametrize(("users", "times"), [(100, 4.2), (1_000, 3.95), (10_000, 3.88)])
def test_with_nothing_new_the_bound_is_about_four_over_the_number_of_users(users: int, times: float) -> None:
    bound = discovery.unseen_mass_bound([users], [1.0], [], [], ALPHA)
    assert bound * users == pytest.approx(times, rel=0.01)


@pytest.mark.parametrize(("users", "exact"), [(100, 4.210496884), (1_000, 3.924244298), (10_000, 3.853034440)])
def test_the_bound_has_its_exact_values(users: int, exact: float) -> None:
    assert discovery.unseen_mass_bound([users], [1.0], [], [], ALPHA) * users == pytest.approx(exact, rel=1e-8)


def test_a_draw_of_one_in_ten_costs_ten_times_the_users() -> None:
    everything = discovery.unseen_mass_bound([10_000], [1.0], [], [], ALPHA)
    a_tenth = discovery.unseen_mass_bound([100_000], [0.1], [], [], ALPHA)
    assert a_tenth == pytest.approx(everything, rel=0.02)


def test_nothing_is_ruled_out_by_nobody() -> None:
    assert discovery.unseen_mass_bound([], [], [], [], ALPHA) == 1.0
    assert discovery.unseen_mass_bound([3], [1.0], [], [], ALPHA) == 1.0
    assert discovery.unseen_mass_bound([50], [1.0], range(1, 51), [1.0] * 50, ALPHA) == 1.0


runs_of_users = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0]), min_size=1, max_size=80)


@given(runs_of_users, st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_the_stake_rises_with_the_mass(found: list[float], one: float, other: float) -> None:
    at = np.flatnonzero(found) + 1
    low, high = sorted((one, other))
    args = ([len(found)], [1.0], at, np.ones(at.size))
    assert discovery.log_e_unseen(*args, low) <= discovery.log_e_unseen(*args, high) + 1e-12


@given(runs_of_users, st.integers(0, 79))
def test_one_more_discovery_never_lowers_the_bound(found: list[float], where: int) -> None:
    place = where % len(found)
    more = [*found[:place], 1.0, *found[place + 1 :]]
    bounds = [
        discovery.unseen_mass_bound([len(run)], [1.0], np.flatnonzero(run) + 1, np.ones(int(sum(run))), ALPHA)
        for run in (found, more)
    ]
    assert bounds[0] <= bounds[1] * (1 + 1e-8)


@given(runs_of_users, st.floats(0.05, 1.0))
def test_a_lower_recorded_probability_of_a_discovery_never_lowers_the_bound(found: list[float], pi: float) -> None:
    at = np.flatnonzero(found) + 1
    lower, certain = (
        discovery.unseen_mass_bound([len(found)], [0.05], at, np.full(at.size, chance), ALPHA) for chance in (pi, 1.0)
    )
    assert certain <= lower * (1 + 1e-8)


@given(runs_of_users, st.floats(0.001, 0.2))
def test_a_bound_at_less_risk_is_a_higher_one(found: list[float], alpha: float) -> None:
    at = np.flatnonzero(found) + 1
    args = ([len(found)], [1.0], at, np.ones(at.size))
    assert discovery.unseen_mass_bound(*args, alpha) <= discovery.unseen_mass_bound(*args, alpha / 2)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), runs_of_users)
def test_where_a_stretch_is_cut_does_not_matter(stretches: list[int], found: list[float]) -> None:
    total = sum(stretches)
    at = np.flatnonzero((found * total)[:total]) + 1
    cut = discovery.log_e_unseen(stretches, [0.5] * len(stretches), at, np.full(at.size, 0.7), 0.1)
    assert cut == pytest.approx(discovery.log_e_unseen([total], [0.5], at, np.full(at.size, 0.7), 0.1), abs=1e-9)


def test_users_to_go_are_the_fewest_that_do() -> None:
    more = discovery.clean_users_to_go([100], [1.0], [7], [1.0], 0.01, ALPHA)
    assert more is not None
    assert discovery.unseen_mass_bound([100 + more], [1.0], [7], [1.0], ALPHA) <= 0.01
    assert discovery.unseen_mass_bound([100 + more - 1], [1.0], [7], [1.0], ALPHA) > 0.01
    assert discovery.clean_users_to_go([10_000], [1.0], [], [], 0.01, ALPHA) == 0
    assert discovery.clean_users_to_go([], [], [], [], 1e-300, ALPHA) is None


@pytest.mark.parametrize("name", POPULATIONS)
def test_the_bound_holds_at_all_times_at_once(name: str) -> None:
    """The rate of failure is far below alpha (0 to 0.2 % in the design's table); with 150 runs, at most alpha + 2 s.e. may."""
    rng = np.random.default_rng(20261122)
    law, runs = POPULATIONS[name], 150
    failed = sum(ever_below_the_truth(rng.choice(law.size, 1000, p=law), law) for _ in range(runs))
    assert failed / runs <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


@pytest.mark.slow
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_bound_holds_at_all_times_at_once_in_many_runs(name: str) -> None:
    rng = np.random.default_rng(20261123)
    law, runs = POPULATIONS[name], 2000
    failed = sum(ever_below_the_truth(rng.choice(law.size, 2000, p=law), law) for _ in range(runs))
    assert failed / runs <= 0.01  # one-sided 97.5 % limit of the design's 0.2 % in 1,000 runs


def test_the_bound_holds_when_only_part_of_what_users_do_is_read() -> None:
    """A user may show a kind in several exchanges, drawn with unequal chances; the mass is that of showing it at all."""
    rng = np.random.default_rng(20261124)
    law, runs, users = normalised(1 / np.arange(1, 101)), 60, 400
    failed = 0
    for _ in range(runs):
        kinds = rng.choice(law.size, users, p=law)
        shows = rng.random(users) < 0.3  # the others show no harm at all
        exchanges = rng.integers(1, 4, users)  # with a kind of harm, each drawn with 0.2 or, when flagged, 0.6
        seen: set[int] = set()
        at: list[int] = []
        pis: list[float] = []
        mass, worst = 0.3, -math.inf
        for user in range(users):
            worst = max(worst, discovery.log_e_unseen([user], [0.2], at, pis, mass) if user % 20 == 0 else -math.inf)
            for _exchange in range(int(exchanges[user]) if shows[user] and kinds[user] not in seen else 0):
                pi = float(rng.choice([0.2, 0.6]))
                if rng.random() < pi:
                    at.append(user + 1)
                    pis.append(pi)
                    seen.add(int(kinds[user]))
                    mass = max(0.0, mass - 0.3 * float(law[kinds[user]]))
                    break
        failed += worst >= -math.log(ALPHA)
    assert failed / runs <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


TABLE = {
    ("Zipf 1", 1000): (0.278, 0.278, 0.409, 0.570),
    ("Zipf 1", 5000): (0.109, 0.109, 0.162, 0.239),
    ("Zipf 1.5", 1000): (0.077, 0.078, 0.148, 0.370),
    ("Zipf 1.5", 5000): (0.038, 0.039, 0.064, 0.169),
    ("geometric", 1000): (0.032, 0.033, 0.098, 0.325),
    ("geometric", 5000): (0.0066, 0.0065, 0.019, 0.137),
    ("equal", 1000): (0.006, 0.007, 0.069, 0.299),
    ("equal", 5000): (0.0, 0.0, 0.0027, 0.131),
}
"""True mass, Good-Turing, the bound, McAllester-Schapire: means over 1,000 runs (evidence design, section 1d)."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "users"), TABLE)
def test_the_design_s_table_of_populations_is_ours(name: str, users: int) -> None:
    """Margins: 5 % of each mean, or one unit of the last digit that is printed of most."""
    rng = np.random.default_rng(20261125)
    law, runs = POPULATIONS[name], 120
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(runs):
        kinds = rng.choice(law.size, users, p=law)
        counts = np.bincount(kinds, minlength=law.size)
        singletons = int(np.sum(counts == 1))
        at = discoveries(kinds)
        rows.append(
            (
                float(law[counts == 0].sum()),
                discovery.good_turing(singletons, users),
                discovery.unseen_mass_bound([users], [1.0], at, np.ones(at.size), ALPHA),
                discovery.mcallester_schapire(singletons, users, ALPHA),
            )
        )
    for ours, theirs in zip(np.mean(rows, axis=0), TABLE[name, users], strict=True):
        assert ours == pytest.approx(theirs, rel=0.05, abs=1e-3)


def test_the_bound_is_many_times_tighter_than_the_classical_one() -> None:
    classical = discovery.mcallester_schapire(0, 2200, ALPHA)
    ours = discovery.unseen_mass_bound([2200], [1.0], [3, 40, 200], [1.0] * 3, ALPHA)
    assert classical == pytest.approx(0.197, abs=5e-4)
    assert classical / ours > 40


def test_the_classical_bound_has_its_value() -> None:
    assert discovery.mcallester_schapire(0, 1000, ALPHA) == pytest.approx(0.2918, abs=5e-5)


@pytest.mark.parametrize(
    ("kinds", "singletons", "doubletons", "users", "in_all", "coverage"),
    [(26, 12, 4, 168, 43.893, 0.9289), (37, 14, 4, 252, 61.403, 0.9446)],
)
def test_chao_s_estimates_are_the_published_ones(
    kinds: int, singletons: int, doubletons: int, users: int, in_all: float, coverage: float
) -> None:
    assert discovery.chao1(kinds, singletons, doubletons, users) == pytest.approx(in_all, abs=5e-4)
    assert discovery.sample_coverage(singletons, doubletons, users) == pytest.approx(coverage, abs=5e-5)


def test_chao_s_estimate_without_a_kind_shown_twice_is_the_bias_corrected_one() -> None:
    assert discovery.chao1(5, 3, 0, 10) == pytest.approx(5 + 0.9 * 3)
    assert discovery.chao1(0, 0, 0, 10) == 0
    assert discovery.sample_coverage(0, 0, 10) == 1.0
    assert discovery.sample_coverage(1, 0, 1) == 0.0


def test_as_many_butterflies_again_would_be_seventy_five_more_kinds() -> None:
    assert discovery.good_toulmin(BUTTERFLIES, 1.0) == pytest.approx(75)
    assert discovery.good_toulmin(BUTTERFLIES, 0.0) == 0
    assert discovery.good_toulmin([], 5.0) == 0


@pytest.mark.parametrize("growth", [0.5, 1.0, 2.0, 4.0])
def test_the_forecast_of_new_kinds_is_right_on_average(growth: float) -> None:
    """Against the exact expectation, in 200 runs of 2,000 users; smoothing costs up to a fifth beyond a growth of one."""
    rng = np.random.default_rng(20261126)
    law, users, runs = POPULATIONS["Zipf 1"], 2000, 200
    truth = float(np.sum((1 - law) ** users * (1 - (1 - law) ** (growth * users))))
    found: list[float] = []
    for _ in range(runs):
        frequencies = np.bincount(rng.multinomial(users, law))[1:]
        found.append(discovery.good_toulmin(frequencies, growth))
    assert np.mean(found) == pytest.approx(truth, rel=0.03 if growth <= 1 else 0.2)


def test_the_next_stage_meets_at_most_its_users_times_the_bound() -> None:
    assert discovery.next_stage(400, 0.01) == (4.0, 0.0)
    expected, none = discovery.next_stage(50, 0.004)
    assert (expected, none) == (pytest.approx(0.2), pytest.approx(0.8))


@pytest.mark.parametrize(
    ("users", "floors", "at", "pi"),
    [
        ([10], [1.0], [0], [1.0]),
        ([10], [1.0], [11], [1.0]),
        ([10], [1.0], [3, 3], [1.0, 1.0]),
        ([10], [1.0], [4, 3], [1.0, 1.0]),
        ([10], [0.5], [3], [0.4]),
        ([10], [0.0], [], []),
        ([10], [1.1], [], []),
        ([2.5], [1.0], [], []),
        ([-1], [1.0], [], []),
        ([10, 2], [1.0], [], []),
        ([10], [1.0], [3], []),
    ],
)
def test_what_cannot_be_is_refused(users: list[float], floors: list[float], at: list[int], pi: list[float]) -> None:
    with pytest.raises(ValueError, match="must"):
        discovery.unseen_mass_bound(users, floors, at, pi, ALPHA)


def test_numbers_out_of_range_are_refused() -> None:
    for call in (
        lambda: discovery.unseen_mass_bound([1], [1.0], [], [], 0.0),
        lambda: discovery.log_e_unseen([1], [1.0], [], [], 1.5),
        lambda: discovery.clean_users_to_go([1], [1.0], [], [], 0.0, ALPHA),
        lambda: discovery.next_stage(-1, 0.1),
        lambda: discovery.next_stage(1, 1.1),
        lambda: discovery.good_turing(1, 0),
        lambda: discovery.chao1(1, 2, 0, 5),
        lambda: discovery.sample_coverage(-1, 0, 5),
        lambda: discovery.good_toulmin([-1.0], 1.0),
        lambda: discovery.good_toulmin([1.0], math.inf),
    ):
        with pytest.raises(ValueError, match=r"must|lies|there must|are among"):
            call()
