"""Tripwires on users, missing scores and shared budgets through a whole house: from draws to a decision that replays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from headgate.bootstrap.bridges.forecasts import note_forecasts
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.evidence.store.tables import readings
from headgate.kernel.actor import Actor, Role
from headgate.releases.model.release import Kind, State
from headgate.releases.service import Controller
from headgate.safety.errors import DetectorFailed
from headgate.safety.model import Content, Reading, Settled, Signal
from headgate.testing.clock import FixedClock
from headgate.testing.homes import empty_home
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, a_plan, a_stage
from headgate.testing.safety import ADA, BO, NOON, SafetyWorld, an_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headgate.releases.model.reading import WireStanding
    from headgate.releases.model.release import Release
    from headgate.safety.model import Texts

HOUR = timedelta(hours=1)
HAZARD = "cyber_misuse"
USERS: dict[str, Any] = {
    "kind": "rise",
    "hazard": HAZARD,
    "of": "flagged_users",
    "from": 0.01,
    "to": 0.1,
    "false_alarm_every": "365d",
    "earlier": {"watch": "7d", "hold": "30d"},
    "then": "cut",
}
SHIFT: dict[str, Any] = {
    "kind": "shift",
    "of": ["language"],
    "above": 0.05,
    "learn": "2h",
    "false_alarm_every": "365d",
    "then": "hold",
}
SHARES: dict[str, Any] = {
    "kind": "rise",
    "hazard": HAZARD,
    "of": "user_shares",
    "from": 0.01,
    "to": 0.1,
    "window": "3h",
    "false_alarm_every": "365d",
    "then": "cut",
}
BOSS = Actor.staff("stf_boss", "boss", frozenset({Role.ADMIN, Role.ACCESS_REVIEWER}))
MISSING: dict[str, Any] = {"kind": "missing"}


class Words:
    """Flags an exchange in which somebody says "flag"; fails where it is told to."""

    name = "words@1"
    fails = False

    def score(self, texts: Texts) -> Reading:
        if self.fails:
            raise DetectorFailed("The detector does not answer.")
        said = " ".join(passage.text for passage in texts.prompt or ())
        return Reading((Signal(HAZARD, 0.9, "a word", self.name, "word"),) if "flag" in said else ())


@dataclass
class World:
    """A house, its traffic, and a clock for both."""

    house: House
    clock: FixedClock
    safety: SafetyWorld
    detector: Words
    sent: int = 0

    def release(self, *stop: dict[str, Any]) -> Release:
        stages = [a_stage("staff", 40, stop=list(stop)), a_stage("trusted", 400)]
        release, _ = self.house.releases.apply(a_plan(stages=stages), by=AUTHOR)
        return release

    def hour(self, epoch: str, users: int, *, flagged: int = 0) -> None:
        """Let so many users send something, the first of them something to be flagged, and an hour pass."""
        for number in range(users):
            self.sent += 1
            exchange = f"ex_{self.sent:07d}"
            # whoever is flagged is somebody new: the same people would count once only
            account = f"acc_new_{self.sent}" if number < flagged else f"acc_{number}"
            text = b"flag" if number < flagged else b"hello"
            at = self.clock.now()
            self.safety.log.exchanges.append(Settled(exchange, epoch, account, at, "COMPLETED", 200, 10))
            request = b'{"messages": [{"role": "user", "content": "%s"}]}' % text
            self.safety.log.bodies[exchange] = Content(request, b"{}")
        self.clock.advance(HOUR)
        self.safety.now = self.clock.now()
        self.safety.collect()

    def tick(self) -> list[Kind]:
        self.safety.collect()
        return [decision.kind for decision in Controller(self.house.releases, self.clock, holder="one").tick().decisions]

    def wires(self, release: Release) -> dict[str, WireStanding]:
        seen = self.house.releases.assess(self.house.releases.get(release.id, by=LEAD), now=self.clock.now())
        return {wire.wire_id: wire for wire in seen.wires}

    def people(self, epoch: str, language: str | None, count: int, *, harms: int = 0) -> None:
        """Let so many new accounts come that declare a language, ask two things each, and an hour pass.

        Of the first of them, ``harms`` many, everything is found harmful.
        """
        for number in range(count):
            account = self.house.access.accounts.add("somebody", simulated=True, by=BOSS)
            if language is not None:
                self.house.access.accounts.declare(account.id, language=language, by=BOSS)
            for _ in range(2):
                self.sent += 1
                exchange = f"ex_{self.sent:07d}"
                self.safety.log.exchanges.append(Settled(exchange, epoch, account.id, self.clock.now(), "COMPLETED", 200, 10))
                text = "harm" if number < harms else "hello"
                request = b'{"messages": [{"role": "user", "content": "%s"}]}' % text.encode()
                self.safety.log.bodies[exchange] = Content(request, b"{}")
        self.clock.advance(HOUR)
        self.safety.now = self.clock.now()
        self.safety.collect()

    def judge(self) -> None:
        """Let two reviewers read whatever waits, and find the harm that is there."""
        for reviewer in (ADA, BO):
            while (item := self.safety.review.next(by=reviewer, now=self.safety.now)) is not None:
                harmful = b"harm" in self.safety.log.bodies[item.item].request
                answer = an_answer(*((HAZARD,) if harmful else ()), hazards=item.hazards)
                self.safety.review.label(item.item, answer, revision=item.revision, by=reviewer, now=self.safety.now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock, home = FixedClock(NOON), empty_home(tmp_path / "home")
    house = open_house(home, load(home.root, {}), clock=clock)
    safety = SafetyWorld(house.engine)
    safety.now = clock.now()
    detector = Words()
    safety.sampling = safety.a_sampling(detectors=[detector])
    safety.collect()
    yield World(house, clock, safety, detector)
    house.close()


def test_flagged_users_hold_and_then_cut_and_both_decisions_replay(world: World) -> None:
    release = world.release(USERS)
    epoch = release.epoch("staff")
    for _ in range(24):
        world.hour(epoch, 20)
    assert world.tick() == []
    decided: list[Kind] = []
    for _ in range(12):
        world.hour(epoch, 20, flagged=4)
        decided += world.tick()
    assert decided == [Kind.HOLD, Kind.CUT]
    assert world.house.releases.get(release.id, by=LEAD).state is State.CUT
    for decision in world.house.releases.decisions(by=LEAD):
        assert world.house.releases.explain(decision.id, by=LEAD).replays, decision
    told = next(d for d in world.house.releases.decisions(by=LEAD) if d.kind is Kind.CUT)
    assert "flagged for cyber_misuse" in told.reason


def test_a_watch_says_so_and_does_nothing(world: World) -> None:
    release = world.release({**USERS, "earlier": {"watch": "2h"}})
    epoch = release.epoch("staff")
    world.hour(epoch, 20)
    world.hour(epoch, 20, flagged=2)
    world.hour(epoch, 1)
    standing = world.wires(release)[f"rise.{HAZARD}.flagged_users.cut"]
    assert (standing.demands, standing.reading.tripped) == (None, False)
    assert "may be rising" in standing.reading.sentence
    status = world.house.releases.status(world.house.releases.get(release.id, by=LEAD), by=LEAD)
    assert [line.wire_id for line in status.wires] == [standing.wire_id]
    assert not any("may be rising" in reason for reason in status.why_not)
    assert world.tick() == []


def test_after_an_alarm_nothing_is_promoted_and_resuming_begins_the_evidence_afresh(world: World) -> None:
    release = world.release({**USERS, "then": "hold", "earlier": None})
    first = release.epoch("staff")
    for _ in range(8):
        world.hour(first, 20, flagged=10)
    assert world.tick() == [Kind.HOLD]
    assert world.tick() == []  # and stays so, whatever comes
    for _ in range(48):
        world.hour(first, 20)
    assert world.tick() == []
    assert world.wires(release)[f"rise.{HAZARD}.flagged_users.hold"].reading.tripped
    for who in (LEAD, MANAGER):
        _, seen = world.house.releases.to_sign(release.id, by=who)
        world.house.releases.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=who, to=seen.to)
    world.house.releases.resume(release.id, reason="looked into", by=LEAD)
    second = world.house.releases.get(release.id, by=LEAD).epoch("staff")
    assert second != first
    world.hour(second, 20)
    world.hour(second, 20)
    assert not world.wires(release)[f"rise.{HAZARD}.flagged_users.hold"].reading.tripped
    assert world.tick() == []


def test_missing_scores_hold_a_release_and_the_decision_replays(world: World) -> None:
    release = world.release(MISSING)
    epoch = release.epoch("staff")
    for _ in range(4):
        world.hour(epoch, 30)
    assert not world.wires(release)["missing"].reading.tripped
    world.detector.fails = True
    world.hour(epoch, 30)
    world.detector.fails = False
    world.hour(epoch, 30)
    standing = world.wires(release)["missing"]
    assert standing.reading.numbers["unscored"] == 30
    assert "too few" in standing.reading.sentence
    assert world.tick() == [Kind.HOLD]
    (held,) = (d for d in world.house.releases.decisions(by=LEAD) if d.kind is Kind.HOLD)
    assert world.house.releases.explain(held.id, by=LEAD).replays


def test_two_streams_that_share_a_budget_are_one_alarm(world: World) -> None:
    labels = {**USERS, "of": "labels", "from": 0.001, "budget": "misuse", "earlier": None}
    users = {**USERS, "budget": "misuse", "earlier": None}
    release = world.release(labels, users)
    epoch = release.epoch("staff")
    for _ in range(6):
        world.hour(epoch, 20, flagged=5)
    world.hour(epoch, 1)
    both = world.wires(release)
    one, other = both[f"rise.{HAZARD}.cut"].reading, both[f"rise.{HAZARD}.flagged_users.cut"].reading
    assert one == other
    assert one.tripped
    assert "flagged" in one.sentence
    assert "harm" in one.sentence


def test_a_hazard_that_no_detector_looks_for_is_no_quiet_one(world: World) -> None:
    release = world.release({**USERS, "hazard": "harmful_advice"}, {**USERS, "hazard": "privacy"})
    world.hour(release.epoch("staff"), 20)
    world.hour(release.epoch("staff"), 20)
    wires = world.wires(release)
    assert wires["rise.harmful_advice.flagged_users.cut"].reading.tripped is False
    blind = wires["rise.privacy.flagged_users.cut"]
    assert blind.reading.tripped is None
    assert "No detector looks for privacy" in blind.reading.sentence
    assert world.tick() == [Kind.FREEZE]


def test_a_raised_alarm_is_kept_recorded_and_replayed_by_evidence_too(world: World) -> None:
    release = world.release(USERS, MISSING)
    epoch = release.epoch("staff")
    for _ in range(8):
        world.hour(epoch, 20, flagged=10)
    world.tick()
    entries = [entry for entry in world.safety.ledger() if entry.kind == "evidence.alarmed"]
    assert {entry.body["tripwire"] for entry in entries} == {
        f"rise.{HAZARD}.flagged_users.hold",
        f"rise.{HAZARD}.flagged_users.cut",
    }
    with world.house.engine.connect() as connection:
        digests = connection.execute(select(readings.c.digest)).scalars().all()
    assert digests
    assert all(world.house.evidence.replay(digest).agrees for digest in digests)


def test_predictions_are_written_down_once_a_day_and_can_be_scored(world: World) -> None:
    release = world.release(USERS)
    epoch = release.epoch("staff")

    def note() -> int:
        return note_forecasts(world.house.releases.every(), world.house.evidence, world.house.forecasting)

    assert note() == 1
    assert note() == 0
    for _ in range(25):
        world.hour(epoch, 5)
    assert note() == 1
    found = world.house.forecasting.calibration(by=LEAD)
    assert (found.forecasts, found.series) == (2, 1)
    assert [entry.kind for entry in world.safety.ledger()].count("evidence.predicted") == 2


def replays(world: World) -> bool:
    """Return whether every decision and every kept reading is what its inputs give."""
    decisions = world.house.releases.decisions(by=LEAD)
    with world.house.engine.connect() as connection:
        digests = connection.execute(select(readings.c.digest)).scalars().all()
    return bool(digests) and all(
        [
            *(world.house.releases.explain(decision.id, by=LEAD).replays for decision in decisions),
            *(world.house.evidence.replay(digest).agrees for digest in digests),
        ]
    )


def test_people_of_a_language_that_nobody_spoke_hold_the_stage_and_are_known_after_it_is_resumed(world: World) -> None:
    release = world.release(SHIFT)
    first = release.epoch("staff")
    wire = "shift.language.hold"
    for language in ("en", "de", "en", "de"):  # both are met while the alarm learns
        world.people(first, language, 5)
    world.hour(first, 1)
    assert "0 of 10 newcomers" in world.wires(release)[wire].reading.sentence  # who came while it learned is not counted
    assert world.tick() == []
    for _ in range(4):
        world.people(first, "eo", 5)
    world.hour(first, 1)
    assert world.tick() == [Kind.HOLD]
    (held,) = (d for d in world.house.releases.decisions(by=LEAD) if d.kind is Kind.HOLD)
    assert "the share of people of unknown language has risen" in held.reason
    assert replays(world)
    assert [entry.body["tripwire"] for entry in world.safety.ledger() if entry.kind == "evidence.alarmed"] == [wire]
    for who in (LEAD, MANAGER):
        _, seen = world.house.releases.to_sign(release.id, by=who)
        world.house.releases.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=who, to=seen.to)
    world.house.releases.resume(release.id, reason="they were looked into", by=LEAD)
    second = world.house.releases.get(release.id, by=LEAD).epoch("staff")
    for _ in range(6):
        world.people(second, "eo", 5)
    world.hour(second, 1)
    again = world.wires(release)[wire].reading
    assert (again.tripped, again.numbers["k"]) == (False, 0)
    assert "0 of 20 newcomers" in again.sentence  # those of the first two windows are what it learned from


def test_what_somebody_declares_later_does_not_change_a_closed_window(world: World) -> None:
    release = world.release(SHIFT)
    epoch = release.epoch("staff")
    world.people(epoch, "en", 5)
    world.people(epoch, "en", 5)
    for _ in range(4):
        world.people(epoch, "en", 5)
    before = world.wires(release)["shift.language.hold"].reading
    for account in world.house.access.accounts.page(by=BOSS):
        world.house.access.accounts.declare(account.id, language="eo", by=BOSS)
    assert world.wires(release)["shift.language.hold"].reading == before


def test_people_cannot_be_told_apart_by_what_nobody_asks_and_that_freezes(world: World) -> None:
    release = world.release({**SHIFT, "of": ["shoe_size"]})
    world.people(release.epoch("staff"), "en", 5)
    world.people(release.epoch("staff"), "en", 5)
    blind = world.wires(release)["shift.shoe_size.hold"].reading
    assert blind.tripped is None
    assert "Nobody tells people apart by shoe_size" in blind.sentence
    assert world.tick() == [Kind.FREEZE]


def test_many_users_who_do_harm_cut_the_stage_and_the_same_harm_of_one_does_not(world: World) -> None:
    release = world.release(SHARES)
    epoch = release.epoch("staff")
    for _ in range(2):
        world.people(epoch, None, 6)
    world.people(epoch, None, 6, harms=1)
    world.judge()
    for _ in range(4):
        world.hour(epoch, 1)
    wire = f"rise.{HAZARD}.user_shares.cut"
    calm = world.wires(release)[wire].reading
    assert (calm.tripped, calm.numbers["k"]) == (False, 1)
    assert "1 user with harm of cyber_misuse among 18 users observed for 3h00m each" in calm.sentence
    world.people(epoch, None, 6, harms=5)
    for _ in range(4):
        world.hour(epoch, 1)
    assert world.tick() == []  # nobody has read it yet: a label that is missing is no harm
    world.judge()
    assert world.tick() == [Kind.CUT]
    assert world.house.releases.get(release.id, by=LEAD).state is State.CUT
    assert replays(world)


def test_people_and_harm_share_one_false_alarm(world: World) -> None:
    release = world.release({**SHIFT, "budget": "all"}, {**SHARES, "then": "hold", "budget": "all"})
    epoch = release.epoch("staff")
    for _ in range(3):
        world.people(epoch, "en", 5)
    world.hour(epoch, 1)
    both = world.wires(release)
    one, other = both["shift.language.hold"].reading, both[f"rise.{HAZARD}.user_shares.hold"].reading
    assert one == other
    assert "newcomers by language" in one.sentence
    assert "observed for 3h00m each" in one.sentence
