"""How long items of the queue have waited, in one query over the sample's own rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.safety.model import Waits
from headgate.safety.store.tables import gold_shown, items, opinions

if TYPE_CHECKING:
    from collections.abc import Sequence


def waits(connection: sa.Connection, epochs: Sequence[str], *, within_us: int, since_us: int, now_us: int) -> Waits:
    """Return how long flagged items of some epochs waited; where none was flagged, how long sampled ones did.

    An item counts while it waits, and when its time was up at ``since_us`` or later. Gold items do not count.

    Args:
        connection: A snapshot.
        epochs: Which epochs.
        within_us: How long an item may wait.
        since_us: From when on.
        now_us: The present instant.
    """
    flagged = _waits(connection, epochs, within_us, since_us, now_us, flagged=True)
    return flagged if flagged.done + flagged.waiting else _waits(connection, epochs, within_us, since_us, now_us, flagged=False)


def _waits(
    connection: sa.Connection, epochs: Sequence[str], within_us: int, since_us: int, now_us: int, *, flagged: bool
) -> Waits:
    last = (
        sa.select(sa.func.max(opinions.c.at_us))
        .where(opinions.c.exchange_id == items.c.exchange_id, opinions.c.withdrawn_at_us.is_(None))
        .scalar_subquery()
    )
    asked = [
        items.c.epoch.in_(list(epochs)),
        sa.or_(items.c.is_open, items.c.drawn_at_us >= since_us - within_us),
        ~sa.exists().where(gold_shown.c.item == items.c.exchange_id),
    ]
    if flagged:
        asked.append(items.c.flagged)
    took = (sa.case((items.c.is_open, sa.literal(now_us)), else_=last) - items.c.drawn_at_us).label("took")
    counted = sa.select(items.c.is_open, took).where(*asked).subquery()
    late = sa.func.sum(sa.case((counted.c.took > within_us, 1), else_=0))
    waiting = sa.func.sum(sa.case((counted.c.is_open, 1), else_=0))
    row = connection.execute(
        sa.select(
            sa.func.count().label("all"), waiting.label("waiting"), late.label("late"), sa.func.max(counted.c.took).label("took")
        )
    ).one()
    open_now = int(row.waiting or 0)
    return Waits(
        flagged=flagged,
        done=row.all - open_now,
        waiting=open_now,
        late=int(row.late or 0),
        longest=None if row.took is None else timedelta(microseconds=int(row.took)),
    )
