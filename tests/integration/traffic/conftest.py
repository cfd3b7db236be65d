from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.testing.traffic import TrafficWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrafficWorld]:
    world = TrafficWorld.build(tmp_path)
    yield world
    await world.close()
