"""The control API, walked from its own description: who is nobody, who may not, and what is never said."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from functional.kit import MODEL, plan
from headgate.bootstrap.http import web_application
from headgate.testing.cast import member

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functional.kit import Running

FOR_ANYBODY = {("POST", "/api/leaks"), ("POST", "/api/terms")}
"""Reporting a leak needs nothing, accepting terms a key of the grant."""
FOR_WHOEVER_MAY_LOOK = {("POST", "/api/releases/compare"), ("POST", "/api/ledger/checkpoint")}
"""Sent with POST, and open to every member of staff: nothing changes but a signature that anybody may ask for."""
FOR_AUDITORS = {("POST", "/api/evidence"), ("POST", "/api/evidence/{record}/carry")}
"""What an auditor does: they file what they have found, and ask for it to count elsewhere, which another has to grant."""
COUNTS = "task,metric,unit,cluster,k,n\nintrusion,accuracy,item,,3,120\n"


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    body: dict[str, Any] | None

    @property
    def name(self) -> tuple[str, str]:
        return self.method, self.path

    def at(self, ids: dict[str, str]) -> str:
        """Return the address with each of its parts filled in."""

        def fill(part: re.Match[str]) -> str:
            return ids.get(part[1]) or ids.get(self.path.split("/")[2], "none")

        return re.sub(r"\{(\w+)\}", fill, self.path)


def minimal(schema: dict[str, Any], document: dict[str, Any]) -> Any:  # noqa: PLR0911 - one line for each form
    """Return the smallest value that a schema takes."""
    if "$ref" in schema:
        return minimal(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "anyOf" in schema:
        return minimal(schema["anyOf"][0], document)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            required = schema.get("required", [])
            made = {name: minimal(schema["properties"][name], document) for name in required}
            return {**made, "to": "first"} if made.get("to") == "word" else made
        case "array":
            return []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string" if "examples" in schema:
            return schema["examples"][0]
        case "string" if schema.get("format") == "date-time":
            return "2126-01-01T00:00:00Z"
        case _:
            return "word"


@pytest.fixture(scope="module")
def document(shared: Running) -> dict[str, Any]:
    return httpx.get(f"{shared.where.url}/api/openapi.json", trust_env=False).json()


@pytest.fixture(scope="module")
def routes(document: dict[str, Any], shared: Running) -> list[Route]:
    def body(operation: dict[str, Any]) -> dict[str, Any] | None:
        if "requestBody" not in operation:
            return None
        made = minimal(operation["requestBody"]["content"]["application/json"]["schema"], document)
        return {**made, "plan": plan(shared.upstream)} if "plan" in made else made

    found = [
        Route(method.upper(), path, body(operation))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert len(found) > 50
    return found


@pytest.fixture(scope="module")
def ids(shared: Running) -> dict[str, str]:
    """Something that exists, by the first word of the path that names it."""
    admin = shared.admin
    holder = member(admin, "named by routes", "inner")
    counts = {"content": b64encode(COUNTS.encode()).decode(), "name": "counts.csv", "expires": "90d", "direction": "lower"}
    measured = {"release": MODEL, "kind": "capability", "suite": "dual_use", "produced_at": "2026-02-20T00:00:00Z"}
    by = {"evaluator": {"name": "an institute", "relationship": "third_party", "access": "AL2"}}
    report = {"release": shared.release, "severity": "low", "title": "nothing much", "hazard": "harm"}
    return {
        "organisations": admin("POST", "/api/organisations", {"name": "An organisation"})["id"],
        "accounts": holder.account_id,
        "grants": holder.grant_id,
        "keys": holder.key_id,
        "cohorts": "inner",
        "staff": admin("GET", "/api/staff")["items"][0]["id"],
        "releases": shared.release,
        "incidents": admin("POST", "/api/incidents", report)["id"],
        "ledger": "1",
        "evidence": admin("POST", "/api/evidence", {**counts, **measured, **by})["filed"][0]["id"],
        "decision_id": admin("GET", "/api/releases/decisions?limit=1")[0]["id"],
    }


@pytest.fixture(scope="module")
def http(shared: Running) -> Iterator[httpx.Client]:
    # This Headgate lets go of a silent connection after a second and a half; none is kept to be used again just then.
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=shared.where.url, trust_env=False, timeout=30, limits=limits) as client:
        yield client


@pytest.fixture(scope="module")
def auditor(shared: Running) -> str:
    return shared.admin("POST", "/api/staff", {"name": "Ada the auditor", "roles": ["auditor"]})["token"]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def is_a_problem(response: httpx.Response) -> bool:
    said = response.json()
    return (
        response.headers["content-type"] == "application/problem+json"
        and said["status"] == response.status_code
        and bool(re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", said["code"]))
        and bool(said["detail"])
        and "Traceback" not in response.text
    )


def test_nobody_gets_anywhere_without_a_token(routes: list[Route], ids: dict[str, str], http: httpx.Client) -> None:
    for route in routes:
        if route.name in FOR_ANYBODY:
            continue
        for headers in ({}, {"authorization": "Basic b3duZXI6b3duZXI="}, bearer("hgs_live_nobody_knows_this")):
            response = http.request(route.method, route.at(ids), json=route.body, headers=headers)
            assert (response.status_code, is_a_problem(response)) == (401, True), (route, response.text)
            assert response.headers["www-authenticate"] == "Bearer"


def test_whoever_lacks_the_permission_changes_nothing(
    routes: list[Route], ids: dict[str, str], http: httpx.Client, auditor: str, shared: Running
) -> None:
    # given: an auditor, who may look at everything and change nothing
    before = shared.admin("GET", f"/api/releases/{shared.release}")["revision"]
    changing = [
        route for route in routes if route.method != "GET" and route.name not in FOR_ANYBODY | FOR_WHOEVER_MAY_LOOK | FOR_AUDITORS
    ]
    assert len(changing) > 30
    for route in changing:
        # when
        response = http.request(route.method, route.at(ids), json=route.body, headers=bearer(auditor))
        # then
        assert (response.status_code, is_a_problem(response)) == (403, True), (route, response.text)
    assert shared.admin("GET", f"/api/releases/{shared.release}")["revision"] == before


def test_an_auditor_may_look_at_everything_but_the_staff(
    routes: list[Route], ids: dict[str, str], http: httpx.Client, auditor: str
) -> None:
    shut: set[str] = set()
    for route in routes:
        if route.method == "GET":
            address = route.at(ids) + {"consistency": "?from=1", "results": "?epoch=a/b/1"}.get(route.path.rpartition("/")[2], "")
            response = http.get(address, headers=bearer(auditor))
            if response.status_code != 200:
                assert is_a_problem(response), response.text
                shut.add(f"{route.path} {response.status_code} {response.json()['code']}")
    staff = {"/api/staff 403 forbidden", "/api/staff/{id} 403 forbidden"}  # who works here is for whoever manages staff
    known = {"/api/golds 403 forbidden", "/api/golds/results 403 forbidden"}  # known harms are for whoever answers for safety
    assert shut == staff | known


NASTY = ["%00", "%ff%fe", "a%2Fb", "..%2f..%2fetc", "x" * 3000, "%F0%9F%92%A9", "-1", "99999999999999999999999999", "%22%27--"]


def test_odd_addresses_are_answered_and_never_with_a_fault_of_ours(
    routes: list[Route], http: httpx.Client, shared: Running
) -> None:
    token = bearer(shared.where.token)
    for route in routes:
        if "{" not in route.path:
            continue
        for word in NASTY:
            response = http.request(route.method, re.sub(r"\{\w+\}", word, route.path), json=route.body, headers=token)
            assert response.status_code < 500, (route, word, response.text)
            if response.status_code >= 400:
                assert is_a_problem(response), (route, word, response.text)


def test_odd_queries_are_answered_and_never_with_a_fault_of_ours(
    document: dict[str, Any], ids: dict[str, str], http: httpx.Client, shared: Running
) -> None:
    token = bearer(shared.where.token)
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter["in"] == "query":
                for word in NASTY:
                    address = Route("GET", path, None).at(ids) + f"?{parameter['name']}={word}"
                    response = http.get(address, headers=token)
                    assert response.status_code < 500, (address, response.text)
                    assert response.status_code < 400 or is_a_problem(response), (address, response.text)


ODD_BODIES: dict[str, bytes] = {
    "malformed": b"{",
    "not an object": b"[]",
    "broken UTF-8": b'{"name": "\xff"}',
    "half a character": b'{"name": "\\ud800", "reason": "\\ud800", "title": "\\ud800"}',
    "a null byte": b'{"name": "a\\u0000b", "reason": "a\\u0000b", "roles": ["auditor"], "seats": 1}',
    "very deep": b"[" * 20_000,
    "a number too large": b'{"seats": 1e999, "revision": 1e400, "to_percent": 123456789012345678901234567890}',
    "not a number": b'{"seats": NaN, "life": NaN, "grace": Infinity}',
    "an unknown field": b'{"nobody_knows": 1}',
}


@pytest.mark.parametrize("sent", ODD_BODIES.values(), ids=ODD_BODIES)
def test_odd_bodies_are_answered_and_never_with_a_fault_of_ours(
    routes: list[Route], ids: dict[str, str], http: httpx.Client, shared: Running, sent: bytes
) -> None:
    headers = {**bearer(shared.where.token), "content-type": "application/json"}
    for route in routes:
        if route.body is None or route.method == "GET":
            continue
        response = http.request(route.method, route.at(ids), content=sent, headers=headers)
        assert response.status_code < 500, (route, response.text)
        assert response.status_code < 400 or is_a_problem(response), (route, response.text)


def test_a_stranger_sends_no_megabytes(http: httpx.Client) -> None:
    def megabytes() -> Iterator[bytes]:
        yield b'{"name": "'
        yield from (b"x" * 1_000_000 for _ in range(50))

    try:
        response = http.post("/api/accounts", content=megabytes(), headers={"content-type": "application/json"})
    except httpx.TransportError:
        return  # it may hang up on a client that goes on sending
    assert (response.status_code, response.json()["code"], is_a_problem(response)) == (413, "request.too_large", True)


def test_an_unknown_path_and_a_wrong_method_are_problems_too(http: httpx.Client) -> None:
    unknown = http.get("/api/nothing-here")
    assert (unknown.status_code, unknown.json()["code"], is_a_problem(unknown)) == (404, "route.unknown", True)
    wrong = http.delete("/api/accounts")
    assert (wrong.status_code, wrong.json()["code"], is_a_problem(wrong)) == (405, "http.method_not_allowed", True)


async def test_what_nobody_foresaw_is_a_bare_500() -> None:
    # given: an application of ours with a defect
    app = web_application([])

    @app.get("/api/defect")
    def defect() -> None:
        raise RuntimeError("the secret is 42")

    # when
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.get("/api/defect")
    # then
    assert (response.status_code, response.json()["code"]) == (500, "headgate.unforeseen")
    assert is_a_problem(response)
    assert "42" not in response.text
    assert "RuntimeError" not in response.text
