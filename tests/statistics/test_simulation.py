"""The simulated world against the evidence engine, requests drawn one by one, and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle
from statsmodels.stats.proportion import proportion_confint

from headgate.evidence.decide.rate import read_rate
from headgate.evidence.decide.rise import read_rise
from headgate.evidence.model import Harm, LabelledTraffic, Look, RateClaim, RiseRule, Segment
from headgate.evidence.model.reviewing import Readers
from headgate.kernel.verdict import Verdict
from headgate.stats import users
from headgate.stats.alarm import log_threshold
from headgate.stats.simulation import estimates
from headgate.stats.simulation.labels import Duty, Found, Labels, Review, bursts, draw, enforced, harmful_few, recall_of, steady
from headgate.stats.simulation.noticing import noticed_rate
from headgate.stats.simulation.paths import Ask, Golds, Seats, rate_path, rise_at, users_path
from headgate.stats.spending import attempt_alpha

HOUR = timedelta(hours=1)


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(20261121, spawn_key=key))


def played(key: int, duty: Duty, review: Review, rate: float, ticks: int, recall: float = 0.0) -> Labels:
    return draw(rng(key), duty, review, steady(rate, ticks)[None, :], np.array([recall]))


def as_evidence(labels: Labels, at: int) -> LabelledTraffic:
    """The same stage in the engine's own words, as it stands at an instant."""
    upto, found = int(labels.complete[at]), labels.found[0]
    harms = tuple(Harm(float(pi), labels.floor) for pi in found.pi[found.tick < upto])
    frontier = int(labels.requests[:upto].sum())
    return LabelledTraffic(
        epoch="rel/staff/1",
        hazard="h",
        segments=(Segment(frontier, labels.floor),) if frontier else (),
        harms=harms,
        labels=int(labels.drawn[:upto].sum()),
        pending=0,
        frontier=frontier,
        drawn=int(labels.requests[:at].sum()),
        uniform=not labels.directed,
    )


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("rate", "seed", "golds"), [(1e-3, 1, False), (3e-3, 2, True), (4e-2, 3, False), (1e-3, 4, True)])
def test_a_played_gate_gives_the_engines_verdict_at_every_instant(*, directed: bool, rate: float, seed: int, golds: bool) -> None:
    duty = Duty(requests=40, floor=0.3, flagged=0.01, directed=directed)
    review = Review(sensitivity=0.9, specificity=0.98, delay=20, harm_delay=60, longest=14 * 24)
    labels = played(seed, duty, review, rate, 24 * 40, recall=0.6)
    claim = RateClaim("h", below=1e-2, alpha=0.05, attempt=1)
    days = np.arange(labels.complete.size) // 24
    shown, caught = 3 * days, 3 * days - np.minimum(days, 2)
    ask = Ask(claim.below, attempt_alpha(claim.alpha, 1), Golds(shown, caught) if golds else None, required=golds)
    path = rate_path(labels, 0, ask)
    first = {Verdict.PASS: np.argmax(path.passes), Verdict.FAIL: np.argmax(path.fails)}
    instants = sorted({0, 1, 24, 200, 600, 960, *(int(at) + by for at in first.values() for by in (-1, 0, 1) if at + by >= 0)})
    for at in instants:
        said = read_rate(
            as_evidence(labels, at), claim, Readers(int(shown[at]), int(caught[at]), required=True) if golds else None
        )
        assert path.log_e[at] == pytest.approx(said.log_e, abs=1e-9)
        assert path.harm_log_e[at] == pytest.approx(said.harm_log_e, abs=1e-9)
        assert (path.labels[at], path.harms[at]) == (said.labels, said.harms)
        assert (bool(path.passes[at]), bool(path.fails[at])) == (said.verdict is Verdict.PASS, said.verdict is Verdict.FAIL)
    assert any(first.values())  # the comparison saw a verdict fall


@pytest.mark.parametrize(("look", "seed"), [(1, 1), (6, 2), (24, 3)])
def test_a_played_alarm_is_raised_when_the_engine_raises_it(look: int, seed: int) -> None:
    duty = Duty(requests=3, floor=0.5, flagged=0.02, directed=True)
    review = Review(delay=10, harm_delay=40, longest=14 * 24)
    labels = played(10 + seed, duty, review, 0.05, 24 * 30, recall=0.7)
    rule = RiseRule("h", from_rate=2e-3, to_rate=2e-2, false_alarm_every=timedelta(days=365), look_every=HOUR * look)
    threshold = log_threshold(rule.false_alarm_every.total_seconds(), rule.look_every.total_seconds())
    at = rise_at(labels, 0, baseline=2e-3, ratio=10.0, log_threshold=threshold, look=look)
    assert at is not None
    assert not read_rise(looks(labels, at - 1, look), rule).state.raised
    assert read_rise(looks(labels, at, look), rule).state.raised


def looks(labels: Labels, now: int, look: int) -> tuple[Look, ...]:
    found = labels.found[0]
    known = (found.known <= now) & found.confirmed
    return tuple(
        Look(
            (Segment(int(labels.requests[start : start + look].sum()), labels.floor),),
            tuple(Harm(float(pi), labels.floor) for pi in found.pi[known & (found.tick // look == start // look)]),
        )
        for start in range(0, now - look + 1, look)
    )


def test_a_quiet_stage_raises_no_alarm() -> None:
    labels = played(20, Duty(requests=3, floor=0.5), Review(), 0.0, 24 * 30)
    assert rise_at(labels, 0, baseline=1e-3, ratio=10.0, log_threshold=5.0, look=1) is None


@pytest.mark.parametrize(("requests", "floor"), [(400, 0.3), (2000, 0.05)])
def test_a_silent_alarm_would_have_noticed_the_rate_that_is_said(requests: int, floor: float) -> None:
    windows, baseline, threshold = 45, 1e-3, math.log(365)
    served = np.full(windows, requests)
    served[10:14] = 0
    floors = np.full(windows, floor)
    rate = noticed_rate(rng(80), served, floors, baseline=baseline, ratio=10.0, log_threshold=threshold)
    assert baseline < rate < 1
    runs, raised = 300, {1.0: 0, 0.6: 0}
    for factor in raised:
        for number in range(runs):
            source = rng(81, number)
            at = np.repeat(np.arange(windows), source.binomial(served, factor * rate * floor))
            found = Found(at, np.full(at.size, floor), at.astype(np.float64) + 1, np.ones(at.size, np.bool_))
            drawn = source.binomial(served, floor)
            world = Labels(floor, True, served, drawn, served[None, :], (found,), np.arange(windows + 1))
            raised[factor] += rise_at(world, 0, baseline=baseline, ratio=10.0, log_threshold=threshold, look=1) is not None
    assert abs(raised[1.0] / runs - 0.9) < 4 * math.sqrt(0.9 * 0.1 * (1 / runs + 1 / 200))
    assert raised[0.6] / runs < 0.8


def test_an_alarm_that_has_seen_nothing_would_have_noticed_nothing() -> None:
    for served in ([], [0, 0], [3]):
        rate = noticed_rate(rng(82), served, [0.01] * len(served), baseline=1e-3, ratio=10.0, log_threshold=9.0, plays=20)
        assert rate == 1.0


def test_labels_are_as_many_as_if_requests_were_drawn_one_by_one() -> None:
    """Shares of drawn, found, mistaken and overdue requests against a plain loop over requests, within four standard errors."""
    duty = Duty(requests=200, floor=0.2, flagged=0.05, directed=True)
    review = Review(sensitivity=0.8, specificity=0.9, delay=100, harm_delay=200, longest=300)
    labels = played(30, duty, review, 0.1, 3000, recall=0.6)
    plain = rng(31)
    n = 600_000
    harmful = plain.random(n) < 0.1
    flagged = plain.random(n) < np.where(harmful, 0.6, 0.05)
    drawn = flagged | (plain.random(n) < 0.2)
    wait = plain.exponential(1.0, n) * np.where(harmful, 200, 100)
    sees = plain.random((3, n)) < np.where(harmful, 0.8, 0.1)
    stands = sees[0] & (sees[1] | sees[2])
    counts = drawn & (stands | (wait > 300))
    served, found = int(labels.requests.sum()), labels.found[0]
    for ours, theirs in (
        (int(labels.harmful.sum()), harmful),
        (int(labels.drawn.sum()), drawn),
        (found.tick.size, counts),
        (int((~found.confirmed).sum()), drawn & (wait > 300)),
        (int((found.pi == 1.0).sum()), counts & flagged),
    ):
        share = float(theirs.mean())
        assert abs(ours / served - share) < 4 * math.sqrt(share * (1 - share) * (1 / served + 1 / n))


def test_the_frontier_waits_for_the_slowest_label_and_for_no_longer_than_the_deadline() -> None:
    labels = played(40, Duty(requests=50, floor=0.5), Review(delay=24, harm_delay=240, longest=336), 0.01, 2000)
    instants = np.arange(labels.complete.size)
    assert np.all(np.diff(labels.complete) >= 0)
    assert np.all(labels.complete <= instants)
    assert np.all(labels.complete >= instants - 336 - 1)
    late = labels.found[0].known
    for at in (100, 700, 1999):
        assert np.all(late[labels.found[0].tick < labels.complete[at]] <= at)


def test_a_label_that_comes_at_once_leaves_nothing_behind() -> None:
    labels = played(41, Duty(requests=5, floor=1.0), Review(), 0.3, 50)
    assert labels.complete.tolist() == list(range(51))
    assert labels.found[0].tick.size == labels.harmful.sum()


@pytest.mark.parametrize("ticks_apart", [1.0, 24.0, 1000.0])
def test_bursts_do_as_much_harm_as_a_steady_rate(ticks_apart: float) -> None:
    rates = bursts(rng(50), 1e-2, 400_000, ticks_apart)
    assert rates.mean() == pytest.approx(1e-2, rel=0.15)
    assert rates.max() <= 1


def test_a_few_people_do_all_the_harm_and_the_mean_is_the_same() -> None:
    shares = harmful_few(rng(51), 1e-3, 2_000_000, 0.2)
    assert shares.mean() == pytest.approx(1e-3, rel=0.05)
    assert set(np.unique(shares)) == {0.0, 0.2}
    assert np.all(harmful_few(rng(52), 0.3, 50, 0.2) == 0.3)


def test_enforcement_leaves_the_mean_of_what_it_lets_through() -> None:
    harms = np.minimum(rng(58).binomial(21, 0.25, 400_000), 5)
    assert enforced(0.25, 21, 0.25) == pytest.approx(harms.mean() / 21, rel=5e-3)
    assert enforced(0.1, 40, 1.0) == pytest.approx(0.1)
    assert enforced(0.0, 40, 0.5) == 0


@pytest.mark.parametrize("directed", [False, True])
def test_a_played_gate_on_users_has_the_stakes_of_the_users_who_have_entered(*, directed: bool) -> None:
    labels = played(53, Duty(20, 0.5, 0.01, directed=directed), Review(delay=5, harm_delay=30, longest=336), 0.01, 24 * 30, 0.5)
    first = rng(54).exponential(100, 300)
    shares = harmful_few(rng(55), 0.05, 300, 0.5)
    seats = Seats(first, each=20 / 300, window=168, shares=shares, recall=0.5, found=0.9, mistaken=1e-3)
    path = users_path(rng(56), labels, seats, Ask(0.1, 0.05), worst_share=0.5)
    assert path.labels[0] == 0
    assert np.all(np.diff(path.labels) >= 0)
    entered = np.sort(np.ceil(first) + 168)
    for at in (0, 200, 400, 720):
        assert path.labels[at] == (entered <= labels.complete[at]).sum()
    assert path.log_e[0] == path.harm_log_e[0] == 0
    assert path.harms[-1] <= path.labels[-1]
    # the same users once more, counted by the process itself
    again = users_path(rng(56), labels, seats, Ask(0.1, 0.05), worst_share=0.5)
    assert np.array_equal(path.log_e, again.log_e)
    nobody = users_path(rng(57), labels, replace(seats, shares=np.zeros(300), mistaken=0.0), Ask(0.1, 0.05), worst_share=0.5)
    n = int(nobody.labels[-1])
    assert nobody.log_e[-1] == pytest.approx(float(users.log_e_users(np.zeros(n), np.full(n, 0.5), 0.1, 0.5)), abs=1e-9)
    assert nobody.harm_log_e[-1] == pytest.approx(float(users.log_harm_users(np.zeros(n), np.full(n, 0.5), 0.1, 0.5)), abs=1e-9)


@given(st.floats(0.5, 0.99), st.floats(1e-4, 0.5))
def test_what_a_detector_finds_follows_from_its_auc(auc: float, flagged: float) -> None:
    apart = math.sqrt(2) * oracle.norm.ppf(auc)
    assert recall_of(auc, flagged) == pytest.approx(oracle.norm.sf(oracle.norm.isf(flagged) - apart), abs=1e-9)
    assert recall_of(auc, flagged) >= flagged - 1e-9
    assert recall_of(auc, 0.0) == 0.0


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.9, 0.95, 0.99]))
def test_a_share_has_the_exact_interval(count: int, more: int, confidence: float) -> None:
    of = count + more
    ours = estimates.proportion(count, of, confidence=confidence)
    if of == 0:
        assert math.isnan(ours.value)
        assert (ours.low, ours.high) == (0, 1)
        return
    low, high = proportion_confint(count, of, alpha=1 - confidence, method="beta")
    assert (ours.low, ours.high) == (pytest.approx(np.nan_to_num(low), abs=1e-9), pytest.approx(high, abs=1e-9))
    assert ours.low <= ours.value <= ours.high


@pytest.mark.parametrize(("at", "of"), [(0.5, 25), (0.9, 60), (0.1, 60), (0.5, 4)])
def test_a_quantiles_interval_holds_it_as_often_as_it_says(at: float, of: int) -> None:
    source, runs = rng(60), 1500
    held = 0
    for values in source.random((runs, of)):
        found = estimates.quantile(values, at)
        held += found.low <= at <= found.high
    assert held / runs >= 0.95 - 2 * math.sqrt(0.05 * 0.95 / runs)


def test_what_never_happened_within_the_plays_is_not_called_soon() -> None:
    found = estimates.quantile([3.0, math.inf, math.inf], 0.5)
    assert found.value == math.inf
    assert estimates.quantile([], 0.5).of == 0


def test_a_mean_is_drawn_anew_with_the_generator_that_is_given() -> None:
    values = rng(61).exponential(size=500)
    one, again = (estimates.mean(values, rng(62)) for _ in range(2))
    assert one == again
    assert one.low < 1 < one.high
    assert estimates.mean([2.0], rng(62)).high == math.inf
    assert math.isnan(estimates.mean([], rng(62)).value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Duty(requests=1, floor=0),
        lambda: Duty(requests=-1, floor=0.5),
        lambda: Review(sensitivity=0),
        lambda: Review(delay=math.inf),
        lambda: recall_of(0.4, 0.1),
        lambda: draw(rng(70), Duty(1, 1), Review(), np.array([0.1]), np.array([0.0])),
        lambda: draw(rng(70), Duty(1, 1), Review(), np.array([[1.1]]), np.array([0.0])),
        lambda: rise_at(played(70, Duty(1, 1), Review(), 0, 3), 0, baseline=0.1, ratio=2, log_threshold=1, look=0),
        lambda: noticed_rate(rng(70), [1], [0.1], baseline=0.1, ratio=2.0, log_threshold=1.0, chance=1.0),
        lambda: estimates.proportion(2, 1),
        lambda: estimates.quantile([1.0], 1.0),
        lambda: estimates.mean([1.0, 2.0], rng(70), confidence=1.0),
    ],
)
def test_a_world_that_cannot_be_is_refused(call: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        call()
