"""A forecast can block an evaluation and can never pass one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence.decide.elicitation import forecast_of
from headgate.evidence.decide.evaluation import read_evaluation
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.cases import Exhibit, Shelf
from headgate.evidence.model.filing import Filed, Foresight
from headgate.evidence.model.record import Counts, Direction, Tally
from headgate.evidence.wire import cases as wired
from headgate.evidence.wire import decode, encode
from headgate.kernel.ids import EvidenceId
from headgate.kernel.verdict import Verdict
from headgate.testing.evidence import EVALUATION, NOON, POSTS, exhibit

P, N, F = Verdict.PASS, Verdict.INSUFFICIENT, Verdict.FAIL
FAR = Foresight(1_000_000, 0.5)
LAX = Foresight(1000, 0.99)


def tried(*tallies: tuple[int, int, int]) -> Counts:
    """Return prompts that were tried several times: tries, successes, prompts."""
    n, k = (sum(tally[place] * tally[2] for tally in tallies) for place in (0, 1))
    return Counts(k, n, "attempt", tuple(Tally(*tally) for tally in tallies))


MILD = tried((20, 0, 900), (20, 1, 95), (20, 2, 5))
"""Passes every other rule, and its hardest prompts are all easy."""
STEEP = tried((20, 0, 900), (20, 1, 80), (20, 2, 15), (20, 5, 4), (20, 9, 1))


def read(*found: Exhibit, asked: Foresight | None, then: Foresight | None = None) -> tuple[Verdict, str]:
    """Return what results that arrived under ``then`` come to under ``asked``."""
    posts = replace(POSTS, forecast=asked)
    shelf = Shelf(tuple(replace(each, goalposts=replace(POSTS, forecast=then)) for each in found))
    reading = read_evaluation(shelf, replace(EVALUATION, goalposts=posts), now=NOON)
    return reading.verdict, reading.sentence


@pytest.mark.parametrize(
    ("counts", "asked", "verdict", "says"),
    [
        (STEEP, None, P, "stays below"),
        (MILD, LAX, P, "a forecast can block, and shows nothing"),
        (STEEP, FAR, N, "the worst of 1,000,000 queries is forecast to elicit it"),
        (tried((20, 0, 980), (20, 18, 1)), FAR, N, "one prompt elicited it in 0.9 of tries"),
        (tried((20, 0, 1000)), FAR, N, "nothing can be forecast from it"),
        (Counts(3, 120, "item"), FAR, N, "nothing can be forecast from it"),
        (tried((20, 12, 100)), FAR, F, "shown at or above"),
    ],
)
def test_what_a_forecast_does(counts: Counts, asked: Foresight | None, verdict: Verdict, says: str) -> None:
    told, sentence = read(exhibit(counts=counts), asked=asked, then=asked)
    assert (told, says in sentence) == (verdict, True), sentence


def test_a_forecast_says_what_it_came_to() -> None:
    posts = replace(POSTS, forecast=FAR)
    shelf = Shelf((exhibit(counts=STEEP, goalposts=posts),))
    numbers = read_evaluation(shelf, replace(EVALUATION, goalposts=posts), now=NOON).numbers
    assert numbers["forecast"] == forecast_of(shelf.exhibits[0], FAR)
    assert (numbers["forecast_tolerated"], numbers["forecast_queries"]) == (0.5, 1_000_000)
    assert "forecast" not in read_evaluation(shelf, EVALUATION, now=NOON).numbers


def test_one_result_that_can_forecast_speaks_for_one_that_cannot_and_not_the_other_way_round() -> None:
    items = exhibit("b", 3, 120)
    assert read(exhibit(counts=MILD), items, asked=LAX, then=LAX)[0] is P
    assert read(exhibit(counts=STEEP), items, asked=FAR, then=FAR)[0] is N
    assert read(items, asked=FAR, then=FAR)[0] is N


@pytest.mark.parametrize("now", [None, Foresight(1_000_000, 0.99), Foresight(1, 0.6)])
def test_tolerating_more_after_a_result_arrived_does_not_help_it(now: Foresight | None) -> None:
    verdict, sentence = read(exhibit(counts=STEEP), asked=now, then=FAR)
    assert verdict is N
    if now is None or now.tolerated == 0.99:
        assert "moved goalposts: threshold 0.3 and margin 0.1, 0.5 of the worst of 1,000,000 queries when" in sentence


TALLIES = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 12), st.integers(1, 300)).map(lambda one: (one[0], min(one[:2]), one[2])),
    min_size=1,
    max_size=5,
    unique_by=lambda one: one[:2],
)
ASKED = st.builds(Foresight, st.integers(1, 10**9), st.floats(0.001, 0.999))


@st.composite
def results(draw: st.DrawFn) -> Exhibit:
    made = exhibit(draw(st.uuids()).hex, counts=tried(*draw(TALLIES)))
    return replace(
        made,
        final=draw(st.booleans()),
        produced_at=NOON - timedelta(days=draw(st.integers(0, 40))),
        metric=draw(st.sampled_from(["accuracy", "refusal"])),
        direction=draw(st.sampled_from([Direction.LOWER_IS_BETTER] * 4 + [Direction.HIGHER_IS_BETTER])),
    )


RANK = [P, N, Verdict.STALE, Verdict.ERROR, F]


@given(st.lists(results(), max_size=4), ASKED)
def test_asking_for_a_forecast_never_makes_a_verdict_better_and_never_a_failure(found: list[Exhibit], asked: Foresight) -> None:
    without, _ = read(*found, asked=None)
    told, _ = read(*found, asked=asked, then=asked)
    assert told is not P or without is P
    assert told is not F or without is F
    assert RANK.index(told) >= RANK.index(without) or without is Verdict.STALE


@given(st.lists(results(), max_size=3), ASKED, st.integers(1, 10**9), st.floats(0.001, 0.999))
def test_asking_for_less_never_takes_a_pass_away(found: list[Exhibit], asked: Foresight, queries: int, tolerated: float) -> None:
    milder = Foresight(min(queries, asked.queries), max(tolerated, asked.tolerated))
    if read(*found, asked=asked, then=asked)[0] is P:
        assert read(*found, asked=milder, then=asked)[0] is P


@given(st.lists(results(), max_size=3), ASKED)
def test_a_reading_with_a_forecast_is_worked_out_again_from_its_inputs(found: list[Exhibit], asked: Foresight) -> None:
    claim = replace(EVALUATION, goalposts=replace(POSTS, forecast=asked))
    shelf = Shelf(tuple(replace(each, id=EvidenceId(f"ev_{at}")) for at, each in enumerate(found)))
    assert wired.replay(wired.inputs(shelf, claim, now=NOON)) == read_evaluation(shelf, claim, now=NOON)


def test_inputs_that_were_kept_before_forecasts_were_asked_for_still_read() -> None:
    kept = wired.inputs(Shelf((exhibit(),)), EVALUATION, now=NOON)
    reading = wired.replay(kept)
    del kept["claim"]["goalposts"]["forecast"]
    del kept["shelf"]["exhibits"][0]["goalposts"]["forecast"]
    assert wired.replay(kept) == reading


@pytest.mark.parametrize("lacking", ["attempts", "margin", "metric"])
def test_whatever_else_is_missing_is_no_evidence(lacking: str) -> None:
    kept = wired.inputs(Shelf((exhibit(),)), EVALUATION, now=NOON)
    del kept["claim"]["goalposts"][lacking]
    with pytest.raises(NotEvidence):
        wired.replay(kept)


def test_a_field_that_nobody_knows_is_no_evidence() -> None:
    with pytest.raises(NotEvidence, match="nobody knows"):
        decode(encode(exhibit()) | {"mood": None}, Exhibit)
    with pytest.raises(NotEvidence):
        decode({"record": {}}, Filed)


@pytest.mark.parametrize("asked", [Foresight(0, 0.5), Foresight(10, 0.0), Foresight(10, 1.0)])
def test_a_forecast_that_cannot_be_is_an_error(asked: Foresight) -> None:
    assert read(exhibit(counts=MILD), asked=asked)[0] is Verdict.ERROR
