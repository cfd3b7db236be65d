"""The spool: one SQLite file to which one worker writes every exchange that it admits.

``admit`` returns when the admission is committed, and only then may the request be forwarded. What one turn of the event loop
admits is committed together at its end, there and then: that is one write to the page cache, quicker than waking a thread. An
outcome, for which nobody waits, goes with the next admissions, or alone when none come. Everything else (large bodies, a file
that is busy or was slow, every commit under ``Sync.FULL``) is queued for a writing thread, which takes whatever has queued up,
commits it at once, and wakes everybody who waited: a crowd shares one commit, and the event loop never waits for the disk to
flush. When the disk is full, read-only or locked, admissions fail with ``CannotRecord`` and the gateway refuses; outcomes are
kept in memory and tried again until they are written or the spool is closed. An outcome that never reached the disk, because
the process was killed, leaves an admission without outcome, which the steward settles.

What survives: with ``Sync.NORMAL`` a commit survives the death of the process, by whatever signal, because it has reached
the operating system; a power cut or kernel panic may take the last moments of it. With ``Sync.FULL`` every commit is
flushed to the disk first and survives those too, at the price of one flush per batch.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from headgate.kernel.clock import Clock, to_us
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.traffic.errors import CannotRecord, ContentDestroyed, NotUnderway
from headgate.traffic.keys import NONCE_BYTES, DayKeys, day_of
from headgate.traffic.layout import Layout, take_a_name
from headgate.traffic.model import Admission, Outcome, OutcomeStatus, Screened
from headgate.traffic.spool_file import SpoolFile, Sync
from headgate.traffic.spool_ops import Admit, Op, Settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from headgate.kernel.ids import ExchangeId

BUSY_S = 1.0
"""How long a commit waits for another process to let go of the file, in seconds, before admissions are refused."""

_RETRY_S = 0.05
_LAST_CHANCE_S = 2.0
_MOST_OPS = 256
_MOST_BYTES = 4 * 2**20
"""Most that one batch seals, so that a thousand answers that end together are not held twice."""
_AT_ONCE_BYTES = 64 * 2**10
"""Larger bodies are left to the writing thread: sealing them would keep the event loop from others."""
_TURN_BYTES = 256 * 2**10
"""What a turn brings beyond that is left to it too."""
_OUTCOME_S = 0.005
"""How long an outcome waits for admissions to go with."""
_SLOW_S = 0.1
_SLOW_FOR_S = 1.0
"""A commit that took longer than the one leaves everything to the writing thread for the other."""


class _Nudge(Enum):
    """Makes the writing thread look for what else is due."""

    NUDGE = "nudge"


_Done: TypeAlias = "tuple[Op, HeadgateError | None]"


class Spool:
    """One worker's record of its exchanges; open it with ``Spool.open``, from the process that will use it.

    Attributes:
        name: The spool's name, new for each run of a worker.
    """

    def __init__(
        self,
        name: str,
        file: SpoolFile,
        lock: int,
        day_keys: DayKeys,
        clock: Clock,
        *,
        sync: Sync,
    ) -> None:
        self.name = name
        self._file = file
        self._lock = lock
        self._sync = sync
        self._day_keys = day_keys
        self._clock = clock
        self._queue: queue.SimpleQueue[Op | _Nudge | None] = queue.SimpleQueue()
        self._open: dict[ExchangeId, date] = {}
        self._owed: deque[Settle] = deque()
        self._in_hand: list[Op] = []
        self._turn: list[Op] = []
        self._turn_bytes = 0
        self._turn_ends = False
        self._outcomes_end: asyncio.TimerHandle | None = None
        self._slow_until_s = 0.0
        self._closing = False
        self._stopping = False
        self._looked_ahead_on: date | None = None
        self._thread = threading.Thread(target=self._run, name=f"spool {name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        directory: Path,
        worker: str,
        day_keys: DayKeys,
        clock: Clock,
        *,
        sync: Sync = Sync.NORMAL,
        busy_s: float = BUSY_S,
    ) -> Spool:
        """Open a fresh spool and hold its lock for the life of the process.

        Args:
            directory: The exchange log's directory; it is made when absent.
            worker: The worker's name: 1 to 40 lower-case letters, digits and hyphens.
            day_keys: Gives the keys that bodies are sealed with; today's is fetched now.
            clock: Tells which day it is.
            sync: What a commit waits for.
            busy_s: How long a commit waits for another process to let go of the file.

        Raises:
            CannotRecord: The file cannot be made.
            LogUnavailable: The directory cannot be made, or the day's key cannot be fetched.
            MasterKeyUnusable: The day's key was wrapped by another master key.
            ValueError: ``worker`` is not a worker's name.
        """
        layout = Layout(directory)
        layout.make()
        day_keys.for_sealing(day_of(clock.now()))
        name, lock = take_a_name(layout, worker, clock)
        try:
            file = SpoolFile(layout.spool_path(name), sync, clock, busy_s=busy_s)
        except sqlite3.Error as error:
            os.close(lock)
            raise _cannot_record(error) from error
        return cls(name, file, lock, day_keys, clock, sync=sync)

    @property
    def underway(self) -> int:
        """Return how many exchanges are admitted and not settled."""
        return len(self._open)

    @property
    def owed(self) -> int:
        """Return how many outcomes could not be written yet and are being tried again."""
        return len(self._owed)

    async def admit(self, admission: Admission) -> None:
        """Record an admission; when this returns, it is committed and the request may be forwarded.

        A caller that is cancelled while it waits forwards nothing: if the admission was committed all the same, it is
        settled as ``CLIENT_GONE`` at no charge.

        Raises:
            CannotRecord: It could not be recorded. Do not forward the request.
        """
        self._must_be_open()
        loop = asyncio.get_running_loop()
        op = Admit(admission, loop)
        self._join(op, loop)
        try:
            await op.future
        except asyncio.CancelledError:
            if op.future.done() and not op.future.cancelled() and op.future.exception() is None:
                self._abandon(op)
            raise

    def settle(self, outcome: Outcome) -> asyncio.Future[None]:
        """Record how an exchange ended. It is queued at once; await the result only to know that it is on record.

        The outcome is tried until it is written. Only if the spool is closed while the disk still refuses does the result
        fail with ``CannotRecord``; the steward then settles the exchange as unknown.

        Raises:
            NotUnderway: The exchange was not admitted by this spool, or is settled already.
            CannotRecord: The spool is closed.
        """
        self._must_be_open()
        day = self._open.pop(outcome.exchange_id, None)
        if day is None:
            raise NotUnderway(f"{outcome.exchange_id} is not underway in spool {self.name}.")
        loop = asyncio.get_running_loop()
        op = Settle(outcome, day, loop)
        self._join(op, loop)
        return op.future

    async def close(self) -> None:
        """Write what is queued, then let go of the file and of the lock. Exchanges still underway are left to the steward.

        Raises:
            CannotRecord: Outcomes could not be written within two seconds; the steward will settle them as unknown.
        """
        if not self._closing:
            self._closing = True
            self._leave_turn()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._owed:
            raise CannotRecord(f"{len(self._owed)} outcomes could not be written before spool {self.name} was closed.")

    def _must_be_open(self) -> None:
        if self._closing:  # the writing thread says so too, however it ends
            raise CannotRecord(f"Spool {self.name} is closed.")

    def _join(self, op: Op, loop: asyncio.AbstractEventLoop) -> None:
        """Let an operation go with this turn of the event loop, or leave it to the writing thread."""
        size = op.bytes
        strange = bool(self._turn) and self._turn[0].loop is not loop
        large = size > _AT_ONCE_BYTES or self._turn_bytes + size > _TURN_BYTES
        if self._sync is not Sync.NORMAL or large or strange or self._clock.monotonic() < self._slow_until_s:
            self._queue.put(op)
            return
        self._turn.append(op)
        self._turn_bytes += size
        if isinstance(op, Admit):
            if not self._turn_ends:
                self._turn_ends = True
                loop.call_soon(self._end_turn)  # after everybody who may run now has run
        elif self._outcomes_end is None:
            self._outcomes_end = loop.call_later(_OUTCOME_S, self._end_turn)

    def _end_turn(self) -> None:
        """Commit what this turn has brought, without waiting for anything; if that cannot be, the writing thread will."""
        began_s = self._clock.monotonic()
        ops = [op for op in self._turn if not (isinstance(op, Admit) and op.future.cancelled())]
        try:
            if len(ops) <= _MOST_OPS and not self._owed and self._sealed(ops) and self._written(ops):
                self._turn.clear()
                self._tell([(op, None) for op in ops])
        finally:
            self._leave_turn()
        if self._clock.monotonic() - began_s > _SLOW_S:
            self._slow_until_s = began_s + _SLOW_FOR_S
        if ops and (self._file.checkpoint_is_due or ops[0].day != self._looked_ahead_on):
            self._queue.put(_Nudge.NUDGE)

    def _leave_turn(self) -> None:
        """End the turn; what it has not brought to an end is left to the writing thread."""
        for op in self._turn:
            self._queue.put(op)
        self._turn.clear()
        self._turn_bytes = 0
        self._turn_ends = False
        if self._outcomes_end is not None:
            self._outcomes_end.cancel()
            self._outcomes_end = None

    def _sealed(self, ops: Sequence[Op]) -> bool:
        """Make the rows, if that needs no waiting, and say whether it was done."""
        nonces = os.urandom(NONCE_BYTES * len(ops))  # drawn together: a draw lets other threads go first
        for number, op in enumerate(ops):
            key = self._day_keys.at_hand(op.day)
            if key is None:
                return False
            try:
                op.seal(key, nonces[NONCE_BYTES * number : NONCE_BYTES * (number + 1)])
            except UnicodeEncodeError:
                return False
        return True

    def _written(self, ops: Sequence[Op]) -> bool:
        return self._file.insert_at_once(
            [op.row for op in ops if isinstance(op, Admit)], [op.row for op in ops if isinstance(op, Settle)]
        )

    def _abandon(self, op: Admit) -> None:
        """Settle an admission whose caller left before it could be forwarded."""
        admission = op.admission
        day = self._open.pop(admission.exchange_id, None)
        if day is None or self._closing:
            return
        now = self._clock.now()
        outcome = Outcome(
            exchange_id=admission.exchange_id,
            at=now,
            status=OutcomeStatus.CLIENT_GONE,
            http_status=None,
            prompt_tokens=0,
            completion_tokens=0,
            charged_tokens=0,
            usage_exact=True,
            duration_ms=max(0, to_us(now) - to_us(admission.at)) / 1000,
            screened=Screened.NOT_ASKED,
            output_screened=Screened.NOT_ASKED,
            response_body=b"",
            detail="the caller left before the request was forwarded",
        )
        self._queue.put(Settle(outcome, day, op.loop))

    # What follows runs in the writing thread, except ``_tell``.

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._in_hand = self._take()
                self._write(self._in_hand)
                self._in_hand = []
                self._look_ahead()
                self._file.checkpoint_if_due()
            self._write_what_is_left()
        finally:
            self._closing = True
            self._fail_the_rest()
            self._file.close()
            os.close(self._lock)

    def _take(self) -> list[Op]:
        """Wait for work and return all that makes one batch; nothing when it is time to try again what is owed."""
        ops: list[Op] = []
        total_bytes = 0
        with suppress(queue.Empty):
            while len(ops) < _MOST_OPS and total_bytes < _MOST_BYTES:
                op = self._queue.get_nowait() if ops else self._queue.get(timeout=_RETRY_S if self._owed else None)
                if op is None:
                    self._stopping = True
                    break
                if isinstance(op, _Nudge):
                    break
                ops.append(op)
                total_bytes += op.bytes
        return ops

    def _write(self, ops: Sequence[Op]) -> None:
        admits = [op for op in ops if isinstance(op, Admit) and not op.future.cancelled()]
        settles = [op for op in ops if isinstance(op, Settle)]
        if self._owed:
            # Something failed before. Outcomes now go alone, so that a request too big for the disk cannot hold them up.
            settles = [*self._owed, *settles]
            self._owed.clear()
            self._commit([], settles)
            settles = []
        if admits or settles:
            self._commit(admits, settles)

    def _commit(self, admits: Sequence[Admit], settles: Sequence[Settle]) -> None:
        """Commit all of it or none of it, and tell everybody who waits."""
        done: list[_Done] = []
        ready_admits = [op for op in admits if self._prepared(op, done)]
        ready_settles = [op for op in settles if self._prepared(op, done)]
        try:
            self._file.insert([op.row for op in ready_admits], [op.row for op in ready_settles])
        except sqlite3.IntegrityError as error:
            if len(ready_admits) > 1 or (ready_admits and ready_settles):
                # An exchange id came twice: find out which, without failing the others.
                for op in ready_settles:
                    self._commit([], [op])
                for op in ready_admits:
                    self._commit([op], [])
            else:
                done += [(op, _cannot_record(error)) for op in (*ready_admits, *ready_settles)]
        except sqlite3.Error as error:
            # Disk full, I/O error, read-only, locked for longer than ``busy_s``: refuse what waits, keep what is owed.
            done += [(op, _cannot_record(error)) for op in ready_admits]
            self._owed.extend(ready_settles)
        else:
            done += [(op, None) for op in (*ready_admits, *ready_settles)]
        self._tell_all(done)

    def _prepared(self, op: Op, done: list[_Done]) -> bool:
        """Seal and encode an operation; when that fails, note why an admission is refused or keep an outcome for later."""
        if op.row:
            return True
        try:
            op.prepare(self._day_keys)
        except (Unavailable, ContentDestroyed) as error:
            if isinstance(op, Settle):
                self._owed.append(op)
            else:
                done.append((op, CannotRecord(f"The exchange cannot be recorded: {error.message}", help=error.help)))
        except UnicodeEncodeError:
            done.append((op, CannotRecord("The exchange cannot be recorded: a field is not valid Unicode.")))
        return bool(op.row)

    def _look_ahead(self) -> None:
        """Fetch tomorrow's key today, so that midnight does not need the database."""
        today = day_of(self._clock.now())
        if today != self._looked_ahead_on:
            self._looked_ahead_on = today
            with suppress(Unavailable, ContentDestroyed):  # then it is fetched when it is needed
                self._day_keys.for_sealing(today + timedelta(days=1))

    def _write_what_is_left(self) -> None:
        deadline = self._clock.monotonic() + _LAST_CHANCE_S
        while self._owed and self._clock.monotonic() < deadline:
            self._write([])
            if self._owed:
                time.sleep(_RETRY_S)

    def _fail_the_rest(self) -> None:
        error = CannotRecord(f"Spool {self.name} is closed.")
        done: list[_Done] = [(op, error) for op in (*self._in_hand, *self._owed)]
        with suppress(queue.Empty):
            while True:
                if isinstance(op := self._queue.get_nowait(), Admit | Settle):
                    done.append((op, error))
        self._tell_all(done)

    def _tell_all(self, done: Iterable[_Done]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Done]] = {}
        for op, error in done:
            by_loop.setdefault(op.loop, []).append((op, error))
        for loop, its_own in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._tell, its_own)

    def _tell(self, done: Iterable[_Done]) -> None:
        """Wake whoever waits; runs in their event loop."""
        for op, error in done:
            if isinstance(op, Admit) and error is None:
                self._open[op.admission.exchange_id] = op.day
                if op.future.cancelled():
                    self._abandon(op)
            if op.future.done():
                continue
            if error is None:
                op.future.set_result(None)
            else:
                op.future.set_exception(error)
                if isinstance(op, Settle):
                    op.future.exception()  # whoever settles may choose not to look


def _cannot_record(error: sqlite3.Error) -> CannotRecord:
    return CannotRecord(
        f"The exchange cannot be recorded ({error}), so it is not admitted.",
        help="Free space on the disk that holds the exchange log, or look for a process that holds the spool.",
    )
