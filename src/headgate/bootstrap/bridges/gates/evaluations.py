"""Evaluation gates: whether an imported result, with its margin, stays below what the plan tolerates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.bootstrap.bridges.filing import goalposts_of
from headgate.bootstrap.bridges.gates.filed import gate_reading, replayed
from headgate.evidence.model.cases import EvaluationClaim
from headgate.evidence.wire import cases
from headgate.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.service import Filing
    from headgate.releases.model.conditions import EvaluationGate
    from headgate.releases.model.reading import Asked, GateReading


class Evaluations:
    """Reads evaluation gates.

    Args:
        filing: Who keeps filed records.
    """

    def __init__(self, filing: Filing) -> None:
        self._filing = filing

    def read(self, gate: EvaluationGate, asked: Asked) -> GateReading:
        declared = asked.plan.evaluations.get(gate.suite)
        if declared is None:
            raise Invalid(f"The plan does not say what it tolerates of {gate.suite}.")
        claim = EvaluationClaim(
            suite=gate.suite,
            scenario=gate.scenario.value,
            goalposts=goalposts_of(declared),
            because=declared.because,
            max_age=gate.max_age,
        )
        case = self._filing.case(claim, asked.plan.version_digest, now=asked.now)
        return gate_reading(gate.id, case.reading, case.inputs)

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        claim = cases.claim_of(inputs)
        if not isinstance(claim, EvaluationClaim):
            raise Invalid("The kept inputs are not those of an evaluation gate.")
        return replayed(f"evaluation.{claim.suite}.{claim.scenario}", inputs)
