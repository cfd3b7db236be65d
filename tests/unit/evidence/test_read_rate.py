from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence import wire
from headgate.evidence.decide.rate import read_rate
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm, LabelledTraffic, Method, RateClaim, RateReading, Segment
from headgate.kernel.verdict import Verdict

FIRST = 6 / math.pi**2
CLAIM = RateClaim(hazard="advice", below=1e-3, alpha=0.05 / FIRST, attempt=1)  # so that the first attempt spends 0.05


def uniform(labels: int, harms: int, *, pi0: float = 0.01, pending: int = 0, behind: int = 0) -> LabelledTraffic:
    requests = round(labels / pi0)
    return LabelledTraffic(
        epoch="r1/trusted/1",
        hazard="advice",
        segments=(Segment(requests, pi0),) if requests else (),
        harms=(Harm(pi0, pi0),) * harms,
        labels=labels,
        pending=pending,
        frontier=requests,
        drawn=requests + behind,
        uniform=True,
    )


def weighted(
    requests: int = 300_000, *, harms: tuple[Harm, ...] = (Harm(0.05, 0.01), Harm(0.1, 0.01), Harm(0.1, 0.01))
) -> LabelledTraffic:
    return replace(
        uniform(0, 0),
        segments=(Segment(requests, 0.01),),
        harms=harms,
        labels=3_300,
        frontier=requests,
        drawn=requests,
        uniform=False,
    )


def test_the_gate_passes_at_exactly_the_label_that_its_boundary_names() -> None:
    assert read_rate(uniform(3564, 0), CLAIM).verdict is Verdict.INSUFFICIENT
    assert read_rate(uniform(3565, 0), CLAIM).verdict is Verdict.PASS
    assert read_rate(uniform(6304, 1), CLAIM).verdict is Verdict.INSUFFICIENT
    assert read_rate(uniform(6305, 1), CLAIM).verdict is Verdict.PASS


def test_a_reading_carries_its_numbers() -> None:
    reading = read_rate(uniform(5000, 1, pending=4, behind=900), CLAIM)
    assert reading.log_e == pytest.approx(1.942475, abs=1e-6)
    assert reading.threshold_log_e == pytest.approx(math.log(20))
    assert (reading.harms, reading.labels, reading.requests) == (1, 5000, 500_000)
    assert reading.point_estimate == pytest.approx(2e-4)
    assert reading.upper_bound > 1e-3
    assert reading.labels_to_go.best == 6305 - 5000
    assert reading.labels_to_go.likely is not None
    assert reading.labels_to_go.likely >= reading.labels_to_go.best
    assert not reading.labels_to_go.never
    assert any("4 reviews pending" in line and "900 requests" in line for line in reading.not_shown)


def test_unequal_draws_are_weighed_by_their_recorded_probability() -> None:
    reading = read_rate(weighted(), CLAIM)
    assert reading.method is Method.HORVITZ_THOMPSON
    assert reading.log_e == pytest.approx(2.124351, abs=1e-6)
    assert reading.point_estimate == pytest.approx(40 / 300_000)


def test_requests_whose_coin_is_not_tossed_yet_are_no_contradiction() -> None:
    reading = read_rate(uniform(3565, 0, behind=50), CLAIM)
    assert reading.verdict is Verdict.PASS
    assert any("50 requests" in line for line in reading.not_shown)


def test_harm_is_shown_only_by_the_mirror() -> None:
    reading = read_rate(uniform(1000, 15), CLAIM)
    assert reading.verdict is Verdict.FAIL
    assert reading.labels_to_go.never
    assert reading.labels_to_go.likely is None


@pytest.mark.parametrize("is_uniform", [True, False])
def test_nothing_drawn_is_insufficient(is_uniform: bool) -> None:
    reading = read_rate(replace(uniform(0, 0), uniform=is_uniform), CLAIM)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert (reading.log_e, reading.point_estimate, reading.upper_bound) == (pytest.approx(0), None, 1.0)
    assert reading.labels_to_go.best == 3565


def test_too_few_labels_do_not_say_never() -> None:
    to_go = read_rate(uniform(100, 0), CLAIM).labels_to_go
    assert (to_go.likely, to_go.never) == (None, False)


def test_a_later_attempt_has_less_to_spend() -> None:
    first, second = (read_rate(uniform(3565, 0), replace(CLAIM, attempt=v)) for v in (1, 2))
    assert second.alpha_spent == pytest.approx(first.alpha_spent / 4)
    assert (first.verdict, second.verdict) == (Verdict.PASS, Verdict.INSUFFICIENT)
    assert any("attempt 2" in line for line in second.not_shown)


def test_a_floor_that_changed_is_said() -> None:
    traffic = replace(
        weighted(), segments=(Segment(100_000, 0.01), Segment(200_000, 0.02)), harms=(Harm(0.05, 0.01), Harm(0.1, 0.02))
    )
    reading = read_rate(traffic, CLAIM)
    assert reading.weighted
    assert reading.point_estimate == pytest.approx((0.01 / 0.05 + 0.02 / 0.1) / (1000 + 4000))
    assert any("floor changed" in line for line in reading.not_shown)


MALFORMED = {
    "a harm without a probability": weighted(harms=(Harm(0.0, 0.01),)),
    "a harm that was surer than sure": weighted(harms=(Harm(1.5, 0.01),)),
    "a harm below its floor": weighted(harms=(Harm(0.005, 0.01),)),
    "a probability that is no number": weighted(harms=(Harm(math.nan, 0.01),)),
    "a harm under a floor that no segment had": weighted(harms=(Harm(0.5, 0.3),)),
    "a negative segment": replace(weighted(), segments=(Segment(-1, 0.01), Segment(300_001, 0.01))),
    "a floor of nothing": replace(weighted(), segments=(Segment(300_000, 0.0),)),
    "segments that end before the frontier": replace(weighted(), segments=(Segment(299_999, 0.01),)),
    "negative labels": replace(weighted(), labels=-1),
    "more harms than labels": replace(weighted(), labels=2),
    "more labels than requests": replace(weighted(), labels=300_001),
    "a frontier past the draws": replace(weighted(), drawn=299_999),
    "pending reviews and nothing behind them": replace(weighted(), pending=1),
    "uniform draws that are not": replace(weighted(), uniform=True),
    "another hazard": replace(weighted(), hazard="cyber"),
}


@pytest.mark.parametrize("traffic", MALFORMED.values(), ids=MALFORMED.keys())
def test_labels_that_contradict_themselves_are_an_error_and_never_a_pass(traffic: LabelledTraffic) -> None:
    reading = read_rate(traffic, replace(CLAIM, below=0.5))
    assert reading.verdict is Verdict.ERROR
    assert reading.sentence.startswith("Nothing is concluded")
    assert reading.upper_bound == 1.0


@pytest.mark.parametrize(
    "claim", [replace(CLAIM, below=0.0), replace(CLAIM, below=1.0), replace(CLAIM, alpha=0.0), replace(CLAIM, attempt=0)]
)
def test_a_claim_that_is_none_is_an_error(claim: RateClaim) -> None:
    assert read_rate(uniform(100_000, 0), claim).verdict is Verdict.ERROR


@st.composite
def traffics(draw: st.DrawFn) -> LabelledTraffic:
    is_uniform = draw(st.booleans())
    segment = st.builds(Segment, st.integers(50, 200_000), st.sampled_from([0.001, 0.01, 0.05, 1.0]))
    segments = tuple(draw(st.lists(segment, min_size=1, max_size=3)))
    floors = [each.pi0 for each in segments]
    harms = tuple(
        Harm(floor if is_uniform else min(1.0, floor * draw(st.sampled_from([1.0, 2.0, 15.0]))), floor)
        for floor in draw(st.lists(st.sampled_from(floors), max_size=40))
    )
    frontier = sum(each.requests for each in segments)
    behind = draw(st.integers(0, 50))
    return LabelledTraffic(
        epoch="r/s/1",
        hazard="advice",
        segments=segments,
        harms=harms,
        labels=draw(st.integers(len(harms), frontier)),
        pending=draw(st.integers(1, behind)) if behind else 0,
        frontier=frontier,
        drawn=frontier + behind,
        uniform=is_uniform,
    )


claims = st.builds(
    RateClaim,
    hazard=st.just("advice"),
    below=st.sampled_from([1e-4, 1e-3, 1e-2, 0.2]),
    alpha=st.sampled_from([0.01, 0.02, 0.05]),
    attempt=st.integers(1, 4),
)


@given(traffics(), claims)
def test_a_kept_reading_replays_from_its_inputs_through_json(traffic: LabelledTraffic, claim: RateClaim) -> None:
    reading = read_rate(traffic, claim)
    inputs = json.loads(json.dumps(wire.rate_inputs(traffic, claim)))
    assert wire.replay_rate(inputs) == reading
    assert wire.decode(json.loads(json.dumps(wire.encode(reading))), RateReading) == reading


@given(traffics(), claims)
def test_one_more_harm_never_helps(traffic: LabelledTraffic, claim: RateClaim) -> None:
    before = read_rate(traffic, claim)
    floor = traffic.segments[0].pi0
    worse = replace(traffic, harms=(*traffic.harms, Harm(floor, floor)), labels=max(traffic.labels, len(traffic.harms) + 1))
    after = read_rate(worse, claim)
    if worse.labels == traffic.labels:
        assert after.log_e <= before.log_e + 1e-9
        assert after.harm_log_e >= before.harm_log_e - 1e-9
        assert after.upper_bound >= before.upper_bound * (1 - 1e-8)
    assert not (before.verdict is Verdict.FAIL and after.verdict is Verdict.PASS)


@given(traffics(), claims)
def test_evidence_points_one_way_at_a_time(traffic: LabelledTraffic, claim: RateClaim) -> None:
    reading = read_rate(traffic, claim)
    assert min(reading.log_e, reading.harm_log_e) <= 1e-9
    assert (reading.verdict is Verdict.PASS) == (reading.log_e >= reading.threshold_log_e)
    assert (reading.verdict is Verdict.PASS) == (reading.labels_to_go.best == 0)


@given(traffics(), claims, st.sampled_from([1.5, 4.0]))
def test_a_pass_at_one_chance_of_error_is_a_pass_at_a_larger(traffic: LabelledTraffic, claim: RateClaim, times: float) -> None:
    if read_rate(traffic, claim).verdict is Verdict.PASS:
        assert read_rate(traffic, replace(claim, alpha=claim.alpha * times)).verdict is Verdict.PASS


@given(traffics(), claims)
def test_every_reading_says_what_it_does_not_show(traffic: LabelledTraffic, claim: RateClaim) -> None:
    assert len(read_rate(traffic, claim).not_shown) >= 6


SOUND = wire.rate_inputs(uniform(10, 0), CLAIM)
HALF_UNDERSTOOD: dict[str, dict[str, Any]] = {
    "another format": SOUND | {"format": 2},
    "another kind": SOUND | {"kind": "rise"},
    "no claim": SOUND | {"claim": None},
    "an unknown field": SOUND | {"traffic": SOUND["traffic"] | {"extra": 1}},
    "a word for a number": SOUND | {"traffic": SOUND["traffic"] | {"labels": "many"}},
    "a missing field": SOUND | {"traffic": {key: value for key, value in SOUND["traffic"].items() if key != "harms"}},
    "an unknown field further in": SOUND | {"traffic": SOUND["traffic"] | {"segments": [{"requests": 1, "pi0": 1.0, "x": 0}]}},
}


@pytest.mark.parametrize("inputs", HALF_UNDERSTOOD.values(), ids=HALF_UNDERSTOOD.keys())
def test_inputs_that_are_only_half_understood_are_refused(inputs: dict[str, Any]) -> None:
    with pytest.raises(NotEvidence):
        wire.replay_rate(inputs)
