"""The release page as two people live through it: a gate turns PASS, both sign, it widens, it is explained, held and cut."""

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
    from headgate.testing.cast import Member


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


def test_a_release_is_watched_signed_for_promoted_held_and_cut(browser: Browser, mine: Running, tmp_path: Path) -> None:
    lead = come_in(browser, mine, "Lena", "safety_lead")
    manager = come_in(browser, mine, "Marek", "release_manager")
    reviewers = [Reviewer(staff(mine.where, name, "safety_reviewer"), harmful) for name in ("Ines", "Omar")]
    members = [mine.member(f"inner {number}") for number in range(3)]
    a_gate_turns_before_their_eyes(lead, mine, members, reviewers)
    the_report_is_read_without_us(browser, manager, mine, tmp_path)
    two_people_sign(lead, manager, mine)
    a_decision_is_explained(manager, mine)
    it_is_held(manager, mine)
    a_cut_is_one_press_and_a_reason(lead, mine)
    assert lead.complaints == []
    assert manager.complaints == []
    lead.context.close()
    manager.context.close()


def a_gate_turns_before_their_eyes(lead: Reader, mine: Running, members: list[Member], reviewers: list[Reviewer]) -> None:
    page = lead.open(page_of(mine))
    rate = page.locator("#gate-rate-harm")
    expect(rate.locator(".verdict")).to_have_text("INSUFFICIENT")
    looked_at(lead, "release-empty")
    for number in range(14):
        assert mine.ask(members[number % 3], f"question {number}", max_tokens=2).status_code == 200

    def labelled() -> bool:
        for reviewer in reviewers:
            while reviewer.once():
                pass
        return mine.gate("rate")["shown"] == "PASS"

    eventually(labelled, 30)
    expect(rate.locator(".verdict")).to_have_text("PASS", timeout=20_000)
    expect(rate.locator("figure[data-drawn=true] svg")).to_be_visible(timeout=60_000)
    rate.get_by_text("Show the numbers").click()
    expect(rate.locator("table tbody tr").first).to_be_visible()
    eventually(lambda: page.locator("#go-on").get_by_text("waits for a").count() >= 1, 20)
    looked_at(lead, "release-gates-pass")


def two_people_sign(lead: Reader, manager: Reader, mine: Running) -> None:
    for somebody, sees in ((manager, "waits for a safety lead"), (lead, "You have signed")):
        page = somebody.open(page_of(mine))
        page.get_by_role("link", name="Sign…").click()
        expect(page.get_by_role("heading", name="On which evidence")).to_be_visible()
        if somebody is manager:
            looked_at(somebody, "release-sign")
        page.get_by_role("button", name="Sign", exact=True).click()
        expect(page.get_by_role("status").filter(has_text="recorded")).to_be_visible()
        if somebody is manager:
            expect(page.locator("#go-on")).to_contain_text(sees)
    # Nobody reloads: the first signer sees the stage open as the controller opens it.
    expect(manager.page.locator(".pool[data-standing=here]")).to_contain_text("second", timeout=20_000)
    expect(manager.page.locator("#decisions")).to_contain_text("promote")
    looked_at(manager, "release-promoted")


def the_report_is_read_without_us(browser: Browser, manager: Reader, mine: Running, tmp_path: Path) -> None:
    """The file that is handed on is opened from a disk: it has to bring along all it needs, and to be read in either theme."""
    with manager.page.expect_download() as handed:
        manager.open(page_of(mine)).get_by_role("link", name="HTML").click()
    kept = tmp_path / "gate-report.html"
    handed.value.save_as(kept)
    committee = reader(browser, kept.as_uri())
    asked: list[str] = []
    committee.page.on("request", lambda request: asked.append(request.url))
    page = committee.open("")
    expect(page.get_by_role("heading", name="In detail")).to_be_visible()
    assert page.locator("figure svg").count() >= 1
    assert asked == [kept.as_uri()]
    looked_at(committee, "gate-report")
    committee.context.close()


def a_decision_is_explained(manager: Reader, mine: Running) -> None:
    page = manager.open(page_of(mine))
    promoted = page.locator("#decisions li[data-kind=promote]")
    promoted.get_by_role("link").click()
    expect(page.get_by_role("status").filter(has_text="the same decision")).to_be_visible()
    page.get_by_role("button", name="Leave out each piece of evidence in turn").click()
    row = page.locator("#without tr", has_text="rate.harm").first
    expect(row).to_contain_text("INSUFFICIENT")
    looked_at(manager, "release-decision")


def it_is_held(manager: Reader, mine: Running) -> None:
    page = manager.open(page_of(mine))
    page.get_by_role("link", name="Hold…").click()
    page.get_by_role("button", name="Hold", exact=True).click()
    assert page.url.endswith("/hold"), "a hold without a reason goes nowhere"
    page.get_by_label(re.compile("Why")).fill("a look at <script>alert(1)</script> first")
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.locator(".state")).to_contain_text("HELD at second")
    expect(page.locator("#decisions")).to_contain_text("a look at <script>alert(1)</script> first")


def a_cut_is_one_press_and_a_reason(lead: Reader, mine: Running) -> None:
    page = lead.open(page_of(mine))
    page.get_by_role("link", name="Cut access now").click()
    expect(page.locator("main")).to_contain_text("Closes second, first.")
    expect(page.locator("main")).to_contain_text("Open streams end at once.")
    expect(page.locator(".chief")).to_contain_text("14")
    looked_at(lead, "release-cut")
    page.get_by_label(re.compile("Why")).fill("somebody got hurt")
    page.get_by_role("button", name="Cut access now").click()
    expect(page.locator(".state")).to_contain_text("CUT")
    expect(page.get_by_role("link", name="Cut access now")).to_have_count(0)
    assert mine.status()["stage"] == 0
    looked_at(lead, "release-after-cut")
