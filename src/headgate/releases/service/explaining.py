"""Making a past decision again, from what was stored for it and nothing else.

Every reading is computed anew from its stored inputs, the same pure rules decide again, and what comes out must be what
was recorded: numbers to 1e-9, everything else exactly. Where it is not, the record was changed, or was made by other rules,
and the explanation says where.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.kernel.errors import HeadgateError
from headgate.releases.decide import gates
from headgate.releases.decide.next_step import next_step
from headgate.releases.decide.states import decide
from headgate.releases.model.plan import Holdback, MissingWire, RiseWire, ShiftWire, stepped
from headgate.releases.model.reading import Assessment, GateReading, WireReading, WireStanding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.kernel.digest import Json
    from headgate.releases.model.command import Command
    from headgate.releases.model.plan import Stage
    from headgate.releases.model.reading import Number
    from headgate.releases.model.record import DecisionRecord
    from headgate.releases.model.release import Decision, Release
    from headgate.releases.ports import Readings

TOLERANCE = 1e-9

_FIELDS = ("release_id", "model", "kind", "before", "after", "stage_before", "stage_after", "by", "reason", "readings_digest")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision made again.

    Attributes:
        record: What was stored.
        gates: Each gate's stored reading, with the one computed again; ``None`` where it could not be.
        wires: The same of each tripwire.
        differences: What does not agree, in one sentence each; empty when the decision replays.
    """

    record: DecisionRecord
    gates: tuple[tuple[GateReading, GateReading | None], ...]
    wires: tuple[tuple[WireStanding, WireStanding | None], ...]
    differences: tuple[str, ...]

    @property
    def replays(self) -> bool:
        """Whether the stored record gives the same decision again."""
        return not self.differences

    def json(self) -> Json:
        """Return the same as JSON."""
        decision = self.record.decision
        return {
            "decision": decision.id,
            "release": decision.release_id,
            "model": decision.model,
            "kind": decision.kind.value,
            "before": {"state": decision.before.value, "stage": decision.stage_before},
            "after": {"state": decision.after.value, "stage": decision.stage_after},
            "by": decision.by,
            "reason": decision.reason,
            "at": decision.at.isoformat(),
            "readings_digest": decision.readings_digest,
            "gates": [
                {
                    "gate": then.gate_id,
                    "verdict": then.verdict.value,
                    "sentence": then.sentence,
                    "numbers": dict(then.numbers),
                    "again": None if again is None else {"verdict": again.verdict.value, "numbers": dict(again.numbers)},
                }
                for then, again in self.gates
            ],
            "wires": [
                {
                    "stage": then.stage,
                    "wire": then.wire_id,
                    "tripped": then.reading.tripped,
                    "sentence": then.reading.sentence,
                    "again": None if again is None else again.reading.tripped,
                }
                for then, again in self.wires
            ],
            "replays": self.replays,
            "differences": list(self.differences),
        }


class Explainer:
    """Makes past decisions again.

    Args:
        readings: Who can compute rates and rises again from their inputs.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def replay(self, record: DecisionRecord) -> Explanation:
        """Return the decision of ``record`` made again."""
        before, stored = record.before, record.assessment
        stages = before.plan.stages[: stored.stage]
        found: list[str] = []
        read = [(then, self._gate(then, stages, found)) for then in stored.gates]
        wired = [(then, self._wire(then, before, found)) for then in stored.wires]
        for then, again in read:
            if again is not None:
                found += _unlike(then.gate_id, then, again)
        for then, again in wired:
            if again is not None:
                found += _unlike_wire(then, again)
        again = Assessment(
            stored.stage,
            tuple(again or then for then, again in read),
            tuple(again or then for then, again in wired),
            stored.incidents,
        )
        found += _decided_otherwise(record, again)
        found += _entered_otherwise(record)
        return Explanation(record, tuple(read), tuple(wired), tuple(found))

    def _gate(self, then: GateReading, stages: tuple[Stage, ...], found: list[str]) -> GateReading | None:
        try:
            again = gates.replayed(then.kind, cast("Mapping[str, Any]", then.inputs), stages)
            read = again if again is not None else self._readings.replay(then.kind, then.inputs)
        except (HeadgateError, KeyError, TypeError, ValueError) as error:
            found.append(f"{then.gate_id}: cannot be computed again from its inputs ({type(error).__name__})")
            return None
        if not isinstance(read, GateReading):
            found.append(f"{then.gate_id}: its inputs are not those of a gate")
            return None
        return read

    def _wire(self, then: WireStanding, before: Release, found: list[str]) -> WireStanding | None:
        try:
            again = gates.replayed_wire(then)
            if again is not None:
                return again
            read = self._readings.replay(then.kind, then.reading.inputs)
        except (HeadgateError, KeyError, TypeError, ValueError) as error:
            found.append(f"{then.wire_id} of {then.stage}: cannot be computed again from its inputs ({type(error).__name__})")
            return None
        stage = before.plan.stage(then.stage)
        known = () if stage is None else (*stepped(stage.stop), *((stage.holdback,) if stage.holdback else ()))
        wire = next((wire for wire in known if wire.id == then.wire_id), None)
        if not isinstance(read, WireReading) or not isinstance(wire, RiseWire | ShiftWire | MissingWire | Holdback):
            found.append(f"{then.wire_id} of {then.stage}: its inputs are not those of a tripwire of the plan")
            return None
        return WireStanding(then.stage, then.wire_id, then.kind, wire.then if read.tripped else None, read)


def _unlike(name: str, then: GateReading, again: GateReading) -> list[str]:
    found: list[str] = []
    if then.gate_id != again.gate_id:
        found.append(f"{name}: its inputs are those of {again.gate_id}")
    if then.verdict is not again.verdict:
        found.append(f"{name}: {then.verdict.value} was recorded, its inputs give {again.verdict.value}")
    if then.digest != again.digest:
        found.append(f"{name}: its inputs have another digest than was recorded")
    return found + _numbers(name, then.numbers, again.numbers)


def _unlike_wire(then: WireStanding, again: WireStanding) -> list[str]:
    name = f"{then.wire_id} of {then.stage}" if then.stage else then.wire_id
    found = _numbers(name, then.reading.numbers, again.reading.numbers)
    if then.reading.tripped is not again.reading.tripped or then.demands is not again.demands:
        found.append(f"{name}: tripped {then.reading.tripped} was recorded, its inputs give {again.reading.tripped}")
    return found


def _numbers(name: str, then: Mapping[str, Number], again: Mapping[str, Number]) -> list[str]:
    return [
        f"{name}: {figure} was {then.get(figure)}, its inputs give {again.get(figure)}"
        for figure in sorted({*then, *again})
        if not _same(then.get(figure), again.get(figure))
    ]


def _same(then: Number, again: Number) -> bool:
    if isinstance(then, int | float) and isinstance(again, int | float):
        return math.isclose(then, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return then == again


def _decided_otherwise(record: DecisionRecord, again: Assessment) -> list[str]:
    then, command = record.decision, record.command
    before = record.before
    try:
        if record.actor.id.startswith("system:controller"):
            asked = next_step(before, again, now=then.at)
            if asked != command:
                return [f"the controller did {_name(command)}; from what was stored it would do {_name(asked)}"]
        moved = decide(before, command, by=record.actor, assessment=again, now=then.at, decision_id=then.id)
    except HeadgateError as error:
        return [f"the rules refuse it from what was stored: {error.message}"]
    return _fields(then, moved.decision)


def _fields(then: Decision, again: Decision) -> list[str]:
    return [
        f"the decision's {field}: {getattr(then, field)!s} was recorded, {getattr(again, field)!s} comes out"
        for field in _FIELDS
        if getattr(then, field) != getattr(again, field)
    ]


def _name(command: Command | None) -> str:
    return "nothing" if command is None else type(command).__name__


def _entered_otherwise(record: DecisionRecord) -> list[str]:
    """Return where the decision's row and its ledger entry disagree: rows can be changed together, the ledger cannot."""
    if record.ledger is None:
        return []
    then, entered = record.decision, record.ledger
    wanted = {
        "decision": then.id,
        "kind": then.kind.value,
        "reason": then.reason,
        "before": {"state": then.before.value, "stage": then.stage_before},
        "after": {"state": then.after.value, "stage": then.stage_after},
        "readings": then.readings_digest,
    }
    return [
        f"the ledger's {name}: {entered.get(name)!s} was entered, {value!s} was stored"
        for name, value in wanted.items()
        if entered.get(name) != value
    ]
