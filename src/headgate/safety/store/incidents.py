"""Incidents in SQL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.still import Still, restless
from headgate.safety.errors import IncidentMoved
from headgate.safety.model import Incident, IncidentState, Severity
from headgate.safety.store.opening import Transaction, reading, text_of, value_of, writing
from headgate.safety.store.tables import incidents

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime

_OPEN = tuple(state.value for state in IncidentState if state.open)


class SqlIncidents:
    """The incident store over a system of record.

    Args:
        engine: Where it is.
        still: Remembers what nothing was written about since.
    """

    def __init__(self, engine: sa.Engine, still: Still | None = None) -> None:
        self._engine = engine
        self._still = still or restless()

    @contextmanager
    def transaction(self) -> Generator[SqlIncidentTx]:
        with writing(self._engine) as connection:
            yield SqlIncidentTx(connection)

    def get(self, incident_id: str) -> Incident | None:
        with reading(self._engine) as connection:
            return _get(connection, incident_id)

    def list(self, *, release_id: str | None, open_only: bool) -> tuple[Incident, ...]:
        query = sa.select(incidents).order_by(incidents.c.opened_at_us.desc(), incidents.c.id.desc())
        if release_id is not None:
            query = query.where(incidents.c.release_id == release_id)
        if open_only:
            query = query.where(incidents.c.state.in_(_OPEN))
        with reading(self._engine) as connection:
            return tuple(_incident(row) for row in connection.execute(query))

    def open_counts(self, release_id: str) -> Mapping[Severity, int]:
        def read() -> Mapping[Severity, int]:
            query = (
                sa.select(incidents.c.severity, sa.func.count())
                .where(incidents.c.release_id == release_id, incidents.c.state.in_(_OPEN))
                .group_by(incidents.c.severity)
            )
            with reading(self._engine) as connection:
                return {Severity(severity): count for severity, count in connection.execute(query)}

        return self._still.once((SqlIncidents, release_id), read)


class SqlIncidentTx(Transaction):
    """One change to the incidents."""

    def get(self, incident_id: str) -> Incident | None:
        return _get(self.connection, incident_id)

    def opened_by(self, who: str, *, since: datetime) -> int:
        query = sa.select(sa.func.count()).where(incidents.c.opened_by == who, incidents.c.opened_at_us >= to_us(since))
        return self.connection.execute(query).scalar_one()

    def add(self, incident: Incident) -> None:
        self.connection.execute(sa.insert(incidents).values(**_row(incident)))

    def save(self, incident: Incident, *, seen: int) -> None:
        saved = self.connection.execute(
            sa.update(incidents).where(incidents.c.id == incident.id, incidents.c.revision == seen).values(**_row(incident))
        )
        if saved.rowcount != 1:
            raise IncidentMoved("Somebody changed this incident since you looked.", help="Look again, then decide again.")


def _get(connection: sa.Connection, incident_id: str) -> Incident | None:
    row = connection.execute(sa.select(incidents).where(incidents.c.id == incident_id)).one_or_none()
    return None if row is None else _incident(row)


def _row(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "release_id": incident.release_id,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "title": incident.title,
        "hazard": incident.hazard,
        "aware_at_us": to_us(incident.aware_at),
        "exchanges": text_of(list(incident.exchanges)),
        "opened_by": incident.opened_by,
        "opened_at_us": to_us(incident.opened_at),
        "revision": incident.revision,
    }


def _incident(row: Any) -> Incident:
    return Incident(
        id=row.id,
        release_id=row.release_id,
        severity=Severity(row.severity),
        state=IncidentState(row.state),
        title=row.title,
        hazard=row.hazard,
        aware_at=from_us(row.aware_at_us),
        exchanges=tuple(value_of(row.exchanges)),
        opened_by=row.opened_by,
        opened_at=from_us(row.opened_at_us),
        revision=row.revision,
    )
