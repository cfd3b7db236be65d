from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence import wire
from headgate.evidence.decide.rise import read_rise
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm, Look, RiseReading, RiseRule, Segment

RULE = RiseRule("advice", from_rate=1e-3, to_rate=1e-2, false_alarm_every=timedelta(days=365), look_every=timedelta(days=1))


def look(labels: int, harms: int = 0, *, pi0: float = 0.01, times: float = 1.0) -> Look:
    return Look((Segment(round(labels / pi0), pi0),), (Harm(pi0 * times, pi0),) * harms)


looks = st.lists(st.builds(look, st.integers(1, 500), st.integers(0, 5), times=st.sampled_from([1.0, 15.0])), max_size=12)


def test_quiet_windows_raise_no_alarm_however_many() -> None:
    state = read_rise([look(100)] * 2000, RULE).state
    assert not state.raised
    assert (state.looks, state.requests, state.harms) == (2000, 20_000_000, 0)
    assert state.log_m is not None


def test_a_rise_raises_the_alarm() -> None:
    reading = read_rise([look(200)] * 10 + [look(200, 3)] * 6, RULE)
    assert reading.threshold_log_m == pytest.approx(math.log(365))
    assert reading.state.raised_at is not None
    assert 10 < reading.state.raised_at <= 16
    assert reading.state.log_m is not None
    assert reading.state.log_m >= reading.threshold_log_m
    assert reading.sentence.startswith("advice has risen above 1.0e-3")


def test_nothing_at_all_is_no_alarm() -> None:
    state = read_rise([], RULE).state
    assert (state.looks, state.log_m, state.raised) == (0, None, False)


def test_a_window_that_brings_nothing_is_skipped() -> None:
    some, nothing = [look(100, 1)] * 3, Look((Segment(0, 0.01),), ())
    assert read_rise([*some, nothing, Look((), ())], RULE) == read_rise(some, RULE)


def test_silence_is_no_alarm_even_when_requests_are_very_few() -> None:
    assert not read_rise([look(1)] * 5000, replace(RULE, from_rate=1e-5, to_rate=1e-4)).state.raised


def test_harm_found_by_directed_review_weighs_less() -> None:
    plain, directed = (read_rise([look(200, 1, times=times)] * 3, RULE).state.log_m for times in (1.0, 15.0))
    assert plain is not None
    assert directed is not None
    assert directed < plain


@given(looks)
def test_a_rise_reading_replays_through_json(series: list[Look]) -> None:
    reading = read_rise(series, RULE)
    inputs = json.loads(json.dumps(wire.rise_inputs(series, RULE)))
    assert wire.replay_rise(inputs) == reading
    assert wire.decode(json.loads(json.dumps(wire.encode(reading))), RiseReading) == reading


@given(looks, st.integers(0, 11))
def test_a_label_that_is_still_missing_can_delay_an_alarm_and_cannot_cause_one(series: list[Look], where: int) -> None:
    known = [replace(each, harms=each.harms[1:]) if i == where else each for i, each in enumerate(series)]
    partly, fully = read_rise(known, RULE).state, read_rise(series, RULE).state
    if partly.raised_at is not None:
        assert fully.raised_at is not None
        assert fully.raised_at <= partly.raised_at


@given(looks, looks)
def test_what_comes_later_does_not_change_what_was(earlier: list[Look], later: list[Look]) -> None:
    before, after = read_rise(earlier, RULE).state, read_rise(earlier + later, RULE).state
    if before.raised:
        assert after.raised_at == before.raised_at


@pytest.mark.parametrize(
    "spoilt",
    [
        Look((Segment(1, 0.5),), (Harm(0.5, 0.5), Harm(0.5, 0.5))),
        Look((Segment(1, 0.5),), (Harm(0.5, 0.4),)),
        Look((Segment(-1, 0.5),), ()),
        Look((Segment(1, 0.0),), ()),
        Look((Segment(1, 0.5),), (Harm(0.1, 0.5),)),
        Look((Segment(1, 0.5),), (Harm(math.nan, 0.5),)),
    ],
)
def test_a_window_that_contradicts_itself_is_refused(spoilt: Look) -> None:
    with pytest.raises(NotEvidence):
        read_rise([look(10), spoilt], RULE)


@pytest.mark.parametrize(
    "spoilt",
    [
        replace(RULE, from_rate=0.0),
        replace(RULE, to_rate=1e-3),
        replace(RULE, to_rate=1.1),
        replace(RULE, look_every=timedelta(0)),
        replace(RULE, look_every=timedelta(days=365)),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(spoilt: RiseRule) -> None:
    with pytest.raises(NotEvidence):
        read_rise([look(1)], spoilt)


@pytest.mark.parametrize("change", [{"format": 0}, {"kind": "rate"}, {"looks": None}, {"looks": [1]}, {"rule": {}}])
def test_inputs_that_are_only_half_understood_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(NotEvidence):
        wire.replay_rise(wire.rise_inputs([look(10, 1)], RULE) | change)
