"""``/v1/responses/{id}``: a response that an upstream keeps, read, cancelled or deleted by its owner.

Each time, it is an exchange like any other: whose the response is comes first, then the one door, with the same decision as when
it was made; it is recorded, screened and cut like any other too. To everybody else, and to its owner once the release that made
it is gone, there is no such response. It counts against no limit of requests: somebody who waits for a response that runs in the
background asks many times for one answer.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import structlog

from headgate.gateway import errors
from headgate.gateway.http.asgi import client_ip, key_text
from headgate.gateway.http.relay import Relay
from headgate.gateway.model import ObjectKind, Refusal
from headgate.gateway.wire.responses import RESPONSES
from headgate.gateway.wire.responses.kept import Wish, compile_kept, named, wishes
from headgate.gateway.wire.surface import Reference
from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.gateway.model import Settings
    from headgate.gateway.ports import Objects
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.ownership import Ownership
    from headgate.gateway.upstream import Upstreams

_LOG = structlog.get_logger("headgate.gateway")
_NOT_SERVED = frozenset({"compact", "input_tokens"})
_GONE = frozenset({200, 204, 404})
"""Answers to a deletion after which there is nothing left to own."""


class StoredResponses:
    """Serves what stands below ``/v1/responses/``.

    Args:
        door: Admits and settles.
        ownership: Says whose a response is.
        objects: Where that is kept.
        upstreams: Where responses are kept.
        settings: The worker's settings.
        clock: For deadlines.
    """

    def __init__(
        self,
        *,
        door: Door,
        ownership: Ownership,
        objects: Objects,
        upstreams: Upstreams,
        settings: Settings,
        clock: ForwardClock,
    ) -> None:
        self._door = door
        self._ownership = ownership
        self._objects = objects
        self._upstreams = upstreams
        self._settings = settings
        self._clock = clock

    async def handle(self, path: str, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        """Handle a request; return why it is refused, where it is.

        Args:
            path: What follows ``/v1/responses/``.
            scope: The request.
            receive: Where its body comes from.
            send: Where the answer goes.

        Raises:
            HeadgateError: It is refused for a reason that is an error already.
        """
        ip = client_ip(scope)
        caller = await self._door.identify(key_text(scope), ip)
        if isinstance(caller, Refusal):
            return caller
        found = _wished(path, scope["method"])
        if isinstance(found, Refusal):
            return found
        response_id, wish = found
        wanted = [Reference(ObjectKind.RESPONSE, response_id, "response_id")]
        owned = await self._ownership.own(caller.principal, wanted, client_ip=ip)
        if isinstance(owned, Refusal):
            return owned
        (stored,) = owned
        running = await asyncio.to_thread(self._objects.find, ObjectKind.RUNNING_RESPONSE, response_id)
        request = compile_kept(wish, stored, scope["query_string"], late=running is not None, client_ip=ip)
        underway = await self._door.admit(caller, request, json.dumps({"id": response_id}).encode(), metered=False)
        if isinstance(underway, Refusal):
            return underway
        relay = Relay(
            door=self._door,
            upstreams=self._upstreams,
            underway=underway,
            surface=RESPONSES,
            request=request,
            scope=scope,
            send=send,
            settings=self._settings,
            clock=self._clock,
            upstream=stored.at(underway.admitted.policy.upstream),
            errand=(wish.method, request.path(underway.admitted)),
        )
        ending = await relay.run(receive)
        if wish is Wish.DELETE and ending.http_status in _GONE:
            await self._forget(response_id)
        return None

    async def _forget(self, response_id: str) -> None:
        try:
            for kind in (ObjectKind.RUNNING_RESPONSE, ObjectKind.RESPONSE):
                await asyncio.to_thread(self._objects.forget, kind, response_id)
        except HeadgateError as error:  # its owner has the answer already, and owns something that is not there
            _LOG.info("stored_response.not_forgotten", code=error.code)


def _wished(path: str, method: str) -> tuple[str, Wish] | Refusal:
    """Return which response is named and what is wanted with it."""
    if path in _NOT_SERVED:
        return Refusal(
            errors.SurfaceNotAdmitted(f"responses/{path} is not open here.", rule="surface", help="Use /v1/responses.")
        )
    found = named(path)
    if found is None:
        return Refusal(
            errors.SurfaceUnknown(
                "There is no such path here.", rule="surface", help="Served: /v1/responses/{id}, its cancel and its input_items."
            )
        )
    response_id, what = found
    possible = wishes(what)
    wish = possible.get(method)
    if wish is None:
        allowed = ", ".join(sorted(possible))
        return Refusal(errors.MethodNotAllowed("This path takes another method.", rule="method", help=f"Use {allowed}."), allowed)
    return response_id, wish
