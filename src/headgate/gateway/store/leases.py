"""Where limits are counted: one row per quota, one row per place taken.

A quota row holds the window and how much of it was lent. It is debited by one UPDATE that decides and debits at once, so two
workers cannot both have the last of it; the same statement opens the next window, and never one before the window that the
row is in, so a clock that was set back admits nothing twice. Places have owners and an expiry: a worker that dies frees them
by silence, and taking or leaving one twice changes nothing.

An ask that falls short half-way gives back what it had, in the same transaction. Looks alone take no transaction: one quota is
one row, so each is seen as it stood at an instant within the call, and so within the request that is told of it.

What is lent survives the death of every process, by whatever signal, because the operating system has it when it is committed.
A power cut may take the last moments of it: then the limits have forgotten what was lent since this database was last flushed
(every entry of the ledger flushes it), and admit that much again, never more; what came back in those moments is forgotten the
other way, and less is admitted. The record of the same moments' exchanges survives no better unless the spool flushes every
admission (``spool_sync: full``), so limits flush where the spool does: to wait for the disk with each loan would keep requests
waiting for the sake of a count that outlives what it counts.

Statements are compiled once and carried out by the driver: making and wrapping them costs ten times what the database does.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from headgate.gateway.errors import QuotaUnavailable
from headgate.gateway.ports import Lent, Look, Short, Slice
from headgate.gateway.store.prepared import Prepared
from headgate.gateway.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from sqlalchemy.engine.interfaces import DBAPICursor
    from sqlalchemy.sql.dml import ReturningUpdate
    from sqlalchemy.sql.elements import CompilerElement

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

_LEAVE_IT_TO_THE_SYSTEM = {"sqlite": "PRAGMA synchronous=NORMAL", "postgresql": "SET synchronous_commit TO OFF"}
"""How a database is told that a commit need not wait for the disk."""

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
_STANDS = sa.select(quota.c.window_start_us, quota.c.used).where(quota.c.scope == _SCOPE)
_RETURN = sa.update(quota).where(quota.c.scope == _SCOPE, quota.c.window_start_us == _START).values(used=quota.c.used - _NEED)
_TAKE = _take()
_TAKEN = sa.select(slot.c.slot_id).where(slot.c.slot_id == _SLOT, slot.c.scope == _SCOPE)
_LEAVE_ONE = sa.delete(slot).where(slot.c.slot_id == _SLOT, slot.c.scope == _SCOPE)
_LEAVE = sa.delete(slot).where(slot.c.slot_id == _SLOT)
_KEEP = sa.update(slot).where(slot.c.slot_id == _SLOT).values(expires_us=_UNTIL)
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
        flush: Whether each commit waits until the disk has it.
    """

    def __init__(self, engine: sa.Engine, *, owner: str, slot_ttl_s: float, flush: bool = False) -> None:
        self._engine = engine
        self._flush = flush
        self._owner = owner
        self._slot_ttl_us = int(slot_ttl_s * _US)
        self._kept: list[sa.Connection] = []
        self._failures = (DBAPIError, engine.dialect.loaded_dbapi.Error)
        self._debit, self._open, self._stands, self._return = self._prepared(_DEBIT, _OPEN, _STANDS, _RETURN)
        self._take, self._taken, self._leave_one, self._leave = self._prepared(_TAKE, _TAKEN, _LEAVE_ONE, _LEAVE)
        self._keep, self._sweep, self._forget = self._prepared(_KEEP, _SWEEP, _FORGET)

    def carry_out(self, asks: Sequence[Ask], chores: Chores, *, now_us: int) -> list[Lent | Short]:
        looks_only = not any(ask.borrows or ask.slots for ask in asks) and not (chores.returns or chores.left or chores.kept)
        try:
            if looks_only:  # what writes nothing need not wait for those who do, nor for the disk
                with self._connected() as connection, closing(connection.connection.cursor()) as cursor:
                    return self._seen(cursor, asks, [Lent(()) for _ in asks], now_us)
            with self._writing() as cursor:
                self._do(cursor, chores, now_us)
                return self._seen(cursor, asks, [self._answer(cursor, ask, now_us) for ask in asks], now_us)
        except self._failures as error:
            raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error

    def forget(self, owner: str) -> None:
        try:
            with self._writing() as cursor:
                self._forget.on(cursor, {"by": owner})
        except self._failures as error:
            raise QuotaUnavailable("The limits cannot be counted now.", rule="limits") from error

    def _prepared(self, *statements: CompilerElement) -> list[Prepared]:
        return [Prepared(statement, self._engine.dialect) for statement in statements]

    @contextmanager
    def _writing(self) -> Generator[DBAPICursor]:
        """Be the one who writes, and commit at the end."""
        with self._connected() as connection, connection.begin(), closing(connection.connection.cursor()) as cursor:
            yield cursor

    @contextmanager
    def _connected(self) -> Generator[sa.Connection]:
        """Use a connection that nobody else uses: whoever only reads makes the database compile every statement anew."""
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self._opened()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._kept.append(connection)

    def _opened(self) -> sa.Connection:
        """Open a connection of this store's own, which is nobody else's after it: it may be quicker to commit than theirs."""
        connection = self._engine.connect()
        if not self._flush:
            connection.detach()
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(_LEAVE_IT_TO_THE_SYSTEM[self._engine.dialect.name])
        return connection

    def _do(self, cursor: DBAPICursor, chores: Chores, now_us: int) -> None:
        for one in chores.returns:
            self._give_back(cursor, one)
        for slot_id in chores.left:
            self._leave.on(cursor, {"taken_by": slot_id})
        for slot_id in chores.kept:
            self._keep.on(cursor, {"taken_by": slot_id, "until": now_us + self._slot_ttl_us})
        if chores.kept:
            self._sweep.on(cursor, {"now": now_us})

    def _answer(self, cursor: DBAPICursor, ask: Ask, now_us: int) -> Lent | Short:
        slices: list[Slice] = []
        for borrow in ask.borrows:
            lent = self._lend(cursor, borrow, now_us)
            if isinstance(lent, Short):
                self._undo(cursor, slices, ())
                return lent
            slices.append(lent)
        taken: list[SlotWish] = []
        for wish in ask.slots:
            made = self._take_place(cursor, wish, now_us)
            if made is None:
                self._undo(cursor, slices, taken)
                return Short(wish.scope, 0, 0)
            if made:
                taken.append(wish)
        return Lent(tuple(slices))

    def _undo(self, cursor: DBAPICursor, slices: Sequence[Slice], taken: Sequence[SlotWish]) -> None:
        for lent in slices:
            self._give_back(cursor, lent)
        for wish in taken:
            self._leave_one.on(cursor, {"taken_by": wish.slot_id, "in_scope": wish.scope})

    def _give_back(self, cursor: DBAPICursor, unspent: Slice) -> None:
        self._return.on(cursor, {"in_scope": unspent.scope, "start": unspent.window_start_us, "need": unspent.amount})

    def _lend(self, cursor: DBAPICursor, borrow: Borrow, now_us: int) -> Slice | Short:
        start_us = _window(borrow.window_us, now_us)
        values = {"in_scope": borrow.scope, "start": start_us, "most": borrow.limit, "need": borrow.need}
        row = _one(self._debit, cursor, values)
        if row is None:
            seen = _one(self._stands, cursor, values)
            if seen is None:
                self._open.on(cursor, values)
                row = _one(self._debit, cursor, values)
                seen = _one(self._stands, cursor, values)
            if row is None:
                stands = _stands(Look(borrow.scope, borrow.limit, borrow.window_us), seen, now_us)
                return Short(borrow.scope, stands.left, stands.window_start_us)
        window_start_us, used, lent = row
        return Slice(borrow.scope, window_start_us, lent, max(0, borrow.limit - used))

    def _take_place(self, cursor: DBAPICursor, wish: SlotWish, now_us: int) -> bool | None:
        """Take a place; return whether it is new, or ``None`` where there is none."""
        values = {
            "taken_by": wish.slot_id,
            "in_scope": wish.scope,
            "by": self._owner,
            "now": now_us,
            "until": now_us + self._slot_ttl_us,
            "most": wish.limit,
        }
        if self._take.on(cursor, values).rowcount:
            return True
        return None if _one(self._taken, cursor, values) is None else False

    def _seen(self, cursor: DBAPICursor, asks: Sequence[Ask], answers: list[Lent | Short], now_us: int) -> list[Lent | Short]:
        """Return the answers with what was looked at, as it stands once all of them are carried out."""
        looks = [_looks(ask, answer) for ask, answer in zip(asks, answers, strict=True)]
        scopes = {look.scope for wanted in looks for look in wanted}
        if not scopes:
            return answers
        rows = {scope: _one(self._stands, cursor, {"in_scope": scope}) for scope in scopes}

        return [
            replace(answer, seen=tuple(_stands(look, rows[look.scope], now_us) for look in wanted)) if wanted else answer
            for answer, wanted in zip(answers, looks, strict=True)
        ]


def _one(statement: Prepared, cursor: DBAPICursor, values: Mapping[str, object]) -> tuple[int, ...] | None:
    """Return the one row that a statement gives, or ``None``."""
    rows = statement.on(cursor, values).fetchall()  # to its end: a statement that is under way holds up the commit
    return rows[0] if rows else None


def _stands(look: Look, row: tuple[int, ...] | None, now_us: int) -> Slice:
    """Return how a quota stands: a row of a window that is over, or none, says that nothing of this window is used."""
    start_us = _window(look.window_us, now_us)
    if row is None:
        return Slice(look.scope, start_us, 0, look.limit)
    window_start_us, used = row
    if window_start_us < start_us:
        return Slice(look.scope, start_us, 0, look.limit)
    return Slice(look.scope, window_start_us, 0, max(0, look.limit - used))


def _looks(ask: Ask, answer: Lent | Short) -> tuple[Look, ...]:
    if isinstance(answer, Lent):
        return ask.looks
    return (*ask.looks, *(Look(borrow.scope, borrow.limit, borrow.window_us) for borrow in ask.borrows))


def _window(window_us: int, now_us: int) -> int:
    return now_us // window_us * window_us if window_us else 0
