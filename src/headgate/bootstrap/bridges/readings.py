"""Releases asks evidence, traffic and safety what is known.

A rate's reading keeps everything that evidence needs to work it out again, so ``replay`` asks nobody: it gives the stored inputs
back to evidence's own rule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.model import RateClaim, RiseRule
from headgate.kernel.errors import Invalid
from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import Exposure, GateReading, MonitorHealth, Need, OpenIncidents, WireReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.evidence.model import RateReading, RiseReading
    from headgate.evidence.service import Evidence
    from headgate.kernel.digest import Json
    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.releases.model.plan import Hazard, RateGate, RiseWire
    from headgate.safety.service.incidents import Incidents
    from headgate.safety.service.sampling import Sampling
    from headgate.traffic.rollup import Exposures

SILENT_FOR = timedelta(seconds=30)
"""How long the collector may be silent before what watches the traffic counts as down."""


class SubjectReadings:
    """The releases' ``Readings`` over the subjects that know the traffic."""

    def __init__(self, evidence: Evidence, exposures: Exposures, incidents: Incidents, sampling: Sampling) -> None:
        self._evidence = evidence
        self._exposures = exposures
        self._incidents = incidents
        self._sampling = sampling

    def rate(self, gate: RateGate, epoch: EpochId, attempt: int, hazards: Mapping[str, Hazard], now: datetime) -> GateReading:
        del hazards, now
        measured = self._evidence.rate(epoch, RateClaim(gate.hazard, gate.below, gate.alpha, attempt))
        return gate_reading(gate.hazard, measured.reading, measured.inputs, limit=gate.below)

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
        if kind == wire.RATE:
            claim = wire.decode(stored.get("claim"), RateClaim)
            return gate_reading(claim.hazard, wire.replay_rate(stored), stored, limit=claim.below)
        if kind == wire.RISE:
            return wire_reading(wire.replay_rise(stored), stored)
        raise Invalid(f"There is no reading of the kind {kind!r}.")


def gate_reading(hazard: str, reading: RateReading, inputs: Mapping[str, Any], *, limit: float) -> GateReading:
    """Return what evidence says of a rate in the words of releases."""
    to_go = reading.labels_to_go
    progress = reading.log_e / reading.threshold_log_e if reading.threshold_log_e > 0 else 0.0
    return GateReading.of(
        f"rate.{hazard}",
        wire.RATE,
        reading.verdict,
        reading.sentence,
        numbers={
            "k": reading.harms,
            "n": reading.labels,
            "requests": reading.requests,
            "rate": reading.point_estimate,
            "upper": reading.upper_bound,
            "limit": limit,
            "log_e": reading.log_e,
            "log_e_needed": reading.threshold_log_e,
            "alpha": reading.alpha_spent,
            "progress": min(1.0, max(0.0, progress)),
            "labels_to_go": to_go.likely if to_go.likely is not None else to_go.best,
        },
        inputs=dict(inputs),
        need=_need(hazard, reading),
        not_shown=reading.not_shown,
    )


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


def _need(hazard: str, reading: RateReading) -> Need | None:
    if reading.verdict is not Verdict.INSUFFICIENT or reading.labels_to_go.never:
        return None
    to_go = reading.labels_to_go
    return Need(labels=to_go.likely if to_go.likely is not None else to_go.best, who=f"headgate review --hazard {hazard}")
