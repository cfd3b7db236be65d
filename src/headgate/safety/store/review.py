"""The review queue in SQL."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import from_us, to_us
from headgate.safety.errors import ClaimLost
from headgate.safety.model import (
    LEFT_COUNTED,
    Backlog,
    Confidence,
    HazardAgreement,
    Opinion,
    ReviewerCount,
    ReviewHealth,
    Severity,
    Signal,
    Standing,
    Waits,
)
from headgate.safety.ports import ItemState
from headgate.safety.store import coming, golds, sights
from headgate.safety.store.opening import Transaction, instant, microseconds, reading, text_of, value_of, writing
from headgate.safety.store.sample import Samples
from headgate.safety.store.tables import corrections, epochs, gold_shown, items, opinions, signals, skips, standings
from headgate.safety.store.waits import by_hazard, waits
from headgate.stats.agreement import cohen_kappa, of_pairs

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

    from headgate.safety.decide.care import Sight
    from headgate.safety.model import Content, HazardWaiting
    from headgate.safety.ports import Mixing, Wish
    from headgate.safety.sampling.gold import Shown

_WEEK = timedelta(days=7)
_DAY_US = 86_400 * 1_000_000
_ATTEMPTS = 20
_NEAR = 500
"""How far down the queue a change of hazard is looked for."""


class SqlReview:
    """The review store over a system of record.

    Args:
        engine: Where it is.
        samples: What is known of samples there.
    """

    def __init__(self, engine: sa.Engine, samples: Samples | None = None) -> None:
        self._engine = engine
        self._samples = samples or Samples()

    @contextmanager
    def transaction(self) -> Generator[SqlReviewTx]:
        with writing(self._engine) as connection:
            yield SqlReviewTx(connection)

    def queue(self, wish: Wish, *, limit: int, after: str | None = None) -> tuple[ItemState, ...]:
        query = _items().where(items.c.is_open, *_wished(wish)).order_by(*_FIFO).limit(limit)
        with reading(self._engine) as connection:
            place = sa.select(*_FIFO).where(items.c.exchange_id == after)
            if after is not None and (row := connection.execute(place).one_or_none()) is not None:
                query = query.where(sa.tuple_(*_FIFO) > sa.tuple_(*(sa.literal(value) for value in row)))
            return tuple(_state(row) for row in connection.execute(query))

    def kinds(self, release_id: str) -> tuple[str, ...]:
        with reading(self._engine) as connection:
            return coming.kinds(connection, release_id)

    def left(self, reviewer: str, wish: Wish, *, now: datetime) -> int:
        some = sa.select(sa.literal(1)).select_from(items).where(*_takeable(reviewer, now), *_wished(wish)).limit(LEFT_COUNTED)
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()

    def backlog(self, *, now: datetime) -> Backlog:
        with reading(self._engine) as connection:
            return _backlog(connection, now)

    def health(self, *, now: datetime) -> ReviewHealth:
        with reading(self._engine) as connection:
            waiting = _backlog(connection, now)
            reviewers = _per_reviewer(connection)
            doubles, pairs, checked, confirmed = _agreement(connection)
        everything = [pair for of_one in pairs.values() for pair in of_one]
        return ReviewHealth(
            backlog=waiting.items,
            oldest_age=waiting.oldest_age,
            labels_per_day=waiting.labels_per_day,
            double_reviewed=doubles,
            kappa=cohen_kappa(everything),
            positives_checked=checked,
            positives_confirmed=confirmed,
            reviewers=reviewers,
            agreement=tuple(_of_hazard(hazard, pairs[hazard]) for hazard in sorted(pairs)),
        )

    def sights(self, reviewer: str, *, since: datetime) -> tuple[Sight, ...]:
        with reading(self._engine) as connection:
            return sights.seen(connection, reviewer, since=since)

    def waiting(self) -> tuple[HazardWaiting, ...]:
        with reading(self._engine) as connection:
            return by_hazard(connection, self._samples)

    def waits(self, epochs: Sequence[str], *, within: timedelta, since: datetime, now: datetime) -> Waits:
        span_us = within // timedelta(microseconds=1)
        with reading(self._engine) as connection:
            return waits(connection, epochs, within_us=span_us, since_us=to_us(since), now_us=to_us(now))


class SqlReviewTx(Transaction):
    """One change to the queue."""

    def claim_next(self, reviewer: str, wish: Wish, *, now: datetime, until: datetime) -> ItemState | None:
        # Two queries, so that neither sorts the queue: what the reviewer holds already, then the oldest that is free.
        held = _items().where(items.c.claimed_by == reviewer, *_takeable(reviewer, now), *_wished(wish))
        for _ in range(_ATTEMPTS):
            row = self.connection.execute(held.limit(1)).one_or_none() or self._next_free(reviewer, wish, now)
            if row is None:
                return None
            taken = self.connection.execute(
                sa.update(items)
                .where(items.c.exchange_id == row.exchange_id, items.c.revision == row.revision)
                .values(claimed_by=reviewer, claimed_until_us=to_us(until), revision=row.revision + 1)
            )
            if taken.rowcount == 1:
                return self.item(row.exchange_id)
        return None

    def mix_in(self, reviewer: str, wish: Wish, mixing: Mixing, *, now: datetime) -> ItemState | None:
        held = _items().where(items.c.claimed_by == reviewer, *_takeable(reviewer, now), *_wished(wish))
        if self.connection.execute(held.limit(1)).one_or_none() is not None:
            return None
        head = self._next_free(reviewer, wish, now)
        if head is None:
            return None
        gold = golds.unseen(self.connection, reviewer, head.epoch, value_of(head.hazards), mixing.number, calm=wish.calm)
        return None if gold is None else self.item(golds.show(self.connection, gold, head, reviewer, mixing, now=now))

    def gold_content(self, gold: str) -> Content:
        return golds.content(self.connection, gold)

    def gold_shown(self, item: str) -> Shown:
        return golds.showing(self.connection, item)

    def judge_gold(self, item: str, found: Mapping[str, Standing] | None) -> None:
        golds.judge(self.connection, item, found)

    def item(self, item: str) -> ItemState | None:
        row = self.connection.execute(_items().where(items.c.exchange_id == item)).one_or_none()
        return None if row is None else _state(row)

    def held(self, reviewer: str) -> ItemState | None:
        query = _items().where(items.c.claimed_by == reviewer, items.c.is_open).order_by(items.c.claimed_until_us.desc())
        row = self.connection.execute(query.limit(1)).one_or_none()
        return None if row is None else _state(row)

    def beside(self, state: ItemState) -> str | None:
        return sights.beside(self.connection, state)

    def sights(self, reviewer: str, *, since: datetime) -> tuple[Sight, ...]:
        return sights.seen(self.connection, reviewer, since=since)

    def begin_sight(self, reviewer: str, state: ItemState, *, at: datetime) -> None:
        sights.begin(self.connection, reviewer, state, at=at)

    def end_sight(self, reviewer: str, item: str, *, hard: bool, at: datetime) -> None:
        sights.end(self.connection, reviewer, item, hard=hard, at=at)

    def opinions(self, item: str) -> tuple[Opinion, ...]:
        rows = self.connection.execute(
            sa.select(opinions)
            .where(opinions.c.exchange_id == item, opinions.c.withdrawn_at_us.is_(None))
            .order_by(opinions.c.ordinal)
        )
        return tuple(_opinion(row) for row in rows)

    def signals(self, item: str) -> tuple[Signal, ...]:
        rows = self.connection.execute(
            sa.select(signals).where(signals.c.exchange_id == item).order_by(signals.c.score.desc(), signals.c.ordinal)
        )
        return tuple(
            Signal(row.hazard, row.score, row.why, row.detector, row.rule_id, flags=row.flags, blocks=row.blocks) for row in rows
        )

    def add_opinion(self, state: ItemState, opinion: Opinion, *, salt: bytes) -> None:
        self.connection.execute(
            sa.insert(opinions).values(
                exchange_id=state.item,
                ordinal=self._next_ordinal(opinions, state.item),
                reviewer=opinion.reviewer,
                harms=None if opinion.harms is None else text_of(dict(opinion.harms)),
                severity=None if opinion.severity is None else opinion.severity.value,
                confidence=opinion.confidence.value,
                note=opinion.note,
                salt=salt,
                at_us=to_us(opinion.at),
                withdrawn_at_us=None,
                kind=opinion.kind,
            )
        )

    def newest_opinion(self, reviewer: str) -> tuple[str, Opinion] | None:
        row = self.connection.execute(
            sa.select(opinions)
            .where(opinions.c.reviewer == reviewer, opinions.c.withdrawn_at_us.is_(None))
            .order_by(opinions.c.at_us.desc(), opinions.c.exchange_id.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else (row.exchange_id, _opinion(row))

    def withdraw_opinion(self, item: str, reviewer: str, *, at: datetime) -> None:
        self.connection.execute(
            sa.update(opinions)
            .where(opinions.c.exchange_id == item, opinions.c.reviewer == reviewer, opinions.c.withdrawn_at_us.is_(None))
            .values(withdrawn_at_us=to_us(at))
        )

    def standings(self, item: str) -> Mapping[str, Standing]:
        rows = self.connection.execute(sa.select(standings.c.hazard, standings.c.standing).where(standings.c.exchange_id == item))
        return {row.hazard: Standing(row.standing) for row in rows}

    def settle(self, state: ItemState, after: Mapping[str, Standing], *, at: datetime) -> int:
        seq: int = self.connection.execute(
            sa.select(epochs.c.label_seq).where(epochs.c.epoch == state.epoch).with_for_update()
        ).scalar_one()
        before = self.standings(state.item)
        for hazard, standing in after.items():
            if before[hazard] is standing:
                continue
            seq += 1
            self.connection.execute(
                sa.update(standings)
                .where(standings.c.epoch == state.epoch, standings.c.hazard == hazard, standings.c.position == state.position)
                .values(standing=standing.value, label_seq=seq, settled_at_us=to_us(at))
            )
        self.connection.execute(sa.update(epochs).where(epochs.c.epoch == state.epoch).values(label_seq=seq))
        return seq

    def save(self, state: ItemState) -> None:
        saved = self.connection.execute(
            sa.update(items)
            .where(items.c.exchange_id == state.item, items.c.revision == state.revision)
            .values(
                wanted=state.wanted,
                given=state.given,
                is_open=state.given < state.wanted,
                claimed_by=state.claimed_by,
                claimed_until_us=microseconds(state.claimed_until),
                revision=state.revision + 1,
            )
        )
        if saved.rowcount != 1:
            raise ClaimLost("This item moved while you were reading it.", help="Take the next one.")

    def add_correction(
        self,
        item: str,
        *,
        by: str,
        harms: Mapping[str, bool],
        severity: Severity | None,
        reason: str,
        at: datetime,
        kind: str | None,
    ) -> None:
        self.connection.execute(
            sa.insert(corrections).values(
                exchange_id=item,
                ordinal=self._next_ordinal(corrections, item),
                corrected_by=by,
                harms=text_of(dict(harms)),
                severity=None if severity is None else severity.value,
                reason=reason,
                at_us=to_us(at),
                kind=kind,
            )
        )

    def corrected(self, item: str) -> bool:
        return self._next_ordinal(corrections, item) > 1

    def add_skip(self, item: str, reviewer: str, *, at: datetime) -> None:
        self.connection.execute(sa.insert(skips).values(exchange_id=item, reviewer=reviewer, at_us=to_us(at)))

    def _next_free(self, reviewer: str, wish: Wish, now: datetime) -> Any:
        """Return the oldest item that is free, or, where a change is wished for, the oldest among the next that is one."""
        free = _items().where(*_takeable(reviewer, now), *_wished(wish), *([~items.c.flagged] if wish.calm else []))
        if wish.change is not None:
            near = free.order_by(*_FIFO).limit(_NEAR).subquery()
            change = sa.select(near.c.exchange_id).where(~sights.flagged_for(wish.change, near.c.exchange_id))
            change = change.order_by(near.c.drawn_at_us, near.c.epoch, near.c.position).limit(1)
            other = self.connection.execute(change).scalar_one_or_none()
            if other is not None:
                return self.connection.execute(_items().where(items.c.exchange_id == other)).one()
        return self.connection.execute(free.order_by(*_FIFO).limit(1)).one_or_none()

    def _next_ordinal(self, table: sa.Table, item: str) -> int:
        newest = self.connection.execute(sa.select(sa.func.max(table.c.ordinal)).where(table.c.exchange_id == item)).scalar_one()
        return (newest or 0) + 1


_FIFO = (items.c.drawn_at_us, items.c.epoch, items.c.position)


def _items() -> sa.Select[Any]:
    both = sa.select(items, epochs.c.hazards, gold_shown.c.gold).join(epochs, epochs.c.epoch == items.c.epoch)
    return both.outerjoin(gold_shown, gold_shown.c.item == items.c.exchange_id)


def _takeable(reviewer: str, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what makes an item one that this reviewer may take: open, in nobody else's hands, neither answered nor skipped."""
    answered = sa.exists().where(
        opinions.c.exchange_id == items.c.exchange_id, opinions.c.reviewer == reviewer, opinions.c.withdrawn_at_us.is_(None)
    )
    skipped = sa.exists().where(skips.c.exchange_id == items.c.exchange_id, skips.c.reviewer == reviewer)
    free = sa.or_(items.c.claimed_by.is_(None), items.c.claimed_by == reviewer, items.c.claimed_until_us <= to_us(now))
    return (items.c.is_open, free, ~answered, ~skipped)


def _wished(wish: Wish) -> tuple[sa.ColumnElement[bool], ...]:
    wished: list[sa.ColumnElement[bool]] = []
    if wish.release_id is not None:
        wished.append(items.c.release_id == wish.release_id)
    if wish.hazard is not None:
        waits = sa.exists().where(
            standings.c.exchange_id == items.c.exchange_id,
            standings.c.hazard == wish.hazard,
            standings.c.standing == Standing.PENDING.value,
        )
        wished.append(sa.or_(waits, _is_gold()))
    return tuple(wished)


def _state(row: Any) -> ItemState:
    return ItemState(
        item=row.exchange_id,
        epoch=row.epoch,
        release_id=row.release_id,
        position=row.position,
        at=from_us(row.at_us),
        flagged=row.flagged,
        twice=row.twice,
        hazards=tuple(value_of(row.hazards)),
        wanted=row.wanted,
        given=row.given,
        claimed_by=row.claimed_by,
        claimed_until=instant(row.claimed_until_us),
        revision=row.revision,
        gold=row.gold,
    )


def _is_gold() -> sa.ColumnElement[bool]:
    marked = gold_shown.alias()  # the query around it may have joined the table itself
    return sa.exists().where(marked.c.item == items.c.exchange_id)


def _opinion(row: Any) -> Opinion:
    return Opinion(
        reviewer=row.reviewer,
        harms=None if row.harms is None else value_of(row.harms),
        severity=None if row.severity is None else Severity(row.severity),
        confidence=Confidence(row.confidence),
        note=row.note,
        at=from_us(row.at_us),
        kind=row.kind,
    )


def _per_reviewer(connection: sa.Connection) -> tuple[ReviewerCount, ...]:
    labels = sa.select(opinions.c.reviewer, sa.func.count().label("count")).where(opinions.c.withdrawn_at_us.is_(None))
    given = {row.reviewer: row[1] for row in connection.execute(labels.group_by(opinions.c.reviewer))}
    passed = {
        row.reviewer: row[1]
        for row in connection.execute(sa.select(skips.c.reviewer, sa.func.count()).group_by(skips.c.reviewer))
    }
    return tuple(ReviewerCount(name, given.get(name, 0), passed.get(name, 0)) for name in sorted(given.keys() | passed.keys()))


def _of_hazard(hazard: str, pairs: Sequence[tuple[bool, bool]]) -> HazardAgreement:
    found = of_pairs(pairs)
    return HazardAgreement(hazard, found.pairs, found.agreed, found.kappa, found.alpha)


def _backlog(connection: sa.Connection, now: datetime) -> Backlog:
    open_now, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(items.c.drawn_at_us)).where(items.c.is_open)
    ).one()
    since = max(connection.execute(sa.select(sa.func.min(opinions.c.at_us))).scalar_one() or to_us(now), to_us(now - _WEEK))
    recent = connection.execute(
        sa.select(sa.func.count()).where(opinions.c.at_us >= since, opinions.c.withdrawn_at_us.is_(None))
    ).scalar_one()
    days = max((to_us(now) - since) / _DAY_US, 1.0)
    return Backlog(open_now, None if oldest is None else now - from_us(oldest), recent / days)


def _agreement(connection: sa.Connection) -> tuple[int, dict[str, list[tuple[bool, bool]]], int, int]:
    """Return doubles, their pairs of findings by hazard, positives with a second opinion, and how many of those stood."""
    again = opinions.alias()
    read_again = sa.select(again.c.exchange_id).where(again.c.ordinal > 1)  # few items are; their opinions alone are looked at
    place = sa.func.row_number().over(partition_by=opinions.c.exchange_id, order_by=opinions.c.ordinal)
    said = (
        sa.select(opinions.c.exchange_id, opinions.c.harms, items.c.twice, place.label("place"))
        .join(items, items.c.exchange_id == opinions.c.exchange_id)
        .where(opinions.c.exchange_id.in_(read_again), items.c.given > 1)
        .where(opinions.c.withdrawn_at_us.is_(None), opinions.c.harms.is_not(None), ~_is_gold())
        .subquery()
    )
    first_said, second_said = (sa.func.max(sa.case((said.c.place == nth, said.c.harms))) for nth in (1, 2))
    read = (
        sa.select(first_said.label("first"), second_said.label("second"), said.c.twice)
        .where(said.c.place <= 2)  # noqa: PLR2004 - the first two opinions are compared
        .group_by(said.c.exchange_id, said.c.twice)
        .subquery()
    )
    # few pairs of findings are different ones, however many items there are
    rows = connection.execute(
        sa.select(read.c.first, read.c.second, read.c.twice, sa.func.count().label("items"))
        .where(read.c.second.is_not(None))
        .group_by(read.c.first, read.c.second, read.c.twice)
    )
    doubles = checked = confirmed = 0
    pairs: dict[str, list[tuple[bool, bool]]] = {}
    for row in rows:
        first, second = value_of(row.first), value_of(row.second)
        checked += row.items * sum(first.values())
        confirmed += row.items * sum(first[hazard] and second[hazard] for hazard in first)
        if row.twice:
            doubles += row.items
            for hazard in first:
                pairs.setdefault(hazard, []).extend([(first[hazard], second[hazard])] * row.items)
    return doubles, pairs, checked, confirmed
