"""Who is held back from a stage: served as the stage before served, told so where that refuses, and only for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.decide import admit, visible
from headgate.gateway.errors import RequestsExhausted
from headgate.gateway.model import (
    Admitted,
    Call,
    Holdback,
    Limits,
    ModelPolicy,
    OnExtra,
    Principal,
    Refusal,
    ReleaseState,
    StageRule,
    Upstream,
)
from headgate.gateway.service.exhausted import exhausted, with_holdback
from headgate.kernel.errors import Forbidden, Refused
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, OrganisationId, ReleaseId
from headgate.kernel.lots import is_drawn
from headgate.kernel.units import Rate

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
KEY = "rel/broad@1"
OWN, APART = EpochId("rel/broad/1"), EpochId("rel/broad/1.held_back")
HELD, LET_IN = (
    next(AccountId(f"acc_{number}") for number in range(100) if is_drawn(KEY, f"acc_{number}", 0.1) is drawn)
    for drawn in (True, False)
)
KEPT = StageRule("broad", APART, frozenset({"api.chat"}), frozenset({"streaming"}), limits=Limits(requests=Rate(5, 60)))
HOLDBACK = Holdback(0.1, KEY, NOON, WEEK, KEPT)
GIVEN = StageRule(
    "broad",
    OWN,
    frozenset({"api.chat", "api.responses"}),
    frozenset({"streaming", "tools"}),
    max_output_tokens=100,
    limits=Limits(requests=Rate(50, 60)),
    holdback=HOLDBACK,
)
POLICY = ModelPolicy(
    ReleaseId("rel"), "atlas", "sha256:0", ReleaseState.LIVE, True, Upstream("http://x/v1", "up"), {"all": GIVEN}, NOON
)


def not_you(client_ip: str | None, now: datetime) -> Refused | None:
    return Forbidden("Not you.")


def a_principal(account: AccountId = HELD, **changes: Any) -> Principal:
    principal = Principal(
        key_id=KeyId("key"),
        account_id=account,
        organisation_id=None,
        grant_id=GrantId("grt"),
        cohort="all",
        scopes=frozenset({"api.chat", "api.responses"}),
        quota_percent=100,
        refusal=lambda _ip, _now: None,
    )
    return replace(principal, **changes)


def a_call(**changes: Any) -> Call:
    return replace(Call("api.chat", "atlas", False, frozenset(), 10, None, 1, 1), **changes)


def ask(principal: Principal, *, now: datetime = NOON, policy: ModelPolicy = POLICY, **call: Any) -> Admitted | Refusal:
    return admit(a_call(**call), principal, policy, now=now, assumed_output_tokens=100)


def refused(answer: Admitted | Refusal) -> tuple[str, str, str | None]:
    assert isinstance(answer, Refusal)
    return answer.error.code, answer.error.message, answer.param


def test_both_sides_are_served_each_under_its_own_rule_limits_and_epoch() -> None:
    held, let_in = ask(a_principal(HELD)), ask(a_principal(LET_IN))
    assert isinstance(held, Admitted)
    assert isinstance(let_in, Admitted)
    assert (held.rule.epoch, held.rule.stage, [meter.limit for meter in held.meters]) == (APART, "broad", [5])
    assert (let_in.rule.epoch, let_in.rule.stage, [meter.limit for meter in let_in.meters]) == (OWN, "broad", [50])
    assert [meter.scope for meter in held.meters] == [meter.scope for meter in let_in.meters]  # the end is no fresh quota


@pytest.mark.parametrize(
    ("asked", "param"),
    [({"capabilities": frozenset({"tools"})}, "tools"), ({"surface": "api.responses"}, None)],
    ids=["a right", "a way in"],
)
def test_what_only_the_holdback_refuses_says_so_and_until_when(asked: dict[str, Any], param: str | None) -> None:
    code, message, field = refused(ask(a_principal(HELD), **asked))
    assert (code, field) == ("stage.held_back", param)
    assert "2026-05-08 12:00 UTC" in message
    assert "drawn by lot" in message
    assert isinstance(ask(a_principal(LET_IN), **asked), Admitted)


@pytest.mark.parametrize(
    "asked",
    [{"capabilities": frozenset({"n"})}, {"surface": "api.files"}, {"output_tokens": 101}],
    ids=["right", "way", "length"],
)
def test_what_everybody_is_refused_is_refused_for_everybodys_reason(asked: dict[str, Any]) -> None:
    policy = replace(POLICY, rules={"all": replace(GIVEN, holdback=replace(HOLDBACK, rule=replace(KEPT, max_output_tokens=100)))})
    held, let_in = (refused(ask(a_principal(who), policy=policy, **asked)) for who in (HELD, LET_IN))
    assert held == let_in
    assert held[0] != "stage.held_back"


def test_who_may_not_come_in_at_all_is_told_that_and_nothing_of_lots() -> None:
    barred = a_principal(HELD, refusal=not_you)
    assert refused(ask(barred, capabilities=frozenset({"tools"})))[1] == "Not you."
    cut = replace(POLICY, state=ReleaseState.CUT)
    assert refused(ask(a_principal(HELD), policy=cut, capabilities=frozenset({"tools"})))[0] == "release.cut"
    assert refused(ask(a_principal(HELD, cohort="others")))[0] == "model_not_found"


@pytest.mark.parametrize(
    ("enrolled", "end"),
    [
        (None, NOON + WEEK),
        (NOON - timedelta(days=300), NOON + WEEK),
        (NOON + timedelta(days=3), NOON + timedelta(days=10)),
    ],
    ids=["nobody knows when", "before the stage opened", "after it did"],
)
def test_a_window_begins_with_the_stage_or_with_the_seat_and_ends_to_the_instant(
    enrolled: datetime | None, end: datetime
) -> None:
    who = a_principal(HELD, enrolled_at=enrolled)
    assert HOLDBACK.until(who, NOON) == HOLDBACK.until(who, end - timedelta(microseconds=1)) == end
    assert HOLDBACK.until(who, end) is None
    after = ask(who, now=end, capabilities=frozenset({"tools"}))
    assert isinstance(after, Admitted)
    assert after.rule is GIVEN


@given(st.lists(st.sampled_from([AccountId(f"acc_{number}") for number in range(300)]), min_size=2, unique=True), st.integers())
def test_colleagues_are_on_one_side_and_a_new_account_draws_no_new_lot(accounts: list[AccountId], number: int) -> None:
    sides = {
        HOLDBACK.until(a_principal(account, organisation_id=OrganisationId(f"org_{number}")), NOON) is None
        for account in accounts
    }
    assert len(sides) == 1


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(["api.chat", "api.responses"]), st.integers(0, 6))
def test_a_lot_is_blind_to_key_grant_surface_and_day(key: str, grant: str, surface: str, day: int) -> None:
    for account in (HELD, LET_IN):
        who = a_principal(account, key_id=KeyId(key), grant_id=GrantId(grant), scopes=frozenset({surface}))
        assert (HOLDBACK.until(who, NOON + timedelta(days=day)) is not None) is (account is HELD)


def test_a_listing_shows_what_the_caller_has_and_not_what_others_have() -> None:
    assert POLICY.seen_by(a_principal(LET_IN), NOON) is POLICY
    assert POLICY.seen_by(a_principal(HELD), NOON + WEEK) is POLICY
    assert POLICY.seen_by(a_principal(HELD), NOON).rules["all"] is KEPT
    only_new = a_principal(HELD, scopes=frozenset({"api.responses"}))
    assert not visible(only_new, POLICY.seen_by(only_new, NOON))
    assert visible(only_new, POLICY.seen_by(only_new, NOON + WEEK))


def test_what_is_stripped_for_who_is_held_back_is_declared_as_ever() -> None:
    strips = replace(KEPT, on_extra=OnExtra.STRIP)
    policy = replace(POLICY, rules={"all": replace(GIVEN, holdback=replace(HOLDBACK, rule=strips))})
    answer = ask(a_principal(HELD), policy=policy, capabilities=frozenset({"tools"}))
    assert isinstance(answer, Admitted)
    assert answer.stripped == ("tools",)


def refused_by(admitted: Admitted | Refusal) -> Refusal:
    """Return what is told when the first limit of an admission leaves nothing."""
    assert isinstance(admitted, Admitted)
    return with_holdback(exhausted(admitted.meters[0], 0, 30.0, need=1), admitted)


def test_a_limit_that_only_the_held_back_have_says_why_and_until_when() -> None:
    told = refused_by(ask(a_principal())).error
    assert isinstance(told, RequestsExhausted)
    assert "All 5 of this grant's requests in this window are used." in told.message
    assert "Until 2026-05-08 12:00 UTC this account keeps the limits of the stage before" in told.message
    assert (told.rule, told.retry_after_s) == ("stage broad, holdback, how_much.requests", 30.0)
    others = refused_by(ask(a_principal(LET_IN))).error
    assert "by lot" not in others.message
    assert others.rule == "how_much.requests"
    later = refused_by(ask(a_principal(), now=NOON + WEEK)).error
    assert "by lot" not in later.message


@pytest.mark.parametrize(
    ("others", "is_told"),
    [
        (Limits(requests=Rate(5, 60)), False),
        (Limits(requests=Rate(4, 60)), False),
        (Limits(requests=Rate(6, 60)), True),
        (Limits(), True),
    ],
    ids=["the same", "less", "more", "none at all"],
)
def test_a_limit_that_others_have_as_well_is_told_as_to_them(others: Limits, *, is_told: bool) -> None:
    policy = replace(POLICY, rules={"all": replace(GIVEN, limits=others)})
    assert ("by lot" in refused_by(ask(a_principal(), policy=policy)).error.message) is is_told
