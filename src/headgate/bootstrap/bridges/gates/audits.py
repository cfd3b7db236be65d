"""Audit gates: whether somebody from outside has looked, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.bootstrap.bridges.gates.filed import gate_reading, replayed
from headgate.evidence.model.cases import AuditClaim
from headgate.evidence.model.filing import Opinion
from headgate.evidence.wire import cases
from headgate.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.service import Filing
    from headgate.releases.model.conditions import AuditGate
    from headgate.releases.model.reading import Asked, GateReading


class Audits:
    """Reads audit gates.

    Args:
        filing: Who keeps filed records.
    """

    def __init__(self, filing: Filing) -> None:
        self._filing = filing

    def read(self, gate: AuditGate, asked: Asked) -> GateReading:
        claim = AuditClaim(gate.scope, Opinion(gate.opinion.value), gate.max_age)
        case = self._filing.case(claim, asked.plan.version_digest, now=asked.now)
        return gate_reading(gate.id, case.reading, case.inputs)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        claim = cases.claim_of(inputs)
        if not isinstance(claim, AuditClaim):
            raise Invalid("The kept inputs are not those of an audit gate.")
        return replayed(f"audit.{claim.scope}", inputs)
