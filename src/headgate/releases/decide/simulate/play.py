"""One play: hour by hour, wherever a reading changes, the release's own rules say what happens.

Between two changes nothing can happen, so only they are looked at; and where no gate fails, not every gate passes, no wire
is touched and nobody has signed, ``next_step`` has nothing to say and is not asked. A test asks it at every hour and
finds the same play.
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.releases.decide import approvals, gates, leaving, states
from headgate.releases.decide.next_step import next_step
from headgate.releases.decide.simulate.stage import HEALTHY, PlayedStage, opened
from headgate.releases.model.command import Cut, Hold, Narrow, Promote, TellOwner
from headgate.releases.model.plan import Reaction
from headgate.releases.model.reading import Assessment
from headgate.releases.model.release import Approval, Release, SignedFor, State
from headgate.releases.model.simulation import DAY, Adversary, Play, Stop, Visit

if TYPE_CHECKING:
    from headgate.kernel.actor import Role
    from headgate.releases.decide.approvals import Requirement
    from headgate.releases.decide.simulate.ground import Script
    from headgate.releases.model.command import Command

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""When every play begins; no rule asks for the date."""
CONTROLLER = Actor.system("simulation", Permission.HOLD, Permission.NARROW, Permission.CUT, Permission.PROMOTE)
_STEPS = 6
"""Decisions in one tick, as in the controller."""
_HOUR = timedelta(hours=1)
_ENDED = frozenset({State.CUT, State.WITHDRAWN})


def play(script: Script, number: int, *, every_tick: bool = False) -> Play:
    """Play a plan once.

    Args:
        script: What is played.
        number: Which play, from 0; the same number of the same script is the same play, whoever plays it.
        every_tick: Ask at every hour, not only where something changes; slower, and the same.
    """
    rng = np.random.default_rng(np.random.SeedSequence(script.seed, spawn_key=(number,)))
    return _Play(script, rng, every_tick=every_tick).run()


class _Play:
    """The state of one play."""

    def __init__(self, script: Script, rng: np.random.Generator, *, every_tick: bool) -> None:
        self._script = script
        self._rng = rng
        self._every_tick = every_tick
        self._release = Release(
            id=ReleaseId("rel_simulated"),
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
        self._stages: list[PlayedStage] = []
        self._visits: list[Visit] = []
        self._stops: list[Stop] = []
        self._events: list[int] = []
        self._sign_at: int | None = None

    def run(self) -> Play:
        self._settle(0)
        at = 0
        while self._release.state not in _ENDED and (upcoming := self._next(at)) is not None:
            at = upcoming
            self._settle(at)
        end = at if self._release.state in _ENDED else self._end()
        rose = self._rose()
        return Play(
            visits=tuple(self._visits),
            stops=tuple(self._stops),
            harms=sum(stage.harms(0, end) for stage in self._stages),
            risen_harms=None if rose is None else sum(stage.harms(rose, end) for stage in self._stages),
            rose=None if rose is None else rose / DAY,
            days=end / DAY,
        )

    def _next(self, at: int) -> int | None:
        """Return the next tick to look at before the end; ``None`` when there is none."""
        end = self._end()
        if self._every_tick:
            return at + 1 if at + 1 <= end else None
        while self._events and self._events[0] <= at:
            heapq.heappop(self._events)
        return self._events[0] if self._events and self._events[0] <= end else None

    def _end(self) -> int:
        last = self._stages[-1]
        whole = len(self._stages) == len(self._script.grounds)
        return last.opened + (self._script.after if whole else last.ground.patience)

    def _rose(self) -> int | None:
        patient = Adversary.PATIENT in self._script.world.adversaries
        return self._stages[-1].opened if patient and len(self._stages) == len(self._script.grounds) else None

    def _settle(self, at: int) -> None:
        now = BEGINNING + at * _HOUR
        for _ in range(_STEPS):
            assessment = self._assessed(at, now)
            self._sign(assessment, at, now)
            command = next_step(self._release, assessment, now=now) if self._may_matter(assessment) else None
            if command is None or isinstance(command, TellOwner):
                return
            before = self._release
            moved = states.decide(
                before, command, by=CONTROLLER, assessment=assessment, now=now, decision_id=DecisionId("dec_simulated")
            )
            self._release = moved.release
            self._note(command, before, at)

    def _assessed(self, at: int, now: datetime) -> Assessment:
        stage = self._release.stage
        own = self._stages[stage - 1].readings(at, self._release.stage_since, now) if stage else ()
        wires = [wire for played in self._stages[:stage] for wire in played.wires(at, now)]
        return Assessment(stage, own, (gates.monitor(HEALTHY), *wires) if stage else (), 0)

    def _may_matter(self, assessment: Assessment) -> bool:
        if self._every_tick or not assessment.stage or self._release.approvals:
            return True
        said = {reading.verdict for reading in assessment.gates}
        touched = any(wire.demands is not None for wire in assessment.wires)
        return touched or Verdict.FAIL in said or said <= {Verdict.PASS}

    def _sign(self, assessment: Assessment, at: int, now: datetime) -> None:
        """Let people sign, ``approval`` ticks after everything else has come to pass."""
        release = self._release
        if release.state is not State.LIVE or release.approvals:
            return
        to = release.stage + 1
        wanted = approvals.requirements(release, SignedFor.PROMOTE, to)
        if not wanted or {reading.verdict for reading in assessment.gates} - {Verdict.PASS}:
            self._sign_at = None
            return
        if not leaving.approvals_open(release, assessment, SignedFor.PROMOTE, now):
            self._sign_at = None
            return
        if self._sign_at is None:
            self._sign_at = at + self._script.approval
            self._look_at(self._sign_at)
        if at < self._sign_at:
            return
        material = approvals.material(release, assessment, SignedFor.PROMOTE, to)
        signed = tuple(
            Approval(f"stf_{number}", f"person {number}", roles, now, material) for number, roles in enumerate(_people(wanted))
        )
        self._release = replace(release, approvals=signed)
        self._sign_at = None
        cools = [-(-requirement.cool_off // _HOUR) for requirement in wanted if requirement.cool_off]
        if cools:  # a harm that is confirmed meanwhile makes signatures lapse
            self._look_at(*(at + ticks for ticks in cools), *self._stages[-1].found().tolist())

    def _note(self, command: Command, before: Release, at: int) -> None:
        after = self._release
        match command:
            case Promote():
                here = self._stages[before.stage - 1]
                self._visits[before.stage - 1] = replace(
                    self._visits[before.stage - 1],
                    left=(at - here.opened) / DAY,
                    wrong=here.wrongly_left(self._script, at),
                )
            case Hold() | Narrow() | Cut() if command.alarm is not None:
                reaction = {Hold: Reaction.HOLD, Narrow: Reaction.NARROW, Cut: Reaction.CUT}[type(command)]
                self._stops.append(Stop(reaction, command.alarm.stage, command.alarm.source, at / DAY))
            case _:
                pass
        for stage in self._stages[after.stage :]:
            stage.closed = at if stage.closed is None else stage.closed
        if after.stage > len(self._stages):
            self._open(at)

    def _open(self, at: int) -> None:
        stage = opened(self._script, len(self._stages), at, self._rng)
        self._stages.append(stage)
        self._visits.append(Visit(at / DAY))
        self._sign_at = None
        self._look_at(*stage.changes().tolist())
        self._look_at(*(at + raised for raised in stage.rises.values() if raised is not None))

    def _look_at(self, *ticks: int) -> None:
        for tick in ticks:
            heapq.heappush(self._events, tick)


def _people(wanted: tuple[Requirement, ...]) -> list[frozenset[Role]]:
    """Return enough people for every signature: one for each role, and more of the first role up to the quorum."""
    people: list[frozenset[Role]] = []
    for requirement in wanted:
        spare = max(0, requirement.signatures - len(requirement.roles))
        people += [frozenset({role}) for role in (*requirement.roles, *(requirement.roles[:1] * spare))]
    return people
