"""The ledger in a database: entries, the nodes of their tree, its head, and signed checkpoints.

``append`` runs inside the caller's transaction, so a change and its entry are kept together or not at all. The head is
one row, which every append locks first (SQLite's ``BEGIN IMMEDIATE`` has done so already): appends queue, and the
sequence has no gaps. Triggers refuse to change or delete what is written; whoever gets around them is found by
``verify``, because each column is checked against the hashed leaf and each leaf against the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event

from headgate.kernel.clock import to_us
from headgate.ledger.errors import LedgerBroken
from headgate.ledger.model import Entry, Head, Recorded
from headgate.ledger.wire import leaf as leaves
from headgate.ledger.wire import merkle
from headgate.ledger.wire.merkle import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

metadata = sa.MetaData()

_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

entries = sa.Table(
    "ledger_entry",
    metadata,
    sa.Column("seq", _Whole, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Index("ledger_entry_by_subject", "subject", "seq"),
    sa.Index("ledger_entry_by_kind", "kind", "seq"),
    sqlite_strict=True,
)
"""One row an entry. ``leaf`` holds the exact bytes that were hashed, body included; the other columns are for finding it."""

nodes = sa.Table(
    "ledger_node",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("index", _Whole, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The hash of every complete subtree, leaves included."""

heads = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("size", _Whole, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""One row: how many entries there are, and the root over them."""

checkpoints = sa.Table(
    "ledger_checkpoint",
    metadata,
    sa.Column("size", _Whole, primary_key=True, autoincrement=False),
    sa.Column("signer", sa.Text, primary_key=True),
    sa.Column("note", sa.Text, nullable=False),
    sqlite_strict=True,
)
"""Signed heads, one for each size and signer; ``signer`` is the key's name and hash."""

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"

SQLITE_TRIGGERS: tuple[str, ...] = (
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_keeps_{verb.lower()} BEFORE {verb} ON {table} {_REFUSE}"
        for table in (entries.name, nodes.name, checkpoints.name)
        for verb in ("UPDATE", "DELETE")
    ),
    f"CREATE TRIGGER IF NOT EXISTS {heads.name}_keeps_delete BEFORE DELETE ON {heads.name} {_REFUSE}",
    f"CREATE TRIGGER IF NOT EXISTS {heads.name}_only_grows BEFORE UPDATE ON {heads.name} WHEN NEW.size <= OLD.size {_REFUSE}",
)
"""What refuses to change the past, for a migration to run; ``metadata.create_all`` runs them too."""


@event.listens_for(metadata, "after_create")
def _guard(_target: sa.MetaData, connection: sa.Connection, **_options: object) -> None:
    if connection.dialect.name == "sqlite":
        for trigger in SQLITE_TRIGGERS:
            connection.exec_driver_sql(trigger)


def append(connection: sa.Connection, entry: Entry) -> int:
    """Record ``entry`` in the caller's write transaction.

    Args:
        connection: A connection with a write transaction begun (``engine.begin()``).
        entry: What happened.

    Returns:
        The entry's place, ``seq``, counted from 1 without gaps.

    Raises:
        NotAnEntry: The entry cannot be written as JSON, or lacks something.
        LedgerBroken: The tree lacks a node, or its head; nothing was written.
        sqlalchemy.exc.OperationalError: The database is locked, full or gone; whoever owns the transaction translates it.
    """
    size = _locked_size(connection)
    seq = size + 1
    leaf = leaves.encode(seq, entry)
    hashes = _hashes(connection, merkle.peaks(size))
    appeared = merkle.grown(size, merkle.leaf_hash(leaf), hashes)
    connection.execute(
        entries.insert().values(
            seq=seq, kind=entry.kind, subject=entry.subject, actor=entry.actor, at_us=to_us(entry.at), leaf=leaf
        )
    )
    connection.execute(
        nodes.insert(), [{"level": level, "index": place, "hash": value} for (level, place), value in appeared.items()]
    )
    root = merkle.root(seq, hashes | appeared)
    connection.execute(heads.update().values(size=seq, root=root))
    return seq


def head(connection: sa.Connection) -> Head:
    """Return the ledger's size and root as this transaction sees them.

    Raises:
        LedgerBroken: There are entries and no head.
    """
    row = connection.execute(sa.select(heads.c.size, heads.c.root)).one_or_none()
    if row is not None:
        return Head(row.size, row.root)
    _must_be_empty(connection)
    return Head(0, merkle.EMPTY_ROOT)


def tail(connection: sa.Connection, after: int, limit: int) -> list[Recorded]:
    """Return the entries that follow place ``after``, in order, at most ``limit`` of them.

    Raises:
        LedgerBroken: An entry cannot be read.
    """
    query = sa.select(entries.c.leaf).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
    return [leaves.decode(leaf) for leaf in connection.execute(query).scalars()]


def _locked_size(connection: sa.Connection) -> int:
    """Lock the head against other writers and return the size; make the head of a ledger that is still empty."""
    size = connection.execute(sa.select(heads.c.size).with_for_update()).scalar_one_or_none()
    if size is not None:
        return size
    _must_be_empty(connection)
    connection.execute(heads.insert().values(id=1, size=0, root=merkle.EMPTY_ROOT))
    return 0


def _must_be_empty(connection: sa.Connection) -> None:
    if connection.execute(sa.select(sa.exists().select_from(entries))).scalar_one():
        raise LedgerBroken("The ledger has entries and no head.", help="Run `headgate ledger verify`.")


def _hashes(connection: sa.Connection, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """Return the hashes of nodes by their places.

    Raises:
        LedgerBroken: One is missing.
    """
    places = set(wanted)
    if not places:
        return {}
    which = sa.or_(*(sa.and_(nodes.c.level == level, nodes.c.index == place) for level, place in sorted(places)))
    rows = connection.execute(sa.select(nodes.c.level, nodes.c.index, nodes.c.hash).where(which))
    found = {Node(level, place): value for level, place, value in rows}
    if missing := places - found.keys():
        raise LedgerBroken(f"The ledger's tree lacks node {min(missing)}.", help="Run `headgate ledger verify`.")
    return found
