from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.ledger import store as ledger
from headgate.safety.store import metadata
from headgate.testing.safety import SafetyWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def world(engine: sa.Engine) -> SafetyWorld:
    return SafetyWorld(engine)
