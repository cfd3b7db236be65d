from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.decide import STRIPPABLE, admit, may_list, still_admits, visible
from headgate.gateway.model import (
    Admitted,
    Api,
    Call,
    Holder,
    Limits,
    ModelPolicy,
    OnExtra,
    Principal,
    Refusal,
    ReleaseState,
    StageRule,
    Upstream,
)
from headgate.kernel.errors import Forbidden, Refused
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, OrganisationId, ReleaseId
from headgate.kernel.units import Rate

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ONE = NOON + timedelta(hours=1)
CAPABILITIES = (
    "streaming",
    "tools",
    "parallel_tool_calls",
    "logprobs",
    "n",
    "seed",
    "system_prompt",
    "response_format",
    "image_input",
)


def a_rule(**changes: Any) -> StageRule:
    rule = StageRule("trusted", EpochId("rel/trusted/1"), frozenset({"api.chat"}), frozenset(CAPABILITIES))
    return replace(rule, **changes)


def a_policy(**changes: Any) -> ModelPolicy:
    policy = ModelPolicy(
        ReleaseId("rel"), "atlas", "sha256:0", ReleaseState.LIVE, True, Upstream("http://x/v1", "up"), {"vetted": a_rule()}, NOON
    )
    return replace(policy, **changes)


def from_one_address_before_one(client_ip: str | None, now: datetime) -> Refused | None:
    return None if client_ip == "10.1.2.3" and now < ONE else Forbidden("Not you, not here, not now.")


def a_principal(**changes: Any) -> Principal:
    principal = Principal(
        key_id=KeyId("key"),
        account_id=AccountId("acc"),
        organisation_id=None,
        grant_id=GrantId("grt"),
        cohort="vetted",
        scopes=frozenset({"api.chat"}),
        quota_percent=100,
        refusal=from_one_address_before_one,
    )
    return replace(principal, **changes)


def a_call(**changes: Any) -> Call:
    return replace(Call("api.chat", "atlas", False, frozenset(), 10, None, 1, 1, "10.1.2.3"), **changes)


def decide(call: Call, principal: Principal, policy: ModelPolicy | None) -> Admitted | Refusal:
    return admit(call, principal, policy, now=NOON, assumed_output_tokens=100)


def test_a_call_within_everything_is_admitted() -> None:
    decision = decide(a_call(), a_principal(), a_policy())

    assert isinstance(decision, Admitted)
    assert (decision.reserved_tokens, decision.stripped, decision.output_cap) == (110, (), None)


@pytest.mark.parametrize(("call", "now"), [(a_call(client_ip="10.9.9.9"), NOON), (a_call(client_ip=None), NOON), (a_call(), ONE)])
def test_whoever_issued_the_key_is_asked_from_where_and_when(call: Call, now: datetime) -> None:
    decision = admit(call, a_principal(), a_policy(), now=now, assumed_output_tokens=100)
    listing = may_list(a_principal(), client_ip=call.client_ip, now=now)

    assert isinstance(decision, Refusal)
    assert decision.error.code == "forbidden"
    assert listing is not None
    assert listing.error.code == "forbidden"


def refused(_ip: str | None, _now: datetime) -> Forbidden:
    return Forbidden("No.")


def test_a_key_that_may_not_be_used_is_told_of_nothing_else() -> None:
    principal = a_principal(refusal=refused, cohort="public", scopes=frozenset[str]())

    decision = decide(a_call(model="unheard"), principal, None)

    assert isinstance(decision, Refusal)
    assert decision.error.code == "forbidden"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cohort": "public"}, "model_not_found"),
        ({"scopes": frozenset({"chat_page"})}, "scope.missing"),
        ({"scopes": frozenset[str]()}, "scope.missing"),
    ],
)
def test_a_key_reaches_as_far_as_its_cohort_and_its_scopes(change: dict[str, Any], code: str) -> None:
    decision = decide(a_call(), a_principal(**change), a_policy())

    assert isinstance(decision, Refusal)
    assert decision.error.code == code
    assert not visible(a_principal(**change), a_policy())


@pytest.mark.parametrize("state", list(ReleaseState))
def test_only_a_serving_state_admits(state: ReleaseState) -> None:
    decision = decide(a_call(), a_principal(), a_policy(state=state))

    expected = {"live", "held", "frozen", "narrowed", "completed"}
    assert isinstance(decision, Admitted) == (state.value in expected)
    assert visible(a_principal(), a_policy(state=state)) == (state.value in expected)


def test_a_state_that_nobody_has_heard_of_serves_nobody() -> None:
    assert ReleaseState.of("paused-ish") is ReleaseState.UNKNOWN
    assert isinstance(decide(a_call(), a_principal(), a_policy(state=ReleaseState.of("x"))), Refusal)


@given(st.sets(st.sampled_from(CAPABILITIES)), st.sets(st.sampled_from(CAPABILITIES)), st.sampled_from(OnExtra))
def test_nothing_is_admitted_that_the_stage_does_not_name(asked: set[str], allowed: set[str], on_extra: OnExtra) -> None:
    rule = a_rule(capabilities=frozenset(allowed), on_extra=on_extra)
    decision = decide(a_call(capabilities=frozenset(asked)), a_principal(), a_policy(rules={"vetted": rule}))
    extra = asked - allowed

    if isinstance(decision, Admitted):
        assert set(decision.stripped) == extra
        assert not extra or (on_extra is OnExtra.STRIP and extra <= STRIPPABLE)
    else:
        assert extra
        assert decision.error.code == "capability.not_allowed"
        assert on_extra is OnExtra.REFUSE or not extra <= STRIPPABLE


@given(
    st.integers(1, 500) | st.none(), st.integers(1, 500) | st.none(), st.sampled_from(OnExtra), st.booleans(), st.integers(1, 4)
)
def test_an_admitted_answer_is_never_longer_than_the_stage_allows(
    asked: int | None, most: int | None, on_extra: OnExtra, limited: bool, choices: int
) -> None:
    limits = Limits(tokens=Rate(10_000, 60)) if limited else Limits()
    rule = a_rule(max_output_tokens=most, on_extra=on_extra, limits=limits)
    decision = decide(a_call(output_tokens=asked, choices=choices), a_principal(), a_policy(rules={"vetted": rule}))

    if isinstance(decision, Refusal):
        assert decision.error.code == "capability.max_output_tokens"
        assert asked is not None
        assert most is not None
        assert asked > most
        assert on_extra is OnExtra.REFUSE
        return
    bound = decision.output_cap or asked
    assert most is None or (bound is not None and bound <= most)
    assert bound is not None or not limited
    assert decision.reserved_tokens == 10 + choices * (bound or 100)


def test_too_many_turns_are_refused() -> None:
    decision = decide(a_call(turns=3), a_principal(), a_policy(rules={"vetted": a_rule(max_turns=2, on_extra=OnExtra.STRIP)}))

    assert isinstance(decision, Refusal)
    assert decision.error.code == "capability.max_turns"


LIMITS = Limits(requests=Rate(5, 60), tokens=Rate(1000, 60), total_tokens=5000, concurrency=2)


def meters_of(limits: Limits, percent: int) -> list[tuple[str, int]]:
    decision = decide(a_call(), a_principal(quota_percent=percent), a_policy(rules={"vetted": a_rule(limits=limits)}))
    assert isinstance(decision, Admitted)
    return [(meter.scope, meter.limit) for meter in decision.meters]


def test_every_limit_of_the_stage_is_reserved() -> None:
    assert meters_of(LIMITS, 100) == [
        ("grant:grt@rel:requests:60", 5),
        ("grant:grt@rel:tokens:60", 1000),
        ("grant:grt@rel:total_tokens", 5000),
        ("grant:grt@rel:concurrency", 2),
    ]


def test_a_grant_that_is_limited_is_left_with_its_share_of_every_limit_under_the_same_count() -> None:
    assert meters_of(LIMITS, 30) == [
        ("grant:grt@rel:requests:60", 1),
        ("grant:grt@rel:tokens:60", 300),
        ("grant:grt@rel:total_tokens", 1500),
        ("grant:grt@rel:concurrency", 1),
    ]


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_a_share_is_never_more_than_the_whole_nor_nothing_of_something(limit: int, percent: int) -> None:
    [(_, share)] = meters_of(Limits(total_tokens=limit), percent)

    assert share <= limit
    assert (share > 0) == (limit > 0)
    assert share <= max(1, limit * percent / 100)


SHARED = {
    Holder.COHORT: Limits(concurrency=50),
    Holder.ORGANISATION: Limits(total_tokens=9000),
    Holder.ACCOUNT: Limits(tokens=Rate(4000, 60)),
    Holder.END_USER: Limits(requests=Rate(2, 60)),
}


def scopes_of(call: Call, principal: Principal, shared: dict[Holder, Limits] | None = None) -> dict[str, int]:
    rule = a_rule(limits=Limits(requests=Rate(5, 60)), shared=SHARED if shared is None else shared)
    decision = decide(call, principal, a_policy(rules={"vetted": rule}))
    assert isinstance(decision, Admitted)
    return {meter.scope: meter.limit for meter in decision.meters}


def test_a_call_counts_for_everybody_it_belongs_to_narrowest_first() -> None:
    scopes = scopes_of(a_call(end_user="e5"), a_principal(organisation_id=OrganisationId("org")))

    assert list(scopes.items()) == [
        ("end_user:grt/e5@rel:requests:60", 2),
        ("grant:grt@rel:requests:60", 5),
        ("account:acc@rel:tokens:60", 4000),
        ("organisation:org@rel:total_tokens", 9000),
        ("cohort:vetted@rel:concurrency", 50),
    ]


def test_a_grant_that_is_limited_leaves_to_others_what_is_theirs() -> None:
    whole = scopes_of(a_call(), a_principal())
    part = scopes_of(a_call(), a_principal(quota_percent=40))

    assert part == {**whole, "grant:grt@rel:requests:60": 2}


def test_end_users_are_told_apart_within_a_grant_and_those_without_a_name_are_one() -> None:
    shared = {Holder.END_USER: SHARED[Holder.END_USER]}
    nobody = scopes_of(a_call(), a_principal(), shared)
    somebody = scopes_of(a_call(end_user="e5"), a_principal(), shared)
    elsewhere = scopes_of(a_call(end_user="e5"), a_principal(grant_id=GrantId("other")), shared)

    users = [next(scope for scope in scopes if scope.startswith("end_user:")) for scopes in (nobody, somebody, elsewhere)]
    assert len(set(users)) == 3


def test_an_account_without_an_organisation_stands_for_itself() -> None:
    shared = {Holder.ORGANISATION: SHARED[Holder.ORGANISATION]}
    alone = scopes_of(a_call(), a_principal(), shared)
    other = scopes_of(a_call(), a_principal(account_id=AccountId("else")), shared)

    assert "organisation:acc@rel:total_tokens" in alone
    assert set(alone) != set(other)


limits = st.builds(
    Limits,
    requests=st.none() | st.builds(Rate, st.integers(1, 9), st.integers(1, 99)),
    tokens=st.none() | st.builds(Rate, st.integers(1, 9), st.integers(1, 99)),
    total_tokens=st.none() | st.integers(1, 9),
    concurrency=st.none() | st.integers(1, 9),
)


@given(limits, st.dictionaries(st.sampled_from([holder for holder in Holder if holder is not Holder.GRANT]), limits))
def test_every_limit_of_every_holder_is_one_meter(own: Limits, shared: dict[Holder, Limits]) -> None:
    rule = a_rule(limits=own, shared=shared)
    decision = decide(a_call(), a_principal(), a_policy(rules={"vetted": rule}))
    assert isinstance(decision, Admitted)

    stated = sum(
        getattr(one, unit) is not None
        for one in (own, *shared.values())
        for unit in ("requests", "tokens", "total_tokens", "concurrency")
    )
    assert len(decision.meters) == len({meter.scope for meter in decision.meters}) == stated
    counts_tokens = any("tokens" in meter.unit.value for meter in decision.meters)
    assert (decision.output_cap == 100) == counts_tokens


@pytest.mark.parametrize("apis", [frozenset[Api](), frozenset({Api.OPENAI}), frozenset({Api.ANTHROPIC}), frozenset(Api)])
@pytest.mark.parametrize(("surface", "needed"), [("api.chat", Api.OPENAI), ("api.messages", Api.ANTHROPIC)])
def test_a_surface_is_served_by_a_server_that_speaks_its_api(surface: str, needed: Api, apis: frozenset[Api]) -> None:
    principal = a_principal(scopes=frozenset({surface}))
    policy = a_policy(rules={"vetted": a_rule(surfaces=frozenset({surface}))}, upstream=Upstream("http://x/v1", "up", apis=apis))

    decision = decide(a_call(surface=surface), principal, policy)

    assert isinstance(decision, Admitted) == (needed in apis)
    assert visible(principal, policy) == (needed in apis)
    if isinstance(decision, Refusal):
        assert (decision.error.code, decision.error.rule) == ("surface.not_spoken", "model.upstream.api")


def test_a_surface_that_the_stage_does_not_admit_says_nothing_of_the_server() -> None:
    decision = decide(a_call(surface="api.messages"), a_principal(), a_policy())

    assert isinstance(decision, Refusal)
    assert decision.error.code == "surface.not_admitted"


def test_an_open_answer_is_measured_by_what_would_be_admitted_now() -> None:
    call = a_call(capabilities=frozenset({"seed"}))
    earlier = decide(call, a_principal(), a_policy())
    stripping = decide(call, a_principal(), a_policy(rules={"vetted": a_rule(capabilities=frozenset(), on_extra=OnExtra.STRIP)}))
    shorter = decide(call, a_principal(), a_policy(rules={"vetted": a_rule(max_output_tokens=5)}))
    assert isinstance(earlier, Admitted)
    assert isinstance(stripping, Admitted)
    assert isinstance(shorter, Admitted)

    assert still_admits(earlier, call, earlier) is None
    assert still_admits(stripping, call, stripping) is None
    assert still_admits(stripping, call, earlier) is None
    assert still_admits(earlier, call, stripping) is not None
    assert still_admits(earlier, call, shorter) is not None
