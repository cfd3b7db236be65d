"""Signing in and out: by a link, by a passkey, by a provider.

A sign-in link carries its text behind ``#``, which no browser sends to a server: a script puts it into the form, or somebody
pastes it. A passkey is asked for without a name, so a stranger learns nothing of who works here. To a provider the browser goes
by a page of its own, because a form may lead nowhere but here. What is asked for afterwards must be a page of this console.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headgate.access.errors import ProviderNotSet, SessionMalformed, SessionOver
from headgate.access.model import Purpose
from headgate.access.service.providers import Entered, Linked
from headgate.console.browsers import browser_of
from headgate.console.saying import said, was_said
from headgate.console.visit import Deed, Visit, Went, within
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError
from headgate.look.headers import PRIVATE

if TYPE_CHECKING:
    from starlette.requests import Request

    from headgate.access.model import Issued, Session
    from headgate.access.service.providers import Providers
    from headgate.access.service.sessions import Resumed
    from headgate.console.desks import Desks
    from headgate.console.door import Door
    from headgate.console.visit import Table
    from headgate.look.pages import Pages


def outside(desks: Desks, door: Door, pages: Pages, at: str) -> list[Route]:
    """Return the addresses of signing in, for those who are not."""
    outside = _Outside(desks, door, pages, at)
    return [
        Route("/sign-in", outside.show, methods=["GET"]),
        Route("/sign-in", outside.enter_by_link, methods=["POST"]),
        Route("/sign-in/passkey/ask", outside.ask, methods=["POST"]),
        Route("/sign-in/passkey", outside.enter_by_passkey, methods=["POST"]),
        Route("/sign-in/provider", outside.leave, methods=["POST"]),
        Route("/sign-in/back", outside.come_back, methods=["GET"]),
    ]


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of ending a session."""

    def leave(visit: Visit) -> Went:
        desks.access.sessions.end(visit.session)
        return Went(f"{at}/sign-in", "You are signed out.")

    return (Deed("/sign-out", leave, Permission.VIEW),)


@dataclass(frozen=True, slots=True)
class _Outside:
    """What is served to whoever comes."""

    desks: Desks
    door: Door
    pages: Pages
    at: str

    async def show(self, request: Request) -> Response:
        page = self._page(within(request.query_params.get("to"), self.at), said=said(request))
        was_said(request, page, at=self.at)
        return page

    async def enter_by_link(self, request: Request) -> Response:
        fields = await self._fields(request)
        text, to = fields.get("link", "").strip().rpartition("#")[2], within(fields.get("to"), self.at)
        sessions, browser = self.desks.access.sessions, browser_of(request)
        try:
            issued = await run_in_threadpool(sessions.begin_by_link, text, browser=browser)
        except HeadgateError as error:
            return self._page(to, error)
        return self._entered(issued, to)

    async def ask(self, request: Request) -> Response:
        self.door.must_come_from_here(request)
        question = await run_in_threadpool(self.desks.passkeys.ask)
        response = JSONResponse({"options": dict(question.options)}, 200, PRIVATE)
        self.door.keep_attempt(response, question.attempt.secret)
        return response

    async def enter_by_passkey(self, request: Request) -> Response:
        fields = await self._fields(request)
        to, answer = within(fields.get("to"), self.at), fields.get("answer", "")
        passkeys, browser = self.desks.passkeys, browser_of(request)
        try:
            issued = await run_in_threadpool(passkeys.begin, self.door.attempt(request) or "", answer, browser=browser)
        except HeadgateError as error:
            return self._page(to, error)
        return self._entered(issued, to)

    async def leave(self, request: Request) -> Response:
        fields = await self._fields(request)
        to, providers = within(fields.get("to"), self.at), self._providers()
        try:
            leaving = await run_in_threadpool(providers.leave, Purpose.SIGN_IN_BY_PROVIDER, session=None, to=to)
        except HeadgateError as error:
            return self._page(to, error)
        text = self.pages.render("console/leaving.html", at=self.at, address=leaving.address, issuer=providers.issuer)
        response = Response(text, 200, PRIVATE, "text/html; charset=utf-8")
        self.door.keep_attempt(response, leaving.text)
        return response

    async def come_back(self, request: Request) -> Response:
        """Take in who comes back from the provider: to be signed in, or within their session."""
        query, providers = request.query_params, self._providers()
        resumed = await run_in_threadpool(self._resumed, request)
        request.state.renewed = None if resumed is None else resumed.text
        try:
            came = await run_in_threadpool(
                providers.come_back,
                query.get("state", ""),
                query.get("code", ""),
                issuer=query.get("iss", ""),
                text=self.door.attempt(request),
                session=None if resumed is None else resumed.session,
                browser=browser_of(request),
            )
        except HeadgateError as error:
            if resumed is not None:
                raise
            return self._page(within(None, self.at), error)
        match came:
            case Entered():
                return self._entered(came.issued, within(came.to, self.at))
            case Linked():
                response = RedirectResponse(f"{self.at}/me", HTTPStatus.SEE_OTHER, PRIVATE)
                if request.state.renewed is not None:
                    self.door.give(response, request.state.renewed)
                return response

    def _resumed(self, request: Request) -> Resumed | None:
        try:
            return self.door.visitor(request)
        except (SessionOver, SessionMalformed):
            return None

    def _providers(self) -> Providers:
        if self.desks.providers is None:
            raise ProviderNotSet("Nobody signs in by a provider here.", help="Sign in by a passkey or a link.")
        return self.desks.providers

    async def _fields(self, request: Request) -> dict[str, str]:
        """Return the text fields of a form that a page of this place sent."""
        self.door.must_come_from_here(request)
        async with request.form(max_files=0, max_fields=4) as form:
            return {name: value for name, value in form.items() if isinstance(value, str)}

    def _entered(self, issued: Issued[Session], to: str) -> Response:
        response = RedirectResponse(to, HTTPStatus.SEE_OTHER, PRIVATE)
        self.door.drop_attempt(response)
        self.door.give(response, issued.secret)
        return response

    def _page(self, to: str, trouble: HeadgateError | None = None, said: str | None = None) -> Response:
        issuer = None if self.desks.providers is None else self.desks.providers.issuer
        text = self.pages.render("console/sign_in.html", at=self.at, to=to, trouble=trouble, said=said, issuer=issuer)
        status = HTTPStatus.OK if trouble is None else HTTPStatus.UNAUTHORIZED
        return Response(text, status, PRIVATE, "text/html; charset=utf-8")
