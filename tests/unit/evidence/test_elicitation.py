"""What many more prompts may bring out, from the tries of those there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headgate.evidence.decide.elicitation import blocks, forecast_of, tail_of, warnings
from headgate.evidence.model.cases import Exhibit
from headgate.evidence.model.filing import Foresight
from headgate.evidence.model.record import Counts, Direction, Effort, Kind, Relationship, Tally
from headgate.kernel.ids import EvidenceId
from headgate.stats import forecast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_result(*tallies: tuple[int, int, int], direction: Direction = Direction.LOWER_IS_BETTER) -> Exhibit:
    n = sum(size * clusters for size, _, clusters in tallies)
    k = sum(hits * clusters for _, hits, clusters in tallies)
    return Exhibit(
        EvidenceId("ev_1"),
        "sha256:0",
        next(iter(Kind)),
        "attack_success",
        direction,
        Counts(k, n, "attempt", tuple(Tally(*tally) for tally in tallies)) if tallies else None,
        None,
        next(iter(Effort)),
        1,
        next(iter(Relationship)),
        NOON,
        NOON + timedelta(days=90),
        final=True,
        carried=False,
    )


def test_the_hardest_prompts_are_drawn_on() -> None:
    result = a_result((20, 0, 900), (20, 1, 80), (20, 2, 15), (20, 5, 4), (20, 12, 1))
    (said,) = warnings([result])
    psi = forecast.elicitation_psi([0.6, *[0.25] * 4, *[0.1] * 10, *[0.05] * 10])
    tail = forecast.fit_tail(psi, queries=1000)
    assert tail is not None
    assert tail_of(result) == tail
    assert "10 hardest of 1,000, the worst of 100,000" in said
    assert tail.worst_of(100_000) > 0.6


def test_refusals_are_read_the_other_way_round() -> None:
    one = a_result((10, 0, 50), (10, 1, 9), (10, 4, 3))
    other = a_result((10, 10, 50), (10, 9, 9), (10, 6, 3), direction=Direction.HIGHER_IS_BETTER)
    assert tail_of(one) == tail_of(other)


@pytest.mark.parametrize(
    "result",
    [
        a_result(),
        a_result((1, 1, 30), (1, 0, 70)),
        a_result((20, 0, 100)),
        a_result((20, 1, 2), (20, 0, 98)),
        a_result((20, 1, 50)),
        replace(a_result((20, 1, 80), (20, 5, 9)), counts=Counts(125, 1780, "item", (Tally(20, 1, 80), Tally(20, 5, 9)))),
    ],
)
def test_what_says_nothing_of_the_tail_forecasts_nothing(result: Exhibit) -> None:
    assert tail_of(result) is None
    assert warnings([result]) == []


def test_one_that_always_elicits_is_no_certainty() -> None:
    tail = tail_of(a_result((4, 4, 2), (4, 2, 5), (4, 1, 20), (4, 0, 100)))
    assert tail is not None
    assert 0 < tail.worst_of(10_000) < 1


def test_a_forecast_is_the_line_drawn_on() -> None:
    result = a_result((20, 0, 900), (20, 1, 80), (20, 2, 15), (20, 5, 4), (20, 12, 1))
    psi = forecast.elicitation_psi([0.6, *[0.25] * 4, *[0.1] * 10, *[0.05] * 10])
    tail = forecast.fit_tail(psi, queries=1000)
    assert tail is not None
    assert forecast_of(result, Foresight(100_000, 0.5)) == tail.worst_of(100_000)


def test_looking_no_further_than_was_tried_forecasts_no_less_than_was_seen() -> None:
    result = a_result((20, 0, 900), (20, 1, 80), (20, 2, 15), (20, 5, 4), (20, 12, 1))
    near = forecast_of(result, Foresight(1, 0.5))
    assert near is not None
    assert near >= 0.6
    assert near == forecast_of(result, Foresight(1000, 0.5))


def test_what_one_prompt_did_blocks_where_no_line_can_be_drawn() -> None:
    result = a_result((20, 15, 1), (20, 0, 99))
    assert forecast_of(result, Foresight(1000, 0.5)) is None
    assert blocks(result, Foresight(1000, 0.5)) == "one prompt elicited it in 0.75 of tries, more than 0.5"
    assert blocks(result, Foresight(1000, 0.8)) is None


def test_outputs_of_a_prompt_are_its_tries() -> None:
    attempts = a_result((20, 1, 80), (20, 5, 9), (20, 0, 100))
    assert attempts.counts is not None
    outputs = replace(attempts, counts=replace(attempts.counts, unit="output"))
    assert tail_of(outputs) == tail_of(attempts) is not None
