"""Releases and their decisions in a database.

A change, its decision, everything that was read for it and its ledger entry are one transaction. Two writers cannot both
change a release: an UPDATE names the revision that was seen, and one that finds another changes nothing. That a model has
one release under way is a unique index, so it holds whoever writes.

When the database is locked, full or gone, the transaction is rolled back and the caller is told that nothing was changed.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json
from headgate.ledger import store as ledger
from headgate.releases.errors import (
    DecisionNotFound,
    DraftNotFound,
    ModelTaken,
    ReleaseMoved,
    ReleaseNotFound,
    ReleasesUnavailable,
)
from headgate.releases.model.draft import Draft
from headgate.releases.model.release import LIVE_STATES, State
from headgate.releases.wire import record as wire

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from headgate.kernel.ids import DecisionId, ReleaseId
    from headgate.ledger.model import Entry
    from headgate.releases.model.record import DecisionRecord
    from headgate.releases.model.release import Decision, Release
    from headgate.releases.ports import ReleasesTx

metadata = sa.MetaData()

_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

releases = sa.Table(
    "releases_release",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("under_way", sa.Text, unique=True),
    sa.Column("created_at_us", _Whole, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
)
"""One row a release. ``under_way`` holds the model's name while the release is open or cut, and nothing otherwise."""

decisions = sa.Table(
    "releases_decision",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("release_id", sa.Text, sa.ForeignKey("releases_release.id"), nullable=False),
    sa.Column("seq", _Whole, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("rest", sa.Text, nullable=False),
    sa.Index("releases_decision_by_release", "release_id", "seq"),
)
"""One row a decision; ``seq`` is its place in the ledger, ``rest`` the command, the actor and the release before."""

readings = sa.Table(
    "releases_reading",
    metadata,
    sa.Column("decision_id", sa.Text, sa.ForeignKey("releases_decision.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("of", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""One row for each gate (``of`` is ``gate``) and tripwire (``wire``) that a decision rests on, inputs included."""

controllers = sa.Table(
    "releases_controller",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until_us", _Whole, nullable=False),
)
"""One row: which controller acts, and until when unless it renews."""


drafts = sa.Table(
    "releases_draft",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("source", sa.LargeBinary, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Index("releases_draft_by_author", "by", "at_us"),
    sa.Index("releases_draft_by_time", "at_us"),
)
"""One row a text that somebody looks at before they carry it out."""


class SqlReleases:
    """Releases in whatever database the engine reaches.

    Args:
        engine: The system of record; its ledger tables lie beside these.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(read_only=True)

    @contextmanager
    def transaction(self) -> Generator[ReleasesTx]:
        with _available(), self._engine.begin() as connection:
            yield SqlReleasesTx(connection)

    @contextmanager
    def snapshot(self) -> Generator[ReleasesTx]:
        with _available(), self._reader.connect() as connection:
            yield SqlReleasesTx(connection)


@contextmanager
def _available() -> Generator[None]:
    try:
        yield
    except DBAPIError as error:
        raise ReleasesUnavailable(
            "The database of releases does not answer; nothing was changed.", help="Look at its disk and its locks."
        ) from error


class SqlReleasesTx:
    """One transaction on releases."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, release_id: ReleaseId) -> Release:
        body = self._connection.scalar(sa.select(releases.c.body).where(releases.c.id == release_id))
        if body is None:
            raise ReleaseNotFound(f"There is no release {release_id}.")
        return wire.read_release(json.loads(body))

    def under_way(self, model: str) -> Release | None:
        body = self._connection.scalar(sa.select(releases.c.body).where(releases.c.under_way == model))
        return None if body is None else wire.read_release(json.loads(body))

    def list(self) -> tuple[Release, ...]:
        newest = sa.select(releases.c.body).order_by(releases.c.created_at_us.desc(), releases.c.id.desc())
        return tuple(wire.read_release(json.loads(body)) for body in self._connection.scalars(newest))

    def add(self, release: Release) -> None:
        with _one_under_way(release):
            self._connection.execute(releases.insert().values(id=release.id, **_row(release)))

    def save(self, release: Release) -> Release:
        saved = replace(release, revision=release.revision + 1)
        seen = (releases.c.id == release.id) & (releases.c.revision == release.revision)
        with _one_under_way(release):
            changed = self._connection.execute(releases.update().where(seen).values(**_row(saved)))
        if changed.rowcount != 1:
            raise ReleaseMoved(f"{release.model} changed while it was being looked at; nothing was changed.")
        return saved

    def record(self, entry: Entry, record: DecisionRecord) -> int:
        decision = record.decision
        seq = ledger.append(self._connection, entry)
        self._connection.execute(
            decisions.insert().values(
                id=decision.id,
                release_id=decision.release_id,
                seq=seq,
                kind=decision.kind.value,
                by=decision.by,
                at_us=to_us(decision.at),
                body=_text(wire.write_decision(decision)),
                rest=_text(wire.write_rest(record)),
            )
        )
        gates = [("gate", item.gate_id, item.kind, wire.write_reading(item)) for item in record.assessment.gates]
        wires = [("wire", item.wire_id, item.kind, wire.write_wire(item)) for item in record.assessment.wires]
        for position, (of, name, kind, body) in enumerate(gates + wires):
            row = {"decision_id": decision.id, "position": position, "of": of, "name": name, "kind": kind, "body": _text(body)}
            self._connection.execute(readings.insert().values(**row))
        return seq

    def decision(self, decision_id: DecisionId) -> DecisionRecord:
        row = self._connection.execute(
            sa.select(decisions.c.body, decisions.c.rest, decisions.c.seq).where(decisions.c.id == decision_id)
        ).one_or_none()
        if row is None:
            raise DecisionNotFound(f"There is no decision {decision_id}.")
        read = sa.select(readings.c.of, readings.c.body).where(readings.c.decision_id == decision_id)
        stored = self._connection.execute(read.order_by(readings.c.position)).all()
        record = wire.read_record(
            wire.read_decision(json.loads(row.body)),
            json.loads(row.rest),
            tuple(wire.read_reading(json.loads(body)) for of, body in stored if of == "gate"),
            tuple(wire.read_wire(json.loads(body)) for of, body in stored if of == "wire"),
        )
        entered = [item.entry.body for item in ledger.tail(self._connection, row.seq - 1, 1) if item.seq == row.seq]
        return replace(record, ledger=entered[0] if entered else {})

    def decisions(self, release_id: ReleaseId | None, limit: int) -> tuple[Decision, ...]:
        newest = sa.select(decisions.c.body).order_by(decisions.c.seq.desc()).limit(limit)
        if release_id is not None:
            newest = newest.where(decisions.c.release_id == release_id)
        return tuple(wire.read_decision(json.loads(body)) for body in self._connection.scalars(newest))

    def lease(self, holder: str, *, now: datetime, until: datetime) -> bool:
        # No lease taken by now ends later than one that is taken now: it was taken before the clock was set back.
        over = (controllers.c.until_us <= to_us(now)) | (controllers.c.until_us > to_us(until))
        mine_or_over = (controllers.c.holder == holder) | over
        taken = self._connection.execute(controllers.update().where(mine_or_over).values(holder=holder, until_us=to_us(until)))
        if taken.rowcount:
            return True
        if self._connection.scalar(sa.select(sa.func.count()).select_from(controllers)):
            return False
        self._connection.execute(controllers.insert().values(id=1, holder=holder, until_us=to_us(until)))
        return True

    def leased(self) -> tuple[str, datetime] | None:
        row = self._connection.execute(sa.select(controllers.c.holder, controllers.c.until_us)).one_or_none()
        return None if row is None else (row.holder, from_us(row.until_us))


class SqlDrafts:
    """Drafts in whatever database the engine reaches.

    Args:
        engine: The system of record.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(read_only=True)

    def keep(self, draft: Draft, *, forget_before: datetime) -> None:
        row = {"digest": draft.digest, "source": draft.source, "name": draft.name, "by": draft.by, "at_us": to_us(draft.at)}
        over = (drafts.c.at_us < to_us(forget_before)) | (drafts.c.digest == draft.digest)
        with _available(), self._engine.begin() as connection:
            connection.execute(drafts.delete().where(over))
            connection.execute(drafts.insert().values(**row))

    def get(self, digest: str) -> Draft:
        with _available(), self._reader.connect() as connection:
            row = connection.execute(sa.select(drafts).where(drafts.c.digest == digest)).one_or_none()
        if row is None:
            raise DraftNotFound("There is no such draft.", help="Hand the text in again.")
        return _draft(row)

    def latest(self, by: str, limit: int) -> list[Draft]:
        newest = sa.select(drafts).where(drafts.c.by == by).order_by(drafts.c.at_us.desc()).limit(limit)
        with _available(), self._reader.connect() as connection:
            return [_draft(row) for row in connection.execute(newest)]


def _draft(row: sa.Row[*tuple[Any, ...]]) -> Draft:
    return Draft(row.digest, row.source, row.name, row.by, from_us(row.at_us))


@contextmanager
def _one_under_way(release: Release) -> Generator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ModelTaken(
            f"Another release of {release.model} is under way.", help="Apply with --replace, or withdraw it first."
        ) from error


def _row(release: Release) -> dict[str, Any]:
    under_way = release.state in LIVE_STATES or release.state is State.CUT
    return {
        "model": release.model,
        "version": release.plan.version_digest,
        "state": release.state.value,
        "under_way": release.model if under_way else None,
        "created_at_us": to_us(release.created_at),
        "body": _text(wire.write_release(release)),
        "revision": release.revision,
    }


def _text(body: dict[str, Any]) -> str:
    return canonical_json(body).decode()
