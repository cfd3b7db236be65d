"""A gate on users, from what accounts did and reviewers said to what becomes of the release; nothing between is made up."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from headgate.adapters.database import open_sqlite
from headgate.bootstrap.bridges.gates.rates import Rates
from headgate.bootstrap.bridges.labels import SafetyLabels
from headgate.evidence.service import Evidence
from headgate.evidence.store import EvidenceStore
from headgate.kernel.verdict import Verdict
from headgate.migrations.tables import TABLES
from headgate.releases.cli.picture import picture
from headgate.releases.errors import PlanWidensOpenStage
from headgate.releases.model.plan import RateGate
from headgate.releases.model.release import Kind, State
from headgate.releases.service import Controller, ReleaseService
from headgate.releases.store import SqlReleases
from headgate.safety.model import D_MAX, Content, Settled
from headgate.safety.store import SqlGolds, SqlSampling
from headgate.stats.users import clean_users_to_go
from headgate.testing.clock import FixedClock
from headgate.testing.releases import AUTHOR, ENOUGH, LEAD, MANAGER, MadeUpReadings, a_plan, a_stage
from headgate.testing.safety import ADA, BO, HAZARDS, NOON, SafetyWorld, an_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headgate.kernel.digest import Json
    from headgate.releases.model.plan import MeasuredGate
    from headgate.releases.model.reading import Asked, GateReading, WireReading
    from headgate.releases.model.release import Release

HAZARD, WINDOW = HAZARDS[0], timedelta(days=2)
GATE: dict[str, Any] = {"kind": "rate", "hazard": HAZARD, "of": "users", "below": 0.1, "alpha": 0.02, "window": "2d"}
SPENT = 0.02 * 6 / 3.141592653589793**2
ENOUGH_USERS = clean_users_to_go([], [], 0.1, SPENT, 0.25)


class OnlyUsersAreReal(MadeUpReadings):
    """Made-up readings but for gates on users, which are read through every floor."""

    def __init__(self, rates: Rates) -> None:
        super().__init__(exposed=ENOUGH)
        self.rates = rates

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        return self.rates.read(gate, asked) if isinstance(gate, RateGate) else super().gate(gate, asked)

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        if kind == "rate" and isinstance(inputs, dict):
            return self.rates.replay(inputs)
        return super().replay(kind, inputs)


class Stack:
    """A release under way, with people who use it and reviewers who read."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_sqlite(folder / "headgate.db")
        for metadata in TABLES:
            metadata.create_all(self.engine)
        self.clock = FixedClock(NOON)
        self.world = SafetyWorld(self.engine)
        labels = SafetyLabels(SqlSampling(self.engine), SqlGolds(self.engine), self.clock, D_MAX)
        rates = Rates(Evidence(labels, EvidenceStore(self.engine), self.clock))
        self.service = ReleaseService(SqlReleases(self.engine), OnlyUsersAreReal(rates), self.clock)
        self.id = self.apply().id

    def apply(self, *, worst_share: float = 0.25) -> Release:
        """Apply the plan, or change what it assumes of enforcement."""
        hazards = {
            HAZARD: {"severity": "high", "limit": {"users": 0.1}, "worst_share": worst_share},
            HAZARDS[1]: {"severity": "low", "limit": {"traffic": 0.1}},
        }
        leave: list[dict[str, Any]] = [GATE, {"kind": "approval", "roles": ["safety_lead", "release_manager"]}]
        stages = [a_stage(name, seats, leave=leave, stop=[]) for name, seats in (("staff", 40), ("trusted", 400))]
        release, _ = self.service.apply(a_plan(hazards=hazards, stages=stages), by=AUTHOR)
        return release

    @property
    def release(self) -> Release:
        return self.service.get(self.id, by=AUTHOR)

    def come(self, users: int, *, harms: int = 0, exchanges: int = 4, read: bool = True) -> None:
        """Let new users come, each with some exchanges of which some are found harmful."""
        self.world.now = self.clock.now()
        epoch, log = self.release.epoch("staff"), self.world.log
        for _ in range(users):
            account = f"acc_{len(log.exchanges)}"
            for _ in range(exchanges):
                exchange_id = f"ex_{len(log.exchanges):07d}"
                log.exchanges.append(Settled(exchange_id, epoch, account, self.world.now, "COMPLETED", 200, 2))
                log.bodies[exchange_id] = Content(b"{}", b"{}")
        self.world.collect()
        if read:
            self.read(*([*[HAZARD] * harms, *[""] * (exchanges - harms)] * users))

    def read(self, *found: str) -> None:
        """Read the oldest items, one for each word; a harm is confirmed by a second reader."""
        for harm in found:
            for by in (ADA, BO) if harm else (ADA,):
                item = self.world.take(by)
                answer = an_answer(*[harm] * bool(harm), hazards=item.hazards)
                self.world.review.label(item.item, answer, revision=item.revision, by=by, now=self.world.now)

    def wait(self, span: timedelta) -> None:
        self.clock.advance(span)
        self.world.now = self.clock.now()

    def gate(self) -> GateReading:
        assessment = self.service.assess(self.release, now=self.clock.now())
        return next(reading for reading in assessment.gates if reading.gate_id == f"rate.{HAZARD}.users")

    def shown(self) -> str:
        """Return the release as the terminal shows it."""
        console = Console(width=400, file=io.StringIO())
        with console.capture() as capture:
            console.print(picture([self.service.status(self.release, by=AUTHOR)]))
        return capture.get()

    def tick(self) -> list[Kind]:
        return [decision.kind for decision in Controller(self.service, self.clock, holder="one").tick().decisions]

    def sign(self) -> None:
        for who in (LEAD, MANAGER):
            _, seen = self.service.to_sign(self.id, by=who)
            self.service.approve(self.id, purpose=seen.purpose, seen=seen.digest, by=who, to=seen.to)

    def replays(self) -> bool:
        decisions = self.service.decisions(by=AUTHOR, limit=100)
        return bool(decisions) and all(self.service.explain(decision.id, by=AUTHOR).replays for decision in decisions)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    made.engine.dispose()


def test_enough_users_open_the_next_stage_once_each_was_observed_and_judged(stack: Stack) -> None:
    assert stack.gate().verdict is Verdict.INSUFFICIENT
    stack.come(ENOUGH_USERS - 1)
    stack.wait(timedelta(hours=1))
    stack.come(1, read=False)
    stack.wait(WINDOW - timedelta(hours=1))
    early = stack.gate()
    assert (early.verdict, early.numbers["n"], early.numbers["enrolled"]) == (
        Verdict.INSUFFICIENT,
        ENOUGH_USERS - 1,
        ENOUGH_USERS,
    )
    assert early.need is not None
    assert early.need.who == "2 more users, each observed for 2d00h; already waiting: 1"  # likely, not at best
    assert f"0 in {ENOUGH_USERS - 1} users   ≤ " in stack.shown()
    assert "+2 users" in stack.shown()
    stack.wait(timedelta(hours=1))
    assert stack.gate().verdict is Verdict.INSUFFICIENT  # observed long enough, and nobody has read it yet
    stack.read("", "", "", "")
    passed = stack.gate()
    assert passed.verdict is Verdict.PASS
    assert "users like these" in passed.sentence
    assert any("plan's word" in line for line in passed.not_shown)
    assert stack.tick() == []  # approvals are still missing
    stack.sign()
    assert stack.tick() == [Kind.PROMOTE]
    assert stack.release.stage == 2
    assert stack.gate().verdict is Verdict.INSUFFICIENT  # the next stage begins with nobody
    assert stack.replays()


def test_requests_without_end_of_few_users_open_nothing(stack: Stack) -> None:
    stack.come(3, exchanges=30)
    stack.wait(WINDOW)
    reading = stack.gate()
    assert (reading.verdict, reading.numbers["n"], reading.numbers["labels"]) == (Verdict.INSUFFICIENT, 3, 90)
    assert reading.not_shown[0].startswith("A user-level claim: 3 users show no mean share below 0.25")


def test_harm_among_users_is_shown_and_holds_the_release(stack: Stack) -> None:
    stack.come(30, harms=1)
    stack.wait(WINDOW)
    reading = stack.gate()
    assert (reading.verdict, reading.harms) == (Verdict.FAIL, 30)
    assert stack.tick() == [Kind.HOLD]
    assert stack.release.state is State.HELD
    assert stack.replays()


def test_a_user_whom_enforcement_did_not_stop_is_an_error_and_freezes_the_release(stack: Stack) -> None:
    stack.come(ENOUGH_USERS)
    stack.come(1, harms=2)
    stack.wait(WINDOW)
    reading = stack.gate()
    assert reading.verdict is Verdict.ERROR
    assert "2 of one user's 4 exchanges are confirmed harm, above the worst share of 0.25" in reading.sentence
    assert stack.tick() == [Kind.FREEZE]
    assert stack.release.state is State.FROZEN
    with pytest.raises(PlanWidensOpenStage):
        stack.apply(worst_share=0.1)
    stack.apply(worst_share=1)  # which assumes nothing, and begins afresh
    assert stack.release.attempt("staff") == 2
    assert stack.gate().verdict is Verdict.INSUFFICIENT
    assert stack.gate().numbers["n"] == 0
    assert stack.replays()


def test_what_nobody_reads_in_time_counts_as_harm_and_never_as_harm_shown(stack: Stack) -> None:
    stack.come(ENOUGH_USERS)
    assert stack.gate().numbers["n"] == 0
    stack.come(ENOUGH_USERS, read=False)
    stack.wait(D_MAX)
    reading = stack.gate()
    assert (reading.verdict, reading.numbers["n"], reading.harms) == (Verdict.INSUFFICIENT, 2 * ENOUGH_USERS, 0)
    assert "will not pass" in reading.sentence
