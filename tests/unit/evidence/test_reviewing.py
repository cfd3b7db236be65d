"""What is known of reviewers, and what becomes of a rate where they are measured."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence.decide.rate import read_rate
from headgate.evidence.decide.reviewing import read_review
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import LabelledTraffic, RateClaim, Segment
from headgate.evidence.model.reviewing import Readers, ReviewClaim, ReviewFacts
from headgate.evidence.wire import rate_inputs, replay_rate
from headgate.evidence.wire.reviewing import claim_of, replay_review, review_inputs
from headgate.kernel.verdict import Verdict
from headgate.stats import gate, noise

DAY = timedelta(days=1)
CLAIM = ReviewClaim(DAY, 0.8, 0.05, 1)
FACTS = ReviewFacts(flagged=True, done=40, waiting=3, late=0, longest=DAY / 2, span=7 * DAY, shown=20, caught=20)
RATE = RateClaim("harm", 1e-3, 0.05, 1)


def traffic(labels: int, *, drawn_at: float = 0.1, uniform: bool = True) -> LabelledTraffic:
    requests = round(labels / drawn_at)
    return LabelledTraffic("e", "harm", (Segment(requests, drawn_at),), (), labels, 0, requests, requests, uniform)


def test_a_gate_passes_when_nothing_was_late_and_the_recall_is_shown() -> None:
    reading = read_review(FACTS, CLAIM)
    assert reading.verdict is Verdict.PASS
    assert reading.recall_lower == pytest.approx(noise.sensitivity_lower(20, 20, reading.alpha_spent))
    assert (reading.golds_to_go, reading.progress) == (0, 1.0)
    assert "20 of 20 known harms recognised" in reading.sentence
    assert any("unlike the gold items" in line for line in reading.not_shown)


def test_one_that_took_too_long_fails_and_none_done_does_not_pass() -> None:
    late = read_review(replace(FACTS, late=1, longest=2 * DAY), CLAIM)
    assert late.verdict is Verdict.FAIL
    assert "1 of 43 flagged exchanges of the last 7 days took longer than 1d00h" in late.sentence
    assert read_review(replace(FACTS, done=0), CLAIM).verdict is Verdict.INSUFFICIENT
    nothing = replace(FACTS, flagged=False, done=0, waiting=0, longest=None)
    assert read_review(nothing, CLAIM).verdict is Verdict.INSUFFICIENT


def test_where_nothing_was_flagged_it_says_so() -> None:
    reading = read_review(replace(FACTS, flagged=False), CLAIM)
    assert reading.verdict is Verdict.PASS
    assert "none was flagged" in reading.sentence
    assert reading.not_shown[0] == "How soon a flagged exchange is reviewed: none was flagged."


def test_recall_is_proved_refuted_or_neither() -> None:
    alone = replace(CLAIM, done_within=None)
    none = read_review(replace(FACTS, shown=0, caught=0), alone)
    assert (none.verdict, none.golds_to_go) == (Verdict.INSUFFICIENT, noise.golds_needed(0.8, 0.05 * 6 / 9.869604401089358))
    some = read_review(replace(FACTS, shown=20, caught=17), alone)
    assert some.verdict is Verdict.INSUFFICIENT
    assert some.golds_to_go > 0
    more = replace(FACTS, shown=20 + some.golds_to_go, caught=17 + some.golds_to_go)
    assert read_review(more, alone).verdict is Verdict.PASS
    assert read_review(replace(FACTS, shown=60, caught=20), alone).verdict is Verdict.FAIL
    later = read_review(replace(FACTS, shown=18, caught=18), replace(alone, attempt=3))
    assert later.alpha_spent < CLAIM.alpha / 5


def test_a_gate_that_asks_nothing_does_not_pass_and_contradictions_are_errors() -> None:
    assert read_review(FACTS, replace(CLAIM, done_within=None, recall_at_least=None)).verdict is Verdict.INSUFFICIENT
    for facts in (
        replace(FACTS, late=44),
        replace(FACTS, done=-1),
        replace(FACTS, longest=None),
        replace(FACTS, caught=21),
    ):
        assert read_review(facts, CLAIM).verdict is Verdict.ERROR
    for claim in (
        replace(CLAIM, done_within=timedelta(0)),
        replace(CLAIM, recall_at_least=1.0),
        replace(CLAIM, alpha=0.0),
        replace(CLAIM, attempt=0),
    ):
        assert read_review(FACTS, claim).verdict is Verdict.ERROR


@given(st.integers(0, 80).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.sampled_from([0.5, 0.8, 0.95]))
def test_a_missed_harm_never_helps_and_a_replay_agrees(counts: tuple[int, int], recall: float) -> None:
    order = [Verdict.PASS, Verdict.INSUFFICIENT, Verdict.FAIL]
    facts = replace(FACTS, shown=counts[0], caught=counts[1])
    claim = replace(CLAIM, recall_at_least=recall)
    reading = read_review(facts, claim)
    worse = read_review(replace(facts, shown=counts[0] + 1), claim)
    assert order.index(worse.verdict) >= order.index(reading.verdict)
    kept = json.loads(json.dumps(review_inputs(facts, claim)))
    assert replay_review(kept) == reading
    assert claim_of(kept) == claim


def test_inputs_of_something_else_are_not_replayed() -> None:
    with pytest.raises(NotEvidence):
        replay_review({"format": 1, "kind": "rate"})
    with pytest.raises(NotEvidence):
        replay_review({**review_inputs(FACTS, CLAIM), "facts": {"done": 1}})


def test_labels_are_held_against_the_limit_times_what_is_recognised_at_half_of_alpha() -> None:
    reading = read_rate(traffic(3565), RATE)
    assert reading.verdict is Verdict.INSUFFICIENT
    alpha = reading.alpha_spent
    readers = Readers(200, 192)
    recognised = noise.sensitivity_lower(200, 192, alpha / 2)
    for uniform in (True, False):
        measured = read_rate(traffic(9_000, uniform=uniform), RATE, readers)
        assert measured.verdict is Verdict.PASS
        assert measured.recognised == pytest.approx(recognised)
        assert measured.limit == pytest.approx(1e-3 * recognised)
        assert measured.alpha_spent == alpha
        bound = gate.upper_bound_uniform(9_000, 0, alpha / 2)
        if uniform:
            assert measured.upper_bound == pytest.approx(bound / recognised)
            assert measured.log_e == pytest.approx(float(gate.log_e_uniform(9_000, 0, 1e-3 * recognised)))
    assert "192 of 200 known harms" in read_rate(traffic(9_000), RATE, readers).sentence


def test_a_pass_is_exactly_the_true_bound_below_the_limit() -> None:
    readers = Readers(100, 96)
    for labels in range(5000, 7000, 50):
        reading = read_rate(traffic(labels), RATE, readers)
        assert (reading.verdict is Verdict.PASS) == (reading.upper_bound <= RATE.below)


def test_without_a_measurement_the_reading_says_so_and_with_too_little_it_cannot_pass() -> None:
    unmeasured = read_rate(traffic(90_000), RATE, Readers(0, 0))
    assert unmeasured.verdict is Verdict.PASS
    assert unmeasured.recognised is None
    assert any("no gold item has measured" in line for line in unmeasured.not_shown)
    required = read_rate(traffic(90_000), RATE, Readers(0, 0, required=True))
    assert required.verdict is Verdict.INSUFFICIENT
    assert "none has been shown yet" in required.sentence
    blind = read_rate(traffic(90_000), RATE, Readers(3, 0))
    assert (blind.verdict, blind.limit, blind.upper_bound) == (Verdict.INSUFFICIENT, None, 1.0)
    assert "too few" in blind.sentence
    assert any("measured on known harms" in line for line in blind.not_shown)
    assert read_rate(traffic(90_000), RATE, Readers(3, 4)).verdict is Verdict.ERROR


def test_a_rate_with_readers_replays_and_one_kept_before_there_were_any_does_too() -> None:
    labels, readers = traffic(9_000), Readers(100, 96)
    kept = json.loads(json.dumps(rate_inputs(labels, RATE, readers)))
    assert replay_rate(kept) == read_rate(labels, RATE, readers)
    assert "readers" not in rate_inputs(labels, RATE)
    assert replay_rate(rate_inputs(labels, RATE)) == read_rate(labels, RATE)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.integers(0, 20_000))
def test_one_more_missed_harm_never_makes_a_rate_pass(counts: tuple[int, int], labels: int) -> None:
    readers = Readers(*counts)
    worse = read_rate(traffic(labels), RATE, replace(readers, shown=counts[0] + 1))
    if worse.verdict is Verdict.PASS:
        assert read_rate(traffic(labels), RATE, readers).verdict is Verdict.PASS
    assert worse.upper_bound >= read_rate(traffic(labels), RATE, readers).upper_bound
