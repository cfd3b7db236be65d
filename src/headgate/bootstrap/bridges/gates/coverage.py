"""Coverage gates: the rate of harm among another stage's users, carried over from those who are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.model.people import CoverageClaim, Expected
from headgate.evidence.wire import people as wire
from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import GateReading, Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.people import CoverageReading
    from headgate.evidence.service.people import People
    from headgate.releases.model.plan import CoverageGate
    from headgate.releases.model.reading import Asked


class Coverages:
    """Reads coverage gates.

    Args:
        people: Who weighs what users show.
    """

    def __init__(self, people: People) -> None:
        self._people = people

    def read(self, gate: CoverageGate, asked: Asked) -> GateReading:
        reading, inputs = self._people.coverage(asked.epoch, claim_of(gate, asked), expected_of(gate, asked))
        return of_people(reading, inputs)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        return of_people(wire.replay_coverage(inputs), inputs)


def claim_of(gate: CoverageGate, asked: Asked) -> CoverageClaim:
    """Return what a gate wants shown; without a hazard of its own, of every hazard of the plan."""
    return CoverageClaim(
        of=gate.of,
        hazards=_hazards(gate, asked),
        for_stage=gate.for_stage,
        below=gate.transport_bound_below,
        alpha=gate.alpha,
        attempt=asked.attempt,
    )


def expected_of(gate: CoverageGate, asked: Asked) -> tuple[Expected, ...]:
    """Return what the plan expects of the stage that is to open; a hazard that declares no worst share has none below 1."""
    return tuple(
        Expected(of, hazard, asked.plan.worst_share(hazard), gate.expected[of])
        for of in gate.of
        if gate.expected.get(of)
        for hazard in _hazards(gate, asked)
    )


def of_people(reading: CoverageReading, inputs: Mapping[str, Any]) -> GateReading:
    """Return what evidence says of another stage's users in the words of releases."""
    claim = wire.coverage_claim(inputs)
    worst = max(reading.carried, key=lambda rate: rate.bound, default=None)
    return GateReading.of(
        wire.COVERAGE,
        wire.COVERAGE,
        reading.verdict,
        reading.sentence,
        numbers={
            "n": None if worst is None else worst.users,
            "unit": "user",
            "upper": reading.bound,
            "lower": max((rate.least for rate in reading.carried), default=0.0),
            "limit": claim.below,
            "alpha": reading.alpha_spent,
            "effective_users": None if worst is None else worst.effective_users,
            "unseen_strata_mass": max((rate.unseen_mass for rate in reading.carried), default=1.0),
            "strata_unseen": len(reading.unseen),
            "progress": 1.0 if reading.verdict is Verdict.PASS else min(0.99, claim.below / reading.bound),
        },
        inputs=dict(inputs),
        need=_need(reading),
        not_shown=reading.not_shown,
    )


def _hazards(gate: CoverageGate, asked: Asked) -> tuple[str, ...]:
    return tuple(asked.plan.hazards) if gate.hazard is None else (gate.hazard,)


def _need(reading: CoverageReading) -> Need | None:
    if reading.verdict is not Verdict.INSUFFICIENT:
        return None
    if reading.unseen:
        return Need(who=f"users of {', '.join(reading.unseen)}, or a next stage without them")
    return Need(
        who="more users of the strata that weigh most" if reading.carried else "the shares that are expected, in the plan"
    )
