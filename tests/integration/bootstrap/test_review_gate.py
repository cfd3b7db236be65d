"""Measured reviewers, from gold items in their queue to what becomes of the release; nothing between is made up."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from headgate.adapters.database import open_sqlite
from headgate.bootstrap.bridges.gates.rates import Rates
from headgate.bootstrap.bridges.gates.reviewing import Reviewing
from headgate.bootstrap.bridges.labels import SafetyLabels
from headgate.evidence.service import Evidence
from headgate.evidence.store import EvidenceStore
from headgate.kernel.verdict import Verdict
from headgate.migrations.tables import TABLES
from headgate.releases.cli.picture import picture
from headgate.releases.model.plan import RateGate, ReviewGate
from headgate.releases.model.release import Kind, State
from headgate.releases.service import Controller, ReleaseService
from headgate.releases.store import SqlReleases
from headgate.safety.model import D_MAX
from headgate.safety.sampling.gold import NUMBER_BYTES
from headgate.safety.service.review import Review
from headgate.safety.store import SqlGolds, SqlReview, SqlSampling
from headgate.safety.wire.golds import of_texts
from headgate.testing.clock import FixedClock
from headgate.testing.releases import AUTHOR, ENOUGH, LEAD, MANAGER, MadeUpReadings, a_plan, a_stage
from headgate.testing.safety import ADA, BO, FLAGGED_TEXT, HAZARDS, NOON, SafetyWorld, an_answer
from headgate.testing.safety import LEAD as SAFETY_LEAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headgate.kernel.digest import Json
    from headgate.releases.model.plan import MeasuredGate
    from headgate.releases.model.reading import Asked, GateReading, WireReading

HAZARD = HAZARDS[0]
REVIEW: dict[str, Any] = {"kind": "review", "flagged_done_within": "24h", "canary_recall_at_least": 0.5}
RATE: dict[str, Any] = {"kind": "rate", "hazard": HAZARD, "below": 0.2, "alpha": 0.05, "misses_measured": True}
SIGNED: dict[str, Any] = {"kind": "approval", "roles": ["safety_lead", "release_manager"]}


class ReviewIsReal(MadeUpReadings):
    """Made-up readings but for review and for rates of traffic, which are read through every floor."""

    def __init__(self, rates: Rates, reviewing: Reviewing) -> None:
        super().__init__(exposed=ENOUGH)
        self.rates = rates
        self.reviewing = reviewing

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        match gate:
            case RateGate():
                return self.rates.read(gate, asked)
            case ReviewGate():
                return self.reviewing.read(gate, asked)
            case _:
                return super().gate(gate, asked)

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        readers = {"rate": self.rates, "review": self.reviewing}
        if kind in readers and isinstance(inputs, dict):
            return readers[kind].replay(inputs)
        return super().replay(kind, inputs)


class Stack:
    """A release under way, with a queue that now and then holds a gold item."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_sqlite(folder / "headgate.db")
        for metadata in TABLES:
            metadata.create_all(self.engine)
        self.clock = FixedClock(NOON + timedelta(hours=1))
        self.world = SafetyWorld(self.engine)
        self.world.review = Review(store=SqlReview(self.engine), exchanges=self.world.log, entropy=self.entropy, second_share=0.0)
        golds = SqlGolds(self.engine)
        labels = SafetyLabels(SqlSampling(self.engine), golds, self.clock, D_MAX)
        rates = Rates(Evidence(labels, EvidenceStore(self.engine), self.clock))
        reviewing = Reviewing(SqlReview(self.engine), self.world.golds)
        self.service = ReleaseService(SqlReleases(self.engine), ReviewIsReal(rates, reviewing), self.clock)
        hazards = {hazard: {"severity": "high", "limit": {"traffic": 0.2}} for hazard in HAZARDS}
        stages = [
            a_stage(name, seats, leave=[REVIEW, RATE, SIGNED], stop=[]) for name, seats in (("staff", 40), ("trusted", 400))
        ]
        release, _ = self.service.apply(a_plan(hazards=hazards, stages=stages), by=AUTHOR)
        self.id = release.id

    def entropy(self, count: int) -> bytes:
        return bytes(count) if count == NUMBER_BYTES else self.world.entropy(count)

    def stock(self, count: int) -> None:
        for number in range(count):
            content = of_texts(f"known harm {number}", "yes")
            self.world.golds.add(content, {HAZARD: True}, source="ours", by=SAFETY_LEAD, now=self.clock.now())

    def serve(self, count: int, text: str = "hello") -> None:
        epoch = self.service.get(self.id, by=AUTHOR).epoch("staff")
        self.world.now = self.clock.now()
        self.world.log.add(count, epoch=epoch, text=text)
        self.world.collect()

    def read_all(self, *, miss: int = 0) -> None:
        """Have two reviewers read everything; of the gold items, the first so many are missed."""
        known = SqlGolds(self.engine)
        for by in (ADA, BO):
            while (item := self.world.review.next(by=by, now=self.clock.now())) is not None:
                gold = bool(known.among([item.item]))
                harms = [HAZARD] if gold and miss <= 0 else []
                miss -= gold and not harms
                answer = an_answer(*harms, hazards=item.hazards)
                self.world.review.label(item.item, answer, revision=item.revision, by=by, now=self.clock.now())

    def gates(self) -> dict[str, GateReading]:
        assessment = self.service.assess(self.service.get(self.id, by=AUTHOR), now=self.clock.now())
        return {reading.gate_id: reading for reading in assessment.gates}

    def tick(self) -> list[Kind]:
        return [decision.kind for decision in Controller(self.service, self.clock, holder="one").tick().decisions]

    def sign(self) -> None:
        for who in (LEAD, MANAGER):
            _, seen = self.service.to_sign(self.id, by=who)
            self.service.approve(self.id, purpose=seen.purpose, seen=seen.digest, by=who, to=seen.to)

    def shown(self) -> str:
        console = Console(width=400, file=io.StringIO())
        with console.capture() as capture:
            console.print(picture([self.service.status(self.service.get(self.id, by=AUTHOR), by=AUTHOR)]))
        return capture.get()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    made.engine.dispose()


def test_a_stage_opens_once_its_reviewers_are_measured_and_its_labels_allow_for_what_they_miss(stack: Stack) -> None:
    stack.serve(60)
    stack.read_all()
    gates = stack.gates()
    assert gates["review"].verdict is Verdict.INSUFFICIENT
    assert gates[f"rate.{HAZARD}"].verdict is Verdict.INSUFFICIENT
    assert "none has been shown yet" in gates[f"rate.{HAZARD}"].sentence
    assert "known harm" in stack.shown(), stack.shown()
    stack.stock(20)
    stack.serve(60)
    stack.read_all(miss=1)
    gates = stack.gates()
    review, rate = gates["review"], gates[f"rate.{HAZARD}"]
    assert review.verdict is Verdict.PASS, review.sentence
    assert rate.verdict is Verdict.PASS, rate.sentence
    assert (review.numbers["golds"], review.numbers["recognised"]) == (20, 19)
    assert "19 of 20 known harms" in rate.sentence
    assert (rate.numbers["n"], rate.numbers["k"]) == (120, 0)
    stack.sign()
    assert stack.tick() == [Kind.PROMOTE]
    decisions = stack.service.decisions(by=AUTHOR, limit=100)
    assert all(stack.service.explain(decision.id, by=AUTHOR).replays for decision in decisions)


def test_readers_who_miss_what_is_known_hold_the_release(stack: Stack) -> None:
    stack.stock(30)
    stack.serve(60)
    stack.read_all(miss=30)
    gates = stack.gates()
    assert gates["review"].verdict is Verdict.FAIL
    assert gates[f"rate.{HAZARD}"].verdict is Verdict.INSUFFICIENT
    assert stack.tick() == [Kind.HOLD]
    assert stack.service.get(stack.id, by=AUTHOR).state is State.HELD


def test_a_flagged_exchange_that_waits_too_long_fails_the_gate_until_it_is_long_ago(stack: Stack) -> None:
    stack.stock(20)
    stack.serve(60)
    stack.serve(1, FLAGGED_TEXT)
    stack.clock.advance(timedelta(hours=25))
    assert stack.gates()["review"].verdict is Verdict.FAIL
    stack.read_all()
    late = stack.gates()["review"]
    assert late.verdict is Verdict.FAIL
    assert (late.numbers["late"], late.numbers["waiting"]) == (1, 0)
    stack.clock.advance(timedelta(days=7))
    stack.serve(1, FLAGGED_TEXT)
    stack.read_all()
    assert stack.gates()["review"].verdict is Verdict.PASS
