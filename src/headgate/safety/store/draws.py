"""Draws and coins, as they are written in SQL: all that one run of the collector or the tosser changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from headgate.kernel.clock import to_us
from headgate.safety.errors import CollectorOverlap
from headgate.safety.model import Draw, Standing
from headgate.safety.ports import Bookmark, EpochState
from headgate.safety.store import coming
from headgate.safety.store.opening import Transaction, microseconds, text_of
from headgate.safety.store.rows import plan_text, signal_columns, state_of
from headgate.safety.store.tables import batches, collector, draws, epochs, gold_shown, items, runs, seeds, signals, standings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from headgate.safety.model import Signal
    from headgate.safety.ports import Run

_PLACEHOLDERS = 500
_MICROSECOND = timedelta(microseconds=1)


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
        return state_of(self.connection, epoch)

    def open_epoch(self, state: EpochState) -> None:
        row = {
            "epoch": state.epoch,
            "release_id": state.release_id,
            "hazards": text_of(list(state.hazards)),
            "plan": plan_text(state.plan),
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
            {"exchange_id": exchange_id, "ordinal": ordinal, **signal_columns(signal)}
            for exchange_id, said in found.items()
            for ordinal, signal in enumerate(said)
        ]
        if rows:
            self.connection.execute(sa.insert(signals), rows)

    def toss(self, state: EpochState, results: Sequence[tuple[Draw, bool, bool]], *, at: datetime) -> bool:
        first, last = results[0][0].position, results[-1][0].position
        moved = self.connection.execute(
            sa.update(epochs).where(epochs.c.epoch == state.epoch, epochs.c.tossed == first - 1).values(tossed=last)
        )
        if moved.rowcount != 1:
            return False
        places = [draw.position for draw, sent, _ in results if sent]
        self.connection.execute(
            sa.update(draws)
            .where(draws.c.epoch == state.epoch, draws.c.position.between(first, last), draws.c.sampled.is_(None))
            .values(sampled=draws.c.position.in_(places))
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
        return True

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
