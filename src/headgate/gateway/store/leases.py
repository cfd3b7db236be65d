"""Where limits are counted: one row per quota, one row per place taken.

A quota row holds the window and how much of it was lent. It is debited by one UPDATE that decides and debits at once, so two
workers cannot both have the last of it; the same statement opens the next window, and never one before the window that the
row is in, so a clock that was set back admits nothing twice. Places have owners and an expiry: a worker that dies frees them
by silence, and taking or leaving one twice changes nothing.

An ask that falls short half-way gives back what it had, in the same transaction. Statements are made once and only filled in:
making them costs more than carrying them out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from headgate.gateway.errors import QuotaUnavailable
from headgate.gateway.ports import Lent, Look, Short, Slice
from headgate.gateway.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.dml import ReturningUpdate

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


_START = sa.bindparam("start", type_=sa.BigInteger)
_LIMIT = sa.bindparam("most", type_=sa.BigInteger)
_NEED = sa.bindparam("need", type_=sa.BigInteger)
_NOW = sa.bindparam("now", type_=sa.BigInteger)
_UNTIL = sa.bindparam("until", type_=sa.BigInteger)
_SCOPE = sa.bindparam("in_scope", type_=sa.Text)
_SLOT = sa.bindparam("taken_by", type_=sa.Text)
_OWNER = sa.bindparam("by", type_=sa.Text)


def _debit() -> ReturningUpdate[Any, Any, Any]:
    """Return the statement that decides and debits at once: ``lent`` is at least ``need``, or no row is touched."""
    used = sa.case((quota.c.window_start_us < _START, 0), else_=quota.c.used)
    part = (_LIMIT - used) // SLICES
    amount = sa.case((part > _NEED, part), else_=_NEED)
    return (
        sa.update(quota)
        .where(quota.c.scope == _SCOPE, used + _NEED <= _LIMIT)
        .values(
            window_start_us=sa.case((quota.c.window_start_us < _START, _START), else_=quota.c.window_start_us),
            used=used + amount,
            lent=amount,
        )
        .returning(quota.c.window_start_us, quota.c.used, quota.c.lent)
    )


def _take() -> sa.Insert:
    """Return the statement that takes a place if one is free: places whose time is over do not count."""
    taken = sa.select(sa.func.count()).where(slot.c.scope == _SCOPE, slot.c.expires_us > _NOW).scalar_subquery()
    mine = sa.exists().where(slot.c.slot_id == _SLOT, slot.c.scope == _SCOPE)
    place = sa.select(_SLOT, _SCOPE, _OWNER, _UNTIL).where(taken < _LIMIT, ~mine)
    return sa.insert(slot).from_select(["slot_id", "scope", "owner", "expires_us"], place)


_DEBIT = _debit()
# Two workers may open the same row at once where transactions overlap; the second one finds it there.
_OPEN = sa.insert(quota).from_select(
    ["scope", "window_start_us", "used", "lent"],
    sa.select(_SCOPE, _START, sa.literal(0), sa.literal(0)).where(~sa.exists().where(quota.c.scope == _SCOPE)),
)
_STANDS = sa.select(quota.c.scope, quota.c.window_start_us, quota.c.used).where(
    quota.c.scope.in_(sa.bindparam("scopes", type_=sa.Text, expanding=True))
)
_RETURN = sa.update(quota).where(quota.c.scope == _SCOPE, quota.c.window_start_us == _START).values(used=quota.c.used - _NEED)
_TAKE = _take()
_TAKEN = sa.select(slot.c.slot_id).where(slot.c.slot_id == _SLOT, slot.c.scope == _SCOPE)
_LEAVE_ONE = sa.delete(slot).where(slot.c.slot_id == _SLOT, slot.c.scope == _SCOPE)
_SLOTS = sa.bindparam("slots", type_=sa.Text, expanding=True)
_LEAVE = sa.delete(slot).where(slot.c.slot_id.in_(_SLOTS))
_KEEP = sa.update(slot).where(slot.c.slot_id.in_(_SLOTS)).values(expires_us=_UNTIL)
_SWEEP = sa.delete(slot).where(slot.c.expires_us <= _NOW)
_FORGET = sa.delete(slot).where(slot.c.owner == _OWNER)


_OVER = (
    sa.select(quota.c.scope, quota.c.window_start_us)
    .where(quota.c.window_start_us > 0, quota.c.window_start_us < _UNTIL, quota.c.scope > _SCOPE)
    .order_by(quota.c.scope)
    .limit(1000)
)
_REMOVE = sa.delete(quota).where(quota.c.scope == _SCOPE, quota.c.window_start_us == _START)
_FOR_EVER_S = 10**9
_KEPT_US = 86_400 * _US
"""How long a window is kept that is over: a clock that is set back by less finds it as it was."""


def remove_what_is_over(engine: sa.Engine, *, now_us: int) -> int:
    """Remove quotas whose window is long over, and return how many; a quota that is needed again starts afresh.

    What never starts afresh (the tokens of a whole life) is kept.

    Raises:
        QuotaUnavailable: The store does not answer; some may have been removed.
    """
    removed, last = 0, ""
    try:
        while True:
            with engine.begin() as connection:
                rows = connection.execute(_OVER, {"until": now_us - _KEPT_US, "in_scope": last}).all()
                over = [
                    {"in_scope": row.scope, "start": row.window_start_us}
                    for row in rows
                    if row.window_start_us + _length_us(row.scope) + _KEPT_US <= now_us
                ]
                if over:
                    connection.execute(_REMOVE, over)
            removed += len(over)
            if not rows:
                return removed
            last = rows[-1].scope
    except DBAPIError as error:
        raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error


def _length_us(scope: str) -> int:
    """Return the length of a quota's window, which is the end of its name; of one that is not named so, for ever."""
    length = scope.rpartition(":")[2]
    return (int(length) if length.isdecimal() else _FOR_EVER_S) * _US


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
        looks_only = not any(ask.borrows or ask.slots for ask in asks) and not (chores.returns or chores.left or chores.kept)
        try:
            if looks_only:  # what writes nothing need not wait for those who do, nor for the disk
                with self._engine.connect().execution_options(read_only=True) as connection:
                    return self._seen(connection, asks, [Lent(()) for _ in asks], now_us)
            with self._engine.begin() as connection:
                self._do(connection, chores, now_us)
                return self._seen(connection, asks, [self._answer(connection, ask, now_us) for ask in asks], now_us)
        except DBAPIError as error:
            raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error

    def forget(self, owner: str) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(_FORGET, {"by": owner})
        except DBAPIError as error:
            raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error

    def _do(self, connection: sa.Connection, chores: Chores, now_us: int) -> None:
        if chores.returns:
            connection.execute(
                _RETURN, [{"in_scope": one.scope, "start": one.window_start_us, "need": one.amount} for one in chores.returns]
            )
        if chores.left:
            connection.execute(_LEAVE, {"slots": chores.left})
        if chores.kept:
            connection.execute(_KEEP, {"slots": chores.kept, "until": now_us + self._slot_ttl_us})
            connection.execute(_SWEEP, {"now": now_us})

    def _answer(self, connection: sa.Connection, ask: Ask, now_us: int) -> Lent | Short:
        slices: list[Slice] = []
        for borrow in ask.borrows:
            lent = self._lend(connection, borrow, now_us)
            if isinstance(lent, Short):
                self._undo(connection, slices, ())
                return lent
            slices.append(lent)
        taken: list[SlotWish] = []
        for wish in ask.slots:
            made = self._take(connection, wish, now_us)
            if made is None:
                self._undo(connection, slices, taken)
                return Short(wish.scope, 0, 0)
            if made:
                taken.append(wish)
        return Lent(tuple(slices))

    def _undo(self, connection: sa.Connection, slices: Sequence[Slice], taken: Sequence[SlotWish]) -> None:
        for lent in slices:
            connection.execute(_RETURN, {"in_scope": lent.scope, "start": lent.window_start_us, "need": lent.amount})
        for wish in taken:
            connection.execute(_LEAVE_ONE, {"taken_by": wish.slot_id, "in_scope": wish.scope})

    def _lend(self, connection: sa.Connection, borrow: Borrow, now_us: int) -> Slice | Short:
        start_us = _window(borrow.window_us, now_us)
        values = {"in_scope": borrow.scope, "start": start_us, "most": borrow.limit, "need": borrow.need}
        row = connection.execute(_DEBIT, values).one_or_none()
        if row is None:
            seen = connection.execute(_STANDS, {"scopes": (borrow.scope,)}).one_or_none()
            if seen is None:
                connection.execute(_OPEN, {"in_scope": borrow.scope, "start": start_us})
                row = connection.execute(_DEBIT, values).one_or_none()
                seen = connection.execute(_STANDS, {"scopes": (borrow.scope,)}).one_or_none()
            if row is None:
                stands = _stands(Look(borrow.scope, borrow.limit, borrow.window_us), seen, now_us)
                return Short(borrow.scope, stands.left, stands.window_start_us)
        return Slice(borrow.scope, row.window_start_us, row.lent, max(0, borrow.limit - row.used))

    def _take(self, connection: sa.Connection, wish: SlotWish, now_us: int) -> bool | None:
        """Take a place; return whether it is new, or ``None`` where there is none."""
        values = {
            "taken_by": wish.slot_id,
            "in_scope": wish.scope,
            "by": self._owner,
            "now": now_us,
            "until": now_us + self._slot_ttl_us,
            "most": wish.limit,
        }
        if connection.execute(_TAKE, values).rowcount:
            return True
        held = connection.execute(_TAKEN, {"taken_by": wish.slot_id, "in_scope": wish.scope}).one_or_none()
        return None if held is None else False

    def _seen(
        self, connection: sa.Connection, asks: Sequence[Ask], answers: list[Lent | Short], now_us: int
    ) -> list[Lent | Short]:
        """Return the answers with what was looked at, as it stands once all of them are carried out."""
        looks = [_looks(ask, answer) for ask, answer in zip(asks, answers, strict=True)]
        scopes = tuple({look.scope for wanted in looks for look in wanted})
        if not scopes:
            return answers
        rows = {row.scope: row for row in connection.execute(_STANDS, {"scopes": scopes})}

        return [
            replace(answer, seen=tuple(_stands(look, rows.get(look.scope), now_us) for look in wanted)) if wanted else answer
            for answer, wanted in zip(answers, looks, strict=True)
        ]


def _stands(look: Look, row: sa.Row[Any, Any, Any] | None, now_us: int) -> Slice:
    """Return how a quota stands: a row of a window that is over, or none, says that nothing of this window is used."""
    start_us = _window(look.window_us, now_us)
    if row is None or row.window_start_us < start_us:
        return Slice(look.scope, start_us, 0, look.limit)
    return Slice(look.scope, row.window_start_us, 0, max(0, look.limit - row.used))


def _looks(ask: Ask, answer: Lent | Short) -> tuple[Look, ...]:
    if isinstance(answer, Lent):
        return ask.looks
    return (*ask.looks, *(Look(borrow.scope, borrow.limit, borrow.window_us) for borrow in ask.borrows))


def _window(window_us: int, now_us: int) -> int:
    return now_us // window_us * window_us if window_us else 0
