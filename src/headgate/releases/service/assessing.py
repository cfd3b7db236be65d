"""Reading everything that a decision about a release rests on, at one instant.

This is the one place where other subjects' code may fail under the controller. Whatever is raised becomes an ERROR of the
gate or tripwire that was being read: the release is frozen, and nothing widens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from headgate.kernel.errors import HeadgateError
from headgate.kernel.ids import EpochId
from headgate.releases.decide import gates
from headgate.releases.model.holdback import HELD_BACK
from headgate.releases.model.plan import (
    ApprovalGate,
    AuditGate,
    CoverageGate,
    DiscoveryGate,
    EvaluationGate,
    ExposureGate,
    Gate,
    Holdback,
    IncidentsGate,
    IncidentWire,
    IssuesGate,
    MissingWire,
    MonitorDownWire,
    RateGate,
    ReviewGate,
    RiseWire,
    ShiftWire,
    SoakGate,
    Tripwire,
    stepped,
)
from headgate.releases.model.reading import Asked, Assessment, Exposure, MonitorHealth, OpenIncidents, WireStanding
from headgate.releases.model.release import State
from headgate.releases.model.words import CONTROL_LOSS, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headgate.releases.model.plan import Stage
    from headgate.releases.model.reading import GateReading, WireReading
    from headgate.releases.model.release import Release
    from headgate.releases.ports import Readings

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unread:
    """Something could not be read.

    Attributes:
        why: The reason, for people.
    """

    why: str


class Assessor:
    """Reads releases.

    Args:
        readings: Who knows the traffic.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def assess(self, release: Release, *, now: datetime, to: int = 1) -> Assessment:
        """Return everything read of ``release`` at ``now``; never raises for what a reader does.

        Args:
            release: As it stands.
            now: The present instant.
            to: For a cut release: how many stages somebody thinks of opening again. The gates are then those before them.
        """
        gated = to - 1 if release.state is State.CUT else release.stage
        incidents = self._incidents(release, now)
        return Assessment(
            stage=gated,
            gates=self._gates(release, gated, incidents, now) if gated else (),
            wires=self._wires(release, incidents, now, to=to),
            incidents=None if isinstance(incidents, Unread) else sum(incidents.counts.values()),
        )

    def wires(self, release: Release, *, now: datetime, to: int = 1) -> tuple[WireStanding, ...]:
        """Return the tripwires that ``assess`` reads, without the gates."""
        return self._wires(release, self._incidents(release, now), now, to=to)

    def exposure(self, release: Release, *, now: datetime) -> Exposure | None:
        """Return who has had access under any stage of ``release``; ``None`` when that cannot be read."""
        own = [epoch for rung in release.rungs for epoch in release.epochs(rung.stage)]
        epochs = [*own, *(EpochId(epoch + HELD_BACK) for epoch in own)]
        counted = self._try("exposure", lambda: self._readings.exposure(epochs, now))
        return None if isinstance(counted, Unread) else counted

    def under(self, release: Release, stage: str, *, now: datetime) -> Exposure | None:
        """Return who has had access under one stage of ``release``, held back from it or not; ``None`` when unreadable."""
        own = release.epochs(stage)
        epochs = [*own, *(EpochId(epoch + HELD_BACK) for epoch in own)]
        counted = self._try("exposure", lambda: self._readings.exposure(epochs, now))
        return None if isinstance(counted, Unread) else counted

    def _gates(self, release: Release, gated: int, incidents: OpenIncidents | Unread, now: datetime) -> tuple[GateReading, ...]:
        stage = release.plan.stages[gated - 1]
        own = [self._gate(release, stage, gate, incidents, now) for gate in stage.leave if not isinstance(gate, ApprovalGate)]
        wanted = release.plan.stages[gated].needs_before if gated < len(release.plan.stages) else ()
        given_away = {
            gate.id for gate in stage.leave if isinstance(gate, EvaluationGate) and gate.scenario is Scenario.OPEN_WEIGHTS
        }
        looked = {gate.id for gate in stage.leave if isinstance(gate, AuditGate) and gate.scope == CONTROL_LOSS}
        read, audits = (
            [(reading.gate_id, reading.verdict.value) for reading in own if reading.gate_id in named]
            for named in (given_away, looked)
        )
        before = release.plan.stages[:gated]
        return (*own, *(gates.precondition(condition, before, read, audits) for condition in wanted))

    def _gate(self, release: Release, stage: Stage, gate: Gate, incidents: OpenIncidents | Unread, now: datetime) -> GateReading:
        read = self._read_gate(release, stage, gate, incidents, now)
        return gates.unreadable(gate.id, gate.kind, read.why) if isinstance(read, Unread) else read

    def _read_gate(
        self, release: Release, stage: Stage, gate: Gate, incidents: OpenIncidents | Unread, now: datetime
    ) -> GateReading | Unread:
        epoch = release.epoch(stage.name)
        match gate:
            case RateGate() | DiscoveryGate() | CoverageGate() | EvaluationGate() | ReviewGate() | IssuesGate() | AuditGate():
                return self._try(gate.id, lambda: self._readings.gate(gate, asked_of(release, stage, now)))
            case ExposureGate():
                counted = self._try(gate.id, lambda: self._readings.exposure(release.epochs(stage.name), now))
                return counted if isinstance(counted, Unread) else gates.exposure(gate, counted)
            case SoakGate():
                counted = self._try(gate.id, lambda: self._readings.exposure([epoch], now))
                opened = next((rung.opened_at for rung in release.rungs if rung.stage == stage.name), release.since)
                return counted if isinstance(counted, Unread) else gates.soak(gate, counted, opened_at=opened, now=now)
            case IncidentsGate():
                return incidents if isinstance(incidents, Unread) else gates.incidents(gate, incidents)
            case ApprovalGate():
                return Unread("approvals are computed from signatures")

    def _wires(self, release: Release, incidents: OpenIncidents | Unread, now: datetime, *, to: int) -> tuple[WireStanding, ...]:
        guarded = to if release.state is State.CUT else release.stage
        if not guarded:
            return ()
        health = self._try("monitor", lambda: self._readings.monitor(now))
        stages = release.plan.stages[:guarded]
        return (
            self._monitor(health),
            *(self._wire(release, stage, wire, incidents, health, now) for stage in stages for wire in stepped(stage.stop)),
            *(self._holdback(release, stage, stage.holdback, now) for stage in stages if stage.holdback is not None),
        )

    def _incidents(self, release: Release, now: datetime) -> OpenIncidents | Unread:
        return self._try("incidents", lambda: self._readings.incidents(release.id, now))

    def _wire(
        self,
        release: Release,
        stage: Stage,
        wire: Tripwire,
        incidents: OpenIncidents | Unread,
        health: MonitorHealth | Unread,
        now: datetime,
    ) -> WireStanding:
        match wire:
            case RiseWire() | ShiftWire():
                risen = self._try(wire.id, lambda: self._readings.rise(wire, asked_of(release, stage, now)))
                return _measured(stage, wire, risen)
            case MissingWire():
                read = self._try(wire.id, lambda: self._readings.missing(wire, asked_of(release, stage, now)))
                return _measured(stage, wire, read)
            case IncidentWire():
                if isinstance(incidents, Unread):
                    return WireStanding(stage.name, wire.id, wire.kind, None, gates.unreadable_wire(incidents.why))
                return gates.incident_wire(stage.name, wire, incidents)
            case MonitorDownWire():
                if isinstance(health, Unread):
                    return WireStanding(stage.name, wire.id, wire.kind, None, gates.unreadable_wire(health.why))
                return gates.monitor_wire(stage.name, wire, health, now=now)

    def _holdback(self, release: Release, stage: Stage, holdback: Holdback, now: datetime) -> WireStanding:
        asked = asked_of(release, stage, now)
        return _measured(stage, holdback, self._try(holdback.id, lambda: self._readings.holdback(holdback, asked)))

    def _monitor(self, health: MonitorHealth | Unread) -> WireStanding:
        if isinstance(health, Unread):
            return WireStanding("", gates.MONITOR, gates.MONITOR, None, gates.unreadable_wire(health.why))
        return gates.monitor(health)

    def _try(self, what: str, read: Callable[[], _T]) -> _T | Unread:
        try:
            return read()
        except HeadgateError as error:
            _log.warning("releases.unreadable", what=what, code=error.code)
            return Unread(error.message)
        except Exception as error:  # noqa: BLE001 - a reader's defect must freeze one release, never stop the controller
            _log.exception("releases.reader_failed", what=what)
            return Unread(f"its reader failed ({type(error).__name__})")


def asked_of(release: Release, stage: Stage, now: datetime) -> Asked:
    """Return on whose behalf a gate or a tripwire of a stage is read."""
    epochs = tuple(release.epochs(stage.name))
    return Asked(release.id, release.plan, stage, release.epoch(stage.name), epochs, release.attempt(stage.name), now)


def _measured(stage: Stage, wire: RiseWire | ShiftWire | MissingWire | Holdback, read: WireReading | Unread) -> WireStanding:
    reading = gates.unreadable_wire(read.why) if isinstance(read, Unread) else read
    return WireStanding(stage.name, wire.id, wire.kind, wire.then if reading.tripped else None, reading)
