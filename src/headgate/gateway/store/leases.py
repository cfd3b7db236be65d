"""Where limits are counted: one row per quota, one row per place taken.

A quota row holds the window and how much of it was lent. It is debited by one UPDATE that decides and debits at once, so two
workers cannot both have the last of it; the same statement opens the next window, and never one before the window that the
row is in, so a clock that was set back admits nothing twice. Places have owners and an expiry: a worker that dies frees them
by silence, and taking or leaving one twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from headgate.gateway.errors import QuotaUnavailable
from headgate.gateway.ports import Lent, Short, Slice
from headgate.gateway.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.gateway.ports import Ask, Borrow, Chores, SlotWish

quota = sa.Table(
    "gateway_quota",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("window_start_us", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("lent", sa.BigInteger, nullable=False),
)

slot = sa.Table(
    "gateway_slot",
    metadata,
    sa.Column("slot_id", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False, index=True),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Index("gateway_slot_scope", "scope", "expires_us"),
)

SLICES = 64
"""A slice is at most this part of what is left: small limits are lent one by one, large ones in handfuls."""

_US = 1_000_000


class SqlLeases:
    """Leases kept in a database.

    Args:
        engine: Where.
        owner: The worker's name, which owns the places that it takes.
        slot_ttl_s: How long a place outlives a worker that went silent, in seconds.
    """

    def __init__(self, engine: sa.Engine, *, owner: str, slot_ttl_s: float) -> None:
        self._engine = engine
        self._owner = owner
        self._slot_ttl_us = int(slot_ttl_s * _US)

    def carry_out(self, asks: Sequence[Ask], chores: Chores, *, now_us: int) -> list[Lent | Short]:
        try:
            with self._engine.begin() as connection:
                self._do(connection, chores, now_us)
                return [self._answer(connection, ask, now_us) for ask in asks]
        except DBAPIError as error:
            raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error

    def forget(self, owner: str) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.delete(slot).where(slot.c.owner == owner))
        except DBAPIError as error:
            raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error

    def _do(self, connection: sa.Connection, chores: Chores, now_us: int) -> None:
        for unspent in chores.returns:
            connection.execute(
                sa.update(quota)
                .where(quota.c.scope == unspent.scope, quota.c.window_start_us == unspent.window_start_us)
                .values(used=quota.c.used - unspent.amount)
            )
        if chores.left:
            connection.execute(sa.delete(slot).where(slot.c.slot_id.in_(chores.left)))
        if chores.kept:
            connection.execute(
                sa.update(slot).where(slot.c.slot_id.in_(chores.kept)).values(expires_us=now_us + self._slot_ttl_us)
            )

    def _answer(self, connection: sa.Connection, ask: Ask, now_us: int) -> Lent | Short:
        attempt = connection.begin_nested()
        slices: list[Slice] = []
        short: Short | None = None
        for borrow in ask.borrows:
            lent = self._lend(connection, borrow, now_us)
            if isinstance(lent, Short):
                short = lent
                break
            slices.append(lent)
        for wish in ask.slots if short is None else ():
            if not self._take(connection, wish, now_us):
                short = Short(wish.scope, 0, 0)
                break
        if short is not None:
            attempt.rollback()
            return short
        attempt.commit()
        return Lent(tuple(slices))

    def _lend(self, connection: sa.Connection, borrow: Borrow, now_us: int) -> Slice | Short:
        start_us = now_us // borrow.window_us * borrow.window_us if borrow.window_us else 0
        used = sa.case((quota.c.window_start_us < start_us, 0), else_=quota.c.used)
        part = (borrow.limit - used) // SLICES
        amount = sa.case((part > borrow.need, part), else_=borrow.need)
        debit = (
            sa.update(quota)
            .where(quota.c.scope == borrow.scope, used + borrow.need <= borrow.limit)
            .values(
                window_start_us=sa.case((quota.c.window_start_us < start_us, start_us), else_=quota.c.window_start_us),
                used=used + amount,
                lent=amount,
            )
            .returning(quota.c.window_start_us, quota.c.used, quota.c.lent)
        )
        row = connection.execute(debit).one_or_none()
        if row is None and self._open(connection, borrow.scope, start_us):
            row = connection.execute(debit).one_or_none()
        if row is None:
            seen = connection.execute(sa.select(quota.c.window_start_us, quota.c.used).where(quota.c.scope == borrow.scope)).one()
            return Short(borrow.scope, max(0, borrow.limit - seen.used), max(seen.window_start_us, start_us))
        return Slice(borrow.scope, row.window_start_us, row.lent, max(0, borrow.limit - row.used))

    def _open(self, connection: sa.Connection, scope: str, start_us: int) -> bool:
        """Make the row of a quota that nobody has used; return whether it was missing."""
        if connection.execute(sa.select(quota.c.scope).where(quota.c.scope == scope)).one_or_none() is not None:
            return False
        # Two workers may open the same row at once where transactions overlap; the second one finds it there.
        first = sa.select(sa.literal(scope), sa.literal(start_us), sa.literal(0), sa.literal(0)).where(
            ~sa.exists().where(quota.c.scope == scope)
        )
        connection.execute(sa.insert(quota).from_select(["scope", "window_start_us", "used", "lent"], first))
        return True

    def _take(self, connection: sa.Connection, wish: SlotWish, now_us: int) -> bool:
        connection.execute(sa.delete(slot).where(slot.c.scope == wish.scope, slot.c.expires_us <= now_us))
        taken = sa.select(sa.func.count()).where(slot.c.scope == wish.scope).scalar_subquery()
        place = sa.select(
            sa.literal(wish.slot_id), sa.literal(wish.scope), sa.literal(self._owner), sa.literal(now_us + self._slot_ttl_us)
        ).where(taken < wish.limit, ~sa.exists().where(slot.c.slot_id == wish.slot_id, slot.c.scope == wish.scope))
        made = connection.execute(sa.insert(slot).from_select(["slot_id", "scope", "owner", "expires_us"], place))
        if made.rowcount:
            return True
        held = sa.select(slot.c.slot_id).where(slot.c.slot_id == wish.slot_id, slot.c.scope == wish.scope)
        return connection.execute(held).one_or_none() is not None
