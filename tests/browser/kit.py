"""A real browser in front of a real Headgate, and what must be true of every page in it.

``looked_at`` holds a page to what all pages promise: no message of the browser's about an error or its policy, no violation
that axe finds in either theme, nothing that runs out of a screen of 320 pixels; and leaves a picture of it in ``build/pages`` for
somebody to look at.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

    from functional.kit import Running

PICTURES = Path(__file__).parents[2] / "build" / "pages"
_CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
_AXE = Axe()
WIDE, NARROW, WALL = (1280, 900), (320, 720), (2560, 1440)


def chromium() -> str:
    """Return the browser's path; without one, tests are skipped, and fail where they must run."""
    found = next((path for path in _CHROMIUM if Path(path).exists()), None)
    if found is None:
        assert os.environ.get("CI") != "true", "there is no browser here: tools/chromium.sh installs it"
        pytest.skip("there is no browser here: tools/chromium.sh installs it")
    return found


@dataclass(slots=True)
class Reader:
    """Somebody at a browser, and what their browser complained of.

    Attributes:
        context: Their browser's profile.
        page: The page before them.
        at: The installation's origin, as browsers reach it.
        complaints: What the browser said of errors, and of its security policy, so far.
    """

    context: BrowserContext
    page: Page
    at: str
    complaints: list[str] = field(default_factory=list[str])

    def open(self, path: str) -> Page:
        """Go to a path and return the page."""
        self.page.goto(self.at + path)
        return self.page

    def watch(self) -> None:
        """Begin to note what the browser complains of."""

        def note(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(f"{self.page.url}: {message.text}")

        self.page.on("console", note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))


def reader(browser: Browser, at: str, *, theme: str = "light") -> Reader:
    """Return somebody at a browser, who has no session yet."""
    width, height = WIDE
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce"
    )
    context.set_default_timeout(15_000)
    somebody = Reader(context, context.new_page(), at)
    somebody.watch()
    return somebody


def origin(running: Running) -> str:
    """Return an installation's origin as browsers reach it: passkeys are bound to a name, so by its name."""
    return running.where.url.replace("127.0.0.1", "localhost")


def sign_in(somebody: Reader, running: Running, staff_id: str) -> Reader:
    """Sign a member of staff in by a link that the command line makes."""
    made = json.loads(running.where.command("staff", "invite", staff_id, "--json"))
    somebody.page.goto(made["link"])
    somebody.page.wait_for_url(lambda url: url.rstrip("/").endswith("/console"))
    return somebody


def looked_at(somebody: Reader, name: str) -> None:
    """Hold the page before somebody to what all pages promise, and keep pictures of it.

    Args:
        somebody: Whose browser.
        name: What the pictures are called.
    """
    page = somebody.page
    PICTURES.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = _AXE.run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, f"{name}, {theme}: {found.generate_report()}"
        page.screenshot(path=PICTURES / f"{name}-{theme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    for label, (width, height) in (("narrow", NARROW), ("wall", WALL)):
        page.set_viewport_size({"width": width, "height": height})
        spills = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.screenshot(path=PICTURES / f"{name}-{label}.png", full_page=True)
        assert spills <= 0, f"{name} is {spills} pixels wider than a screen of {width}"
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    assert somebody.complaints == [], somebody.complaints
