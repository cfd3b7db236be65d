"""From a file to a decision and back: gates on filed evidence, replayed, and with each piece left out."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from headgate.evidence.model.filing import Disposition, Opinion, Statement
from headgate.evidence.model.record import Effort, Elicitation, Kind
from headgate.kernel.errors import Forbidden
from headgate.kernel.verdict import Verdict
from headgate.releases.errors import EvidenceNotUsed, GatesDoNotPass, PlanWidensOpenStage
from headgate.releases.model.release import Kind as Did
from headgate.testing.evidence import NOON, declared, document
from headgate.testing.filing import GATES, SUITE, plan_with
from headgate.testing.releases import AUDITOR, LEAD, MANAGER, SECURITY, a_stage, person

if TYPE_CHECKING:
    from headgate.evidence.model.filing import Filed
    from headgate.releases.model.release import Decision, Release
    from headgate.testing.filing import FilingHouse

EVALUATION, ISSUES, AUDIT = "evaluation.dual_use.api", "issues", "audit.deployment"
OPINION: dict[str, Any] = {
    "kind": Kind.AUDIT,
    "suite": "deployment",
    "statement": Statement("Safeguards of atlas-2", Opinion.UNQUALIFIED),
}
REDTEAM: dict[str, Any] = {"kind": Kind.REDTEAM, "suite": "jailbreaks"}


def audited(house: FilingHouse, content: bytes = b"a report", **changed: Any) -> Filed:
    return house.filing.add(document(content), declared(**(OPINION | changed)), by=AUDITOR).filed[0]


def everything(house: FilingHouse) -> tuple[Filed, Filed, Filed]:
    """File what passes every gate: a result, a red team's findings with an answer, an opinion."""
    found = house.file(5, 200, **REDTEAM)
    house.filing.dispose(found.id, Disposition.FIXED, because="screen 4, tried again", by=LEAD)
    return house.file(), found, audited(house)


def promoted(house: FilingHouse, release: Release) -> Decision:
    house.sign(release)
    return house.releases.promote(release.id, by=MANAGER)


def test_without_evidence_nothing_passes(house: FilingHouse) -> None:
    release = house.apply()
    assert {gate: said for gate, said in house.says(release).items() if gate != "approval"} == {
        EVALUATION: "INSUFFICIENT",
        ISSUES: "INSUFFICIENT",
        AUDIT: "INSUFFICIENT",
    }
    with pytest.raises(GatesDoNotPass):
        house.releases.promote(release.id, by=MANAGER)


def test_filed_evidence_opens_a_stage_and_the_decision_replays_to_the_digit(house: FilingHouse) -> None:
    release = house.apply()
    everything(house)
    decision = promoted(house, release)
    assert (decision.kind, decision.stage_after) == (Did.PROMOTE, 2)
    house.file(119)  # evidence that comes later changes no past decision
    house.clock.advance(timedelta(days=400))
    explanation = house.releases.explain(decision.id, by=AUDITOR)
    assert explanation.replays, explanation.differences
    upper = {then.gate_id: (then.numbers, again) for then, again in explanation.gates}[EVALUATION]
    assert upper[1] is not None
    was, again = upper[0]["upper"], upper[1].numbers["upper"]
    assert isinstance(was, float)
    assert isinstance(again, float)
    assert math.isclose(was, again, rel_tol=1e-9)


def test_evidence_of_another_version_does_not_count(house: FilingHouse) -> None:
    first = house.apply()
    everything(house)
    assert house.says(first)[EVALUATION] == "PASS"
    changed = {"model": {**plan_with().model.canonical(), "version": {"mitigations": ["input-screen@4"]}}}
    second, _ = house.releases.apply(plan_with(**changed), by=MANAGER, replace_old=True)
    assert second.id != first.id
    assert {house.says(second)[gate] for gate in (EVALUATION, ISSUES, AUDIT)} == {"STALE"}


def test_moving_the_goalposts_after_a_result_is_seen(house: FilingHouse) -> None:
    strict = house.apply(evaluations={"dual_use": SUITE | {"thresholds": {"api": 0.15}}})
    house.file()
    assert house.says(strict)[EVALUATION] == "INSUFFICIENT"
    with pytest.raises(PlanWidensOpenStage):
        house.apply()
    house.releases.withdraw(strict.id, reason="a milder plan", by=MANAGER)
    milder = house.apply()
    line = next(line for line in house.releases.status(milder, by=LEAD).gates if line.gate_id == EVALUATION)
    assert line.shown == "INSUFFICIENT"
    assert "moved goalposts: threshold 0.15" in line.sentence
    house.file(2)
    assert house.says(milder)[EVALUATION] == "INSUFFICIENT", "a new result does not silence the old one"


def test_goalposts_that_come_after_the_result_are_no_goalposts(house: FilingHouse) -> None:
    house.apply(evaluations={}, stages=[plan_with().stages[1].canonical()])
    house.file()
    house.releases.withdraw(house.releases.find("atlas-2", by=LEAD).id, reason="a new plan", by=MANAGER)
    release = house.apply()
    assert house.says(release)[EVALUATION] == "INSUFFICIENT"


def test_a_gate_whose_suite_the_plan_is_silent_about_cannot_be_read(house: FilingHouse) -> None:
    release = house.apply(evaluations={})
    assert house.says(release)[EVALUATION] == "ERROR"


def test_leaving_out_what_a_pass_rests_on_takes_the_pass(house: FilingHouse) -> None:
    release = house.apply()
    result, found, opinion = everything(house)
    decision = promoted(house, release)
    for gone, gate in ((result, EVALUATION), (found, ISSUES), (opinion, AUDIT)):
        (what_if,) = house.releases.decision_without(decision.id, gone.id, by=AUDITOR)
        (flip,) = what_if.flips
        assert (flip.before.gate_id, flip.before.verdict, flip.after.verdict) == (gate, Verdict.PASS, Verdict.INSUFFICIENT)
        assert what_if.stage_after is Verdict.INSUFFICIENT
        assert what_if.otherwise is not None
        assert "refused" in what_if.otherwise


def test_leaving_out_one_of_two_results_that_agree_changes_nothing(house: FilingHouse) -> None:
    release = house.apply()
    result, *_ = everything(house)
    house.file(2)
    decision = promoted(house, release)
    (what_if,) = house.releases.decision_without(decision.id, result.id, by=LEAD)
    assert not what_if.flips
    assert what_if.stage_after is Verdict.PASS


def test_leaving_out_a_harm_leaves_an_open_question_and_never_a_pass(house: FilingHouse) -> None:
    release = house.apply()
    everything(house)
    bad, open_finding = house.file(80), house.file(1, 300, **REDTEAM)
    adverse = audited(house, b"another", statement=Statement("It is not so", Opinion.ADVERSE))
    says = house.says(release)
    assert (says[EVALUATION], says[ISSUES], says[AUDIT]) == ("FAIL", "INSUFFICIENT", "FAIL")
    for gone, gate in ((bad, EVALUATION), (open_finding, ISSUES), (adverse, AUDIT)):
        (what_if,) = house.releases.release_without(release, gone.id, by=LEAD)
        (changed,) = what_if.gates
        assert (changed.before.gate_id, changed.after.verdict) == (gate, Verdict.INSUFFICIENT)


def test_each_piece_is_left_out_in_turn_and_nothing_ever_passes_for_want_of_it(house: FilingHouse) -> None:
    release = house.apply()
    everything(house)
    house.file(80)
    house.file(1, 300, **REDTEAM)
    found = house.releases.release_without(release, None, by=LEAD)
    records = {one.without for one in found if one.without.startswith("ev_")}
    assert len(records) == 5
    assert {EVALUATION, ISSUES, AUDIT} <= {one.without for one in found}
    for what_if in found:
        assert all(changed.after.verdict is not Verdict.PASS or not changed.flips for changed in what_if.gates)


def test_leaving_out_all_that_a_gate_was_read_from(house: FilingHouse) -> None:
    release = house.apply()
    everything(house)
    (what_if,) = house.releases.release_without(release, AUDIT, by=LEAD)
    assert [(changed.before.gate_id, changed.after.verdict) for changed in what_if.gates] == [(AUDIT, Verdict.INSUFFICIENT)]


def test_weights_are_given_away_only_on_what_was_shown_for_giving_them_away(house: FilingHouse) -> None:
    gate = GATES[0] | {"scenario": "open_weights"}
    needs = ["open_weights_thresholds", "fine_tuned_worst_case", "control_loss_acknowledged"]
    release = house.apply(
        stages=[
            a_stage("staff", 40, leave=[gate, GATES[-1]], stop=[]),
            a_stage("licensees", 9, what={"surfaces": ["weights"]}, irreversible=True, leave=[], stop=[], needs_before=needs),
        ]
    )
    house.file(1)
    assert {house.says(release)[f"needs.{name}"] for name in needs} == {"INSUFFICIENT"}
    tuned = house.file(2, elicitation=Elicitation(Effort.FINE_TUNED))
    said = house.says(release)
    assert [said[f"needs.{name}"] for name in needs] == ["PASS", "PASS", "INSUFFICIENT"]
    (what_if,) = house.releases.release_without(release, tuned.id, by=LEAD)
    flipped = {flip.before.gate_id for flip in what_if.flips}
    assert flipped == {"evaluation.dual_use.open_weights", "needs.open_weights_thresholds", "needs.fine_tuned_worst_case"}


def test_losing_control_is_acknowledged_by_an_outside_opinion_of_that_scope_and_by_no_other(house: FilingHouse) -> None:
    wanted, audit = "needs.control_loss_acknowledged", {"kind": "audit", "scope": "control_loss"}
    release = house.apply(
        stages=[
            a_stage("staff", 40, leave=[audit, GATES[2], GATES[-1]], stop=[]),
            a_stage(
                "licensees",
                9,
                what={"surfaces": ["weights"]},
                irreversible=True,
                leave=[],
                stop=[],
                needs_before=["control_loss_acknowledged"],
            ),
        ]
    )
    audited(house)
    assert house.says(release)[wanted] == "INSUFFICIENT"
    opinion = audited(house, b"another report", suite="control_loss")
    assert house.says(release)[wanted] == "PASS"
    (what_if,) = house.releases.release_without(release, opinion.id, by=LEAD)
    assert {flip.before.gate_id for flip in what_if.flips} == {"audit.control_loss", wanted}
    audited(house, b"a third", suite="control_loss", statement=Statement("They do not know", Opinion.ADVERSE))
    assert house.says(release)[wanted] == "INSUFFICIENT"


def test_what_was_not_used_cannot_be_left_out(house: FilingHouse) -> None:
    release = house.apply()
    with pytest.raises(EvidenceNotUsed, match="ev_nobody"):
        house.releases.release_without(release, "ev_nobody", by=LEAD)
    with pytest.raises(Forbidden):
        house.releases.release_without(release, None, by=person("eve"))


def test_a_reader_that_would_pass_for_want_of_evidence_is_not_believed(house: FilingHouse) -> None:
    release = house.apply(stages=[plan_with().stages[1].canonical()])
    house.readings.verdicts["harmful_advice"] = Verdict.FAIL
    house.readings.records = {"rate.harmful_advice": ("ev_bad", "ev_good")}
    house.readings.objecting = {"ev_bad"}
    (what_if,) = house.releases.release_without(release, "ev_bad", by=LEAD)
    (changed,) = what_if.gates
    assert changed.after.verdict is Verdict.FAIL
    assert "not believed" in changed.after.sentence


def test_signatures_lapse_when_new_harm_is_filed(house: FilingHouse) -> None:
    release = house.apply()
    everything(house)
    house.sign(release)
    house.file(80)
    with pytest.raises(GatesDoNotPass):
        house.releases.promote(release.id, by=MANAGER)


def test_a_red_team_may_be_answered_by_somebody_who_judges(house: FilingHouse) -> None:
    release = house.apply()
    found = house.file(5, 200, by=SECURITY, **REDTEAM)
    assert house.says(release)[ISSUES] == "INSUFFICIENT"
    house.filing.dispose(found.id, Disposition.NOT_REPRODUCED, because="a bug in the grader", by=LEAD)
    assert house.says(release)[ISSUES] == "PASS"


def test_evidence_grows_old(house: FilingHouse) -> None:
    release = house.apply()
    everything(house)
    house.clock.set(NOON + timedelta(days=28))
    assert house.says(release)[EVALUATION] == "STALE"
    assert house.says(release)[AUDIT] == "PASS"


def test_the_plan_of_this_house_asks_for_every_kind_of_filed_evidence() -> None:
    assert {gate["kind"] for gate in GATES} == {"evaluation", "issues", "audit", "approval"}
