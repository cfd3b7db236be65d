"""Gold items in SQL: what is known, where it was shown, and what came of it.

A showing is an ordinary row of the queue with a row here beside it that says which gold item it is. Nothing that counts traffic
reads either table: a showing has no draw and no standing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.still import Still, restless
from headgate.safety.errors import ClaimLost, GoldInvalid
from headgate.safety.model import Content, Signal, Standing
from headgate.safety.sampling.gold import Gold, GoldAnswer, Shown, place_of
from headgate.safety.store.opening import Transaction, instant, reading, text_of, value_of, writing
from headgate.safety.store.rows import signal_columns
from headgate.safety.store.tables import gold_shown, golds, items, opinions, signals, skips

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

    from headgate.safety.ports import Mixing


class SqlGolds:
    """The gold store over a system of record.

    Args:
        engine: Where it is.
        still: Remembers what nothing was written about since.
    """

    def __init__(self, engine: sa.Engine, still: Still | None = None) -> None:
        self._engine = engine
        self._still = still or restless()

    @contextmanager
    def transaction(self) -> Generator[SqlGoldTx]:
        with writing(self._engine) as connection:
            yield SqlGoldTx(connection)

    def list(self, *, retired: bool) -> tuple[Gold, ...]:
        query = sa.select(golds).order_by(golds.c.added_at_us, golds.c.id)
        if not retired:
            query = query.where(golds.c.retired_at_us.is_(None))
        with reading(self._engine) as connection:
            return tuple(_gold(row) for row in connection.execute(query))

    def shown(self, epoch: str) -> tuple[Shown, ...]:
        query = sa.select(gold_shown).where(gold_shown.c.epoch == epoch).order_by(gold_shown.c.shown_at_us, gold_shown.c.item)

        def read() -> tuple[Shown, ...]:
            with reading(self._engine) as connection:
                return tuple(_shown(row) for row in connection.execute(query))

        return self._still.once((SqlGolds, epoch), read)

    def answers(self, epoch: str) -> tuple[GoldAnswer, ...]:
        query = (
            sa.select(opinions.c.reviewer, opinions.c.harms, gold_shown.c.known)
            .join(gold_shown, gold_shown.c.item == opinions.c.exchange_id)
            .where(gold_shown.c.epoch == epoch, opinions.c.withdrawn_at_us.is_(None))
            .order_by(opinions.c.at_us, opinions.c.exchange_id, opinions.c.ordinal)
        )
        with reading(self._engine) as connection:
            return tuple(
                GoldAnswer(row.reviewer, value_of(row.known), None if row.harms is None else value_of(row.harms))
                for row in connection.execute(query)
            )

    def ever_shown(self) -> Mapping[str, int]:
        query = sa.select(gold_shown.c.gold, sa.func.count()).group_by(gold_shown.c.gold)
        with reading(self._engine) as connection:
            return {row.gold: row[1] for row in connection.execute(query)}

    def among(self, exchange_ids: Sequence[str]) -> frozenset[str]:
        query = sa.select(gold_shown.c.item).where(gold_shown.c.item.in_(sorted(set(exchange_ids))))
        with reading(self._engine) as connection:
            return frozenset(connection.execute(query).scalars())


class SqlGoldTx(Transaction):
    """One change to the stock of gold items."""

    def add(self, gold: Gold, *, digest: str, salt: bytes) -> None:
        try:
            self.connection.execute(
                sa.insert(golds).values(
                    id=gold.id,
                    request=gold.content.request,
                    response=gold.content.response,
                    known=text_of(dict(gold.known)),
                    source=gold.source,
                    signals=text_of([signal_columns(signal) for signal in gold.signals]),
                    digest=digest,
                    salt=salt,
                    added_by=gold.added_by,
                    added_at_us=to_us(gold.added_at),
                    retired_at_us=None,
                )
            )
        except exc.IntegrityError as error:
            raise GoldInvalid("A gold item with the same two bodies exists already.", help="Retire it first.") from error

    def get(self, gold_id: str) -> Gold | None:
        row = self.connection.execute(sa.select(golds).where(golds.c.id == gold_id)).one_or_none()
        return None if row is None else _gold(row)

    def retire(self, gold_id: str, *, at: datetime) -> None:
        self.connection.execute(sa.update(golds).where(golds.c.id == gold_id).values(retired_at_us=to_us(at)))


def unseen(
    connection: sa.Connection, reviewer: str, epoch: str, hazards: Sequence[str], number: bytes, *, calm: bool = False
) -> Gold | None:
    """Return one gold item, at random, that the epoch has not shown and the reviewer has not met; ``None`` when none is left.

    Args:
        connection: A transaction.
        reviewer: Who is to read it.
        epoch: Among whose items.
        hazards: What a label answers for.
        number: Eight random bytes: which of those that are left.
        calm: Only one that no detector flags.
    """
    met = sa.select(gold_shown.c.gold).where(gold_shown.c.gold == golds.c.id)
    answered = met.join(opinions, opinions.c.exchange_id == gold_shown.c.item).where(opinions.c.reviewer == reviewer)
    passed_on = met.join(skips, skips.c.exchange_id == gold_shown.c.item).where(skips.c.reviewer == reviewer)
    left = connection.execute(
        sa.select(golds)
        .where(
            golds.c.retired_at_us.is_(None),
            golds.c.added_by != reviewer,
            ~met.where(gold_shown.c.epoch == epoch).exists(),
            ~answered.exists(),
            ~passed_on.exists(),
        )
        .order_by(golds.c.id)
    )
    fitting = [gold for gold in map(_gold, left) if gold.fits(hazards) and not (calm and gold.flagged)]
    return fitting[place_of(number, len(fitting))] if fitting else None


def show(connection: sa.Connection, gold: Gold, head: Any, reviewer: str, mixing: Mixing, *, now: datetime) -> str:
    """Put a gold item into the reviewer's hands, in the place of the queue where ``head`` stands; return what it is called.

    Raises:
        ClaimLost: Another reviewer was handed it in the same instant.
    """
    at = from_us(head.at_us) - mixing.earlier
    item = mixing.name(at)
    row = {
        "exchange_id": item,
        "epoch": head.epoch,
        "release_id": head.release_id,
        "position": head.position,
        "at_us": to_us(at),
        "drawn_at_us": head.drawn_at_us - 1,  # so that it comes first again when it waits for a second reader
        "flagged": gold.flagged,
        "twice": mixing.twice,
        "wanted": 2 if mixing.twice else 1,
        "given": 0,
        "is_open": True,
        "claimed_by": reviewer,
        "claimed_until_us": to_us(mixing.until),
        "revision": 2,  # as an item has that was queued and then claimed
    }
    try:
        connection.execute(sa.insert(items).values(row))
        connection.execute(
            sa.insert(gold_shown).values(
                item=item, gold=gold.id, epoch=head.epoch, shown_at_us=to_us(now), known=text_of(dict(gold.known)), found=None
            )
        )
    except exc.IntegrityError as error:
        raise ClaimLost("Somebody else was handed this item in the same instant.", help="Take the next one.") from error
    said = [{"exchange_id": item, "ordinal": ordinal, **signal_columns(signal)} for ordinal, signal in enumerate(gold.signals)]
    if said:
        connection.execute(sa.insert(signals), said)
    return item


def content(connection: sa.Connection, gold_id: str) -> Content:
    """Return a gold item's two bodies."""
    row = connection.execute(sa.select(golds.c.request, golds.c.response).where(golds.c.id == gold_id)).one()
    return Content(bytes(row.request), bytes(row.response))


def showing(connection: sa.Connection, item: str) -> Shown:
    """Return the showing that an item is."""
    return _shown(connection.execute(sa.select(gold_shown).where(gold_shown.c.item == item)).one())


def judge(connection: sa.Connection, item: str, found: Mapping[str, Standing] | None) -> None:
    """Keep what stands for a showing, or that it waits again."""
    kept = None if found is None else text_of({hazard: standing.value for hazard, standing in found.items()})
    connection.execute(sa.update(gold_shown).where(gold_shown.c.item == item).values(found=kept))


def _gold(row: Any) -> Gold:
    return Gold(
        id=row.id,
        content=Content(bytes(row.request), bytes(row.response)),
        known=value_of(row.known),
        source=row.source,
        signals=tuple(Signal(**signal) for signal in value_of(row.signals)),
        added_by=row.added_by,
        added_at=from_us(row.added_at_us),
        retired_at=instant(row.retired_at_us),
    )


def _shown(row: Any) -> Shown:
    found = None if row.found is None else {h: Standing(word) for h, word in value_of(row.found).items()}
    return Shown(row.item, row.gold, row.epoch, from_us(row.shown_at_us), value_of(row.known), found)
