"""Users as the unit: exact values, exact sums, and the traps of counting requests instead (fixed seeds).

Each simulation looks after every user, and counts a run as false when the stake has ever reached the threshold although the
mean share over the population is at the limit.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from headgate.stats import gate, users

ALPHA = 0.05
NEEDED = -math.log(ALPHA)
BETS = (0.97, 0.90, 0.60, 0.25, 0.05)
WEIGHTS = (0.35, 0.30, 0.20, 0.10, 0.05)


def allowed(runs: int) -> float:
    return ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def one_by_one(people: list[tuple[float, float]], theta: float, worst: float) -> float:
    """E as a running product over every user: (share, floor)."""
    stakes = list(WEIGHTS)
    for share, floor in people:
        stakes = [stake * (1 + c / worst * (theta * floor - share)) for stake, c in zip(stakes, BETS, strict=True)]
    return math.log(math.fsum(stakes))


def ever(log_e: np.ndarray) -> np.ndarray:
    return log_e.max(axis=-1) >= NEEDED


@pytest.mark.parametrize(
    ("n", "shares", "theta", "worst", "expected"),
    [
        (1000, [], 1e-3, 1.0, 0.791067),
        (3537, [], 1e-3, 1.0, 2.995562),
        (3538, [], 1e-3, 1.0, 2.996464),
        (886, [], 1e-3, 0.25, 2.997468),
        (5000, [0.2, 0.2], 1e-3, 1.0, 3.924053),
        (1000, [0.2], 1e-3, 0.25, 2.119000),
        (400, [0.25, 0.1, 0.02], 1e-2, 0.25, 11.398617),
    ],
)
def test_the_stake_has_its_exact_values(n: int, shares: list[float], theta: float, worst: float, expected: float) -> None:
    harm = np.array(shares + [0.0] * (n - len(shares)))
    assert float(users.log_e_users(harm, 1.0, theta, worst)) == pytest.approx(expected, abs=5e-7)
    assert one_by_one([(share, 1.0) for share in harm], theta, worst) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("worst", "alpha", "theta", "expected"),
    [(1.0, 0.05, 1e-3, 3538), (0.25, 0.05, 1e-3, 886), (0.25, 0.02, 1e-3, 1138), (0.25, 0.02, 1e-2, 116)],
)
def test_without_harm_a_pass_takes_so_many_users(worst: float, alpha: float, theta: float, expected: int) -> None:
    assert users.clean_users_to_go([], [], theta, alpha, worst) == expected
    at = [
        math.fsum(w * (1 + c * theta / worst) ** n for c, w in zip(BETS, WEIGHTS, strict=True)) for n in (expected - 1, expected)
    ]
    assert at[0] < 1 / alpha <= at[1]


@pytest.mark.parametrize(("n", "expected"), [(100, 3.593773), (1000, 3.541327), (5000, 3.536712)])
@pytest.mark.parametrize(("worst", "floor"), [(1.0, 1.0), (0.25, 1.0), (0.25, 0.1)])
def test_no_number_of_requests_shows_less_than_so_many_users(n: int, expected: float, worst: float, floor: float) -> None:
    tightest = users.tightest_share(n, ALPHA, worst, floor=1.0)
    assert tightest * n / worst == pytest.approx(expected, abs=5e-6)
    if floor < 1:
        # where a tenth is drawn, ten times as many users are needed for the same
        assert users.tightest_share(10 * n, ALPHA, worst, floor=floor) == pytest.approx(tightest, rel=0.02)
    assert tightest <= 3.6 * worst / n


def test_too_few_users_show_nothing_and_the_bound_is_what_enforcement_promises() -> None:
    assert users.tightest_share(0, ALPHA, 0.25) == 0.25
    assert users.tightest_share(3, ALPHA, 1.0) == 1.0


@pytest.mark.parametrize("worst", [1.0, 0.25])
def test_the_stake_is_one_on_average_at_the_limit_and_less_above_it(worst: float) -> None:
    """The hardest population for a given mean: each user does nothing, or all that enforcement lets them."""
    n, theta = 300, 0.01 * worst
    for factor, expected in ((1.0, 1.0), (1.3, None)):
        law = oracle.binom.pmf(np.arange(n + 1), n, factor * theta / worst)
        harm = np.where(np.arange(n) < np.arange(n + 1)[:, None], worst, 0.0)
        mean = float(law @ np.exp(users.log_e_users(harm, 1.0, theta, worst)))
        logs = oracle.binom.logpmf(np.arange(n + 1), n, factor * theta / worst)
        mirror = float(np.exp(np.logaddexp.reduce(logs + users.log_harm_users(harm, 1.0, theta, worst))))
        if expected is not None:
            assert mean == pytest.approx(expected, abs=1e-9)
            assert mirror == pytest.approx(expected, abs=1e-9)
        else:
            assert mean < 1 < mirror


def test_looking_after_every_user_passes_falsely_in_at_most_alpha_exactly() -> None:
    """Exact, by dynamic programme over (users, users at the worst share), at the limit."""
    t, horizon, most = 0.02, 3000, 120
    alive = np.zeros(most + 1)
    alive[0], false = 1.0, 0.0
    s = np.arange(most + 1)
    bets, logs = np.array(BETS)[:, None], np.log(WEIGHTS)[:, None]
    for n in range(1, horizon + 1):
        alive = (1 - t) * alive + t * np.concatenate(([0.0], alive[:-1]))
        log_e = np.logaddexp.reduce(logs + (n - s) * np.log1p(bets * t) + s * np.log1p(bets * (t - 1)), axis=0)
        passed = (log_e >= NEEDED) & (s <= n)
        false += float(alive[passed].sum())
        alive[passed] = 0.0
    assert 0.035 < false <= ALPHA


def population(rng: np.random.Generator, runs: int, n: int, labels: int, *, harmful: float) -> np.ndarray:
    """Return harms per user: some users are harmful in a fifth of what they do, the others never."""
    return rng.binomial(labels, 0.2 * (rng.random((runs, n)) < harmful))


def claims(rng: np.random.Generator, runs: int, n: int, labels: int, theta: float) -> tuple[float, float, float]:
    """Return how often each claim is made falsely where the mean over the population is ``theta``.

    By requests of users like these, by requests of the traffic that was seen, and by users.
    """
    by_request, by_traffic, by_user = 0, 0, 0
    requests = labels * np.arange(1, n + 1)
    for _ in range(runs):
        harms = population(rng, 1, n, labels, harmful=theta / 0.2)[0]
        so_far = np.cumsum(harms)
        claimed = gate.log_e_uniform(requests, so_far, theta) >= NEEDED
        by_request += bool(claimed.any())
        by_traffic += bool((claimed & (so_far >= theta * requests)).any())
        by_user += bool(ever(users.log_e_path(harms / labels, 1.0, theta, 1.0)))
    return by_request / runs, by_traffic / runs, by_user / runs


TABLE = [
    (50, 200, 0.907),
    (150, 100, 0.818),
    (300, 100, 0.835),
    (1_000, 50, 0.740),
    (3_000, 20, 0.527),
    (10_000, 10, 0.272),
]
"""Users, labels of each, and how often requests claim falsely: evidence design, section 3.2."""


@pytest.mark.parametrize(("n", "labels", "published"), TABLE[:4])
def test_requests_claim_falsely_of_users_like_these_and_users_do_not(n: int, labels: int, published: float) -> None:
    rng = np.random.default_rng(20260211)
    runs = 300
    by_request, by_traffic, by_user = claims(rng, runs, n, labels, 1e-3)
    assert by_request == pytest.approx(published, abs=4 * math.sqrt(published * (1 - published) / runs))
    assert by_traffic == 0.0
    assert by_user <= allowed(runs)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "labels", "published"), TABLE)
def test_requests_claim_falsely_of_users_like_these_and_users_do_not_at_full_size(n: int, labels: int, published: float) -> None:
    rng = np.random.default_rng(20260212)
    runs = 4000 if n <= 1_000 else 1500
    by_request, by_traffic, by_user = claims(rng, runs, n, labels, 1e-3)
    # looking after every user finds at least as many as the published looks did; both are rates of a simulation
    assert by_request >= published - 4 * math.sqrt(published * (1 - published) / 1000)
    assert by_traffic == 0.0
    assert by_user <= allowed(runs)


def passes(rng: np.random.Generator, runs: int, n: int, worst: float) -> float:
    """Return how often users pass by ``n`` where the mean share is a tenth of the limit."""
    harm = 0.2 * (rng.random((runs, n)) < 1e-4 / 0.2)
    return float(ever(users.log_e_path(harm, 1.0, 1e-3, worst)).mean())


def test_the_price_of_users_is_known() -> None:
    rng = np.random.default_rng(20260213)
    assert passes(rng, 50, 1_000, 1.0) == passes(rng, 50, 3_000, 1.0) == 0.0
    assert passes(rng, 120, 5_000, 1.0) >= 0.9
    assert passes(rng, 300, 1_000, 0.25) == pytest.approx(0.66, abs=0.1)
    assert passes(rng, 120, 3_000, 0.25) >= 0.93


@pytest.mark.slow
def test_the_price_of_users_is_known_at_full_size() -> None:
    rng = np.random.default_rng(20260214)
    for n, worst, published in (
        (1_000, 1.0, 0.0),
        (3_000, 1.0, 0.0),
        (5_000, 1.0, 0.97),
        (10_000, 1.0, 1.0),
        (1_000, 0.25, 0.66),
        (3_000, 0.25, 0.99),
    ):
        got = np.mean([passes(rng, 100, n, worst) for _ in range(8)])
        assert got == pytest.approx(published, abs=0.02 + 4 * math.sqrt(published * (1 - published) / 800)), (n, worst)


@pytest.mark.parametrize(("expected", "theta", "worst"), [(1e-3, 1e-2, 0.25), (2e-3, 2e-2, 1.0), (0.0, 1e-2, 0.25)])
def test_about_half_of_the_runs_pass_with_the_users_of_a_typical_run(expected: float, theta: float, worst: float) -> None:
    rng = np.random.default_rng(20260221)
    n = int(users.typical_users(expected, theta, ALPHA, worst))
    harm = worst * (rng.random((400, n)) < expected / worst)
    passed = float(ever(users.log_e_path(harm, 1.0, theta, worst)).mean())
    assert 0.4 <= passed <= 0.85 if expected else passed == 1.0
    assert n >= users.clean_users_to_go([], [], theta, ALPHA, worst)
    assert users.typical_users(theta, theta, ALPHA, worst) == math.inf


def test_users_who_are_banned_and_left_out_make_the_rest_look_safe() -> None:
    """Informative dropout: harmful users are stopped after their first harm, harmless ones go on for ever."""
    rng = np.random.default_rng(20260215)
    runs, n, window, later, harmful, in_five = 200, 400, 20, 200, 0.05, 0.2
    first = rng.geometric(in_five, (runs, n))  # the request of a harmful user that is the harm
    bad = rng.random((runs, n)) < harmful
    banned = bad & (first <= window)
    share = np.where(banned, 1.0 / first, 0.0)
    at = np.arange(1, window + 1)
    theta = harmful * float(np.sum(in_five * (1 - in_five) ** (at - 1) / at))  # the mean share of the population

    requests = np.where(banned, first, window + later).cumsum(axis=1)
    by_request = ever(gate.log_e_uniform(requests, banned.cumsum(axis=1), theta)).mean()
    survivors = [users.log_e_path(share[run][~banned[run]], 1.0, theta, 1.0) for run in range(runs)]
    by_survivors = np.mean([ever(run) for run in survivors])
    by_everyone = ever(users.log_e_path(share, 1.0, theta, 1.0)).mean()
    assert by_request > 0.95
    assert by_survivors > 0.95
    assert by_everyone <= allowed(runs)


def test_cutting_shares_down_to_the_worst_share_would_pass_what_is_not_so() -> None:
    rng = np.random.default_rng(20260216)
    runs, n, worst, theta = 200, 3_000, 0.25, 2e-3
    share = 1.0 * (rng.random((runs, n)) < 2.5 * theta)  # enforcement fails: some users do nothing but harm
    cut = users.log_e_path(np.minimum(share, worst), 1.0, theta, worst)
    assert ever(cut).mean() > 0.2
    assert ever(users.log_e_path(share, 1.0, theta, 1.0)).mean() <= allowed(runs)
    with pytest.raises(ValueError, match="more was not to be possible"):
        users.log_e_users(share, 1.0, theta, worst)


@pytest.mark.parametrize("harmful_do", ["little", "much"])
def test_drawing_a_part_of_the_requests_promises_the_same_whoever_does_the_harm(harmful_do: str) -> None:
    """Harmful users of few exchanges may never be looked at, and those of many are looked at often."""
    rng = np.random.default_rng(20260217)
    runs, n, floor, theta, worst = 400, 2_000, 0.2, 0.02, 0.5
    few, many = 4, 40
    bad = rng.random((runs, n)) < theta / worst
    exchanges = np.where(bad == (harmful_do == "little"), few, many)
    harms = np.where(bad, (worst * exchanges).astype(int), 0)
    noticed = rng.binomial(harms, 0.5)  # half of the harms score high, and are drawn three times as often
    drawn = rng.binomial(noticed, 3 * floor) / 3 + rng.binomial(harms - noticed, floor)
    share = drawn / exchanges
    assert share.max() <= worst
    assert share.mean() == pytest.approx(floor * theta, rel=0.05)
    assert ever(users.log_e_path(share, floor, theta, worst)).mean() <= allowed(runs)


def test_counting_only_users_with_a_label_forgets_those_who_do_little() -> None:
    """Without the remedy: a share of each user's labels, for whoever has any."""
    rng = np.random.default_rng(20260218)
    runs, n, floor, theta = 100, 4_000, 0.05, 0.02
    bad = rng.random((runs, n)) < theta
    labels = rng.binomial(np.where(bad, 1, 60), floor)  # harmful accounts are used once and thrown away
    seen = [users.log_e_path(bad[run][labels[run] > 0].astype(float), 1.0, theta, 1.0) for run in range(runs)]
    assert np.mean([ever(run) for run in seen]) > 0.95
    kept = users.log_e_path(np.where(labels > 0, bad, 0.0), floor, theta, 1.0)
    assert ever(kept).mean() <= allowed(runs)


def test_harmful_users_who_are_slower_to_judge_do_not_hurry_a_pass() -> None:
    """With and without the remedy: users as soon as they are judged, and users in the order in which they came."""
    rng = np.random.default_rng(20260220)
    runs, n, theta, worst = 300, 600, 0.02, 0.25
    bad = rng.random((runs, n)) < theta / worst
    share = np.where(bad, worst, 0.0)
    came = np.arange(n) / 10  # ten users a day
    judged = came + rng.exponential(np.where(bad, 14.0, 0.5))
    as_judged = np.take_along_axis(share, np.argsort(judged, axis=1), axis=1)
    hasty, orderly = 0, 0
    for run in range(runs):
        log_e = users.log_e_path(as_judged[run], 1.0, theta, worst)
        hasty += bool(log_e.max() >= NEEDED)
        # in the order in which they came, every user waits for all before
        orderly += bool(users.log_e_path(share[run], 1.0, theta, worst).max() >= NEEDED)
    assert hasty / runs > 2 * ALPHA
    assert orderly / runs <= allowed(runs)


def test_weighted_shares_are_unbiased() -> None:
    rng = np.random.default_rng(20260219)
    harmful = np.array([True, True, False, True, False])
    pi, pi0 = np.array([0.1, 0.5, 0.2, 0.9, 0.1]), np.array([0.1, 0.1, 0.2, 0.2, 0.1])
    times = 40_000
    coins = rng.random((times, 5)) < pi
    where, which = np.nonzero(coins & harmful)
    found = users.shares(np.full(times, 5), where, pi[which], pi0[which])
    assert found.mean() == pytest.approx(pi0[harmful].sum() / 5, abs=4 * found.std() / math.sqrt(times))
    assert found.max() <= harmful.sum() / 5
    assert users.mean_share(found, np.full(times, pi0.mean())) == pytest.approx(
        pi0[harmful].sum() / pi0.sum(), abs=4 * found.std() / pi0.mean() / math.sqrt(times)
    )


def test_a_forecast_of_users_to_go_grows_with_the_harm_seen_and_gives_up_at_the_limit() -> None:
    clean = users.users_to_go(np.zeros(500), np.ones(500), 1e-2, ALPHA, 0.25)
    some = users.users_to_go([0.25] * 14 + [0.0] * 486, np.ones(500), 1e-2, ALPHA, 0.25)
    assert clean == 0.0 < some < math.inf
    assert users.users_to_go([0.25] * 40 + [0.0] * 460, np.ones(500), 1e-2, ALPHA, 0.25) == math.inf
    best = users.clean_users_to_go(np.zeros(50), np.ones(50), 1e-2, ALPHA, 0.25)
    assert best <= users.users_to_go(np.zeros(50), np.ones(50), 1e-2, ALPHA, 0.25) < 3 * best


worsts = st.floats(0.05, 1.0)
parts = st.floats(0.0, 1.0)
FEW = settings(max_examples=40)
people = st.lists(st.tuples(parts, st.floats(0.01, 1.0)), max_size=40)


@FEW
@given(people, worsts, parts, parts)
def test_a_looser_limit_is_never_harder_to_show(crowd: list[tuple[float, float]], worst: float, a: float, b: float) -> None:
    low, high = sorted((a * worst, b * worst))
    assume(0 < low < high < worst)
    harm, floors = [part * worst for part, _ in crowd], [floor for _, floor in crowd]
    assert users.log_e_users(harm, floors, low, worst) <= users.log_e_users(harm, floors, high, worst) + 1e-12


@FEW
@given(people.filter(bool), worsts, st.data())
def test_more_harm_never_raises_the_stake(crowd: list[tuple[float, float]], worst: float, data: st.DataObject) -> None:
    theta = worst * data.draw(st.floats(0.01, 0.99))
    harm, floors = np.array([part * worst for part, _ in crowd]), [floor for _, floor in crowd]
    at = data.draw(st.integers(0, len(crowd) - 1))
    more = harm.copy()
    more[at] = min(worst, more[at] + data.draw(parts))
    assert users.log_e_users(more, floors, theta, worst) <= users.log_e_users(harm, floors, theta, worst) + 1e-12
    assert users.log_harm_users(more, floors, theta, worst) >= users.log_harm_users(harm, floors, theta, worst) - 1e-12


@FEW
@given(people, worsts, st.randoms(use_true_random=False))
def test_users_in_another_order_give_the_same_stake(
    crowd: list[tuple[float, float]], worst: float, random: np.random.Generator
) -> None:
    mixed = list(crowd)
    random.shuffle(mixed)
    one, other = ([part * worst for part, _ in order] for order in (crowd, mixed))
    floors, others = ([floor for _, floor in order] for order in (crowd, mixed))
    theta = worst / 10
    assert users.log_e_users(one, floors, theta, worst) == pytest.approx(
        float(users.log_e_users(other, others, theta, worst)), abs=1e-9
    )


@FEW
@given(people, worsts, st.floats(0.01, 0.99))
def test_users_one_by_one_give_the_stake_of_all_at_once(crowd: list[tuple[float, float]], worst: float, part: float) -> None:
    harm, floors, theta = [share * worst for share, _ in crowd], [floor for _, floor in crowd], part * worst
    whole = float(users.log_e_users(harm, floors, theta, worst))
    assert one_by_one(list(zip(harm, floors, strict=True)), theta, worst) == pytest.approx(whole, abs=1e-9)
    if crowd:
        path = users.log_e_path(harm, floors, theta, worst)
        assert path[-1] == pytest.approx(whole, abs=1e-9)
        assert path[0] == pytest.approx(float(users.log_e_users(harm[:1], floors[:1], theta, worst)), abs=1e-9)


@FEW
@given(people, st.lists(st.integers(0, 30), min_size=40, max_size=40), st.floats(0.01, 0.99))
def test_users_who_are_alike_count_as_often_as_there_are_of_them(
    crowd: list[tuple[float, float]], counts: list[int], part: float
) -> None:
    worst, times = 0.5, counts[: len(crowd)]
    harm, floors, theta = [share * worst for share, _ in crowd], [floor for _, floor in crowd], part * worst
    each, ground = np.repeat(harm, times), np.repeat(floors, times)
    for stake in (users.log_e_users, users.log_harm_users):
        assert float(stake(harm, floors, theta, worst, times=times)) == pytest.approx(float(stake(each, ground, theta, worst)))
    for number in (users.clean_users_to_go, users.users_to_go):
        assert number(harm, floors, theta, ALPHA, worst, times=times) == pytest.approx(
            number(each, ground, theta, ALPHA, worst), abs=1
        )
    bound = users.upper_bound_users(harm, floors, ALPHA, worst, times=times)
    assert bound == pytest.approx(users.upper_bound_users(each, ground, ALPHA, worst), rel=1e-8)
    assert users.mean_share(harm, floors, times=times) == pytest.approx(users.mean_share(each, ground), nan_ok=True)


@FEW
@given(people, worsts, st.floats(0.01, 0.99))
def test_a_stake_and_its_mirror_are_never_both_above_one(crowd: list[tuple[float, float]], worst: float, part: float) -> None:
    harm, floors, theta = [share * worst for share, _ in crowd], [floor for _, floor in crowd], part * worst
    log_e, mirror = users.log_e_users(harm, floors, theta, worst), users.log_harm_users(harm, floors, theta, worst)
    assert min(float(log_e), float(mirror)) <= 1e-12


@FEW
@given(people, worsts, st.sampled_from([0.2, 0.05, 0.01]))
def test_the_bound_is_the_smallest_limit_that_passes(crowd: list[tuple[float, float]], worst: float, alpha: float) -> None:
    harm, floors = [part * worst for part, _ in crowd], [floor for _, floor in crowd]
    bound = users.upper_bound_users(harm, floors, alpha, worst)
    assert 0 < bound <= worst
    if bound < worst:
        assert users.log_e_users(harm, floors, bound, worst) >= -math.log(alpha)
        assert users.log_e_users(harm, floors, bound * (1 - 1e-6), worst) < -math.log(alpha)


@FEW
@given(people, st.integers(0, 200), st.floats(0.05, 1.0))
def test_users_to_go_are_the_fewest(crowd: list[tuple[float, float]], done: int, floor: float) -> None:
    worst, theta = 0.5, 0.05
    harm = [part * worst for part, _ in crowd] + [0.0] * done
    floors = [own for _, own in crowd] + [floor] * done
    more = users.clean_users_to_go(harm, floors, theta, ALPHA, worst, floor=floor)
    assume(0 < more < 100_000)
    reached = users.log_e_users(harm + [0.0] * more, floors + [floor] * more, theta, worst)
    short = users.log_e_users(harm + [0.0] * (more - 1), floors + [floor] * (more - 1), theta, worst)
    assert short < NEEDED <= reached
