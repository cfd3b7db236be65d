"""Releases asks evidence, traffic and safety what is known.

A reading keeps everything that its reader needs to work it out again, so ``replay`` asks nobody: it gives the stored inputs back
to the reader's own rule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.model import RiseRule
from headgate.kernel.errors import Invalid
from headgate.releases.model.reading import Exposure, MonitorHealth, OpenIncidents, WireReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.bootstrap.bridges.gates.interface import GateReader
    from headgate.evidence.model import RiseReading
    from headgate.evidence.service import Evidence
    from headgate.kernel.digest import Json
    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.releases.model.plan import MeasuredGate, RiseWire
    from headgate.releases.model.reading import Asked, GateReading
    from headgate.safety.service.incidents import Incidents
    from headgate.safety.service.sampling import Sampling
    from headgate.traffic.rollup import Exposures

SILENT_FOR = timedelta(seconds=30)
"""How long the collector may be silent before what watches the traffic counts as down."""


class SubjectReadings:
    """The releases' ``Readings`` over the subjects that know the traffic.

    Args:
        gates: Who reads each kind of gate; a kind that nobody reads says ERROR.
        evidence: Who watches for a rise.
        exposures: Who knows who has had access.
        incidents: Who knows what went wrong.
        sampling: Who watches the traffic.
    """

    def __init__(
        self,
        gates: Mapping[str, GateReader[Any]],
        *,
        evidence: Evidence,
        exposures: Exposures,
        incidents: Incidents,
        sampling: Sampling,
    ) -> None:
        self._gates = gates
        self._evidence = evidence
        self._exposures = exposures
        self._incidents = incidents
        self._sampling = sampling

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        return self._reader(gate.kind).read(gate, asked)

    def rise(self, wire: RiseWire, epoch: EpochId, now: datetime) -> WireReading:
        del now
        rule = RiseRule(wire.hazard, wire.from_, wire.to, wire.false_alarm_every, wire.look_every)
        measured = self._evidence.rise(epoch, wire.id, rule)
        return wire_reading(measured.reading, measured.inputs)

    def exposure(self, epochs: Sequence[EpochId], now: datetime) -> Exposure:
        del now
        seen = self._exposures.exposure(epochs)
        return Exposure(seen.accounts, seen.organisations, seen.exchanges, seen.active_days)

    def incidents(self, release_id: ReleaseId, now: datetime) -> OpenIncidents:
        del now
        return OpenIncidents({severity.value: count for severity, count in self._incidents.open_counts(release_id).items()})

    def monitor(self, now: datetime) -> MonitorHealth:
        health = self._sampling.monitor_health()
        if health.healthy_at is None:
            return MonitorHealth(now, "traffic has never been collected and scored")
        if abs(now - health.healthy_at) <= SILENT_FOR:  # an instant far ahead is no news either: the clock was set back since
            return MonitorHealth(None)
        why = health.last_error or "nobody does it"
        return MonitorHealth(min(now, health.healthy_at), f"Traffic is not collected and scored: {why}.")

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        if not isinstance(inputs, dict):
            raise Invalid("The kept inputs are not those of a reading.")
        stored: dict[str, Any] = inputs
        if kind == wire.RISE:
            return wire_reading(wire.replay_rise(stored), stored)
        return self._reader(kind).replay(stored)

    def _reader(self, kind: str) -> GateReader[Any]:
        reader = self._gates.get(kind)
        if reader is None:
            raise Invalid(f"Nobody here reads gates of the kind {kind!r}.")
        return reader


def wire_reading(reading: RiseReading, inputs: Mapping[str, Any]) -> WireReading:
    """Return what evidence says of a rise in the words of releases."""
    state = reading.state
    return WireReading(
        tripped=state.raised,
        sentence=reading.sentence,
        numbers={
            "k": state.harms,
            "requests": state.requests,
            "looks": state.looks,
            "log_m": state.log_m,
            "log_m_needed": reading.threshold_log_m,
        },
        inputs=dict(inputs),
    )
