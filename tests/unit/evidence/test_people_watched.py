"""Alarms on people: their shares of harm, and newcomers of strata that nobody was met of before."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence import wire
from headgate.evidence.decide.watch import read_watch
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm
from headgate.evidence.model.alarms import ArrivalWindow, Stream, StreamRule, UserWindow, UseWindow, Watched, WatchRule
from headgate.evidence.model.users import CleanUsers, HarmfulUser
from headgate.evidence.wire import alarms
from headgate.stats import alarm, coverage

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR, DAY, WEEK, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=365)
SHARES = StreamRule(Stream.USER_SHARES, "misuse", from_rate=0.01, to_rate=0.1, learn=None, window=WEEK)
SHIFT = StreamRule(Stream.NEWCOMERS, "language", from_rate=0.05, to_rate=0.3, learn=DAY)
FLAGGED = StreamRule(Stream.FLAGGED_USERS, "misuse", from_rate=0.02, to_rate=0.1, learn=None)
RULE = WatchRule((SHARES,), false_alarm_every=YEAR, look_every=HOUR, watch_every=None)
SHIFTED = replace(RULE, parts=(SHIFT,))


def a_user(harms: int, exchanges: int = 20, *, floor: float = 1.0, pi: float = 1.0) -> HarmfulUser:
    """Return somebody with so much confirmed harm."""
    return HarmfulUser(exchanges, exchanges, floor, (Harm(pi, floor),) * harms, ())


def used(*windows: tuple[int, Sequence[HarmfulUser]], floor: float = 1.0) -> Watched:
    """Return windows: so many clean users of ten exchanges each, and these others."""
    return Watched(
        uses=tuple(
            UseWindow(at, (CleanUsers(clean, 10 * clean, 10 * clean, floor),) if clean else (), tuple(others))
            for at, (clean, others) in enumerate(windows)
        )
    )


def came(*windows: tuple[int, int]) -> Watched:
    """Return windows: newcomers, and those of unknown strata."""
    return Watched(arrivals=tuple(ArrivalWindow(at, *window) for at, window in enumerate(windows)))


def test_harm_of_many_users_raises_the_alarm_and_harm_of_one_busy_user_does_not() -> None:
    calm = [(10, [])] * 20
    busy = a_user(4000, 4000)
    assert read_watch([used(*calm, (9, [busy]))], RULE).raised_at is None
    reading = read_watch([used(*calm, *[(4, [a_user(20)] * 6)] * 3)], RULE)
    assert reading.raised_at in {21, 22, 23}
    assert reading.events == 18
    assert "misuse has risen" in reading.sentence
    assert "18 users with harm of misuse among 230 users observed for 7d00h each" in reading.sentence


def test_the_detector_on_shares_is_the_published_one() -> None:
    reading = read_watch([used((3, [a_user(5)]), (2, []), (0, [a_user(2, floor=0.5, pi=0.8)]))], RULE)
    shares, floors, times = [0.0, 0.25, 0.0, 2 * 0.5 / 0.8 / 20], [1.0, 1.0, 1.0, 0.5], [3, 1, 2, 1]
    factors = alarm.log_factors_users([0, 0, 1, 2], shares, floors, 0.01, looks=3, times=times)
    log_r = np.full(6, -np.inf)
    for factor in factors:
        log_r = alarm.step(log_r, factor)
    assert reading.log_m == pytest.approx(float(alarm.log_mixture(log_r, alarm.share_weights(10.0, 0.01))), abs=1e-12)
    assert reading.threshold_log_m == math.log(365 * 24)


def test_what_is_read_in_part_is_held_against_its_part() -> None:
    """A tenth is read, and so a tenth of the tolerated share is tolerated: no alarm at the tolerated rate."""
    rng = np.random.default_rng(3)
    raised = 0
    for _ in range(40):
        found = rng.binomial(rng.binomial(10, 0.01, (200, 10)), 0.1)
        windows = [
            (int((look == 0).sum()), [a_user(int(count), 10, floor=0.1, pi=0.1) for count in look if count]) for look in found
        ]
        raised += read_watch([used(*windows, floor=0.1)], RULE).raised_at is not None
    assert raised <= 3  # 200 hours of a year: 2.3 % of 40


def test_people_of_a_kind_that_nobody_was_met_of_raise_the_alarm() -> None:
    calm = [(20, 1)] * 30
    assert read_watch([came(*calm)], SHIFTED).raised_at is None
    reading = read_watch([came(*calm, *[(20, 12)] * 3)], SHIFTED)
    assert reading.raised_at in {31, 32, 33}
    assert "the share of people of unknown language has risen" in reading.sentence
    assert "66 of 660 newcomers by language are of a kind that nobody was met of before" in reading.sentence
    assert "learned rightly" not in reading.sentence  # what is known is known; nothing is estimated


def test_the_detector_on_newcomers_is_the_published_one() -> None:
    reading = read_watch([came((5, 2), (0, 0), (3, 0), (4, 4))], SHIFTED)
    factors = coverage.log_factors_shift([5, 3, 4], [2, 0, 4], 0.05)
    log_r = np.full(6, -np.inf)
    for factor in factors:
        log_r = alarm.step(log_r, factor)
    assert reading.windows == 3  # where nobody came there is nothing to look at
    assert reading.log_m == pytest.approx(float(alarm.log_mixture(log_r, alarm.rise_weights(6.0))), abs=1e-12)


def test_silence_raises_nothing() -> None:
    for rule in (RULE, SHIFTED):
        reading = read_watch([Watched()], rule)
        assert (reading.raised_at, reading.log_m, reading.windows) == (None, None, 0)
    # however small the odds that were gained before, an alarm is raised where something happened
    loud = [(20, 12)] * 3
    reading = read_watch([came(*loud, (1, 0))], SHIFTED)
    assert reading.raised_at in {1, 2, 3}


def test_streams_of_people_share_a_budget_with_those_of_harm() -> None:
    together = replace(RULE, parts=(SHARES, SHIFT, FLAGGED))
    quiet = Watched(users=tuple(UserWindow(at, at % 168, 50, 0) for at in range(40)))
    calm_use, calm_come = used(*[(10, [])] * 40), came(*[(20, 1)] * 40)
    assert read_watch([calm_use, calm_come, quiet], together).raised_at is None
    loud = came(*[(20, 1)] * 37, *[(20, 15)] * 3)
    alone, shared = read_watch([loud], SHIFTED), read_watch([calm_use, loud, quiet], together)
    assert alone.raised_at is not None
    assert shared.raised_at is not None
    assert alone.raised_at <= shared.raised_at
    assert "misuse and the share of people of unknown language has risen" in shared.sentence


@st.composite
def harmful(draw: st.DrawFn) -> HarmfulUser:
    found, floor = draw(st.integers(1, 10)), draw(st.floats(0.01, 1.0))
    return a_user(found, found + draw(st.integers(0, 20)), floor=floor, pi=draw(st.floats(floor, 1.0)))


windows = st.lists(st.tuples(st.integers(0, 12), st.lists(harmful(), max_size=3)), max_size=10)


@given(windows, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=10))
def test_a_reading_of_people_is_worked_out_again_from_its_inputs(
    uses: list[tuple[int, list[HarmfulUser]]], arrivals: list[tuple[int, int]]
) -> None:
    rule = replace(RULE, parts=(SHARES, SHIFT))
    watched = [used(*uses), came(*((one + more, more) for one, more in arrivals))]
    reading, inputs = read_watch(watched, rule), alarms.watch_inputs(watched, rule)
    assert alarms.replay_watch(inputs) == reading
    assert wire.address("e/1", inputs, wire.encode(reading))


@given(windows)
def test_a_harm_that_is_not_found_yet_never_sounds_sooner(uses: list[tuple[int, list[HarmfulUser]]]) -> None:
    fewer = [(clean, [replace(user, harms=user.harms[1:]) for user in others if len(user.harms) > 1]) for clean, others in uses]
    now, later = read_watch([used(*fewer)], RULE), read_watch([used(*uses)], RULE)
    if now.raised_at is not None:
        assert later.raised_at is not None
        assert later.raised_at <= now.raised_at


def test_inputs_that_were_kept_before_people_were_watched_still_read() -> None:
    rule = replace(RULE, parts=(FLAGGED,))
    watched = [Watched(users=(UserWindow(0, 0, 50, 3), UserWindow(1, 1, 50, 0)))]
    inputs = alarms.watch_inputs(watched, rule)
    del inputs["rule"]["parts"][0]["window"]
    del inputs["watched"][0]["uses"], inputs["watched"][0]["arrivals"]
    assert alarms.replay_watch(inputs) == read_watch(watched, rule)


@pytest.mark.parametrize(
    ("rule", "watched", "says"),
    [
        (RULE, came((3, 1)), "A stream of user shares has windows of newcomers"),
        (SHIFTED, used((3, [])), "A stream of newcomers has windows of user shares"),
        (SHIFTED, came((3, 4)), "4 of 3 newcomers"),
        (SHIFTED, Watched(arrivals=(ArrivalWindow(1, 1, 0), ArrivalWindow(1, 1, 0))), "does not follow"),
        (RULE, used((0, [a_user(30, 20)])), "30 harms in 20 labels"),
        (RULE, used((0, [replace(a_user(2), doubtful=(Harm(1.0, 1.0),))])), "could tell is no harm"),
        (RULE, used((3, []), floor=0.0), "not a probability above 0"),
        (replace(RULE, parts=(replace(SHARES, window=timedelta(0)),)), used((1, [])), "positive span of use"),
        (replace(RULE, parts=(replace(SHIFT, window=WEEK),)), came((1, 0)), "Only shares"),
        (replace(RULE, parts=(replace(SHARES, learn=WEEK),)), used((1, [])), "known strata"),
        (replace(RULE, parts=(replace(SHIFT, from_rate=0.3),)), came((1, 0)), "is none within"),
    ],
)
def test_what_cannot_be_is_no_evidence(rule: WatchRule, watched: Watched, says: str) -> None:
    with pytest.raises(NotEvidence, match=says):
        read_watch([watched], rule)


@pytest.mark.parametrize("change", [{"window": "soon"}, {"came": -1}])
def test_kept_inputs_that_were_tampered_with_do_not_replay(change: dict[str, Any]) -> None:
    inputs = alarms.watch_inputs([came((5, 1))], SHIFTED)
    inputs["watched"][0]["arrivals"][0].update(change)
    with pytest.raises(NotEvidence):
        alarms.replay_watch(inputs)
