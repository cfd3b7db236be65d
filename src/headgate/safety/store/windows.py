"""Closed windows of an epoch in SQL."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import from_us, to_us
from headgate.safety.sampling.windows import Window
from headgate.safety.store.opening import reading
from headgate.safety.store.tables import batches, draws, epochs, signals

if TYPE_CHECKING:
    from datetime import datetime

_MICROSECOND = timedelta(microseconds=1)


class SqlWindows:
    """Reads windows from the system of record."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def closed(self, epoch: str, *, every: timedelta, after: int, now: datetime) -> tuple[Window, ...]:
        """Return the closed windows that follow window number ``after``; those without draws are left out.

        The windows are those of ``SamplingStore.looks``, counted from the epoch's beginning. Cost: the draws of the windows that
        are returned.

        Raises:
            SafetyStoreUnavailable: The database does not answer.
            ValueError: ``every`` is not positive.
        """
        every_us = every // _MICROSECOND
        if every_us <= 0:
            raise ValueError("a window has a positive length")
        with reading(self._engine) as connection:
            state = connection.execute(
                sa.select(epochs.c.committed_at_us, epochs.c.tossed).where(epochs.c.epoch == epoch)
            ).one_or_none()
            if state is None:
                return ()
            found: list[Window] = []
            for number, first, last in _stretches(connection, epoch, state.committed_at_us, every_us, after):
                began_us = state.committed_at_us + number * every_us
                if began_us + every_us > to_us(now) or last > state.tossed:
                    break
                found.append(_window(connection, epoch, number, began_us, first, last))
            return tuple(found)


def _stretches(
    connection: sa.Connection, epoch: str, committed_at_us: int, every_us: int, after: int
) -> list[tuple[int, int, int]]:
    number = sa.cast((batches.c.at_us - committed_at_us) // every_us, sa.BigInteger).label("number")
    rows = connection.execute(
        sa.select(number, sa.func.min(batches.c.first).label("first"), sa.func.max(batches.c.last).label("last"))
        .where(batches.c.epoch == epoch, batches.c.at_us >= committed_at_us + (after + 1) * every_us)
        .group_by(number)
        .order_by(number)
    )
    return [(row.number, row.first, row.last) for row in rows]


def _window(connection: sa.Connection, epoch: str, number: int, began_us: int, first: int, last: int) -> Window:
    inside = (draws.c.epoch == epoch, draws.c.position >= first, draws.c.position <= last)
    counted: Any = connection.execute(
        sa.select(
            sa.func.count().label("requests"),
            sa.func.count(draws.c.score).label("scored"),
            sa.func.count(draws.c.account_id.distinct()).label("users"),
        ).where(*inside)
    ).one()
    flagged: defaultdict[str, set[str]] = defaultdict(set)
    for row in connection.execute(
        sa.select(signals.c.hazard, draws.c.account_id)
        .join(signals, signals.c.exchange_id == draws.c.exchange_id)
        .where(*inside, draws.c.flagged, signals.c.flags)
        .distinct()
    ):
        flagged[row.hazard].add(row.account_id)
    return Window(
        number=number,
        began_at=from_us(began_us),
        requests=counted.requests,
        unscored=counted.requests - counted.scored,
        users=counted.users,
        flagged={hazard: frozenset(accounts) for hazard, accounts in flagged.items()},
    )
