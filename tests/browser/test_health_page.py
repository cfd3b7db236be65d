"""Health, while everything runs and while somebody does not."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from browser.kit import looked_at

if TYPE_CHECKING:
    from browser.kit import Reader
    from functional.kit import Running


def test_a_steward_that_stands_still_is_shown_and_so_is_its_return(root: Reader, headgate: Running) -> None:
    page = root.open("/console/health")
    steward = page.get_by_role("article", name="Steward")
    expect(steward).to_have_attribute("data-standing", "well")
    expect(page.get_by_role("article", name="Workers", exact=True)).to_have_attribute("data-standing", "well")
    looked_at(root, "health")
    process = headgate.steward()
    os.kill(process, signal.SIGSTOP)
    try:
        expect(steward).to_have_attribute("data-standing", "ill", timeout=60_000)
        looked_at(root, "health-ill")
    finally:
        os.kill(process, signal.SIGCONT)
    expect(steward).to_have_attribute("data-standing", "well", timeout=60_000)
