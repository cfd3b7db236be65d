"""How long items of the queue have waited, and for what: queries over the sample's own rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.safety.model import HazardWaiting, Standing, Waits
from headgate.safety.store.opening import value_of
from headgate.safety.store.sample import NEVER
from headgate.safety.store.tables import epochs, gold_shown, items, opinions, standings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.safety.store.sample import Samples


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


def by_hazard(connection: sa.Connection, samples: Samples) -> tuple[HazardWaiting, ...]:
    """Return how many items wait for each hazard.

    An open gold item counts for every hazard of its epoch, as an item of traffic does that nobody has read: otherwise what
    waits would tell how many of them are open.

    Args:
        connection: A snapshot.
        samples: What is known of samples.
    """
    # from the few golds to their items: the other way round every open item would be looked up among them
    is_open = sa.exists().where(items.c.exchange_id == gold_shown.c.item, items.c.is_open)
    open_golds = sa.select(gold_shown.c.epoch, sa.func.count()).where(is_open).group_by(gold_shown.c.epoch)
    golds = {row.epoch: row[1] for row in connection.execute(open_golds)}
    found: list[HazardWaiting] = []
    for epoch in connection.execute(sa.select(epochs).order_by(epochs.c.epoch)).all():
        for hazard in value_of(epoch.hazards):
            waiting = _pending(connection, samples, epoch, hazard) + golds.get(epoch.epoch, 0)
            if waiting:
                found.append(HazardWaiting(epoch.release_id, epoch.epoch, hazard, waiting))
    return tuple(found)


def _pending(connection: sa.Connection, samples: Samples, epoch: Any, hazard: str) -> int:
    """Return how many sampled draws wait for a hazard: where draws are still made, the sample is known."""
    if epoch.closed_at_us is None:
        return samples.of(connection, epoch, hazard).waiting(overdue_us=NEVER).size
    ours = (standings.c.epoch == epoch.epoch, standings.c.hazard == hazard, standings.c.standing == Standing.PENDING.value)
    return connection.execute(sa.select(sa.func.count()).where(*ours)).scalar_one()


def _waits(
    connection: sa.Connection, epochs: Sequence[str], within_us: int, since_us: int, now_us: int, *, flagged: bool
) -> Waits:
    last = (
        sa.select(sa.func.max(opinions.c.at_us))
        .where(opinions.c.exchange_id == items.c.exchange_id, opinions.c.withdrawn_at_us.is_(None))
        .scalar_subquery()
    )
    meant = [items.c.epoch.in_(list(epochs)), ~sa.exists().where(gold_shown.c.item == items.c.exchange_id)]
    if flagged:
        meant.append(items.c.flagged)
    # two halves, so that each has its index: what waits, and what was done of late
    waits_yet = sa.select(sa.literal(1).label("is_open"), (sa.literal(now_us) - items.c.drawn_at_us).label("took"))
    took = sa.select(sa.literal(0).label("is_open"), (last - items.c.drawn_at_us).label("took"))
    # done is said by its counts here: by its flag, the index of the whole queue would be taken
    lately = (items.c.given >= items.c.wanted, items.c.drawn_at_us >= since_us - within_us)
    counted = sa.union_all(waits_yet.where(items.c.is_open, *meant), took.where(*lately, *meant)).subquery()
    late = sa.func.sum(sa.case((counted.c.took > within_us, 1), else_=0))
    waiting = sa.func.sum(counted.c.is_open)
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
