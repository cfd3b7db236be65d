"""The calibration ledger: what is predicted, when, and how it is scored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence.cli.calibration import said
from headgate.evidence.decide.calibration import FURTHEST_DAYS, LEAST_LATER, MOST_PACES, due, forecast, score
from headgate.evidence.decide.rate import read_rate
from headgate.evidence.model import Harm, LabelledTraffic, Method, RateClaim, Segment
from headgate.evidence.model.calibration import Forecast
from headgate.kernel.verdict import Verdict
from headgate.stats.calibration import chance_below

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CLAIM = RateClaim("harm", below=1e-2, alpha=0.05, attempt=1)
FIRST = Forecast(
    epoch="rel_a/staff/1",
    hazard="harm",
    below=1e-2,
    alpha=0.05,
    reading="sha256:0",
    made_at=NOON,
    verdict=Verdict.INSUFFICIENT,
    method=Method.UNIFORM,
    labels=200,
    harms=0,
    upper_bound=0.018,
    level=0.03,
    to_go=400,
    expected_at=NOON + 8 * DAY,
)


def traffic(labels: int, harms: int = 0) -> LabelledTraffic:
    return LabelledTraffic(
        "rel_a/staff/1", "harm", (Segment(labels, 1.0),), (Harm(1.0, 1.0),) * harms, labels, 0, labels, labels, uniform=True
    )


def said_of(labels: int, harms: int = 0, *, earlier: Sequence[Forecast] = (), at: datetime = NOON) -> Forecast:
    return forecast("rel_a/staff/1", CLAIM, read_rate(traffic(labels, harms), CLAIM), "sha256:1", earlier, at)


def test_a_forecast_is_due_at_first_daily_and_with_a_new_verdict() -> None:
    assert due(None, Verdict.INSUFFICIENT, NOON)
    assert not due(FIRST, Verdict.INSUFFICIENT, NOON + DAY / 2)
    assert due(FIRST, Verdict.INSUFFICIENT, NOON + DAY)
    assert due(FIRST, Verdict.PASS, NOON + timedelta(seconds=1))


def test_a_day_is_named_at_the_pace_of_the_week_before() -> None:
    before = replace(FIRST, labels=100, made_at=NOON - 2 * DAY)
    made = said_of(200, earlier=[before])
    assert made.to_go is not None
    assert made.expected_at == NOON + timedelta(days=made.to_go / 50)
    older = replace(FIRST, labels=0, made_at=NOON - 30 * DAY)
    assert said_of(200, earlier=[older, before]).expected_at == made.expected_at


def test_no_day_is_named_without_a_pace_or_without_an_end() -> None:
    assert said_of(200).expected_at is None
    assert said_of(200, earlier=[replace(FIRST, made_at=NOON - DAY)]).expected_at is None  # no label came since


def test_a_day_further_than_anybody_plans_is_not_named() -> None:
    far = replace(FIRST, labels=198, made_at=NOON - 7 * DAY)
    assert said_of(200, earlier=[far]).expected_at is not None
    claim = replace(CLAIM, below=1e-4)
    made = forecast("rel_a/staff/1", claim, read_rate(traffic(200), claim), "sha256:1", [far], NOON)
    assert made.to_go is None or made.to_go * 3.5 > FURTHEST_DAYS
    assert made.expected_at is None


def test_a_rate_above_the_limit_is_never_expected_to_pass() -> None:
    made = said_of(400, 8)
    assert (made.verdict, made.to_go, made.expected_at) == (Verdict.INSUFFICIENT, None, None)


def test_a_pass_has_nothing_to_go() -> None:
    made = said_of(2000)
    assert (made.verdict, made.to_go) == (Verdict.PASS, None)


def test_a_bound_is_scored_by_the_labels_that_came_later() -> None:
    found = score([FIRST, replace(FIRST, made_at=NOON + DAY, labels=500, harms=2)]).later
    assert found is not None
    assert (found.forecasts, found.series, found.covered) == (1, 1, 1.0)  # two in three hundred lies below 0.018
    chance = chance_below(0, 200, 300, 0.018)
    assert found.expected == pytest.approx(chance)
    assert found.brier == pytest.approx((1 - chance) ** 2)
    broken = score([FIRST, replace(FIRST, made_at=NOON + DAY, labels=500, harms=6)]).later
    assert broken is not None
    assert broken.covered == 0.0
    assert broken.brier == pytest.approx(chance**2)


@pytest.mark.parametrize(
    "end",
    [
        {"labels": 200 + LEAST_LATER - 1},
        {"labels": 500, "harms": -1},
        {"labels": 500, "method": Method.HORVITZ_THOMPSON},
        {"hazard": "another", "labels": 500},
        {"below": 0.02, "labels": 500},
    ],
)
def test_what_cannot_be_compared_is_not_scored(end: dict[str, object]) -> None:
    changed = replace(FIRST, made_at=NOON + DAY)
    for field, value in end.items():
        changed = replace(changed, **{field: value})  # pyright: ignore[reportArgumentType] - any field of a forecast
    assert score([FIRST, changed]).later is None


def test_a_bound_is_scored_by_the_next_epoch_of_its_release_and_no_other() -> None:
    following = replace(FIRST, epoch="rel_a/trusted/1", made_at=NOON + 2 * DAY, labels=1000, harms=30)
    foreign = replace(following, epoch="rel_b/staff/1", harms=0)
    found = score([FIRST, replace(FIRST, made_at=NOON + DAY, labels=250), following, foreign]).following
    assert found is not None
    assert (found.forecasts, found.series, found.covered) == (2, 1, 0.0)
    late = replace(FIRST, made_at=NOON + 3 * DAY, labels=250)  # said when the next epoch was under way: no prediction
    again = score([FIRST, late, following]).following
    assert again is not None
    assert again.forecasts == 1


def test_each_series_counts_alike_however_many_forecasts_it_has() -> None:
    many = [replace(FIRST, made_at=NOON + at * DAY / 24, labels=200 + at) for at in range(50)]
    many.append(replace(FIRST, made_at=NOON + 9 * DAY, labels=900, harms=0))
    bad = [replace(FIRST, epoch="rel_b/staff/1"), replace(FIRST, epoch="rel_b/staff/1", made_at=NOON + DAY, labels=500, harms=30)]
    found = score([*many, *bad]).later
    assert found is not None
    assert (found.forecasts, found.series, found.covered) == (51, 2, 0.5)


def test_chances_are_told_apart_and_every_forecast_lies_in_one_band() -> None:
    sure = [FIRST, replace(FIRST, made_at=NOON + DAY, labels=500, harms=2)]
    doubtful = replace(FIRST, epoch="rel_b/staff/1", harms=3, upper_bound=0.015)
    unsure = [doubtful, replace(doubtful, made_at=NOON + DAY, labels=500, harms=30)]
    found = score([*sure, *unsure]).later
    assert found is not None
    first, last = found.bands
    chances = [chance_below(3, 200, 300, 0.015), chance_below(0, 200, 300, 0.018)]
    assert [first.expected, last.expected] == pytest.approx(chances)
    assert all(band.over < chance <= band.most for band, chance in zip(found.bands, chances, strict=True))
    assert (first.covered, last.covered) == (0.0, 1.0)
    assert sum(band.forecasts for band in found.bands) == found.forecasts


def test_labels_and_days_to_a_pass_are_compared_with_the_pass() -> None:
    passed = replace(FIRST, made_at=NOON + 10 * DAY, labels=800, verdict=Verdict.PASS, to_go=None, expected_at=None)
    undated = replace(FIRST, made_at=NOON + DAY, labels=300, to_go=1000, expected_at=None)
    found = score([FIRST, undated, passed]).pace
    assert found is not None
    assert (found.forecasts, found.series, found.dated) == (2, 1, 1)
    assert found.ratio == pytest.approx((600 / 400 + 500 / 1000) / 2)
    assert found.within_twice == 1.0
    assert found.days_late == pytest.approx(2.0)
    assert [(each.said, each.took) for each in found.latest] == [(400, 600), (1000, 500)]
    assert score([FIRST, undated]).pace is None


def test_only_the_latest_forecasts_of_a_pass_are_told_one_by_one() -> None:
    many = [replace(FIRST, made_at=NOON + at * DAY, labels=200 + at) for at in range(MOST_PACES + 5)]
    passed = replace(FIRST, made_at=NOON + 500 * DAY, labels=800, verdict=Verdict.PASS, to_go=None, expected_at=None)
    found = score([*many, passed]).pace
    assert found is not None
    assert (found.forecasts, len(found.latest), found.latest[-1].took) == (MOST_PACES + 5, MOST_PACES, 600 - MOST_PACES - 4)


def test_without_predictions_it_says_so_and_invents_nothing() -> None:
    found = score([])
    assert (found.forecasts, found.later, found.following, found.pace) == (0, None, None, None)
    assert list(said(found)) == [
        "Nothing has been predicted yet: predictions are written down daily while a rate gate is waited for."
    ]


def test_the_printed_lines_carry_their_counts() -> None:
    passed = replace(FIRST, made_at=NOON + 10 * DAY, labels=800, verdict=Verdict.PASS, to_go=None, expected_at=None)
    lines = list(said(score([FIRST, passed])))
    assert lines[0] == "2 predictions about 1 stretch of labels."
    assert any("100.0% of 1 prediction (1 stretch)" in line for line in lines)
    assert any("1.50 times as many" in line for line in lines)
    assert any("2.0 days late" in line for line in lines)


@given(st.permutations(range(6)))
def test_the_order_in_which_they_are_read_does_not_matter(order: list[int]) -> None:
    made = [replace(FIRST, made_at=NOON + at * DAY, labels=200 + 150 * at, harms=at // 2) for at in range(6)]
    assert score([made[at] for at in order]) == score(made)
