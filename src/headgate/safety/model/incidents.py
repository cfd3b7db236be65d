"""Incidents: something that happened, and how far its handling has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.safety.model.labels import Severity


class IncidentState(Enum):
    """Where an incident stands."""

    DRAFT = "draft"
    TRIAGED = "triaged"
    CONTAINED = "contained"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    FINAL = "final"
    WITHDRAWN = "withdrawn"

    @property
    def open(self) -> bool:
        """Whether it still weighs on the release; a draft does."""
        return self in {IncidentState.DRAFT, IncidentState.TRIAGED, IncidentState.CONTAINED, IncidentState.MONITORING}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened.

    Attributes:
        id: ``inc_…``.
        release_id: Which release it weighs on.
        severity: How bad.
        state: How far its handling has come.
        title: A sentence for colleagues; content, kept out of the ledger.
        hazard: Which kind of harm.
        aware_at: When somebody first knew: its clocks count from here.
        exchanges: The exchanges it is about.
        opened_by: Who opened it.
        opened_at: When it was written down.
        revision: Hand it back with a change.
    """

    id: str
    release_id: str
    severity: Severity
    state: IncidentState
    title: str
    hazard: str
    aware_at: datetime
    exchanges: tuple[str, ...]
    opened_by: str
    opened_at: datetime
    revision: int
