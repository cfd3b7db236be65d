"""Evidence in a database: readings by their digest, alarms, and every look that an alarm has taken.

A reading is written once and never changed. An alarm is one row with a revision; two controllers that read the same
revision cannot both save the next, so nobody takes one look twice, and a look and the state after it are kept together.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from headgate.evidence import wire
from headgate.evidence.errors import EvidenceUnavailable, LookTaken
from headgate.evidence.model import Alarm, Cursor, Kept, RiseState
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from headgate.ledger.model import Entry

metadata = sa.MetaData()

_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

readings = sa.Table(
    "evidence_reading",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Index("evidence_reading_by_epoch", "epoch", "at_us"),
    sqlite_strict=True,
)
"""One row a reading that a decision rests on; ``inputs`` and ``result`` are canonical JSON, and ``digest`` covers both."""

alarms = sa.Table(
    "evidence_alarm",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("tripwire", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("drawn", _Whole, nullable=False),
    sa.Column("resolved", _Whole, nullable=False),
    sa.Column("looked_at_us", _Whole, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_strict=True,
)
"""One row an alarm: its state, and how far it has read."""

looks = sa.Table(
    "evidence_look",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("tripwire", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sqlite_strict=True,
)
"""One row a look; ``revision`` is the alarm's after it."""


class EvidenceStore:
    """Keeps evidence behind an engine; implements ``ports.Records``."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Generator[EvidenceTx]:
        with _translated(), self._engine.begin() as connection:
            yield EvidenceTx(connection)

    def reading(self, digest: str) -> Kept | None:
        with self._reading() as connection:
            row = connection.execute(sa.select(readings).where(readings.c.digest == digest)).one_or_none()
        if row is None:
            return None
        return Kept(row.digest, row.epoch, row.kind, json.loads(row.inputs), json.loads(row.result), from_us(row.at_us))

    def alarm(self, epoch: str, tripwire: str) -> Alarm | None:
        query = sa.select(alarms).where(alarms.c.epoch == epoch, alarms.c.tripwire == tripwire)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Alarm(
            epoch=row.epoch,
            tripwire=row.tripwire,
            rule=json.loads(row.rule),
            state=wire.decode(json.loads(row.state), RiseState),
            cursor=Cursor(drawn=row.drawn, resolved=row.resolved),
            looked_at=from_us(row.looked_at_us),
            revision=row.revision,
        )

    def looks(self, epoch: str, tripwire: str) -> list[Mapping[str, Any]]:
        query = sa.select(looks.c.inputs).where(looks.c.epoch == epoch, looks.c.tripwire == tripwire).order_by(looks.c.revision)
        with self._reading() as connection:
            return [json.loads(inputs) for inputs in connection.execute(query).scalars()]

    @contextmanager
    def _reading(self) -> Generator[sa.Connection]:
        with _translated(), self._engine.execution_options(read_only=True).connect() as connection:
            yield connection


class EvidenceTx:
    """A write transaction of ``EvidenceStore``; implements ``ports.RecordsTx``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(self, reading: Kept) -> bool:
        known = sa.select(sa.exists().where(readings.c.digest == reading.digest))
        if self._connection.execute(known).scalar_one():
            return False
        self._connection.execute(
            readings.insert().values(
                digest=reading.digest,
                epoch=reading.epoch,
                kind=reading.kind,
                inputs=_text(reading.inputs),
                result=_text(reading.result),
                at_us=to_us(reading.at),
            )
        )
        return True

    def begin(self, alarm: Alarm) -> None:
        try:
            self._connection.execute(
                alarms.insert().values(
                    epoch=alarm.epoch,
                    tripwire=alarm.tripwire,
                    rule=_text(alarm.rule),
                    revision=alarm.revision,
                    **_moving(alarm),
                )
            )
        except IntegrityError as there:
            raise LookTaken(f"The alarm {alarm.tripwire} of {alarm.epoch} has begun already.") from there

    def advance(self, alarm: Alarm, *, inputs: Mapping[str, Any]) -> None:
        saved = self._connection.execute(
            alarms.update()
            .where(
                alarms.c.epoch == alarm.epoch,
                alarms.c.tripwire == alarm.tripwire,
                alarms.c.revision == alarm.revision,
            )
            .values(revision=alarm.revision + 1, **_moving(alarm))
        )
        if saved.rowcount != 1:
            raise LookTaken(f"The alarm {alarm.tripwire} of {alarm.epoch} has moved since revision {alarm.revision}.")
        self._connection.execute(
            looks.insert().values(
                epoch=alarm.epoch,
                tripwire=alarm.tripwire,
                revision=alarm.revision + 1,
                inputs=_text(inputs),
                at_us=to_us(alarm.looked_at),
            )
        )

    def record(self, entry: Entry) -> int:
        return ledger.append(self._connection, entry)


def _moving(alarm: Alarm) -> dict[str, Any]:
    return {
        "state": _text(wire.encode(alarm.state)),
        "drawn": alarm.cursor.drawn,
        "resolved": alarm.cursor.resolved,
        "looked_at_us": to_us(alarm.looked_at),
    }


def _text(value: Mapping[str, Any]) -> str:
    return canonical_json(value).decode()


@contextmanager
def _translated() -> Generator[None]:
    """Say of a database that is locked, full or gone that it is unavailable; its transaction has been rolled back."""
    try:
        yield
    except OperationalError as failure:
        raise EvidenceUnavailable("The evidence store does not answer; nothing was changed.") from failure
