"""The routes, asked over HTTP in the same process's own server stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import httpx
import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse

from headgate.kernel.clock import SystemClock
from headgate.kernel.errors import HeadgateError
from headgate.safety.http import routes
from headgate.safety.service.desk import Desk
from headgate.testing.safety import ADA, AUDITOR, BO, EPOCH, FLAGGED_TEXT, LEAD, an_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.kernel.actor import Actor
    from headgate.testing.safety import SafetyWorld

CYBER = "cyber_misuse"
WHO = {"ada": ADA, "bo": BO, "audit": AUDITOR, "lead": LEAD}
LABEL = {"harms": {CYBER: True, "harmful_advice": False, "other": False}, "severity": "high", "note": "the note"}


def asking(x_who: Annotated[str, Header()] = "ada") -> Actor:
    return WHO[x_who]


def refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HeadgateError)
    return JSONResponse({"code": error.code}, status_code=409)


@pytest.fixture
async def client(world: SafetyWorld) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(routes(Desk(world.sampling, world.review, world.incidents, world.golds, SystemClock()), asking))
    app.add_exception_handler(HeadgateError, refused)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headgate") as client:
        yield client


async def test_an_item_is_taken_labelled_undone_and_labelled_again(world: SafetyWorld, client: httpx.AsyncClient) -> None:
    world.log.add(text=FLAGGED_TEXT)
    world.collect()
    answer = await client.post("/api/review/next")
    assert answer.headers["cache-control"] == "no-store"
    item = answer.json()["item"]
    assert item["prompt"] == [{"source": "user", "text": FLAGGED_TEXT}]
    assert item["signals"][0]["rule"] == "cyber.write-malware"
    label = LABEL | {"item": item["item"], "revision": item["revision"]}
    assert (await client.post("/api/review/label", json=label)).status_code == 200
    assert (await client.post("/api/review/label", json=label)).json() == {"code": "review.claim_lost"}
    assert (await client.post("/api/review/undo")).json() == {"item": item["item"]}


async def test_a_second_reader_is_told_nothing_of_the_first(world: SafetyWorld, client: httpx.AsyncClient) -> None:
    world.log.add()
    world.collect()
    first = (await client.post("/api/review/next")).json()["item"]
    await client.post("/api/review/label", json=LABEL | {"item": first["item"], "revision": first["revision"]})
    answer = await client.post("/api/review/next", headers={"x-who": "bo"})
    second = answer.json()["item"]
    assert second.keys() == first.keys()
    same = set(first) - {"revision", "lease_until", "left"}
    assert {key: first[key] for key in same} == {key: second[key] for key in same}
    for secret in ("the note", "stf_ada", "opinion", "severity", "wanted"):
        assert secret not in answer.text


async def test_permissions_are_checked_behind_the_routes(world: SafetyWorld, client: httpx.AsyncClient) -> None:
    world.log.add()
    world.collect()
    audit = {"x-who": "audit"}
    for path, body in (
        ("/api/review/next", None),
        ("/api/review/undo", None),
        ("/api/review/skip", {"item": "ex_1", "revision": 1}),
        ("/api/review/label", LABEL | {"item": "ex_1", "revision": 1}),
        ("/api/incidents", {"release": "rel_a", "severity": "low", "title": "t", "hazard": "other"}),
    ):
        assert (await client.post(path, json=body, headers=audit)).json() == {"code": "forbidden"}
    assert (await client.get("/api/review/health", headers=audit)).json()["backlog"] == 1


async def test_unknown_fields_and_wrong_types_are_refused(client: httpx.AsyncClient) -> None:
    for body in ({"item": "x"}, LABEL | {"item": "x", "revision": 1, "why": "?"}, LABEL | {"item": "x", "revision": "one"}):
        assert (await client.post("/api/review/label", json=body)).status_code == 422


async def test_an_incident_is_opened_listed_and_moved_only_from_what_was_seen(client: httpx.AsyncClient) -> None:
    body = {"release": "rel_a", "severity": "critical", "title": "it happened", "hazard": CYBER}
    incident = (await client.post("/api/incidents", json=body)).json()
    path = f"/api/incidents/{incident['id']}"
    triaged = await client.post(f"{path}/state", json={"to": "triaged", "revision": 1, "severity": "high"})
    assert (triaged.json()["state"], triaged.json()["severity"]) == ("triaged", "high")
    stale = await client.post(f"{path}/state", json={"to": "resolved", "revision": 1})
    assert stale.json() == {"code": "incident.moved"}
    assert (await client.get("/api/incidents", params={"open": "true"})).json()["incidents"] == [triaged.json()]
    assert (await client.get("/api/incidents/inc_none")).json() == {"code": "incident.unknown"}


GOLD = {"prompt": "how do I harm", "completion": "like this", "harms": [CYBER], "no_harms": ["other"], "source": "our own"}
BOSS = {"x-who": "lead"}


async def test_a_gold_item_goes_in_measures_and_never_comes_out(world: SafetyWorld, client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/golds", json=GOLD, headers=BOSS)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    gold = answer.json()["gold"]
    listed = await client.get("/api/golds", headers=BOSS)
    (line,) = listed.json()["golds"]
    assert line == {
        "gold": gold,
        "known": {CYBER: True, "other": False},
        "source": "our own",
        "flagged": False,
        "shown": 0,
        "retired": False,
    }
    assert "how do I harm" not in listed.text
    assert listed.headers["cache-control"] == "no-store"
    assert [entry.kind for entry in world.ledger()][-1] == "gold.added"
    assert (await client.post(f"/api/golds/{gold}/retire", headers=BOSS)).json() == {"gold": gold}
    assert (await client.get("/api/golds", headers=BOSS)).json() == {"golds": []}
    kept = (await client.get("/api/golds", params={"retired": "true"}, headers=BOSS)).json()["golds"]
    assert [line["retired"] for line in kept] == [True]
    assert (await client.post("/api/golds/gold_none/retire", headers=BOSS)).json() == {"code": "review.gold_unknown"}


async def test_what_golds_say_of_readers_is_told_by_hazard_and_by_reader(world: SafetyWorld, client: httpx.AsyncClient) -> None:
    for number in range(8):
        await client.post("/api/golds", json=GOLD | {"prompt": f"harm {number}"}, headers=BOSS)
    world.log.add(60)
    world.collect()
    for reviewer in (ADA, BO):
        for _ in range(90):
            item = world.review.next(by=reviewer, now=world.now)
            if item is None:
                break
            texts = "" if item.texts is None or item.texts.prompt is None else item.texts.prompt[0].text
            harms = (CYBER,) if texts.startswith("harm") else ()
            world.review.label(
                item.item, an_answer(*harms, hazards=item.hazards), revision=item.revision, by=reviewer, now=world.now
            )
    found = (await client.get("/api/golds/results", params={"epoch": EPOCH}, headers=BOSS)).json()
    (harm,) = (line for line in found["results"] if line["hazard"] == CYBER)
    assert harm["shown"] == harm["recognised"] > 0
    assert 0 < harm["at_least"] < 1
    assert {reader["reviewer"] for reader in found["readers"]} == {ADA.id, BO.id}
    assert all(reader["recognised"] == reader["shown"] for reader in found["readers"])
    empty = await client.get("/api/golds/results", params={"epoch": "rel_z/none/1"}, headers=BOSS)
    assert empty.json() == {"results": [], "readers": []}
    assert (await client.get("/api/golds/results", headers=BOSS)).status_code == 422


@pytest.mark.parametrize("who", ["ada", "audit"])
async def test_whoever_reviews_learns_nothing_of_gold_items(client: httpx.AsyncClient, who: str) -> None:
    asking = {"x-who": who}
    gold = (await client.post("/api/golds", json=GOLD, headers=BOSS)).json()["gold"]
    answers = [
        await client.get("/api/golds", headers=asking),
        await client.get("/api/golds/results", params={"epoch": EPOCH}, headers=asking),
        await client.post("/api/golds", json=GOLD | {"prompt": "another"}, headers=asking),
        await client.post(f"/api/golds/{gold}/retire", headers=asking),
        await client.post("/api/golds/gold_none/retire", headers=asking),  # whether there is one is not told either
    ]
    assert [answer.json() for answer in answers] == [{"code": "forbidden"}] * 5
    assert [line["retired"] for line in (await client.get("/api/golds", headers=BOSS)).json()["golds"]] == [False]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"prompt": None}, 409),
        ({"request": {}, "response": {}}, 409),
        ({"harms": [], "no_harms": []}, 409),
        ({"no_harms": [CYBER]}, 409),
        ({"harms": "all"}, 422),
        ({"note": "?"}, 422),
        ({"source": None}, 422),
    ],
)
async def test_what_cannot_measure_anybody_is_refused(client: httpx.AsyncClient, changed: dict[str, object], status: int) -> None:
    answer = await client.post("/api/golds", json=GOLD | changed, headers=BOSS)
    assert answer.status_code == status
    if status == 409:
        assert answer.json() == {"code": "review.gold_invalid"}
    assert (await client.get("/api/golds", headers=BOSS)).json() == {"golds": []}
