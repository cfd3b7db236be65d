"""A played plan beside the live engine: the same traffic through the assessor and the evidence engine, hour by hour.

The play keeps running sums and looks only where something changes. Here nothing of that is used: at every hour the labels known
by then are handed to ``read_rate`` and ``read_rise`` in the engine's own words, the real assessor reads every gate and tripwire,
and the controller's rule acts. Promotions and stops must fall in the same hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headgate.evidence.decide.rate import read_rate
from headgate.evidence.decide.rise import read_rise
from headgate.evidence.model import Harm, LabelledTraffic, Look, RateClaim, RiseRule, Segment
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.releases.decide import states
from headgate.releases.decide.next_step import next_step
from headgate.releases.decide.simulate import Script, play, script_of
from headgate.releases.decide.simulate.play import BEGINNING, CONTROLLER
from headgate.releases.decide.simulate.stage import PlayedStage, opened
from headgate.releases.model.command import Cut, Narrow, Promote, TellOwner
from headgate.releases.model.plan import Plan
from headgate.releases.model.reading import Exposure, GateReading, MonitorHealth, OpenIncidents, WireReading
from headgate.releases.model.release import Release, State
from headgate.releases.model.simulation import Adversary, World
from headgate.releases.service.assessing import Assessor
from headgate.releases.wire.canonical import plan_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.releases.model.plan import RateGate, RiseWire
    from headgate.releases.model.reading import Asked


def stage(name: str, seats: int, alpha: float) -> dict[str, Any]:
    return {
        "name": name,
        "who": {"cohort": name, "seats": seats},
        "what": {"surfaces": ["api.chat"]},
        "how_much": {"requests": "100k/min", "expected_use": 20},
        "watch": {"sample": "1000/week", "reviewers": 9},
        "leave": [
            {"kind": "exposure", "accounts": seats // 2, "exchanges": 100},
            {"kind": "soak", "active_days": 2, "at_most": "6d"},
            {"kind": "rate", "hazard": "harm", "below": 0.1, "alpha": alpha},
            {"kind": "incidents"},
        ],
        "stop": [
            {
                "kind": "rise",
                "hazard": "harm",
                "from": 0.05,
                "to": 0.3,
                "false_alarm_every": "30d",
                "look_every": "3h",
                "then": "cut",
            }
        ],
    }


PLAN = Plan.model_validate(
    {
        "name": "played",
        "model": {"name": "m", "upstream": {"url": "http://127.0.0.1:8000/v1", "model": "m"}},
        "end_state": "api_general",
        "staging_is_for": ["misuse"],
        "hazards": {"harm": {"severity": "critical", "limit": {"traffic": 0.1}}},
        "stages": [stage("staff", 10, 0.05), stage("all", 30, 0.05)],
    }
)


@dataclass
class Told:
    """Releases' ``Readings``: what the engine says of the labels that are known at an hour."""

    at: int = 0
    stages: dict[str, PlayedStage] = field(default_factory=dict[str, PlayedStage])

    def gate(self, gate: RateGate, asked: Asked) -> GateReading:
        told = self.stages[asked.stage.name]
        upto, found = int(told.labels.complete[self.at - told.opened]), told.labels.found[0]
        frontier = int(told.labels.requests[:upto].sum())
        traffic = LabelledTraffic(
            epoch=asked.epoch,
            hazard=gate.hazard,
            segments=(Segment(frontier, told.labels.floor),) if frontier else (),
            harms=tuple(Harm(float(pi), told.labels.floor) for pi in found.pi[found.tick < upto]),
            labels=int(told.labels.drawn[:upto].sum()),
            pending=0,
            frontier=frontier,
            drawn=frontier,
            uniform=not told.labels.directed,
        )
        said = read_rate(traffic, RateClaim(gate.hazard, gate.below, gate.alpha, asked.attempt))
        return GateReading.of(gate.id, gate.kind, said.verdict, said.sentence, numbers={"k": said.harms}, inputs={})

    def rise(self, wire: RiseWire, asked: Asked) -> WireReading:
        told = self.stages[asked.stage.name]
        now, every = self.at - told.opened, round(wire.look_every.total_seconds() / 3600)
        found = told.labels.found[0]
        known = (found.known <= now) & found.confirmed
        looks = tuple(
            Look(
                (Segment(int(told.labels.requests[start : start + every].sum()), told.labels.floor),),
                tuple(Harm(float(pi), told.labels.floor) for pi in found.pi[known & (found.tick // every == start // every)]),
            )
            for start in range(0, now - every + 1, every)
        )
        rule = RiseRule(wire.hazard, wire.from_, wire.to, wire.false_alarm_every, wire.look_every)
        said = read_rise(looks, rule)
        return WireReading(said.state.raised, said.sentence, {}, {})

    def missing(self, _wire: Any, _asked: Asked) -> WireReading:
        return WireReading(False, "", {}, {})

    def exposure(self, epochs: Sequence[str], _now: datetime) -> Exposure:
        told = self.stages[epochs[-1].split("/")[1]]
        instant = self.at - told.opened
        accounts, days = int(told.accounts[instant]), int(told.days[instant])
        return Exposure(accounts, accounts, int(told.labels.requests[:instant].sum()), days)

    def incidents(self, _release_id: str, _now: datetime) -> OpenIncidents:
        return OpenIncidents({})

    def monitor(self, _now: datetime) -> MonitorHealth:
        return MonitorHealth(None)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a live controller asks nothing else: {name}")


def live(script: Script, number: int) -> tuple[list[float], list[float]]:
    """Return the days of promotions and of stops that cut or narrow, as the live rules have them."""
    rng = np.random.default_rng(np.random.SeedSequence(script.seed, spawn_key=(number,)))
    told = Told()
    reader: Any = told
    assessor = Assessor(reader)
    release = Release(
        id=ReleaseId("rel_live"),
        plan=script.plan,
        plan_revision=1,
        author="stf_author",
        state=State.SCHEDULED,
        stage=0,
        reached=0,
        since=BEGINNING,
        stage_since=BEGINNING,
        created_at=BEGINNING,
        scheduled_at=BEGINNING,
    )
    promoted: list[float] = []
    stopped: list[float] = []
    end = sum(ground.patience for ground in script.grounds) + script.after
    while told.at <= end and release.state is not State.CUT:
        now = BEGINNING + timedelta(hours=told.at)
        while True:
            assessment = assessor.assess(release, now=now)
            command = next_step(release, assessment, now=now)
            if command is None or isinstance(command, TellOwner):
                break
            release = states.decide(
                release, command, by=CONTROLLER, assessment=assessment, now=now, decision_id=DecisionId("dec_live")
            ).release
            if isinstance(command, Promote):
                promoted.append(told.at / 24)
            elif isinstance(command, Cut | Narrow):
                stopped.append(told.at / 24)
            if release.stage > len(told.stages):
                fresh = opened(script, len(told.stages), told.at, rng)
                told.stages[fresh.ground.stage.name] = fresh
        newest = list(told.stages.values())[-1]
        last = len(told.stages) == len(script.grounds)
        if told.at >= newest.opened + (script.after if last else newest.ground.patience):
            break
        told.at += 1
    return promoted, stopped


@pytest.mark.parametrize(
    ("true", "numbers"),
    [
        (World({"harm": 0.01}, label_days=0.3, harm_days=0.8, after_days=4), (0, 1)),
        (World({"harm": 0.02}, frozenset({Adversary.PATIENT}), rise=20, label_days=0.2, harm_days=0.2, after_days=4), (0, 1)),
        (World({"harm": 0.3}, auc=0.95, flagged=0.05, after_days=4), (0,)),
    ],
)
def test_the_live_engine_promotes_and_stops_in_the_same_hour(true: World, numbers: tuple[int, ...]) -> None:
    script = script_of(PLAN, plan_digest(PLAN), true, seed=11)
    happened = 0
    for number in numbers:
        result = play(script, number)
        promoted, stopped = live(script, number)
        expected = [visit.opened + visit.left for visit in result.visits if visit.left is not None]
        assert promoted == pytest.approx(expected)
        assert stopped == pytest.approx([stop.day for stop in result.stops])
        happened += len(promoted) + len(stopped)
    assert happened  # the comparison saw the release move
