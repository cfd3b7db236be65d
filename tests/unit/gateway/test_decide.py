from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.decide import STRIPPABLE, admit, still_admits, visible
from headgate.gateway.model import (
    Admitted,
    Call,
    Limits,
    ModelPolicy,
    OnExtra,
    Principal,
    Refusal,
    ReleaseState,
    Sanction,
    StageRule,
    Upstream,
)
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId
from headgate.kernel.units import Rate

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
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


def a_principal(**changes: Any) -> Principal:
    later = NOON + timedelta(days=1)
    principal = Principal(
        key_id=KeyId("key"),
        account_id=AccountId("acc"),
        organisation_id=None,
        grant_id=GrantId("grt"),
        cohort="vetted",
        models=None,
        scopes=None,
        networks=None,
        key_state="active",
        key_expires_at=later,
        grant_state="active",
        grant_ends_at=later,
        account_state="active",
        terms_current=True,
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


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key_state": "revoked"}, "key.revoked"),
        ({"key_state": "quarantined"}, "key.quarantined"),
        ({"key_state": "dormant"}, "key.not_active"),
        ({"key_state": "something new"}, "key.not_active"),
        ({"key_expires_at": NOON}, "key.expired"),
        ({"networks": ()}, "key.wrong_network"),
        ({"networks": (ip_network("10.2.0.0/16"),)}, "key.wrong_network"),
        ({"account_state": "closed"}, "account.not_active"),
        ({"sanction": Sanction("suspend", "x")}, "account.sanctioned"),
        ({"sanction": Sanction("a new word", "x", until=NOON + timedelta(1))}, "account.sanctioned"),
        ({"grant_state": "pending_terms"}, "terms.not_accepted"),
        ({"terms_current": False}, "terms.not_accepted"),
        ({"grant_state": "paused"}, "grant.paused"),
        ({"grant_state": "ended"}, "grant.not_active"),
        ({"grant_ends_at": NOON}, "grant.over"),
        ({"models": frozenset[str]()}, "model_not_found"),
        ({"cohort": "public"}, "model_not_found"),
        ({"scopes": frozenset({"chat_page"})}, "key.lacks_scope"),
    ],
)
def test_every_reason_to_refuse_a_principal_has_its_code(change: dict[str, Any], code: str) -> None:
    decision = decide(a_call(), a_principal(**change), a_policy())

    assert isinstance(decision, Refusal)
    assert decision.error.code == code


@pytest.mark.parametrize(
    "change",
    [
        {"sanction": Sanction("warn", "x")},
        {"sanction": Sanction("suspend", "x", until=NOON)},
        {"grant_state": "limited"},
        {"networks": (ip_network("10.1.0.0/16"),)},
        {"scopes": frozenset({"api.chat"})},
    ],
)
def test_what_does_not_refuse_admits(change: dict[str, Any]) -> None:
    assert isinstance(decide(a_call(), a_principal(**change), a_policy()), Admitted)


def test_an_ipv4_address_in_ipv6_clothes_is_the_same_address() -> None:
    principal = a_principal(networks=(ip_network("10.1.0.0/16"),))

    assert isinstance(decide(a_call(client_ip="::ffff:10.1.2.3"), principal, a_policy()), Admitted)
    assert isinstance(decide(a_call(client_ip=None), principal, a_policy()), Refusal)


@pytest.mark.parametrize("state", list(ReleaseState))
def test_only_a_serving_state_admits(state: ReleaseState) -> None:
    decision = decide(a_call(), a_principal(), a_policy(state=state))

    expected = {"live", "held", "frozen", "narrowed", "completed"}
    assert isinstance(decision, Admitted) == (state.value in expected)
    assert visible(a_principal(), a_policy(state=state), surface="api.chat") == (state.value in expected)


def test_a_state_that_nobody_has_heard_of_serves_nobody() -> None:
    assert ReleaseState.of("paused-ish") is ReleaseState.UNKNOWN
    assert isinstance(decide(a_call(), a_principal(), a_policy(state=ReleaseState.of("x"))), Refusal)


@given(st.sets(st.sampled_from(CAPABILITIES)), st.sets(st.sampled_from(CAPABILITIES)), st.sampled_from(OnExtra), st.booleans())
def test_nothing_is_admitted_that_the_stage_does_not_name(
    asked: set[str], allowed: set[str], on_extra: OnExtra, sanctioned: bool
) -> None:
    rule = a_rule(capabilities=frozenset(allowed), on_extra=on_extra)
    sanction = Sanction("feature_limit", "x", withheld=frozenset({"tools"})) if sanctioned else None
    decision = decide(a_call(capabilities=frozenset(asked)), a_principal(sanction=sanction), a_policy(rules={"vetted": rule}))
    extra = asked - (allowed - ({"tools"} if sanctioned else set()))

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


def test_limits_of_stage_account_and_sanction_all_hold() -> None:
    limits = Limits(requests=Rate(5, 60), tokens=Rate(1000, 60), total_tokens=5000, concurrency=2)
    principal = a_principal(limits=Limits(requests=Rate(3, 60)), sanction=Sanction("throttle", "x", limits=Limits(concurrency=1)))
    decision = decide(a_call(), principal, a_policy(rules={"vetted": a_rule(limits=limits)}))

    assert isinstance(decision, Admitted)
    assert [(meter.scope, meter.limit) for meter in decision.meters] == [
        ("grant:grt@rel:requests:60", 5),
        ("grant:grt@rel:tokens:60", 1000),
        ("grant:grt@rel:total_tokens", 5000),
        ("grant:grt@rel:concurrency", 2),
        ("account:acc:requests:60", 3),
        ("sanction:acc:concurrency", 1),
    ]


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


def test_the_tables_of_this_file_cover_every_field_of_a_principal() -> None:
    deciding = {field.name for field in fields(Principal)} - {"key_id", "account_id", "organisation_id", "grant_id"}

    assert deciding == {
        "cohort", "models", "scopes", "networks", "key_state", "key_expires_at", "grant_state", "grant_ends_at",
        "account_state", "terms_current", "sanction", "limits",
    }  # fmt: skip
