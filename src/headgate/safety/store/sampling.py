"""Draws and coins, as they are read in SQL."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.recent import Recent
from headgate.kernel.still import Lasting, Still, restless
from headgate.safety.model import MonitorHealth
from headgate.safety.ports import Bookmark, ConfirmedHarm, EpochState, RecordedBatch, TossedDraw
from headgate.safety.store import accounts, arrivals, coming, numbers
from headgate.safety.store.draws import SqlSamplingTx
from headgate.safety.store.looks import Looks
from headgate.safety.store.opening import instant, reading, writing
from headgate.safety.store.rows import DRAW, draw_of, state_of
from headgate.safety.store.sample import Samples
from headgate.safety.store.tables import batches, collector, draws, epochs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from headgate.safety.model import Draw, LabelledTraffic, LookData
    from headgate.safety.sampling.accounts import LabelledAccounts
    from headgate.safety.sampling.arrivals import Arrivals, FirstUse
    from headgate.safety.sampling.newcomers import Newcomers

_PAGE = 10_000
_REMEMBERED = 64
"""Epochs, each with a span of time, whose final first uses are remembered."""
_MICROSECOND = timedelta(microseconds=1)


class SqlSampling:
    """The sampling store over a system of record.

    Args:
        engine: Where it is.
        samples: What is known of samples there.
        still: Remembers what nothing was written about since.
    """

    def __init__(self, engine: sa.Engine, samples: Samples | None = None, still: Still | None = None) -> None:
        self._engine = engine
        self._still = still or restless()
        self._samples = samples or Samples()
        self._looks = Looks(self._samples)
        self._uses: Recent[tuple[str, timedelta], tuple[accounts.Use, ...]] = Recent(_REMEMBERED)

    @contextmanager
    def transaction(self) -> Generator[SqlSamplingTx]:
        with writing(self._engine) as connection:
            yield SqlSamplingTx(connection)

    def state(self, epoch: str) -> EpochState | None:
        with reading(self._engine) as connection:
            return state_of(connection, epoch)

    def draws(self, epoch: str) -> Iterator[TossedDraw]:
        after = 0
        while True:
            with reading(self._engine) as connection:
                page = [
                    TossedDraw(draw_of(said), sampled)
                    for *said, sampled in connection.execute(
                        sa.select(*DRAW, draws.c.sampled)
                        .where(draws.c.epoch == epoch, draws.c.position > after)
                        .order_by(draws.c.position)
                        .limit(_PAGE)
                    )
                ]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].draw.position

    def batches(self, epoch: str) -> Iterator[RecordedBatch]:
        after = 0
        while True:
            with reading(self._engine) as connection:
                page = [
                    RecordedBatch(row.first, row.last, row.digest, row.ledger_seq)
                    for row in connection.execute(
                        sa.select(batches)
                        .where(batches.c.epoch == epoch, batches.c.first > after)
                        .order_by(batches.c.first)
                        .limit(_PAGE)
                    )
                ]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].first

    def labelled(self, epoch: str, hazard: str, *, now: datetime, d_max: timedelta) -> LabelledTraffic:
        overdue_us = to_us(now - d_max)

        def read() -> Lasting[LabelledTraffic]:
            with reading(self._engine) as connection:
                return numbers.labelled(connection, self._samples, epoch, hazard, overdue_us=overdue_us)

        return self._still.lasting((SqlSampling, epoch, hazard), overdue_us, read)

    def looks(self, epoch: str, hazard: str, *, after_position: int, every: timedelta, now: datetime) -> tuple[LookData, ...]:
        every_us, now_us = every // _MICROSECOND, to_us(now)

        def read() -> Lasting[tuple[LookData, ...]]:
            with reading(self._engine) as connection:
                return self._looks.since(connection, epoch, hazard, after=after_position, every_us=every_us, now_us=now_us)

        return self._still.lasting((Looks, epoch, hazard, after_position, every_us), now_us, read)

    def newcomers(self, epoch: str, hazard: str, *, now: datetime, d_max: timedelta) -> Newcomers:
        with reading(self._engine) as connection:
            return coming.read(connection, epoch, hazard, now_us=to_us(now), overdue_us=to_us(now - d_max))

    def confirmed(self, epoch: str, hazard: str) -> tuple[ConfirmedHarm, ...]:
        with reading(self._engine) as connection:
            return accounts.confirmed(connection, epoch, hazard)

    def accounts(self, epoch: str, hazard: str, *, span: timedelta, now: datetime, d_max: timedelta) -> LabelledAccounts:
        with reading(self._engine) as connection:
            used = self._used(connection, epoch, span, now)
            return accounts.labelled(connection, epoch, hazard, used, span=span, overdue_us=to_us(now - d_max))

    def accounts_course(
        self, epoch: str, hazard: str, *, span: timedelta, most: int, now: datetime, d_max: timedelta
    ) -> tuple[tuple[datetime, LabelledAccounts], ...]:
        """Return the same for ever more of the accounts, each with when the last of them had been observed; none without any.

        Args:
            epoch: Which epoch.
            hazard: Which hazard.
            span: How long each account is observed.
            most: How many cuts there may be, at least 1.
            now: The present instant.
            d_max: How long a sampled exchange may stay unresolved before it counts as harm.

        Raises:
            HazardUnknown: The epoch's labels do not answer for the hazard.
            SafetyStoreUnavailable: The database does not answer.
        """
        with reading(self._engine) as connection:
            used, overdue_us = self._used(connection, epoch, span, now), to_us(now - d_max)
            cuts = accounts.course(connection, epoch, hazard, used, span=span, overdue_us=overdue_us, most=most)
        return tuple((from_us(last.came_at_us) + span, seen) for last, seen in cuts if last is not None)

    def arrivals(self, epoch: str, *, every: timedelta, now: datetime) -> Arrivals:
        with reading(self._engine) as connection:
            return arrivals.came(connection, epoch, every_us=every // _MICROSECOND, now_us=to_us(now))

    def first_uses(self, epoch: str, hazard: str, *, span: timedelta, every: timedelta, now: datetime) -> tuple[FirstUse, ...]:
        with reading(self._engine) as connection:
            used, us = self._used(connection, epoch, span, now), every // _MICROSECOND
            return arrivals.first_uses(
                connection, epoch, hazard, used, span_us=span // _MICROSECOND, every_us=us, now_us=to_us(now)
            )

    def _used(self, connection: sa.Connection, epoch: str, span: timedelta, now: datetime) -> tuple[accounts.Use, ...]:
        """Return the epoch's final first uses; they are counted once and remembered, or every look would count every draw."""
        before = self._uses.get((epoch, span)) or ()
        further = accounts.uses(
            connection,
            epoch,
            after=before[-1].first if before else 0,
            over_us=to_us(now - span),
            span_us=span // _MICROSECOND,
        )
        used = (*before, *further)
        if further:
            self._uses.put((epoch, span), used)
        return used

    def monitor_health(self) -> MonitorHealth:
        return self._still.once((SqlSampling, "monitor"), self._monitor_health)

    def _monitor_health(self) -> MonitorHealth:
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(collector)).one_or_none()
        if row is None:
            return MonitorHealth(None, None, 0, 0, 0, None, None)
        return MonitorHealth(
            last_collect_at=instant(row.last_at_us),
            healthy_at=instant(row.healthy_at_us),
            errors=row.errors,
            unscored=row.unscored,
            drawn=row.drawn,
            lag=None if row.lag_us is None else timedelta(microseconds=row.lag_us),
            last_error=row.last_error,
        )

    def bookmark(self) -> Bookmark:
        return self._still.once((SqlSampling, "bookmark"), self._bookmark)

    def _bookmark(self) -> Bookmark:
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(collector.c.cursor, collector.c.revision)).one_or_none()
        return Bookmark(None, 0) if row is None else Bookmark(row.cursor, row.revision)

    def in_the_air(self, limit: int) -> tuple[EpochState, tuple[Draw, ...]] | None:
        return self._still.once((SqlSampling, "in the air", limit), lambda: self._in_the_air(limit))

    def _in_the_air(self, limit: int) -> tuple[EpochState, tuple[Draw, ...]] | None:
        with reading(self._engine) as connection:
            waiting = sa.select(epochs.c.epoch).where(epochs.c.tossed < epochs.c.position).order_by(epochs.c.epoch).limit(1)
            epoch = connection.execute(waiting).scalar_one_or_none()
            state = None if epoch is None else state_of(connection, epoch)
            if state is None:
                return None
            untossed = sa.select(*DRAW).where(draws.c.epoch == epoch, draws.c.position > state.tossed)
            rows = connection.execute(untossed.order_by(draws.c.position).limit(limit))
            return state, tuple(draw_of(row) for row in rows)
