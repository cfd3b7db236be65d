from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.kit import Reader, chromium, origin, reader, sign_in
from functional.kit import Running, running
from headgate.testing.installation import small_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def model() -> Iterator[str]:
    """The address of a small model that answers at once."""
    with small_model() as address:
        yield address


@pytest.fixture(scope="session")
def headgate(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate with a plan of two stages at work; a test leaves its release as it found it."""
    with running(tmp_path_factory.mktemp("browser") / "data", model) as whole:
        yield whole


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def anybody(browser: Browser, headgate: Running) -> Iterator[Reader]:
    """Somebody who is not signed in."""
    somebody = reader(browser, origin(headgate))
    yield somebody
    somebody.context.close()


@pytest.fixture
def root(anybody: Reader, headgate: Running) -> Reader:
    """The first member of staff, signed in."""
    staff = headgate.admin("GET", "/api/staff")["items"]
    first = next(member["id"] for member in staff if member["name"] == "Root")
    return sign_in(anybody, headgate, first)
