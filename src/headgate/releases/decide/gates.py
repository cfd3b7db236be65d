"""What the gates and tripwires say that are read from plain facts: counts, days, incidents, the monitor's health.

Each function is a pure rule from a gate's specification and the facts to a reading that carries both, so that ``replayed``
gives the same reading from what was stored. A fact that could not be had is an ERROR with the reason, never a zero.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from headgate.kernel.units import span_text
from headgate.kernel.verdict import Verdict
from headgate.releases.model.plan import (
    ExposureGate,
    IncidentsGate,
    IncidentWire,
    MonitorDownWire,
    Precondition,
    Reaction,
    Severity,
    SoakGate,
    Surface,
)
from headgate.releases.model.reading import (
    Exposure,
    GateReading,
    MonitorHealth,
    Need,
    OpenIncidents,
    WireReading,
    WireStanding,
)
from headgate.releases.model.words import CONTROL_LOSS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.kernel.digest import Json
    from headgate.releases.model.plan import Stage

MONITOR = "monitor"
"""The watch that every release is under, whatever its plan says: while it is down, nothing widens and nobody new is let in."""

_WORST_FIRST = tuple(Severity)
_OF_OPEN_WEIGHTS = frozenset({Precondition.OPEN_WEIGHTS_THRESHOLDS, Precondition.FINE_TUNED_WORST_CASE})
_WOULD_SHOW = {
    Precondition.API_STAGE_COMPLETED: "an API stage before it",
    Precondition.OPEN_WEIGHTS_THRESHOLDS: "an evaluation gate for open_weights that passes",
    Precondition.FINE_TUNED_WORST_CASE: "an evaluation gate for open_weights that passes",
    Precondition.CONTROL_LOSS_ACKNOWLEDGED: f"an audit gate of the scope {CONTROL_LOSS} that passes",
}


def exposure(gate: ExposureGate, facts: Exposure) -> GateReading:
    """Return whether enough of the world has met the model on this stage, over all its attempts."""
    wanted = {"accounts": gate.accounts, "organisations": gate.organisations, "exchanges": gate.exchanges}
    had = {"accounts": facts.accounts, "organisations": facts.organisations, "exchanges": facts.exchanges}
    asked = {name: count for name, count in wanted.items() if count is not None}
    shares = [min(1.0, had[name] / count) if count else 1.0 for name, count in asked.items()]
    reached = bool(asked) and all(had[name] >= count for name, count in asked.items())
    sentence = " · ".join(f"{had[name]:,} of {count:,} {name}" for name, count in asked.items()) or "asks for nothing"
    return GateReading.of(
        gate.id,
        gate.kind,
        Verdict.PASS if reached else Verdict.INSUFFICIENT,
        sentence,
        numbers={**had, **{f"{name}_wanted": count for name, count in asked.items()}, "progress": min(shares, default=0.0)},
        inputs={"gate": gate.canonical(), "facts": had},
        need=None if reached else Need(who="more use of this stage"),
    )


def soak(gate: SoakGate, facts: Exposure, *, opened_at: datetime, now: datetime) -> GateReading:
    """Return whether enough days with use have passed in the present attempt.

    A stage that takes longer than ``at_most`` stays INSUFFICIENT and says so; its owner is told. Time alone never passes
    and never fails it.
    """
    days = facts.active_days
    passed = days >= gate.active_days
    late = gate.at_most is not None and now - opened_at > gate.at_most and not passed
    sentence = f"{days} of {gate.active_days} active days"
    if late and gate.at_most is not None:
        sentence += f", later than the {span_text(gate.at_most)} it may take"
    missing = gate.active_days - days
    return GateReading.of(
        gate.id,
        gate.kind,
        Verdict.PASS if passed else Verdict.INSUFFICIENT,
        sentence,
        numbers={
            "days": days,
            "days_wanted": gate.active_days,
            "progress": min(1.0, days / gate.active_days) if gate.active_days else 1.0,
        },
        inputs={
            "gate": gate.canonical(),
            "active_days": days,
            "opened_at": opened_at.isoformat(),
            "now": now.isoformat(),
        },
        need=None if passed else Need(expected_at=now + timedelta(days=missing), who="time, with use on each day"),
    )


def incidents(gate: IncidentsGate, facts: OpenIncidents) -> GateReading:
    """Return whether few enough incidents are open; one too many is a FAIL, not a lack of evidence."""
    limits = {severity: gate.open_at_most.of(severity) for severity in _WORST_FIRST}
    over = [severity for severity, most in limits.items() if most is not None and facts.of(severity.value) > most]
    counts = {severity.value: facts.of(severity.value) for severity in _WORST_FIRST}
    told = [f"{counts[severity.value]} {severity.value} open, at most {limits[severity]}" for severity in over]
    sentence = " · ".join(told) or f"{sum(counts.values())} open, within what the plan allows"
    return GateReading.of(
        gate.id,
        gate.kind,
        Verdict.FAIL if over else Verdict.PASS,
        sentence,
        numbers=dict(counts),
        inputs={"gate": gate.canonical(), "counts": dict(facts.counts)},
        need=Need(who="whoever closes the incident") if over else None,
        not_shown=("incidents that nobody has reported",),
    )


def precondition(
    wanted: Precondition,
    stages: Sequence[Stage],
    read: Sequence[tuple[str, str]] = (),
    acknowledged: Sequence[tuple[str, str]] = (),
) -> GateReading:
    """Return whether something that an irreversible stage needs before it has been shown.

    That an API stage was completed follows from the ladder: such a stage is open, and is left only when its gates pass. That
    thresholds for open weights were met, and met by a model that was fine-tuned for the worst, is shown by the evaluation gates
    of the present stage for that way of exposure, which count no other results: there is one at least, and every one of them
    says PASS itself, whatever is waived. That losing control was acknowledged is shown by the audit gates of the present stage of
    the scope ``control_loss`` in the same way: somebody from outside has seen that those who release know what they give up, and
    says so. A signature says that somebody agrees; it does not say that anybody looked.

    Args:
        wanted: What must have been shown.
        stages: The stages that are open.
        read: The gates of the present stage for open weights: the name and the verdict of each.
        acknowledged: Its audit gates of the scope ``control_loss``, likewise.
    """
    with_api = [stage.name for stage in stages if any(_is_api(surface) for surface in stage.what.surfaces)]
    words = wanted.value.replace("_", " ")
    open_weights = [[gate_id, said] for gate_id, said in read]
    audits = [[gate_id, said] for gate_id, said in acknowledged]
    if wanted is Precondition.API_STAGE_COMPLETED and with_api:
        verdict, sentence = Verdict.PASS, f"an API stage is open and must pass before it is left: {with_api[-1]}"
    elif wanted in _OF_OPEN_WEIGHTS and _all_pass(read):
        verdict, sentence = Verdict.PASS, f"met for open weights: {', '.join(gate_id for gate_id, _ in open_weights)}"
    elif wanted is Precondition.CONTROL_LOSS_ACKNOWLEDGED and _all_pass(acknowledged):
        verdict, sentence = Verdict.PASS, f"seen from outside: {', '.join(gate_id for gate_id, _ in audits)}"
    else:
        verdict, sentence = Verdict.INSUFFICIENT, f"nothing shows {words}"
    return GateReading.of(
        f"needs.{wanted.value}",
        "precondition",
        verdict,
        sentence,
        numbers={},
        # what was read before audits were looked at has none, and its inputs stay as they were
        inputs={
            "wanted": wanted.value,
            "with_api": with_api,
            "open_weights": open_weights,
            **({"acknowledged": audits} if audits else {}),
        },
        need=None if verdict is Verdict.PASS else Need(who=_WOULD_SHOW[wanted]),
    )


def _all_pass(read: Sequence[tuple[str, str]]) -> bool:
    return bool(read) and all(said == Verdict.PASS.value for _, said in read)


def _is_api(surface: Surface) -> bool:
    return surface.value.startswith("api.")


def unreadable(gate_id: str, kind: str, reason: str) -> GateReading:
    """Return the reading of a gate whose facts could not be had."""
    return GateReading.of(
        gate_id, kind, Verdict.ERROR, f"cannot be read: {reason}", numbers={}, inputs={"unreadable": [gate_id, kind, reason]}
    )


def unreadable_wire(reason: str) -> WireReading:
    """Return the reading of a tripwire whose facts could not be had."""
    return WireReading(None, f"cannot be read: {reason}", {}, {"unreadable": reason})


def incident_wire(stage: str, wire: IncidentWire, facts: OpenIncidents) -> WireStanding:
    """Return whether an incident of the wire's severity, or a worse one, is open."""
    serious = _WORST_FIRST[: _WORST_FIRST.index(wire.severity) + 1]
    open_now = sum(facts.of(severity.value) for severity in serious)
    reading = WireReading(
        open_now > 0,
        f"{open_now} open of severity {wire.severity.value} or worse",
        {"open": open_now},
        {"wire": wire.canonical(), "counts": dict(facts.counts)},
    )
    return WireStanding(stage, wire.id, wire.kind, wire.then if open_now else None, reading)


def monitor_wire(stage: str, wire: MonitorDownWire, health: MonitorHealth, *, now: datetime) -> WireStanding:
    """Return what a silent monitor demands: first what the wire says, later a step down, whichever is harder."""
    inputs: Json = {
        "wire": wire.canonical(),
        "down_since": health.down_since.isoformat() if health.down_since else None,
        "detail": health.detail,
        "now": now.isoformat(),
    }
    if health.down_since is None:
        return WireStanding(
            stage, wire.id, wire.kind, None, WireReading(tripped=False, sentence="the monitor works", numbers={}, inputs=inputs)
        )
    silent = now - health.down_since
    demands: Reaction | None = wire.then if silent >= wire.for_ else None
    if wire.narrow_after is not None and silent >= wire.narrow_after and demands is not Reaction.CUT:
        demands = Reaction.NARROW
    sentence = f"silent for {span_text(silent)}" + (f": {health.detail}" if health.detail else "")
    reading = WireReading(demands is not None, sentence, {"silent_s": silent.total_seconds()}, inputs)
    return WireStanding(stage, wire.id, wire.kind, demands, reading)


def monitor(health: MonitorHealth) -> WireStanding:
    """Return the watch that every release is under: a monitor that is down makes everything unreadable at once."""
    down = health.down_since.isoformat() if health.down_since else None
    sentence = "the monitor works"
    if health.down_since is not None:
        sentence = f"the monitor is down since {health.down_since:%Y-%m-%d %H:%M:%S} UTC"
    if health.detail:
        sentence += f": {health.detail}"
    reading = WireReading(False if down is None else None, sentence, {}, {"down_since": down, "detail": health.detail})
    return WireStanding("", MONITOR, MONITOR, None, reading)


def replayed(kind: str, inputs: Mapping[str, Any], stages: Sequence[Stage] = ()) -> GateReading | None:
    """Return a gate's reading again from its stored inputs; ``None`` for a kind that is read elsewhere.

    Args:
        kind: The gate's kind.
        inputs: What was stored with the reading.
        stages: The stages that were open, for preconditions.

    Raises:
        KeyError: The inputs lack something.
        ValueError: The inputs hold something that the gate's specification or a fact cannot be.
    """
    if "unreadable" in inputs:
        gate_id, of_kind, reason = inputs["unreadable"]
        return unreadable(gate_id, of_kind, reason)
    match kind:
        case "exposure":
            facts = Exposure(**inputs["facts"])
            return exposure(ExposureGate.model_validate(inputs["gate"]), facts)
        case "soak":
            return soak(
                SoakGate.model_validate(inputs["gate"]),
                Exposure(active_days=inputs["active_days"]),
                opened_at=_instant(inputs["opened_at"]),
                now=_instant(inputs["now"]),
            )
        case "incidents":
            return incidents(IncidentsGate.model_validate(inputs["gate"]), OpenIncidents(inputs["counts"]))
        case "precondition":
            read, audits = (
                [(str(gate_id), str(said)) for gate_id, said in inputs.get(key, ())] for key in ("open_weights", "acknowledged")
            )
            return precondition(Precondition(inputs["wanted"]), stages, read, audits)
        case _:
            return None


def replayed_wire(standing: WireStanding) -> WireStanding | None:
    """Return a tripwire's standing again from its stored inputs; ``None`` for a kind that is read elsewhere.

    Raises:
        KeyError: The inputs lack something.
        ValueError: The inputs hold something that the wire's specification or a fact cannot be.
    """
    inputs: Any = standing.reading.inputs
    if "unreadable" in inputs:
        reading = unreadable_wire(inputs["unreadable"])
        return WireStanding(standing.stage, standing.wire_id, standing.kind, None, reading)
    match standing.kind:
        case "incident":
            wire = IncidentWire.model_validate(inputs["wire"])
            return incident_wire(standing.stage, wire, OpenIncidents(inputs["counts"]))
        case "monitor_down":
            down = MonitorHealth(_instant(inputs["down_since"]) if inputs["down_since"] else None, inputs["detail"])
            silence = MonitorDownWire.model_validate(inputs["wire"])
            return monitor_wire(standing.stage, silence, down, now=_instant(inputs["now"]))
        case "monitor":
            down = _instant(inputs["down_since"]) if inputs["down_since"] else None
            return monitor(MonitorHealth(down, inputs["detail"]))
        case _:
            return None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
