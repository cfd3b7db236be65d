"""Evidence through the web application: the same use cases, and refusals as problems with a code."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from fastapi import Header

from headgate.bootstrap.http import web_application
from headgate.evidence.http import routes
from headgate.releases.http import routes as release_routes
from headgate.testing.releases import AUDITOR, AUTHOR, LEAD, MANAGER, SECURITY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.kernel.actor import Actor
    from headgate.testing.filing import FilingHouse

PEOPLE = {actor.name: actor for actor in (AUTHOR, LEAD, MANAGER, SECURITY, AUDITOR)}


def asking(x_who: Annotated[str, Header()] = LEAD.name) -> Actor:
    return PEOPLE[x_who]


@pytest.fixture
async def client(house: FilingHouse) -> AsyncIterator[httpx.AsyncClient]:
    house.apply()
    app = web_application([routes(house.filing, house.clock, asking), release_routes(house.releases, asking)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headgate") as client:
        yield client


def body(k: int = 3, n: int = 120, **changed: Any) -> dict[str, Any]:
    content = f"task,metric,unit,cluster,k,n\nintrusion,accuracy,item,,{k},{n}\n".encode()
    return {
        "content": b64encode(content).decode(),
        "name": "counts.csv",
        "release": "atlas-2",
        "kind": "capability",
        "suite": "dual_use",
        "expires": "90d",
        "direction": "lower",
        "elicitation": {"effort": "scaffolded", "steps": ["agent"], "attempts": 1, "note": ""},
        "evaluator": {"name": "an institute", "relationship": "third_party", "access": "AL2"},
        "produced_at": "2026-02-20T00:00:00Z",
        **changed,
    }


async def filed(client: httpx.AsyncClient, k: int = 3, **changed: Any) -> dict[str, Any]:
    answer = await client.post("/api/evidence", json=body(k, **changed))
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["filed"]
    return made


async def test_evidence_is_filed_listed_shown_and_handed_on(client: httpx.AsyncClient) -> None:
    made = await filed(client)
    assert made["standing"] == "final"
    listed = (await client.get("/api/evidence", params={"release": "atlas-2", "kind": "capability"})).json()["evidence"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert (await client.get(f"/api/evidence/{made['id']}")).json() == made
    exported = await client.get(f"/api/evidence/{made['id']}/export")
    assert exported.json()["schema_version"].startswith("0.3")


async def test_a_document_is_filed_with_what_it_says(client: httpx.AsyncClient) -> None:
    said = {"title": "Safeguards", "opinion": "unqualified"}
    made = await filed(client, kind="audit", suite="deployment", content=b64encode(b"%PDF").decode(), statement=said)
    assert made["statement"] == said
    refused = await client.get(f"/api/evidence/{made['id']}/export")
    assert (refused.status_code, refused.json()["code"]) == (403, "evidence.done")


async def test_a_record_is_judged(client: httpx.AsyncClient) -> None:
    old = await filed(client, 80)
    new = await filed(client, produced_at="2026-02-25T00:00:00Z", preliminary=True)
    path = f"/api/evidence/{new['id']}/finalise"
    stale = await client.post(path, json={"because": "confirmed", "revision": 7})
    assert (stale.status_code, stale.json()["code"]) == (409, "evidence.moved")
    assert (await client.post(path, json={"because": "confirmed", "revision": 1})).json()["standing"] == "final"
    change = {"successor": new["id"], "because": "a broken grader"}
    same = await client.post(f"/api/evidence/{old['id']}/supersede", json=change)
    assert (same.status_code, same.json()["code"]) == (403, "evidence.same_person")
    done = await client.post(f"/api/evidence/{old['id']}/supersede", json=change, headers={"x-who": SECURITY.name})
    assert done.json()["superseded"]["successor"] == new["id"]
    everything = (await client.get("/api/evidence", params={"all": True})).json()["evidence"]
    assert len(everything) == 2
    assert len((await client.get("/api/evidence")).json()["evidence"]) == 1


async def test_a_finding_is_answered_and_a_carry_over_asked_for(client: httpx.AsyncClient) -> None:
    found = await filed(client, kind="redteam", suite="jailbreaks")
    answered = await client.post(f"/api/evidence/{found['id']}/dispose", json={"how": "fixed", "because": "screen 4"})
    assert answered.json()["disposed"]["how"] == "fixed"
    there = await client.post(f"/api/evidence/{found['id']}/carry", json={"release": "atlas-2", "because": "again"})
    assert there.json()["code"] == "evidence.done"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"content": b64encode(b"nothing that anybody reads").decode()}, 400, "evidence.unfit"),
        ({"content": "%%%"}, 400, "request.invalid"),
        ({"release": "atlas-9"}, 404, "release.not_found"),
        ({"expires": "soon"}, 400, "request.invalid"),
        ({"expires": "99999w"}, 400, "evidence.filing_invalid"),
        ({"kind": "audit"}, 400, "evidence.filing_invalid"),
        ({"produced_at": "2027-01-01T00:00:00Z"}, 400, "evidence.filing_invalid"),
        ({"produced_at": "2026-02-20T00:00:00"}, 400, "request.invalid"),
        ({"secret": "key"}, 400, "request.invalid"),
    ],
)
async def test_what_cannot_be_filed_is_a_problem_with_a_code(
    client: httpx.AsyncClient, changed: dict[str, Any], status: int, code: str
) -> None:
    answer = await client.post("/api/evidence", json=body(**changed))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_file_counts_once(client: httpx.AsyncClient) -> None:
    await filed(client)
    answer = await client.post("/api/evidence", json=body())
    assert (answer.status_code, answer.json()["code"]) == (403, "evidence.duplicate")


async def test_permissions_are_checked_behind_the_routes(client: httpx.AsyncClient) -> None:
    made = await filed(client)
    answer = await client.post(f"/api/evidence/{made['id']}/finalise", json={"because": "x"}, headers={"x-who": AUDITOR.name})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await client.get("/api/evidence/ev_nobody")).json()["code"] == "evidence.record_not_found"


async def test_what_would_be_without_it(client: httpx.AsyncClient) -> None:
    made = await filed(client)
    (found,) = (await client.get("/api/releases/atlas-2/what-if", params={"without": made["id"]})).json()
    (gate,) = found["gates"]
    assert (gate["before"], gate["after"], gate["flips"]) == ("PASS", "INSUFFICIENT", True)
    every = (await client.get("/api/releases/atlas-2/what-if")).json()
    assert every[0]["without"] == made["id"]
    refused = await client.get("/api/releases/atlas-2/what-if", params={"without": "ev_nobody"})
    assert (refused.status_code, refused.json()["code"]) == (404, "release.evidence_not_used")
    for decision in (await client.get("/api/releases/decisions")).json():  # nothing was read to open the first stage
        assert (await client.get(f"/api/releases/decisions/{decision['id']}/what-if")).json() == []


async def test_every_way_to_fail_is_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    assert {path for path in paths if path.startswith("/api/evidence")} == {
        "/api/evidence",
        "/api/evidence/{record}",
        "/api/evidence/{record}/export",
        "/api/evidence/{record}/supersede",
        "/api/evidence/{record}/finalise",
        "/api/evidence/{record}/carry",
        "/api/evidence/{record}/dispose",
    }
