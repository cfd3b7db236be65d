"""Filed records in a database: one row a record, never deleted.

The row holds the whole record with everything that was done to it; the columns beside are for looking it up, and for refusing
the same part of the same file a second time, whoever files it and for whatever version.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from headgate.evidence.errors import EvidenceDuplicate, EvidenceMoved
from headgate.evidence.model.filing import Filed, Standing
from headgate.evidence.store.opening import reading, writing
from headgate.evidence.store.tables import records
from headgate.evidence.wire import decode, encode
from headgate.kernel.clock import to_us
from headgate.kernel.digest import canonical_json
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Generator

    from headgate.evidence.ports import Wanted
    from headgate.ledger.model import Entry


class SqlArchive:
    """Keeps filed records behind an engine; implements ``ports.Archive``."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Generator[SqlArchiveTx]:
        with writing(self._engine) as connection:
            yield SqlArchiveTx(connection)

    def get(self, id: str) -> Filed | None:
        with reading(self._engine) as connection:
            return _get(connection, id)

    def list(self, wanted: Wanted) -> tuple[Filed, ...]:
        query = sa.select(records).order_by(records.c.recorded_at_us.desc(), records.c.id.desc())
        if wanted.release_id is not None:
            query = query.where(records.c.release_id == wanted.release_id)
        if wanted.suite is not None:
            query = query.where(records.c.suite == wanted.suite)
        if wanted.kind is not None:
            query = query.where(records.c.kind == wanted.kind.value)
        if wanted.in_force:
            query = query.where(records.c.successor.is_(None))
        if wanted.standing is not None and wanted.at is not None:
            query = query.where(*_standing(wanted.standing, to_us(wanted.at)))
        with reading(self._engine) as connection:
            place = sa.select(records.c.recorded_at_us, records.c.id).where(records.c.id == wanted.behind)
            if wanted.behind is not None and (last := connection.execute(place).one_or_none()) is not None:
                here = sa.tuple_(records.c.recorded_at_us, records.c.id)
                query = query.where(here < sa.tuple_(sa.literal(last.recorded_at_us), sa.literal(last.id)))
            return tuple(_filed(row) for row in connection.execute(query.limit(wanted.limit)))


class SqlArchiveTx:
    """A write transaction of ``SqlArchive``; implements ``ports.ArchiveTx``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, id: str) -> Filed | None:
        return _get(self._connection, id)

    def of_file(self, sha256: str) -> tuple[Filed, ...]:
        query = sa.select(records).where(records.c.sha256 == sha256).order_by(records.c.id)
        return tuple(_filed(row) for row in self._connection.execute(query))

    def add(self, filed: Filed) -> None:
        finding = filed.record.finding
        try:
            self._connection.execute(
                sa.insert(records).values(
                    id=filed.id,
                    release_id=filed.release_id,
                    suite=finding.suite,
                    kind=finding.kind.value,
                    sha256=finding.source.sha256,
                    part=finding.source.part,
                    recorded_at_us=to_us(filed.record.recorded_at),
                    **_changing(filed),
                )
            )
        except IntegrityError as there:
            raise EvidenceDuplicate("This part of this file has been filed already.") from there

    def save(self, filed: Filed, *, seen: int) -> None:
        saved = self._connection.execute(
            sa.update(records).where(records.c.id == filed.id, records.c.revision == seen).values(**_changing(filed))
        )
        if saved.rowcount != 1:
            raise EvidenceMoved("Somebody did something to this record since you looked.", help="Look again, then decide again.")

    def record(self, entry: Entry) -> int:
        return ledger.append(self._connection, entry)


def _standing(standing: Standing, at_us: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what makes a record one that stands so; the same as ``Filed.standing``."""
    if standing is Standing.SUPERSEDED:
        return (records.c.successor.is_not(None),)
    counts = records.c.successor.is_(None)
    if standing is Standing.EXPIRED:
        return (counts, records.c.expires_at_us <= at_us)
    return (counts, records.c.expires_at_us > at_us, records.c.is_final == int(standing is Standing.FINAL))


def _changing(filed: Filed) -> dict[str, Any]:
    return {
        "successor": None if filed.superseded is None else filed.superseded.successor,
        "document": canonical_json(encode(filed)).decode(),
        "revision": filed.revision,
        "expires_at_us": to_us(filed.record.finding.expires_at),
        "is_final": int(filed.final),
    }


def _get(connection: sa.Connection, id: str) -> Filed | None:
    row = connection.execute(sa.select(records).where(records.c.id == id)).one_or_none()
    return None if row is None else _filed(row)


def _filed(row: Any) -> Filed:
    return _read(row.document)


@lru_cache(maxsize=4096)
def _read(document: str) -> Filed:
    """Read a document; a gate reads the same ones at every look, and the same text is the same record for ever."""
    return decode(json.loads(document), Filed)
