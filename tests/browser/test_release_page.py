"""The release page as two people live through it: a gate turns PASS before their eyes, both sign, it widens, it is held and cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.kit import looked_at, origin, reader, sign_in
from functional.kit import eventually, harmful, running
from headgate.testing.cast import Reviewer, staff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from browser.kit import Reader
    from functional.kit import Running

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def mine(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate whose release nobody else looks at."""
    with running(tmp_path_factory.mktemp("release") / "data", model) as whole:
        yield whole


def come_in(browser: Browser, mine: Running, name: str, *roles: str) -> Reader:
    made = mine.admin("POST", "/api/staff", {"name": name, "roles": list(roles)})
    return sign_in(reader(browser, origin(mine)), mine, made["id"])


def page_of(mine: Running) -> str:
    return f"/console/releases/{mine.release}"


def test_a_release_is_watched_signed_for_promoted_held_and_cut(browser: Browser, mine: Running) -> None:
    lead = come_in(browser, mine, "Lena", "safety_lead")
    manager = come_in(browser, mine, "Marek", "release_manager")
    reviewers = [Reviewer(staff(mine.where, name, "safety_reviewer"), harmful) for name in ("Ines", "Omar")]
    members = [mine.member(f"inner {number}") for number in range(3)]
    a_gate_turns_before_their_eyes(lead, mine, members, reviewers)
    two_people_sign(lead, manager, mine)
    a_decision_is_explained(manager, mine)
    it_is_held(manager, mine)
    a_cut_is_one_press_and_a_reason(lead, mine)
    assert lead.complaints == []
    assert manager.complaints == []
    lead.context.close()
    manager.context.close()


def a_gate_turns_before_their_eyes(lead: Reader, mine: Running, members: list, reviewers: list[Reviewer]) -> None:
    page = lead.open(page_of(mine))
    rate = page.locator("#gate-rate-harm")
    expect(rate.locator(".verdict")).to_have_text("INSUFFICIENT")
    looked_at(lead, "release-empty")
    for number in range(14):
        assert mine.ask(members[number % 3], f"question {number}", max_tokens=2).status_code == 200

    def labelled() -> bool:
        while any([reviewer.once() for reviewer in reviewers]):
            pass
        return mine.gate("rate")["shown"] == "PASS"

    eventually(labelled, 30)
    expect(rate.locator(".verdict")).to_have_text("PASS", timeout=20_000)
    expect(rate.locator("figure[data-drawn=true] svg")).to_be_visible(timeout=60_000)
    rate.get_by_text("Show the numbers").click()
    expect(rate.locator("table tbody tr").first).to_be_visible()
    eventually(lambda: page.locator("#go-on").get_by_text("waits for a").count() >= 1, 20)
    looked_at(lead, "release-gates-pass")
