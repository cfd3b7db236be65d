"""Rate gates: what labels on sampled traffic show of a hazard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.model import RateClaim
from headgate.kernel.errors import Invalid
from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import GateReading, Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model import RateReading
    from headgate.evidence.service import Evidence
    from headgate.releases.model.plan import RateGate
    from headgate.releases.model.reading import Asked


class Rates:
    """Reads rate gates.

    Args:
        evidence: Who weighs labels.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def read(self, gate: RateGate, asked: Asked) -> GateReading:
        if gate.of != "traffic":
            raise Invalid(f"A rate of {gate.of} is not read here.")
        measured = self._evidence.rate(asked.epoch, RateClaim(gate.hazard, gate.below, gate.alpha, asked.attempt))
        return of_traffic(gate.hazard, measured.reading, measured.inputs, limit=gate.below)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        claim = wire.decode(inputs.get("claim"), RateClaim)
        return of_traffic(claim.hazard, wire.replay_rate(inputs), inputs, limit=claim.below)


def of_traffic(hazard: str, reading: RateReading, inputs: Mapping[str, Any], *, limit: float) -> GateReading:
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


def _need(hazard: str, reading: RateReading) -> Need | None:
    if reading.verdict is not Verdict.INSUFFICIENT or reading.labels_to_go.never:
        return None
    to_go = reading.labels_to_go
    return Need(labels=to_go.likely if to_go.likely is not None else to_go.best, who=f"headgate review --hazard {hazard}")
