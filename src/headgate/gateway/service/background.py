"""Responses that upstreams work on with nobody waiting: known while they run, settled once, called off when access ends.

The exchange that started one ends at once, with nothing counted, so it is charged what was reserved. What the response came to is
learnt by whoever sees its end: only the first to see it settles it, and what is beyond the reservation is charged then. An
exchange under way is cut when its caller loses access; so is a response that nobody is waiting for: the upstream is told to
cancel it, as soon as the ledger reports what took the access away, and looked after again from time to time, because end dates
pass and upstreams are out of reach.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog

from headgate.gateway.decide import admit
from headgate.gateway.model import Call, Change, ObjectKind, Refusal, Unit
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ids import KeyId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from headgate.gateway.model import Meter, ModelPolicy, Principal, Settings, StoredObject, Upstream
    from headgate.gateway.ports import Objects
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.knowledge import Knowledge
    from headgate.gateway.service.quota import Quota
    from headgate.gateway.service.underway import Underway
    from headgate.kernel.ids import ReleaseId

_LOG = structlog.get_logger("headgate.gateway")
_LOOK_EVERY_S = 30.0
_CANCEL_S = 10.0
_TOKENS = frozenset({Unit.TOKENS, Unit.TOTAL_TOKENS})
_RUNNING = ObjectKind.RUNNING_RESPONSE


class Answer(Protocol):
    """What an upstream answers, as far as it matters here."""

    status: int


class Upstreams(Protocol):
    """The way to the upstreams; ``gateway.upstream`` has it."""

    def send(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request and yield the answer.

        Raises:
            Unavailable: It did not come to an answer.
        """
        ...


class Settling:
    """Notes which responses are running, and settles each once.

    Args:
        objects: Where they are noted.
        quota: Where what they used is charged.
    """

    def __init__(self, objects: Objects, quota: Quota) -> None:
        self._objects = objects
        self._quota = quota

    async def note(self, underway: Underway, stored: StoredObject, meters: Sequence[Meter]) -> None:
        """Take in that a response runs with nobody waiting, or that its end has been seen.

        Args:
            underway: The exchange that saw it.
            stored: The response, bound to its owner.
            meters: The limits that hold for its owner now.

        Raises:
            Unavailable: It cannot be noted.
        """
        if not stored.detail.get("over"):
            await asyncio.to_thread(self._objects.keep, _noted(underway, stored))
            return
        noted = await asyncio.to_thread(self._objects.find, _RUNNING, stored.id)
        first = await asyncio.to_thread(self._objects.forget, _RUNNING, stored.id)
        if noted is None or not first:
            underway.counted_before = True
        elif noted.detail.get("exchange_id") != underway.exchange_id:
            underway.prepaid_tokens = _whole(noted.detail.get("reserved_tokens"))
            tokens = tuple(meter for meter in meters if meter.unit in _TOKENS)
            reservation = await self._quota.reserve(tokens, tokens=0, exchange_id=underway.exchange_id)
            if not isinstance(reservation, Refusal):  # otherwise everything is used up already
                underway.reservation = reservation


class Background:
    """Calls off responses whose owners may not have them any more.

    Args:
        objects: Where running responses are noted.
        knowledge: Policy and principals as they are now.
        upstreams: Where they run.
        settings: The worker's settings.
        clock: Tells the time.
    """

    def __init__(
        self, *, objects: Objects, knowledge: Knowledge, upstreams: Upstreams, settings: Settings, clock: ForwardClock
    ) -> None:
        self._objects = objects
        self._knowledge = knowledge
        self._upstreams = upstreams
        self._settings = settings
        self._clock = clock
        self._known: dict[ReleaseId, ModelPolicy] = {}
        self._changes: list[Change] = []
        self._news = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after them."""
        self._working = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Look after them no more; others do."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    def changed(self, change: Change) -> None:
        """Take in a change; what it means is carried out beside whoever calls."""
        self._changes.append(change)
        self._news.set()

    async def look(self, change: Change) -> int:
        """Call off every running response that a change takes from its owner; return how many.

        What cannot be looked up or reached is left for the next look.

        Args:
            change: What was recorded.
        """
        touched = [stored for stored in await self._running(change) if _touches(change, stored)]
        if not touched:
            return 0
        try:
            principals = await self._knowledge.refreshed({_key(stored) for stored in touched})
        except HeadgateError:
            return 0
        gone = [stored for stored in touched if not self._still_admitted(stored, principals.get(_key(stored)))]
        return sum(await asyncio.gather(*(self._cancel(stored) for stored in gone)))

    async def _work(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):  # wait_for loses a cancellation that comes together with news
                    await self._news.wait()
            self._news.clear()
            changes, self._changes = self._changes or [Change(0, everything=True)], []
            for change in changes:
                try:
                    await self.look(change)
                except HeadgateError as error:
                    _LOG.info("background.not_looked_after", code=error.code)

    async def _running(self, change: Change) -> list[StoredObject]:
        """Return the responses that may be running under the releases that are known, or that a change names."""
        self._known.update({policy.release_id: policy for policy in self._knowledge.snapshot.models.values()})
        only_releases = not (change.everything or change.touches_principals)
        releases = change.releases if only_releases else {*self._known, *change.releases}
        found = [await asyncio.to_thread(self._objects.of_release, _RUNNING, release_id) for release_id in sorted(releases)]
        return [stored for part in found for stored in part]

    def _still_admitted(self, stored: StoredObject, principal: Principal | None) -> bool:
        policy = self._knowledge.policy(stored.model)
        if principal is None or policy is None or policy.release_id != stored.release_id:
            return False
        decision = admit(
            _call(stored),
            principal,
            policy,
            now=self._clock.now(),
            assumed_output_tokens=self._settings.assumed_output_tokens,
        )
        return not isinstance(decision, Refusal)

    async def _cancel(self, stored: StoredObject) -> bool:
        policy = self._known.get(stored.release_id)
        if policy is None:
            return False  # nobody here ever knew where it runs
        headers = [] if policy.upstream.api_key is None else [("authorization", f"Bearer {policy.upstream.api_key}")]
        try:
            async with (
                asyncio.timeout(_CANCEL_S),
                self._upstreams.send(
                    stored.at(policy.upstream), "POST", f"/responses/{stored.id}/cancel", headers, b""
                ) as answer,
            ):
                if answer.status >= 500:  # noqa: PLR2004 - the server's fault: it may still be running
                    return False
            await asyncio.to_thread(self._objects.forget, _RUNNING, stored.id)
        except (HeadgateError, TimeoutError):
            return False
        _LOG.info("background.called_off", release=stored.release_id, grant=stored.grant_id)
        return True


def _noted(underway: Underway, stored: StoredObject) -> StoredObject:
    call = underway.call
    detail = {
        **stored.detail,
        "exchange_id": underway.exchange_id,
        "key_id": underway.admitted.principal.key_id,
        "client_ip": call.client_ip,
        "capabilities": sorted(call.capabilities),
        "reserved_tokens": underway.admitted.reserved_tokens,
    }
    return replace(stored, detail=detail)


def _touches(change: Change, stored: StoredObject) -> bool:
    return (
        change.everything
        or stored.release_id in change.releases
        or stored.account_id in change.accounts
        or stored.grant_id in change.grants
        or _key(stored) in change.keys
    )


def _key(stored: StoredObject) -> KeyId:
    return KeyId(str(stored.detail.get("key_id")))


def _call(stored: StoredObject) -> Call:
    detail: Mapping[str, Any] = stored.detail
    capabilities: Any = detail.get("capabilities")
    client_ip: Any = detail.get("client_ip")
    return Call(
        surface="api.responses",
        model=stored.model,
        stream=False,
        capabilities=frozenset(cast("list[str]", capabilities) if isinstance(capabilities, list) else ["background", "stored"]),
        input_tokens=1,
        output_tokens=None,
        choices=1,
        turns=0,
        client_ip=client_ip if isinstance(client_ip, str) else None,
    )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
