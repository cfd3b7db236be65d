"""What upstreams keep, as its owner may reach it: by an identifier that is the owner's, through the door, each time.

To everybody but the account that made it an object does not exist. To its owner it is as open as the model that it was made
with: the object is looked at under the policy of now, not of when it was made, and an object whose name is served by another
release by now is gone with its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from headgate.gateway.errors import ObjectNotFound, UpstreamGarbage
from headgate.gateway.model import Call, ObjectKind, Refusal, StoredObject
from headgate.gateway.wire.files.file import is_id, is_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from headgate.gateway.model import Admitted, Principal, Upstream
    from headgate.gateway.ports import Objects
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock


@dataclass(frozen=True, slots=True)
class Heard:
    """What an upstream answered, whole.

    Attributes:
        status: Its HTTP status.
        headers: Its headers as they came.
        body: Its body, unpacked.
        server: Which of the upstream's servers it was.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    server: str

    @property
    def well(self) -> bool:
        """Whether the upstream did what it was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - success


class Server(Protocol):
    """An upstream that keeps things, asked by Headgate itself."""

    async def ask(self, upstream: Upstream, method: str, path: str, body: bytes | None = None) -> Heard:
        """Return an answer that is not large.

        Raises:
            Unavailable: There is none, or it is not one.
        """
        ...

    def content(self, upstream: Upstream, path: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Yield the content of a file in blocks.

        Raises:
            Unavailable: There is none.
        """
        ...


class Kept:
    """Finds what is kept, for whoever may reach it.

    Args:
        objects: Whose it is.
        door: Decides.
        clock: Tells when something came to be kept.
    """

    def __init__(self, *, objects: Objects, door: Door, clock: ForwardClock) -> None:
        self._objects = objects
        self._door = door
        self._clock = clock
        self._updating = asyncio.Lock()

    async def find(self, kind: ObjectKind, object_id: str, principal: Principal) -> StoredObject:
        """Return an object of the caller's.

        Raises:
            ObjectNotFound: There is none of that name, or it is somebody else's.
            Unavailable: Whose it is cannot be looked up.
        """
        stored = await asyncio.to_thread(self._objects.find, kind, object_id)
        if stored is None or stored.account_id != principal.account_id:
            raise gone(object_id)
        await self._door.learn(stored.model)
        return stored

    async def owned(self, kind: ObjectKind, principal: Principal) -> list[StoredObject]:
        """Return what the caller has of a kind, newest first.

        Raises:
            Unavailable: It cannot be looked up.
        """
        owned = await asyncio.to_thread(self._objects.owned, kind, principal.account_id)
        for model in {stored.model for stored in owned}:
            await self._door.learn(model)
        return owned

    async def bind(
        self, kind: ObjectKind, object_id: str, admitted: Admitted, model: str, detail: Mapping[str, Any]
    ) -> StoredObject:
        """Bind what an upstream now keeps to the caller, before anybody is told its identifier.

        Raises:
            UpstreamGarbage: The upstream gives it the identifier of something that it keeps already.
            Unavailable: It cannot be bound.
        """
        principal = admitted.principal
        stored = StoredObject(
            kind=kind,
            id=object_id,
            release_id=admitted.policy.release_id,
            model=model,
            account_id=principal.account_id,
            grant_id=principal.grant_id,
            organisation_id=principal.organisation_id,
            created=self._clock.now(),
            detail={**detail, "key": principal.key_id},
        )
        return await self._keep_new(stored)

    async def inherit(self, parent: StoredObject, kind: ObjectKind, object_id: str, detail: Mapping[str, Any]) -> StoredObject:
        """Bind what came of an object to the object's owner, before anybody is told its identifier; again is harmless.

        Raises:
            UpstreamGarbage: The upstream gives it the identifier of something that is somebody else's.
            Unavailable: It cannot be bound.
        """
        known = await asyncio.to_thread(self._objects.find, kind, object_id)
        if known is not None and known.account_id == parent.account_id:
            return known
        detail = {**detail, "key": parent.detail.get("key")}
        return await self._keep_new(replace(parent, kind=kind, id=object_id, created=self._clock.now(), detail=detail))

    async def update(self, stored: StoredObject, **changes: Any) -> StoredObject:
        """Remember more about an object.

        Raises:
            Unavailable: It cannot be remembered.
        """
        async with self._updating:  # so that of two who remember something, neither forgets what the other remembers
            known = await asyncio.to_thread(self._objects.find, stored.kind, stored.id)
            stored = replace(stored, detail={**(known or stored).detail, **changes})
            await asyncio.to_thread(self._objects.keep, stored)
        return stored

    async def forget(self, stored: StoredObject) -> None:
        """Forget an object that is gone.

        Raises:
            Unavailable: It cannot be forgotten.
        """
        await asyncio.to_thread(self._objects.forget, stored.kind, stored.id)

    def may(
        self, stored: StoredObject, principal: Principal, *, surface: str, client_ip: str | None, capabilities: frozenset[str]
    ) -> Admitted | Refusal:
        """Return what its owner is admitted under who asks for an object by a surface, or why they are not."""
        decision = self._door.judge(unspoken(surface, stored.model, capabilities, client_ip=client_ip), principal)
        if isinstance(decision, Refusal) or decision.policy.release_id == stored.release_id:
            return decision
        return Refusal(gone(stored.id))

    async def _keep_new(self, stored: StoredObject) -> StoredObject:
        named = is_name(stored.id) if stored.kind is ObjectKind.TUNED_MODEL else is_id(stored.id)
        if not named or await asyncio.to_thread(self._objects.find, stored.kind, stored.id) is not None:
            raise UpstreamGarbage(
                "The model server names what it keeps as nothing can be named.", rule="upstream", help="Tell its operator."
            )
        await asyncio.to_thread(self._objects.keep, stored)
        return stored


def unspoken(surface: str, model: str, capabilities: frozenset[str], *, client_ip: str | None) -> Call:
    """Return the call of a request that says nothing to its model: it counts as one token in and none out."""
    return Call(
        surface=surface,
        model=model,
        stream=False,
        capabilities=capabilities,
        input_tokens=1,
        output_tokens=None,
        choices=0,
        turns=0,
        client_ip=client_ip,
    )


def gone(object_id: str) -> ObjectNotFound:
    """Return what is said of an object that the caller does not have."""
    return ObjectNotFound(
        f"There is no {object_id[:100]!r}, or it is not yours.", rule="stored objects", help="Lists show what you have."
    )
