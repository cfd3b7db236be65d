"""Writing and reading entries on a connection that the caller has opened.

``append`` runs inside the caller's transaction, so a change and its entry are kept together or not at all. The head is
one row, which every append locks first (SQLite's ``BEGIN IMMEDIATE`` has done so already): appends queue, and the
sequence has no gaps. Triggers refuse to change or delete what is written; whoever gets around them is found by
``verify``, because each column is checked against the hashed leaf and each leaf against the tree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import to_us
from headgate.ledger.decide import merkle
from headgate.ledger.decide.merkle import Node
from headgate.ledger.errors import LedgerBroken
from headgate.ledger.model import Entry, Head, Recorded
from headgate.ledger.store.tables import entries, heads, nodes
from headgate.ledger.wire import leaf as leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

_TERMS = 200
"""How many nodes one statement asks for; SQLite limits the depth of an expression to 1000."""

# built once: an append spends most of its time on building statements otherwise
_ADD_ENTRY = entries.insert()
_ADD_NODE = nodes.insert()
_MOVE_HEAD = heads.update()
_LOCK_HEAD = sa.select(heads.c.size).with_for_update()


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
    known = hashes(connection, merkle.peaks(size))
    appeared = merkle.grown(size, merkle.leaf_hash(leaf), known)
    columns = {"kind": entry.kind, "subject": entry.subject, "actor": entry.actor, "at_us": to_us(entry.at)}
    connection.execute(_ADD_ENTRY, {"seq": seq, **columns, "leaf": leaf})
    connection.execute(_ADD_NODE, [{"level": at.level, "index": at.place, "hash": value} for at, value in appeared.items()])
    connection.execute(_MOVE_HEAD, {"size": seq, "root": merkle.root(seq, known | appeared)})
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
    size = connection.execute(_LOCK_HEAD).scalar_one_or_none()
    if size is not None:
        return size
    _must_be_empty(connection)
    connection.execute(heads.insert().values(id=1, size=0, root=merkle.EMPTY_ROOT))
    return 0


def _must_be_empty(connection: sa.Connection) -> None:
    if connection.execute(sa.select(sa.exists().select_from(entries))).scalar_one():
        raise LedgerBroken("The ledger has entries and no head.", help="Run `headgate ledger verify`.")


def hashes(connection: sa.Connection, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """Return the hashes of nodes by their places.

    Raises:
        LedgerBroken: One is missing.
    """
    places = sorted(set(wanted))
    found: dict[Node, bytes] = {}
    for start in range(0, len(places), _TERMS):
        asked = places[start : start + _TERMS]
        named = {f"{axis}{at}": value for at, node in enumerate(asked) for axis, value in zip("lp", node, strict=True)}
        rows = connection.execute(_select_nodes(len(asked)), named)
        found |= {Node(level, place): value for level, place, value in rows}
    if missing := set(places) - found.keys():
        level, place = min(missing)
        raise LedgerBroken(f"The ledger's tree lacks node {level}/{place}.", help="Run `headgate ledger verify`.")
    return found


@lru_cache(maxsize=_TERMS)
def _select_nodes(count: int) -> sa.Select[Any, Any, Any]:
    """Return the statement that looks up so many nodes."""
    each = (sa.and_(nodes.c.level == sa.bindparam(f"l{at}"), nodes.c.index == sa.bindparam(f"p{at}")) for at in range(count))
    return sa.select(nodes.c.level, nodes.c.index, nodes.c.hash).where(sa.or_(*each))
