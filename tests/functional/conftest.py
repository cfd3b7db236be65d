from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from functional.kit import Running, running
from headgate.testing.installation import small_model

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def model() -> Iterator[str]:
    """The address of a small model that answers at once."""
    with small_model() as address:
        yield address


@pytest.fixture(scope="package")
def slow_model() -> Iterator[str]:
    """The address of a small model that speaks twenty tokens a second."""
    with small_model("--tokens-per-second", "20") as address:
        yield address


@pytest.fixture(scope="package")
def shared(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate for tests that leave it as they found it: nobody promotes, cuts or kills here, or waits long for its steward."""
    where = tmp_path_factory.mktemp("shared") / "data"
    with running(where, model, timeout_s=1, tick_s=1, upstream_timeout_s=1.5, body_timeout_s=1.5) as headgate:
        yield headgate


@pytest.fixture(scope="package")
def sturdy(slow_model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate whose processes are killed and whose disk is taken away; each test leaves it well again."""
    with running(tmp_path_factory.mktemp("sturdy") / "data", slow_model) as headgate:
        yield headgate
