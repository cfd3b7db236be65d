"""One stage of a play: its traffic, and what its gates and tripwires would have read at every hour of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.kernel.verdict import Verdict
from headgate.releases.decide import gates
from headgate.releases.decide.simulate.ground import BURSTS_EVERY
from headgate.releases.model.plan import (
    ApprovalGate,
    ExposureGate,
    IncidentsGate,
    IncidentWire,
    MissingWire,
    MonitorDownWire,
    RateGate,
    RiseWire,
    ShiftWire,
    SoakGate,
)
from headgate.releases.model.reading import (
    Exposure,
    GateReading,
    MonitorHealth,
    OpenIncidents,
    WireReading,
    WireStanding,
)
from headgate.releases.model.simulation import DAY, Adversary
from headgate.releases.model.wires import Rising, Stream, paid_from
from headgate.stats.alarm import log_threshold
from headgate.stats.simulation.labels import bursts, draw, enforced, harmful_few, steady
from headgate.stats.simulation.paths import Ask, Golds, RatePath, Seats, rate_path, rise_at, users_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from headgate.releases.decide.simulate.ground import Ground, Script
    from headgate.releases.model.plan import Gate, Tripwire
    from headgate.stats.simulation.labels import Labels

QUIET = OpenIncidents({})
HEALTHY = MonitorHealth(None)
_HOUR_S = 3600.0
_ROUNDING = 1e-12
"""A mean of equal rates may miss them by this part."""


@dataclass(slots=True)
class PlayedStage:
    """A stage that was opened.

    Attributes:
        ground: The stage in numbers.
        opened: The tick it was opened at, from the beginning of the play.
        closed: The tick it was closed at; ``None`` while it is open.
        labels: Its traffic, from its opening.
        rates: True rates by hazard and tick.
        paths: The rate gates over time, by name.
        accounts: Accounts that have sent anything, at each instant.
        days: Active days, at each instant.
        rises: When each alarm on labels is raised, by the tripwire's name; ``None`` where never.
    """

    ground: Ground
    opened: int
    closed: int | None
    labels: Labels
    rates: NDArray[np.float64]
    paths: dict[str, RatePath]
    accounts: NDArray[np.int64]
    days: NDArray[np.int64]
    rises: dict[str, int | None]

    def wrongly_left(self, script: Script, at: int) -> bool:
        """Return whether the mean true rate of a gated hazard was not below its gate's limit, in the traffic judged by then.

        That traffic is what a pass speaks of; what came after its frontier, no gate has claimed anything about. A gate on users
        speaks of users like these, and so of the mean share among everybody.
        """
        upto = int(self.labels.complete[at - self.opened])
        served = self.labels.requests[:upto]
        if not served.sum():
            return False
        for gate in self.ground.stage.leave:
            match gate:
                case RateGate(of="traffic"):
                    mean = float(self.rates[script.hazards.index(gate.hazard), :upto] @ served) / float(served.sum())
                case RateGate():
                    mean = _among_everybody(script, self.ground, gate)
                case _:
                    continue
            if mean >= gate.below * (1 - _ROUNDING):
                return True
        return False

    def harms(self, begin: int, end: int) -> int:
        """Return harmful exchanges served between two ticks of the play."""
        last = end if self.closed is None else min(end, self.closed)
        return int(self.labels.harmful[:, max(0, begin - self.opened) : max(0, last - self.opened)].sum())

    def changes(self) -> NDArray[np.int64]:
        """Return the ticks of the play at which all gates begin or cease to pass, or one of them to fail.

        At any other tick a release says what it said a tick before.
        """
        passing, failing = self._verdicts()
        turned = [np.flatnonzero(np.diff(code)) + 1 for code in (passing, *failing)]
        return np.unique(np.concatenate([np.zeros(1, np.int64), *turned])) + self.opened

    def found(self) -> NDArray[np.int64]:
        """Return the ticks of the play at which another harm is confirmed before the frontier."""
        found = [np.flatnonzero(np.diff(path.harms)) + 1 for path in self.paths.values()]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *found])) + self.opened

    def readings(self, at: int, start: datetime, now: datetime) -> tuple[GateReading, ...]:
        """Return what the gates say at a tick of the play, approvals left out."""
        instant = at - self.opened
        return tuple(
            self._reading(gate, instant, start, now) for gate in self.ground.stage.leave if not isinstance(gate, ApprovalGate)
        )

    def wires(self, at: int, now: datetime) -> Iterator[WireStanding]:
        """Yield what the tripwires say at a tick of the play."""
        name = self.ground.stage.name
        for wire in self.ground.wires:
            match wire:
                case RiseWire() | ShiftWire() | MissingWire():
                    raised = self.rises.get(wire.id)
                    tripped = raised is not None and raised <= at - self.opened
                    sentence = "the alarm has gone off" if tripped else "no alarm"
                    reading = WireReading(tripped, sentence, {}, {"simulated": wire.id})
                    yield WireStanding(name, wire.id, wire.kind, wire.then if tripped else None, reading)
                case IncidentWire():
                    yield gates.incident_wire(name, wire, QUIET)
                case MonitorDownWire():
                    yield gates.monitor_wire(name, wire, HEALTHY, now=now)

    def _verdicts(self) -> tuple[NDArray[np.bool_], list[NDArray[np.bool_]]]:
        """Return at which instants every gate passes, and for each that can fail, at which it does."""
        passing = np.ones(self.labels.requests.size + 1, np.bool_)
        failing: list[NDArray[np.bool_]] = []
        for gate in self.ground.stage.leave:
            match gate:
                case RateGate():
                    passing &= self.paths[gate.id].passes
                    failing.append(self.paths[gate.id].fails)
                case SoakGate():
                    passing &= self.days >= gate.active_days
                case ExposureGate():
                    people = max(gate.accounts or 0, gate.organisations or 0)
                    passing &= (self.accounts >= people) & (self._exchanges() >= (gate.exchanges or 0))
                case _:
                    pass
        return passing, failing

    def _exchanges(self) -> NDArray[np.int64]:
        return np.concatenate((np.zeros(1, np.int64), np.cumsum(self.labels.requests)))

    def _reading(self, gate: Gate, at: int, start: datetime, now: datetime) -> GateReading:
        match gate:
            case RateGate():
                return self._rate(gate, at)
            case SoakGate():
                return gates.soak(gate, Exposure(active_days=int(self.days[at])), opened_at=start, now=now)
            case ExposureGate():
                people, exchanges = int(self.accounts[at]), int(self.labels.requests[:at].sum())
                return gates.exposure(gate, Exposure(people, people, exchanges, int(self.days[at])))
            case IncidentsGate():
                return gates.incidents(gate, QUIET)
            case _:
                said = "not played, and taken to pass"
                return GateReading.of(gate.id, gate.kind, Verdict.PASS, said, numbers={}, inputs={"simulated": gate.id})

    def _rate(self, gate: RateGate, at: int) -> GateReading:
        path = self.paths[gate.id]
        if path.passes[at]:
            verdict = Verdict.PASS
        elif path.fails[at]:
            verdict = Verdict.FAIL
        else:
            verdict = Verdict.INSUFFICIENT
        k, n = int(path.harms[at]), int(path.labels[at])
        return GateReading.of(
            gate.id, gate.kind, verdict, f"{k:,} harms in {n:,} labels", numbers={"k": k, "n": n}, inputs={"k": k, "n": n}
        )


def opened(script: Script, number: int, at: int, rng: np.random.Generator) -> PlayedStage:
    """Return a stage that is opened at a tick of the play, with all that will happen on it.

    Args:
        script: What is played.
        number: Which stage, from 0.
        at: The tick.
        rng: The source of randomness.
    """
    ground, ticks = script.grounds[number], _ticks(script, number)
    shares = {hazard: _shares(script, ground, hazard, rng) for hazard in script.hazards}
    rates = np.zeros((len(shares), ticks))
    for row, each in enumerate(shares.values()):
        rates[row] = _over_time(script, float(each.mean()), ticks, rng)
    labels = draw(rng, ground.duty, script.review, rates, np.asarray(script.recalls, np.float64))
    first = rng.exponential(ground.seats / max(ground.duty.requests, 1e-300), ground.seats)  # each seat's first exchange
    came = np.bincount(np.minimum(np.ceil(first), ticks + 1).astype(np.int64), minlength=ticks + 2)[: ticks + 1]
    day = (np.arange(ticks) + at) // DAY - at // DAY
    first_of_day = np.zeros(ticks, np.int64)
    used = np.flatnonzero(labels.requests)
    _, where = np.unique(day[used], return_index=True)
    first_of_day[used[where]] = 1
    golds = {hazard: _golds(script, ticks, rng) for hazard in script.hazards}
    paths = {
        gate.id: _path(script, ground, gate, labels, first, shares[gate.hazard], golds, rng)
        for gate in ground.stage.leave
        if isinstance(gate, RateGate)
    }
    alarms = [wire for wire in ground.wires if isinstance(wire, RiseWire) and wire.of is Stream.LABELS]
    return PlayedStage(
        ground=ground,
        opened=at,
        closed=None,
        labels=labels,
        rates=rates,
        paths=paths,
        accounts=np.cumsum(came).astype(np.int64),
        days=np.concatenate((np.zeros(1, np.int64), np.cumsum(first_of_day))),
        rises={wire.id: _rise(script, labels, wire, ground.wires) for wire in alarms},
    )


def _ticks(script: Script, number: int) -> int:
    """Return how many ticks of a stage may matter: until it and all after it have taken as long as they may."""
    last = len(script.grounds) - 1
    before = sum(ground.patience + script.approval + 1 for ground in script.grounds[number:last])
    return before + script.after


def _rate(script: Script, ground: Ground, hazard: str) -> float:
    """Return a hazard's rate among everybody, on one stage."""
    rate = script.world.rates.get(hazard, 0.0)
    if Adversary.PATIENT in script.world.adversaries and ground is script.grounds[-1]:
        return min(1.0, rate * script.world.rise)
    return rate


def _among_everybody(script: Script, ground: Ground, gate: RateGate) -> float:
    """Return the mean share of harm of people like these, with what enforcement stops left out."""
    rate, worst = _rate(script, ground, gate.hazard), script.plan.worst_share(gate.hazard)
    if rate == 0:
        return 0.0
    share = rate if script.world.worst_share is None else max(rate, script.world.worst_share)
    exchanges = 1 + round(_each(ground) * _window(gate))
    return rate / share * enforced(share, exchanges, worst)


def _each(ground: Ground) -> float:
    return ground.duty.requests / ground.seats


def _window(gate: RateGate) -> int:
    return max(1, math.ceil(gate.observed_for.total_seconds() / _HOUR_S))


def _shares(script: Script, ground: Ground, hazard: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the part of each seat's exchanges that is harmful: the same of all, or the worst share of a few."""
    rate, worst = _rate(script, ground, hazard), script.world.worst_share
    if worst is None:
        return steady(rate, ground.seats)
    return harmful_few(rng, rate, ground.seats, worst)


def _over_time(script: Script, rate: float, ticks: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if Adversary.BURSTY in script.world.adversaries:
        return bursts(rng, rate, ticks, BURSTS_EVERY)
    return steady(rate, ticks)


def _golds(script: Script, ticks: int, rng: np.random.Generator) -> Golds | None:
    """Return how many known harms reviewers were shown and recognised; they are counted at the end of each day."""
    if not script.world.golds_per_day:
        return None
    days = np.arange(ticks + 1, dtype=np.int64) // DAY
    shown = np.floor(script.world.golds_per_day * np.arange(ticks // DAY + 1, dtype=np.float64)).astype(np.int64)
    found = np.asarray(rng.binomial(np.diff(shown), script.review.found), np.int64)
    caught = np.concatenate((np.zeros(1, np.int64), np.cumsum(found)))
    return Golds(shown[days], caught[days])


def _path(
    script: Script,
    ground: Ground,
    gate: RateGate,
    labels: Labels,
    first: NDArray[np.float64],
    shares: NDArray[np.float64],
    golds: dict[str, Golds | None],
    rng: np.random.Generator,
) -> RatePath:
    row = script.hazards.index(gate.hazard)
    ask = Ask(gate.below, ground.alphas[gate.id], golds[gate.hazard], gate.misses_measured)
    if gate.of == "traffic":
        return rate_path(labels, row, ask)
    seats = Seats(
        first=first,
        each=_each(ground),
        window=_window(gate),
        shares=shares,
        recall=script.recalls[row],
        found=script.review.found,
        mistaken=script.review.mistaken,
    )
    return users_path(rng, labels, seats, ask, script.plan.worst_share(gate.hazard))


def _rise(script: Script, labels: Labels, wire: RiseWire, wires: tuple[Tripwire, ...]) -> int | None:
    """Return when an alarm is raised; of alarms that share one false alarm, each is raised as if the others stood at nothing."""
    alike = tuple(other for other in wires if isinstance(other, Rising) and other.then is wire.then)
    every, look = wire.false_alarm_every.total_seconds(), wire.look_every.total_seconds()
    sharing = max(1, paid_from(alike, wire.budget))
    return rise_at(
        labels,
        script.hazards.index(wire.hazard),
        baseline=wire.from_,
        ratio=wire.to / wire.from_,
        log_threshold=log_threshold(every, look) + math.log(sharing),
        look=max(1, math.ceil(look / _HOUR_S)),
    )
