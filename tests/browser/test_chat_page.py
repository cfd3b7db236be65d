"""The chat page: in by a link, a conversation that streams, limits, a report, and a cut while the model speaks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from browser.kit import Reader, looked_at, origin, reader
from functional.kit import Running, eventually, running
from headgate.testing.installation import small_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser


def visiting(somebody: Reader, headgate: Running, name: str) -> Reader:
    """Let somebody onto the chat page by a link."""
    seat = headgate.member(name)
    made = json.loads(headgate.where.command("grant", "invite", seat.grant_id, "--json"))
    somebody.page.goto(made["link"])
    somebody.page.wait_for_url(lambda url: url.endswith("/chat/"))
    return somebody


def say(somebody: Reader, text: str) -> None:
    somebody.page.get_by_label("Your message").fill(text)
    somebody.page.keyboard.press("Enter")


def answers(somebody: Reader) -> list[str]:
    return somebody.page.locator('.turn[data-role="assistant"] .text').all_inner_texts()


def test_a_visitor_talks_reports_and_leaves(anybody: Reader, headgate: Running) -> None:
    page = visiting(anybody, headgate, "Visitor <script>alert(1)</script>").page
    assert "#" not in page.url
    looked_at(anybody, "chat-empty")
    say(anybody, "Hello <img src=x onerror=alert(1)> **there**")
    page.get_by_role("button", name="Report").wait_for()
    assert answers(anybody)[0]
    assert page.locator(".conversation img, .conversation script").count() == 0
    assert "messages" in page.locator("#left").inner_text()
    looked_at(anybody, "chat")
    page.get_by_role("button", name="Report").click()
    page.get_by_label("What is wrong with it?").fill("It told me something it should not.")
    page.get_by_role("dialog").get_by_role("button", name="Report").click()
    page.get_by_role("button", name="Reported").wait_for()
    found = headgate.admin("GET", "/api/incidents")
    assert any("It told me" in incident["title"] for incident in found["incidents"])
    page.get_by_role("button", name="Leave").click()
    anybody.open("/chat/")
    assert page.get_by_role("heading", name="Open the chat page").is_visible()


def test_a_conversation_is_kept_by_its_owners_choice_alone(anybody: Reader, headgate: Running) -> None:
    page = visiting(anybody, headgate, "Keeper").page
    say(anybody, "Remember me")
    page.get_by_role("button", name="Report").wait_for()
    page.reload()
    assert answers(anybody) == []
    say(anybody, "Remember me now")
    page.get_by_role("button", name="Report").wait_for()
    page.get_by_label("Keep this conversation").check()
    page.reload()
    assert len(answers(anybody)) == 1
    page.get_by_role("button", name="Begin a new conversation").click()
    page.reload()
    assert answers(anybody) == []


def test_the_session_is_no_key_and_a_key_no_session(anybody: Reader, headgate: Running) -> None:
    visiting(anybody, headgate, "Scripter")
    cookie = next(each for each in anybody.context.cookies() if each.get("name") == "headgate-chat")
    name, value = cookie.get("name", ""), cookie.get("value", "")
    assert cookie.get("httpOnly")
    body = {"model": headgate.model, "messages": [{"role": "user", "content": "Hello"}]}
    url = headgate.where.url
    refused = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {value}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope.missing")
    for headers in ({}, {"origin": "https://elsewhere.example"}, {"origin": origin(headgate)}):
        forged = httpx.post(f"{url}/chat/say", json=body, cookies={name: value}, headers=headers)
        assert (forged.status_code, forged.json()["code"]) == (403, "session.forged")
    key = headgate.member("Key holder").key
    unknown = httpx.get(f"{url}/chat/", cookies={name: key}, headers={"accept": "text/html"})
    assert unknown.status_code == 401


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Running]:
    """A Headgate before a model that takes a quarter of a second for each word."""
    with small_model("--tokens-per-second", "4") as model, running(tmp_path / "data", model) as whole:
        yield whole


def test_a_cut_ends_the_answer_that_is_being_written(browser: Browser, slow: Running) -> None:
    somebody = visiting(reader(browser, origin(slow)), slow, "Talker")
    say(somebody, "Tell me a long story")
    eventually(lambda: len("".join(answers(somebody))) > 0)
    slow.admin("POST", f"/api/releases/{slow.release}/cut", {"reason": "a test"})
    somebody.page.get_by_role("alert").wait_for()
    assert answers(somebody) != []
    somebody.page.reload()
    assert somebody.page.get_by_text("There is no model that you can talk to now.").is_visible()
    looked_at(somebody, "chat-closed")
    somebody.context.close()
