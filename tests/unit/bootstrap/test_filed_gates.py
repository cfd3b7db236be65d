"""Gates on filed evidence in the words of releases: replayed from what they kept, and with records left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.bootstrap.bridges.gates import filed
from headgate.bootstrap.bridges.gates.audits import Audits
from headgate.bootstrap.bridges.gates.evaluations import Evaluations
from headgate.bootstrap.bridges.gates.issues import Issues
from headgate.bootstrap.bridges.readings import SubjectReadings
from headgate.evidence.decide import cases
from headgate.evidence.model.cases import Shelf
from headgate.evidence.model.filing import Opinion
from headgate.evidence.wire import cases as wired
from headgate.kernel.errors import HeadgateError, Invalid
from headgate.kernel.verdict import Verdict
from headgate.releases.decide.leave_out import left_out
from headgate.releases.model.reading import GateReading
from headgate.testing.evidence import AUDIT, EVALUATION, ISSUES, NOON, exhibit, finding, opinion

if TYPE_CHECKING:
    from headgate.evidence.model.cases import Claim
    from headgate.evidence.service import Filing
    from headgate.kernel.digest import Json

NOBODY: Any = None
GATES: dict[str, tuple[str, Claim, Shelf]] = {
    "evaluation": ("evaluation.dual_use.api", EVALUATION, Shelf((exhibit("good"), exhibit("bad", k=80)))),
    "issues": ("issues", ISSUES, Shelf((finding("open"), finding("clean", k=0)))),
    "audit": ("audit.deployment", AUDIT, Shelf((opinion("good"), opinion("bad", said=Opinion.ADVERSE)))),
}


@pytest.fixture
def readings() -> SubjectReadings:
    filing = cast("Filing", NOBODY)  # a replay asks nobody
    gates = {"evaluation": Evaluations(filing), "issues": Issues(filing), "audit": Audits(filing)}
    return SubjectReadings(gates, wires=NOBODY, exposures=NOBODY, incidents=NOBODY, sampling=NOBODY)


def read(kind: str) -> GateReading:
    gate_id, claim, shelf = GATES[kind]
    return filed.gate_reading(gate_id, cases.read(shelf, claim, now=NOON), wired.inputs(shelf, claim, now=NOON))


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_replays_from_what_it_kept(readings: SubjectReadings, kind: str) -> None:
    then = read(kind)
    assert (then.gate_id, then.kind) == (GATES[kind][0], kind)
    assert readings.replay(kind, then.inputs) == then


@pytest.mark.parametrize("kind", GATES)
def test_leaving_out_a_record_of_a_gate_never_makes_it_pass(readings: SubjectReadings, kind: str) -> None:
    then = read(kind)
    assert then.verdict is not Verdict.PASS
    names = readings.rests_on(kind, then.inputs)
    assert len(names) == 2
    for name in names:
        less = readings.without(kind, then.inputs, name)
        assert less.verdict is not Verdict.PASS
        assert name not in readings.rests_on(kind, less.inputs)


def test_only_gates_on_filed_evidence_rest_on_records(readings: SubjectReadings) -> None:
    assert readings.rests_on("rate", {"shelf": {}}) == ()
    assert readings.rests_on("evaluation", {"unreadable": ["evaluation.x.api", "evaluation", "gone"]}) == ()
    with pytest.raises(Invalid):
        readings.without("evaluation", cast("Json", []), "ev_x")


@pytest.mark.parametrize("kind", GATES)
def test_inputs_of_another_gate_are_refused(readings: SubjectReadings, kind: str) -> None:
    for other in GATES:
        if other != kind:
            with pytest.raises(HeadgateError):
                readings.replay(kind, read(other).inputs)


@given(st.sampled_from(Verdict), st.sampled_from(["rate.harm", "soak", "incidents", "evaluation.dual_use.api"]))
def test_of_nothing_at_all_no_gate_passes(verdict: Verdict, gate_id: str) -> None:
    then = GateReading.of(gate_id, gate_id.partition(".")[0], verdict, "said", numbers={"k": 3}, inputs={"n": 1})
    after = left_out(then)
    assert after.verdict is (Verdict.ERROR if verdict is Verdict.ERROR else Verdict.INSUFFICIENT)
    assert (after.gate_id, after.kind) == (then.gate_id, then.kind)
