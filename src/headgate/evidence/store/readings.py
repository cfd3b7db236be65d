"""Readings by their digest, and alarms, in a database.

A reading is written once and never changed. An alarm is one row; it is raised once, by one controller, together with the
reading that raised it and the ledger's entry.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from headgate.evidence.errors import AlarmMoved
from headgate.evidence.model import Alarm, Kept
from headgate.evidence.store.opening import reading, writing
from headgate.evidence.store.tables import alarms, readings
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json
from headgate.kernel.still import Still, restless
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from headgate.ledger.model import Entry


class EvidenceStore:
    """Keeps evidence behind an engine; implements ``ports.Records``.

    Args:
        engine: Where it is.
        still: Remembers what nothing was written about since.
    """

    def __init__(self, engine: sa.Engine, still: Still | None = None) -> None:
        self._engine = engine
        self._still = still or restless()

    @contextmanager
    def transaction(self) -> Generator[EvidenceTx]:
        with writing(self._engine) as connection:
            yield EvidenceTx(connection)

    def reading(self, digest: str) -> Kept | None:
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(readings).where(readings.c.digest == digest)).one_or_none()
        if row is None:
            return None
        return Kept(row.digest, row.epoch, row.kind, json.loads(row.inputs), json.loads(row.result), from_us(row.at_us))

    def alarm(self, epoch: str, tripwire: str) -> Alarm | None:
        return self._still.once((EvidenceStore, epoch, tripwire), lambda: self._alarm(epoch, tripwire))

    def _alarm(self, epoch: str, tripwire: str) -> Alarm | None:
        query = sa.select(alarms).where(alarms.c.epoch == epoch, alarms.c.tripwire == tripwire)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Alarm(row.epoch, row.tripwire, json.loads(row.rule), from_us(row.began_at_us), row.raised)


class EvidenceTx:
    """A write transaction of ``EvidenceStore``; implements ``ports.RecordsTx``."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def keep(self, reading: Kept) -> bool:
        row = readings.insert().values(
            digest=reading.digest,
            epoch=reading.epoch,
            kind=reading.kind,
            inputs=_text(reading.inputs),
            result=_text(reading.result),
            at_us=to_us(reading.at),
        )
        try:
            with self.connection.begin_nested():
                self.connection.execute(row)
        except IntegrityError:  # the same digest, so the same reading
            return False
        return True

    def begin(self, alarm: Alarm) -> None:
        row = {"rule": _text(alarm.rule), "began_at_us": to_us(alarm.began_at), "raised": None}
        try:
            self.connection.execute(alarms.insert().values(epoch=alarm.epoch, tripwire=alarm.tripwire, **row))
        except IntegrityError as there:
            raise AlarmMoved(f"The watch {alarm.tripwire} of {alarm.epoch} has begun already.") from there

    def raise_alarm(self, alarm: Alarm, digest: str) -> None:
        saved = self.connection.execute(
            alarms.update()
            .where(alarms.c.epoch == alarm.epoch, alarms.c.tripwire == alarm.tripwire, alarms.c.raised.is_(None))
            .values(raised=digest)
        )
        if saved.rowcount != 1:
            raise AlarmMoved(f"The alarm {alarm.tripwire} of {alarm.epoch} has been raised already.")

    def record(self, entry: Entry) -> int:
        return ledger.append(self.connection, entry)


def _text(value: Mapping[str, Any]) -> str:
    return canonical_json(value).decode()
