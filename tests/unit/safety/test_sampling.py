from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

from headgate.safety.errors import WatchPlanInvalid
from headgate.safety.sampling.coin import coin, commitment, second_reader, sends_to_review
from headgate.safety.sampling.probability import (
    PI_MIN,
    Flagged,
    Stratum,
    WatchPlan,
    floor_probability,
    is_drawn,
    pi_for,
    strata_from,
    weekly_rate,
)

SEED = bytes(range(32))
PROBABILITY = st.floats(min_value=PI_MIN, max_value=1.0)
PLANS = st.builds(
    WatchPlan,
    flagged=st.sampled_from(Flagged),
    strata=st.sampled_from([(), (Stratum(0.0, 1.0), Stratum(0.5, 3.7)), (Stratum(0.2, 15.0),)]),
)


def test_a_coin_is_the_first_eight_bytes_of_a_keyed_hash() -> None:
    digest = hmac.new(SEED, b"ex_1", hashlib.sha256).digest()
    assert coin(SEED, "ex_1") == int.from_bytes(digest[:8], "big") / 2**64
    assert commitment(SEED) == "sha256:" + hashlib.sha256(SEED).hexdigest()


def test_coins_are_uniform() -> None:
    counts = [0] * 50
    for number in range(50_000):
        counts[int(coin(SEED, f"ex_{number}") * 50)] += 1
    assert float(stats.chisquare(counts).pvalue) > 0.001  # pyright: ignore[reportAttributeAccessIssue]


def test_the_second_reader_s_coin_is_another_coin() -> None:
    both = sum(second_reader(SEED, f"ex_{n}", 0.5) and sends_to_review(SEED, f"ex_{n}", 0.5) for n in range(4000))
    assert 900 < both < 1100


@given(st.text(min_size=1), PROBABILITY, PROBABILITY)
def test_a_coin_that_sends_to_review_does_so_at_every_higher_probability(exchange: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert sends_to_review(SEED, exchange, high) or not sends_to_review(SEED, exchange, low)
    assert sends_to_review(SEED, exchange, 1.0)


@given(st.none() | st.floats(0, 1), st.booleans(), PROBABILITY, PLANS)
def test_no_exchange_is_below_the_floor(score: float | None, flagged: bool, pi0: float, plan: WatchPlan) -> None:
    assert pi0 <= pi_for(score, flagged=flagged, pi0=pi0, plan=plan) <= 1.0


def test_flagged_and_unscored_exchanges_are_certain_under_review_all() -> None:
    plan = WatchPlan(sample_per_week=10)
    assert pi_for(0.3, flagged=True, pi0=0.01, plan=plan) == 1.0
    assert pi_for(None, flagged=False, pi0=0.01, plan=plan) == 1.0
    assert pi_for(0.3, flagged=False, pi0=0.01, plan=plan) == 0.01


def test_a_uniform_sample_does_not_look_at_scores() -> None:
    plan = WatchPlan(flagged=Flagged.NONE, uniform=True)
    assert {pi_for(score, flagged=flag, pi0=0.2, plan=plan) for score in (None, 0.0, 1.0) for flag in (True, False)} == {0.2}
    with pytest.raises(WatchPlanInvalid):
        WatchPlan(flagged=Flagged.REVIEW_ALL, uniform=True)


@pytest.mark.parametrize(
    "strata", [(Stratum(0.5, 1.0), Stratum(0.2, 2.0)), (Stratum(0.5, 0.5),), (Stratum(2.0, 2.0),), (Stratum(0.1, float("nan")),)]
)
def test_strata_ascend_and_only_raise(strata: tuple[Stratum, ...]) -> None:
    with pytest.raises(WatchPlanInvalid):
        WatchPlan(strata=strata)
    with pytest.raises(WatchPlanInvalid):
        WatchPlan(sample_per_week=0)


def test_strata_from_scores_that_mostly_agree_do_not_raise_the_floor_for_all() -> None:
    strata = strata_from([0.0] * 990 + [0.8] * 10)
    assert strata == (Stratum(0.0, 1.0), Stratum(0.8, 3.7))
    with pytest.raises(ValueError, match="reference"):
        strata_from([])


@pytest.mark.parametrize(
    ("labels", "requests", "current", "floor"),
    [
        (None, 1e9, None, 1.0),
        (280.0, 0.0, None, 1.0),
        (280.0, 280.0, None, 1.0),
        (280.0, 28_000.0, None, 0.01),
        (280.0, 28_000.0, 0.015, 0.015),
        (280.0, 28_000.0, 0.006, 0.006),
        (280.0, 28_000.0, 0.02, 0.01),
        (280.0, 28_000.0, 0.005, 0.01),
        (280.0, 1e12, 0.01, PI_MIN),
        (280.0, 100.0, 0.01, 1.0),
    ],
)
def test_the_floor_moves_only_when_it_is_off_by_two(
    labels: float | None, requests: float, current: float | None, floor: float
) -> None:
    assert floor_probability(labels, requests, current) == pytest.approx(floor)


def test_a_young_epoch_is_read_as_if_it_were_a_day_old() -> None:
    assert weekly_rate(100, timedelta(seconds=1)) == 700
    assert weekly_rate(700, timedelta(days=7)) == 700
    assert weekly_rate(100, timedelta(days=-3)) == 700


@pytest.mark.parametrize(
    ("status", "http_status", "size", "drawn"),
    [
        ("COMPLETED", 200, 0, True),
        ("completed", 200, 10, True),
        ("UNKNOWN", None, 0, True),
        ("CUT", 200, 0, False),
        ("CUT", 200, 1, True),
        ("CLIENT_GONE", 200, 5, True),
        ("CLIENT_GONE", None, 0, False),
        ("UPSTREAM_REFUSED", 400, 90, False),
        ("UPSTREAM_FAILED", 502, 90, False),
        ("UPSTREAM_FAILED", 200, 90, True),
        ("UPSTREAM_FAILED", None, 0, False),
        ("SOMETHING_NEW", None, 0, True),
    ],
)
def test_what_showed_something_is_drawn(status: str, http_status: int | None, size: int, drawn: bool) -> None:
    assert is_drawn(status, http_status=http_status, response_bytes=size) is drawn
