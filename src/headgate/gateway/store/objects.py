"""Whose the objects are that upstreams keep: one row each, bound to the account that made it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from headgate.gateway.errors import ObjectsUnavailable
from headgate.gateway.model import ObjectKind, StoredObject
from headgate.gateway.store.tables import metadata
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from headgate.kernel.ids import AccountId, ReleaseId

stored_object = sa.Table(
    "gateway_object",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("grant_id", sa.Text, nullable=False),
    sa.Column("organisation_id", sa.Text),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("gateway_object_account", "account_id", "kind", "created_us"),
    sa.Index("gateway_object_release", "release_id", "kind", "created_us"),
)


class SqlObjects:
    """Objects kept in a database.

    Args:
        engine: Where.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def keep(self, stored: StoredObject) -> None:
        row = {
            "release_id": stored.release_id,
            "model": stored.model,
            "account_id": stored.account_id,
            "grant_id": stored.grant_id,
            "organisation_id": stored.organisation_id,
            "created_us": to_us(stored.created),
            "detail": canonical_json(dict(stored.detail)).decode(),
        }
        with _answering(), self._engine.begin() as connection:
            known = connection.execute(sa.update(stored_object).where(*_key(stored.kind, stored.id)).values(row)).rowcount
            if not known:
                connection.execute(sa.insert(stored_object).values(kind=stored.kind.value, id=stored.id, **row))

    def find(self, kind: ObjectKind, object_id: str) -> StoredObject | None:
        found = self._read(sa.select(stored_object).where(*_key(kind, object_id)))
        return found[0] if found else None

    def owned(self, kind: ObjectKind, account_id: AccountId) -> list[StoredObject]:
        return self._newest(kind, stored_object.c.account_id == account_id)

    def of_release(self, kind: ObjectKind, release_id: ReleaseId) -> list[StoredObject]:
        return self._newest(kind, stored_object.c.release_id == release_id)

    def forget(self, kind: ObjectKind, object_id: str) -> bool:
        with _answering(), self._engine.begin() as connection:
            return bool(connection.execute(sa.delete(stored_object).where(*_key(kind, object_id))).rowcount)

    def _newest(self, kind: ObjectKind, whose: sa.ColumnElement[bool]) -> list[StoredObject]:
        query = sa.select(stored_object).where(stored_object.c.kind == kind.value, whose)
        return self._read(query.order_by(stored_object.c.created_us.desc(), stored_object.c.id.desc()))

    def _read(self, query: sa.Select[Any]) -> list[StoredObject]:
        with _answering(), self._engine.execution_options(read_only=True).connect() as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]


def _key(kind: ObjectKind, object_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return stored_object.c.kind == kind.value, stored_object.c.id == object_id


def _stored(row: Mapping[Any, Any]) -> StoredObject:
    return StoredObject(
        kind=ObjectKind(row["kind"]),
        id=row["id"],
        release_id=row["release_id"],
        model=row["model"],
        account_id=row["account_id"],
        grant_id=row["grant_id"],
        organisation_id=row["organisation_id"],
        created=from_us(row["created_us"]),
        detail=json.loads(row["detail"]),
    )


@contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except DBAPIError as error:
        raise ObjectsUnavailable("Whose this is cannot be looked up now.", rule="stored objects") from error
