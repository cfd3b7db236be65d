"""The ledger's port over a database: snapshots for readers, one writer at a time."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headgate.ledger.decide.audit import Read, Stretch
from headgate.ledger.decide.merkle import Node, leaf_hash
from headgate.ledger.errors import LedgerUnavailable
from headgate.ledger.model import Entry, Head, Recorded, Sought, StoredCheckpoint
from headgate.ledger.store import entries as rows
from headgate.ledger.store import finding
from headgate.ledger.store.tables import checkpoints, entries, heads, nodes
from headgate.ledger.wire import leaf as leaves

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

_STRETCH = 512
"""Entries that an audit holds at once."""


class SqlLedger:
    """The ledger in a database.

    Args:
        engine: The database; its tables are ``metadata``'s.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._writes = engine
        self._reads = engine.execution_options(read_only=True)

    @contextmanager
    def reading(self) -> Generator[SqlReading]:
        with translated(), self._reads.connect() as connection:
            yield SqlReading(connection)

    @contextmanager
    def writing(self) -> Generator[SqlWriting]:
        with translated(), self._writes.begin() as connection:
            yield SqlWriting(connection)


@contextmanager
def translated() -> Generator[None]:
    """Say ``LedgerUnavailable`` for whatever the database says while the block runs.

    SQLAlchemy leaves the driver's own errors bare on connections that are taken from the pool without it.

    Raises:
        LedgerUnavailable: The database is locked, full, gone, or has no such tables.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout, sqlite3.Error) as wrong:
        raise LedgerUnavailable(
            "The ledger's database does not answer; nothing was changed.",
            help="Look for a full disk, a process that holds the database locked, or a missing migration; then try again.",
        ) from wrong


class SqlReading:
    """One snapshot."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def head(self) -> Head:
        return rows.head(self._connection)

    def stored_head(self) -> Head | None:
        row = self._connection.execute(sa.select(heads.c.size, heads.c.root)).one_or_none()
        return None if row is None else Head(row.size, row.root)

    def leaf(self, seq: int) -> bytes | None:
        return self._connection.execute(sa.select(entries.c.leaf).where(entries.c.seq == seq)).scalar_one_or_none()

    def leaves(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        query = sa.select(entries.c.seq, entries.c.leaf).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
        return [(seq, leaf) for seq, leaf in self._connection.execute(query)]

    def search(self, *, kind: str | None, subject: str | None, actor: str | None, after: int, limit: int) -> list[Recorded]:
        query = sa.select(entries.c.leaf).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
        if kind is not None:
            whole = entries.c.kind == kind
            query = query.where(whole if "." in kind else whole | entries.c.kind.startswith(f"{kind}.", autoescape=True))
        if subject is not None:
            query = query.where(entries.c.subject == subject)
        if actor is not None:
            query = query.where(entries.c.actor == actor)
        return [leaves.decode(leaf) for leaf in self._connection.execute(query).scalars()]

    def newest(self, sought: Sought, *, before: int | None, limit: int) -> list[Recorded]:
        return finding.newest(self._connection, sought, before=before, limit=limit)

    def kinds(self) -> list[str]:
        return finding.kinds(self._connection)

    def hashes(self, wanted: Iterable[Node]) -> dict[Node, bytes]:
        return rows.hashes(self._connection, wanted)

    def stretches(self) -> Iterator[Stretch]:
        query = sa.select(
            entries.c.seq,
            *(self._exact(entries.c[name]) for name in ("kind", "subject", "actor")),
            entries.c.at_us,
            entries.c.leaf,
        ).order_by(entries.c.seq)
        for read in self._connection.execute(query.execution_options(yield_per=_STRETCH)).partitions():
            first, last = max(read[0].seq, 1), read[-1].seq
            yield Stretch([_read(row) for row in read], self._completed(first - 1, last) if first <= last else {})

    def node_count(self) -> int:
        return self._connection.execute(sa.select(sa.func.count()).select_from(nodes)).scalar_one()

    def newest_checkpoint(self, *, size: int | None = None, signer: str | None = None) -> StoredCheckpoint | None:
        query = sa.select(checkpoints.c.size, checkpoints.c.signer, checkpoints.c.note)
        query = query.where(
            sa.true() if size is None else checkpoints.c.size == size,
            sa.true() if signer is None else checkpoints.c.signer == signer,
        )
        row = self._connection.execute(query.order_by(checkpoints.c.size.desc(), checkpoints.c.signer).limit(1)).one_or_none()
        return None if row is None else StoredCheckpoint(row.size, row.signer, row.note.encode())

    def checkpoints(self) -> list[StoredCheckpoint]:
        query = sa.select(checkpoints.c.size, self._exact(checkpoints.c.signer), self._exact(checkpoints.c.note))
        found = self._connection.execute(query.order_by(checkpoints.c.size, checkpoints.c.signer))
        return [StoredCheckpoint(size, _bytes(signer).decode(errors="replace"), _bytes(note)) for size, signer, note in found]

    def _completed(self, start: int, stop: int) -> dict[Node, bytes]:
        """Return the stored nodes whose last leaf is one of ``start`` to ``stop``."""
        ranges = [
            sa.and_(nodes.c.level == level, nodes.c.index >= start >> level, nodes.c.index < stop >> level)
            for level in range(stop.bit_length())
        ]
        query = sa.select(nodes.c.level, nodes.c.index, nodes.c.hash).where(sa.or_(*ranges))
        return {Node(level, place): value for level, place, value in self._connection.execute(query)}

    def _exact(self, column: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
        """Return a text column's bytes: SQLite keeps text that is not UTF-8, and reading it as text would fail."""
        is_sqlite = self._connection.dialect.name == "sqlite"
        return sa.cast(column, sa.LargeBinary).label(None) if is_sqlite else column


class SqlWriting(SqlReading):
    """One transaction."""

    def append(self, entry: Entry) -> int:
        return rows.append(self._connection, entry)

    def save_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        self._connection.execute(
            checkpoints.insert().values(size=checkpoint.size, signer=checkpoint.signer, note=checkpoint.note.decode())
        )


def _read(row: sa.Row[*tuple[Any, ...]]) -> Read:
    seq, kind, subject, actor, at_us, leaf = row
    columns = {"seq": seq, "kind": _bytes(kind), "subject": _bytes(subject), "actor": _bytes(actor), "at": at_us}
    return Read(seq, leaf_hash(leaf), leaves.contradicts(leaf, columns))


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
