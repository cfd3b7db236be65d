from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import ErrorResponse, ModelInfo
from hypothesis import given
from hypothesis import strategies as st

from headgate.access.errors import AccountClosed, AccountSuspended, KeyRevoked, OrganisationSuspended
from headgate.gateway import errors
from headgate.gateway.model import (
    Api,
    ModelPolicy,
    Principal,
    Refusal,
    ReleaseState,
    Settings,
    StageRule,
    Standing,
    Unit,
    Upstream,
)
from headgate.gateway.wire.anthropic import ANTHROPIC, LONGEST_RETRY_S, limits, listed, model_info
from headgate.gateway.wire.headers import to_client, to_upstream
from headgate.kernel.errors import HeadgateError, Refused, Stale
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SETTINGS = Settings(
    worker="w1",
    end_user_key=b"k" * 32,
    access_url="https://example.org/access",
    appeal_url="https://example.org/appeal",
    help_url="https://example.org/errors",
)


@cache
def a_client() -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="hg_test_ada", base_url="http://127.0.0.1")


def raised(error: HeadgateError, *, type_: str | None = None) -> anthropic.APIStatusError:
    """Return what the official client raises for an error."""
    refusal = Refusal(error, "tools")
    response = httpx2.Response(
        ANTHROPIC.status(refusal),
        headers=[*ANTHROPIC.headers(refusal), *ANTHROPIC.identified("req_1")],
        content=ANTHROPIC.body(refusal, SETTINGS, type_=type_, request_id="req_1"),
        request=httpx2.Request("POST", "http://127.0.0.1/v1/messages"),
    )
    return a_client()._make_status_error_from_response(response)  # pyright: ignore[reportPrivateUsage]


def details_of(found: anthropic.APIStatusError) -> dict[str, Any]:
    assert found.details is not None
    return found.details.to_dict()


def is_tried_again(error: HeadgateError) -> bool:
    return a_client()._should_retry(raised(error).response)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("error", "status", "type_", "class_"),
    [
        (errors.Malformed("m"), 400, "invalid_request_error", anthropic.BadRequestError),
        (errors.NoKey("m"), 401, "authentication_error", anthropic.AuthenticationError),
        (errors.CapabilityNotAllowed("m"), 403, "permission_error", anthropic.PermissionDeniedError),
        (KeyRevoked("m"), 403, "permission_error", anthropic.PermissionDeniedError),
        (AccountClosed("m"), 403, "permission_error", anthropic.PermissionDeniedError),
        (errors.ModelNotFound("m"), 404, "not_found_error", anthropic.NotFoundError),
        (errors.MethodNotAllowed("m"), 405, "invalid_request_error", anthropic.APIStatusError),
        (errors.TooSlow("m"), 408, "invalid_request_error", anthropic.APIStatusError),
        (Stale("m"), 409, "conflict_error", anthropic.ConflictError),
        (errors.TooLarge("m"), 413, "request_too_large", anthropic.APIStatusError),
        (errors.WrongContentType("m"), 415, "invalid_request_error", anthropic.APIStatusError),
        (errors.TooManyAtOnce("m", retry_after_s=1), 429, "rate_limit_error", anthropic.RateLimitError),
        (errors.Faulty("m"), 500, "api_error", anthropic.InternalServerError),
        (errors.UpstreamFailed("m"), 502, "api_error", anthropic.InternalServerError),
        (errors.UpstreamTimeout("m"), 504, "timeout_error", anthropic.InternalServerError),
        (errors.Overloaded("m"), 529, "overloaded_error", anthropic.InternalServerError),
        (errors.PolicyStale("m"), 529, "overloaded_error", anthropic.InternalServerError),
    ],
)
def test_every_kind_of_error_is_raised_as_the_client_knows_it(
    error: HeadgateError, status: int, type_: str, class_: type[anthropic.APIStatusError]
) -> None:
    found = raised(error)

    assert isinstance(found, class_)
    assert (found.status_code, found.type, found.api_message, found.request_id) == (status, type_, "m", "req_1")
    assert found.error_code == error.code
    assert found.response.headers["x-headgate-code"] == error.code


def test_what_headgate_says_besides_is_in_the_details() -> None:
    error = errors.CapabilityNotAllowed("No tools.", rule="stage trusted, what.capabilities", help="Allowed: streaming.")

    body = json.loads(ANTHROPIC.body(Refusal(error, "tools"), SETTINGS, request_id="req_1"))

    assert ErrorResponse.model_validate({**body, "error": {**body["error"], "details": None}}).request_id == "req_1"
    assert body["type"] == "error"
    assert body["error"]["details"] == {
        "error_code": "capability.not_allowed",
        "headgate": {
            "code": "capability.not_allowed",
            "rule": "stage trusted, what.capabilities",
            "help": "Allowed: streaming.",
            "link": "https://example.org/access",
            "param": "tools",
        },
    }


@pytest.mark.parametrize("class_", [AccountSuspended, OrganisationSuspended])
def test_whoever_is_suspended_is_on_hold_and_may_appeal(class_: type[Refused]) -> None:
    found = raised(class_("Suspended.", rule="account state"))

    assert type(found).__name__ == "OrganizationOnHoldError"
    assert found.error_code == "organization_on_hold"
    assert details_of(found)["appeal_url"] == "https://example.org/appeal"
    assert (
        details_of(raised(class_("Suspended.", link="https://example.org/case/1")))["appeal_url"] == "https://example.org/case/1"
    )
    assert found.response.headers["x-headgate-code"] == class_.code


@pytest.mark.parametrize("class_", [errors.RequestsExhausted, errors.TokensExhausted])
def test_what_a_stage_limits_per_window_is_a_ramp(class_: Any) -> None:
    found = raised(class_("Wait.", retry_after_s=3.2))

    assert (type(found).__name__, found.response.headers["retry-after"]) == ("RampLimitExceededError", "4")
    assert raised(class_("Never.", retry_after_s=None)).error_code == class_.code


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (errors.RequestsExhausted("m", retry_after_s=0.1), True),
        (errors.RequestsExhausted("m", retry_after_s=LONGEST_RETRY_S), True),
        (errors.RequestsExhausted("m", retry_after_s=LONGEST_RETRY_S + 1), False),
        (errors.TotalTokensExhausted("m", retry_after_s=None), False),
        (errors.NoKey("m"), False),
        (errors.ReleaseCut("m"), False),
        (AccountSuspended("m"), False),
        (errors.ModelNotFound("m"), False),
        (errors.Malformed("m"), False),
        (errors.TooSlow("m"), False),
        (Stale("m"), False),
        (errors.Overloaded("m"), True),
        (errors.UpstreamFailed("m"), True),
    ],
)
def test_only_what_time_may_cure_is_tried_again(error: HeadgateError, again: bool) -> None:
    assert is_tried_again(error) is again


def test_another_type_can_be_named() -> None:
    assert raised(errors.ReleaseCut("m"), type_="access_revoked").type == "access_revoked"


@given(rule=st.text(max_size=30), message=st.text(max_size=30))
def test_no_text_breaks_out_of_a_header_or_the_body(rule: str, message: str) -> None:
    refusal = Refusal(errors.ReleaseCut(message, rule=rule))

    assert json.loads(ANTHROPIC.body(refusal, SETTINGS))["error"]["message"] == message
    assert all(b"\r" not in value and b"\n" not in value for _, value in ANTHROPIC.headers(refusal))


# Limits.


def test_limits_stand_at_instants_and_the_tightest_is_told() -> None:
    found = ANTHROPIC.limits(
        [
            Standing(Unit.REQUESTS, 100, 40, 59.2),
            Standing(Unit.REQUESTS, 1000, 7, 3600.0),
            Standing(Unit.TOKENS, 5000, 4000, 0.0),
            Standing(Unit.CONCURRENCY, 4, 1, 0.0),
        ],
        now=NOON,
    )

    assert dict(found) == {
        b"anthropic-ratelimit-requests-limit": b"1000",
        b"anthropic-ratelimit-requests-remaining": b"7",
        b"anthropic-ratelimit-requests-reset": b"2026-05-01T13:00:00Z",
        b"anthropic-ratelimit-tokens-limit": b"5000",
        b"anthropic-ratelimit-tokens-remaining": b"4000",
        b"anthropic-ratelimit-tokens-reset": b"2026-05-01T12:00:00Z",
    }
    assert limits([], now=NOON) == []


# Models.


def anywhere(client_ip: str | None, now: datetime) -> Refused | None:
    return None


ADA = Principal(KeyId("key"), AccountId("acc"), None, GrantId("grt"), "vetted", frozenset({"api.messages"}), 100, anywhere)


def a_policy(model: str) -> ModelPolicy:
    rule = StageRule("trusted", EpochId("e"), frozenset({"api.messages"}), frozenset({"tools"}), max_output_tokens=512)
    return ModelPolicy(
        ReleaseId("rel"), model, "sha256:0", ReleaseState.LIVE, True, Upstream("http://x/v1", "up"), {"vetted": rule}, NOON
    )


MODELS = [a_policy(f"m{number:02}") for number in range(25)]


def test_a_model_is_told_as_the_client_knows_it() -> None:
    told = model_info(a_policy("atlas"), ADA)

    model = ModelInfo.model_validate(told)
    assert (model.id, model.display_name, model.type, model.lifecycle) == ("atlas", "atlas", "model", "active")
    assert (model.created_at, model.max_tokens) == (NOON, 512)
    assert told["headgate"] == {
        "release": "rel",
        "stage": "trusted",
        "surfaces": ["api.messages"],
        "capabilities": ["tools"],
        "max_output_tokens": 512,
        "max_turns": None,
    }


def test_an_instant_is_told_in_universal_time() -> None:
    there = replace(a_policy("atlas"), created=NOON.astimezone(timezone(timedelta(hours=9))))

    assert model_info(there, ADA)["created_at"] == "2026-05-01T12:00:00Z"


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ({}, range(20), True),
        ({"limit": "3"}, range(3), True),
        ({"limit": "25"}, range(25), False),
        ({"limit": "0"}, range(1), True),
        ({"limit": "many"}, range(20), True),
        ({"limit": "99999"}, range(20), True),
        ({"limit": "3", "after_id": "m03"}, range(4, 7), True),
        ({"after_id": "m20"}, range(21, 25), False),
        ({"after_id": "m24"}, range(0), False),
        ({"limit": "2", "after_id": "nobody"}, range(2), True),
        ({"limit": "3", "before_id": "m10"}, range(7, 10), True),
        ({"limit": "3", "before_id": "m02"}, range(2), False),
    ],
)
def test_models_are_listed_page_by_page(query: dict[str, str], ids: range, more: bool) -> None:
    page: Any = listed(MODELS, ADA, **query)

    names = [f"m{number:02}" for number in ids]
    assert [model["id"] for model in page["data"]] == names
    assert page["has_more"] is more
    assert (page["first_id"], page["last_id"]) == ((names[0], names[-1]) if names else (None, None))


@given(limit=st.integers(1, 30))
def test_following_pages_visits_every_model_once(limit: int) -> None:
    seen: list[str] = []
    after: str | None = None
    while True:
        page: Any = listed(MODELS, ADA, after_id=after, limit=str(limit))
        seen += [model["id"] for model in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break

    assert seen == [policy.model for policy in MODELS]


# Headers.


def test_the_api_s_own_headers_reach_the_upstream_and_the_client_s_credentials_do_not() -> None:
    sent = to_upstream(
        [
            (b"x-api-key", b"hg_test_ada"),
            (b"authorization", b"Bearer hg_test_ada"),
            (b"anthropic-version", b"2023-06-01"),
            (b"anthropic-beta", b"a-1,b-2"),
            (b"anthropic-workspace-id", b"wrkspc_1"),
            (b"anthropic-user-profile-id", b"profile_1"),
        ],
        request_id="ex_1",
        account="acc_1",
        api_key="own",
        api=Api.ANTHROPIC,
    )

    assert dict(sent) == {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "a-1,b-2",
        "accept-encoding": dict(sent)["accept-encoding"],
        "x-headgate-request-id": "ex_1",
        "authorization": "Bearer own",
        "x-api-key": "own",
    }


def test_the_upstream_s_identifier_and_limits_are_not_taken_for_headgate_s() -> None:
    upstream = [(b"Request-Id", b"req_theirs"), (b"Anthropic-RateLimit-Requests-Limit", b"4000"), (b"Retry-After", b"19")]

    assert to_client(upstream, request_id="ex_1", api=Api.ANTHROPIC) == [
        (b"retry-after", b"19"),
        (b"x-headgate-upstream-request-id", b"req_theirs"),
        (b"request-id", b"ex_1"),
        (b"x-request-id", b"ex_1"),
    ]
