"""The server is tested on the loop that Headgate runs on and on the one that comes with Python."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from integration.adapters.kit import Serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Serves what a test gives it; afterwards nothing that it began is left."""
    before = asyncio.all_tasks()
    serving = Serving()
    yield serving
    await serving.close()
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}
