"""Batches while they run: each row an exchange on record before the upstream hears of the batch, and settled by its answer.

A batch is underway in the worker that created it, like any exchange: the worker holds what was reserved for its rows, and the
rows' open admissions. It asks the upstream how the batch does, and when the batch is over it records every answer and settles
the limits. Until then no caller, by whatever worker, is shown the batch as over, so nobody reads an answer that is not on
record. If the worker dies, the rows are settled as unknown at full charge like everything it held; whoever first asks for the
batch then has its answers recorded, as exchanges of their own, before they are shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.model import ObjectKind, OutputScreen, Refusal, Unit
from headgate.gateway.service.exhausted import with_holdback
from headgate.gateway.service.quota import Reservation
from headgate.gateway.service.row_record import AT_ONCE, OpenRow, RowEnd, RowRecord, all_of
from headgate.gateway.wire.batches.answers import read_answer, reading_of
from headgate.gateway.wire.batches.batch import read_batch, unfinished
from headgate.gateway.wire.batches.kinds import remembered
from headgate.gateway.wire.batches.row import read_row
from headgate.gateway.wire.files.file import ANSWERS
from headgate.gateway.wire.jsonl import Lines, at_line
from headgate.gateway.wire.surface import NotAnAnswer, texts_of
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import OutcomeStatus, Screened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from headgate.gateway.model import Admitted, Call, Settings, StoredObject
    from headgate.gateway.ports import Recorder
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.kept import Kept, Server
    from headgate.gateway.service.quota import Quota
    from headgate.gateway.service.rows import Rows
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.wire.batches.answers import AnswerRow
    from headgate.gateway.wire.batches.batch import Batch
    from headgate.gateway.wire.batches.row import Row
    from headgate.gateway.wire.surface import Surface, Usage
    from headgate.traffic.model import Admission

_ALONE_US = 180 * 1_000_000
"""How long the worker that follows a batch may be silent before it is taken for gone."""
_LOOKED_AT = frozenset({OutputScreen.HOLD_BACK, OutputScreen.TRAIL})


@dataclass(slots=True)
class Run:
    """A batch that this worker has recorded.

    Attributes:
        admitted: What it was admitted under.
        reservation: What its rows hold of the limits.
        open: Its rows that are not settled, by their ``custom_id``.
        done: What was settled, so that nothing is settled twice when finishing is tried again.
        known_tokens: What settled rows have cost.
        over: Whether everything is settled.
    """

    admitted: Admitted
    reservation: Reservation
    open: dict[str, OpenRow] = field(default_factory=dict[str, OpenRow])
    done: set[bytes] = field(default_factory=set[bytes])
    known_tokens: int = 0
    over: bool = False
    finishing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Batches:
    """Records rows and their answers.

    Args:
        door: Decides, and looks.
        rows: Takes rows through the door.
        quota: What may be spent.
        recorder: Where exchanges are recorded.
        kept: Whose the batches are.
        server: The upstreams that run them.
        surfaces: The ways in that batch rows may ask, by their ``url``.
        settings: The worker's settings.
        clock: Tells the time.
    """

    def __init__(
        self,
        *,
        door: Door,
        rows: Rows,
        quota: Quota,
        recorder: Recorder,
        kept: Kept,
        server: Server,
        surfaces: Mapping[str, Surface],
        settings: Settings,
        clock: ForwardClock,
    ) -> None:
        self._door = door
        self._rows = rows
        self._quota = quota
        self._record_of = RowRecord(recorder=recorder, door=door, settings=settings, clock=clock)
        self._kept = kept
        self._server = server
        self._surfaces = surfaces
        self._settings = settings
        self._clock = clock
        self._boot = secrets.token_hex(8)
        self.runs: dict[str, Run] = {}
        """Batches that this worker created and that are not over, by their identifier."""
        self._late: dict[str, Run] = {}

    # The beginning.

    async def open(self, underway: Underway, file: StoredObject) -> Run | Refusal:
        """Reserve what a batch may cost and record its rows, as the upstream holds them.

        Args:
            underway: The request for the batch.
            file: Its input, which was taken through the door row by row when it was uploaded.

        Returns:
            The batch, ready to be created; or why it is not, and then nothing is held.

        Raises:
            Unavailable: The file cannot be read.
        """
        admitted = underway.admitted
        kinds = remembered(file.detail)
        decision = self._door.judge(kinds[0].call(file.model, client_ip=underway.call.client_ip), admitted.principal)
        if isinstance(decision, Refusal):
            return decision
        quotas = tuple(meter for meter in decision.meters if meter.unit is not Unit.CONCURRENCY)
        reservation = await self._quota.reserve(
            quotas,
            tokens=sum(kind.reserved_tokens for kind in kinds),
            requests=sum(kind.rows for kind in kinds),
            exchange_id=underway.exchange_id,
        )
        if isinstance(reservation, Refusal):
            return with_holdback(reservation, decision)
        run = Run(admitted, reservation)
        refusal: Refusal | None = Refusal(errors.CannotRecord("The batch's rows could not be recorded.", rule="record"))
        try:
            refusal = await self._record(run, underway.call, file)
        finally:
            if refusal is not None:
                await self.abandon(run)
        return run if refusal is None else refusal

    async def abandon(self, run: Run) -> None:
        """Settle a batch that was not created: nothing of it was run."""
        self._quota.settle(run.reservation, tokens=0, admitted=False)
        await self._close(run, "the batch was not created", spent_nothing=True)

    async def lose(self, run: Run) -> None:
        """Settle a batch of which nobody can say whether it was created: in full."""
        self._quota.settle(run.reservation, tokens=None)
        await self._close(run, "whether the batch was created is not known")

    async def begun(self, run: Run, batch: Batch, model: str, detail: Mapping[str, object]) -> StoredObject:
        """Bind a batch that was created to its owner and follow it.

        Raises:
            Unavailable: It cannot be bound, so nobody may be told of it. Its rows are settled as unknown, in full.
        """
        told = {**detail, "worker": self._settings.worker, "boot": self._boot, "followed_us": self._clock.now_us()}
        try:
            stored = await self._kept.bind(ObjectKind.BATCH, batch.id, run.admitted, model, told)
        except HeadgateError:
            await self.lose(run)
            raise
        self.runs[batch.id] = run
        return stored

    async def _record(self, run: Run, call: Call, file: StoredObject) -> Refusal | None:
        digest = hashlib.sha256()
        path = f"/files/{file.id}/content"
        waiting: list[Admission] = []
        async with self._server.content(file.at(run.admitted.policy.upstream), path) as blocks:
            async for number, line in _lines(blocks, most_bytes=self._settings.max_body_bytes, told=digest.update):
                try:
                    row = read_row(
                        line,
                        number,
                        surfaces=self._surfaces,
                        client_ip=call.client_ip,
                        end_user_key=self._settings.end_user_key,
                    )
                except HeadgateError:
                    return _changed()
                refusal = await self._take_in(run, row, file, waiting)
                if refusal is not None:
                    return refusal
                if len(waiting) >= AT_ONCE:
                    await self._record_of.admit(waiting)
                    waiting = []
        if digest.hexdigest() != file.detail["sha256"]:
            return _changed()
        await self._record_of.admit(waiting)
        return None

    async def _take_in(self, run: Run, row: Row, file: StoredObject, waiting: list[Admission]) -> Refusal | None:
        """Decide about a row once more, and make its admission ready to be recorded."""
        looked = await self._rows.look_at(row, run.admitted.principal, model=file.model)
        if isinstance(looked, Refusal):
            return Refusal(at_line(row.number, looked.error, custom_id=row.custom_id), "input_file_id")
        opened, admission = self._record_of.opened(looked.call, looked.admitted, looked.screened, row.body)
        run.open[row.custom_id] = opened
        waiting.append(admission)
        return None

    # The end.

    async def seen(self, stored: StoredObject, body: bytes, admitted: Admitted) -> bytes:
        """Take in what an upstream says of a batch, and return what may be said of it.

        What it has written is bound to its owner. A batch that is over is said to be over once its answers are on record.

        Args:
            stored: The batch.
            body: What the upstream says.
            admitted: What whoever asks is admitted under.

        Raises:
            NotAnAnswer: It is not a batch.
            Unavailable: Something cannot be bound or recorded.
        """
        batch = read_batch(body)
        if batch.id != stored.id:
            raise NotAnAnswer
        detail = {
            "purpose": ANSWERS,
            "batch": batch.id,
            **{key: stored.detail.get(key) for key in ("endpoint", "kinds", "server")},
        }
        for file_id in batch.files:
            await self._kept.inherit(stored, ObjectKind.FILE, file_id, detail)
        if not batch.final or stored.detail.get("recorded"):
            return body
        run = self.runs.get(batch.id) or self._late.get(batch.id)
        if run is None:
            if self._followed_elsewhere(stored):
                return unfinished(body)
            run = self._late[batch.id] = Run(admitted, Reservation((), None))
        async with run.finishing:
            if not run.over:
                await self._finish(run, stored, batch)
        return body

    def _followed_elsewhere(self, stored: StoredObject) -> bool:
        """Return whether another worker, which holds the rows, can be trusted to record their answers."""
        if stored.detail.get("worker") == self._settings.worker:
            return False  # it was this worker, in an earlier life
        return self._clock.now_us() - int(stored.detail.get("followed_us", 0)) < _ALONE_US

    async def _finish(self, run: Run, stored: StoredObject, batch: Batch) -> None:
        surface = self._surfaces[stored.detail["endpoint"]]
        for file_id in batch.files:
            waiting: list[tuple[AnswerRow, bytes]] = []
            async with self._server.content(stored.at(run.admitted.policy.upstream), f"/files/{file_id}/content") as blocks:
                async for _, line in _lines(blocks, most_bytes=self._settings.max_answer_bytes):
                    mark = hashlib.blake2b(line, digest_size=16).digest()
                    try:
                        row = read_answer(line)
                    except NotAnAnswer:
                        continue  # nobody will be shown it either
                    if mark not in run.done:
                        waiting.append((row, mark))
                    if len(waiting) >= AT_ONCE:
                        await all_of(self._settle_row(run, stored, row, mark, surface) for row, mark in waiting)
                        waiting.clear()
            await all_of(self._settle_row(run, stored, row, mark, surface) for row, mark in waiting)
        unanswered = sum(row.reserved_tokens for row in run.open.values())
        # What the upstream says of the whole is charged; what nobody knows of is charged as reserved.
        tokens = batch.usage.total if batch.usage is not None else run.known_tokens + unanswered
        await self._close(run, f"the batch ended as {batch.status} without an answer")
        await self._kept.update(stored, recorded=True, over=True)
        self._quota.settle(run.reservation, tokens=tokens)
        run.over = True
        self.runs.pop(batch.id, None)
        self._late.pop(batch.id, None)

    async def _settle_row(self, run: Run, stored: StoredObject, row: AnswerRow, mark: bytes, surface: Surface) -> None:
        usage, verdict, _ = await self.look(run.admitted, row, surface, stored)
        opened = run.open.pop(row.custom_id, None)
        if opened is None:
            opened = await self._admit_late(run, stored, row, surface)
        refused = row.status is not None and HTTPStatus.BAD_REQUEST <= row.status < HTTPStatus.INTERNAL_SERVER_ERROR
        charged = opened.reserved_tokens if usage is None else usage.total
        if opened.late or refused:
            charged = 0
        status = OutcomeStatus.COMPLETED if row.answered else OutcomeStatus.UPSTREAM_FAILED
        end = RowEnd(
            OutcomeStatus.UPSTREAM_REFUSED if refused else status,
            charged,
            f"row of {stored.id}",
            usage=usage,
            http_status=row.status,
            output_screened=verdict,
            answer=row.body,
        )
        await self._record_of.settle(opened, end)
        run.known_tokens += charged
        run.done.add(mark)

    async def look(
        self, admitted: Admitted, row: AnswerRow, surface: Surface, batch: StoredObject
    ) -> tuple[Usage | None, Screened, Refusal | None]:
        """Read an answer: what it used, what the output screen says of it, and why it may not be shown, if it may not.

        Raises:
            Unavailable: What the upstream keeps of it cannot be bound to its owner.
        """
        if not row.answered:
            return None, Screened.NOT_ASKED, None
        reading = reading_of(surface)
        try:
            pieces = reading.whole(row.body)
        except NotAnAnswer:
            unreadable = errors.UpstreamGarbage("The model server's answer is not one.", rule="upstream")
            return None, Screened.UNSCANNED, Refusal(unreadable)
        for created in reading.created():
            await self._kept.inherit(batch, created.kind, created.id, {"batch": batch.id})
        if admitted.rule.output_screen not in _LOOKED_AT:
            return reading.usage, Screened.NOT_ASKED, None
        verdict = await self._door.screening.answer(admitted, texts_of(pieces)) if pieces else Screened.PASSED
        if isinstance(verdict, Screened):
            return reading.usage, verdict, None
        blocked = isinstance(verdict.error, errors.OutputBlocked)
        return reading.usage, Screened.BLOCKED if blocked else Screened.UNSCANNED, verdict

    async def _admit_late(self, run: Run, stored: StoredObject, row: AnswerRow, surface: Surface) -> OpenRow:
        """Record an answer whose row was recorded by a worker that is gone, or by nobody, as an exchange of its own."""
        kind = next(kind for kind in remembered(stored.detail) if kind.surface == surface.name)
        body = json.dumps({"batch": stored.id, "custom_id": row.custom_id}).encode()
        call = kind.call(stored.model, client_ip=None)
        # The row itself was charged in full when its worker's exchanges were settled.
        opened, admission = self._record_of.opened(call, run.admitted, Screened.NOT_ASKED, body, late=True)
        await self._record_of.admit([admission])
        return opened

    async def _close(self, run: Run, detail: str, *, spent_nothing: bool = False) -> None:
        """Settle what is still open of a batch."""
        rows, run.open = list(run.open.values()), {}
        await self._record_of.close(rows, detail, spent_nothing=spent_nothing)

    async def follow(self, stored: StoredObject, body: bytes) -> None:
        """Take in how a batch of this worker's does, and let the other workers know that it is followed."""
        run = self.runs.get(stored.id)
        if run is None:
            return
        stored = await self._kept.update(stored, followed_us=self._clock.now_us())
        await self.seen(stored, body, run.admitted)


async def _lines(
    blocks: AsyncIterator[bytes], *, most_bytes: int, told: Callable[[bytes], None] | None = None
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield numbered lines; ``told`` is given every block."""
    lines = Lines(most_bytes=most_bytes)
    async for block in blocks:
        if told is not None:
            told(block)
        for numbered in lines.feed(block):
            yield numbered
            await asyncio.sleep(0)  # a file of many rows leaves the others their turns
    for numbered in lines.finish():
        yield numbered


def _changed() -> Refusal:
    return Refusal(
        errors.FileChanged(
            "What the model server holds is not what was uploaded.", rule="rows are looked at", help="Upload it again."
        ),
        "input_file_id",
    )
