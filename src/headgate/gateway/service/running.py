"""What goes on at upstreams without anybody waiting for it: batches and fine-tuning jobs, followed, and stopped on a change.

An open exchange is stopped by the worker that carries it. A batch or a job runs on without a worker, so every worker that hears
of a change looks up what runs under the releases and accounts that it touches, decides about each again, and has what would
not be admitted now cancelled at the upstream. Cancelling twice is harmless. What cannot be decided about or cancelled at once is
tried again until it is over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from headgate.gateway.errors import KeyGone
from headgate.gateway.model import ObjectKind, Refusal
from headgate.gateway.wire.batches import batch
from headgate.gateway.wire.batches.kinds import refused_now, remembered
from headgate.gateway.wire.fine_tuning import job
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ids import KeyId

if TYPE_CHECKING:
    from headgate.gateway.model import Change, Principal, StoredObject, Upstream
    from headgate.gateway.ports import Objects
    from headgate.gateway.service.batches import Batches
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.kept import Kept, Server
    from headgate.gateway.service.knowledge import Knowledge

_LOG = structlog.get_logger("headgate.gateway")
_KINDS = (ObjectKind.BATCH, ObjectKind.FINE_TUNING_JOB)
_PATHS = {ObjectKind.BATCH: batch.PATH, ObjectKind.FINE_TUNING_JOB: job.PATH}
_SURFACES = {ObjectKind.BATCH: batch.SURFACE, ObjectKind.FINE_TUNING_JOB: job.SURFACE}
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 30.0
_RETRY_S = 1.0


@dataclass(slots=True)
class _Turn:
    """When a batch of this worker's is asked after next."""

    due_s: float
    wait_s: float


class Running:
    """Follows and stops.

    Args:
        objects: What runs, and whose it is.
        kept: The same, to remember how it goes.
        knowledge: What is known of policy and principals.
        door: Decides.
        batches: The batches of this worker.
        server: The upstreams.
        clock: For turns.
    """

    def __init__(
        self,
        *,
        objects: Objects,
        kept: Kept,
        knowledge: Knowledge,
        door: Door,
        batches: Batches,
        server: Server,
        clock: ForwardClock,
    ) -> None:
        self._objects = objects
        self._kept = kept
        self._knowledge = knowledge
        self._door = door
        self._batches = batches
        self._server = server
        self._clock = clock
        self._turns: dict[str, _Turn] = {}
        self._doubtful: dict[tuple[ObjectKind, str], float] = {}
        """What must be decided about again, and when."""
        self._changes: list[Change] = []
        self._task: asyncio.Task[None] | None = None

    def tick(self) -> None:
        """Do what is due, in the background; whoever calls is not kept waiting."""
        if self._task is None or self._task.done():
            due = self._due()
            if due or self._changes:
                self._task = asyncio.create_task(self._go_through(due))

    async def stop(self) -> None:
        """Stop following; what runs runs on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def changed(self, change: Change) -> None:
        """Take in a change; what runs and is touched by it is decided about again."""
        self._changes.append(change)
        self.tick()

    async def _take_in_changes(self) -> None:
        now_s = self._clock.monotonic()
        while self._changes:
            touched = await self._touched(self._changes[0])
            del self._changes[0]
            self._doubtful |= {(stored.kind, stored.id): now_s for stored in touched if not stored.detail.get("over")}

    async def _touched(self, change: Change) -> list[StoredObject]:
        accounts = set(change.accounts)
        releases = set(change.releases)
        if change.everything:
            releases |= {policy.release_id for policy in self._knowledge.snapshot.models.values()}
        principals = await self._knowledge.refreshed(change.keys)
        accounts |= {principal.account_id for principal in principals.values()}
        own = [run.admitted.principal for run in self._batches.runs.values()]
        accounts |= {principal.account_id for principal in own if change.touches(principal)}

        def look_up() -> list[StoredObject]:
            found = [stored for kind in _KINDS for release in releases for stored in self._objects.of_release(kind, release)]
            found += [stored for kind in _KINDS for account in accounts for stored in self._objects.owned(kind, account)]
            return found

        return await asyncio.to_thread(look_up)

    def _due(self) -> list[tuple[ObjectKind, str]]:
        now_s = self._clock.monotonic()
        for batch_id in self._batches.runs:
            self._turns.setdefault(batch_id, _Turn(now_s + _FIRST_WAIT_S, _FIRST_WAIT_S))
        for batch_id in self._turns.keys() - self._batches.runs.keys():
            del self._turns[batch_id]
        due = [thing for thing, at_s in self._doubtful.items() if at_s <= now_s]
        for batch_id, turn in self._turns.items():
            if turn.due_s <= now_s:
                turn.wait_s = min(_LONGEST_WAIT_S, 2 * turn.wait_s)
                turn.due_s = now_s + turn.wait_s
                if (ObjectKind.BATCH, batch_id) not in due:
                    due.append((ObjectKind.BATCH, batch_id))
        return due

    async def _go_through(self, due: list[tuple[ObjectKind, str]]) -> None:
        try:
            await self._take_in_changes()
        except HeadgateError as error:
            # Who is touched cannot be looked up now: the change is kept, and looked at again until it can be.
            _LOG.info("running.retry", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)
        for kind, object_id in dict.fromkeys((*due, *self._doubtful)):
            try:
                settled = await self._look_after(kind, object_id)
            except (HeadgateError, NotAnAnswer) as error:
                _LOG.info("running.retry", kind=kind.value, id=object_id, error=type(error).__name__)
                settled = False
            if settled:
                self._doubtful.pop((kind, object_id), None)
            elif (kind, object_id) in self._doubtful:
                self._doubtful[kind, object_id] = self._clock.monotonic() + _RETRY_S

    async def _look_after(self, kind: ObjectKind, object_id: str) -> bool:
        """Stop something that may not go on, or take in how it does; return whether nothing is left to be done about it now."""
        stored = await asyncio.to_thread(self._objects.find, kind, object_id)
        if stored is None or stored.detail.get("over"):
            return True
        await self._door.learn(stored.model)
        upstream = self._upstream(stored)
        if upstream is None:
            return True  # its release is not served here any more, so nobody knows where it runs
        path = f"{_PATHS[kind]}/{object_id}"
        refusal = await self._refusal(stored)
        if refusal is not None:
            heard = await self._server.ask(upstream, "POST", f"{path}/cancel")
            _LOG.info("running.cancelled", kind=kind.value, id=object_id, code=refusal.error.code, status=heard.status)
        heard = await self._server.ask(upstream, "GET", path)
        if not heard.well:
            return heard.status == 404  # noqa: PLR2004 - the upstream has forgotten it
        over = _is_over(kind, heard.body)
        if kind is ObjectKind.BATCH:
            await self._batches.follow(stored, heard.body)  # whoever holds its rows says when it is over
        elif over:
            await self._kept.update(stored, over=True)
        return over or refusal is None

    def _upstream(self, stored: StoredObject) -> Upstream | None:
        policy = self._knowledge.policy(stored.model)
        return None if policy is None or policy.release_id != stored.release_id else stored.at(policy.upstream)

    async def _refusal(self, stored: StoredObject) -> Refusal | None:
        """Return why something that runs would not be started now, or ``None``.

        Raises:
            Unavailable: Whose it is cannot be read.
        """
        key_id = KeyId(stored.detail["key"])
        principal = (await self._knowledge.refreshed({key_id})).get(key_id)
        if principal is None:
            return Refusal(KeyGone("This key is gone.", rule="key"))
        capabilities = frozenset[str](stored.detail.get("capabilities", ()))
        decision = self._kept.may(
            stored, principal, surface=_SURFACES[stored.kind], client_ip=stored.detail.get("ip"), capabilities=capabilities
        )
        if isinstance(decision, Refusal):
            return decision
        return self._rows_refused(stored, principal)

    def _rows_refused(self, stored: StoredObject, principal: Principal) -> Refusal | None:
        return refused_now(
            remembered(stored.detail),
            stored.model,
            lambda call: self._door.judge(call, principal),
            client_ip=stored.detail.get("ip"),
        )


def _is_over(kind: ObjectKind, body: bytes) -> bool:
    return batch.read_batch(body).final if kind is ObjectKind.BATCH else job.read_job(body).final
