"""What plans ask of evaluations, red teams and auditors: read, linted and compared."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.releases.decide.diff import Effect, diff
from headgate.releases.decide.lint.evaluations import lint_evaluations
from headgate.releases.model.plan import Plan, Scenario
from headgate.releases.wire.checking import check_plan
from headgate.testing.releases import a_plan, a_stage

SUITE: dict[str, Any] = {
    "hazard": "harmful_advice",
    "thresholds": {"api": 0.3, "theft": 0.25, "open_weights": 0.2},
    "margin": 0.1,
    "because": "the most that fine-tuning added to atlas-1",
}
GATE = {"kind": "evaluation", "suite": "dual_use", "scenario": "api", "max_age": "30d"}
ISSUES = {"kind": "issues"}
AUDIT = {"kind": "audit", "scope": "deployment"}
RATE = {"kind": "rate", "hazard": "harmful_advice", "below": 1.0e-2, "alpha": 0.02}


def plan(*gates: dict[str, Any], suite: dict[str, Any] | None = None, then: dict[str, Any] | None = None) -> Plan:
    suites = {"dual_use": SUITE if suite is None else SUITE | suite}
    stages = [a_stage("staff", 40, leave=list(gates)), a_stage("weights", 400, leave=[], **(then or {}))]
    return a_plan(evaluations=suites, stages=stages)


def codes(*gates: dict[str, Any], **changed: Any) -> set[str]:
    return {found.code.removeprefix("plan.") for found in lint_evaluations(plan(*gates, **changed))}


def test_a_plan_that_asks_well_is_told_how_many_items_it_takes() -> None:
    (told,) = lint_evaluations(plan(GATE, ISSUES, AUDIT, RATE))
    assert told.code == "plan.evaluation_items"
    assert "14 items at least" in told.message  # 1 - 0.05 ** (1 / 14) is the first below 0.3 - 0.1


@pytest.mark.parametrize(
    ("code", "gates", "changed"),
    [
        ("unread_evaluation", [ISSUES], {}),
        ("unknown_evaluation", [GATE | {"suite": "other"}], {}),
        ("no_threshold", [GATE], {"suite": {"thresholds": {"theft": 0.3}}}),
        ("margin_without_room", [GATE], {"suite": {"margin": 0.3}}),
        ("open_weights_threshold", [GATE], {"suite": {"thresholds": {"api": 0.3, "open_weights": 0.3}}}),
        ("thresholds_out_of_order", [GATE], {"suite": {"thresholds": {"api": 0.3, "theft": 0.4}}}),
        ("thresholds_out_of_order", [GATE], {"suite": {"thresholds": {"theft": 0.3, "open_weights": 0.4}}}),
        ("open_weights_threshold", [GATE], {"suite": {"safer": "higher", "thresholds": {"api": 0.8, "open_weights": 0.7}}}),
        ("safeguards_given_away", [GATE], {"suite": {"measures": "safeguard"}}),
        ("scenario_too_mild", [GATE], {"then": {"what": {"surfaces": ["weights"]}}}),
        ("unknown_hazard", [GATE], {"suite": {"hazard": "boredom"}}),
        ("alpha_range", [GATE], {"suite": {"alpha": 0.2}}),
        ("evaluation_alone", [GATE], {}),
        ("audit_asks_nothing", [AUDIT | {"opinion": "adverse"}], {}),
        ("audit_asks_nothing", [AUDIT | {"opinion": "disclaimer"}], {}),
        ("no_red_team", [GATE], {}),
        ("forecast_takes_tries", [GATE], {"suite": {"forecast": {"queries": "1M", "tolerated": 0.5}}}),
        (
            "forecast_too_near",
            [GATE],
            {"suite": {"forecast": {"queries": "10k", "tolerated": 0.5}}, "then": {"how_much": {"expected_use": 20}}},
        ),
    ],
)
def test_lint_says(code: str, gates: list[dict[str, Any]], changed: dict[str, Any]) -> None:
    assert code in codes(*gates, **changed)


def test_a_metric_where_more_is_safer_may_be_stricter_upwards() -> None:
    higher = {"safer": "higher", "measures": "capability", "thresholds": {"api": 0.7, "theft": 0.75, "open_weights": 0.8}}
    found = codes(GATE, ISSUES, RATE, suite=higher)
    assert found == {"evaluation_items"}


@pytest.mark.parametrize(
    ("changed", "effect"),
    [
        ({"thresholds": {"api": 0.4, "theft": 0.25, "open_weights": 0.2}}, Effect.WIDENING),
        ({"thresholds": {"api": 0.2, "theft": 0.25, "open_weights": 0.2}}, Effect.NARROWING),
        ({"thresholds": {"theft": 0.25, "open_weights": 0.2}}, Effect.NARROWING),
        ({"margin": 0.05}, Effect.WIDENING),
        ({"margin": 0.15}, Effect.NARROWING),
        ({"alpha": 0.1}, Effect.WIDENING),
        ({"attempts": 10}, Effect.NARROWING),
        ({"measures": "redteam"}, Effect.WIDENING),
        ({"safer": "higher"}, Effect.WIDENING),
        ({"metric": "accuracy"}, Effect.WIDENING),
        ({"hazard": "cyber_misuse"}, Effect.WIDENING),
        ({"because": "somebody said so"}, Effect.NEUTRAL),
    ],
)
def test_what_is_tolerated_is_compared(changed: dict[str, Any], effect: Effect) -> None:
    (change,) = diff(plan(GATE), plan(GATE, suite=changed))
    assert (change.effect, change.path[:2]) == (effect, ("evaluations", "dual_use"))
    back = {Effect.WIDENING: {Effect.NARROWING, Effect.WIDENING}, Effect.NARROWING: {Effect.WIDENING}, Effect.NEUTRAL: {effect}}
    (reverse,) = diff(plan(GATE, suite=changed), plan(GATE))
    assert reverse.effect in back[effect]


FORECAST = {"queries": 1000, "tolerated": 0.5}


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (None, FORECAST, Effect.NARROWING),
        (FORECAST, None, Effect.WIDENING),
        (FORECAST, FORECAST | {"queries": 2000}, Effect.NARROWING),
        (FORECAST, FORECAST | {"queries": 500}, Effect.WIDENING),
        (FORECAST, FORECAST | {"tolerated": 0.6}, Effect.WIDENING),
        (FORECAST, FORECAST | {"tolerated": 0.4}, Effect.NARROWING),
    ],
)
def test_what_may_be_forecast_is_compared(old: dict[str, Any] | None, new: dict[str, Any] | None, effect: Effect) -> None:
    (change,) = diff(plan(GATE, suite={"forecast": old}), plan(GATE, suite={"forecast": new}))
    assert (change.effect, change.path[:3]) == (effect, ("evaluations", "dual_use", "forecast"))


def test_looking_ahead_far_enough_is_enough() -> None:
    far = {"forecast": {"queries": "1M", "tolerated": 0.5}}
    assert "forecast_too_near" not in codes(GATE, suite=far, then={"how_much": {"expected_use": 20}})


def test_a_plan_that_asks_for_no_forecast_spells_as_before() -> None:
    assert "forecast" not in plan(GATE).canonical()["evaluations"]["dual_use"]


def test_a_suite_that_comes_or_goes_is_seen() -> None:
    without = plan(ISSUES).model_copy(update={"evaluations": {}})
    assert [change.effect for change in diff(without, plan(ISSUES))] == [Effect.NARROWING]
    assert [change.effect for change in diff(plan(ISSUES), without)] == [Effect.WIDENING]


def test_lowering_the_threshold_of_a_refusal_rate_is_a_widening() -> None:
    higher = {"safer": "higher", "thresholds": {"api": 0.8}}
    (change,) = diff(plan(GATE, suite=higher), plan(GATE, suite=higher | {"thresholds": {"api": 0.7}}))
    assert change.effect is Effect.WIDENING


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (GATE, GATE | {"max_age": "60d"}, Effect.WIDENING),
        (GATE, GATE | {"max_age": "10d"}, Effect.NARROWING),
        (ISSUES, ISSUES | {"undisposed": 1}, Effect.WIDENING),
        (AUDIT, AUDIT | {"opinion": "qualified"}, Effect.WIDENING),
        (AUDIT | {"opinion": "qualified"}, AUDIT, Effect.NARROWING),
        (AUDIT, AUDIT | {"max_age": "30d"}, Effect.NARROWING),
    ],
)
def test_gates_on_filed_evidence_are_compared(old: dict[str, Any], new: dict[str, Any], effect: Effect) -> None:
    (change,) = diff(plan(old), plan(new))
    assert change.effect is effect


def test_a_plan_file_holds_evaluations_and_keeps_them() -> None:
    read = plan(GATE, AUDIT, ISSUES)
    assert Plan.model_validate(read.canonical()) == read
    evaluation = read.evaluations["dual_use"]
    assert evaluation.thresholds.declared() == {Scenario.API: 0.3, Scenario.THEFT: 0.25, Scenario.OPEN_WEIGHTS: 0.2}


@pytest.mark.parametrize("line", ["margin: 0", "margin: -0.1"])
def test_a_margin_is_never_nought(line: str) -> None:
    text = f"""
kind: ReleasePlan
name: atlas-2
model: {{name: atlas-2, upstream: {{url: "http://127.0.0.1:8000/v1", model: atlas-2}}}}
end_state: internal
staging_is_for: [misuse]
evaluations:
  dual_use: {{thresholds: {{api: 0.3}}, {line}, because: "nobody tries harder"}}
stages: []
"""
    found = {(finding.code, finding.line) for finding in check_plan(text, "plan").findings}
    assert ("plan.share", 8) in found


def test_a_margin_comes_with_an_argument() -> None:
    with pytest.raises(ValueError, match="because"):
        a_plan(evaluations={"dual_use": {"thresholds": {"api": 0.3}, "margin": 0.1}})
