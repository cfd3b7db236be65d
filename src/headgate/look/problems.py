"""What a script is told when something was not done: ``application/problem+json`` (RFC 9457), in one shape everywhere.

Our stable ``code`` stands in it, why, and where there are such, the rule that decided, what would help and where to go. What
nobody foresaw is told without a word of a stranger's.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from headgate.kernel.errors import HeadgateError, Limited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.exceptions import HTTPException

UNFORESEEN = "Something went wrong in Headgate; it has been logged."
_CODES = {HTTPStatus.NOT_FOUND: "route.unknown", HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request.too_large"}


def problem(status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> JSONResponse:
    """Return a problem.

    Args:
        status: The status of its response.
        code: What it is called for ever.
        detail: What happened, for a reader.
        headers: Of its response.
        more: Further members; those that are ``None`` are left out.
    """
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "code": code, "detail": detail}
    known = {name: value for name, value in more.items() if value is not None}
    return JSONResponse({**body, **known}, status.value, headers, media_type="application/problem+json")


def problem_of(
    error: HeadgateError | HTTPException, status: HTTPStatus, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return what an error of ours, or one of the server's, is told as.

    Args:
        error: The error.
        status: The status of its response.
        headers: Of its response; when to come again is added where it is known.
    """
    held = dict(headers or {})
    if not isinstance(error, HeadgateError):
        code = _CODES.get(status, f"http.{status.name.lower()}")
        return problem(status, code, f"{status.phrase}.", {**(error.headers or {}), **held})
    if isinstance(error, Limited) and error.retry_after_s is not None:
        held["retry-after"] = str(max(1, round(error.retry_after_s)))
    return problem(status, error.code, error.message, held, rule=error.rule, help=error.help, link=error.link)


def unforeseen(headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return what is told of an error that nobody foresaw."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "headgate.unforeseen", UNFORESEEN, headers)
