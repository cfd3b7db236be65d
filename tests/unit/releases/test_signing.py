"""Who may sign, when a signature lapses, and what takes two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.actor import Role
from headgate.kernel.verdict import Verdict, worst
from headgate.releases.decide.approvals import Requirement, complete_at, missing_roles, reading, what_changed
from headgate.releases.decide.verdicts import judge
from headgate.releases.model.reading import GateReading
from headgate.releases.model.release import Approval, Material, SignedFor, Waiver

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN = Material(
    purpose=SignedFor.PROMOTE,
    to=2,
    version="sha256:v",
    plan="sha256:p",
    epochs=(("staff", 1),),
    verdicts=(("soak", Verdict.PASS), ("rate.x", Verdict.INSUFFICIENT)),
    harms=(("soak", 0), ("rate.x", 3)),
    incidents=1,
)
BOTH = Requirement("approval", (Role.SAFETY_LEAD, Role.RELEASE_MANAGER), 2)


def signed(who: str, *roles: Role, hours: int = 0) -> Approval:
    return Approval(f"stf_{who}", who, frozenset(roles), NOON + timedelta(hours=hours), SEEN)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (replace(SEEN, verdicts=(("soak", Verdict.STALE), ("rate.x", Verdict.INSUFFICIENT))), "soak no longer passes"),
        (replace(SEEN, verdicts=(("rate.x", Verdict.INSUFFICIENT),)), "soak no longer passes"),
        (replace(SEEN, harms=(("soak", 0), ("rate.x", 4))), "a harm was confirmed"),
        (replace(SEEN, incidents=2), "an incident was opened"),
        (replace(SEEN, plan="sha256:q"), "the plan or the version"),
        (replace(SEEN, version="sha256:w"), "the plan or the version"),
        (replace(SEEN, epochs=(("staff", 2),)), "begun afresh"),
        (replace(SEEN, purpose=SignedFor.RESUME), "something else"),
        (replace(SEEN, to=3), "something else"),
    ],
)
def test_a_signature_lapses_when_the_evidence_changes_materially(later: Material, why: str) -> None:
    assert why in (what_changed(SEEN, later) or "")


@pytest.mark.parametrize(
    "later",
    [
        SEEN,
        replace(SEEN, incidents=0),
        replace(SEEN, verdicts=(("soak", Verdict.PASS), ("rate.x", Verdict.PASS))),
    ],
)
def test_better_news_leaves_a_signature_standing(later: Material) -> None:
    assert what_changed(SEEN, later) is None


def test_distinct_people_sign_for_one_role_each() -> None:
    one_person = [signed("a", Role.SAFETY_LEAD, Role.RELEASE_MANAGER)]
    assert complete_at(BOTH, one_person, author="") is None
    assert complete_at(BOTH, [*one_person, signed("b", Role.SECURITY)], author="") is None
    assert complete_at(BOTH, [*one_person, signed("b", Role.SAFETY_LEAD, hours=2)], author="") == NOON + timedelta(hours=2)


def test_one_person_may_sign_for_two_roles_only_where_the_plan_says_so() -> None:
    loose = replace(BOTH, distinct=False)
    assert complete_at(loose, [signed("a", Role.SAFETY_LEAD, Role.RELEASE_MANAGER)], author="") == NOON


def test_the_author_does_not_count() -> None:
    both = [signed("a", Role.SAFETY_LEAD), signed("b", Role.RELEASE_MANAGER)]
    assert complete_at(BOTH, both, author="stf_b") is None
    assert missing_roles(BOTH, both, author="stf_b") == (Role.RELEASE_MANAGER,)


def test_a_quorum_may_be_more_people_than_roles() -> None:
    three = Requirement("entry.weights", (Role.SAFETY_LEAD,), 3)
    people = [signed(name, Role.SAFETY_LEAD) for name in "abc"]
    assert complete_at(three, people[:2], author="") is None
    assert complete_at(three, people, author="") == NOON


def test_approval_opens_last_and_counts_after_its_cool_off() -> None:
    both = [signed("a", Role.SAFETY_LEAD), signed("b", Role.RELEASE_MANAGER)]
    cooling = replace(BOTH, cool_off=timedelta(hours=72))
    shut = reading(BOTH, [], author="", is_open=False, now=NOON)
    assert (shut.verdict, shut.sentence) == (Verdict.INSUFFICIENT, "opens when the above pass")
    assert reading(cooling, both, author="", is_open=True, now=NOON + timedelta(hours=71)).verdict is Verdict.INSUFFICIENT
    assert reading(cooling, both, author="", is_open=True, now=NOON + timedelta(hours=72)).verdict is Verdict.PASS


def a_reading(name: str, verdict: Verdict) -> GateReading:
    return GateReading.of(name, "soak", verdict, "", numbers={}, inputs={})


@given(st.lists(st.sampled_from(Verdict), max_size=6))
def test_a_stage_is_clear_only_when_every_gate_passes_and_there_is_one(verdicts: list[Verdict]) -> None:
    together = judge([a_reading(f"g{n}", verdict) for n, verdict in enumerate(verdicts)], (), stage="staff", now=NOON)
    assert together.verdict is worst(verdicts)
    assert together.clear is (bool(verdicts) and set(verdicts) == {Verdict.PASS})


WAIVER = Waiver("staff", "g", "why", NOON + timedelta(days=1), "stf_a", NOON, "stf_b")


@given(st.sampled_from(Verdict))
def test_a_waived_gate_is_shown_as_waived_and_keeps_its_verdict(verdict: Verdict) -> None:
    together = judge([a_reading("g", verdict)], [WAIVER], stage="staff", now=NOON)
    assert together.standings[0].shown == "WAIVED"
    assert together.verdict is verdict
    assert together.clear


@pytest.mark.parametrize(
    ("waiver", "now"),
    [
        (WAIVER, NOON + timedelta(days=1)),
        (replace(WAIVER, confirmed_by=None), NOON),
        (replace(WAIVER, stage="trusted"), NOON),
        (replace(WAIVER, gate_id="h"), NOON),
    ],
)
def test_a_waiver_that_ended_or_lacks_its_second_person_or_is_for_another_gate_bypasses_nothing(
    waiver: Waiver, now: datetime
) -> None:
    assert not judge([a_reading("g", Verdict.FAIL)], [waiver], stage="staff", now=now).clear
