"""The record of access in SQLite or PostgreSQL.

Access has one writer at a time: SQLite's write lock is the database's own, and on PostgreSQL every write transaction first
takes one advisory lock. Seats, the first member of staff and the last who manages it are therefore counted without a
race, and deciding about access is far too rare for the queue to matter. The hot path only reads.

A database that is locked, full or gone raises ``AccessStoreUnavailable``; the transaction was undone.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from headgate.access import errors
from headgate.access.model import AccountState, GrantState, KeyState, StaffState
from headgate.access.store import rows, tables
from headgate.kernel.clock import to_us
from headgate.kernel.ids import AccountId, KeyId
from headgate.ledger.store import append

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping
    from datetime import datetime

    from headgate.access.model import (
        Account,
        AccountsSought,
        Attempt,
        Cohort,
        Declared,
        Described,
        Grant,
        Identity,
        Key,
        KeyHolder,
        Organisation,
        Page,
        Passkey,
        Session,
        SignInLink,
        Staff,
    )
    from headgate.access.ports import Thing, Transaction, View
    from headgate.kernel.errors import HeadgateError
    from headgate.kernel.ids import (
        AttemptId,
        GrantId,
        IdentityId,
        LinkId,
        OrganisationId,
        PasskeyId,
        SessionId,
        StaffId,
    )
    from headgate.ledger.model import Entry

_ADVISORY_LOCK = 0x68_67_61_63  # "hgac"
_USE_STEP = timedelta(minutes=1)
_USABLE = (KeyState.ACTIVE.value, KeyState.ROTATING.value)
_ASKED_PER_QUERY = 500
_DECLARED = tuple(column for column in tables.declarations.c if column.name != "account_id")
_T = TypeVar("_T")

_HOLDER_TABLES = {
    "k_": tables.keys,
    "g_": tables.grants,
    "c_": tables.cohorts,
    "a_": tables.accounts,
    "o_": tables.organisations,
}
_HOLDER = (
    sa.select(*(column.label(prefix + column.name) for prefix, table in _HOLDER_TABLES.items() for column in table.c))
    .select_from(
        tables.keys.join(tables.grants, tables.keys.c.grant_id == tables.grants.c.id)
        .join(tables.cohorts, tables.grants.c.cohort == tables.cohorts.c.name)
        .join(tables.accounts, tables.grants.c.account_id == tables.accounts.c.id)
        .outerjoin(tables.organisations, tables.accounts.c.organisation_id == tables.organisations.c.id)
    )
    .where(tables.keys.c.id.in_(sa.bindparam("ids", expanding=True)))
)


class SqlStore:
    """A ``Store`` over an engine.

    Args:
        engine: The system of record; its ``begin()`` takes the write lock at once.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(read_only=True)

    @contextmanager
    def reading(self) -> Generator[View]:
        with _translated(), self._reader.connect() as connection:
            yield _View(connection)

    @contextmanager
    def writing(self) -> Generator[Transaction]:
        with _translated(), self._engine.begin() as connection:
            _queue(connection)
            yield _Transaction(connection)

    def note_uses(self, uses: Mapping[KeyId, datetime]) -> None:
        keys = tables.keys.c
        update = (
            sa.update(tables.keys)
            .where(
                keys.id == sa.bindparam("key"),
                sa.or_(keys.last_used_at_us.is_(None), keys.last_used_at_us <= sa.bindparam("before")),
            )
            .values(last_used_at_us=sa.bindparam("used"))
        )
        step = _USE_STEP // timedelta(microseconds=1)
        told = [{"key": key, "used": to_us(at), "before": to_us(at) - step} for key, at in sorted(uses.items())]
        with _translated(), self._engine.begin() as connection:
            connection.execute(update, told)


class _View:
    """What is on record, through one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def organisation(self, id: OrganisationId) -> Organisation:
        row = self._one(tables.organisations, id, errors.OrganisationNotFound, "organisation")
        return rows.organisation_of(row)

    def organisations(self, page: Page, *, named: str | None = None) -> list[Organisation]:
        return self._page(tables.organisations, page, rows.organisation_of, _holds(tables.organisations.c.name, named))

    def account(self, id: AccountId) -> Account:
        return rows.account_of(self._one(tables.accounts, id, errors.AccountNotFound, "account"))

    def accounts(self, page: Page, sought: AccountsSought) -> list[Account]:
        accounts, organisations = tables.accounts.c, tables.organisations.c
        belongs = sa.true()
        if sought.organisation_named is not None:
            belongs = accounts.organisation_id.in_(
                sa.select(organisations.id).where(_holds(organisations.name, sought.organisation_named))
            )
        return self._page(
            tables.accounts,
            page,
            rows.account_of,
            _same(accounts.organisation_id, sought.organisation_id),
            _same(accounts.state, None if sought.state is None else sought.state.value),
            _holds(accounts.name, sought.named),
            belongs,
        )

    def accounts_with(self, email_hash: bytes) -> list[Account]:
        held = sa.select(tables.accounts).where(tables.accounts.c.email_hash == email_hash)
        return self._all(held.order_by(tables.accounts.c.id.desc()), rows.account_of)

    def described(self, ids: Collection[AccountId]) -> dict[AccountId, Described]:
        wanted = sorted(set(ids))
        accounts, organisations = tables.accounts, tables.organisations
        query = (
            sa.select(accounts.c.id, accounts.c.tier, organisations.c.name.label("organisation"), *_DECLARED)
            .outerjoin(organisations, organisations.c.id == accounts.c.organisation_id)
            .outerjoin(tables.declarations, tables.declarations.c.account_id == accounts.c.id)
        )
        found: dict[AccountId, Described] = {}
        for start in range(0, len(wanted), _ASKED_PER_QUERY):
            part = query.where(accounts.c.id.in_(wanted[start : start + _ASKED_PER_QUERY]))
            for row in self._connection.execute(part).mappings():
                found[AccountId(row["id"])] = rows.described_of(row)
        return found

    def has_account_with(self, email_hash: bytes) -> bool:
        accounts = tables.accounts.c
        return self._any(accounts.email_hash == email_hash, accounts.state != AccountState.CLOSED.value)

    def cohort(self, name: str) -> Cohort:
        return rows.cohort_of(self._one(tables.cohorts, name, errors.CohortNotFound, "cohort"))

    def has_cohort(self, name: str) -> bool:
        return self._any(tables.cohorts.c.name == name)

    def cohorts(self, page: Page) -> list[Cohort]:
        return self._page(tables.cohorts, page, rows.cohort_of)

    def seats_taken(self, cohort: str, *, now: datetime) -> int:
        grants = tables.grants.c
        count = (
            sa.select(sa.func.count())
            .select_from(tables.grants)
            .where(grants.cohort == cohort, _open_grant(), grants.ends_at_us > to_us(now))
        )
        return self._connection.execute(count).scalar_one()

    def grant(self, id: GrantId) -> Grant:
        return rows.grant_of(self._one(tables.grants, id, errors.GrantNotFound, "grant"))

    def open_grants(self, account_id: AccountId, cohort: str) -> list[Grant]:
        grants = tables.grants.c
        return self._all(
            sa.select(tables.grants).where(grants.account_id == account_id, grants.cohort == cohort, _open_grant()),
            rows.grant_of,
        )

    def grants(self, page: Page, *, account_id: AccountId | None = None, cohort: str | None = None) -> list[Grant]:
        grants = tables.grants.c
        return self._page(tables.grants, page, rows.grant_of, _same(grants.account_id, account_id), _same(grants.cohort, cohort))

    def grants_past(self, now: datetime, *, limit: int) -> list[Grant]:
        due = sa.select(tables.grants).where(_open_grant(), tables.grants.c.ends_at_us <= to_us(now))
        return self._all(due.order_by(tables.grants.c.ends_at_us).limit(limit), rows.grant_of)

    def grants_with_lapsed_terms(self, now: datetime, *, limit: int) -> list[Grant]:
        grants = tables.grants.c
        due = sa.select(tables.grants).where(
            grants.state.in_((GrantState.ACTIVE.value, GrantState.LIMITED.value)),
            grants.terms_due_at_us <= to_us(now),
        )
        return self._all(due.order_by(grants.terms_due_at_us).limit(limit), rows.grant_of)

    def key(self, id: KeyId) -> Key:
        return rows.key_of(self._one(tables.keys, id, errors.KeyNotFound, "key"))

    def keys_among(self, ids: frozenset[KeyId]) -> list[Key]:
        return self._all(sa.select(tables.keys).where(tables.keys.c.id.in_(sorted(ids))), rows.key_of)

    def keys(self, page: Page, *, account_id: AccountId | None = None, grant_id: GrantId | None = None) -> list[Key]:
        keys = tables.keys.c
        held = sa.true()
        if account_id is not None:
            held = keys.grant_id.in_(sa.select(tables.grants.c.id).where(tables.grants.c.account_id == account_id))
        return self._page(tables.keys, page, rows.key_of, held, _same(keys.grant_id, grant_id))

    def keys_past(self, now: datetime, *, limit: int) -> list[Key]:
        keys = tables.keys.c
        due = sa.select(tables.keys).where(
            keys.state.in_(_USABLE), sa.or_(keys.expires_at_us <= to_us(now), keys.retires_at_us <= to_us(now))
        )
        return self._all(due.order_by(keys.id).limit(limit), rows.key_of)

    def keys_idle(self, since: datetime, *, limit: int) -> list[Key]:
        keys = tables.keys.c
        last = sa.func.coalesce(keys.last_used_at_us, keys.created_at_us)
        due = sa.select(tables.keys).where(keys.state.in_(_USABLE), last <= to_us(since))
        return self._all(due.order_by(keys.id).limit(limit), rows.key_of)

    def holders(self, ids: Collection[KeyId]) -> dict[KeyId, KeyHolder]:
        wanted = sorted(set(ids))
        found: dict[KeyId, KeyHolder] = {}
        for start in range(0, len(wanted), _ASKED_PER_QUERY):
            asked = self._connection.execute(_HOLDER, {"ids": wanted[start : start + _ASKED_PER_QUERY]})
            for row in asked.mappings():
                found[KeyId(row["k_id"])] = rows.holder_of(row)
        return found

    def member(self, id: StaffId) -> Staff:
        return rows.staff_of(self._one(tables.staff, id, errors.StaffNotFound, "member of staff"))

    def staff(self, page: Page) -> list[Staff]:
        return self._page(tables.staff, page, rows.staff_of)

    def active_staff(self) -> list[Staff]:
        active = tables.staff.c.state == StaffState.ACTIVE.value
        return self._all(sa.select(tables.staff).where(active), rows.staff_of)

    def has_staff(self) -> bool:
        return self._connection.execute(sa.select(sa.exists().select_from(tables.staff))).scalar_one()

    def sign_in_link(self, id: LinkId) -> SignInLink:
        return rows.link_of(self._one(tables.links, id, errors.LinkUnusable, "link"))

    def session(self, id: SessionId) -> Session:
        return rows.session_of(self._one(tables.sessions, id, errors.SessionOver, "session"))

    def open_sessions(self, staff_id: StaffId) -> list[Session]:
        sessions = tables.sessions.c
        return self._all(
            sa.select(tables.sessions).where(sessions.staff_id == staff_id, sessions.ended_at_us.is_(None)), rows.session_of
        )

    def passkey(self, id: PasskeyId) -> Passkey:
        return rows.passkey_of(self._one(tables.passkeys, id, errors.PasskeyNotFound, "passkey"))

    def passkey_called(self, credential_id: bytes) -> Passkey | None:
        passkeys = tables.passkeys.c
        query = sa.select(tables.passkeys).where(passkeys.credential_id == credential_id, passkeys.removed_at_us.is_(None))
        return next(iter(self._all(query, rows.passkey_of)), None)

    def has_passkey_called(self, credential_id: bytes) -> bool:
        return self._any(tables.passkeys.c.credential_id == credential_id)

    def passkeys(self, staff_id: StaffId) -> list[Passkey]:
        passkeys = tables.passkeys.c
        query = sa.select(tables.passkeys).where(passkeys.staff_id == staff_id, passkeys.removed_at_us.is_(None))
        return self._all(query.order_by(passkeys.id), rows.passkey_of)

    def identity(self, id: IdentityId) -> Identity:
        return rows.identity_of(self._one(tables.identities, id, errors.IdentityNotFound, "link"))

    def identity_of(self, issuer: str, subject: str) -> Identity | None:
        identities = tables.identities.c
        query = sa.select(tables.identities).where(
            identities.issuer == issuer, identities.subject == subject, identities.removed_at_us.is_(None)
        )
        return next(iter(self._all(query, rows.identity_of)), None)

    def identities(self, staff_id: StaffId) -> list[Identity]:
        identities = tables.identities.c
        query = sa.select(tables.identities).where(identities.staff_id == staff_id, identities.removed_at_us.is_(None))
        return self._all(query.order_by(identities.id), rows.identity_of)

    def attempt(self, id: AttemptId) -> Attempt:
        return rows.attempt_of(self._one(tables.attempts, id, errors.AttemptOver, "attempt"))

    def _one(self, table: sa.Table, id: str, absent: type[HeadgateError], what: str) -> sa.RowMapping:
        query = sa.select(table).where(_id_of(table) == id)
        row = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise absent(f"There is no such {what}.", help="Check the identifier; lists show them.")
        return row

    def _all(self, query: sa.Select[Any], read: Callable[[sa.RowMapping], _T]) -> list[_T]:
        return [read(row) for row in self._connection.execute(query).mappings()]

    def _page(
        self, table: sa.Table, page: Page, read: Callable[[sa.RowMapping], _T], *conditions: sa.ColumnElement[bool]
    ) -> list[_T]:
        key = _id_of(table)
        if page.newest_first:
            beyond, order = (key < page.after if page.after else sa.true()), key.desc()
        else:
            beyond, order = key > page.after, key.asc()
        return self._all(sa.select(table).where(beyond, *conditions).order_by(order).limit(page.limit), read)

    def _any(self, *conditions: sa.ColumnElement[bool]) -> bool:
        return self._connection.execute(sa.select(sa.exists().where(*conditions))).scalar_one()


class _Transaction(_View):
    """A change in the making."""

    def add(self, thing: Thing | Attempt) -> None:
        table, row = rows.row_of(thing)
        self._connection.execute(sa.insert(table), row)

    def declare(self, id: AccountId, declared: Declared) -> None:
        row = {"account_id": id, **asdict(declared)}
        self._connection.execute(sa.delete(tables.declarations).where(tables.declarations.c.account_id == id))
        self._connection.execute(sa.insert(tables.declarations).values(row))

    def save(self, thing: Thing) -> None:
        table, row = rows.row_of(thing)
        key = _id_of(table)
        update = (
            sa.update(table)
            .where(key == row.pop(key.name), table.c.revision == thing.revision)
            .values(**row | {"revision": thing.revision + 1})
        )
        if self._connection.execute(update).rowcount != 1:
            raise errors.AccessMoved("Somebody else changed this first.", help="Look at it again, then decide again.")

    def set_terms_due(self, cohort: str, due_at: datetime, *, first_terms: bool) -> int:
        grants = tables.grants.c
        update = (
            sa.update(tables.grants)
            .where(
                grants.cohort == cohort,
                grants.state.notin_((GrantState.ENDED.value, GrantState.PENDING_TERMS.value)),
                grants.terms_due_at_us.is_(None),
                sa.true() if first_terms else grants.terms_version.is_not(None),
            )
            .values(terms_due_at_us=to_us(due_at), revision=grants.revision + 1)
        )
        return self._connection.execute(update).rowcount

    def drop(self, id: AttemptId) -> None:
        self._connection.execute(sa.delete(tables.attempts).where(tables.attempts.c.id == id))

    def drop_attempts(self, *, ended_by: datetime, strangers_at_most: int) -> None:
        attempts = tables.attempts.c
        stranger = attempts.session_id.is_(None)
        newest = sa.select(attempts.id).where(stranger).order_by(attempts.id.desc()).offset(strangers_at_most).limit(1)
        self._connection.execute(sa.delete(tables.attempts).where(attempts.expires_at_us <= to_us(ended_by)))
        self._connection.execute(sa.delete(tables.attempts).where(stranger, attempts.id <= newest.scalar_subquery()))

    def record(self, entry: Entry) -> int:
        return append(self._connection, entry)


def _queue(connection: sa.Connection) -> None:
    """Wait for every other writer of access; SQLite's ``BEGIN IMMEDIATE`` has done so already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def _id_of(table: sa.Table) -> sa.Column[str]:
    return next(iter(table.primary_key.columns))


def _open_grant() -> sa.ColumnElement[bool]:
    # Spelt as the partial indexes spell it, so that both engines use them.
    return tables.grants.c.state != sa.text("'ended'")


def _same(column: sa.Column[Any], value: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if value is None else column == value


def _holds(column: sa.Column[Any], part: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if part is None else column.icontains(part, autoescape=True)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError):  # a mistake of ours, not the database's
        raise
    except (exc.DBAPIError, exc.TimeoutError, sqlite3.Error) as error:  # bare where a connection is being opened
        raise errors.AccessStoreUnavailable(
            "The record of access does not answer; nothing was changed.",
            help="Look for a full disk, a process that holds the database locked, or a missing migration; then try again.",
        ) from error
