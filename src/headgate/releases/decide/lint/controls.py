"""Whether every hazard has somebody or something in its way: gates, tripwires, approvals, and the error they may make."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from headgate.releases.decide.lint.figures import number
from headgate.releases.decide.lint.wires import lint_wires
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import (
    ApprovalGate,
    IncidentsGate,
    IncidentWire,
    Plan,
    RateGate,
    RiseWire,
    Severity,
    SoakGate,
    Stage,
)
from headgate.stats.spending import overspent

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_ALPHA = 0.1
WEEK_DAYS = 7


def lint_controls(plan: Plan) -> Iterator[Finding]:
    """Yield findings on gates, tripwires and hazards."""
    yield from _alphas(plan)
    for name in plan.hazards:
        yield from _hazard(plan, name)
    for at, stage in enumerate(plan.stages):
        yield from _gates(plan, stage, at)
        yield from lint_wires(stage, at)


def _alphas(plan: Plan) -> Iterator[Finding]:
    if plan.alpha > LARGEST_ALPHA:
        said = f"a ladder that may err with probability {number(plan.alpha)} shows nothing"
        yield finding("plan.alpha_range", ("alpha",), said, f"write {LARGEST_ALPHA} or less; 0.05 is usual")
    largest: dict[int, float] = {}
    for at, _, path, gate in _rate_gates(plan):
        largest[at] = max(largest.get(at, 0.0), gate.alpha)
        if gate.alpha > LARGEST_ALPHA:
            said = f"a gate that may pass falsely with probability {number(gate.alpha)} shows nothing"
            yield finding("plan.alpha_range", (*path, "alpha"), said, f"write {LARGEST_ALPHA} or less; 0.02 is usual")
    excess = overspent(plan.alpha, list(largest.values()))
    if excess:
        spent = " + ".join(number(alpha) for alpha in largest.values())
        said = f"the stages may err with {spent} = {number(sum(largest.values()))}, the plan allows {number(plan.alpha)}"
        at = max(largest, key=lambda stage: largest[stage])
        fix = f"lower the alphas by {number(excess)} in all; every hazard of one stage shares that stage's alpha"
        yield finding("plan.alpha_overspent", ("stages", at, "leave"), said, fix)


def _hazard(plan: Plan, name: str) -> Iterator[Finding]:
    hazard, path = plan.hazards[name], ("hazards", name)
    if hazard.limit.traffic is None and hazard.limit.users is None:
        said = f"`{name}` states no limit, so nothing says how much of it is too much"
        yield finding("plan.hazard_without_limit", path, said, "write limit: {traffic: 1.0e-3}")
    if hazard.expected is not None and hazard.limit.traffic is not None and hazard.expected >= hazard.limit.traffic:
        said = f"{number(hazard.expected)} of `{name}` is expected, and {number(hazard.limit.traffic)} tolerated"
        yield finding("plan.expected_above_limit", (*path, "expected"), said, "mitigate first, or say honestly what is tolerated")
    gates = [(at, path_, gate) for at, _, path_, gate in _rate_gates(plan) if gate.hazard == name]
    wires = [wire for stage in plan.stages for wire in stage.stop if isinstance(wire, RiseWire) and wire.hazard == name]
    if not gates and not wires:
        fix = f"add - rate: {{hazard: {name}, below: …, alpha: 0.02}} under leave, or a rise under stop"
        yield finding("plan.uncontrolled_hazard", path, f"no gate and no tripwire reads `{name}`", fix)
    if len(gates) == 1 and not wires:
        said = f"one gate is all that stands between `{name}` and the next stage"
        yield finding(
            "plan.single_control", gates[0][1], said, "add a rise under stop, so that it is also watched after the gate"
        )
    if hazard.severity is Severity.CRITICAL:
        for at, stage in enumerate(plan.stages):
            if not stage.irreversible and not any(_stops(wire, name) for wire in stage.stop):
                said = f"`{name}` is critical, and nothing stops `{stage.name}` when it happens"
                fix = "add - incident: {severity: critical, then: cut} under stop"
                yield finding("plan.critical_without_tripwire", ("stages", at), said, fix)
    yield from _bounds(name, hazard.limit.traffic, [(path_, gate) for _, path_, gate in gates if gate.of == "traffic"])
    yield from _bounds(name, hazard.limit.users, [(path_, gate) for _, path_, gate in gates if gate.of == "users"])


def _bounds(name: str, limit: float | None, gates: list[tuple[Path, RateGate]]) -> Iterator[Finding]:
    """Compare the gates on one hazard, lowest stage first, with one another and with the hazard's limit."""
    if gates and limit is not None and gates[-1][1].below > limit:
        path, last = gates[-1]
        said = f"the last gate on `{name}` asks for less than {number(last.below)}, the hazard's limit is {number(limit)}"
        yield finding("plan.loose_gate", (*path, "below"), said, f"write below: {number(limit)} or less")
    for (_, before), (path, after) in pairwise(gates):
        if after.below > before.below:
            said = f"`{name}` was asked to lie below {number(before.below)} before, and only below {number(after.below)} here"
            yield finding("plan.gates_loosen", (*path, "below"), said, f"write below: {number(before.below)} or less")


def _stops(wire: object, hazard: str) -> bool:
    return isinstance(wire, IncidentWire) or (isinstance(wire, RiseWire) and wire.hazard == hazard)


def _gates(plan: Plan, stage: Stage, at: int) -> Iterator[Finding]:
    here: Path = ("stages", at)
    if not stage.leave or stage.irreversible:
        return
    leave = (*here, "leave")
    if at < len(plan.stages) - 1 and not any(isinstance(gate, ApprovalGate) for gate in stage.leave):
        said = f"`{stage.name}` can be left without anybody's name under it"
        yield finding("plan.no_approval", leave, said, "add - approval: {roles: [safety_lead, release_manager]}")
    soak = next((gate for gate in stage.leave if isinstance(gate, SoakGate)), None)
    if soak is None:
        said = f"`{stage.name}` may be left before one week's habits were seen"
        yield finding("plan.no_calendar_span", leave, said, "add - soak: {active_days: 7}")
    elif soak.active_days < WEEK_DAYS:
        said = f"{soak.active_days} active days miss a weekly habit"
        path = (*leave, stage.leave.index(soak), "soak", "active_days")
        yield finding("plan.short_soak", path, said, "write active_days: 7 or more")
    if not any(isinstance(gate, IncidentsGate) for gate in stage.leave):
        said = f"`{stage.name}` may be left while incidents are open"
        yield finding("plan.no_incidents_gate", leave, said, "add - incidents: {open_at_most: {critical: 0, high: 2}}")


def _rate_gates(plan: Plan) -> Iterator[tuple[int, Stage, Path, RateGate]]:
    for at, stage in enumerate(plan.stages):
        for position, gate in enumerate(stage.leave):
            if isinstance(gate, RateGate):
                yield at, stage, ("stages", at, "leave", position, "rate"), gate
