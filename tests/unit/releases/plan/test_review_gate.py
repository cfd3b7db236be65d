"""Review gates and measured reviewers in a plan: how they are read, what lint says of them, and what a change of one does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headgate.bootstrap.bridges.epochs import watch_plan
from headgate.releases.decide.diff import diff
from headgate.releases.decide.difference import NARROWER, NEUTRAL, WIDER
from headgate.releases.model.plan import Plan, RateGate, ReviewGate
from headgate.releases.wire.checking import check_plan

GATE = "- rate: {hazard: harm, below: 2.0e-2, alpha: 0.02}"
MEASURED = "- rate: {hazard: harm, below: 2.0e-2, alpha: 0.02, misses_measured: true}"


def with_gate(clean: str, gate: str) -> str:
    return clean.replace(GATE, f"{GATE}\n      - review: {{{gate}}}", 1)


def plan_of(text: str) -> Plan:
    read = check_plan(text, "plan.yaml")
    assert read.plan is not None, list(read.findings)
    return read.plan


def codes(text: str) -> list[str]:
    return [finding.code for finding in check_plan(text, "plan.yaml").findings]


def effects(old: str, new: str) -> list[tuple[object, str]]:
    return [(change.effect, change.sentence) for change in diff(plan_of(old), plan_of(new))]


def test_a_review_gate_is_read_and_read_again_from_its_canonical_form(clean: str) -> None:
    plan = plan_of(with_gate(clean, "flagged_done_within: 24h, canary_recall_at_least: 0.5"))
    gate = next(gate for gate in plan.stages[0].leave if isinstance(gate, ReviewGate))
    assert (gate.id, gate.flagged_done_within, gate.canary_recall_at_least) == ("review", timedelta(hours=24), 0.5)
    assert ReviewGate.model_validate(gate.canonical()) == gate
    assert not [
        code for code in codes(with_gate(clean, "flagged_done_within: 24h, canary_recall_at_least: 0.5")) if "recall" in code
    ]


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("alpha: 0.05", "plan.review_asks_nothing"),
        ("canary_recall_at_least: 1.0", "plan.recall_unprovable"),
        ("canary_recall_at_least: 0.95", "plan.slow_recall"),
    ],
)
def test_lint_says_what_a_stage_cannot_show_of_its_reviewers(clean: str, gate: str, code: str) -> None:
    assert codes(with_gate(clean, gate)) == [*codes(clean), code]


def test_a_rate_that_waits_for_a_measurement_is_reckoned_with_it(clean: str) -> None:
    assert codes(clean.replace(GATE, MEASURED)) == codes(clean)
    tighter = clean.replace(GATE, MEASURED.replace("2.0e-2", "7.0e-3"))
    without = clean.replace(GATE, GATE.replace("2.0e-2", "7.0e-3"))
    assert "plan.undecidable_rate" not in codes(without)
    assert "plan.undecidable_rate" in codes(tighter)
    none = MEASURED.replace("2.0e-2", "0.5")
    few = clean.replace(GATE, none).replace("sample: 350/week", "sample: 3/week")
    assert "plan.undecidable_rate" in codes(few)


def test_what_older_plans_could_not_have_leaves_their_digests_alone(clean: str) -> None:
    gate = next(gate for gate in plan_of(clean).stages[0].leave if isinstance(gate, RateGate))
    assert "misses_measured" not in gate.canonical()
    measured = next(g for g in plan_of(clean.replace(GATE, MEASURED)).stages[0].leave if isinstance(g, RateGate))
    assert measured.canonical()["misses_measured"] is True
    assert gate.spec_digest != measured.spec_digest
    watch = plan_of(clean).stages[0].watch
    assert watch is not None
    assert "by_score" not in watch.canonical()


def test_a_changed_duty_of_review_is_a_widening_or_a_narrowing(clean: str) -> None:
    old = with_gate(clean, "flagged_done_within: 24h, canary_recall_at_least: 0.5")
    assert [e for e, _ in effects(old, with_gate(clean, "flagged_done_within: 48h, canary_recall_at_least: 0.5"))] == [WIDER]
    assert [e for e, _ in effects(old, with_gate(clean, "flagged_done_within: 24h, canary_recall_at_least: 0.6"))] == [NARROWER]
    assert [e for e, _ in effects(old, with_gate(clean, "flagged_done_within: 24h"))] == [WIDER]
    assert [e for e, _ in effects(clean, clean.replace(GATE, MEASURED))] == [NARROWER]
    assert [e for e, _ in effects(clean.replace(GATE, MEASURED), clean)] == [WIDER]
    scored = clean.replace("sample: 350/week,", "sample: 350/week, by_score: true,")
    assert [e for e, _ in effects(clean, scored)] == [NEUTRAL]


def test_a_watch_by_score_is_safety_s_duty_by_score(clean: str) -> None:
    scored = plan_of(clean.replace("sample: 350/week,", "sample: 350/week, flagged: none, by_score: true,"))
    duty = watch_plan(scored.stages[0].watch)
    assert duty.by_score
    assert not duty.uniform
    plain = watch_plan(plan_of(clean.replace("sample: 350/week,", "sample: 350/week, flagged: none,")).stages[0].watch)
    assert (plain.by_score, plain.uniform) == (False, True)
