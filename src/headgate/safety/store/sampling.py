"""Draws and coins in SQL."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.recent import Recent
from headgate.kernel.still import Lasting, Still, restless
from headgate.safety.errors import CollectorOverlap
from headgate.safety.model import Draw, MonitorHealth, Standing
from headgate.safety.ports import Bookmark, ConfirmedHarm, EpochState, RecordedBatch, TossedDraw
from headgate.safety.sampling.probability import Flagged, Stratum, WatchPlan
from headgate.safety.store import accounts, arrivals, coming, numbers
from headgate.safety.store.looks import Looks
from headgate.safety.store.opening import Transaction, instant, microseconds, reading, text_of, value_of, writing
from headgate.safety.store.sample import Samples
from headgate.safety.store.tables import batches, collector, draws, epochs, gold_shown, items, runs, seeds, signals, standings

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
    from datetime import datetime

    from headgate.safety.model import LabelledTraffic, LookData, Signal
    from headgate.safety.ports import Run
    from headgate.safety.sampling.accounts import LabelledAccounts
    from headgate.safety.sampling.arrivals import Arrivals, FirstUse
    from headgate.safety.sampling.newcomers import Newcomers

_PAGE = 10_000
_PLACEHOLDERS = 500
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
            return _state(connection, epoch)

    def draws(self, epoch: str) -> Iterator[TossedDraw]:
        after = 0
        while True:
            with reading(self._engine) as connection:
                page = [
                    TossedDraw(_draw(row), row.sampled)
                    for row in connection.execute(
                        sa.select(draws)
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

    def in_the_air(self) -> bool:
        return self._still.once((SqlSampling, "in the air"), self._in_the_air)

    def _in_the_air(self) -> bool:
        with reading(self._engine) as connection:
            waiting = sa.select(sa.exists().where(epochs.c.tossed < epochs.c.position))
            return bool(connection.execute(waiting).scalar_one())


class SqlSamplingTx(Transaction):
    """One change to the sampling state."""

    def bookmark(self) -> Bookmark:
        row = self._collector()
        return Bookmark(row.cursor, row.revision)

    def advance(self, cursor: str, *, seen: int) -> None:
        self._collector()  # nobody may have collected before
        moved = self.connection.execute(
            sa.update(collector).where(collector.c.revision == seen).values(cursor=cursor, revision=seen + 1)
        )
        if moved.rowcount != 1:
            raise CollectorOverlap("Another collector took these exchanges first.", help="Nothing: it is in good hands.")

    def epoch(self, epoch: str) -> EpochState | None:
        return _state(self.connection, epoch)

    def open_epoch(self, state: EpochState) -> None:
        row = {
            "epoch": state.epoch,
            "release_id": state.release_id,
            "hazards": text_of(list(state.hazards)),
            "plan": _plan_text(state.plan),
            "commitment": state.commitment,
            "committed_at_us": to_us(state.committed_at),
            "closed_at_us": microseconds(state.closed_at),
            "revealed_at_us": microseconds(state.revealed_at),
            "pi0": state.pi0,
            "position": state.position,
            "tossed": state.tossed,
            "label_seq": 0,
        }
        try:
            self.connection.execute(sa.insert(epochs).values(row))
        except exc.IntegrityError as error:
            # Where transactions do not queue, two collectors may meet a new epoch at once; the first one's seed stands.
            raise CollectorOverlap("Another collector opened this epoch first.", help="Nothing: it is in good hands.") from error
        self.connection.execute(sa.insert(seeds).values(epoch=state.epoch, seed=state.seed))

    def close_epoch(self, epoch: str, *, at: datetime) -> None:
        self.connection.execute(sa.update(epochs).where(epochs.c.epoch == epoch).values(closed_at_us=to_us(at)))

    def reveal_epoch(self, epoch: str, *, at: datetime) -> None:
        self.connection.execute(sa.update(epochs).where(epochs.c.epoch == epoch).values(revealed_at_us=to_us(at)))

    def known(self, exchange_ids: Collection[str]) -> frozenset[str]:
        wanted = sorted(exchange_ids)
        found: set[str] = set()
        for start in range(0, len(wanted), _PLACEHOLDERS):
            part = wanted[start : start + _PLACEHOLDERS]
            found.update(self.connection.execute(sa.select(draws.c.exchange_id).where(draws.c.exchange_id.in_(part))).scalars())
        return frozenset(found)

    def drawn_since(self, epoch: str, instant: datetime) -> int:
        position = self.connection.execute(sa.select(epochs.c.position).where(epochs.c.epoch == epoch)).scalar_one_or_none()
        before = self.connection.execute(
            sa.select(batches.c.last)
            .where(batches.c.epoch == epoch, batches.c.at_us <= to_us(instant))
            .order_by(batches.c.at_us.desc(), batches.c.last.desc())
            .limit(1)
        ).scalar_one_or_none()
        return (position or 0) - (before or 0)

    def flagged_since(self, epoch: str, instant: datetime) -> int:
        counted = sa.select(sa.func.count()).select_from(items)
        after = (items.c.epoch == epoch, items.c.drawn_at_us > to_us(instant), items.c.flagged)
        gold = sa.exists().where(gold_shown.c.item == items.c.exchange_id)
        return self.connection.execute(counted.where(*after, ~gold)).scalar_one()

    def earlier_scores(self, release_id: str, epoch: str, limit: int) -> Sequence[float]:
        others = self.connection.execute(
            sa.select(epochs.c.epoch)
            .where(epochs.c.release_id == release_id, epochs.c.epoch != epoch)
            .order_by(epochs.c.committed_at_us.desc(), epochs.c.epoch.desc())
        ).scalars()
        found: list[float] = []
        for other in others.all():
            scored = (draws.c.epoch == other, draws.c.score.is_not(None))
            latest = sa.select(draws.c.score).where(*scored).order_by(draws.c.position.desc()).limit(limit - len(found))
            found += self.connection.execute(latest).scalars()
            if len(found) >= limit:
                break
        return found

    def add_draws(self, state: EpochState, drawn: Sequence[Draw], *, digest: str, ledger_seq: int, at: datetime) -> None:
        first, last = drawn[0].position, drawn[-1].position
        self.connection.execute(
            sa.insert(draws),
            [
                {
                    "epoch": draw.epoch,
                    "position": draw.position,
                    "exchange_id": draw.exchange_id,
                    "at_us": to_us(draw.at),
                    "account_id": draw.account_id,
                    "score": draw.score,
                    "flagged": draw.flagged,
                    "pi0": draw.pi0,
                    "pi": draw.pi,
                    "sampled": None,
                }
                for draw in drawn
            ],
        )
        newest = self.connection.execute(
            sa.select(sa.func.max(batches.c.at_us)).where(batches.c.epoch == state.epoch)
        ).scalar_one_or_none()
        at_us = max(to_us(at), newest or to_us(state.committed_at))
        self.connection.execute(
            sa.insert(batches).values(
                epoch=state.epoch, first=first, last=last, digest=digest, ledger_seq=ledger_seq, at_us=at_us
            )
        )
        coming.note(self.connection, state.epoch, drawn, at_us=at_us)
        floor = state.pi0
        for draw in drawn:
            if draw.pi0 != floor:
                floor = draw.pi0
                self.connection.execute(sa.insert(runs).values(epoch=state.epoch, first=draw.position, pi0=floor))
        self.connection.execute(sa.update(epochs).where(epochs.c.epoch == state.epoch).values(position=last, pi0=floor))

    def add_signals(self, found: Mapping[str, Sequence[Signal]]) -> None:
        rows = [
            {
                "exchange_id": exchange_id,
                "ordinal": ordinal,
                "hazard": signal.hazard,
                "score": signal.score,
                "why": signal.why,
                "detector": signal.detector,
                "rule_id": signal.rule_id,
                "flags": signal.flags,
                "blocks": signal.blocks,
            }
            for exchange_id, said in found.items()
            for ordinal, signal in enumerate(said)
        ]
        if rows:
            self.connection.execute(sa.insert(signals), rows)

    def untossed_epochs(self) -> tuple[EpochState, ...]:
        names = self.connection.execute(
            sa.select(epochs.c.epoch).where(epochs.c.tossed < epochs.c.position).order_by(epochs.c.epoch).with_for_update()
        ).scalars()
        found = [_state(self.connection, name) for name in names.all()]
        return tuple(state for state in found if state is not None)

    def untossed(self, epoch: str, limit: int) -> tuple[Draw, ...]:
        rows = self.connection.execute(
            sa.select(draws)
            .join(epochs, epochs.c.epoch == draws.c.epoch)
            .where(draws.c.epoch == epoch, draws.c.position > epochs.c.tossed)
            .order_by(draws.c.position)
            .limit(limit)
        )
        return tuple(_draw(row) for row in rows)

    def toss(self, state: EpochState, results: Sequence[tuple[Draw, bool, bool]], *, at: datetime) -> None:
        place: sa.BindParameter[int] = sa.bindparam("place")
        self.connection.execute(
            sa.update(draws)
            .where(draws.c.epoch == state.epoch, draws.c.position == place, draws.c.sampled.is_(None))
            .values(sampled=sa.bindparam("sent")),
            [{"place": draw.position, "sent": sent} for draw, sent, _ in results],
        )
        drawn_at_us = to_us(at)
        queued = [
            {
                "exchange_id": draw.exchange_id,
                "epoch": draw.epoch,
                "release_id": state.release_id,
                "position": draw.position,
                "at_us": to_us(draw.at),
                "drawn_at_us": drawn_at_us,
                "flagged": draw.flagged,
                "twice": twice,
                "wanted": 2 if twice else 1,
                "given": 0,
                "is_open": True,
                "revision": 1,
            }
            for draw, sent, twice in results
            if sent
        ]
        waiting = [
            {
                "epoch": draw.epoch,
                "hazard": hazard,
                "position": draw.position,
                "exchange_id": draw.exchange_id,
                "standing": Standing.PENDING.value,
                "pi": draw.pi,
                "pi0": draw.pi0,
                "drawn_at_us": drawn_at_us,
            }
            for draw, sent, _ in results
            if sent
            for hazard in state.hazards
        ]
        if queued:
            self.connection.execute(sa.insert(items), queued)
            self.connection.execute(sa.insert(standings), waiting)
            coming.note_coins(self.connection, state.epoch, [draw for draw, sent, _ in results if sent])
        self.connection.execute(sa.update(epochs).where(epochs.c.epoch == state.epoch).values(tossed=results[-1][0].position))

    def note_run(self, run: Run) -> None:
        self._collector()
        values: dict[str, Any] = {
            "last_at_us": to_us(run.at),
            "drawn": collector.c.drawn + run.drawn,
            "unscored": collector.c.unscored + run.unscored,
            "errors": collector.c.errors + run.errors,
        }
        if run.lag is not None:
            values["lag_us"] = run.lag // _MICROSECOND
        if run.error is None:
            values["healthy_at_us"] = to_us(run.at)
        else:
            values["last_error"] = run.error
        self.connection.execute(sa.update(collector).values(**values))

    def _collector(self) -> Any:
        row = self.connection.execute(sa.select(collector).with_for_update()).one_or_none()
        if row is None:
            self.connection.execute(sa.insert(collector).values(id=1, cursor=None, revision=0, drawn=0, unscored=0, errors=0))
            row = self.connection.execute(sa.select(collector)).one()
        return row


def _state(connection: sa.Connection, epoch: str) -> EpochState | None:
    row = connection.execute(
        sa.select(epochs, seeds.c.seed).join(seeds, seeds.c.epoch == epochs.c.epoch).where(epochs.c.epoch == epoch)
    ).one_or_none()
    if row is None:
        return None
    return EpochState(
        epoch=row.epoch,
        release_id=row.release_id,
        hazards=tuple(value_of(row.hazards)),
        plan=_plan(row.plan),
        seed=bytes(row.seed),
        commitment=row.commitment,
        committed_at=from_us(row.committed_at_us),
        closed_at=instant(row.closed_at_us),
        revealed_at=instant(row.revealed_at_us),
        pi0=row.pi0,
        position=row.position,
        tossed=row.tossed,
    )


def _draw(row: Any) -> Draw:
    return Draw(
        epoch=row.epoch,
        position=row.position,
        exchange_id=row.exchange_id,
        at=from_us(row.at_us),
        account_id=row.account_id,
        score=row.score,
        flagged=row.flagged,
        pi0=row.pi0,
        pi=row.pi,
    )


def _plan_text(plan: WatchPlan) -> str:
    return text_of(
        {
            "flagged": plan.flagged.value,
            "sample_per_week": plan.sample_per_week,
            "strata": [[stratum.score_at_least, stratum.multiplier] for stratum in plan.strata],
            "uniform": plan.uniform,
        }
    )


def _plan(text: str) -> WatchPlan:
    value = value_of(text)
    strata = tuple(Stratum(start, multiplier) for start, multiplier in value["strata"])
    return WatchPlan(Flagged(value["flagged"]), value["sample_per_week"], strata, value["uniform"])
