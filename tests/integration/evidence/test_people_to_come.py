"""Discovery and coverage gates of a plan, read from real stores: who came, what they showed and what they declare."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import structs

from headgate.access.service import Access
from headgate.access.store import SqlStore
from headgate.access.store import metadata as access_tables
from headgate.adapters.database import open_sqlite
from headgate.bootstrap.bridges.gates.coverage import Coverages
from headgate.bootstrap.bridges.gates.discovery import Discoveries
from headgate.bootstrap.bridges.people import SafetyPeople
from headgate.bootstrap.bridges.readings import SubjectReadings
from headgate.bootstrap.bridges.strata import TOLD_APART_BY, UNDECLARED, Strata
from headgate.evidence.service.people import People
from headgate.kernel.actor import Actor, Role
from headgate.kernel.ids import EpochId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.ledger import store as ledger
from headgate.releases.model.plan import CoverageGate, DiscoveryGate, Plan
from headgate.releases.model.reading import Asked, GateReading
from headgate.releases.store import SqlReleases
from headgate.releases.store import metadata as release_tables
from headgate.releases.wire.reading import load_plan
from headgate.safety.model import D_MAX, OTHER
from headgate.safety.sampling.newcomers import FIRST_DAYS
from headgate.safety.store import SqlSampling
from headgate.safety.store import metadata as safety_tables
from headgate.testing.clock import FixedClock
from headgate.testing.safety import ADA, BO, EPOCH, HAZARDS, SafetyWorld, an_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from pathlib import Path

PLAN = """\
kind: ReleasePlan
name: people
model: {name: small, upstream: {url: "http://127.0.0.1:8901/v1", model: small}}
end_state: api_general
staging_is_for: [misuse]
hazards:
  cyber_misuse: {severity: high, limit: {users: 0.1}}
  harmful_advice: {severity: high, limit: {users: 0.1}, worst_share: 0.25}
stages:
  - name: staff
    who: {cohort: staff, seats: 100}
    what: {surfaces: [api.chat]}
    watch: {sample: all, reviewers: 2}
    leave:
      - discovery: {tolerated_new_kinds_next_stage: 50, alpha: 0.05}
      - coverage: {of: [language], for_stage: general, hazard: cyber_misuse, transport_bound_below: 0.25,
                   expected: {language: {en: 0.6, fr: 0.4}}}
  - name: general
    who: {cohort: general, seats: 400}
    what: {surfaces: [api.chat]}
"""
BOSS = Actor.staff("stf_boss", "boss", frozenset({Role.ADMIN, Role.ACCESS_REVIEWER}))


class World:
    """Accounts that declare a language, what they ask, and the gates that read it."""

    def __init__(self, path: Path) -> None:
        self.engine = open_sqlite(path / "system.sqlite")
        for tables in (ledger.metadata, safety_tables, access_tables, release_tables):
            tables.create_all(self.engine)
        self.safety = SafetyWorld(self.engine)
        self.clock = FixedClock(self.safety.now)
        self.access = Access(SqlStore(self.engine), pepper=b"p" * 32, environment="test", clock=self.clock)
        source = SafetyPeople(SqlSampling(self.engine), Strata(self.access, SqlReleases(self.engine)), self.clock, D_MAX)
        people = People(source)
        gates = {"discovery": Discoveries(people), "coverage": Coverages(people)}
        nobody = cast("Any", None)
        self.readings = SubjectReadings(gates, wires=nobody, exposures=nobody, incidents=nobody, sampling=nobody)
        plan = load_plan(PLAN, "plan")
        assert isinstance(plan, Plan), plan
        self.plan = plan
        kinds = {type(gate): gate for gate in plan.stages[0].leave}
        self.discovery = cast("DiscoveryGate", kinds[DiscoveryGate])
        self.coverage = cast("CoverageGate", kinds[CoverageGate])

    def come(self, language: str | None, count: int) -> None:
        """Let accounts come that ask one thing each."""
        for _ in range(count):
            account = self.access.accounts.add("somebody", simulated=True, by=BOSS)
            if language is not None:
                self.access.accounts.declare(account.id, language=language, by=BOSS)
            self.safety.log.add()
            self.safety.log.exchanges[-1] = structs.replace(self.safety.log.exchanges[-1], account_id=account.id)
        self.safety.collect()

    def judge(self, find: Callable[[int], tuple[str, str | None] | None] = lambda _: None) -> None:
        """Let two reviewers label whatever waits; ``find`` says which harm, and of which kind, the nth exchange is."""
        for reviewer in (ADA, BO):
            while (item := self.safety.review.next(by=reviewer, now=self.safety.now)) is not None:
                found = find(int(item.item.removeprefix("ex_")))
                answer = an_answer() if found is None else replace(an_answer(found[0]), kind=found[1])
                self.safety.review.label(item.item, answer, revision=item.revision, by=reviewer, now=self.safety.now)

    def wait(self, span: timedelta = FIRST_DAYS) -> None:
        self.safety.now += span
        self.clock.set(self.safety.now)

    def read(self, gate: DiscoveryGate | CoverageGate) -> GateReading:
        """Return a gate's reading, which must replay from what JSON keeps of it."""
        epoch = EpochId(EPOCH)
        asked = Asked(ReleaseId("rel_a"), self.plan, self.plan.stages[0], epoch, (epoch,), 1, self.safety.now)
        reading = self.readings.gate(gate, asked)
        assert reading.gate_id == gate.id
        assert self.readings.replay(gate.kind, json.loads(json.dumps(reading.inputs))) == reading
        return reading


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.engine.dispose()


def test_before_anybody_came_nothing_is_shown(world: World) -> None:
    for gate in (world.discovery, world.coverage):
        reading = world.read(gate)
        assert reading.verdict is Verdict.INSUFFICIENT
        assert reading.need is not None
        assert reading.not_shown


def test_people_who_came_were_judged_and_showed_nothing_new_pass_both_gates(world: World) -> None:
    world.come("en", 40)
    world.come("fr", 30)
    world.judge()
    assert world.read(world.discovery).verdict is Verdict.INSUFFICIENT  # their first days are not over
    assert "70 have come" in str(world.read(world.discovery).need)
    world.wait()
    kinds, carried = world.read(world.discovery), world.read(world.coverage)
    assert (kinds.verdict, carried.verdict) == (Verdict.PASS, Verdict.PASS)
    assert (kinds.numbers["k"], kinds.numbers["n"], kinds.numbers["next_users"]) == (0, 70, 400)
    assert cast("float", carried.numbers["upper"]) < 0.25
    assert any("Unseen kinds on general: up to" in line for line in kinds.not_shown)


def test_one_who_was_not_judged_holds_everybody_up(world: World) -> None:
    world.come("en", 60)
    held = world.safety.take(ADA)
    while (item := world.safety.review.next(by=BO, now=world.safety.now)) is not None:
        world.safety.review.label(item.item, an_answer(), revision=item.revision, by=BO, now=world.safety.now)
    world.wait()
    assert world.read(world.discovery).numbers["n"] == 0
    world.safety.review.label(held.item, an_answer(), revision=held.revision, by=ADA, now=world.safety.now)
    assert world.read(world.discovery).numbers["n"] == 60


def test_kinds_that_nobody_had_seen_are_counted_once_each(world: World) -> None:
    world.come("en", 60)
    words = ("swatting", "doxxing", "stalking", "hoaxes", "forgery")
    world.judge(lambda place: (OTHER, words[place % 5]) if place > 50 else None)
    world.wait()
    reading = world.read(world.discovery)
    assert (reading.verdict, reading.numbers["k"], reading.numbers["kinds"]) == (Verdict.INSUFFICIENT, 5, 5)
    assert cast("int", reading.numbers["users_to_go"]) > 0
    assert world.read(world.coverage).numbers["lower"] == 0.0  # another hazard's labels


def test_strata_that_are_expected_and_not_here_are_named(world: World) -> None:
    world.come("en", 40)
    world.come(None, 5)
    world.judge()
    world.wait()
    reading = world.read(world.coverage)
    assert reading.verdict is Verdict.INSUFFICIENT
    assert "language: fr" in reading.sentence
    assert cast("float", reading.numbers["upper"]) >= 0.4
    undeclared = world.coverage.model_copy(update={"expected": {"language": {"en": 0.9, "undeclared": 0.1}}})
    assert "only 5 users" in " ".join(world.read(undeclared).not_shown)


def test_harm_that_is_shown_fails(world: World) -> None:
    world.come("en", 30)
    world.come("fr", 30)
    world.judge(lambda place: (HAZARDS[0], None) if place % 8 else None)
    world.wait()
    reading = world.read(world.coverage)
    assert reading.verdict is Verdict.FAIL
    assert cast("float", reading.numbers["lower"]) >= 0.25
    assert world.read(world.discovery).verdict is Verdict.PASS  # what the plan lists is not new


def test_more_harm_than_enforcement_was_to_allow_is_an_error(world: World) -> None:
    world.come("en", 30)
    world.judge(lambda place: (HAZARDS[1], None) if place == 3 else None)
    world.wait()
    reading = world.read(world.coverage.model_copy(update={"hazard": HAZARDS[1]}))
    assert reading.verdict is Verdict.ERROR
    assert "enforcement" in reading.sentence or "worst share" in reading.sentence


def test_shares_that_nobody_declares_and_respects_that_nobody_knows_never_pass(world: World) -> None:
    world.come("en", 60)
    world.judge()
    world.wait()
    silent = world.coverage.model_copy(update={"expected": {}})
    assert world.read(silent).verdict is Verdict.INSUFFICIENT
    unknown = world.coverage.model_copy(update={"of": ("shoe_size",), "expected": {"shoe_size": {"44": 1.0}}})
    assert world.read(unknown).verdict is Verdict.ERROR


def test_people_are_told_apart_in_every_respect_that_is_promised(world: World) -> None:
    world.come("en", 60)
    world.judge()
    world.wait()
    for of in TOLD_APART_BY:
        name = {"tier": "untrusted", "language": "en"}.get(of, UNDECLARED)
        gate = world.coverage.model_copy(update={"of": (of,), "expected": {of: {name: 1.0}}})
        assert world.read(gate).verdict is Verdict.PASS, of


def test_a_store_that_does_not_answer_is_an_error_and_not_an_empty_one(world: World) -> None:
    world.come("en", 60)
    world.judge()
    world.wait()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE safety_newcomer RENAME TO gone")
    for gate in (world.discovery, world.coverage):
        assert world.read(gate).verdict is Verdict.ERROR
