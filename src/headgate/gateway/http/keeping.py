"""What the paths of files, batches and fine-tuning jobs have in common: whose the object is, and what its upstream says of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.errors import ObjectNotFound, UpstreamGarbage
from headgate.gateway.http.asgi import answer, client_ip, key_text
from headgate.gateway.model import Refusal
from headgate.gateway.service.kept import gone, unspoken
from headgate.gateway.wire.files.listing import listed, page_of, read_query
from headgate.gateway.wire.headers import to_client
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.kernel.ids import mint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from headgate.gateway.http.asgi import Scope, Send
    from headgate.gateway.http.calls import Calls
    from headgate.gateway.http.intake import Intake
    from headgate.gateway.model import Admitted, Call, Caller, ModelPolicy, ObjectKind, Principal, Settings, StoredObject
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.kept import Heard, Kept

_AT_ONCE = 8
"""How many objects of a page are asked for at one time."""
_NOT_THERE = 404


@dataclass(frozen=True, slots=True)
class Asked:
    """A request about something that is kept.

    Attributes:
        scope: The request.
        send: Where its answer goes.
        caller: Who asks.
        client_ip: Where they are.
    """

    scope: Scope
    send: Send
    caller: Caller
    client_ip: str | None

    @property
    def principal(self) -> Principal:
        """Whom the caller's key speaks for."""
        return self.caller.principal

    def call(self, surface: str, model: str, capabilities: frozenset[str] = frozenset()) -> Call:
        """Return what such a request asks of a model: nothing is said to it here."""
        return unspoken(surface, model, capabilities, client_ip=self.client_ip)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What these paths are answered with.

    Attributes:
        door: Decides.
        intake: Takes bodies in.
        kept: Whose things are.
        calls: The way to upstreams.
        settings: The worker's settings.
        clock: Dates answers.
    """

    door: Door
    intake: Intake
    kept: Kept
    calls: Calls
    settings: Settings
    clock: ForwardClock

    async def asked(self, scope: Scope, send: Send) -> Asked | Refusal:
        """Return who asks, or why they are turned away before they are heard.

        Raises:
            Unauthenticated: The key is not one.
            Unavailable: It cannot be looked up.
        """
        ip = client_ip(scope)
        caller = await self.door.identify(key_text(scope), ip)
        return caller if isinstance(caller, Refusal) else Asked(scope, send, caller, ip)

    def open_models(self, principal: Principal, surface: str) -> list[ModelPolicy]:
        """Return the models that a principal may use by a surface."""
        return [
            policy
            for policy in self.door.models(principal)
            if surface in policy.rules[principal.cohort].surfaces and surface in principal.scopes
        ]

    async def find(self, asked: Asked, kind: ObjectKind, object_id: str, surface: str) -> tuple[StoredObject, Admitted] | Refusal:
        """Return an object of the caller's and what they are admitted under; or why they may not reach it.

        Raises:
            ObjectNotFound: There is none of that name, or it is somebody else's.
            Unavailable: Whose it is cannot be looked up.
        """
        stored = await self.kept.find(kind, object_id, asked.principal)
        admitted = self.kept.may(stored, asked.principal, surface=surface, client_ip=asked.client_ip, capabilities=frozenset())
        return admitted if isinstance(admitted, Refusal) else (stored, admitted)

    async def ask(self, stored: StoredObject, admitted: Admitted, method: str, path: str) -> Heard:
        """Ask the server that keeps an object about it.

        Raises:
            ObjectNotFound: The server does not keep it any more.
            Unavailable: There is no answer.
        """
        heard = await self.calls.ask(stored.at(admitted.policy.upstream), method, path)
        if heard.status == _NOT_THERE:
            await self.kept.forget(stored)
            raise gone(stored.id)
        return heard

    async def page(
        self,
        asked: Asked,
        kind: ObjectKind,
        surface: str,
        show: Callable[[StoredObject, Admitted], Awaitable[Heard]],
        *,
        usual: int,
    ) -> None:
        """Answer with a page of what the caller has, each object as its upstream has it now.

        Args:
            asked: Who asks, and for which page.
            kind: What is listed.
            surface: The way in.
            show: Returns what may be said of an object.
            usual: How many objects are shown where nobody says.

        Raises:
            WrongType: The page is asked for in a way that means nothing.
            Unavailable: What the caller has cannot be looked up, or cannot be shown.
        """
        query = read_query(asked.scope["query_string"], usual=usual)
        owned: list[tuple[StoredObject, Admitted]] = []
        for stored in await self.kept.owned(kind, asked.principal):
            admitted = self.kept.may(
                stored, asked.principal, surface=surface, client_ip=asked.client_ip, capabilities=frozenset()
            )
            if not isinstance(admitted, Refusal):
                owned.append((stored, admitted))
        page, more = page_of([stored for stored, _ in owned], query)
        terms = {stored.id: admitted for stored, admitted in owned}
        shown = await _each(page, lambda stored: self._shown(stored, terms[stored.id], show))
        await self.say(asked.send, 200, listed([pair for pair in shown if pair is not None], more=more))

    async def say(self, send: Send, status: int, body: bytes) -> None:
        """Answer with something of Headgate's own."""
        await answer(send, status, [(b"content-type", b"application/json"), (b"x-request-id", self._request_id())], body)

    async def pass_on(self, send: Send, heard: Heard) -> None:
        """Answer with what an upstream said."""
        headers = to_client(heard.headers, request_id=self._request_id().decode())
        headers = [pair for pair in headers if pair[0] != b"content-encoding"]
        await answer(send, heard.status, headers, heard.body)

    def _request_id(self) -> bytes:
        return mint("req", at=self.clock.now()).encode()

    async def _shown(
        self, stored: StoredObject, admitted: Admitted, show: Callable[[StoredObject, Admitted], Awaitable[Heard]]
    ) -> tuple[str, bytes] | None:
        try:
            heard = await show(stored, admitted)
        except NotAnAnswer:
            raise garbage() from None
        except ObjectNotFound:
            return None  # it is gone since
        return (stored.id, heard.body) if heard.well else None


async def _each(
    page: Sequence[StoredObject], show: Callable[[StoredObject], Awaitable[tuple[str, bytes] | None]]
) -> list[tuple[str, bytes] | None]:
    shown: list[tuple[str, bytes] | None] = []
    for start in range(0, len(page), _AT_ONCE):
        shown += await asyncio.gather(*(show(stored) for stored in page[start : start + _AT_ONCE]))
    return shown


def garbage() -> UpstreamGarbage:
    """Return the error for what a model server should not have sent."""
    return UpstreamGarbage("What the model server answers is not what was asked for.", rule="upstream", help="Tell its operator.")


def not_admitted(surface: str) -> Refusal:
    """Return the refusal of a way in that no model of the caller's admits."""
    return Refusal(
        errors.SurfaceNotAdmitted(
            f"No model that you may use admits {surface} at its stage, for this key.",
            rule="what.surfaces",
            help="GET /v1/models shows the surfaces of each model.",
        )
    )
