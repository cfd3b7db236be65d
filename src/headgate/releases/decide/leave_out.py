"""What a gate says when everything that it was read from is left out.

Of nothing at all a gate says INSUFFICIENT, whatever it said before: a pass has lost what it rested on, and a harm that was
shown may no longer be claimed. What could not be read stays an ERROR: there is nothing to leave out.
"""

from __future__ import annotations

from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import GateReading


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
