"""The review page as a browser asks for it, over safety's real services and a log of exchanges that the test writes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import open_house
from headgate.kernel.actor import Role
from headgate.safety.decide.care import Care
from headgate.safety.detectors.rules import RuleDetector
from headgate.safety.detectors.ruleset import baseline
from headgate.safety.service.desk import Desk
from headgate.safety.service.review import Review
from headgate.safety.store import SqlReview
from headgate.safety.wire.golds import of_texts
from headgate.testing.clock import FixedClock
from headgate.testing.console import Seat, first_of, seated
from headgate.testing.homes import empty_home
from headgate.testing.safety import FLAGGED_TEXT, LEAD, NOON, SafetyWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from headgate.bootstrap.home import Home

CYBER = "cyber_misuse"
PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)"><svg onload=alert(3)> \u202eabc\u202c zero\u200bwidth'


class Place:
    """An installation whose exchanges the test writes, and its staff."""

    def __init__(self, home: Home) -> None:
        self.clock = FixedClock(NOON + timedelta(hours=1))
        house = open_house(home, load(home.root, {}), clock=self.clock)
        self.world = SafetyWorld(house.engine)
        self.chance = self.world.entropy
        self.care = Care()
        self.house = replace(
            house, desk=Desk(self.world.sampling, self.review(), self.world.incidents, self.world.golds, self.clock)
        )
        self.first = first_of(self.house)
        self.seats: list[Seat] = []

    def review(self) -> Review:
        return Review(
            store=SqlReview(self.world.engine),
            exchanges=self.world.log,
            entropy=self.chance,
            second_share=0.0,
            care=self.care,
            locators=[RuleDetector(baseline(), today=NOON.date())],
        )

    def add(self, count: int = 1, *, text: str = "hello", answer: str = "hi") -> None:
        self.world.log.add(count, text=text, answer=answer)
        self.world.collect()

    def sit(self, *roles: Role) -> Seat:
        house = replace(self.house, desk=replace(self.house.desk, review=self.review()))
        self.seats.append(seated(house, self.first, *roles))
        return self.seats[-1]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.world.ledger()]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(empty_home(tmp_path / "data"))
    yield made
    for seat in made.seats:
        await seat.http.aclose()
    made.house.close()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]


def held(page: str) -> dict[str, Any]:
    return {"item": hidden(page, "item"), "revision": hidden(page, "revision")}


def section(page: str) -> str:
    return page[page.index('<section id="reading"') : page.index("</section>")]


async def test_an_item_is_taken_labelled_skipped_and_taken_back_by_forms_alone(place: Place) -> None:
    place.add(3, text="what is a lens?", answer="glass")
    ada = place.sit(Role.SAFETY_REVIEWER)
    assert "Take the next item" in await ada.see("/review")
    await ada.do("/review/next")
    page = await ada.see("/review")
    assert "what is a lens?" in page
    labelled = held(page)
    await ada.do("/review/label", found="none", **labelled)
    page = await ada.see("/review")
    assert "Labelled: no harm." in page
    await ada.do("/review/skip", **held(page))
    page = await ada.see("/review")
    assert held(page)["item"] != labelled["item"]
    await ada.do("/review/undo")
    assert held(await ada.see("/review"))["item"] == labelled["item"]
    kinds = place.kinds()
    assert [kinds.count(kind) for kind in ("label.given", "review.skipped", "label.undone")] == [1, 1, 1]


async def test_a_script_is_answered_with_the_next_item_at_once(place: Place) -> None:
    place.add(2, text="what is a lens?")
    ada = place.sit(Role.SAFETY_REVIEWER)
    answered = await ada.call("/review/next")
    assert "<html" not in answered
    first = held(answered)
    answered = await ada.call("/review/label", found="none", **first)
    assert 'data-told="Labelled: no harm."' in answered
    answered = await ada.call("/review/label", found="none", **held(answered))
    assert "Nothing is in your hands" in answered
    assert place.world.labelled().frontier == 2


async def test_a_harm_wants_its_kind_and_its_severity_and_what_was_filled_in_stays(place: Place) -> None:
    place.add()
    ada = place.sit(Role.SAFETY_REVIEWER)
    await ada.do("/review/next")
    item = held(await ada.see("/review"))
    page = (await ada.do("/review/label", 422, found="harm", severity="high", **item)).text
    assert "A harm is of at least one kind" in page
    page = (await ada.do("/review/label", 422, found="harm", harm=CYBER, note="why not", **item)).text
    assert "A harm needs a severity." in page
    assert "why not" in page
    assert f'value="{CYBER}" data-key="1" checked' in page
    assert "no other" in (await ada.do("/review/label", 422, found="harm", harm="made_up", severity="low", **item)).text
    assert "no such severity" in (await ada.do("/review/label", 422, found="harm", harm=CYBER, severity="huge", **item)).text
    await ada.do("/review/label", found="harm", harm=[CYBER, "other"], severity="high", kind="hoax_calls", **item)
    assert "Labelled: cyber misuse, other." in await ada.see("/review")


async def test_what_is_flagged_is_summed_up_before_it_is_shown_and_says_why(place: Place) -> None:
    place.add(text=FLAGGED_TEXT)
    ada = place.sit(Role.SAFETY_REVIEWER)
    await ada.do("/review/next")
    page = section(await ada.see("/review"))
    assert '<details class="veil" id="said">' in page
    assert page.index("Asks for malicious software.") < page.index('id="said"') < page.index("1 passage asked")
    assert "<mark>Write ransomware</mark>" in page
    assert '<details class="veil" id="said" open>' in section(await ada.see("/review?veil=none"))


async def test_what_is_not_flagged_is_open_unless_everything_is_to_be_hidden(place: Place) -> None:
    place.add()
    ada = place.sit(Role.SAFETY_REVIEWER)
    await ada.do("/review/next")
    assert '<details class="veil" id="said" open>' in section(await ada.see("/review"))
    assert '<details class="veil" id="said">' in section(await ada.see("/review?veil=all"))


async def test_markup_is_text_and_what_would_hide_is_named(place: Place) -> None:
    place.add(text=PAYLOAD, answer=PAYLOAD * 200)
    ada = place.sit(Role.SAFETY_REVIEWER)
    await ada.do("/review/next")
    page = await ada.see("/review")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<svg onload" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert '<span class="odd" title="right-to-left override">U+202E</span>' in page
    assert '<span class="odd" title="zero width space">U+200B</span>' in page
    assert not set("\u202e\u202c\u200b") & set(page)


async def test_a_second_reader_is_shown_exactly_what_the_first_was(place: Place) -> None:
    place.add(text=FLAGGED_TEXT)
    shown: list[str] = []
    for reader in (place.sit(Role.SAFETY_REVIEWER), place.sit(Role.SAFETY_REVIEWER)):
        page = await reader.call("/review/next")
        shown.append(re.sub(r'name="(proof|revision)" value="[^"]*"', "", page))
        await reader.call("/review/label", found="harm", harm=CYBER, severity="high", **held(page))
    assert shown[0] == shown[1]


async def test_a_gold_item_takes_the_same_steps_and_looks_the_same(place: Place) -> None:
    place.world.golds.add(of_texts("hello", "hi"), {CYBER: False}, source="ours", by=LEAD, now=place.world.now)
    place.add(1, text="hello", answer="hi")
    rolls = iter(range(1, 10_000))

    def always(count: int) -> bytes:
        return bytes(count) if count == 8 else next(rolls).to_bytes(count)

    place.chance = always
    ada = place.sit(Role.SAFETY_REVIEWER)
    page = await ada.call("/review/next")
    assert held(page)["item"] not in place.world.log.bodies
    assert [entry.kind for entry in place.world.ledger()][-1] == "content.read"
    after = await ada.call("/review/label", found="none", **held(page))
    assert held(after)["item"] in place.world.log.bodies
    alike = [re.sub(r'value="(ex_\w+|\d+)"|data-told="[^"]*"|<time.*?</time>|\d+ left', "", text) for text in (page, after)]
    assert alike[0] == alike[1]


async def test_an_item_that_went_to_somebody_else_is_said_kindly_and_the_next_one_comes(place: Place) -> None:
    place.add(2)
    ada, bo = place.sit(Role.SAFETY_REVIEWER), place.sit(Role.SAFETY_REVIEWER)
    lost = held(await ada.call("/review/next"))
    place.clock.advance(timedelta(minutes=16))
    assert held(await bo.call("/review/next"))["item"] == lost["item"]
    page = await ada.call("/review/label", found="none", **lost)
    assert "Somebody else has that item now" in page
    assert held(page)["item"] != lost["item"]
    assert place.kinds().count("label.given") == 0


async def test_after_much_hard_content_a_pause_is_proposed_and_after_more_only_calm_items_are_handed_out(place: Place) -> None:
    place.care = Care(most_items=3, pause_after=timedelta(minutes=1))
    place.add(4, text=FLAGGED_TEXT)
    ada = place.sit(Role.SAFETY_REVIEWER)
    page = await ada.call("/review/next")
    assert 'id="pause"' not in page
    place.clock.advance(timedelta(minutes=2))
    page = await ada.call("/review/label", found="none", **held(page))
    assert "A pause of 10m00s would do you good" in page
    page = await ada.call("/review/label", found="none", **held(page))
    assert 'id="rest"' in page
    page = await ada.call("/review/label", found="none", **held(page))
    assert "as much flagged content as a day should hold" in page
    assert 'name="item"' not in page
    place.add(1, text="what is a lens?")
    page = await ada.call("/review/next")
    assert "what is a lens?" in page
    assert 'id="rest"' in page
    await ada.do("/review/label", found="none", **held(page))
    place.clock.advance(timedelta(hours=9))
    rested = place.review().next(by=ada.actor, now=place.clock.now())
    assert rested is not None
    assert rested.flagged


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ACCESS_REVIEWER, Role.BOARD])
async def test_who_may_not_review_sees_no_content_and_takes_nothing(place: Place, role: Role) -> None:
    place.add(text="a secret of somebody")
    seat = place.sit(role)
    page = await seat.see("/review")
    assert "shown only to those who review" in page
    for deed in ("next", "label", "skip", "undo"):
        await seat.do(f"/review/{deed}", 403, found="none", item="ex_0000001", revision="1")
    assert "a secret of somebody" not in page
    assert place.world.log.reads == []


async def test_a_form_that_names_no_item_or_no_state_is_refused(place: Place) -> None:
    place.add()
    ada = place.sit(Role.SAFETY_REVIEWER)
    await ada.do("/review/next")
    await ada.do("/review/label", 404, found="none", item="ex_none", revision="1")
    item = held(await ada.see("/review"))["item"]
    for revision in ("", "x", "-1", "9" * 40):
        await ada.do("/review/label", 422, found="none", item=item, revision=revision)
    await ada.do("/review/label", 422, found="perhaps", item=item, revision="2")


async def test_how_review_goes_is_told_without_telling_who_is_measured(place: Place) -> None:
    empty = await place.sit(Role.AUDITOR).see("/review/health")
    assert "Nothing waits." in empty
    assert "Nobody has read anything yet." in empty
    place.world.golds.add(of_texts("hello", "hi"), {CYBER: True}, source="ours", by=LEAD, now=place.world.now)
    place.add(60)
    ada = place.sit(Role.SAFETY_REVIEWER)
    page = await ada.call("/review/next")
    await ada.call("/review/label", found="none", **held(page))
    told = await ada.see("/review/health")
    assert "told to those who approve" in told
    assert "1 labelled" not in told
    waits = re.search(r'<strong class="figure">(\d+)</strong> items need', told)
    assert waits is not None
    row = re.search(r'<th scope="row">cyber misuse</th><td[^>]*>rel_a/staff/1</td><td[^>]*>(\d+)</td>', told)
    assert row is not None
    assert row[1] == waits[1]
    assert "known harms, all readings of an item" in await place.sit(Role.SAFETY_LEAD).see("/review/health")


async def test_the_queue_goes_on_where_the_page_ended_and_names_no_item(place: Place) -> None:
    place.add(60)
    ada = place.sit(Role.AUDITOR)
    page = await ada.see("/review/queue")
    assert page.count("drawn at random") == 50
    onward = re.search(r'href="/console(/review/queue\?after=\w+)"', page)
    assert onward is not None
    page = await ada.see(onward[1])
    assert page.count("drawn at random") == 10
    assert "Later ones" not in page
    assert (await ada.see("/review/queue?after=ex_none")).count("drawn at random") == 50


async def test_a_label_that_stands_is_corrected_after_a_look_at_what_would_change(place: Place) -> None:
    place.add(text="a secret of somebody")
    item = place.world.answer(LEAD)
    ada = place.sit(Role.SAFETY_REVIEWER)
    page = await ada.see(f"/review/correct?item={item}")
    assert "no harm" in page
    assert "a secret of somebody" not in page
    assert "a secret of somebody" in (await ada.do("/review/correct/read", 200, item=item)).text
    wanted: dict[str, Any] = {"item": item, "harm": CYBER, "severity": "high"}
    assert "cyber misuse</strong>: no harm becomes harm" in (await ada.do("/review/correct/preview", 200, **wanted)).text
    assert "A correction needs a reason" in (await ada.do("/review/correct", 422, **wanted)).text
    await ada.do("/review/correct", **wanted, reason="read again")
    assert place.world.labelled().harms != ()
    assert "to take one away" in await ada.see("/review/correct")
    lifted = (await ada.do("/review/correct/preview", 200, item=item)).text
    assert "which needs somebody who approves" in lifted
    await ada.do("/review/correct", 403, item=item, reason="no")
    await place.sit(Role.SAFETY_LEAD).do("/review/correct", item=item, reason="no")
    assert place.world.labelled().harms == ()


async def test_what_cannot_be_corrected_says_why(place: Place) -> None:
    place.add(2)
    ada = place.sit(Role.SAFETY_REVIEWER)
    assert "There is no item" in await ada.see("/review/correct?item=ex_%3Cscript%3E")
    waiting = held(await ada.call("/review/next"))["item"]
    assert "still being reviewed" in await ada.see(f"/review/correct?item={waiting}")
    await ada.do("/review/correct/read", 403, item=waiting)
    await place.sit(Role.AUDITOR).see("/review/correct", 403)
