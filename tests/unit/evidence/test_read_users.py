"""What users say of a claim, from the values alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence.decide.users import read_users
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm
from headgate.evidence.model.reviewing import Readers
from headgate.evidence.model.users import CleanUsers, HarmfulUser, LabelledUsers, UsersClaim
from headgate.evidence.wire import encode
from headgate.evidence.wire.users import claim_of, failed_inputs, replay_users, users_inputs
from headgate.kernel.verdict import Verdict
from headgate.stats import noise
from headgate.stats import users as process

FIRST = 6 / math.pi**2
WEEK = timedelta(days=7)
CLAIM = UsersClaim("advice", below=1e-2, worst_share=0.25, window=WEEK, alpha=0.05 / FIRST, attempt=1)  # spends 0.05
SURE = Harm(1.0, 1.0)


def crowd(clean: int, *harmful: HarmfulUser, floor: float = 1.0, behind: int = 0, hazard: str = "advice") -> LabelledUsers:
    groups = (CleanUsers(clean, 20 * clean, 20 * clean, floor),) if clean else ()
    return LabelledUsers("r1/trusted/1", hazard, WEEK, groups, harmful, clean + len(harmful) + behind)


def somebody(harms: int, of: int = 20, *, doubtful: int = 0, harm: Harm = SURE, floor: float = 1.0) -> HarmfulUser:
    return HarmfulUser(of, of, floor, (harm,) * harms, (harm,) * doubtful)


def test_users_pass_at_exactly_the_user_that_the_boundary_names() -> None:
    enough = process.clean_users_to_go([], [], 1e-2, 0.05, 0.25)
    assert enough == 91
    short, reached = read_users(crowd(enough - 1), CLAIM), read_users(crowd(enough), CLAIM)
    assert (short.verdict, short.users_to_go.best) == (Verdict.INSUFFICIENT, 1)
    assert (reached.verdict, reached.users_to_go.best) == (Verdict.PASS, 0)
    assert reached.upper_bound <= 1e-2 < short.upper_bound
    assert reached.claim == "users like these"
    assert "users like these" in reached.sentence


def test_the_number_of_requests_does_not_matter() -> None:
    few = read_users(crowd(88), CLAIM)
    many = replace(crowd(88), clean=(CleanUsers(88, 88_000_000, 88_000_000, 1.0),))
    assert read_users(many, CLAIM).log_e == few.log_e


def test_nobody_is_no_evidence() -> None:
    reading = read_users(crowd(0), CLAIM)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert (reading.log_e, reading.harm_log_e) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.0, abs=1e-12))
    assert reading.mean_share is None
    assert reading.upper_bound == 0.25
    assert "a pass takes 91 users" in reading.sentence


def test_harm_among_users_is_shown_when_there_is_much() -> None:
    reading = read_users(crowd(100, *[somebody(4)] * 30), CLAIM)
    assert reading.verdict is Verdict.FAIL
    assert (reading.users, reading.harmful) == (130, 30)
    assert reading.mean_share == pytest.approx(30 * 0.2 / 130)
    assert reading.users_to_go.never


def test_what_nobody_judged_stands_against_a_pass_and_shows_no_harm() -> None:
    reading = read_users(crowd(100, *[somebody(0, doubtful=4)] * 30), CLAIM)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert reading.harmful == 0
    assert reading.log_e < 0
    assert reading.harm_log_e < 0
    assert reading.users_to_go.never


def test_what_nobody_judged_counts_up_to_the_worst_share_and_is_no_contradiction() -> None:
    at_worst = read_users(crowd(200, somebody(5)), CLAIM)
    beyond = read_users(crowd(200, somebody(0, doubtful=20)), CLAIM)
    assert beyond.log_e == pytest.approx(at_worst.log_e, abs=1e-12)


@pytest.mark.parametrize("user", [somebody(6), somebody(1, of=1), somebody(2, of=3)])
def test_a_user_beyond_the_worst_share_is_an_error_and_never_cut_down(user: HarmfulUser) -> None:
    reading = read_users(crowd(5_000, user), CLAIM)
    assert reading.verdict is Verdict.ERROR
    assert "enforcement does not do what the plan says" in reading.sentence
    assert (reading.log_e, reading.users, reading.upper_bound) == (0.0, 0, 1.0)
    # the same users with nothing promised of enforcement are evidence, and less of it
    assert read_users(crowd(5_000, user), replace(CLAIM, worst_share=1.0)).verdict is Verdict.PASS


def test_a_score_cannot_hide_a_user_beyond_the_worst_share() -> None:
    """Weighed by its probability each harm is small; counted, they are more than was to be possible."""
    harms = somebody(6, harm=Harm(0.9, 0.1), floor=0.1)
    assert read_users(crowd(5_000, harms, floor=0.1), CLAIM).verdict is Verdict.ERROR


def test_drawing_a_tenth_takes_ten_times_the_users() -> None:
    all_seen, tenth = read_users(crowd(80), CLAIM), read_users(crowd(800, floor=0.1), CLAIM)
    assert tenth.log_e == pytest.approx(all_seen.log_e, rel=0.03)
    assert any("about 0.1 of each" in line for line in tenth.not_shown)
    drawn = HarmfulUser(20, 4, 0.1, (Harm(0.1, 0.1),), ())
    assert read_users(crowd(800, drawn, floor=0.1), CLAIM).mean_share == pytest.approx(0.05 / 80.1)


def test_a_changed_floor_is_said() -> None:
    mixed = LabelledUsers("e", "advice", WEEK, (CleanUsers(50, 500, 60, 0.1), CleanUsers(40, 400, 80, 0.2)), (), 90)
    reading = read_users(mixed, CLAIM)
    assert reading.weighted
    assert any("in proportion to their floor" in line for line in reading.not_shown)


def test_what_reviewers_miss_lowers_the_limit_and_costs_users() -> None:
    known = Readers(shown=100, caught=96)
    recognised = noise.sensitivity_lower(100, 96, 0.025)
    reading = read_users(crowd(120), CLAIM, known)
    assert reading.recognised == pytest.approx(recognised)
    assert reading.limit == pytest.approx(1e-2 * recognised)
    enough = process.clean_users_to_go([], [], 1e-2 * recognised, 0.025, 0.25)
    assert enough > 91
    assert read_users(crowd(enough - 1), CLAIM, known).verdict is Verdict.INSUFFICIENT
    assert read_users(crowd(enough), CLAIM, known).verdict is Verdict.PASS
    assert "allows for the rest" in reading.sentence
    assert any("measured on known harms" in line for line in reading.not_shown)


def test_a_gate_that_asks_for_it_takes_no_pass_before_reviewers_were_measured() -> None:
    nobody = Readers(0, 0, required=True)
    reading = read_users(crowd(5_000), CLAIM, nobody)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert "no pass before gold items" in reading.sentence
    assert read_users(crowd(5_000), CLAIM, replace(nobody, required=False)).verdict is Verdict.PASS
    assert any("no gold item has measured" in line for line in reading.not_shown)


def test_reviewers_who_recognise_nothing_show_nothing_and_harm_is_still_shown() -> None:
    useless = Readers(50, 0)
    assert read_users(crowd(5_000), CLAIM, useless).verdict is Verdict.INSUFFICIENT
    assert read_users(crowd(5_000), CLAIM, useless).upper_bound == 0.25
    assert read_users(crowd(100, *[somebody(4)] * 30), CLAIM, useless).verdict is Verdict.FAIL
    assert read_users(crowd(5_000), CLAIM, Readers(5, 6)).verdict is Verdict.ERROR


def test_too_few_users_are_told_how_many_it_takes() -> None:
    reading = read_users(crowd(40, behind=12), CLAIM)
    assert reading.tightest == pytest.approx(process.tightest_share(40, 0.05, 0.25))
    first = reading.not_shown[0]
    assert first.startswith("A user-level claim: 40 users show no mean share below 0.023")
    assert "1.0e-2" in first or "0.01" in first
    assert "51 more" in first
    assert any("12 users wait" in line for line in reading.not_shown)
    assert any("plan's word" in line for line in reading.not_shown)
    enough = read_users(crowd(400), replace(CLAIM, worst_share=1.0))
    assert not any(line.startswith("A user-level claim") for line in enough.not_shown)
    assert not any("plan's word" in line for line in enough.not_shown)


def test_a_later_attempt_has_less_to_spend_and_says_so() -> None:
    reading = read_users(crowd(95), replace(CLAIM, attempt=2))
    assert reading.verdict is Verdict.INSUFFICIENT
    assert reading.alpha_spent == pytest.approx(0.05 / 4)
    assert any("attempt 2" in line for line in reading.not_shown)


@pytest.mark.parametrize(
    "claim",
    [
        replace(CLAIM, below=0.25),
        replace(CLAIM, below=0.3),
        replace(CLAIM, below=0.0),
        replace(CLAIM, worst_share=0.0),
        replace(CLAIM, worst_share=1.1),
        replace(CLAIM, alpha=0.0),
        replace(CLAIM, attempt=0),
        replace(CLAIM, window=timedelta(0)),
        replace(CLAIM, hazard="other"),
        replace(CLAIM, window=timedelta(days=1)),
    ],
)
def test_a_claim_that_makes_no_sense_is_an_error(claim: UsersClaim) -> None:
    assert read_users(crowd(5_000), claim).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    "seen",
    [
        replace(crowd(100), enrolled=99),
        replace(crowd(100), clean=(CleanUsers(-1, 0, 0, 1.0),)),
        replace(crowd(100), clean=(CleanUsers(100, 99, 0, 1.0),)),
        replace(crowd(100), clean=(CleanUsers(100, 200, 201, 1.0),)),
        replace(crowd(100), clean=(CleanUsers(100, 200, 100, 0.0),)),
        crowd(100, somebody(0)),
        crowd(100, HarmfulUser(20, 1, 1.0, (SURE, SURE), ())),
        crowd(100, HarmfulUser(20, 21, 1.0, (SURE,), ())),
        crowd(100, HarmfulUser(20, 20, 1.5, (SURE,), ())),
        crowd(100, somebody(1, harm=Harm(0.1, 0.2))),
        crowd(100, somebody(1, harm=Harm(1.2, 0.2))),
    ],
)
def test_users_that_contradict_themselves_are_an_error(seen: LabelledUsers) -> None:
    reading = read_users(seen, CLAIM)
    assert reading.verdict is Verdict.ERROR
    assert "contradicts itself" in reading.sentence


def anybody(exchanges: int, harms: int, doubtful: int, pi: float) -> HarmfulUser:
    return HarmfulUser(exchanges, exchanges, 0.2, (Harm(pi, 0.2),) * harms, (Harm(pi, 0.2),) * doubtful)


people = st.lists(st.builds(anybody, st.integers(4, 40), st.integers(0, 2), st.integers(1, 2), st.floats(0.2, 1.0)), max_size=5)


@given(people, st.integers(0, 3_000), st.sampled_from([0.3, 0.5, 1.0]), st.integers(1, 3))
def test_a_reading_replays_from_its_inputs(harmful: list[HarmfulUser], clean: int, worst: float, attempt: int) -> None:
    seen, claim = crowd(clean, *harmful, floor=0.2), replace(CLAIM, worst_share=worst, attempt=attempt)
    readers = Readers(60, 58) if clean % 2 else None
    stored = json.loads(json.dumps(users_inputs(seen, claim, readers)))
    reading = read_users(seen, claim, readers)
    assert replay_users(stored) == reading
    assert claim_of(stored) == claim
    assert encode(reading)["verdict"] == reading.verdict.value


def test_a_reading_that_failed_replays_too() -> None:
    again = replay_users(failed_inputs(CLAIM, "Nothing is concluded: gone."))
    assert (again.verdict, again.sentence) == (Verdict.ERROR, "Nothing is concluded: gone.")


@pytest.mark.parametrize("spoilt", [{"kind": "rate"}, {"format": 2}, {"users": None}, {"claim": {}}])
def test_other_inputs_are_refused(spoilt: dict[str, object]) -> None:
    with pytest.raises(NotEvidence):
        replay_users({**users_inputs(crowd(3), CLAIM), **spoilt})


@given(people, st.integers(0, 600), st.booleans())
def test_taking_a_harm_away_is_never_needed_for_a_better_verdict(harmful: list[HarmfulUser], clean: int, found: bool) -> None:
    """One more harm, or one more doubt, never turns anything into a PASS."""
    claim = replace(CLAIM, worst_share=1.0, below=0.05)
    before = read_users(crowd(clean, *harmful, floor=0.2), claim)
    more = somebody(int(found), doubtful=int(not found), harm=Harm(0.5, 0.2), floor=0.2)
    after = read_users(
        replace(crowd(clean - 1 if clean else 0, *harmful, more, floor=0.2), enrolled=clean + len(harmful) + 1), claim
    )
    if clean:
        assert after.log_e <= before.log_e + 1e-12
        assert not (after.verdict is Verdict.PASS and before.verdict is not Verdict.PASS)
