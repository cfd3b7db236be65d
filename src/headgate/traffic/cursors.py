"""How far each reader of the exchange log has come, kept where the reader keeps what it made of the log.

A reader takes exchanges, then advances its cursor in the same transaction as its own change. An advance that finds the
cursor moved says so and changes nothing: the transaction must be given up, and the log read again. So each exchange
takes effect once, whoever is killed and however many readers run under one name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from headgate.traffic.errors import CursorMoved
from headgate.traffic.store import cursors

if TYPE_CHECKING:
    from collections.abc import Mapping


def position(connection: sa.Connection, consumer: str) -> dict[str, int]:
    """Return the last outcome that a reader took from each spool."""
    query = sa.select(cursors.c.spool, cursors.c.outcome_seq).where(cursors.c.consumer == consumer)
    return {row.spool: row.outcome_seq for row in connection.execute(query)}


def advance(connection: sa.Connection, consumer: str, *, seen: Mapping[str, int], to: Mapping[str, int]) -> None:
    """Move a reader's cursor within the caller's transaction.

    Args:
        connection: The transaction that also carries what the reader made of the exchanges.
        consumer: The reader's name.
        seen: The cursor from which the exchanges were read.
        to: The cursor after them.

    Raises:
        CursorMoved: The cursor is no longer at ``seen``; the transaction must be rolled back.
    """
    for spool, outcome_seq in to.items():
        before = seen.get(spool)
        if before == outcome_seq:
            continue
        if before is None:
            statement = sa.insert(cursors).values(consumer=consumer, spool=spool, outcome_seq=outcome_seq)
        else:
            statement = (
                sa.update(cursors)
                .where(cursors.c.consumer == consumer, cursors.c.spool == spool, cursors.c.outcome_seq == before)
                .values(outcome_seq=outcome_seq)
            )
        try:
            moved = connection.execute(statement).rowcount
        except IntegrityError:
            moved = 0
        if moved != 1:
            raise CursorMoved(f"Another reader named {consumer} took exchanges from {spool} in the meantime.")
