"""A refusal as the OpenAI clients understand it: status, headers, body.

Denials are 401, 403 or 404, which no client retries. A 429 that time will not cure says ``x-should-retry: false``. A message
of Headgate's own goes out; text that a stranger wrote into an exception never does.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from headgate.gateway.wire.headers import limits
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
    from collections.abc import Sequence
    from datetime import datetime

    from headgate.gateway.model import Refusal, Settings, Standing

Headers = list[tuple[bytes, bytes]]

_STATUS: tuple[tuple[type[HeadgateError], int, str], ...] = (
    (Invalid, 400, "invalid_request_error"),
    (Unauthenticated, 401, "authentication_error"),
    (Limited, 429, "rate_limit_exceeded"),
    (NotFound, 404, "invalid_request_error"),
    (Stale, 409, "conflict_error"),
    (Unavailable, 503, "server_error"),
)
_DENIED = (403, "permission_error")
_RETRY_UNAVAILABLE_S = 1
_APPEALED = frozenset({"account", "organisation"})
_ASKED_FOR = frozenset({"grant", "terms", "key", "scope", "capability", "surface", "model_not_found"})
"""First words of the codes of which somebody may be asked for something else."""


def status_of(error: HeadgateError) -> int:
    """Return the HTTP status of an error."""
    return _kind(error)[0]


def body_of(refusal: Refusal, settings: Settings, *, type_: str | None = None) -> bytes:
    """Return the error object, as JSON."""
    error = refusal.error
    said: dict[str, Any] = {
        "message": error.message,
        "type": type_ or _kind(error)[1],
        "param": refusal.param,
        "code": error.code,
        "headgate": {"rule": error.rule, "help": error.help, "link": link_of(error, settings)},
    }
    return json.dumps({"error": said}, separators=(",", ":")).encode()


def headers_of(refusal: Refusal) -> Headers:
    """Return the headers that a refusal adds."""
    error = refusal.error
    headers: Headers = [(b"content-type", b"application/json"), (b"x-headgate-code", header_value(error.code))]
    if error.rule is not None:
        headers.append((b"x-headgate-rule", header_value(error.rule)))
    if isinstance(error, Limited):
        if error.retry_after_s is None:
            headers.append((b"x-should-retry", b"false"))
        else:
            headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
    elif status_of(error) == 503:  # noqa: PLR2004 - the status that promises a later answer
        headers.append((b"retry-after", str(_RETRY_UNAVAILABLE_S).encode()))
    elif isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    elif isinstance(error, Invalid):
        headers.append((b"x-should-retry", b"false"))  # a client would send a 408 again, just as slowly
    return headers


def told(refusal: Refusal, settings: Settings) -> dict[str, str | None]:
    """Return what Headgate adds to an answer that it withholds: why, and where to turn."""
    error = refusal.error
    return {
        "code": error.code,
        "message": error.message,
        "rule": error.rule,
        "help": error.help,
        "link": link_of(error, settings),
    }


def link_of(error: HeadgateError, settings: Settings) -> str | None:
    """Return where the person may turn: the error's own link, an appeal, a request for access, or the error's page."""
    if error.link is not None:
        return error.link
    subject = error.code.partition(".")[0]
    if subject in _APPEALED and settings.appeal_url is not None:
        return settings.appeal_url
    if subject in _ASKED_FOR and settings.access_url is not None:
        return settings.access_url
    return None if settings.help_url is None else f"{settings.help_url.rstrip('/')}/{error.code}"


def header_value(text: str) -> bytes:
    """Return text as a header's value: printable ASCII, so that nothing can end the line early."""
    return bytes(byte if 32 <= byte < 127 else 63 for byte in text.encode("ascii", "replace"))  # noqa: PLR2004 - ASCII


def _kind(error: HeadgateError) -> tuple[int, str]:
    status, type_ = next(((status, type_) for root, status, type_ in _STATUS if isinstance(error, root)), _DENIED)
    return getattr(error, "http_status", status), type_


class OpenAiDialect:
    """How the OpenAI API says no."""

    def status(self, refusal: Refusal) -> int:
        """Return the HTTP status of a refusal."""
        return status_of(refusal.error)

    def body(self, refusal: Refusal, settings: Settings, *, type_: str | None = None, request_id: str | None = None) -> bytes:
        """Return the error object; its request id goes in a header."""
        del request_id
        return body_of(refusal, settings, type_=type_)

    def headers(self, refusal: Refusal) -> Headers:
        """Return the headers that a refusal adds."""
        return headers_of(refusal)

    def limits(self, standings: Sequence[Standing], *, now: datetime) -> Headers:
        """Return the headers that say how limits stand: they are whole again after a while, not at an instant."""
        del now
        return limits(standings)

    def identified(self, request_id: str) -> Headers:
        """Return the header that carries a request's identifier."""
        return [(b"x-request-id", request_id.encode())]


OPENAI = OpenAiDialect()
