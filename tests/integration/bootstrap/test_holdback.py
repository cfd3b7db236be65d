"""A holdback, from the lots that the gateway draws to what becomes of the release; nothing between is made up."""

from __future__ import annotations

import io
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from headgate.access.service import Access
from headgate.access.store import SqlStore
from headgate.bootstrap.bridges.epochs import EpochKeeper, ReleaseEpochs
from headgate.bootstrap.bridges.holdback import SidesOfHoldbacks
from headgate.bootstrap.bridges.policies import policy_of
from headgate.bootstrap.bridges.wires import Wires
from headgate.bootstrap.settings import Settings
from headgate.evidence.service.holdback import HeldBack
from headgate.evidence.store import EvidenceStore
from headgate.gateway.decide import admit
from headgate.gateway.model import Admitted, Call, Principal
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.ids import GrantId, KeyId
from headgate.kernel.lots import is_drawn
from headgate.ledger import store as ledger
from headgate.migrations.tables import TABLES
from headgate.releases.cli.picture import picture
from headgate.releases.decide import holdback
from headgate.releases.errors import ReleaseNotFound
from headgate.releases.model.holdback import HELD_BACK
from headgate.releases.model.release import Kind, SignedFor, State
from headgate.releases.service import Controller, ReleaseService
from headgate.releases.store import SqlReleases
from headgate.safety.model import Content, Settled
from headgate.safety.service.sampling import Sampling
from headgate.safety.store import SqlSampling
from headgate.testing.releases import AUTHOR, ENOUGH, LEAD, MANAGER, MadeUpReadings, a_plan, a_stage, everything_passes
from headgate.testing.safety import ADA, BO, HAZARDS, NOON, SafetyWorld, an_answer
from headgate.testing.traffic import TrafficWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from headgate.access.model import Account, Grant
    from headgate.evidence.model.holdback import HoldbackDay
    from headgate.kernel.digest import Json
    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.reading import Asked, GateReading, WireReading, WireStanding
    from headgate.releases.model.release import Release
    from headgate.traffic.spool import Spool

DAY = timedelta(days=1)
DESK = Actor.system("desk", *Permission)
PEOPLE = 30


class OnlyTheHoldbackIsReal(MadeUpReadings):
    """Made-up readings under which every gate passes, but for the holdback, which is read through every floor."""

    def __init__(self, wires: Wires) -> None:
        super().__init__(verdicts=everything_passes().verdicts, exposed=ENOUGH)
        self.wires = wires

    def holdback(self, holdback: Holdback, asked: Asked) -> WireReading:
        return self.wires.holdback(holdback, asked)

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        if kind == "holdback" and isinstance(inputs, dict):
            return self.wires.replay(inputs)
        return super().replay(kind, inputs)


class Stack:
    """A release at its second stage, which gives the people of the first one tools, half of them a week later."""

    def __init__(self, folder: Path) -> None:
        self.traffic = TrafficWorld.build(folder)
        self.engine, self.clock = self.traffic.engine, self.traffic.clock
        for metadata in TABLES:
            metadata.create_all(self.engine)
        self.clock.set(NOON)
        self.spool: Spool = self.traffic.open()
        drawn = random.Random(7).randbytes  # identifiers, and so lots, are the same in every run
        self.access = Access(SqlStore(self.engine), pepper=b"p" * 32, environment="test", clock=self.clock, entropy=drawn)
        self.access.cohorts.add("people", seats=500, by=DESK)
        self.store, self.draws = SqlReleases(self.engine), SqlSampling(self.engine)
        self.safety = SafetyWorld(self.engine)
        self.safety.sampling = Sampling(
            store=self.draws,
            exchanges=self.safety.log,
            epochs=ReleaseEpochs(self.store),
            detectors=[],
            entropy=self.safety.entropy,
            second_share=0.0,
        )
        records = EvidenceStore(self.engine)
        self.sides = SidesOfHoldbacks(self.store, self.access, self.traffic.exposures, self.draws, self.clock)
        self.held_back = HeldBack(self.sides, records, self.clock)
        nothing = cast("Any", None)  # no stage here has another tripwire that is measured
        wires = Wires(nothing, nothing, self.held_back)
        self.service = ReleaseService(self.store, OnlyTheHoldbackIsReal(wires), self.clock, entropy=lambda: drawn(10))
        self.id = self.apply().id
        self.seats: dict[str, tuple[Account, Grant]] = {}
        self.harmful: dict[str, tuple[str, ...]] = {}

    def apply(self, **changed: Any) -> Release:
        """Apply the plan, or change its holdback."""
        asked = {"share": 0.5, "window": "7d", "then": "narrow", **changed}
        people = {"who": {"cohort": "people", "seats": 500}, "stop": []}
        more = {
            "what": {"surfaces": ["api.chat"], "capabilities": ["streaming", "tools"]},
            "watch": {"sample": "all", "reviewers": 9},
            "holdback": asked,
        }
        hazards = {
            HAZARDS[0]: {"severity": "high", "limit": {"traffic": 0.1}},
            HAZARDS[1]: {"severity": "low", "limit": {"traffic": 0.1}},
        }
        stages = [a_stage("some", 500, **people), a_stage("more", 500, **people, **more), a_stage("all", 5000)]
        release, _ = self.service.apply(a_plan(hazards=hazards, stages=stages), by=AUTHOR)
        return release

    @property
    def release(self) -> Release:
        return self.service.get(self.id, by=AUTHOR)

    @property
    def epoch(self) -> str:
        return self.release.epoch("more")

    def promote(self) -> None:
        for who in (LEAD, MANAGER):
            _, seen = self.service.to_sign(self.id, by=who)
            self.service.approve(self.id, purpose=SignedFor.PROMOTE, seen=seen.digest, by=who, to=seen.to)
        assert self.tick() == [Kind.PROMOTE]
        EpochKeeper(self.safety.sampling).keep(self.service.every(), now=self.clock.now())

    def enrol(self, count: int, *, organisation: str | None = None) -> list[str]:
        """Give some people seats, from now on."""
        org = None if organisation is None else self.access.organisations.add(organisation, by=DESK).id
        fresh: list[str] = []
        for number in range(count):
            account = self.access.accounts.add(f"person {len(self.seats)} {number}", organisation_id=org, by=DESK)
            grant = self.access.grants.add(account.id, "people", ends_at=self.clock.now() + 300 * DAY, by=DESK)
            self.seats[account.id] = (account, grant)
            fresh.append(account.id)
        return fresh

    async def use(self, account_id: str, *harms: str) -> str:
        """Let an account ask once, as the gateway admits it; return the epoch that it is recorded under."""
        account, grant = self.seats[account_id]
        policy = policy_of(next(one for one in self.service.policy() if one.release_id == self.id), Settings())
        who = Principal(
            KeyId("key"), account.id, account.organisation_id, GrantId(grant.id), "people", frozenset({"api.chat"}), 100,
            lambda _ip, _now: None, grant.starts_at,
        )  # fmt: skip
        call = Call("api.chat", policy.model, False, frozenset(), 10, None, 1, 1)
        admitted = admit(call, who, policy, now=self.clock.now(), assumed_output_tokens=10)
        assert isinstance(admitted, Admitted)
        recorded = await self.traffic.exchange(
            self.spool,
            release_id=self.id,
            stage=admitted.rule.stage,
            epoch=admitted.rule.epoch,
            account_id=account.id,
            organisation_id=account.organisation_id,
        )
        log = self.safety.log
        log.exchanges.append(Settled(recorded.exchange_id, recorded.epoch, account.id, recorded.at, "COMPLETED", 200, 2))
        log.bodies[recorded.exchange_id] = Content(b"{}", b"{}")
        self.harmful[recorded.exchange_id] = harms
        return recorded.epoch

    def judge(self) -> None:
        """Let reviewers read everything; what one calls harmful is confirmed by another."""
        self.safety.now = self.clock.now()
        self.safety.collect()
        for by in (ADA, BO):
            while (item := self.safety.review.next(by=by, now=self.safety.now)) is not None:
                answer = an_answer(*self.harmful[item.item], hazards=item.hazards)
                self.safety.review.label(item.item, answer, revision=item.revision, by=by, now=self.safety.now)

    def drawn(self, account_id: str) -> bool:
        """Return whether an account's lot says that it is held back, drawn again from what the ledger has."""
        (told,) = [entry.body["holdbacks"] for entry in self.entries("release.promoted")]
        assert isinstance(told, list)
        (rule,) = told
        assert isinstance(rule, dict)
        unit = self.seats[account_id][0].organisation_id or account_id
        return is_drawn(str(rule["lots"]), unit, float(str(rule["share"])))

    def entries(self, kind: str) -> list[Any]:
        with self.engine.execution_options(read_only=True).connect() as connection:
            return [one.entry for one in ledger.tail(connection, 0, 100_000) if one.entry.kind == kind]

    def wait(self, span: timedelta) -> None:
        self.judge()
        self.clock.advance(span)
        self.traffic.exposures.collect(100_000)

    def days(self, hazard: str = HAZARDS[0]) -> tuple[HoldbackDay, ...]:
        rule = self.sides.rule(self.epoch)
        assert rule is not None
        (found,) = [each for each in self.sides.compared(self.epoch, rule) if each.hazard == hazard]
        return found.days

    def wire(self) -> WireStanding:
        assessment = self.service.assess(self.release, now=self.clock.now())
        return next(wire for wire in assessment.wires if wire.kind == "holdback")

    def tick(self) -> list[Kind]:
        return [decision.kind for decision in Controller(self.service, self.clock, holder="one").tick().decisions]

    def shown(self) -> str:
        """Return the release as the terminal shows it."""
        console = Console(width=400, file=io.StringIO())
        with console.capture() as capture:
            console.print(picture([self.service.status(self.release, by=AUTHOR)]))
        return capture.get()

    def replays(self) -> bool:
        decisions = self.service.decisions(by=AUTHOR, limit=100)
        return bool(decisions) and all(self.service.explain(decision.id, by=AUTHOR).replays for decision in decisions)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    made = Stack(tmp_path)
    yield made
    await made.traffic.close()


async def test_more_harm_with_new_access_than_among_the_held_back_narrows_the_release(stack: Stack) -> None:
    people = stack.enrol(PEOPLE)
    stack.promote()
    assert {account: await stack.use(account) for account in people} == {
        account: stack.epoch + HELD_BACK * stack.drawn(account) for account in people
    }
    for account in people:  # tools bring it out in everybody who has them, again and again
        await stack.use(account, *[HAZARDS[0]] * (not stack.drawn(account)))
        await stack.use(account, *[HAZARDS[0]] * (not stack.drawn(account)))
    assert stack.days() == ()  # the day is not over
    assert stack.wire().reading.tripped is False
    stack.wait(DAY)
    old = sum(map(stack.drawn, people))
    (day,) = stack.days()
    assert (day.new_units, day.old_units) == (PEOPLE - old, old)
    assert (day.new_exchanges, day.old_exchanges) == (3 * (PEOPLE - old), 3 * old)
    assert (day.new_harms, day.old_harms) == (PEOPLE - old, 0)  # each unit once, however often
    assert stack.days(HAZARDS[1])[0].new_harms == 0
    wire = stack.wire()
    assert wire.reading.tripped is True
    assert "COMPARES" not in stack.shown()
    assert f"holdback more TRIPPED New access raised {HAZARDS[0]}" in " ".join(stack.shown().split())
    assert stack.tick() == [Kind.NARROW]
    assert (stack.release.state, stack.release.stage) == (State.NARROWED, 1)
    assert stack.entries("evidence.alarmed")[0].body["tripwire"] == "holdback"
    assert stack.replays()


async def test_as_much_harm_on_both_sides_stops_nothing_and_stands_in_the_status_all_the_same(stack: Stack) -> None:
    people = stack.enrol(PEOPLE)
    stack.promote()
    for account in people:
        await stack.use(account, HAZARDS[0])
    stack.wait(DAY)
    assert stack.tick() == []
    shown = stack.shown()
    assert "COMPARES" in shown
    assert "No rise over the held back is shown, over 1 day" in shown
    assert "by the holdback: what the access of more does to anybody after their first 7d00h" in shown
    assert stack.held_back.now(stack.epoch, by=LEAD).reading.sentence in shown
    assert stack.replays()


async def test_each_is_compared_for_a_window_of_their_own_and_the_held_back_join_no_side_afterwards(stack: Stack) -> None:
    early = stack.enrol(3)
    stack.promote()
    stack.wait(3 * DAY)
    late = stack.enrol(3)
    while not any(map(stack.drawn, late)):
        late += stack.enrol(1)
    for _ in range(9):
        for account in (*early, *late):
            await stack.use(account)
        stack.wait(DAY)
    compared = {day.day: day.new_units + day.old_units for day in stack.days()}
    # the stage opened on the 2nd, so who was there from the start is compared up to the 8th, and who came on the 5th to the 11th
    both, alone = len(early) + len(late), len(late)
    assert compared == {f"2026-03-{day:02d}": both if day <= 8 else alone for day in range(5, 12)}
    positions = [state.position for name in (stack.epoch, stack.epoch + HELD_BACK) if (state := stack.draws.state(name))]
    assert sum(positions) == 9 * both
    assert min(positions) > 0
    assert await stack.use(next(filter(stack.drawn, late))) == stack.epoch


async def test_colleagues_count_as_one_and_are_on_one_side(stack: Stack) -> None:
    teams = [stack.enrol(3, organisation=f"team {number}") for number in range(6)]
    stack.promote()
    sides = [{await stack.use(account, HAZARDS[1]) for account in team} for team in teams]
    assert all(len(side) == 1 for side in sides)
    stack.wait(DAY)
    (day,) = stack.days(HAZARDS[1])
    assert day.new_units + day.old_units == day.new_harms + day.old_harms == len(teams)
    assert day.new_exchanges + day.old_exchanges == 3 * len(teams)


async def test_what_is_settled_late_is_taken_in_for_a_day_and_a_day_that_stands_stays(stack: Stack) -> None:
    account, other = stack.enrol(2)
    stack.promote()
    await stack.use(account)
    stack.wait(DAY)
    at = NOON + timedelta(hours=1)
    assert [day.new_exchanges + day.old_exchanges for day in stack.days()] == [1]

    async def settle_late() -> None:
        epoch = stack.epoch + HELD_BACK * stack.drawn(other)
        await stack.traffic.exchange(stack.spool, at, release_id=stack.id, epoch=epoch, account_id=other, organisation_id=None)
        stack.traffic.exposures.collect(100)

    await settle_late()
    assert [day.new_exchanges + day.old_exchanges for day in stack.days()] == [1]  # read a moment ago
    stack.wait(timedelta(hours=1))
    assert [day.new_exchanges + day.old_exchanges for day in stack.days()] == [2]
    stack.wait(2 * DAY)
    assert [day.new_exchanges + day.old_exchanges for day in stack.days()] == [2]
    await settle_late()
    stack.wait(timedelta(hours=2))
    assert [day.new_exchanges + day.old_exchanges for day in stack.days()] == [2]


async def test_both_sides_are_drawn_with_each_other_and_other_stages_alone(stack: Stack) -> None:
    epochs = ReleaseEpochs(stack.store)
    own, alone = f"{stack.id}/more/1", f"{stack.id}/some/1"
    drawn_with = {name: watch.drawn_with for name in (own, own + HELD_BACK, alone) if (watch := epochs.watch(name)) is not None}
    assert drawn_with == {own: (own, own + HELD_BACK), own + HELD_BACK: (own, own + HELD_BACK), alone: ()}


async def test_an_epoch_of_a_stage_without_a_holdback_has_no_rule_and_one_of_nobody_has_no_days(stack: Stack) -> None:
    assert stack.sides.rule(stack.release.epoch("some")) is None
    assert stack.sides.rule("rel_0/more/1") is None
    assert stack.sides.rule("no epoch") is None
    assert stack.sides.epoch(stack.id) == stack.release.epoch("some")
    stack.promote()
    rule = stack.sides.rule(stack.epoch)
    assert rule is not None
    assert stack.sides.epoch(stack.id) == stack.sides.epoch("atlas-2") == stack.sides.epoch(stack.epoch) == stack.epoch
    with pytest.raises(ReleaseNotFound):
        stack.sides.epoch("atlas-3")
    assert [each.days for each in stack.sides.compared("rel_0/more/1", rule)] == [(), ()]
    assert holdback.epoch(stack.release, "more") == stack.epoch + HELD_BACK
