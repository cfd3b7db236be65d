"""The file under a spool: how rows reach it, and how it is kept small.

One connection writes. It never waits by itself, because it may be used in an event loop; the writing thread waits around it.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from headgate.kernel.sqlite import when_free
from headgate.traffic.keys import sync_folder
from headgate.traffic.rows import ADMISSION_COLUMNS, OUTCOME_COLUMNS, SCHEMA, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headgate.kernel.clock import Clock

_ROWS_A_STATEMENT = (64, 16, 8, 4, 2, 1)
_ROW_BYTES = 8 * 2**10
_CHECKPOINT_BYTES = 32 * 2**20


class Sync(Enum):
    """What a commit waits for; the value is SQLite's word."""

    NORMAL = "NORMAL"
    """The operating system has it: survives the death of the process."""
    FULL = "FULL"
    """The disk has it: survives power loss."""


def _inserts(table: str, columns: Sequence[str], on_conflict: str = "") -> dict[int, str]:
    """Return, for each size, one statement that writes that many rows.

    Each step of a statement lets go of the interpreter's lock and has to win it back from a busy event loop; one statement
    for many rows pays that once.
    """
    row = f"({', '.join('?' * len(columns))})"
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - names from this package only
    return {size: head + ", ".join([row] * size) + on_conflict for size in _ROWS_A_STATEMENT}


_INSERT_ADMISSIONS = _inserts("admission", ADMISSION_COLUMNS)
# A commit that failed may have been made all the same; trying it again must then change nothing.
_INSERT_OUTCOMES = _inserts("outcome", OUTCOME_COLUMNS, " ON CONFLICT (exchange_id) DO NOTHING")


class SpoolFile:
    """A fresh SQLite file for one worker's exchanges.

    Args:
        path: Where it is made.
        sync: What a commit waits for.
        clock: Measures how long the file was busy.
        busy_s: How long ``insert`` waits for another process to let go of the file.

    Raises:
        sqlite3.Error: It cannot be made.
    """

    def __init__(self, path: Path, sync: Sync, clock: Clock, *, busy_s: float) -> None:
        self._clock = clock
        self._busy_s = busy_s
        self._using = threading.Lock()
        self._written_bytes = 0
        self._connection = _connect(path)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(f"PRAGMA synchronous={sync.value}")
            self._connection.execute("PRAGMA wal_autocheckpoint=0")  # a checkpoint flushes, and an event loop may be waiting
            self._connection.executescript(SCHEMA)
            self._checkpointer = _connect(path)
        except sqlite3.Error:
            self._connection.close()
            raise
        sync_folder(path.parent)

    @property
    def checkpoint_is_due(self) -> bool:
        """Whether so much was written ahead that it should be moved into the file."""
        return self._written_bytes > _CHECKPOINT_BYTES

    def insert_at_once(self, admissions: Sequence[Row], outcomes: Sequence[Row]) -> bool:
        """Commit all the rows if nothing at all stands in the way, and say whether that was done; if not, none was written."""
        if not self._using.acquire(blocking=False):
            return False
        try:
            self._execute([*_statements(_INSERT_ADMISSIONS, admissions), *_statements(_INSERT_OUTCOMES, outcomes)])
        except sqlite3.Error:
            return False
        finally:
            self._using.release()
        self._note_written(admissions, outcomes)
        return True

    def insert(self, admissions: Sequence[Row], outcomes: Sequence[Row]) -> None:
        """Commit all the rows or none, waiting at most ``busy_s`` for another process to let go of the file.

        Raises:
            sqlite3.IntegrityError: An exchange was admitted before.
            sqlite3.Error: The file is full, read-only, locked or broken; nothing was written.
        """
        statements = [*_statements(_INSERT_ADMISSIONS, admissions), *_statements(_INSERT_OUTCOMES, outcomes)]

        def write() -> None:
            with self._using:
                self._execute(statements)

        when_free(write, within_s=self._busy_s, monotonic=self._clock.monotonic)
        self._note_written(admissions, outcomes)

    def _note_written(self, admissions: Sequence[Row], outcomes: Sequence[Row]) -> None:
        self._written_bytes += sum(len(row[-1] or b"") + _ROW_BYTES for row in (*admissions, *outcomes))

    def _execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        if len(statements) <= 1:
            for statement, fields in statements:
                self._connection.execute(statement, fields)  # commits by itself
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for statement, fields in statements:
                self._connection.execute(statement, fields)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            raise

    def checkpoint_if_due(self) -> None:
        """Move what was written ahead into the file: most of it beside the writers, the rest while they queue.

        Left alone under steady load, the log written ahead would never be empty, and so would grow without end. Whoever writes
        first after it was moved begins it anew and flushes its head to the disk, under ``Sync.NORMAL`` too (SQLite, ``wal.c``,
        ``walFrames``): that is done here, by a write of nothing, because the next one may come from an event loop.
        """
        if not self.checkpoint_is_due:
            return
        with suppress(sqlite3.Error):  # then it is tried again after the next batch
            self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            with self._using:
                self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self._connection.execute("PRAGMA user_version = 0")
            self._written_bytes = 0

    def close(self) -> None:
        """Let go of the file."""
        self._checkpointer.close()
        with self._using:
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def _statements(inserts: dict[int, str], rows: Sequence[Row]) -> list[tuple[str, list[Any]]]:
    statements: list[tuple[str, list[Any]]] = []
    start = 0
    while start < len(rows):
        size = next(size for size in _ROWS_A_STATEMENT if size <= len(rows) - start)
        statements.append((inserts[size], [field for row in rows[start : start + size] for field in row]))
        start += size
    return statements
