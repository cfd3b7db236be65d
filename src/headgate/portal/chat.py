"""The chat page: a person talks to a model in the browser, and through the same door as every program.

The browser's session stands where a key would: the gateway of this process is asked with it, so admission, limits, screens,
the record and the cut are those of every surface. What is said is kept by the browser alone, if its owner wishes; Headgate keeps
what it keeps of any exchange.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headgate.access.errors import Forged, LinkUnusable, SessionOver, TermsNotAccepted, TermsOutdated
from headgate.gateway.model import Api
from headgate.kernel.errors import HeadgateError, NotFound
from headgate.kernel.ids import ExchangeId
from headgate.look.browser import PROOF_FIELD, PROOF_HEADER, comes_from_here, peer
from headgate.look.headers import PRIVATE
from headgate.look.problems import problem_of
from headgate.portal.words import NotAMessage, anthropic_body, openai_body, words_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from headgate.access.model import KeyHolder
    from headgate.gateway.model import ModelPolicy, StageRule
    from headgate.look.browser import Cookie
    from headgate.look.pages import Pages
    from headgate.portal.desks import Desks

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

AT = "/chat"
"""Where the chat page is mounted."""
VISIT_S = 12 * 3600
"""How long a browser keeps its visitor's cookie."""
_MOST_BYTES = 2_000_000
_MOST_TOKENS = 1024
"""What an answer may have where the stage sets no bound and the server's API takes one."""
_STREAMING = "streaming"


class ModelNotThere(NotFound):
    """The chat page does not lead to this model for this visitor, now."""

    code = "chat_page.no_model"


class ChatPages:
    """Serves the chat page.

    Args:
        desks: The services behind it.
        cookie: The visitors' cookie.
        pages: The templates.
        status_of: The HTTP status of a kind of error.
        published: Returns the models that have a public page.
    """

    def __init__(
        self,
        desks: Desks,
        cookie: Cookie,
        pages: Pages,
        *,
        status_of: Callable[[type[HeadgateError]], HTTPStatus],
        published: Callable[[], Awaitable[frozenset[str]]],
    ) -> None:
        self._desks = desks
        self._cookie = cookie
        self._pages = pages
        self._status_of = status_of
        self._published = published

    def application(self) -> Starlette:
        """Return the application, for ``AT``."""
        handlers = {HeadgateError: self.trouble}
        return Starlette(routes=self._routes(), exception_handlers=cast("Any", handlers))

    def _routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/enter", self.link, methods=["GET"]),
            Route("/enter", self.enter, methods=["POST"]),
            Route("/say", self.say, methods=["POST"]),
            Route("/terms", self.accept, methods=["POST"]),
            Route("/report", self.report, methods=["POST"]),
            Route("/leave", self.leave, methods=["POST"]),
        ]

    async def link(self, request: Request) -> Response:
        """Show where a link is opened."""
        del request
        return self._shown("portal/enter.html", trouble=None)

    async def enter(self, request: Request) -> Response:
        """Let in whoever a link is for, once."""
        self._must_be_ours(request)
        async with request.form(max_files=0, max_fields=2) as form:
            link = form.get("link")
        text = link.strip().rpartition("#")[2] if isinstance(link, str) else ""
        try:
            issued = await run_in_threadpool(self._desks.access.chat_page.enter, text)
        except LinkUnusable as error:
            return self._shown("portal/enter.html", HTTPStatus.UNAUTHORIZED, trouble=error)
        response = RedirectResponse(f"{AT}/", HTTPStatus.SEE_OTHER, PRIVATE)
        self._cookie.give(response, issued.secret)
        return response

    async def page(self, request: Request) -> Response:
        """Show the page; where something keeps its visitor from talking, that and what would help."""
        text = self._text(request)
        holder = await run_in_threadpool(self._desks.access.chat_page.visitor, text, peer=peer(request))
        models: list[dict[str, Any]] = []
        trouble: HeadgateError | None = None
        try:
            found = await self._desks.talking.conversable(text, peer(request))
            public = await self._published()
            models = [_listed(policy, rule, public) for policy, rule in found]
        except HeadgateError as error:
            trouble = error
        proof = self._desks.access.chat_page.page_proof(holder)
        return self._shown(
            "portal/chat.html",
            holder=holder,
            models=models,
            trouble=trouble,
            terms_due=isinstance(trouble, (TermsNotAccepted, TermsOutdated)),
            proof=proof,
        )

    async def say(self, request: Request) -> Response:
        """Carry one message out, and pass on what the gateway answers, as it comes."""
        text, found = await self._heard(request)
        words = words_of(await _read(request))
        policy, rule = next(((policy, rule) for policy, rule in found if policy.model == words.model), (None, None))
        if policy is None or rule is None:
            raise ModelNotThere(f"{words.model[:100]!r} cannot be talked to here now.", help="Reload the page to see what can.")
        stream = _STREAMING in rule.capabilities
        api = Api.OPENAI if Api.OPENAI in policy.upstream.apis else Api.ANTHROPIC
        if api is Api.OPENAI:
            body = openai_body(words, stream=stream)
        else:
            body = anthropic_body(words, stream=stream, most_tokens=rule.max_output_tokens or _MOST_TOKENS)
        return _Carried(self._desks, api, text, body)

    async def accept(self, request: Request) -> Response:
        """Take in that a visitor accepts the terms that they were shown."""
        async with request.form(max_files=0, max_fields=3) as form:
            proof, version = form.get(PROOF_FIELD), form.get("version")
        _, text = await self._own(request, proof if isinstance(proof, str) else "")
        version = version if isinstance(version, str) else ""
        await run_in_threadpool(self._desks.access.accept_terms, text, version, peer=peer(request))
        return RedirectResponse(f"{AT}/", HTTPStatus.SEE_OTHER, PRIVATE)

    async def report(self, request: Request) -> Response:
        """Write down what a visitor reports of an answer that they were given."""
        holder, _ = await self._own(request, request.headers.get(PROOF_HEADER, ""))
        try:
            told = json.loads(await _read(request))
            exchange, note = ExchangeId(str(told["exchange"])), str(told["note"])
        except (ValueError, KeyError, TypeError):
            raise NotAMessage("The report cannot be read.", help="Reload the page and write it again.") from None
        now = self._desks.clock.now()
        await run_in_threadpool(self._desks.reports.file, exchange, note=note, account_id=holder.account.id, now=now)
        return JSONResponse({"reported": True}, HTTPStatus.CREATED, PRIVATE)

    async def leave(self, request: Request) -> Response:
        """End the visit."""
        async with request.form(max_files=0, max_fields=2) as form:
            proof = form.get(PROOF_FIELD)
        _, text = await self._own(request, proof if isinstance(proof, str) else "")
        await run_in_threadpool(self._desks.access.chat_page.leave, text)
        response = RedirectResponse(f"{AT}/enter", HTTPStatus.SEE_OTHER, PRIVATE)
        self._cookie.take(response)
        return response

    async def trouble(self, request: Request, error: Exception) -> Response:
        """Say why something was not done, to a script or to a reader."""
        assert isinstance(error, HeadgateError)
        status = self._status_of(type(error))
        if "text/html" not in request.headers.get("accept", ""):
            return problem_of(error, status, PRIVATE)
        if isinstance(error, SessionOver):
            response = self._shown("portal/enter.html", status, trouble=error)
            self._cookie.take(response)
            return response
        return self._shown("portal/trouble.html", status, trouble=error)

    def _text(self, request: Request) -> str:
        text = self._cookie.text(request)
        if text is None:
            raise SessionOver("You are not on the chat page.", help="Open the link that you were sent.")
        return text

    def _must_be_ours(self, request: Request) -> None:
        if not comes_from_here(request, self._cookie.origin):
            raise Forged("This did not come from a page of this place.", help="Open the chat page and do it there.")

    async def _own(self, request: Request, proof: str) -> tuple[KeyHolder, str]:
        """Return who calls from a page that was given to their own session."""
        self._must_be_ours(request)
        text = self._text(request)
        holder = await run_in_threadpool(self._desks.access.chat_page.visitor, text, peer=peer(request))
        self._desks.access.chat_page.must_be_own_page(holder, proof)
        return holder, text

    async def _heard(self, request: Request) -> tuple[str, Sequence[tuple[ModelPolicy, StageRule]]]:
        """Return the session of who calls from a page of their own, and the models that they may talk to now.

        The gateway looks the session up, and its answer serves both. Only who is turned away is looked up once more, to be told
        what the rest of the page would tell them: that their visit is over, rather than what became of a key.
        """
        self._must_be_ours(request)
        text, proof = self._text(request), request.headers.get(PROOF_HEADER, "")
        try:
            self._desks.access.chat_page.must_be_page_of(text, proof)
            return text, await self._desks.talking.conversable(text, peer(request))
        except HeadgateError:
            await self._own(request, proof)
            raise

    def _shown(self, template: str, status: HTTPStatus = HTTPStatus.OK, **given: Any) -> Response:
        return Response(self._pages.render(template, at=AT, **given), status, PRIVATE, "text/html; charset=utf-8")


class _Carried(Response):
    """An answer that the gateway gives."""

    def __init__(self, desks: Desks, api: Api, text: str, body: bytes) -> None:
        super().__init__()
        self._desks = desks
        self._api = api
        self._text = text
        self._said = body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        unsaid = [self._said]

        async def said() -> Message:
            if unsaid:
                return {"type": "http.request", "body": unsaid.pop(), "more_body": False}
            return await receive()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                private = [(name.encode(), value.encode()) for name, value in PRIVATE.items()]
                ours = {name for name, _ in private}
                kept = [(name, value) for name, value in message["headers"] if name not in ours]
                message = {**message, "headers": [*kept, *private]}
            await send(message)

        headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {self._text}".encode())]
        if self._api is Api.ANTHROPIC:
            headers.append((b"anthropic-version", b"2023-06-01"))
        asked = {**scope, "path": "/v1/chat_page", "raw_path": b"/v1/chat_page", "query_string": b"", "headers": headers}
        await self._desks.talking.converse(self._api, asked, said, sending)


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise NotAMessage("The conversation is too long to be sent.", help="Begin a new one.")
    return body


def _listed(policy: ModelPolicy, rule: StageRule, public: frozenset[str]) -> dict[str, Any]:
    return {
        "name": policy.model,
        "public": f"/release/{quote(policy.model, safe='')}" if policy.model in public else None,
        "streaming": _STREAMING in rule.capabilities,
        "max_turns": rule.max_turns,
        "max_output_tokens": rule.max_output_tokens,
        "limits": [
            {"holder": ceiling.holder.value, "unit": ceiling.unit.value, "limit": ceiling.limit, "window_s": ceiling.window_s}
            for ceiling in rule.ceilings
        ],
    }
