"""A refusal, a limit and a list of models as the Anthropic clients understand them.

An error is ``{"type":"error","error":{"type","message","details"},"request_id"}``; ``details.error_code`` names the cause, in
a word of the API's own where it has one that means the same (``organization_on_hold``, ``ramp_limit_exceeded``), else in
Headgate's; what Headgate says besides (its code, the rule, what would help, where to turn) stands in ``details.headgate``.

The official client tries 408, 409, 429 and everything from 500 up again, and unlike OpenAI's it obeys any ``retry-after``,
hours included, asleep: so what time will not cure within two minutes says ``x-should-retry: false``.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from headgate.gateway.model import Unit
from headgate.gateway.wire.openai import header_value, link_of
from headgate.kernel.errors import (
    HeadgateError,
    Invalid,
    Limited,
    NotFound,
    Stale,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from headgate.gateway.model import ModelPolicy, Principal, Refusal, Settings, Standing

Headers = list[tuple[bytes, bytes]]

LONGEST_RETRY_S = 120
"""Seconds that a client may be asked to wait by itself; whoever must wait longer is told, and decides."""

_KINDS: tuple[tuple[type[HeadgateError], int, str], ...] = (
    (Invalid, 400, "invalid_request_error"),
    (Unauthenticated, 401, "authentication_error"),
    (Limited, 429, "rate_limit_error"),
    (NotFound, 404, "not_found_error"),
    (Stale, 409, "conflict_error"),
    (Unavailable, 529, "overloaded_error"),
)
_DENIED = (403, "permission_error")
_TYPES = {413: "request_too_large", 500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error"}
"""The type that goes with a status which an error's class names itself."""
_RETRY_UNAVAILABLE_S = 1
_ON_HOLD = frozenset({"account.suspended", "organisation.suspended"})
_ON_HOLD_KIND = (400, "invalid_request_error")
"""What the API answers an organisation that is disabled for reasons of trust and safety; its client has a class for it."""
_RAMP = frozenset({"limit.requests", "limit.tokens"})
"""What a stage limits per window is how fast use may grow before the next stage."""
_MOST_LISTED = 1000
_LISTED = 20


def status_of(error: HeadgateError) -> int:
    """Return the HTTP status of an error."""
    return _kind(error)[0]


def body_of(refusal: Refusal, settings: Settings, *, type_: str | None = None, request_id: str | None = None) -> bytes:
    """Return the error object, as JSON."""
    error = refusal.error
    said: dict[str, Any] = {
        "type": "error",
        "error": {"type": type_ or _kind(error)[1], "message": error.message, "details": _details(refusal, settings)},
        "request_id": request_id,
    }
    return json.dumps(said, separators=(",", ":")).encode()


def headers_of(refusal: Refusal) -> Headers:
    """Return the headers that a refusal adds."""
    error = refusal.error
    headers: Headers = [(b"content-type", b"application/json"), (b"x-headgate-code", header_value(error.code))]
    if error.rule is not None:
        headers.append((b"x-headgate-rule", header_value(error.rule)))
    if isinstance(error, Limited):
        wait_s = error.retry_after_s
        if wait_s is not None:
            headers.append((b"retry-after", str(max(1, math.ceil(wait_s))).encode()))
        if wait_s is None or wait_s > LONGEST_RETRY_S:
            headers.append((b"x-should-retry", b"false"))
    elif isinstance(error, Unavailable):
        if status_of(error) == _kind_of(Unavailable)[0]:
            headers.append((b"retry-after", str(_RETRY_UNAVAILABLE_S).encode()))
    else:
        # A 408 or a 409 would be sent again as it is, and refused again; the rest is said for clients that are less sure.
        headers.append((b"x-should-retry", b"false"))
        if isinstance(error, Unauthenticated):
            headers.append((b"www-authenticate", b"Bearer"))
    return headers


def limits(standings: Iterable[Standing], *, now: datetime) -> Headers:
    """Return how limits stand: of several holders' limits, the tightest.

    Args:
        standings: How they stand.
        now: The present instant, aware, in UTC; limits are said to be whole again at an instant, not after a while.
    """
    tightest: dict[str, Standing] = {}
    for standing in standings:
        if standing.unit in (Unit.REQUESTS, Unit.TOKENS):
            name = standing.unit.value
            if name not in tightest or standing.remaining < tightest[name].remaining:
                tightest[name] = standing
    return [
        pair
        for name, standing in tightest.items()
        for pair in (
            (f"anthropic-ratelimit-{name}-limit".encode(), str(standing.limit).encode()),
            (f"anthropic-ratelimit-{name}-remaining".encode(), str(standing.remaining).encode()),
            (
                f"anthropic-ratelimit-{name}-reset".encode(),
                _instant(now + timedelta(seconds=math.ceil(standing.reset_s))).encode(),
            ),
        )
    ]


def model_info(policy: ModelPolicy, principal: Principal) -> dict[str, object]:
    """Return one model as ``GET /v1/models/{id}`` has it.

    Args:
        policy: The model's policy; it has a rule for the principal's cohort.
        principal: Who asks.
    """
    rule = policy.rules[principal.cohort]
    return {
        "type": "model",
        "id": policy.model,
        "display_name": policy.model,
        "created_at": _instant(policy.created),
        "lifecycle": "active",
        "max_tokens": rule.max_output_tokens,
        "headgate": {
            "release": policy.release_id,
            "stage": rule.stage,
            "surfaces": sorted(rule.surfaces),
            "capabilities": sorted(rule.capabilities),
            "max_output_tokens": rule.max_output_tokens,
            "max_turns": rule.max_turns,
        },
    }


def listed(
    policies: Sequence[ModelPolicy],
    principal: Principal,
    *,
    after_id: str | None = None,
    before_id: str | None = None,
    limit: str | None = None,
) -> dict[str, object]:
    """Return one page of the models as ``GET /v1/models`` has it.

    Args:
        policies: The models that the principal may use, in the order of the list.
        principal: Who asks.
        after_id: The page begins behind this model; one that is not in the list is as good as none.
        before_id: The page ends in front of this model.
        limit: The most models on the page, as the query says it: 1 to 1000, 20 where it says nothing or nonsense.
    """
    names = [policy.model for policy in policies]
    most = int(limit) if limit is not None and limit.isascii() and limit.isdecimal() and len(limit) < 5 else _LISTED  # noqa: PLR2004 - digits
    most = min(max(most, 1), _MOST_LISTED)
    start, end = 0, len(names)
    if before_id in names:
        end = names.index(before_id)
        start = max(0, end - most)
        more = start > 0
    else:
        if after_id in names:
            start = names.index(after_id) + 1
        end = min(end, start + most)
        more = end < len(names)
    page = policies[start:end]
    return {
        "data": [model_info(policy, principal) for policy in page],
        "has_more": more,
        "first_id": page[0].model if page else None,
        "last_id": page[-1].model if page else None,
    }


class AnthropicDialect:
    """How the Anthropic API says no."""

    def status(self, refusal: Refusal) -> int:
        """Return the HTTP status of a refusal."""
        return status_of(refusal.error)

    def body(self, refusal: Refusal, settings: Settings, *, type_: str | None = None, request_id: str | None = None) -> bytes:
        """Return the error object."""
        return body_of(refusal, settings, type_=type_, request_id=request_id)

    def headers(self, refusal: Refusal) -> Headers:
        """Return the headers that a refusal adds."""
        return headers_of(refusal)

    def limits(self, standings: Sequence[Standing], *, now: datetime) -> Headers:
        """Return the headers that say how limits stand."""
        return limits(standings, now=now)

    def identified(self, request_id: str) -> Headers:
        """Return the headers that carry a request's identifier: the API's own, and the one that Headgate's answers all have."""
        return [(b"request-id", request_id.encode()), (b"x-request-id", request_id.encode())]


ANTHROPIC = AnthropicDialect()


def _details(refusal: Refusal, settings: Settings) -> dict[str, Any]:
    error = refusal.error
    details: dict[str, Any] = {"error_code": error.code}
    if error.code in _ON_HOLD:
        details["error_code"] = "organization_on_hold"
        details["appeal_url"] = error.link or settings.appeal_url
    elif error.code in _RAMP and isinstance(error, Limited) and error.retry_after_s is not None:
        details["error_code"] = "ramp_limit_exceeded"
    details["headgate"] = {
        "code": error.code,
        "rule": error.rule,
        "help": error.help,
        "link": link_of(error, settings),
        "param": refusal.param,
    }
    return details


def _kind(error: HeadgateError) -> tuple[int, str]:
    if error.code in _ON_HOLD:
        return _ON_HOLD_KIND
    status, type_ = _kind_of(type(error))
    own: int | None = getattr(error, "http_status", None)
    return (status, type_) if own is None else (own, _TYPES.get(own, type_))


def _kind_of(error: type[HeadgateError]) -> tuple[int, str]:
    return next(((status, type_) for root, status, type_ in _KINDS if issubclass(error, root)), _DENIED)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
