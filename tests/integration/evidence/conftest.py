from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.evidence.store import metadata as evidence
from headgate.ledger.store import metadata as ledger
from headgate.releases.store import metadata as releases
from headgate.testing.filing import FilingHouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[FilingHouse]:
    engine = open_sqlite(tmp_path / "headgate.sqlite")
    for metadata in (ledger, releases, evidence):
        metadata.create_all(engine)
    yield FilingHouse(engine)
    engine.dispose()
