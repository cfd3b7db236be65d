"""The system of record: one SQLite file in WAL mode, or whatever database a URL names.

A transaction says beforehand whether it writes. ``engine.begin()`` takes SQLite's write lock at once, so that two
writers queue instead of failing half-way; a connection with the option ``read_only=True`` reads a snapshot, never waits
for a writer, and cannot write. A database that stays locked for longer than ``BUSY_S`` is reported as unavailable.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from headgate.kernel.sqlite import when_free

if TYPE_CHECKING:
    from pathlib import Path

BUSY_S = 10.0
"""How long a transaction waits for SQLite's write lock, in seconds."""

_READ_ONLY = "read_only"
"""Under this name a connection remembers which of the two it is."""


class _Dropped(sqlite3.Connection):
    """A connection that is closed when nobody holds it any more: a pool lets go of its own with its engine, and closes none."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it could not be opened
            self.close()


def open_sqlite(path: Path) -> sa.Engine:
    """Return an engine over the SQLite file at ``path``; the file is made when it is absent.

    Every connection checks foreign keys, writes ahead, and flushes each commit to the disk.
    """
    engine = sa.create_engine(
        f"sqlite+pysqlite:///{path}",
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=32,
        connect_args={"timeout": BUSY_S, "check_same_thread": False, "factory": _Dropped},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


class Versions:
    """Tells whether anything was committed, by this process or another one.

    It asks on a connection of its own, on which nothing is ever written: SQLite's number stands still only for what a connection
    itself commits.

    Args:
        engine: The database. One that is not SQLite has no such number.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._watch: Any = None
        self._asking = Lock()

    def __call__(self) -> int | None:
        """Return a number that is another one after each commit; ``None`` when it cannot be told."""
        if self._engine.dialect.name != "sqlite":
            return None
        with self._asking:
            try:
                if self._watch is None:
                    self._watch = self._engine.raw_connection()
                cursor = self._watch.cursor()  # outside any transaction: inside one the number would stand still
                try:
                    return cursor.execute("PRAGMA data_version").fetchone()[0]
                finally:
                    cursor.close()
            except (sqlite3.Error, SQLAlchemyError):  # then nothing is remembered, and whoever reads is told what is wrong
                return None

    def close(self) -> None:
        """Give the connection up."""
        with self._asking:
            if self._watch is not None:
                self._watch.close()
                self._watch = None


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    read_only: bool = connection.get_execution_options().get("read_only", False)
    if connection.info.get(_READ_ONLY, False) is not read_only:  # saying it again would have every statement compiled anew
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        connection.info[_READ_ONLY] = read_only
    if read_only:
        connection.exec_driver_sql("BEGIN")
    else:
        _begin_writing(connection)


def _begin_writing(connection: sa.Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA busy_timeout=0")
    try:
        when_free(lambda: driver.execute("BEGIN IMMEDIATE"), within_s=BUSY_S)
    except sqlite3.Error:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the last time, so that it fails as everything else does
    finally:
        driver.execute(f"PRAGMA busy_timeout={round(1000 * BUSY_S)}")
