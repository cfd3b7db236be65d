"""The console as an application: the table of its addresses behind its door.

For each request, in this order: who is it; does a command come from a page of ours; may they; have they confirmed lately that it
is they. Only then is the page's own code asked. Forms are read with a bound; what touches the database runs on a thread.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from headgate.access.errors import SessionMalformed, SessionOver, StaffRevoked, VerificationDue
from headgate.console.saying import said, say, was_said
from headgate.console.visit import Answer, Deed, Handed, Screen, Shown, Streamed, Told, Visit, Went, within
from headgate.kernel.errors import HeadgateError
from headgate.look.browser import PROOF_FIELD, PROOF_HEADER
from headgate.look.headers import PRIVATE
from headgate.look.problems import UNFORESEEN, problem_of, unforeseen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from headgate.access.service.sessions import Resumed
    from headgate.console.desks import Desks
    from headgate.console.door import Door
    from headgate.console.visit import Table
    from headgate.look.pages import Pages

log = structlog.get_logger()

AT = "/console"
"""Where the console is mounted."""
SIGN_IN = f"{AT}/sign-in"
CONFIRM = f"{AT}/confirm"
_MOST_FIELDS = 200
_MOST_FILES = 4


class Console:
    """Serves the table of screens and deeds.

    Args:
        desks: The services behind the pages.
        door: The way in.
        pages: The templates.
        status_of: The HTTP status of a kind of error.
    """

    def __init__(self, desks: Desks, door: Door, pages: Pages, *, status_of: Callable[[type[HeadgateError]], HTTPStatus]) -> None:
        self._desks = desks
        self._door = door
        self._pages = pages
        self._status_of = status_of

    def application(self, tables: Iterable[Table], beside: Sequence[BaseRoute] = ()) -> Starlette:
        """Return the application.

        Args:
            tables: The addresses for those who are signed in.
            beside: The addresses of signing in, and of files.
        """
        routes = [self._route(row) for table in tables for row in table]
        handlers = {HeadgateError: self._on_ours, HTTPException: self._on_http, Exception: self._on_unforeseen}
        return Starlette(routes=[*beside, *routes], exception_handlers=cast("Any", handlers))

    def _route(self, row: Screen | Deed) -> Route:
        match row:
            case Screen():
                return Route(row.path, self._showing(row), methods=["GET"])
            case Deed():
                return Route(row.path, self._doing(row), methods=["POST"])

    def _showing(self, screen: Screen) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            resumed = await self._resumed(request)
            return self._keeping(request, await run_in_threadpool(self._answered, screen, request, resumed, FormData()))

        return show

    def _doing(self, deed: Deed) -> Callable[[Request], Awaitable[Response]]:
        async def do(request: Request) -> Response:
            self._door.must_come_from_here(request)
            resumed = await self._resumed(request)
            async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS) as form:
                proof = request.headers.get(PROOF_HEADER) or form.get(PROOF_FIELD)
                self._desks.access.sessions.must_be_own_page(resumed.session, proof if isinstance(proof, str) else "")
                return self._keeping(request, await run_in_threadpool(self._answered, deed, request, resumed, form))

        return do

    async def _resumed(self, request: Request) -> Resumed:
        resumed = await run_in_threadpool(self._door.visitor, request)
        request.state.renewed = resumed.text
        return resumed

    def _keeping(self, request: Request, response: Response) -> Response:
        """Return a response, whatever became of the request, with the session's new text if it was renewed on the way."""
        renewed: str | None = getattr(request.state, "renewed", None)
        if renewed is not None:
            self._door.give(response, renewed)
        return response

    def _answered(self, row: Screen | Deed, request: Request, resumed: Resumed, form: FormData) -> Response:
        resumed.actor.must(row.needs)
        if row.confirmed:
            self._desks.access.sessions.must_be_verified(resumed.session)
        now = self._desks.clock.now()
        visit = Visit(resumed.actor, resumed.session, now, request.path_params, request.query_params, form)
        return self._response(row.answer(visit), request, visit)

    def _response(self, answer: Answer, request: Request, visit: Visit) -> Response:
        match answer:
            case Shown():
                page = self._page(answer, request, visit)
                was_said(request, page, at=AT)
                return page
            case Went():
                if answer.renewed is not None:
                    request.state.renewed = answer.renewed
                response = RedirectResponse(answer.to, HTTPStatus.SEE_OTHER, PRIVATE)
                say(response, answer.said, at=AT)
                return response
            case Told():
                return JSONResponse(answer.body, 200, PRIVATE)
            case Handed():
                return Response(answer.content, 200, _named(answer.name), answer.media_type)
            case Streamed():
                return StreamingResponse(answer.pieces, 200, _named(answer.name), answer.media_type)

    def _page(self, shown: Shown, request: Request, visit: Visit) -> Response:
        proof = self._desks.access.sessions.page_proof(visit.session)
        text = self._pages.render(
            shown.template, visit=visit, proof=proof, said=said(request), path=request.url.path, at=AT, **shown.given
        )
        return Response(text, shown.status, PRIVATE, "text/html; charset=utf-8")

    async def _on_ours(self, request: Request, error: HeadgateError) -> Response:
        if not _wants_page(request):
            return self._keeping(request, problem_of(error, self._status_of(type(error)), PRIVATE))
        came = quote(f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path, safe="")
        if isinstance(error, (SessionOver, SessionMalformed, StaffRevoked)):
            back = "" if request.method != "GET" else f"?to={came}"
            away = RedirectResponse(f"{SIGN_IN}{back}", HTTPStatus.SEE_OTHER, PRIVATE)
            self._door.take(away)
            return away
        if isinstance(error, VerificationDue) and request.method == "GET":
            return self._keeping(request, RedirectResponse(f"{CONFIRM}?to={came}", HTTPStatus.SEE_OTHER, PRIVATE))
        if isinstance(error, VerificationDue):
            text = self._pages.render("console/late.html", at=AT, confirm=CONFIRM, to=_page_of(request), error=error)
            return self._keeping(request, Response(text, self._status_of(type(error)), PRIVATE, "text/html; charset=utf-8"))
        return self._keeping(request, self._trouble(self._status_of(type(error)), error))

    async def _on_http(self, request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        if not _wants_page(request):
            return problem_of(error, status, PRIVATE)
        what = "There is no such page." if status is HTTPStatus.NOT_FOUND else f"{status.phrase}."
        return self._trouble(status, HeadgateError(what))

    async def _on_unforeseen(self, request: Request, error: Exception) -> Response:
        log.error("console.unforeseen", path=request.url.path, method=request.method, exc_info=error)
        if not _wants_page(request):
            return self._keeping(request, unforeseen(PRIVATE))
        return self._keeping(request, self._trouble(HTTPStatus.INTERNAL_SERVER_ERROR, HeadgateError(UNFORESEEN)))

    def _trouble(self, status: HTTPStatus, error: HeadgateError) -> Response:
        text = self._pages.render("console/trouble.html", status=status, error=error, at=AT)
        return Response(text, status, PRIVATE, "text/html; charset=utf-8")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _named(name: str) -> dict[str, str]:
    return {**PRIVATE, "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def _page_of(request: Request) -> str:
    """Return the page that a command was given on, as its browser says; the first page, where it says nothing of use."""
    came = urlsplit(request.headers.get("referer", ""))
    return within(f"{came.path}?{came.query}" if came.query else came.path, AT)
