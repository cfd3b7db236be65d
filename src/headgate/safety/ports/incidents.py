"""Where incidents are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from headgate.ledger.model import Entry
    from headgate.safety.model import Incident, Severity


class IncidentTx(Protocol):
    """One change to the incidents."""

    def opened_by(self, who: str, *, since: datetime) -> int:
        """Return how many somebody has opened since then."""
        ...

    def record(self, entry: Entry) -> int: ...

    def get(self, incident_id: str) -> Incident | None: ...

    def add(self, incident: Incident) -> None: ...

    def save(self, incident: Incident, *, seen: int) -> None:
        """Keep a changed incident; raise ``IncidentMoved`` unless its kept revision is ``seen``."""
        ...


class IncidentStore(Protocol):
    """Where incidents are kept."""

    def transaction(self) -> AbstractContextManager[IncidentTx]: ...

    def get(self, incident_id: str) -> Incident | None: ...

    def list(self, *, release_id: str | None, open_only: bool) -> tuple[Incident, ...]: ...

    def open_counts(self, release_id: str) -> Mapping[Severity, int]: ...
