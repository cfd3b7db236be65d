"""The small model's server: a raw ASGI application that stops working for a caller who has hung up."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import msgspec

from headgate.testing.small_model import faults, messages, responses, spelling
from headgate.testing.small_model.answer import SmallModel, prompt_tokens
from headgate.testing.small_model.batches import Batches
from headgate.testing.small_model.files import Asked, Files
from headgate.testing.small_model.fine_tuning import Jobs
from headgate.testing.small_model.plain import Plain, PlainSurfaces
from headgate.testing.small_model.request import Rejected, parse
from headgate.testing.small_model.said import Said

if TYPE_CHECKING:
    from headgate.testing.small_model.faults import Fault
    from headgate.testing.small_model.request import ChatRequest

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MOST_BODY_BYTES = 64 * 2**20
_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"
_GARBAGE = b"\x00\xff<<this is neither JSON nor a stream>>\xfe\n\n"
_ABOUT = b"This is Headgate's small model: a stand-in that strings words together, not a language model.\n"


@dataclass(slots=True)
class Tally:
    """What the server has done since it started; ``GET /state`` shows it.

    Attributes:
        requests: Answers that were asked for.
        working: Those that are being answered now.
        hung_up: Those whose caller went away before the end.
        events: Events of streams that were sent.
    """

    requests: int = 0
    working: int = 0
    hung_up: int = 0
    events: int = 0


class Question(Protocol):
    """What any request for an answer says."""

    @property
    def model(self) -> str:
        """The model that is to answer."""
        ...

    @property
    def metadata(self) -> dict[str, str] | None:
        """What the caller says about the request."""
        ...


_Q = TypeVar("_Q", bound=Question)


class HungUp(Exception):
    """The caller is gone; nobody is left to answer."""


class _CutOff(ConnectionError):
    """Raised on purpose: an answer that ends in an exception ends with its connection."""


class Application:
    """The ASGI application.

    Args:
        model: Finds the words.
        names: The names under which it is served, at least one.
        tokens_per_second: How fast it speaks; 0 for as fast as it can.
    """

    def __init__(self, model: SmallModel, names: Sequence[str], *, tokens_per_second: float = 0.0) -> None:
        self._model = model
        self._names = tuple(names)
        self._tuned: set[str] = set()
        self._pause_s = 1 / tokens_per_second if tokens_per_second > 0 else 0.0
        self._since = int(time.time())
        self._responses = responses.Responses(model)
        self._plain = PlainSurfaces(model)
        self._questions: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], Said]]] = {
            "/v1/chat/completions": (parse, self._chat),
            "/v1/responses": (responses.parse, self._respond),
            messages.PATH: (messages.parse, partial(messages.answer, model)),
            messages.COUNT_PATH: (messages.parse_count, messages.count),
        }
        self.files = Files()
        self._shelf = {
            "files": self.files,
            "batches": Batches(self.files, self._ask),
            "fine_tuning": Jobs(self.files, self._also_serve),
        }
        self.tally = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is spoken here, not {scope['type']}")
        try:
            await self._route(scope, receive, send)
        except Rejected as wrong:
            body = messages.error(wrong) if scope["path"].startswith(messages.PATH) else wrong.body()
            await _whole(send, wrong.status, body)
        except HungUp:
            self.tally.hung_up += 1

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if path in self._questions:
            _must_be(method, "POST")
            await self._work(scope, receive, send, *self._questions[path])
            return
        if path in self._plain:
            _must_be(method, "POST")
            await self._work(scope, receive, send, partial(self._plain.read, path, _content_type(scope)), Plain.answered)
            return
        if path.startswith("/v1/responses/"):
            await self._kept_response(scope, receive, send, *path.removeprefix("/v1/responses/").split("/"))
            return
        parts = tuple(path.removeprefix("/v1/").split("/"))
        if parts[0] in self._shelf or method == "DELETE":
            await self._kept(scope, receive, send, parts)
            return
        _must_be(method, "GET", "HEAD")
        if path == "/v1/models":
            await _whole(send, HTTPStatus.OK, spelling.models(self._names, self._since))
        elif path.startswith("/v1/models/") and (name := path.removeprefix("/v1/models/")):
            self._must_serve(name)
            await _whole(send, HTTPStatus.OK, spelling.model(name, self._since))
        elif path == "/state":
            await _whole(send, HTTPStatus.OK, msgspec.json.encode(self.tally))
        elif path == "/":
            await _whole(send, HTTPStatus.OK, _ABOUT, b"text/plain; charset=utf-8")
        else:
            raise Rejected(f"There is nothing at {path}.", status=HTTPStatus.NOT_FOUND, code="not_found")

    async def _work(
        self, scope: Scope, receive: Receive, send: Send, read: Callable[[bytes], _Q], answer: Callable[[_Q], Said]
    ) -> None:
        """Answer one question, or fail in the way that it asks for."""
        self.tally.requests += 1
        self.tally.working += 1
        try:
            question = read(await _body(receive))
            self._must_serve(question.model)
            fault = _fault(scope, question)
            caller = _Caller(receive)
            try:
                await caller.wait(fault.slow_s)
                if fault.status is not None:
                    raise Rejected("A fault, as was asked for.", status=fault.status, kind="server_error", code="fault")
                await self._say(answer(question), fault, caller, send)
            finally:
                caller.leave()
        finally:
            self.tally.working -= 1

    def _chat(self, request: ChatRequest) -> Said:
        choices = self._model.answer(request)
        counted = prompt_tokens(request)
        envelope = spelling.Envelope(
            id="chatcmpl-" + secrets.token_hex(12),
            created=int(time.time()),
            model=request.model,
            fingerprint=self._model.fingerprint,
            top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        )
        tokens = sum(choice.tokens for choice in choices)
        if request.stream:
            options = request.stream_options
            with_usage = options is not None and options.include_usage
            return Said(tokens, events=spelling.events(envelope, choices, prompt_tokens=counted, with_usage=with_usage))
        return Said(tokens, body=spelling.body(envelope, choices, counted))

    def _respond(self, asked: responses.Asked) -> Said:
        made = self._responses.make(asked, created=int(time.time()))
        return Said(made.tokens, events=made.stream()) if asked.stream else Said(made.tokens, body=made.whole())

    async def _kept_response(self, scope: Scope, receive: Receive, send: Send, response_id: str, *what: str) -> None:
        kept = self._responses
        match scope["method"], what:
            case "GET", ():
                query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
                response = kept.look(response_id)
                if query.get("stream") == "true":
                    caller = _Caller(receive)
                    try:
                        await self._stream(response.stream(int(query.get("starting_after", -1))), faults.NONE, caller, send)
                    finally:
                        caller.leave()
                    return
                await _whole(send, HTTPStatus.OK, response.whole())
            case "DELETE", ():
                await _whole(send, HTTPStatus.OK, kept.delete(response_id))
            case "GET", ("input_items",):
                await _whole(send, HTTPStatus.OK, kept.asked(response_id))
            case "POST", ("cancel",):
                await _whole(send, HTTPStatus.OK, kept.cancel(response_id).whole())
            case _:
                raise Rejected(f"There is nothing at {scope['path']}.", status=HTTPStatus.NOT_FOUND, code="not_found")

    async def _kept(self, scope: Scope, receive: Receive, send: Send, parts: tuple[str, ...]) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        asked = Asked(scope["method"], parts, query, headers.get(b"content-type", b""), await _body(receive))
        if parts[0] == "models":
            name = "/".join(parts[1:])
            self._must_serve(name)
            self._tuned.discard(name)
            await _whole(send, HTTPStatus.OK, msgspec.json.encode({"id": name, "object": "model", "deleted": True}))
            return
        told = self._shelf[parts[0]].answer(asked)
        await _whole(send, HTTPStatus.OK, told.body, b"application/octet-stream" if told.is_file else _JSON)

    async def _ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Ask this server as a caller would; return the status and the answer."""
        sent: list[MutableMapping[str, Any]] = []
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> MutableMapping[str, Any]:
            if given:
                return given.pop()
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope: Scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
        await self(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def _also_serve(self, name: str) -> None:
        self._tuned.add(name)

    async def _say(self, said: Said, fault: Fault, caller: _Caller, send: Send) -> None:
        if said.events is not None:
            await self._stream([_GARBAGE] if fault.garbage else said.events, fault, caller, send)
            return
        await caller.wait(self._pause_s * said.tokens)
        if fault.stall_after is not None:
            await caller.gone()
        answer = _GARBAGE if fault.garbage else said.body
        if fault.close_after is None:
            await _whole(send, HTTPStatus.OK, answer, said.content_type)
            return
        await _begin(send, said.content_type, len(answer))
        await send({"type": "http.response.body", "body": answer[: len(answer) // 2], "more_body": True})
        raise _CutOff("closed early, as was asked for")

    async def _stream(self, events: Iterable[bytes], fault: Fault, caller: _Caller, send: Send) -> None:
        await _begin(send, _EVENTS)
        for at, event in enumerate(events):
            if at == fault.close_after:
                raise _CutOff("closed early, as was asked for")
            if at == fault.stall_after:
                await caller.gone()
            await caller.wait(self._pause_s)
            await send({"type": "http.response.body", "body": event, "more_body": True})
            self.tally.events += 1
        await send({"type": "http.response.body", "body": b""})

    def _must_serve(self, name: str) -> None:
        if name not in self._names and name not in self._tuned:
            message = f"There is no model {name!r}; there is {', '.join(self._names)}."
            raise Rejected(message, status=HTTPStatus.NOT_FOUND, param="model", code="model_not_found")


class _Caller:
    """The other end of the connection, watched from when its request was read."""

    def __init__(self, receive: Receive) -> None:
        self._watch = asyncio.ensure_future(_until_gone(receive))

    async def wait(self, span_s: float) -> None:
        """Let time pass, or raise ``HungUp`` as soon as the caller is gone; no time lets the others have their turn."""
        if span_s <= 0:
            await asyncio.sleep(0)
        else:
            await asyncio.wait({self._watch}, timeout=span_s)
        if self._watch.done():
            raise HungUp

    async def gone(self) -> None:
        """Wait for the caller to leave; always raises ``HungUp``."""
        await asyncio.wait({self._watch})
        raise HungUp

    def leave(self) -> None:
        """Watch no longer."""
        self._watch.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        part = message.get("body", b"")
        size += len(part)
        if size > _MOST_BODY_BYTES:
            raise Rejected("The body is larger than 64 MiB.", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, code="too_large")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _content_type(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"content-type"), b"")


def _fault(scope: Scope, request: Question) -> Fault:
    name = faults.NAME.encode()
    for key, value in scope["headers"]:
        if key == name:
            return faults.parse(value.decode("latin-1"))
    asked = (request.metadata or {}).get(faults.NAME)
    return faults.NONE if asked is None else faults.parse(asked)


def _must_be(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Rejected(f"{method} is not allowed here.", status=HTTPStatus.METHOD_NOT_ALLOWED, code="method_not_allowed")


async def _begin(send: Send, content_type: bytes, length: int | None = None) -> None:
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store"), (b"x-small-model", b"stand-in")]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": headers})


async def _whole(send: Send, status: int, body: bytes, content_type: bytes = _JSON) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), (b"x-small-model", b"stand-in")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
