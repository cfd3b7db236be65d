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
from headgate.testing.safety import ADA, AUDITOR, BO, FLAGGED_TEXT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.kernel.actor import Actor
    from headgate.testing.safety import SafetyWorld

CYBER = "cyber_misuse"
WHO = {"ada": ADA, "bo": BO, "audit": AUDITOR}
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
