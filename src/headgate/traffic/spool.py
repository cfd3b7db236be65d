"""The spool: one SQLite file to which one worker writes every exchange that it admits.

``admit`` returns when the admission is committed, and only then may the request be forwarded. A small admission that finds
the file free, and comes at a calm moment, is committed there and then: that is one write to the page cache, quicker than
waking a thread. Everything else (outcomes, large bodies, a file that is busy or slow, every commit under ``Sync.FULL``) is
queued for a writing thread, which takes whatever has queued up, commits it at once, and wakes everybody who waited: a crowd
shares one commit, and the event loop never waits for the disk to flush. When the disk is full, read-only or locked,
admissions fail with ``CannotRecord`` and the gateway refuses; outcomes are kept in memory and tried again until they are
written or the spool is closed. An outcome that never reached the disk, because the process was killed, leaves an admission
without outcome, which the steward settles.

What survives: with ``Sync.NORMAL`` a commit survives the death of the process, by whatever signal, because it has reached
the operating system; a power cut or kernel panic may take the last moments of it. With ``Sync.FULL`` every commit is
flushed to the disk first and survives those too, at the price of one flush per batch.
"""

from __future__ import annotations

import asyncio
import math
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from headgate.kernel.clock import Clock, to_us
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.traffic.errors import CannotRecord, ContentDestroyed, NotUnderway
from headgate.traffic.keys import DayKeys, day_of
from headgate.traffic.layout import Layout, hold, new_spool_name
from headgate.traffic.model import Admission, Outcome, OutcomeStatus, Screened
from headgate.traffic.rows import Row, admission_row, outcome_row
from headgate.traffic.spool_file import SpoolFile, Sync

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
_MOST_BYTES = 32 * 2**20
_NAMES_TRIED = 3
_AT_ONCE_BYTES = 64 * 2**10
_CALM_S = 0.0001
"""Admissions that follow each other faster than this share commits, which then costs less than one for each."""


class _Admit:
    """An admission on its way to the disk."""

    __slots__ = ("admission", "day", "future", "loop", "row")

    def __init__(self, admission: Admission, loop: asyncio.AbstractEventLoop) -> None:
        self.admission = admission
        self.day = day_of(admission.at)
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.row: Row = ()

    @property
    def bytes(self) -> int:
        return len(self.admission.request_body)

    def encoded(self, day_keys: DayKeys) -> Row:
        return admission_row(self.admission, day_keys.for_sealing(self.day))


class _Settle:
    """An outcome on its way to the disk."""

    __slots__ = ("day", "future", "loop", "outcome", "row")

    def __init__(self, outcome: Outcome, day: date, loop: asyncio.AbstractEventLoop) -> None:
        self.outcome = outcome
        self.day = day
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.row: Row = ()

    @property
    def bytes(self) -> int:
        return len(self.outcome.response_body)

    def encoded(self, day_keys: DayKeys) -> Row:
        try:
            key = day_keys.for_sealing(self.day)
        except ContentDestroyed:
            key = None  # the day's content was destroyed while the exchange was underway: so is this answer
        return outcome_row(self.outcome, key)


_Op: TypeAlias = "_Admit | _Settle"
_Done: TypeAlias = "tuple[_Op, HeadgateError | None]"


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
        self._queue: queue.SimpleQueue[_Op | None] = queue.SimpleQueue()
        self._open: dict[ExchangeId, date] = {}
        self._owed: deque[_Settle] = deque()
        self._in_hand: list[_Op] = []
        self._last_asked_s = -math.inf
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
        name, lock = _take_a_name(layout, worker, clock)
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
        op = _Admit(admission, asyncio.get_running_loop())
        if self._at_once(op):
            return
        self._queue.put(op)
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
        op = _Settle(outcome, day, asyncio.get_running_loop())
        self._queue.put(op)
        return op.future

    async def close(self) -> None:
        """Write what is queued, then let go of the file and of the lock. Exchanges still underway are left to the steward.

        Raises:
            CannotRecord: Outcomes could not be written within two seconds; the steward will settle them as unknown.
        """
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._owed:
            raise CannotRecord(f"{len(self._owed)} outcomes could not be written before spool {self.name} was closed.")

    def _must_be_open(self) -> None:
        if self._closing or not self._thread.is_alive():
            raise CannotRecord(f"Spool {self.name} is closed.")

    def _at_once(self, op: _Admit) -> bool:
        """Commit an admission without waiting for anything; whatever stands in the way is left to the writing thread."""
        now_s = self._clock.monotonic()
        calm = now_s - self._last_asked_s >= _CALM_S
        self._last_asked_s = now_s
        if not calm or self._sync is not Sync.NORMAL or op.bytes > _AT_ONCE_BYTES:
            return False
        key = self._day_keys.at_hand(op.day)
        if key is None:
            return False
        try:
            op.row = admission_row(op.admission, key)
        except UnicodeEncodeError:
            return False
        if not self._file.insert_at_once(op.row):
            return False
        self._open[op.admission.exchange_id] = op.day
        return True

    def _abandon(self, op: _Admit) -> None:
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
        self._queue.put(_Settle(outcome, day, op.loop))

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

    def _take(self) -> list[_Op]:
        """Wait for work and return all that makes one batch; nothing when it is time to try again what is owed."""
        ops: list[_Op] = []
        total_bytes = 0
        with suppress(queue.Empty):
            while len(ops) < _MOST_OPS and total_bytes < _MOST_BYTES:
                op = self._queue.get_nowait() if ops else self._queue.get(timeout=_RETRY_S if self._owed else None)
                if op is None:
                    self._stopping = True
                    break
                ops.append(op)
                total_bytes += op.bytes
        return ops

    def _write(self, ops: Sequence[_Op]) -> None:
        admits = [op for op in ops if isinstance(op, _Admit) and not op.future.cancelled()]
        settles = [op for op in ops if isinstance(op, _Settle)]
        if self._owed:
            # Something failed before. Outcomes now go alone, so that a request too big for the disk cannot hold them up.
            settles = [*self._owed, *settles]
            self._owed.clear()
            self._commit([], settles)
            settles = []
        if admits or settles:
            self._commit(admits, settles)

    def _commit(self, admits: Sequence[_Admit], settles: Sequence[_Settle]) -> None:
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

    def _prepared(self, op: _Op, done: list[_Done]) -> bool:
        """Seal and encode an operation; when that fails, note why an admission is refused or keep an outcome for later."""
        if op.row:
            return True
        try:
            op.row = op.encoded(self._day_keys)
        except (Unavailable, ContentDestroyed) as error:
            if isinstance(op, _Settle):
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
                if (op := self._queue.get_nowait()) is not None:
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
            if isinstance(op, _Admit) and error is None:
                self._open[op.admission.exchange_id] = op.day
                if op.future.cancelled():
                    self._abandon(op)
            if op.future.done():
                continue
            if error is None:
                op.future.set_result(None)
            else:
                op.future.set_exception(error)
                if isinstance(op, _Settle):
                    op.future.exception()  # whoever settles may choose not to look


def _take_a_name(layout: Layout, worker: str, clock: Clock) -> tuple[str, int]:
    for tries_left in reversed(range(_NAMES_TRIED)):
        name = new_spool_name(worker, at=clock.now())
        try:
            return name, hold(layout.lock_path(name))
        except BlockingIOError:
            if not tries_left:
                raise CannotRecord(f"No spool can be opened in {layout.spools}: its lock is taken each time.") from None
        except OSError as error:
            raise CannotRecord(f"No spool can be opened in {layout.spools}: {error.strerror}.") from error
    raise AssertionError("the last try returns or raises")


def _cannot_record(error: sqlite3.Error) -> CannotRecord:
    return CannotRecord(
        f"The exchange cannot be recorded ({error}), so it is not admitted.",
        help="Free space on the disk that holds the exchange log, or look for a process that holds the spool.",
    )
