"""Finding entries, the newest first, without looking through those that are not sought.

No one index answers every question in the order of the ledger. A question is therefore cut into strands: the entries of one
subject, or of one kind by one actor. Each strand is walked backwards along an index, no further than the page needs, and the
strands are merged. What a question costs is the number of its strands times the length of a page, however long the ledger is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import to_us
from headgate.ledger.store.tables import entries
from headgate.ledger.wire import leaf as leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.ledger.model import Recorded, Sought

_AFTER_THE_DOT = "/"
"""The character behind the dot: what lies between ``grant.`` and ``grant/`` begins with ``grant.``."""
_STRANDS_AT_ONCE = 100
"""SQLite joins 500 statements at most."""


def newest(connection: sa.Connection, sought: Sought, *, before: int | None, limit: int) -> list[Recorded]:
    """Return the entries that are sought, the newest first.

    Raises:
        LedgerBroken: An entry cannot be read.
    """
    within = list(_within(connection, sought, before))
    strands = [
        sa.select(entries.c.seq).where(*strand, *within).order_by(entries.c.seq.desc()).limit(limit)
        for strand in _strands(connection, sought)
    ]
    places: set[int] = set()
    for start in range(0, len(strands), _STRANDS_AT_ONCE):
        some = (sa.select(strand.subquery().c.seq) for strand in strands[start : start + _STRANDS_AT_ONCE])
        merged = sa.union_all(*some).subquery()
        query = sa.select(merged.c.seq).order_by(merged.c.seq.desc()).limit(limit)
        places.update(connection.execute(query).scalars())
    wanted = sorted(places, reverse=True)[:limit]
    found = connection.execute(sa.select(entries.c.leaf).where(entries.c.seq.in_(wanted)).order_by(entries.c.seq.desc()))
    return [leaves.decode(leaf) for leaf in found.scalars()]


def kinds(connection: sa.Connection) -> list[str]:
    """Return every kind that an entry has."""
    return list(_kinds(connection))


def _strands(connection: sa.Connection, sought: Sought) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    by = () if sought.actor is None else (entries.c.actor == sought.actor,)
    if sought.subjects:
        like = () if sought.kind is None else (_of_kind(sought.kind),)
        for subject in dict.fromkeys(sought.subjects):
            yield (entries.c.subject == subject, *by, *like)
    elif sought.kind is not None and "." in sought.kind:
        yield (entries.c.kind == sought.kind, *by)
    elif sought.kind is not None or by:
        for kind in _kinds(connection, *by, noun=sought.kind):
            yield (entries.c.kind == kind, *by)
    else:
        yield ()


def _kinds(connection: sa.Connection, *by: sa.ColumnElement[bool], noun: str | None = None) -> Iterator[str]:
    """Yield the kinds that there are, of one noun if it is named, each found by one step along an index."""
    first = sa.select(sa.func.min(entries.c.kind)).where(*by)
    if noun is not None:
        first = first.where(_of_kind(noun))
    kind: str | None = connection.execute(first).scalar_one()
    while kind is not None:
        yield kind
        kind = connection.execute(first.where(entries.c.kind > kind)).scalar_one()


def _of_kind(kind: str) -> sa.ColumnElement[bool]:
    if "." in kind:
        return entries.c.kind == kind
    return sa.and_(entries.c.kind >= f"{kind}.", entries.c.kind < f"{kind}{_AFTER_THE_DOT}")


def _within(connection: sa.Connection, sought: Sought, before: int | None) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the places and times that bound what is sought."""
    if before is not None:
        yield entries.c.seq < before
    time = entries.c.at_us
    if sought.since is not None:
        first = _place(connection, time >= to_us(sought.since), time.asc(), entries.c.seq.asc())
        yield sa.and_(time >= to_us(sought.since), entries.c.seq >= first) if first is not None else sa.false()
    if sought.until is not None:
        last = _place(connection, time < to_us(sought.until), time.desc(), entries.c.seq.desc())
        yield sa.and_(time < to_us(sought.until), entries.c.seq <= last) if last is not None else sa.false()


def _place(connection: sa.Connection, where: sa.ColumnElement[bool], *order: sa.ColumnElement[Any]) -> int | None:
    return connection.execute(sa.select(entries.c.seq).where(where).order_by(*order).limit(1)).scalar_one_or_none()
