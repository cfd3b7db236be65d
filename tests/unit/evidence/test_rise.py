from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence import wire
from headgate.evidence.decide import rise
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Cursor, Harm, Look, RiseRule, RiseState, Segment

RULE = RiseRule("advice", from_rate=1e-3, to_rate=1e-2, false_alarm_every=timedelta(days=365), look_every=timedelta(days=1))


def look(labels: int, harms: int = 0, *, pi0: float = 0.01, pi: float | None = None) -> Look:
    uniform = pi is None
    return Look((Segment(round(labels / pi0), pi0),), labels, (Harm(pi or pi0, pi0),) * harms, uniform)


looks = st.builds(look, st.integers(5, 500), st.integers(0, 5), pi=st.sampled_from([None, 0.01, 0.2]))


def test_quiet_looks_raise_no_alarm_however_many() -> None:
    state = rise.replay([look(100)] * 2000, RULE)
    assert not state.raised
    assert state.looks == 2000
    assert state.log_m is not None


def test_a_rise_raises_the_alarm_and_it_stays_raised() -> None:
    state = rise.replay([look(200)] * 10 + [look(200, 3)] * 6, RULE)
    assert state.raised_at is not None
    assert 10 < state.raised_at <= 16
    assert state.log_m is not None
    assert state.log_m >= rise.threshold(RULE) == pytest.approx(math.log(365))
    assert rise.after(state, look(10_000), RULE) == state


def test_a_look_that_brings_nothing_is_no_look() -> None:
    state = rise.replay([look(100, 1)], RULE)
    assert rise.after(state, Look((), 0, (), uniform=True), RULE) == state
    assert rise.after(RiseState(), Look((), 0, (), uniform=False), RULE) == RiseState()


def test_silence_is_no_alarm_even_when_labels_are_very_few() -> None:
    state = rise.replay([look(1)] * 3000, replace(RULE, from_rate=1e-4))
    assert not state.raised


def test_catching_up_with_harmless_labels_is_no_rise() -> None:
    before = rise.replay([look(20)] * 30, RULE)
    after = rise.after(before, Look((), 5000, (), uniform=True), RULE)
    assert before.log_m is not None
    assert after.log_m is not None
    assert after.log_m < before.log_m


def test_a_harm_that_resolves_long_after_its_request_counts_when_it_resolves() -> None:
    late = Look((), 1, (Harm(0.05, 0.01),), uniform=False)
    before = rise.replay([look(20, pi=0.05)] * 3, RULE)
    after = rise.after(before, late, RULE)
    assert (after.harms, after.looks) == (1, 4)
    assert before.log_m is not None
    assert after.log_m is not None
    assert after.log_m > before.log_m


@given(st.lists(looks, max_size=12))
def test_an_alarm_replays_look_by_look_through_json(series: list[Look]) -> None:
    state = RiseState()
    for each in series:
        inputs = json.loads(json.dumps(wire.rise_inputs(RULE, state, each, Cursor())))
        state = rise.after(state, each, RULE)
        assert wire.replay_look(inputs) == state
        assert wire.decode(json.loads(json.dumps(wire.encode(state))), RiseState) == state
    assert rise.replay(series, RULE) == state


@given(st.lists(looks, max_size=12), st.integers(0, 11))
def test_one_more_harm_never_lowers_the_alarm(series: list[Look], where: int) -> None:
    worse = [
        replace(each, harms=(*each.harms, Harm(0.01, 0.01)), labels=max(each.labels, len(each.harms) + 1)) if i == where else each
        for i, each in enumerate(series)
    ]
    one, other = rise.replay(series, RULE), rise.replay(worse, RULE)
    assert not one.raised or other.raised


@pytest.mark.parametrize(
    "spoilt",
    [
        Look((), 1, (Harm(0.5, 0.5), Harm(0.5, 0.5)), uniform=True),
        Look((Segment(-1, 0.5),), 0, (), uniform=True),
        Look((Segment(1, 0.0),), 0, (), uniform=True),
        Look((), 1, (Harm(0.1, 0.5),), uniform=False),
        Look((), 1, (Harm(0.5, 0.1),), uniform=True),
        Look((), 1, (Harm(math.nan, 0.1),), uniform=False),
        Look((), -1, (), uniform=True),
    ],
)
def test_a_look_that_contradicts_itself_is_refused(spoilt: Look) -> None:
    with pytest.raises(NotEvidence):
        rise.after(RiseState(), spoilt, RULE)


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
        rise.after(RiseState(), look(1), spoilt)
