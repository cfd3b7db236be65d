"""The pages of evidence as a browser asks for them, over releases and filed records on one real database."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import altair as alt
import pytest

from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import open_house
from headgate.evidence.model import Kept, Method
from headgate.evidence.model.calibration import Forecast
from headgate.evidence.store.forecasts import ForecastStore
from headgate.kernel.actor import Role
from headgate.kernel.verdict import Verdict
from headgate.testing.console import Seat, first_of, seated
from headgate.testing.evidence import declared
from headgate.testing.filing import FilingHouse
from headgate.testing.homes import empty_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from headgate.bootstrap.home import Home

PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'
CSV = "task,metric,unit,cluster,k,n\nintrusion,accuracy,item,,{k},{n}\n"


class Place:
    """An installation in which evidence is filed, and its staff."""

    def __init__(self, home: Home) -> None:
        house = open_house(home, load(home.root, {}))
        self.filed = FilingHouse(house.engine)
        self.filed.clock.set(house.clock.now())
        self.house = replace(house, filing=self.filed.filing, releases=self.filed.releases, clock=self.filed.clock)
        self.release = self.filed.apply()
        self.first = first_of(self.house)
        self.seats: list[Seat] = []

    def sit(self, *roles: Role) -> Seat:
        self.seats.append(seated(self.house, self.first, *roles))
        return self.seats[-1]

    def file(self, k: int, n: int, **changed: Any) -> str:
        measured: dict[str, Any] = {"produced_at": self.filed.clock.now(), **changed}
        return self.filed.file(k, n, **measured).id


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(empty_home(tmp_path / "data"))
    yield made
    for seat in made.seats:
        await seat.http.aclose()
    made.house.close()


def form(place: Place, **changed: str) -> dict[str, Any]:
    said = {
        "release": place.release.id,
        "kind": "capability",
        "suite": "dual_use",
        "domain": "cyber",
        "expires": "90d",
        "direction": "lower",
        "effort": "scaffolded",
        "attempts": "1",
        "evaluator": "an institute",
        "relationship": "third_party",
        "status": "final",
        "produced": "2026-03-01",
    }
    return {**said, **changed}


async def hand(seat: Seat, path: str, said: dict[str, Any], content: str | bytes, expect: int) -> httpx.Response:
    raw = content if isinstance(content, bytes) else content.encode()
    return await seat.do(path, expect, files={"file": ("results.csv", raw, "text/csv")}, **said)


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


async def test_a_file_is_shown_as_it_was_understood_before_it_is_filed(place: Place) -> None:
    seat = place.sit(Role.SAFETY_REVIEWER)
    assert "Nothing is on file." in await seat.see("/evidence")
    assert place.release.id in await seat.see("/evidence/new")
    said = form(place)
    looked = (await hand(seat, "/evidence/understood", said, CSV.format(k=3, n=120), 200)).text
    assert "3 of 120" in looked
    assert "Clopper" in looked.title()
    assert "Nothing is on file." in await seat.see("/evidence")
    other = await hand(seat, "/evidence", {**said, "seen": seen(looked)}, CSV.format(k=0, n=120), 422)
    assert "not the file that was looked at" in other.text
    filed = await hand(seat, "/evidence", {**said, "seen": seen(looked)}, CSV.format(k=3, n=120), 303)
    record = await seat.see(filed.headers["location"].removeprefix("/console"))
    assert "Filed: one record." in record
    for told in ("3 of 120", "third party", "scaffolded", "lower is safer", "sha256:"):
        assert told in record
    again = await hand(seat, "/evidence/understood", said, CSV.format(k=3, n=120), 422)
    assert "has been filed already" in again.text


@pytest.mark.parametrize(
    ("changed", "content", "why"),
    [
        ({}, b"PK\x03\x04 not really", "import.truncated"),
        ({}, b"what is this?", "import.unknown_format"),
        ({}, CSV.format(k=9, n=3), "import.unreadable"),
        ({"expires": "soon"}, CSV.format(k=1, n=3), "not a span of time"),
        ({"attempts": "0"}, CSV.format(k=1, n=3), "at least 1"),
        ({"kind": "guess"}, CSV.format(k=1, n=3), "Say which kind"),
        ({"suite": ""}, CSV.format(k=1, n=3), "names its suite"),
        ({"produced": "yesterday"}, CSV.format(k=1, n=3), "no date"),
        ({"release": "rel_none"}, CSV.format(k=1, n=3), "There is no release"),
    ],
)
async def test_what_is_no_evidence_is_refused_with_its_reason_and_stays_filled_in(
    place: Place, changed: dict[str, str], content: str | bytes, why: str
) -> None:
    seat = place.sit(Role.AUDITOR)
    page = (await hand(seat, "/evidence/understood", form(place, **changed), content, 422)).text
    assert why in page
    assert 'value="an institute"' in page
    assert "Nothing is on file." in await seat.see("/evidence")


async def test_without_a_file_nothing_is_looked_at(place: Place) -> None:
    seat = place.sit(Role.AUDITOR)
    assert "No file was chosen." in (await seat.do("/evidence/understood", 422, **form(place))).text


async def test_the_list_is_narrowed_down_and_goes_on_behind_its_page(place: Place) -> None:
    place.file(0, 60, suite="first")
    place.file(1, 61, suite="second", status=declared().status.PRELIMINARY)
    for number in range(55):
        place.file(number, 1000, suite="many")
    seat = place.sit(Role.AUDITOR)
    page = await seat.see("/evidence")
    assert page.count('<th scope="row">') == 50
    onward = re.search(r'href="/console(/evidence\?behind=\w+)"', page)
    assert onward is not None
    rest = await seat.see(onward[1])
    assert len(set(re.findall(r"evidence/(ev_\w+)", page + rest))) == 57
    assert rest.count('<th scope="row">') == 7
    for query, count in (
        ("suite=first", 1),
        ("standing=preliminary", 1),
        ("standing=final&suite=second", 0),
        ("standing=expired", 0),
        ("standing=superseded", 0),
        (f"release={place.release.id}&kind=capability&suite=many", 50),
        ("kind=audit", 0),
    ):
        assert (await seat.see(f"/evidence?{query}")).count('<th scope="row">') == count, query
    assert "There is no release" in await seat.see("/evidence?release=rel_none")


async def test_it_takes_two_people_to_supersede_and_what_would_flip_is_shown_first(place: Place) -> None:
    old = place.file(40, 60)
    place.filed.clock.advance(3600)
    lead, security = place.sit(Role.SAFETY_LEAD), place.sit(Role.SECURITY)
    said = form(place, produced=place.filed.clock.now().isoformat())
    looked = (await hand(lead, "/evidence/understood", said, CSV.format(k=1, n=61), 200)).text
    new = (await hand(lead, "/evidence", {**said, "seen": seen(looked)}, CSV.format(k=1, n=61), 303)).headers["location"][-29:]
    page = await lead.see(f"/evidence/{old}/supersede")
    assert new in page
    assert "evaluation.dual_use.api" in page
    judged: dict[str, Any] = {"revision": "1", "because": "measured again", "successor": new}
    refused = (await lead.do(f"/evidence/{old}/supersede", 409, **judged)).text
    assert "Ask somebody else who may judge evidence." in refused
    assert "measured again" in refused
    await security.do(f"/evidence/{old}/supersede", **judged)
    record = await security.see(f"/evidence/{old}")
    assert "its place was taken by" in record
    assert place.filed.filing.get(old, by=security.actor).superseded is not None
    moved = (await security.do(f"/evidence/{old}/supersede", 409, **judged)).text
    assert "since you looked" in moved


async def test_a_preliminary_record_is_finalised_carried_and_a_finding_answered_each_with_a_reason(place: Place) -> None:
    status = declared().status.PRELIMINARY
    record = place.file(1, 60, status=status)
    finding = place.file(2, 61, kind=declared().kind.REDTEAM)
    lead = place.sit(Role.SAFETY_LEAD)
    await lead.do(f"/evidence/{record}/finalise", 409, revision="1", because=" ")
    await lead.do(f"/evidence/{record}/finalise", revision="1", because="the evaluator wrote so")
    assert "the evaluator wrote so" in await lead.see(f"/evidence/{record}")
    await lead.do(f"/evidence/{finding}/dispose", 409, revision="1", because="mended")
    await lead.do(f"/evidence/{finding}/dispose", revision="1", because="mended", how="fixed")
    assert "mended" in await lead.see(f"/evidence/{finding}")
    assert (
        "counts for that version already"
        in (await lead.do(f"/evidence/{record}/carry", 409, revision="2", because="same weights", release=place.release.id)).text
    )
    await place.sit(Role.SAFETY_REVIEWER).do(f"/evidence/{record}/finalise", 403, revision="2", because="no")


async def test_what_a_record_says_is_text_wherever_it_is_shown(place: Place) -> None:
    record = place.file(1, 60, suite=PAYLOAD, domain=PAYLOAD)
    seat = place.sit(Role.SAFETY_LEAD)
    for path in ("/evidence", f"/evidence/{record}", f"/evidence/{record}/without", f"/evidence/{record}/supersede"):
        page = await seat.see(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page


async def test_predictions_and_comparisons_say_what_they_can_and_no_more(place: Place) -> None:
    seat = place.sit(Role.AUDITOR)
    assert "Nothing has been predicted yet." in await seat.see("/evidence/calibration")
    assert "Descriptive only" in await seat.see("/evidence/comparing?before=rel_a/a/1&after=rel_a/b/1&hazard=cyber_misuse")
    assert "No rise with the new access is shown" in await seat.see("/evidence/comparing?new=3&old=1")
    assert "New access raised the rate" in await seat.see("/evidence/comparing?new=60&old=1&share=0.5")
    assert "whole numbers" in await seat.see("/evidence/comparing?new=-1&old=1", 422)
    assert "between 0 and 1" in await seat.see("/evidence/comparing?new=1&old=1&share=nan", 422)


async def test_how_predictions_turned_out_is_drawn_with_its_numbers(place: Place) -> None:
    said = Forecast(
        epoch=f"{PAYLOAD}/staff/1",
        hazard="cyber_misuse",
        below=1e-2,
        alpha=0.05,
        reading="sha256:0",
        made_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        verdict=Verdict.INSUFFICIENT,
        method=Method.UNIFORM,
        labels=200,
        harms=0,
        upper_bound=0.018,
        level=0.03,
        to_go=400,
        expected_at=None,
    )
    passed = replace(said, made_at=said.made_at + timedelta(days=9), labels=800, verdict=Verdict.PASS, to_go=None)
    with ForecastStore(place.house.engine).transaction() as tx:
        tx.keep(Kept(said.reading, said.epoch, "rate", {}, {}, said.made_at))
        tx.predict(said)
        tx.predict(passed)
    page = await place.sit(Role.AUDITOR).see("/evidence/calibration")
    drawn = [json.loads(html.unescape(spec)) for spec in re.findall(r"data-spec='([^']+)'", page)]
    assert len(drawn) == 2
    for spec in drawn:
        alt.LayerChart.from_dict(spec)
        assert len(spec["data"]["values"]) == 1
    assert "1.50 times as many as predicted" in page
    for cell in ("95 % to 99 %", ">400</td>", ">600</td>"):
        assert cell in page
    assert "<script>alert" not in page


async def test_a_record_is_exported_and_one_that_is_not_there_is_not_found(place: Place) -> None:
    seat = place.sit(Role.AUDITOR)
    record = place.file(1, 60)
    assert '"schema_version"' in await seat.see(f"/evidence/{record}/export")
    await seat.see("/evidence/ev_none", 404)
    await seat.see("/evidence/ev_none/without", 404)
    assert "nothing would change" not in await seat.see(f"/evidence/{record}/without")
