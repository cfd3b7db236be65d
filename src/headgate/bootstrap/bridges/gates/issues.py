"""Issues gates: whether what red teams and researchers found has been answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.bootstrap.bridges.gates.filed import gate_reading, replayed
from headgate.evidence.model.cases import IssuesClaim
from headgate.evidence.wire import cases
from headgate.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.service import Filing
    from headgate.releases.model.conditions import IssuesGate
    from headgate.releases.model.reading import Asked, GateReading


class Issues:
    """Reads issues gates.

    Args:
        filing: Who keeps filed records.
    """

    def __init__(self, filing: Filing) -> None:
        self._filing = filing

    def read(self, gate: IssuesGate, asked: Asked) -> GateReading:
        case = self._filing.case(IssuesClaim(gate.undisposed), asked.plan.version_digest, now=asked.now)
        return gate_reading(gate.id, case.reading, case.inputs)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        if not isinstance(cases.claim_of(inputs), IssuesClaim):
            raise Invalid("The kept inputs are not those of an issues gate.")
        return replayed("issues", inputs)
