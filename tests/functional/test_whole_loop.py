"""The main job once through: plan, gateway, records, review, evidence, signatures, a wider stage, and the cut.

One release lives through it from the first request to the second attempt, so the chapters share it and come in order.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from functional.kit import MODEL, Running, eventually, problem, review_until, running
from headgate.testing.cast import staff
from headgate.testing.installation import CallFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.testing.cast import Member
    from headgate.testing.installation import Api


@pytest.fixture(scope="module")
def loop(slow_model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("loop") / "data", slow_model) as headgate:
        yield headgate


def sign(api: Api, release: str, purpose: str) -> None:
    seen = api("GET", f"/api/releases/{release}/to-sign")["seen"]
    api("POST", f"/api/releases/{release}/approve", {"purpose": purpose, "seen": seen})


def refused(call: Any, *words: Any) -> str:
    with pytest.raises(CallFailed) as failed:
        call(*words)
    return json.loads(failed.value.body)["code"]


def test_a_release_climbs_on_evidence_and_signatures_is_cut_and_begins_again(loop: Running) -> None:
    inner = [loop.member(f"inner {number}") for number in range(3)]
    outer = loop.member("outer", "outer")
    only_the_first_stage_is_served(loop, inner, outer)
    labels_make_the_rate_pass(loop, inner)
    two_others_must_sign(loop, outer)
    a_critical_incident_cuts(loop, inner[0], outer)
    going_on_takes_signatures_and_begins_afresh(loop, inner[0], outer)
    assert loop.where.command("ledger", "verify").startswith("ok")


def only_the_first_stage_is_served(loop: Running, inner: list[Member], outer: Member) -> None:
    # given: a release at its first stage
    # when
    answers = [loop.ask(inner[number % 3], f"question {number}", max_tokens=2) for number in range(14)]
    turned_away = loop.ask(outer)
    # then
    assert [answer.status_code for answer in answers] == [200] * 14
    assert (turned_away.status_code, problem(turned_away)["code"]) == (404, "model_not_found")
    with loop.client(inner[0]) as client:
        assert [listed.id for listed in client.models.list()] == [MODEL]
    with loop.client(outer) as client:
        assert [listed.id for listed in client.models.list()] == []
    assert loop.endings(of=outer.account_id) == {}


def labels_make_the_rate_pass(loop: Running, inner: list[Member]) -> None:
    # given: exchanges nobody has judged
    assert loop.gate("rate")["shown"] == "INSUFFICIENT"
    reviewers = [staff(loop.where, name, "safety_reviewer") for name in ("Ines", "Omar")]
    early = staff(loop.where, "Eager", "safety_lead")
    seen = early("GET", f"/api/releases/{loop.release}/to-sign")["seen"]
    ahead = {"purpose": "promote", "seen": seen}
    assert refused(early, "POST", f"/api/releases/{loop.release}/approve", ahead) == "release.approval_too_early"
    # when: two people read the sample
    review_until(lambda: loop.gate("rate")["shown"] == "PASS", *reviewers)
    # then: what was measured passes, and still nothing has opened
    status = loop.status()
    assert {gate["kind"]: gate["shown"] for gate in status["gates"]} == {
        "exposure": "PASS",
        "rate": "PASS",
        "incidents": "PASS",
        "approval": "INSUFFICIENT",
    }
    assert status["stage"] == 1
    assert (status["exposure"]["accounts"], status["exposure"]["exchanges"]) == (len(inner), 14)


def two_others_must_sign(loop: Running, outer: Member) -> None:
    # given: everything but signatures; the author holds one of the wanted roles, and one person holds both
    both = staff(loop.where, "Both", "safety_lead", "release_manager")
    manager = staff(loop.where, "Rosa", "release_manager")
    assert refused(sign, loop.admin, loop.release, "promote") == "release.author_approves"
    # when: one person signs, for whatever roles they hold
    sign(both, loop.release, "promote")
    # then: that is one signature, and promotion asked for by hand is refused as well
    assert (loop.gate("approval")["numbers"]["signed"], loop.status()["stage"]) == (1, 1)
    refused(manager, "POST", f"/api/releases/{loop.release}/promote")
    assert loop.ask(outer).status_code == 404
    # when: a second person signs
    sign(manager, loop.release, "promote")
    # then: the controller opens the next stage, and the command line agrees with what happened
    eventually(lambda: loop.status()["stage"] == 2)
    eventually(lambda: loop.ask(outer, max_tokens=2).status_code == 200)
    shown = json.loads(loop.where.command("status", "--json"))
    assert (shown["state"], shown["stage"], [stage["open"] for stage in shown["stages"]]) == ("live", 2, [True, True])
    promoted = next(made for made in decisions(loop) if made["kind"] == "promote")
    assert (promoted["by"], promoted["before"]["stage"], promoted["after"]["stage"]) == ("system:controller", 1, 2)
    explained = json.loads(loop.where.command("release", "explain", promoted["id"], "--json"))
    assert explained["replays"] is True


def decisions(loop: Running) -> list[dict[str, Any]]:
    return loop.admin("GET", f"/api/releases/decisions?release={loop.release}&limit=50")


def a_critical_incident_cuts(loop: Running, inner: Member, outer: Member) -> None:
    # given: a stream open on every worker
    reporter = loop.admin("POST", "/api/staff", {"name": "Juno", "roles": ["safety_reviewer"]})["token"]
    wires = [loop.connection_to(worker) for worker in sorted(loop.workers())]
    assert len(wires) == 2
    streams = [Listener(loop.client(who, wire)) for who, wire in zip((inner, outer), wires, strict=True)]
    for stream in streams:
        stream.start()
    for stream in streams:
        assert stream.begun.wait(15)
    # when: somebody who may only report writes a critical incident down
    said = ["--release", loop.release, "--severity", "critical", "--hazard", "harm", "--title", "it harmed somebody"]
    opened = json.loads(loop.where.command("incident", "open", *said, "--json", token=reporter))
    # then: the release is cut, each stream ends with an error the official client understands
    eventually(lambda: loop.status()["state"] == "cut")
    for stream in streams:
        stream.join(15)
        assert not stream.is_alive()
        assert isinstance(stream.end, openai.APIError), stream.end
        assert (stream.end.code, stream.end.type) == ("release.cut", "access_revoked")
        assert stream.words
    # and: the next request is refused by every worker
    for http in [loop.connection_to(worker) for worker in sorted(loop.workers())]:
        with pytest.raises(openai.PermissionDeniedError) as denied:
            loop.client(inner, http).chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
        assert denied.value.code == "release.cut"
        http.close()
    assert loop.endings()["cut"] == 2
    cut = next(made for made in decisions(loop) if made["kind"] == "cut")
    assert cut["by"] == "system:controller"
    assert loop.admin("GET", f"/api/releases/decisions/{cut['id']}")["replays"] is True
    # the incident is seen through, so that it no longer weighs
    for wire in wires:
        wire.close()
    resolved = {"to": "resolved", "revision": opened["revision"]}
    loop.where.api(reporter)("POST", f"/api/incidents/{opened['id']}/state", resolved)


class Listener(threading.Thread):
    """Reads one stream to its end, from a model that falls silent before it has finished."""

    def __init__(self, client: openai.OpenAI) -> None:
        super().__init__(daemon=True)
        self._client = client
        self.begun = threading.Event()
        self.words = ""
        self.end: Exception | None = None

    def run(self) -> None:
        try:
            stream = self._client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "Go on and on."}],
                stream=True,
                max_tokens=512,
                metadata={"x-small-model-fault": "stall=20"},
            )
            for chunk in stream:
                self.words += chunk.choices[0].delta.content or ""
                if self.words:
                    self.begun.set()
        except (openai.APIError, httpx.HTTPError) as ended:
            self.end = ended


def going_on_takes_signatures_and_begins_afresh(loop: Running, inner: Member, outer: Member) -> None:
    # given: a cut release, whose signatures for promotion count for nothing any more
    lead = staff(loop.where, "Lena", "safety_lead")
    manager = staff(loop.where, "Kim", "release_manager")
    resume = ("POST", f"/api/releases/{loop.release}/resume", {"reason": "found and mended"})
    refused(manager, *resume)
    sign(lead, loop.release, "resume")
    refused(manager, *resume)
    assert loop.ask(inner).status_code == 403
    # when
    sign(manager, loop.release, "resume")
    manager(*resume)
    # then: only the first stage is open again, under a new attempt that has seen nothing yet
    status = loop.status()
    assert (status["state"], status["stage"]) == ("live", 1)
    assert status["stages"][0]["epoch"] == f"{loop.release}/first/2"
    assert loop.gate("rate")["numbers"]["n"] == 0
    eventually(lambda: loop.ask(inner, max_tokens=2).status_code == 200)
    assert loop.ask(outer).status_code == 404
