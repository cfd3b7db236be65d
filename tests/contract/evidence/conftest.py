from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.evidence.service import Filing
from headgate.evidence.store import SqlArchive, metadata
from headgate.ledger import store as ledger
from headgate.testing.clock import FixedClock
from headgate.testing.evidence import NOON, KnownReleases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.ledger.model import Entry


@dataclass
class World:
    """Filing over a real database."""

    engine: sa.Engine
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    releases: KnownReleases = field(default_factory=KnownReleases)

    def __post_init__(self) -> None:
        self.archive = SqlArchive(self.engine)
        self.filing = Filing(self.archive, self.releases, self.clock, secrets.token_bytes)

    def entries(self) -> list[Entry]:
        with self.engine.execution_options(read_only=True).connect() as connection:
            return [recorded.entry for recorded in ledger.tail(connection, 0, 1000)]

    def did(self) -> list[str]:
        return [entry.kind.removeprefix("evidence.") for entry in self.entries()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_sqlite(tmp_path / "headgate.sqlite")
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    yield World(engine)
    engine.dispose()
