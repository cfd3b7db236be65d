"""What was put before each reader, and for how long: kept for a week, for their own sake, and read by nobody else.

The items are named, because an item that is handed out again is the same sight; what was said of it stands elsewhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.kernel.clock import from_us, to_us
from headgate.safety.decide.care import Sight
from headgate.safety.store.opening import instant
from headgate.safety.store.tables import draws, sights, signals

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.safety.ports import ItemState

KEPT = timedelta(days=7)
MOST = 2000
"""How many sights are read of one reader: more than a day may hold."""


def seen(connection: sa.Connection, reviewer: str, *, since: datetime) -> tuple[Sight, ...]:
    """Return what was put before a reader, in order."""
    newest = (
        sa.select(sights)
        .where(sights.c.reviewer == reviewer, sights.c.shown_at_us >= to_us(since))
        .order_by(sights.c.shown_at_us.desc(), sights.c.exchange_id.desc())
        .limit(MOST)
    )
    rows = connection.execute(newest).all()
    return tuple(Sight(from_us(row.shown_at_us), instant(row.ended_at_us), row.hard, row.hazard) for row in reversed(rows))


def begin(connection: sa.Connection, reviewer: str, state: ItemState, *, at: datetime) -> None:
    """Note that an item is put before a reader; one that is before them already is the same sight."""
    ours = (sights.c.reviewer == reviewer, sights.c.exchange_id == state.item)
    same = (*ours, sa.or_(sights.c.ended_at_us.is_(None), sights.c.shown_at_us == to_us(at)))
    if connection.execute(sa.update(sights).where(*same).values(ended_at_us=None)).rowcount:
        return
    connection.execute(sa.delete(sights).where(sights.c.reviewer == reviewer, sights.c.shown_at_us < to_us(at - KEPT)))
    strongest = (
        sa.select(signals.c.hazard)
        .where(signals.c.exchange_id == state.item, signals.c.flags)
        .order_by(signals.c.score.desc(), signals.c.ordinal)
        .limit(1)
    )
    connection.execute(
        sa.insert(sights).values(
            reviewer=reviewer,
            shown_at_us=to_us(at),
            exchange_id=state.item,
            hard=state.flagged,
            hazard=connection.execute(strongest).scalar_one_or_none(),
            ended_at_us=None,
        )
    )


def end(connection: sa.Connection, reviewer: str, item: str, *, hard: bool, at: datetime) -> None:
    """Note that a reader is done with an item, and whether it was hard after all."""
    connection.execute(
        sa.update(sights)
        .where(sights.c.reviewer == reviewer, sights.c.exchange_id == item, sights.c.ended_at_us.is_(None))
        .values(ended_at_us=to_us(at), hard=sa.or_(sights.c.hard, sa.literal(hard)))
    )


def beside(connection: sa.Connection, state: ItemState) -> str | None:
    """Return the exchange in whose place of the queue an item stands."""
    query = sa.select(draws.c.exchange_id).where(draws.c.epoch == state.epoch, draws.c.position == state.position)
    return connection.execute(query).scalar_one_or_none()


def flagged_for(hazard: str, item: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Return what makes an item one that is flagged for a hazard."""
    return sa.exists().where(signals.c.exchange_id == item, signals.c.hazard == hazard, signals.c.flags)
