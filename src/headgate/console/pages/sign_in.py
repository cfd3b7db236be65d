"""Signing in and out.

A sign-in link carries its text behind ``#``, which no browser sends to a server: a script puts it into the form, or somebody
pastes it. What is asked for afterwards must be a page of this console.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headgate.console.visit import Deed, Visit, Went
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError
from headgate.look.headers import PRIVATE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from headgate.console.desks import Desks
    from headgate.console.door import Door
    from headgate.console.visit import Table
    from headgate.look.pages import Pages


def outside(desks: Desks, door: Door, pages: Pages, at: str) -> list[BaseRoute]:
    """Return the addresses of signing in, for those who are not."""

    def page(to: str, trouble: HeadgateError | None = None) -> Response:
        text = pages.render("console/sign_in.html", at=at, to=to, trouble=trouble)
        status = HTTPStatus.OK if trouble is None else HTTPStatus.UNAUTHORIZED
        return Response(text, status, PRIVATE, "text/html; charset=utf-8")

    async def show(request: Request) -> Response:
        return page(within(request.query_params.get("to"), at))

    async def enter(request: Request) -> Response:
        door.must_come_from_here(request)
        async with request.form(max_files=0, max_fields=4) as form:
            link, to = form.get("link"), form.get("to")
        text = link.strip().rpartition("#")[2] if isinstance(link, str) else ""
        to = within(to if isinstance(to, str) else None, at)
        try:
            issued = await run_in_threadpool(desks.access.sessions.begin_by_link, text)
        except HeadgateError as error:
            return page(to, error)
        response = RedirectResponse(to, HTTPStatus.SEE_OTHER, PRIVATE)
        door.give(response, issued.secret)
        return response

    return [Route("/sign-in", show, methods=["GET"]), Route("/sign-in", enter, methods=["POST"])]


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of ending a session."""

    def leave(visit: Visit) -> Went:
        desks.access.sessions.end(visit.session)
        return Went(f"{at}/sign-in", "You are signed out.")

    return (Deed("/sign-out", leave, Permission.VIEW),)


def within(to: str | None, at: str) -> str:
    """Return where to go after signing in: a path of the console, never another place."""
    if to is None or not to.startswith(f"{at}/") or "\\" in to or any(ord(letter) < ord(" ") for letter in to):
        return f"{at}/"
    return to
