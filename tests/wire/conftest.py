from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from wire.kit import SCRIPTS, LoopThread, Running, ScriptedUpstream, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    thread = LoopThread()
    server = ScriptedUpstream(thread, dict(SCRIPTS))
    thread.run(server.start())
    yield server
    thread.run(server.stop())
    thread.close()


@pytest.fixture
def served(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Running]:
    with running(upstream, tmp_path / "limits.db") as gateway:
        yield gateway
