"""``Gateway``: what a worker serves under ``/v1``.

Every path is known by name or refused by name. A surface that is known and not served here is refused after the key is
checked, like any other denial; nothing is passed through unseen.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import structlog

from headgate.gateway import errors
from headgate.gateway.http.asgi import ClientGone, answer, client_ip, header, key_text
from headgate.gateway.http.forms import Forms
from headgate.gateway.http.intake import Intake
from headgate.gateway.http.relay import Relay
from headgate.gateway.http.shelf import ROOTS, Shelf
from headgate.gateway.http.stats import Stats
from headgate.gateway.http.stored import StoredResponses
from headgate.gateway.model import Refusal
from headgate.gateway.service.background import Background
from headgate.gateway.service.door import Door
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.service.knowledge import Knowledge
from headgate.gateway.service.ownership import Ownership
from headgate.gateway.service.quota import Quota
from headgate.gateway.service.screening import Screening
from headgate.gateway.service.tuned import Tuned
from headgate.gateway.service.underway import Stop
from headgate.gateway.service.unwatched import Unwatched
from headgate.gateway.upstream import Upstreams
from headgate.gateway.wire import anthropic
from headgate.gateway.wire.audio import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from headgate.gateway.wire.chat import CHAT
from headgate.gateway.wire.chat_page import CHAT_PAGES
from headgate.gateway.wire.completions import COMPLETIONS
from headgate.gateway.wire.embeddings import EMBEDDINGS
from headgate.gateway.wire.images import IMAGE_EDITS, IMAGE_GENERATIONS, IMAGE_VARIATIONS
from headgate.gateway.wire.messages import COUNT_TOKENS, MESSAGES
from headgate.gateway.wire.moderations import MODERATIONS
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.paths import turned_away
from headgate.gateway.wire.responses import RESPONSES
from headgate.gateway.wire.surface import referring
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.ids import mint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.gateway.http.asgi import Headers, Receive, Scope, Send
    from headgate.gateway.http.intake import Taking
    from headgate.gateway.model import Api, Caller, Change, ModelPolicy, Principal, Settings, StageRule, StoredObject
    from headgate.gateway.ports import Feed, Leases, Objects, Policies, Principals, Recorder, Screen, Telemetry
    from headgate.gateway.wire.surface import Dialect, FormSurface, Surface
    from headgate.kernel.clock import Clock

_LOG = structlog.get_logger("headgate.gateway")
_TICK_S = 0.02
"""How often it is looked whose time has come: few at a time, so that nobody's next words wait for long."""
_ROUND = 5
"""How many ticks pass between two looks at all that is open."""
_ROOT = "/v1/"
_MODELS = "models"
_RESPONSES = "responses"
_SURFACES: Mapping[str, Surface] = {
    surface.path[1:]: surface
    for surface in (
        *(CHAT, RESPONSES, MESSAGES, COUNT_TOKENS),
        *(COMPLETIONS, EMBEDDINGS, MODERATIONS, IMAGE_GENERATIONS, SPEECH),
    )
}
"""Ways in that take one JSON body and give one answer, by their path."""
_FORMS: Mapping[str, FormSurface] = {
    surface.path[1:]: surface for surface in (IMAGE_EDITS, IMAGE_VARIATIONS, TRANSCRIPTIONS, TRANSLATIONS)
}
"""Ways in that take one form and give one answer, by their path."""


class Gateway:
    """One worker's data plane, an ASGI application for ``/v1/*``.

    ``start`` and ``stop`` belong to whoever runs the server; a request before ``start`` is told to come back.

    Args:
        settings: The worker's settings.
        policies: Where the policy is read.
        principals: Where keys are looked up.
        feed: What tells of changes.
        leases: Where limits are counted.
        recorder: Where exchanges are recorded.
        objects: Where it is kept whose the objects are that upstreams keep.
        screen: Who looks at requests and answers; stages that ask for a screen are refused while there is none.
        telemetry: Who watches; nobody when absent.
        clock: Tells the time; the machine's own when absent.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        policies: Policies,
        principals: Principals,
        feed: Feed,
        leases: Leases,
        recorder: Recorder,
        objects: Objects,
        screen: Screen | None = None,
        telemetry: Telemetry | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = ForwardClock(clock)
        self._tuned = Tuned(objects, self._clock)
        self._knowledge = Knowledge(policies, principals, feed, self._tuned, settings, self._clock)
        self._quota = Quota(leases, self._clock)
        self._upstreams = Upstreams(self._clock.monotonic)
        self._telemetry = telemetry or Unwatched()
        self._door = Door(
            knowledge=self._knowledge,
            quota=self._quota,
            recorder=recorder,
            screening=Screening(screen, settings),
            objects=objects,
            telemetry=self._telemetry,
            settings=settings,
            clock=self._clock,
        )
        self._ownership = Ownership(objects, self._door.judge, self._door.learn)
        self._stored_responses = StoredResponses(
            door=self._door,
            ownership=self._ownership,
            objects=objects,
            upstreams=self._upstreams,
            settings=settings,
            clock=self._clock,
        )
        self._background = Background(
            objects=objects, knowledge=self._knowledge, upstreams=self._upstreams, settings=settings, clock=self._clock
        )
        self._intake = Intake(settings)
        self._forms = Forms(intake=self._intake, door=self._door, upstreams=self._upstreams, settings=settings, clock=self._clock)
        self._shelf = Shelf(
            door=self._door,
            ownership=self._ownership,
            knowledge=self._knowledge,
            quota=self._quota,
            recorder=recorder,
            objects=objects,
            tuned=self._tuned,
            upstreams=self._upstreams,
            intake=self._intake,
            batched=(CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MODERATIONS),
            settings=settings,
            clock=self._clock,
        )
        self._in_flight = 0
        self._empty = asyncio.Event()
        self._refused: Counter[str] = Counter()
        self._serving = False
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the policy, follow the ledger, and serve.

        Raises:
            Unavailable: The system of record or the store of limits does not answer; nothing was started.
        """
        await self._quota.start(self._settings.worker)
        await self._knowledge.start(self._changed)
        await self._upstreams.start()
        self._background.start()
        self._ticking = asyncio.create_task(self._tick())
        self._serving = True

    async def stop(self, drain_s: float) -> None:
        """Take no more requests, let open ones end, then end them.

        Args:
            drain_s: How long they may take to end by themselves, in seconds.
        """
        self._serving = False
        await self._emptied(drain_s)
        self._door.end_all(Stop.SHUT_DOWN)
        await self._emptied(2.0)
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
        await self._background.stop()
        await self._shelf.stop()
        await self._knowledge.stop()
        await self._quota.stop()
        await self._upstreams.close()

    def stats(self) -> Stats:
        """Return how this worker is doing."""
        knowledge = self._knowledge
        return Stats(
            ready=self._serving and not knowledge.stale,
            in_flight=self._in_flight,
            open=self._door.open,
            streams=self._door.streams,
            admitted=self._door.admitted,
            refused=dict(self._refused),
            endings=dict(self._door.endings),
            unrecorded_endings=self._door.unrecorded_endings,
            policy_seq=knowledge.snapshot.seq,
            policy_age_s=knowledge.age_s,
            stale=knowledge.stale,
            servers=self._upstreams.standings(),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        await self._answer(_SURFACES.get(scope["path"].removeprefix(_ROOT)), scope, receive, send)

    async def converse(self, api: Api, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one message of somebody on the chat page; no address of the API leads here.

        Args:
            api: The API that the message is written in.
            scope: The request as the page's server makes it; the text of the page's session stands where a key would.
            receive: Its body.
            send: Where the answer goes.
        """
        await self._answer(CHAT_PAGES[api], scope, receive, send)

    async def conversable(self, key_text: str, client_ip: str | None) -> list[tuple[ModelPolicy, StageRule]]:
        """Return the models that somebody on the chat page may talk to now, each under its rule.

        Raises:
            HeadgateError: Their session, seat or terms do not allow it.
            Unavailable: They cannot be looked up.
        """
        caller = await self._door.identify(key_text, client_ip, afresh=True)
        if isinstance(caller, Refusal):
            raise caller.error
        principal = caller.principal
        models = self._door.models(principal)
        return [(model, model.rules[principal.cohort]) for model in models if model.upstream.apis]

    async def _answer(self, surface: Surface | None, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        try:
            refusal = self._not_now() or await self._route(surface, scope, receive, send)
        except ClientGone:
            return
        except HeadgateError as error:
            refusal = Refusal(error, getattr(error, "param", None))
        except Exception:  # noqa: BLE001 - the last line: a fault of ours is reported here and told without its traceback
            _LOG.exception("request.fault", path=scope["path"])
            refusal = Refusal(errors.Faulty("Headgate has a fault of its own.", help="Report the request id."))
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._empty.set()
        if refusal is not None:
            way = surface or _FORMS.get(scope["path"].removeprefix(_ROOT))
            self._telemetry.refused("" if way is None else way.name, refusal.error.code)
            await self._refuse(refusal, _spoken(scope) if way is None else way.dialect, send)

    def _not_now(self) -> Refusal | None:
        if not self._serving:
            return Refusal(errors.Stopping("This worker does not take requests now.", help="Try again."))
        if self._in_flight > self._settings.max_in_flight:
            return Refusal(
                errors.Overloaded("This worker carries as much as it can.", rule="max_in_flight", help="Try again soon.")
            )
        return None

    async def _route(self, surface: Surface | None, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        method: str = scope["method"]
        if surface is not None:
            return await self._exchange(surface, scope, receive, send) if method == "POST" else _wrong_method("POST")
        path: str = scope["path"]
        rest = path[len(_ROOT) :] if path.startswith(_ROOT) else ""
        first, _, name = rest.partition("/")
        if first == _MODELS and (name or rest == _MODELS):
            # A model's name may hold a slash, written as one or escaped.
            return await self._models(scope, send, unquote(name), method)
        if first == _RESPONSES and name:
            return await self._stored_responses.handle(name, scope, receive, send)
        if rest in _FORMS:
            return await self._forms.exchange(_FORMS[rest], scope, receive, send) if method == "POST" else _wrong_method("POST")
        if first in ROOTS:
            return await self._shelf.handle(scope, receive, send, root=first)
        return await self._unserved(scope, turned_away(path, method))

    async def _unserved(self, scope: Scope, refusal: Refusal) -> Refusal:
        if isinstance(refusal.error, errors.SurfaceUnknown):
            return refusal
        caller = await self._door.identify(key_text(scope), client_ip(scope))
        return caller if isinstance(caller, Refusal) else refusal

    async def _exchange(self, surface: Surface, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        # Before the body is read: strangers send no megabytes.
        caller = await self._door.identify(key_text(scope), client_ip(scope))
        if isinstance(caller, Refusal):
            return caller
        with self._intake.of(caller.principal.account_id) as taking:
            relay = await self._decided(surface, caller, taking, scope, receive, send)
        if isinstance(relay, Refusal):
            return relay
        await relay.run(receive)
        return None

    async def _decided(
        self, surface: Surface, caller: Caller, taking: Taking, scope: Scope, receive: Receive, send: Send
    ) -> Relay | Refusal:
        """Take a request in and through the door; return what carries it out, or why nothing does."""
        body = await taking.json(scope, receive)
        ip = client_ip(scope)
        request = surface.compile(body, ip, self._settings.end_user_key)
        naming = referring(request)
        kept: list[StoredObject] = []
        if naming is not None:
            owned = await self._ownership.own(caller.principal, naming.references, client_ip=ip)
            if isinstance(owned, Refusal):
                return owned
            kept, request = owned, naming.continuing(owned)
        underway = await self._door.admit(caller, request, body)
        if isinstance(underway, Refusal):
            return underway
        upstream = underway.admitted.policy.upstream
        for stored in kept:
            upstream = stored.at(upstream)
        return Relay(
            door=self._door,
            upstreams=self._upstreams,
            underway=underway,
            surface=surface,
            request=request,
            scope=scope,
            send=send,
            settings=self._settings,
            clock=self._clock,
            upstream=upstream,
        )

    async def _models(self, scope: Scope, send: Send, name: str, method: str) -> Refusal | None:
        if name and method == "DELETE":
            return await self._shelf.delete_model(scope, send, name)
        if method != "GET":
            return _wrong_method("GET")
        caller = await self._door.identify(key_text(scope), client_ip(scope))
        if isinstance(caller, Refusal):
            return caller
        principal = caller.principal
        tuned: list[ModelPolicy] = []
        with suppress(Unavailable):  # a list is no authority: it goes on without what cannot be looked up
            tuned = await self._tuned.owned(principal, self._knowledge.snapshot)
        models = self._door.models(principal, tuned=tuned)
        if name:
            model = next((model for model in models if model.model == name), None)
            if model is None:
                return Refusal(
                    errors.ModelNotFound(
                        f"The model {name[:100]!r} does not exist or you do not have access to it.",
                        rule="model",
                        help="GET /v1/models lists the models that this key may use.",
                    ),
                    "model",
                )
            said = anthropic.model_info(model, principal) if _speaks_anthropic(scope) else _listed(model, principal)
            await self._say(scope, send, said)
        elif _speaks_anthropic(scope):
            asked = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
            page = {name: asked.get(name) for name in ("after_id", "before_id", "limit")}
            await self._say(scope, send, anthropic.listed(models, principal, **page))
        else:
            await self._say(scope, send, {"object": "list", "data": [_listed(model, principal) for model in models]})
        return None

    async def _say(self, scope: Scope, send: Send, value: Mapping[str, object]) -> None:
        headers: Headers = [(b"content-type", b"application/json"), *_spoken(scope).identified(self._request_id())]
        await answer(send, 200, headers, json.dumps(value, separators=(",", ":")).encode())

    async def _refuse(self, refusal: Refusal, dialect: Dialect, send: Send) -> None:
        self._refused[refusal.error.code] += 1
        request_id = self._request_id()
        headers = [
            *dialect.headers(refusal),
            *dialect.limits(refusal.standings, now=self._clock.now()),
            *dialect.identified(request_id),
        ]
        if isinstance(refusal.error, errors.MethodNotAllowed) and refusal.param is not None:
            headers.append((b"allow", refusal.param.encode()))
        body = dialect.body(refusal, self._settings, request_id=request_id)
        await answer(send, dialect.status(refusal), headers, body)

    async def _changed(self, change: Change) -> None:
        await self._door.changed(change)
        self._background.changed(change)
        self._shelf.changed(change)
        if change.at is not None:
            self._telemetry.followed((self._clock.now() - change.at).total_seconds())

    def _request_id(self) -> str:
        return mint("req", at=self._clock.now())

    async def _tick(self) -> None:
        while True:
            for _ in range(_ROUND):
                await asyncio.sleep(_TICK_S)
                self._door.review_due()
            self._door.tick()
            self._shelf.tick()

    async def _emptied(self, within_s: float) -> None:
        self._empty.clear()
        if self._in_flight:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._empty.wait()


def _listed(policy: ModelPolicy, principal: Principal) -> dict[str, object]:
    rule = policy.rules[principal.cohort]
    return {
        "id": policy.model,
        "object": "model",
        "created": int(policy.created.timestamp()),
        "owned_by": "headgate",
        "headgate": {
            "release": policy.release_id,
            "stage": rule.stage,
            "surfaces": sorted(rule.surfaces),
            "capabilities": sorted(rule.capabilities),
            "max_output_tokens": rule.max_output_tokens,
            "max_turns": rule.max_turns,
        },
    }


def _speaks_anthropic(scope: Scope) -> bool:
    """Return whether a request to a path of both APIs is one of Anthropic's, all of whose requests name a version."""
    return bool(header(scope, b"anthropic-version"))


def _spoken(scope: Scope) -> Dialect:
    return anthropic.ANTHROPIC if _speaks_anthropic(scope) else OPENAI


def _wrong_method(allowed: str) -> Refusal:
    return Refusal(errors.MethodNotAllowed("This path takes another method.", rule="method", help=f"Use {allowed}."), allowed)
