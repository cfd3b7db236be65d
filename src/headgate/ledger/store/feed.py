"""The change feed: each entry, in order, once, soon after it was written.

A follower asks every ``PERIOD_S`` whether anything was committed. On SQLite the question is ``PRAGMA data_version`` on a
connection of the feed's own, which reads no page when nothing happened; elsewhere it is whether there is a next entry.
The version is remembered only after the entries were read, so a failure in between costs a repetition and never an
entry. A feed that cannot ask raises and keeps its place: its owner decides what to refuse meanwhile, and asks again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from headgate.ledger.errors import LedgerBroken
from headgate.ledger.store.entries import head, tail
from headgate.ledger.store.sql import translated

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import sqlalchemy as sa

    from headgate.ledger.model import Recorded

PERIOD_S = 0.020
"""How long a follower waits between two questions, in seconds."""


class ChangeFeed:
    """A place in the ledger that moves on as entries are written.

    One feed belongs to one thread or task at a time. ``poll`` does not wait, so an event loop may call it.

    Args:
        engine: The ledger's database.
        after: The last entry that is already known; 0 for all of them.
        limit: How many entries one ``poll`` returns at most.
    """

    def __init__(self, engine: sa.Engine, *, after: int, limit: int = 1000) -> None:
        self._engine = engine
        self._reads = engine.execution_options(read_only=True)
        self._limit = limit
        self._seq = after
        self._watch: sa.PoolProxiedConnection | None = None
        self._seen: int | None = None

    @property
    def seq(self) -> int:
        """The last entry that was returned."""
        return self._seq

    def poll(self) -> list[Recorded]:
        """Return the entries since the last call, in order; an empty list when there are none.

        Raises:
            LedgerUnavailable: The database does not answer; the feed keeps its place.
            LedgerBroken: The ledger is shorter than what was read from it, has a gap, or cannot be read.
        """
        try:
            with translated():
                version = self._version()
                if version is not None and version == self._seen:
                    return []
                with self._reads.connect() as connection:
                    found = tail(connection, self._seq, self._limit)
                    size = head(connection).size
        except BaseException:
            self.close()
            raise
        self._check(found, size)
        self._seq += len(found)
        self._seen = version if self._seq == size else None
        return found

    def wait(self, timeout_s: float) -> list[Recorded]:
        """Block until there are entries, or until the time is over; for a thread of its own.

        Args:
            timeout_s: How long to wait at most, in seconds, on the monotonic clock.

        Returns:
            What ``poll`` returned last.

        Raises:
            LedgerUnavailable: As ``poll``.
            LedgerBroken: As ``poll``.
        """
        until = time.monotonic() + timeout_s
        while not (found := self.poll()) and (left := until - time.monotonic()) > 0:
            time.sleep(min(PERIOD_S, left))
        return found

    def close(self) -> None:
        """Give the feed's connection up; the next ``poll`` opens another and misses nothing."""
        watch, self._watch, self._seen = self._watch, None, None
        if watch is not None:
            watch.invalidate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _version(self) -> int | None:
        """Return a number that changes whenever another connection commits; ``None`` where there is no such number."""
        if self._engine.dialect.name != "sqlite":
            return None
        if self._watch is None:
            self._watch = self._engine.raw_connection()
        cursor = self._watch.cursor()  # outside any transaction: inside one the number would stand still
        try:
            cursor.execute("PRAGMA data_version")
            [(version,)] = cursor.fetchall()
            return version
        finally:
            cursor.close()

    def _check(self, found: list[Recorded], size: int) -> None:
        if size < self._seq:
            raise LedgerBroken(
                f"The ledger has {size} entries; {self._seq} were read from it before.",
                help="An older copy of the database was put in its place. Stop, and compare with a signed checkpoint.",
            )
        places = [recorded.seq for recorded in found]
        if places != list(range(self._seq + 1, self._seq + 1 + len(found))) or (not found and size > self._seq):
            raise LedgerBroken(f"The ledger lacks an entry after {self._seq}.", help="Run `headgate ledger verify`.")
