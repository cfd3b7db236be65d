"""Discovery gates: how many of the next stage's users may meet a kind of harm that nobody has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.model.people import DiscoveryClaim
from headgate.evidence.wire import people as wire
from headgate.kernel.units import span_text
from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import GateReading, Need
from headgate.safety.sampling.newcomers import FIRST_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.people import DiscoveryReading
    from headgate.evidence.service.people import People
    from headgate.releases.model.plan import DiscoveryGate
    from headgate.releases.model.reading import Asked


class Discoveries:
    """Reads discovery gates.

    Args:
        people: Who weighs what users show.
    """

    def __init__(self, people: People) -> None:
        self._people = people

    def read(self, gate: DiscoveryGate, asked: Asked) -> GateReading:
        reading, inputs = self._people.discovery(asked.epoch, claim_of(gate, asked))
        return of_kinds(reading, inputs)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        return of_kinds(wire.replay_discovery(inputs), inputs)


def claim_of(gate: DiscoveryGate, asked: Asked) -> DiscoveryClaim:
    """Return what a gate wants shown of the stage that comes next; nothing bounds one that has no number of seats."""
    after = [stage.name for stage in asked.plan.stages].index(asked.stage.name) + 1
    coming = asked.plan.stages[after] if after < len(asked.plan.stages) else None
    return DiscoveryClaim(
        tolerated=float(gate.tolerated_new_kinds_next_stage),
        next_stage=None if coming is None else coming.name,
        next_users=None if coming is None else coming.who.seats,
        alpha=gate.alpha,
        attempt=asked.attempt,
    )


def of_kinds(reading: DiscoveryReading, inputs: Mapping[str, Any]) -> GateReading:
    """Return what evidence says of kinds to come in the words of releases."""
    guesses = reading.estimates
    return GateReading.of(
        wire.DISCOVERY,
        wire.DISCOVERY,
        reading.verdict,
        reading.sentence,
        numbers={
            "k": reading.discoveries,
            "n": reading.users,
            "unit": "user",
            "enrolled": reading.enrolled,
            "kinds": len(reading.kinds),
            "upper": reading.unseen_mass,
            "next_users": reading.next_users,
            "expected_at_most": reading.expected,
            "none_at_least": reading.chance_of_none,
            "limit": reading.tolerated,
            "alpha": reading.alpha_spent,
            "good_turing": None if guesses is None else guesses.good_turing,
            "chao1": None if guesses is None else guesses.chao1,
            "more_kinds_guessed": None if guesses is None else guesses.more_kinds,
            "users_to_go": reading.users_to_go,
            "progress": _progress(reading),
        },
        inputs=dict(inputs),
        need=_need(reading),
        not_shown=reading.not_shown,
    )


def _progress(reading: DiscoveryReading) -> float:
    if reading.verdict is Verdict.PASS:
        return 1.0
    if reading.users_to_go is None or not reading.users:
        return 0.0
    return reading.users / (reading.users + reading.users_to_go)


def _need(reading: DiscoveryReading) -> Need | None:
    if reading.verdict is not Verdict.INSUFFICIENT:
        return None
    if reading.users_to_go is None:
        return Need(who="a number of seats for the next stage" if reading.next_users is None else "a smaller next stage")
    coming = f"each observed for {span_text(FIRST_DAYS)}; {reading.enrolled - reading.users:,} have come"
    return Need(who=f"{reading.users_to_go:,} more users who show nothing new, {coming}")
