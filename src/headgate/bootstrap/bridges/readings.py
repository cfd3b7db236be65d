"""Releases asks evidence, traffic and safety what is known.

A reading keeps everything that its reader needs to work it out again, so ``replay`` asks nobody: it gives the stored inputs back
to the reader's own rule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headgate.bootstrap.bridges.gates import filed
from headgate.kernel.errors import Invalid
from headgate.releases.model.reading import Exposure, MonitorHealth, OpenIncidents
from headgate.releases.model.wires import OF_EPOCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.bootstrap.bridges.gates.interface import GateReader
    from headgate.bootstrap.bridges.wires import Wires
    from headgate.kernel.digest import Json
    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.plan import MeasuredGate, MissingWire, RiseWire, ShiftWire
    from headgate.releases.model.reading import Asked, GateReading, WireReading
    from headgate.safety.service.incidents import Incidents
    from headgate.safety.service.sampling import Sampling
    from headgate.traffic.rollup import Exposures

SILENT_FOR = timedelta(seconds=30)
"""How long the collector may be silent before what watches the traffic counts as down."""


class SubjectReadings:
    """The releases' ``Readings`` over the subjects that know the traffic.

    Args:
        gates: Who reads each kind of gate; a kind that nobody reads says ERROR.
        wires: Who watches for a rise.
        exposures: Who knows who has had access.
        incidents: Who knows what went wrong.
        sampling: Who watches the traffic.
    """

    def __init__(
        self,
        gates: Mapping[str, GateReader[Any]],
        *,
        wires: Wires,
        exposures: Exposures,
        incidents: Incidents,
        sampling: Sampling,
    ) -> None:
        self._gates = gates
        self._wires = wires
        self._exposures = exposures
        self._incidents = incidents
        self._sampling = sampling

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        return self._reader(gate.kind).read(gate, asked)

    def rise(self, wire: RiseWire | ShiftWire, asked: Asked) -> WireReading:
        return self._wires.rise(wire, asked)

    def missing(self, wire: MissingWire, asked: Asked) -> WireReading:
        return self._wires.missing(wire, asked)

    def holdback(self, holdback: Holdback, asked: Asked) -> WireReading:
        return self._wires.holdback(holdback, asked)

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
        if kind in OF_EPOCH:
            return self._wires.replay(stored)
        return self._reader(kind).replay(stored)

    def rests_on(self, kind: str, inputs: Json) -> tuple[str, ...]:
        return filed.rests_on(inputs) if kind in filed.KINDS and isinstance(inputs, dict) and "shelf" in inputs else ()

    def without(self, kind: str, inputs: Json, record: str) -> GateReading:
        if not isinstance(inputs, dict):
            raise Invalid("The kept inputs are not those of a reading.")
        return self._reader(kind).replay(filed.without(inputs, record))

    def _reader(self, kind: str) -> GateReader[Any]:
        reader = self._gates.get(kind)
        if reader is None:
            raise Invalid(f"Nobody here reads gates of the kind {kind!r}.")
        return reader
