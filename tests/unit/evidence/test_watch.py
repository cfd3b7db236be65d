"""Alarms on several streams: users hour by hour, missing scores, one budget for all, and everything replayed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence import wire
from headgate.evidence.decide import flagged
from headgate.evidence.decide.missing import read_missing
from headgate.evidence.decide.rise import read_rise
from headgate.evidence.decide.watch import read_watch
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm, Look, RiseRule, Segment
from headgate.evidence.model.alarms import (
    LabelWindow,
    MissingReading,
    MissingRule,
    ScoreWindow,
    Stream,
    StreamRule,
    UserWindow,
    Watched,
    WatchReading,
    WatchRule,
)
from headgate.evidence.wire import alarms
from headgate.stats import alarm

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
USERS = StreamRule(Stream.FLAGGED_USERS, "misuse", from_rate=0.02, to_rate=0.1, learn=None)
LABELS = StreamRule(Stream.LABELS, "misuse", from_rate=1e-3, to_rate=1e-2, learn=None)
RULE = WatchRule((USERS,), false_alarm_every=YEAR, look_every=HOUR, watch_every=None)
MISSING = MissingRule(at_most=5e-3, over=DAY, usual=1e-3, false_alarm_every=timedelta(days=90), look_every=HOUR)


def people(counts: Sequence[int], *, there: int = 100, first: int = 0) -> Watched:
    windows = (UserWindow(first + at, (first + at) % 168, there, count) for at, count in enumerate(counts))
    return Watched(users=tuple(windows))


def labels(harms: Sequence[int], *, requests: int = 100) -> Watched:
    return Watched(
        labels=tuple(
            LabelWindow(at, Look((Segment(requests, 1.0),), (Harm(1.0, 1.0),) * count)) for at, count in enumerate(harms)
        )
    )


def scores(*windows: tuple[int, int]) -> list[ScoreWindow]:
    return [ScoreWindow(at, requests, unscored) for at, (requests, unscored) in enumerate(windows)]


counts = st.lists(st.integers(0, 12), max_size=20)


def test_quiet_users_raise_no_alarm_and_many_flagged_at_once_do() -> None:
    quiet, loud = [2, 1, 3, 0] * 10, [12] * 4
    assert read_watch([people(quiet)], RULE).raised_at is None
    reading = read_watch([people([*quiet, *loud])], RULE)
    assert reading.raised_at in range(41, 45)
    assert reading.events == sum(quiet) + sum(loud)
    assert "misuse has risen" in reading.sentence
    assert "4,400 visits" in reading.sentence


def test_the_detector_is_the_published_one() -> None:
    rule = replace(USERS, from_rate=0.005)
    series = [0, 1, 0, 2, 3, 1, 4]
    factors = alarm.log_factor_counts(series, 0.5, alarm.COUNT_RATIOS)
    expected = alarm.log_mixture(alarm.run(factors), alarm.count_weights(20.0))[-1]
    log_m = read_watch([people(series)], replace(RULE, parts=(rule,))).log_m
    assert log_m == pytest.approx(float(expected), abs=1e-12)


def test_one_stream_of_labels_says_what_a_rise_says() -> None:
    harms = [0, 0, 1, 0, 2, 3]
    alone = RiseRule("misuse", 1e-3, 1e-2, YEAR, HOUR)
    rise = read_rise([window.look for window in labels(harms).labels], alone).state
    watch = read_watch([labels(harms)], replace(RULE, parts=(LABELS,)))
    assert watch.log_m == pytest.approx(rise.log_m, abs=1e-12)
    assert watch.raised_at == rise.raised_at


@given(counts, counts)
def test_two_streams_with_one_budget_sound_no_later_than_either_would_with_half(users: list[int], harms: list[int]) -> None:
    both = read_watch([people(users), labels(harms)], replace(RULE, parts=(USERS, LABELS)))
    for watched, part in ((people(users), USERS), (labels(harms), LABELS)):
        half = read_watch([watched], replace(RULE, parts=(part,), false_alarm_every=2 * YEAR))
        if half.raised_at is not None:
            assert both.raised_at is not None
            assert both.raised_at <= half.raised_at


def test_what_two_streams_show_is_added_up() -> None:
    users, harms = people([0, 0, 0, 9, 9]), labels([0, 0, 0, 2, 2])
    threshold = replace(RULE, parts=(USERS, LABELS))
    together = read_watch([users, harms], threshold)
    singles = [read_watch([users], RULE).log_m, read_watch([harms], replace(RULE, parts=(LABELS,))).log_m]
    assert together.log_m is not None
    assert together.log_m == pytest.approx(float(np.logaddexp.reduce(np.array(singles, np.float64))) - math.log(2), abs=1e-9)


def test_streams_that_look_at_different_windows_are_added_window_by_window() -> None:
    sparse = Watched(users=(UserWindow(3, 3, 100, 9),))
    reading = read_watch([sparse, labels([0, 1])], replace(RULE, parts=(USERS, LABELS)))
    assert reading.windows == 3
    alone = read_watch([sparse], RULE).log_m, read_watch([labels([0, 1])], replace(RULE, parts=(LABELS,))).log_m
    assert reading.log_m == pytest.approx(float(np.logaddexp.reduce(np.array(alone, np.float64))) - math.log(2), abs=1e-9)


def test_nothing_at_all_is_no_alarm() -> None:
    reading = read_watch([Watched(), Watched()], replace(RULE, parts=(USERS, LABELS)))
    assert (reading.windows, reading.events, reading.log_m, reading.raised_at) == (0, 0, None, None)


def test_silence_never_sounds_however_long() -> None:
    rule = replace(RULE, parts=(replace(USERS, from_rate=1e-6, to_rate=1e-5),), false_alarm_every=DAY)
    assert read_watch([people([0] * 500, there=1)], rule).raised_at is None


def test_a_step_below_the_alarm_is_said_and_is_none() -> None:
    rule = replace(RULE, watch_every=timedelta(days=7))
    reading = read_watch([people([2, 1, 8, 7])], rule)
    assert reading.watched
    assert reading.raised_at is None
    assert "may be rising" in reading.sentence
    assert not read_watch([people([2, 1, 2, 1])], rule).watched


def test_learning_lowers_what_is_tolerated_and_never_raises_it() -> None:
    learn = replace(USERS, learn=timedelta(days=28))
    weeks = 4 * 168
    quiet = people([0] * weeks, there=2000)
    busy = people([4] * 30, there=2000, first=weeks)
    series = Watched(users=quiet.users + busy.users)
    declared = read_watch([series], RULE)
    learned = read_watch([series], replace(RULE, parts=(learn,)))
    assert declared.raised_at is None  # four of two thousand is a fifth of what the plan declares
    assert learned.raised_at is not None
    assert learned.raised_at > weeks
    assert "with probability 0.99" in learned.sentence
    noisy = Watched(users=people([40] * weeks, there=2000).users + people([41] * 30, there=2000, first=weeks).users)
    assert read_watch([noisy], replace(RULE, parts=(learn,))).log_m == pytest.approx(read_watch([noisy], RULE).log_m)


def test_nothing_is_learned_before_the_span_is_over() -> None:
    learn = replace(USERS, learn=timedelta(days=28))
    windows = people([3, 1, 0, 2]).users
    assert np.array_equal(flagged.log_factors(windows, learn, HOUR), flagged.log_factors(windows, USERS, HOUR))


@given(counts, counts, st.integers(0, 60))
def test_a_reading_of_several_streams_replays_through_json(users: list[int], harms: list[int], learned_h: int) -> None:
    learn = timedelta(hours=learned_h) if learned_h else None
    rule = replace(RULE, parts=(replace(USERS, learn=learn), LABELS), watch_every=DAY)
    watched = [people(users), labels(harms)]
    reading = read_watch(watched, rule)
    inputs = json.loads(json.dumps(alarms.watch_inputs(watched, rule)))
    assert alarms.replay_watch(inputs) == reading
    assert wire.decode(json.loads(json.dumps(wire.encode(reading))), WatchReading) == reading


@given(counts, counts)
def test_what_comes_later_does_not_change_what_was(earlier: list[int], later: list[int]) -> None:
    before = read_watch([people(earlier)], RULE).raised_at
    if before is not None:
        assert read_watch([people(earlier + later)], RULE).raised_at == before


def test_scores_that_are_complete_enough_pass_and_one_in_a_hundred_does_not() -> None:
    assert not read_missing(scores(*[(1000, 1)] * 30), MISSING).tripped
    reading = read_missing(scores(*[(1000, 0)] * 20, (1000, 200)), MISSING)
    assert reading.spoilt
    assert (reading.requests, reading.unscored) == (21_000, 200)
    assert "99.05%" in reading.sentence


def test_a_share_recovers_and_an_alarm_does_not() -> None:
    outage = [(1000, 0)] * 5 + [(1000, 1000)] * 2
    during, after = read_missing(scores(*outage), MISSING), read_missing(scores(*outage, *[(1000, 0)] * 30), MISSING)
    assert during.spoilt
    assert not after.spoilt
    assert during.raised_at == after.raised_at == 7
    assert after.tripped


def test_an_outage_sounds_in_its_first_window_and_a_window_without_requests_counts_for_nothing() -> None:
    assert read_missing(scores(*[(500, 0)] * 48, (500, 500), (500, 500)), MISSING).raised_at in (49, 50)
    assert read_missing(scores((0, 0), (0, 0)), MISSING).log_m is None
    assert not read_missing([], MISSING).tripped


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)).map(lambda pair: (pair[0] + pair[1], pair[1])), max_size=30))
def test_a_reading_of_missing_scores_replays_through_json(windows: list[tuple[int, int]]) -> None:
    seen = scores(*windows)
    reading = read_missing(seen, MISSING)
    inputs = json.loads(json.dumps(alarms.missing_inputs(seen, MISSING)))
    assert alarms.replay_missing(inputs) == reading
    assert wire.decode(json.loads(json.dumps(wire.encode(reading))), MissingReading) == reading


@pytest.mark.parametrize(
    ("watched", "rule"),
    [
        (people([1]), replace(RULE, parts=())),
        (people([1]), replace(RULE, false_alarm_every=HOUR)),
        (people([1]), replace(RULE, watch_every=HOUR)),
        (people([1]), replace(RULE, parts=(replace(USERS, to_rate=0.01),))),
        (people([1]), replace(RULE, parts=(replace(USERS, learn=timedelta(0)),))),
        (labels([1]), replace(RULE, parts=(replace(LABELS, learn=DAY),))),
        (people([1]), replace(RULE, parts=(USERS, USERS))),
        (labels([1]), RULE),
        (people([1]), replace(RULE, parts=(LABELS,))),
        (people([101]), RULE),
        (people([-1]), RULE),
        (Watched(users=(UserWindow(0, 168, 1, 0),)), RULE),
        (Watched(users=(UserWindow(1, 0, 1, 0), UserWindow(1, 0, 1, 0))), RULE),
        (Watched(users=(UserWindow(-1, 0, 1, 0),)), RULE),
        (labels([101]), replace(RULE, parts=(LABELS,))),
    ],
)
def test_what_contradicts_itself_is_refused(watched: Watched, rule: WatchRule) -> None:
    with pytest.raises(NotEvidence):
        read_watch([watched], rule)


@pytest.mark.parametrize(
    ("windows", "rule"),
    [
        (scores((1, 2)), MISSING),
        (scores((1, -1)), MISSING),
        ([ScoreWindow(1, 1, 0), ScoreWindow(0, 1, 0)], MISSING),
        ([], replace(MISSING, usual=5e-3)),
        ([], replace(MISSING, over=timedelta(0))),
        ([], replace(MISSING, look_every=timedelta(days=90))),
    ],
)
def test_scores_that_contradict_themselves_are_refused(windows: list[ScoreWindow], rule: MissingRule) -> None:
    with pytest.raises(NotEvidence):
        read_missing(windows, rule)


@pytest.mark.parametrize("change", [{"format": 0}, {"kind": "rise"}, {"watched": None}, {"watched": [1]}, {"rule": {}}])
def test_inputs_that_are_only_half_understood_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(NotEvidence):
        alarms.replay_watch(alarms.watch_inputs([people([1])], RULE) | change)
    with pytest.raises(NotEvidence):
        alarms.replay_missing(alarms.missing_inputs(scores((1, 0)), MISSING) | ({"windows": None} | change))
