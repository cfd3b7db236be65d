"""Whose the objects are that upstreams keep: one row each, bound to the account that made it.

A row ends with what it names: its owner deletes that, the model server says that it is gone, its release has ended, or it is
older than things of its kind are kept. Whose row is gone is nobody's: the identifier is refused to everybody, its owner among
them, and never comes to belong to somebody else, for a row is made only by what has just been made, and none changes hands.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from headgate.gateway.errors import ObjectsUnavailable, ObjectTaken
from headgate.gateway.model import ObjectKind, StoredObject
from headgate.gateway.store.tables import metadata
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping
    from datetime import datetime

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


_ANSWERS = frozenset(
    {
        ObjectKind.RESPONSE,
        ObjectKind.RESPONSE_ITEM,
        ObjectKind.MESSAGE,
        ObjectKind.SPOKEN_ANSWER,
        ObjectKind.CONTAINER,
        ObjectKind.RUNNING_RESPONSE,
    }
)
_WORK = frozenset({ObjectKind.BATCH, ObjectKind.FINE_TUNING_JOB})
"""What runs until it is over; while it may run it is known, so that it can be called off."""
_PAGE = 1000
_GRACE_US = 86_400_000_000
"""How long the objects of a release that has ended are still known: what runs under it is being called off."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long it is known whose things are.

    Attributes:
        answers: What a model has said, and the parts and places of that.
        files: Files, batches and fine-tuning jobs, these two once they are over. A tuned model is known until it is deleted.
        ended: Releases that have ended for good; what was made under them can be reached by nobody.
    """

    answers: timedelta
    files: timedelta
    ended: Collection[ReleaseId]

    def is_over(self, kind: ObjectKind, release_id: str, created_us: int, detail: str, now_us: int) -> bool:
        """Return whether it need not be known any more whose an object is.

        Args:
            kind: What it is.
            release_id: What it was made under.
            created_us: When it was made, in microseconds since 1970.
            detail: What is remembered about it.
            now_us: The present instant, likewise.
        """
        if kind in _WORK and not json.loads(detail).get("over"):
            return False
        age_us = now_us - created_us
        if release_id in self.ended and age_us > _GRACE_US:
            return True
        if kind is ObjectKind.TUNED_MODEL:
            return False
        return age_us > (self.answers if kind in _ANSWERS else self.files) // _MICROSECOND


_MICROSECOND = timedelta(microseconds=1)


def remove_what_is_kept_no_more(engine: sa.Engine, keeping: Keeping, *, now: datetime) -> int:
    """Forget whose the things are that are over, and return how many were.

    Raises:
        ObjectsUnavailable: The store does not answer; some may have been forgotten.
    """
    removed = 0
    last = ("", "")
    columns = stored_object.c
    while True:
        page = sa.select(columns.kind, columns.id, columns.release_id, columns.created_us, columns.detail)
        page = page.where(sa.tuple_(columns.kind, columns.id) > sa.tuple_(*last)).order_by(columns.kind, columns.id).limit(_PAGE)
        with _answering(), engine.execution_options(read_only=True).connect() as connection:
            rows = connection.execute(page).all()
        over = [
            {"of_kind": row.kind, "named": row.id, "made": row.created_us}
            for row in rows
            if keeping.is_over(ObjectKind(row.kind), row.release_id, row.created_us, row.detail, to_us(now))
        ]
        if over:
            with _answering(), engine.begin() as connection:
                connection.execute(_REMOVE, over)
            removed += len(over)
        if len(rows) < _PAGE:
            return removed
        last = (rows[-1].kind, rows[-1].id)


_REMOVE = sa.delete(stored_object).where(
    stored_object.c.kind == sa.bindparam("of_kind"),
    stored_object.c.id == sa.bindparam("named"),
    stored_object.c.created_us == sa.bindparam("made"),
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
        key = _key(stored.kind, stored.id)
        with _answering(), self._engine.begin() as connection:
            owner = connection.execute(sa.select(stored_object.c.account_id).where(*key)).scalar_one_or_none()
            if owner is None:
                connection.execute(sa.insert(stored_object).values(kind=stored.kind.value, id=stored.id, **row))
            elif owner == stored.account_id:
                connection.execute(sa.update(stored_object).where(*key).values(row))
            else:
                raise ObjectTaken(
                    "The model server names what it keeps by the name of something else.",
                    rule="stored objects",
                    help="Tell its operator.",
                )

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
