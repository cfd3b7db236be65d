"""The web application: the subjects' routes, who is calling, and how an error looks over HTTP.

An error is ``application/problem+json`` (RFC 9457) with our stable ``code`` and, where there is one, the rule that decided,
what would help and where to go. The four roots of ``kernel.errors`` decide the status; nothing else does. What nobody
foresaw is logged with its traceback and answered with a bare 500: no stranger's message reaches a client. A body is read before
it is known who calls, so nobody's may be larger than the largest plan needs.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from headgate import __version__
from headgate.kernel.errors import (
    HeadgateError,
    Invalid,
    Limited,
    NotFound,
    Refused,
    Stale,
    Unauthenticated,
    Unavailable,
)
from headgate.look.problems import problem, problem_of, unforeseen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import APIRouter
    from fastapi.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

STATUS: dict[type[HeadgateError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Limited: HTTPStatus.TOO_MANY_REQUESTS,
    Refused: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Stale: HTTPStatus.CONFLICT,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of each root; a subclass has that of the nearest root above it."""


MOST_BYTES = 8_000_000
"""The largest body of a request; a plan has a million characters at most, and JSON may spell each in six bytes."""


class Bounded:
    """Reads no more of a request than ``MOST_BYTES``.

    Args:
        app: What answers it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self._app(scope, bounded, send)


class _Described(FastAPI):
    """An application whose description says how every operation may fail: with a problem, and never otherwise."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            described = super().openapi()
            described["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
            told: dict[str, dict[str, Any]] = {
                str(status.value): {
                    "description": status.phrase,
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status in sorted({*STATUS.values(), HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
            }
            for path in described["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
                    operation["responses"] |= told
            self.openapi_schema = described
        return self.openapi_schema


_TEXT = {"type": "string"}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why it was not done (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; listed in the documentation."},
        "detail": _TEXT,
        "rule": {"type": "string", "description": "What decided."},
        "help": {"type": "string", "description": "What would help."},
        "link": {"type": "string", "description": "Where to turn."},
        "problems": {
            "type": "array",
            "items": {"type": "object", "properties": {"at": _TEXT, "what": _TEXT}, "required": ["at", "what"]},
        },
    },
}


def status_of(error: type[HeadgateError]) -> HTTPStatus:
    """Return the HTTP status that an error of this kind is answered with."""
    return next((STATUS[kind] for kind in error.__mro__ if kind in STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


def web_application(routers: Iterable[APIRouter], beside: Iterable[BaseRoute] = ()) -> FastAPI:
    """Return the application that serves ``routers`` and says errors in one form.

    Args:
        routers: The control API.
        beside: Routes with errors of their own: the pages.
    """
    app = _Described(title="Headgate", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    for router in routers:
        app.include_router(router)
    app.router.routes.extend(beside)
    app.add_middleware(Bounded)
    app.add_exception_handler(HeadgateError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unforeseen)
    return app


async def _on_ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HeadgateError)
    headers = {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    return problem_of(error, status_of(type(error)), headers)


async def _on_malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    told = [{"at": "/".join(map(str, item["loc"])), "what": item["msg"]} for item in error.errors()]
    return problem(HTTPStatus.BAD_REQUEST, "request.invalid", "The request does not have the form it must have.", problems=told)


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_of(error, HTTPStatus(error.status_code))


async def _on_unforeseen(request: Request, error: Exception) -> Response:
    log.error("web.unforeseen", path=request.url.path, method=request.method, exc_info=error)
    return unforeseen()
