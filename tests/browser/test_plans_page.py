"""A plan as its author meets it: every remark at its line, what it would widen, played, and carried out by whoever may."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from browser.kit import looked_at

if TYPE_CHECKING:
    from browser.kit import Reader

EXAMPLES = Path(__file__).parents[2] / "examples"
PAYLOAD = '<script>document.title = "owned"</script>'


def test_a_broken_plan_is_shown_with_its_remarks_at_their_lines(root: Reader) -> None:
    page = root.open("/console/plans")
    looked_at(root, "plans")
    broken = (EXAMPLES / "starter.yaml").read_text().replace("end_state:", "endstate:") + f"\nnote: {PAYLOAD}\n"
    line = next(number for number, text in enumerate(broken.splitlines(), 1) if text.startswith("endstate:"))
    page.get_by_label("Or its text").fill(broken)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", name="It cannot be carried out yet")).to_be_visible()
    place = page.locator(f"#line-{line}")
    expect(place).to_contain_text("endstate")
    expect(place).to_have_attribute("data-level", "error")
    expect(page.locator(f"#line-{line} + .remark")).to_contain_text("Fix:")
    page.get_by_role("link", name=f"line {line}", exact=True).first.click()
    assert page.url.endswith(f"#line-{line}")
    assert "owned" not in page.title()
    looked_at(root, "plan-draft")


def test_a_plan_is_played_while_its_author_watches(root: Reader) -> None:
    page = root.open("/console/plans")
    page.get_by_label("A file").set_input_files(EXAMPLES / "demo.yaml")
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("link", name="Play it").click()
    page.get_by_label("How many plays").fill("64")
    looked_at(root, "plan-simulate")
    page.get_by_role("button", name="Play it").click()
    expect(page.get_by_role("heading", name="What became of it")).to_be_visible(timeout=90_000)
    expect(page.get_by_text(re.compile("64 plays, seed 1"))).to_be_visible()
    looked_at(root, "plan-simulated")


def test_carrying_a_plan_out_shows_first_what_it_does(root: Reader) -> None:
    page = root.open("/console/plans")
    text = (EXAMPLES / "starter.yaml").read_text()
    page.get_by_label("Or its text").fill(text)
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("link", name="Go on to carry it out").click()
    expect(page.get_by_role("heading", name="What happens")).to_be_visible()
    looked_at(root, "plan-apply")
