"""What a gate says when everything that it was read from is left out.

Of nothing at all a gate says INSUFFICIENT, whatever it said before: a pass has lost what it rested on, and a harm that was
shown may no longer be claimed. What could not be read stays an ERROR: there is nothing to leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from headgate.kernel.verdict import Verdict
from headgate.releases.decide.gates import precondition
from headgate.releases.model.plan import Precondition
from headgate.releases.model.reading import GateReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.releases.model.plan import Stage


def left_out(reading: GateReading) -> GateReading:
    """Return what the gate of ``reading`` says of nothing at all; it is never PASS."""
    if reading.verdict is Verdict.ERROR:
        return reading
    return GateReading.of(
        reading.gate_id,
        reading.kind,
        Verdict.INSUFFICIENT,
        "all that it was read from is left out",
        numbers={},
        inputs={"left_out": reading.digest},
        not_shown=("Anything: what it was read from is left out.",),
    )


def following(reading: GateReading, verdicts: Mapping[str, str], stages: Sequence[Stage]) -> GateReading:
    """Return what a precondition says once the gates that it was read from say something else; any other gate stays as it is.

    Args:
        reading: A gate's reading.
        verdicts: What each gate of the stage says now, by its name.
        stages: The stages that are open.
    """
    if reading.kind != "precondition":
        return reading
    inputs = cast("Mapping[str, Any]", reading.inputs)
    read, audits = (
        [(gate_id, verdicts.get(gate_id, said)) for gate_id, said in inputs.get(key, ())]
        for key in ("open_weights", "acknowledged")
    )
    return precondition(Precondition(inputs["wanted"]), stages, read, audits)
