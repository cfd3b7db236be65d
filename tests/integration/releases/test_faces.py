"""Releases on the command line and over HTTP: the same use cases, the same refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import httpx
import pytest
from fastapi import Header
from typer.testing import CliRunner

from headgate.bootstrap.http import web_application
from headgate.kernel.verdict import Verdict
from headgate.releases.cli import release_commands
from headgate.releases.http import routes
from headgate.releases.model.release import State
from headgate.testing.releases import AUDITOR, AUTHOR, LEAD, MANAGER, SECURITY, a_plan

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from headgate.kernel.actor import Actor
    from integration.releases.conftest import House

PEOPLE = {actor.name: actor for actor in (AUTHOR, LEAD, MANAGER, SECURITY, AUDITOR)}

STARTER = """
kind: ReleasePlan
name: atlas-2
model:
  name: atlas-2
  upstream: {url: "http://127.0.0.1:8000/v1", model: atlas-2}
  version: {weights: "sha256:%s"}
end_state: internal
staging_is_for: [accident]
owner: release@example.com
hazards:
  harmful_advice: {severity: high, limit: {traffic: 1.0e-2}, expected: 1.0e-3}
stages:
  - name: staff
    who: {cohort: staff, seats: 40}
    what: {surfaces: [api.chat], capabilities: [streaming]}
    how_much: {requests: 30/min, tokens: 200k/day, expected_use: 100}
    watch: {flagged: review_all, sample: 4000/week, reviewers: 4, minutes_per_item: 3}
    asks: ["does anybody get bad advice?"]
    leave:
      - soak: {active_days: 7, at_most: 30d}
      - rate: {hazard: harmful_advice, of: traffic, below: 1.0e-2, alpha: 0.02}
      - approval: {roles: [safety_lead]}
    stop:
      - incident: {severity: critical, then: cut}
""" % ("ab" * 32)


def run(house: House, *words: str, who: Actor = AUTHOR, answer: str = "") -> Result:
    app = release_commands(lambda: house.service, lambda: who)
    return CliRunner().invoke(app, list(words), input=answer, env={"COLUMNS": "160", "NO_COLOR": "1"})


def test_the_status_reads_like_its_picture(house: House) -> None:
    house.readings.verdicts["harmful_advice"] = Verdict.INSUFFICIENT
    house.service.apply(a_plan(), by=AUTHOR)
    lines = [line.rstrip() for line in run(house, "status").stdout.splitlines()]
    assert lines[:7] == [
        "atlas-2  sha256:0c27  LIVE at staff (1/3) for 0s      exposed: 400 accounts · 9 organisations · 61k exchanges",
        "├─ exposure        PASS          400 of 20 accounts · 61,000 of 5,000 exchanges",
        "├─ soak            PASS          14 of 5 active days",
        "├─ harmful_advice  INSUFFICIENT  0 in 2,274 labels   ≤ 0.18 %  limit 1.00 %  ██████░░░░  +1,830 labels",
        "├─ incidents       PASS          0 open, within what the plan allows",
        "└─ approval        INSUFFICIENT  opens when the above pass",
        "why not further?  rate.harmful_advice needs 1,830 more labels        next: headgate review --hazard harmful_advice",
    ]
    assert lines[7].startswith("not shown: languages other than en/de (0 labels) · incidents that nobody has reported")


def test_status_as_json_is_one_release_a_line(house: House) -> None:
    house.service.apply(a_plan(), by=AUTHOR)
    (line,) = run(house, "status", "--json").stdout.splitlines()
    assert json.loads(line)["state"] == "live"
    assert run(house, "status", "atlas-2", "--json").exit_code == 0


def test_a_dangerous_verb_says_who_loses_asks_and_names_the_next_command(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    refused = run(house, "release", "cut", "atlas-2", "--reason", "stop", answer="n\n")
    assert "staff (40 seats) lose access; 400 accounts have used it" in refused.stderr
    assert house.service.get(release.id, by=AUTHOR).state is State.LIVE
    done = run(house, "release", "cut", "atlas-2", "--reason", "stop", answer="y\n")
    assert done.exit_code == 0
    assert "cut: live → cut (stage 1 → 0)" in done.stdout
    assert "next: headgate release approve atlas-2" in done.stderr


def test_a_plan_is_applied_from_a_file_and_a_release_walks_through_its_verbs(house: House, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(STARTER)
    assert "live" in run(house, "plan", "apply", str(plan), "--yes").stdout
    assert "nothing changes" in run(house, "plan", "apply", str(plan), "--yes").stdout
    for words, who in (
        (["hold", "atlas-2", "--reason", "look"], SECURITY),
        (["approve", "atlas-2"], LEAD),
        (["resume", "atlas-2", "--reason", "seen"], LEAD),
        (["approve", "atlas-2"], LEAD),
        (["promote", "atlas-2"], MANAGER),
        (["withdraw", "atlas-2", "--reason", "done"], MANAGER),
    ):
        result = run(house, "release", *words, "--yes", "--json", who=who)
        assert result.exit_code == 0, (words, result.output, result.exception)
        decision = json.loads(result.stdout)
        assert run(house, "release", "explain", decision["id"]).exit_code == 0
    assert len(run(house, "release", "explain").stdout.splitlines()) == 8


def test_a_plan_with_errors_is_not_applied(house: House, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(STARTER.replace("requests: 30/min, tokens: 200k/day, ", ""))
    assert run(house, "plan", "apply", str(plan), "--yes").exit_code == 1
    assert house.service.list(by=AUTHOR) == ()


def client(house: House) -> httpx.AsyncClient:
    async def actor(who: Annotated[str, Header()] = "ada") -> Actor:
        return PEOPLE[who]

    actor.__annotations__["return"] = object
    app = web_application([routes(house.service, actor)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headgate")


async def test_a_release_walks_through_its_routes(house: House) -> None:
    async with client(house) as web:
        compared = (await web.post("/api/releases/compare", json={"plan": STARTER})).json()
        applied = await web.post("/api/releases", json={"plan": STARTER, "expected": compared["token"]})
        assert applied.status_code == 200, applied.text
        release = applied.json()["release"]["id"]
        at = f"/api/releases/{release}"
        assert (await web.get("/api/releases/atlas-2")).json()["state"] == "live"
        seen = (await web.get(f"{at}/to-sign")).json()
        signing = {"purpose": seen["material"]["purpose"], "seen": seen["seen"]}
        assert (await web.post(f"{at}/approve", json=signing, headers={"who": "lin"})).status_code == 200
        assert (await web.get(f"{at}/loses")).json()["closes"] == ["staff"]
        cut = await web.post(f"{at}/cut", json={"reason": "stop"}, headers={"who": "sam"})
        assert cut.json()["after"] == {"state": "cut", "stage": 0}
        explained = (await web.get(f"/api/releases/decisions/{cut.json()['id']}")).json()
        assert explained["replays"] is True
        assert len((await web.get("/api/releases/decisions", params={"release": "atlas-2"})).json()) == 4


@pytest.mark.parametrize(
    ("who", "verb", "body", "status", "code"),
    [
        ("odd", "cut", {"reason": "stop"}, 403, "forbidden"),
        ("lin", "promote", None, 403, "forbidden"),
        ("mia", "promote", None, 403, "release.approvals_missing"),
        ("lin", "approve", {"purpose": "promote", "seen": "sha256:no"}, 409, "release.evidence_moved"),
        ("lin", "resume", {"reason": "again"}, 403, "release.illegal_move"),
        ("lin", "narrow", {"reason": "look", "to": "nowhere"}, 404, "release.no_such_stage"),
        ("lin", "hold", {"reason": ""}, 400, "request.invalid"),
        ("lin", "hold", {"reason": "x", "extra": 1}, 400, "request.invalid"),
    ],
)
async def test_a_refusal_has_its_status_and_its_code(
    house: House, who: str, verb: str, body: dict[str, str] | None, status: int, code: str
) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    async with client(house) as web:
        answer = await web.post(f"/api/releases/{release.id}/{verb}", json=body, headers={"who": who})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_plan_with_errors_is_refused_over_http_too(house: House) -> None:
    async with client(house) as web:
        answer = await web.post("/api/releases", json={"plan": "kind: ReleasePlan"})
        assert (answer.status_code, answer.json()["code"]) == (400, "plan.invalid")
        assert (await web.get("/api/openapi.json")).status_code == 200
