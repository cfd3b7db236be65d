"""Whose the things are that a request names: the caller's own, or not there.

What somebody else owns and what never existed are told apart by nobody. What is the caller's own is theirs to use as long as they
may use the model it was made with, in the release it was made under: what a release has shown cannot be had again, by any way
round, when the release is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headgate.gateway.errors import ObjectNotFound
from headgate.gateway.model import ObjectKind, Refusal
from headgate.gateway.service.kept import unspoken
from headgate.gateway.wire.files.file import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from headgate.gateway.model import Admitted, Call, Principal, StoredObject
    from headgate.gateway.ports import Objects
    from headgate.gateway.wire.surface import Reference

_CALLED = {
    None: "Conversation",
    ObjectKind.RESPONSE: "Response",
    ObjectKind.RESPONSE_ITEM: "Item",
    ObjectKind.CONTAINER: "Container",
    ObjectKind.FILE: "File",
    ObjectKind.MESSAGE: "Message",
    ObjectKind.SPOKEN_ANSWER: "Audio",
}
_HOLD_ANSWERS = {
    ObjectKind.RESPONSE: ("api.responses", "stored"),
    ObjectKind.RESPONSE_ITEM: ("api.responses", "stored"),
    ObjectKind.MESSAGE: ("api.messages", "stored"),
    ObjectKind.SPOKEN_ANSWER: ("api.chat", "audio_output"),
}
"""What holds what a model has said, with the surface that shows it and the right that it takes."""


class Ownership:
    """Looks up whose things are.

    Args:
        objects: Where that is kept.
        judge: What a call would be admitted under now, or why it would not be.
        learn: Finds out what a model's name is before anything is judged that names it.
    """

    def __init__(
        self,
        objects: Objects,
        judge: Callable[[Call, Principal], Admitted | Refusal],
        learn: Callable[[str], Awaitable[None]],
    ) -> None:
        self._objects = objects
        self._judge = judge
        self._learn = learn

    async def own(
        self, principal: Principal, references: Sequence[Reference], *, client_ip: str | None
    ) -> list[StoredObject] | Refusal:
        """Return what a caller names, or why they may not.

        Args:
            principal: Who asks.
            references: What they name; each is looked up once.
            client_ip: Where they are.

        Raises:
            Unavailable: It cannot be looked up, so nothing is theirs.
        """
        found: dict[tuple[ObjectKind | None, str], StoredObject] = {}
        for reference in references:
            if (reference.kind, reference.id) in found:
                continue
            stored = await self._find(principal, reference, client_ip)
            if isinstance(stored, Refusal):
                return stored
            found[reference.kind, reference.id] = stored
        return list(found.values())

    async def _find(self, principal: Principal, reference: Reference, client_ip: str | None) -> StoredObject | Refusal:
        stored: StoredObject | None = None
        if reference.kind is not None:
            stored = await asyncio.to_thread(self._objects.find, reference.kind, reference.id)
        if stored is None or stored.account_id != principal.account_id:
            return _not_there(reference)
        if stored.kind is ObjectKind.FILE and stored.detail.get("purpose") == ANSWERS:
            return _not_there(reference)  # a batch's answers are shown past the output screen, and by no way round it
        if stored.kind not in _HOLD_ANSWERS:
            return stored
        await self._learn(stored.model)
        surface, right = _HOLD_ANSWERS[stored.kind]
        decision = self._judge(unspoken(surface, stored.model, frozenset({right}), client_ip=client_ip), principal)
        if isinstance(decision, Refusal):
            return decision
        return stored if decision.policy.release_id == stored.release_id else _not_there(reference)


def _not_there(reference: Reference) -> Refusal:
    return Refusal(
        ObjectNotFound(
            f"{_CALLED.get(reference.kind, 'Object')} with id '{reference.id[:100]}' not found.",
            rule="stored objects",
            help="Name one that this account has made here and that is still kept.",
        ),
        reference.param,
    )
