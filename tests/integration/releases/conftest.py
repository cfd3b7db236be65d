from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.ledger.store import metadata as ledger_metadata
from headgate.releases.service import Controller, ReleaseService
from headgate.releases.store import SqlReleases, metadata
from headgate.testing.clock import FixedClock
from headgate.testing.releases import LEAD, MANAGER, MadeUpReadings, everything_passes

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.releases.model.release import Release


@dataclass
class House:
    """Everything that a release needs, on a real database."""

    engine: sa.Engine
    clock: FixedClock
    readings: MadeUpReadings
    service: ReleaseService

    def controller(self, holder: str = "one") -> Controller:
        return Controller(self.service, self.clock, holder=holder)

    def sign(self, release: Release, **asked: str | bool) -> None:
        for who in (LEAD, MANAGER):
            _, seen = self.service.to_sign(release.id, by=who, **asked)  # type: ignore[arg-type]
            self.service.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=who, to=seen.to)


@pytest.fixture
def house(tmp_path: Path) -> House:
    engine = open_sqlite(tmp_path / "system.sqlite")
    ledger_metadata.create_all(engine)
    metadata.create_all(engine)
    clock, readings = FixedClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), everything_passes()
    return House(engine, clock, readings, ReleaseService(SqlReleases(engine), readings, clock))
