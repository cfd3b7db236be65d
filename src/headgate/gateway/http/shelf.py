"""Files, batches and fine-tuning jobs of one worker, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.http.batches import BatchPaths
from headgate.gateway.http.calls import Calls
from headgate.gateway.http.errand import Errands
from headgate.gateway.http.files import Files
from headgate.gateway.http.fine_tuning import JobPaths
from headgate.gateway.http.keeping import Keeping
from headgate.gateway.http.multipart import Uploads
from headgate.gateway.service.batches import Batches
from headgate.gateway.service.kept import Kept
from headgate.gateway.service.rows import Rows
from headgate.gateway.service.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.gateway.http.intake import Intake
    from headgate.gateway.model import Change, Refusal, Settings
    from headgate.gateway.ports import Objects, Recorder
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.knowledge import Knowledge
    from headgate.gateway.service.ownership import Ownership
    from headgate.gateway.service.quota import Quota
    from headgate.gateway.service.tuned import Tuned
    from headgate.gateway.upstream import Upstreams
    from headgate.gateway.wire.surface import Surface

ROOTS = frozenset({"files", "batches", "fine_tuning"})
"""First parts of the paths that are answered here."""


class Shelf:
    """Answers paths below ``ROOTS``, and looks after what runs at upstreams.

    Args:
        door: Decides.
        ownership: Whose the things are that rows name.
        knowledge: What is known of policy and principals.
        quota: What may be spent.
        recorder: Where exchanges are recorded.
        objects: Whose the things are that upstreams keep.
        tuned: Models that came of fine-tuning.
        upstreams: The way to them.
        batched: The ways in that rows of a batch may ask.
        settings: The worker's settings.
        clock: Tells the time.
    """

    def __init__(
        self,
        *,
        door: Door,
        ownership: Ownership,
        knowledge: Knowledge,
        quota: Quota,
        recorder: Recorder,
        objects: Objects,
        tuned: Tuned,
        upstreams: Upstreams,
        intake: Intake,
        batched: Iterable[Surface],
        settings: Settings,
        clock: ForwardClock,
    ) -> None:
        surfaces = {f"/v1{surface.path}": surface for surface in batched}
        calls = Calls(upstreams=upstreams, settings=settings, clock=clock)
        kept = Kept(objects=objects, door=door, clock=clock)
        rows = Rows(door=door, ownership=ownership, surfaces=surfaces, settings=settings)
        batches = Batches(
            door=door,
            rows=rows,
            quota=quota,
            recorder=recorder,
            kept=kept,
            server=calls,
            surfaces=surfaces,
            settings=settings,
            clock=clock,
        )
        keeping = Keeping(door=door, intake=intake, kept=kept, calls=calls, settings=settings, clock=clock)
        errands = Errands(door=door, clock=clock)
        uploads = Uploads(intake, settings.uploads_dir, most_bytes=settings.max_uploads_bytes)
        files = Files(keeping=keeping, uploads=uploads, rows=rows, batches=batches, errands=errands, surfaces=surfaces)
        self._jobs = JobPaths(keeping=keeping, tuned=tuned, errands=errands)
        self._handlers = {
            "files": files,
            "fine_tuning": self._jobs,
            "batches": BatchPaths(keeping=keeping, batches=batches, errands=errands, surfaces=surfaces),
        }
        self.running = Running(
            objects=objects, kept=kept, knowledge=knowledge, door=door, batches=batches, server=calls, clock=clock
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send, *, root: str) -> Refusal | None:
        """Answer a request; return why it is refused, if it is.

        Args:
            scope: The request.
            receive: Where its body comes from.
            send: Where its answer goes.
            root: The first part of its path.

        Raises:
            HeadgateError: It is refused.
        """
        return await self._handlers[root].handle(scope, receive, send)

    async def delete_model(self, scope: Scope, send: Send, name: str) -> Refusal | None:
        """Delete a tuned model of the caller's; return why that is refused, if it is.

        Raises:
            HeadgateError: It is refused.
        """
        return await self._jobs.delete_model(scope, send, name)

    def changed(self, change: Change) -> None:
        """Take in a change; what runs and may not go on is stopped."""
        self.running.changed(change)

    def tick(self) -> None:
        """Do what is due."""
        self.running.tick()

    async def stop(self) -> None:
        """Look after nothing any more; what runs runs on."""
        await self.running.stop()
