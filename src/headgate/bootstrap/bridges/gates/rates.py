"""Rate gates: what labels on sampled traffic show of a hazard, in that traffic or among users like those it came from.

A gate on users takes the worst share from its hazard. Where the hazard declares none, nothing is assumed of enforcement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.decide.phrases import count_text
from headgate.evidence.model import RateClaim
from headgate.evidence.model.users import UsersClaim
from headgate.evidence.wire import users as users_wire
from headgate.kernel.units import span_text
from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import GateReading, Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model import RateReading
    from headgate.evidence.model.users import UsersReading
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
        match gate.of:
            case "traffic":
                claim = RateClaim(gate.hazard, gate.below, gate.alpha, asked.attempt)
                measured = self._evidence.rate(asked.epoch, claim, misses_measured=gate.misses_measured)
                return of_traffic(gate.hazard, measured.reading, measured.inputs, limit=gate.below)
            case "users":
                about = users_claim(gate, asked)
                counted = self._evidence.users(asked.epoch, about, misses_measured=gate.misses_measured)
                return of_users(about, counted.reading, counted.inputs)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        if inputs.get("kind") == users_wire.USERS:
            return of_users(users_wire.claim_of(inputs), users_wire.replay_users(inputs), inputs)
        claim = wire.decode(inputs.get("claim"), RateClaim)
        return of_traffic(claim.hazard, wire.replay_rate(inputs), inputs, limit=claim.below)


def users_claim(gate: RateGate, asked: Asked) -> UsersClaim:
    """Return what a gate on users wants shown; a hazard that declares no worst share is assumed to have none below 1."""
    worst_share = asked.plan.worst_share(gate.hazard)
    return UsersClaim(gate.hazard, gate.below, worst_share, gate.observed_for, gate.alpha, asked.attempt)


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
            "limit_of_standing": reading.limit,
            "recognised_lower": reading.recognised,
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


def of_users(claim: UsersClaim, reading: UsersReading, inputs: Mapping[str, Any]) -> GateReading:
    """Return what evidence says of users in the words of releases."""
    to_go = reading.users_to_go
    progress = reading.log_e / reading.threshold_log_e if reading.threshold_log_e > 0 else 0.0
    return GateReading.of(
        f"rate.{claim.hazard}.users",
        wire.RATE,
        reading.verdict,
        reading.sentence,
        numbers={
            "k": reading.harmful,
            "n": reading.users,
            "unit": "user",
            "enrolled": reading.enrolled,
            "exchanges": reading.exchanges,
            "labels": reading.labels,
            "rate": reading.mean_share,
            "upper": reading.upper_bound,
            "limit": claim.below,
            "worst_share": claim.worst_share,
            "tightest": reading.tightest,
            "recognised": reading.recognised,
            "log_e": reading.log_e,
            "log_e_needed": reading.threshold_log_e,
            "alpha": reading.alpha_spent,
            "progress": min(1.0, max(0.0, progress)),
            "users_to_go": to_go.likely if to_go.likely is not None else to_go.best,
        },
        inputs=dict(inputs),
        need=_users_need(claim, reading),
        not_shown=reading.not_shown,
    )


def _users_need(claim: UsersClaim, reading: UsersReading) -> Need | None:
    to_go = reading.users_to_go
    if reading.verdict is not Verdict.INSUFFICIENT or to_go.never:
        return None
    more = to_go.likely if to_go.likely is not None else to_go.best
    waiting = reading.enrolled - reading.users
    return Need(who=f"{count_text(more, 'more user')}, each observed for {span_text(claim.window)}; already waiting: {waiting:,}")
