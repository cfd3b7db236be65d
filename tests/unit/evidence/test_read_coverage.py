"""What users say of the users of another stage, from the values alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.evidence.decide.coverage import read_coverage
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm
from headgate.evidence.model.people import CoverageClaim, Division, Stratum
from headgate.evidence.model.users import CleanUsers, HarmfulUser, LabelledUsers
from headgate.evidence.wire.people import coverage_claim, coverage_inputs, failed_inputs, replay_coverage
from headgate.kernel.verdict import Verdict
from headgate.stats import coverage, users

FIRST = 6 / math.pi**2
WEEK = timedelta(days=7)
CLAIM = CoverageClaim(("language",), ("misuse",), "broad", below=0.01, alpha=0.05 / FIRST, attempt=1)  # spends 0.05
SURE = Harm(1.0, 1.0)


def crowd(clean: int, *harmful: HarmfulUser, behind: int = 0, hazard: str = "misuse") -> LabelledUsers:
    groups = (CleanUsers(clean, 20 * clean, 20 * clean, 1.0),) if clean else ()
    return LabelledUsers("r1/trusted/1", hazard, WEEK, groups, harmful, clean + len(harmful) + behind)


def somebody(harms: int, *, doubtful: int = 0) -> HarmfulUser:
    return HarmfulUser(20, 20, 1.0, (SURE,) * harms, (SURE,) * doubtful)


def by_language(*strata: tuple[str, float, LabelledUsers], worst: float = 0.25, of: str = "language") -> Division:
    places = tuple(range(1, 1 + sum(seen.enrolled > 0 for _, _, seen in strata)))
    return Division(of, "misuse", worst, tuple(Stratum(*stratum) for stratum in strata), places)


def test_a_population_that_was_met_passes() -> None:
    reading = read_coverage([by_language(("en", 0.6, crowd(900)), ("fr", 0.4, crowd(300)))], CLAIM)
    each = [users.upper_bound_users([0.0] * n, [1.0] * n, 0.025, 0.25) for n in (900, 300)]
    assert reading.verdict is Verdict.PASS
    assert reading.bound == pytest.approx(0.6 * each[0] + 0.4 * each[1])
    assert reading.unseen == ()


def test_an_unseen_stratum_outweighs_everything_and_is_named() -> None:
    reading = read_coverage([by_language(("en", 0.9, crowd(100_000)), ("fr", 0.1, crowd(0)))], CLAIM)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert reading.bound > 0.1
    assert reading.unseen == ("language: fr",)
    assert "nobody here is of language: fr" in reading.sentence
    assert any("fr, 0.1 of broad do: nobody" in line for line in reading.not_shown)


def test_an_unseen_stratum_that_is_left_out_costs_nothing() -> None:
    reading = read_coverage([by_language(("en", 1.0, crowd(900)), ("fr", 0.0, crowd(0)))], CLAIM)
    assert reading.verdict is Verdict.PASS
    assert reading.bound == pytest.approx(users.upper_bound_users([0.0] * 900, [1.0] * 900, 0.05, 0.25))


def test_harm_that_is_shown_above_the_limit_fails_whatever_else_is_unknown() -> None:
    harmful = [somebody(4) for _ in range(60)]
    reading = read_coverage([by_language(("en", 0.9, crowd(60, *harmful)), ("fr", 0.1, crowd(0)))], CLAIM)
    assert reading.verdict is Verdict.FAIL
    assert reading.carried[0].least >= 0.01
    assert "shown above" in reading.sentence


def test_what_nobody_could_judge_weighs_against_a_pass_and_is_no_harm_shown() -> None:
    doubtful = [somebody(0, doubtful=4) for _ in range(60)]
    reading = read_coverage([by_language(("en", 1.0, crowd(60, *doubtful)))], CLAIM)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert reading.carried[0].least == 0.0
    assert reading.bound > 0.05


def test_shares_that_nobody_declared_carry_nothing_over() -> None:
    claim = replace(CLAIM, of=("language", "region"))
    reading = read_coverage([by_language(("en", 1.0, crowd(900)))], claim)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert "region" in reading.sentence
    assert read_coverage([], CLAIM).verdict is Verdict.INSUFFICIENT


def test_nobody_is_no_evidence() -> None:
    reading = read_coverage([by_language(("en", 1.0, crowd(0, behind=40)))], CLAIM)
    assert (reading.verdict, reading.bound) == (Verdict.INSUFFICIENT, 1.0)
    assert "nobody's first days" in reading.sentence
    assert any("40 users wait" in line for line in reading.not_shown)


def test_every_division_must_pass() -> None:
    claim = replace(CLAIM, of=("language", "region"))
    good = by_language(("en", 1.0, crowd(900)))
    bad = by_language(("eu", 0.5, crowd(900)), ("us", 0.5, crowd(0)), of="region")
    assert read_coverage([good, bad], claim).verdict is Verdict.INSUFFICIENT
    assert read_coverage([good, replace(good, of="region")], claim).verdict is Verdict.PASS


def test_strata_with_few_users_and_users_worth_few_are_named() -> None:
    reading = read_coverage([by_language(("en", 0.1, crowd(2000)), ("fr", 0.9, crowd(12)))], CLAIM)
    said = " ".join(reading.not_shown)
    assert "only 12 users here are of it" in said
    assert "2,012 users here are worth" in said
    assert reading.carried[0].effective_users == pytest.approx(coverage.effective_users([2000, 12], [0.1, 0.9]))


def test_more_harm_than_enforcement_was_to_allow_is_an_error() -> None:
    reading = read_coverage([by_language(("en", 1.0, crowd(900, somebody(6))))], CLAIM)
    assert reading.verdict is Verdict.ERROR
    assert "worst share" in reading.sentence


GOOD = by_language(("en", 0.6, crowd(900)), ("fr", 0.4, crowd(300)))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, strata=(GOOD.strata[0], replace(GOOD.strata[1], expected=0.5))),
        replace(GOOD, strata=(GOOD.strata[0], replace(GOOD.strata[1], name="en"))),
        replace(GOOD, strata=(replace(GOOD.strata[0], expected=-0.4), replace(GOOD.strata[1], expected=1.4))),
        replace(GOOD, worst_share=0.0),
        replace(GOOD, of="region"),
        replace(GOOD, hazard="advice"),
        replace(GOOD, first_seen=(5, 2)),
        replace(GOOD, first_seen=(0,)),
        replace(GOOD, first_seen=(9999,)),
        replace(GOOD, strata=(GOOD.strata[0], Stratum("fr", 0.4, crowd(300, hazard="advice")))),
        replace(GOOD, strata=(GOOD.strata[0], Stratum("fr", 0.4, crowd(300, behind=-5)))),
    ],
)
def test_users_that_contradict_themselves_are_an_error_and_never_evidence(wrong: Division) -> None:
    reading = read_coverage([wrong], CLAIM)
    assert (reading.verdict, reading.bound, reading.carried) == (Verdict.ERROR, 1.0, ())


@pytest.mark.parametrize("change", [{"alpha": 0.0}, {"attempt": 0}, {"below": 0.0}, {"below": 1.0}])
def test_a_claim_that_contradicts_itself_is_an_error(change: dict[str, float]) -> None:
    assert read_coverage([GOOD], replace(CLAIM, **change)).verdict is Verdict.ERROR


@settings(max_examples=25)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 5), st.integers(1, 9))
def test_a_reading_replays_from_what_json_keeps_of_it(english: int, french: int, harmful: int, tenths: int) -> None:
    strata = (
        ("en", tenths / 10, crowd(english, *(somebody(2) for _ in range(harmful)), behind=3)),
        ("fr", 1 - tenths / 10, crowd(french)),
    )
    divisions = [by_language(*strata)]
    reading = read_coverage(divisions, CLAIM)
    kept = json.loads(json.dumps(coverage_inputs(divisions, CLAIM)))
    assert replay_coverage(kept) == reading
    assert coverage_claim(kept) == CLAIM


@settings(max_examples=25)
@given(st.integers(30, 400), st.integers(0, 20))
def test_one_more_harmful_user_never_lowers_the_bound(clean: int, harmful: int) -> None:
    few = read_coverage([by_language(("en", 1.0, crowd(clean, *(somebody(2) for _ in range(harmful)))))], CLAIM)
    more = read_coverage([by_language(("en", 1.0, crowd(clean - 1, *(somebody(2) for _ in range(harmful + 1)))))], CLAIM)
    assert more.bound >= few.bound * (1 - 1e-8)
    assert more.carried[0].least >= few.carried[0].least


def test_a_failure_replays_as_the_error_that_it_was() -> None:
    kept = failed_inputs(CLAIM, "Nothing is concluded: the labels are gone.")
    assert replay_coverage(kept).verdict is Verdict.ERROR


def test_inputs_of_another_kind_are_refused() -> None:
    kept = coverage_inputs([GOOD], CLAIM)
    with pytest.raises(NotEvidence):
        replay_coverage({**kept, "kind": "discovery"})
    with pytest.raises(NotEvidence):
        replay_coverage({**kept, "divisions": None})
