"""The chat page without a browser: both APIs of a model server, terms, and the record that every exchange leaves."""

from __future__ import annotations

import contextlib
import json
import re

import httpx
import pytest

from functional.kit import Running, apply, eventually, plan

COHORTS = ("visitors", "later-visitors")


@pytest.fixture(scope="module")
def anthropic(shared: Running) -> Running:
    """A release of a server that speaks Anthropic's API."""
    text = plan(shared.upstream, name="other-words", cohorts=COHORTS)
    text = text.replace("model: small-model, timeout_s", "model: small-model, api: anthropic, timeout_s")
    text = text.replace("[api.chat, chat_page]", "[api.messages, chat_page]")
    return Running(shared.where, apply(shared.where, text, COHORTS), shared.upstream, "other-words")


class Visit(contextlib.AbstractContextManager["Visit"]):
    """Somebody on the chat page, by its own addresses."""

    def __init__(self, headgate: Running, name: str, cohort: str = "inner") -> None:
        seat = headgate.member(name, cohort)
        link = json.loads(headgate.where.command("grant", "invite", seat.grant_id, "--json"))["link"]
        self.account_id = seat.account_id
        self.model = headgate.model
        self.http = httpx.Client(base_url=headgate.where.url, headers={"origin": headgate.where.url}, trust_env=False, timeout=30)
        entered = self.http.post("/chat/enter", data={"link": link}, headers={"accept": "text/html"})
        assert entered.status_code == 303, entered.text
        self.page = self.http.get("/chat/", headers={"accept": "text/html"}).text
        self.proof = re.search(r'name="proof" value="([0-9a-f]+)"', self.page)

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def say(self, *messages: dict[str, str]) -> httpx.Response:
        assert self.proof is not None
        body = {"model": self.model, "messages": list(messages)}
        return self.http.post("/chat/say", json=body, headers={"x-page-proof": self.proof[1]})


def test_a_model_server_of_the_other_api_answers_in_its_own_words(anthropic: Running) -> None:
    with Visit(anthropic, "Visitor", COHORTS[0]) as visit:
        answered = visit.say({"role": "user", "content": "Hello"})
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in answered.headers["cache-control"]
    events = [json.loads(line[5:]) for line in answered.text.splitlines() if line.startswith("data:")]
    assert events[-1]["type"] == "message_stop"
    assert any(event["type"] == "content_block_delta" for event in events)
    eventually(lambda: anthropic.endings(of=visit.account_id)["completed"] == 1)


def test_what_is_said_is_recorded_as_said_on_the_chat_page(shared: Running) -> None:
    with Visit(shared, "Recorded") as visit:
        assert visit.say({"role": "user", "content": "Hello"}).status_code == 200
    eventually(lambda: shared.endings(of=visit.account_id)["completed"] == 1)


def test_the_stage_holds_on_the_chat_page_too(shared: Running) -> None:
    with Visit(shared, "Talkative") as visit:
        turns = [{"role": "user", "content": "and?"}] * 9
        refused = visit.say(*turns)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "capability.max_turns")
        visit.model = "another"
        elsewhere = visit.say({"role": "user", "content": "Hello"})
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "chat_page.no_model")


def test_terms_come_first(shared: Running) -> None:
    cohort = "with-terms"
    shared.admin("POST", "/api/cohorts", {"name": cohort, "seats": 5, "terms_version": "2027-01"})
    seat = shared.member("Careful", cohort)
    link = json.loads(shared.where.command("grant", "invite", seat.grant_id, "--json"))["link"]
    with httpx.Client(base_url=shared.where.url, headers={"origin": shared.where.url}, trust_env=False) as http:
        http.post("/chat/enter", data={"link": link})
        page = http.get("/chat/", headers={"accept": "text/html"}).text
        assert "Terms to accept" in page
        proof = re.search(r'name="proof" value="([0-9a-f]+)"', page)
        assert proof is not None
        stale = http.post("/chat/terms", data={"proof": proof[1], "version": "2026-01"})
        assert stale.status_code == 409
        assert http.post("/chat/terms", data={"proof": proof[1], "version": "2027-01"}).status_code == 303
        assert "Terms to accept" not in http.get("/chat/", headers={"accept": "text/html"}).text
