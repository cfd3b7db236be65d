"""Gates on people to come: what lint says of them, and what a change of them does."""

from __future__ import annotations

import pytest

from headgate.bootstrap.bridges import strata
from headgate.releases.decide.diff import Effect, diff
from headgate.releases.decide.lint import people as lint
from headgate.releases.model.plan import CoverageGate, DiscoveryGate, Plan
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.reading import load_plan

W, N = Effect.WIDENING, Effect.NARROWING
AFTER = "      - soak: {active_days: 7, at_most: 28d}\n"
DISCOVERY = "      - discovery: {tolerated_new_kinds_next_stage: 50, alpha: 0.05}\n"
COVERAGE = (
    "      - coverage: {of: [language], for_stage: general, transport_bound_below: 0.5, "
    "expected: {language: {en: 0.7, fr: 0.3}}}\n"
)
READ_WHOLE = ("sample: 350/week, reviewers: 2", "sample: all, reviewers: 2")


def gated(clean: str, gate: str, *edits: tuple[str, str]) -> str:
    text = clean.replace(AFTER, AFTER + gate, 1).replace(*READ_WHOLE, 1)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def said(text: str) -> dict[str, str]:
    """Return what is said of people to come, by code."""
    ours = ("discovery", "stratum", "coverage", "shares", "unknown_hazard")
    found = check_plan(text, "plan.yaml").findings
    return {finding.code: f"{finding.message}; {finding.fix}" for finding in found if any(word in finding.code for word in ours)}


def test_gates_that_can_be_decided_are_left_alone(clean: str) -> None:
    assert said(gated(clean, DISCOVERY)) == {}
    assert said(gated(clean, COVERAGE, ("expected: 1.0e-3}", "expected: 1.0e-3, worst_share: 0.5}"))) == {}


def test_the_ladder_may_be_no_steeper_than_a_discovery_gate_can_show(clean: str) -> None:
    """20 users who show nothing new leave about 5.2 / 20 of the next stage's 150 unseen."""
    (remark,) = said(gated(clean, DISCOVERY, ("stage: 50", "stage: 10"))).items()
    assert remark[0] == "plan.undecidable_discovery"
    assert "150 seats of `general`, and 10 may" in remark[1]
    seats = int(remark[1].split("seats: ")[1].split(" ")[0])
    assert said(gated(clean, DISCOVERY, ("stage: 50", "stage: 10"), ("seats: 20", f"seats: {seats}"))) == {}
    assert "plan.undecidable_discovery" in said(
        gated(clean, DISCOVERY, ("stage: 50", "stage: 10"), ("seats: 20", f"seats: {seats - 1}"))
    )


def test_a_part_that_is_drawn_shows_only_that_part_of_what_is_new(clean: str) -> None:
    partly = gated(clean, DISCOVERY).replace("sample: all, reviewers: 2", "sample: 350/week, reviewers: 2", 1)
    assert "of whose use about" in said(partly)["plan.undecidable_discovery"]
    assert "sample: all" in said(partly)["plan.undecidable_discovery"]


@pytest.mark.parametrize(
    ("edits", "code", "words"),
    [
        ([(", seats: 150", "")], "plan.undecidable_discovery", "does not say how many seats"),
        ([("stage: 50", "stage: 150")], "plan.idle_discovery", "asks nothing"),
        ([("    watch: {sample: all, reviewers: 2, output_screen: trail}\n", "")], "plan.undecidable_discovery", "nobody labels"),
    ],
)
def test_a_discovery_gate_that_shows_nothing_is_named(clean: str, edits: list[tuple[str, str]], code: str, words: str) -> None:
    assert words in said(gated(clean, DISCOVERY, *edits))[code]


def test_nothing_comes_after_the_last_stage(clean: str) -> None:
    last = "      - soak: {active_days: 14, at_most: 42d}\n"
    text = clean.replace(last, last + DISCOVERY + COVERAGE)
    assert "nothing comes after" in said(text)["plan.undecidable_discovery"]
    assert "nothing opens after" in said(text)["plan.coverage_stage"]


@pytest.mark.parametrize(
    ("edits", "code", "words"),
    [
        ([("of: [language]", "of: [language, regoin]")], "plan.unknown_stratum", "did you mean `region`"),
        ([("of: [language]", "of: [region]")], "plan.unknown_stratum", "add `language`"),
        ([("of: [language]", "of: [language, region]")], "plan.no_expected_shares", "by `region`"),
        ([("fr: 0.3", "fr: 0.2")], "plan.no_expected_shares", "add up to 0.9"),
        ([("for_stage: general", "for_stage: genral")], "plan.coverage_stage", "did you mean `general`"),
        ([("for_stage: general", "for_stage: staff")], "plan.coverage_stage", "no stage after"),
        ([("below: 0.5", "below: 0.1")], "plan.undecidable_coverage", "show no mean share below"),
        ([("{of: [language],", "{of: [language], hazard: ham,")], "plan.unknown_hazard", "did you mean `harm`"),
    ],
)
def test_a_coverage_gate_that_leads_nowhere_is_named(clean: str, edits: list[tuple[str, str]], code: str, words: str) -> None:
    declared = ("expected: 1.0e-3}", "expected: 1.0e-3, worst_share: 0.5}")
    assert words in said(gated(clean, COVERAGE, declared, *edits))[code]


def test_lint_knows_what_people_are_told_apart_by() -> None:
    assert lint.TOLD_APART_BY == strata.TOLD_APART_BY


CHANGES = {
    "more are tolerated": (DISCOVERY, "stage: 50", "stage: 51", W),
    "fewer are tolerated": (DISCOVERY, "stage: 50", "stage: 49", N),
    "a discovery gate that errs more often": (DISCOVERY, "alpha: 0.05", "alpha: 0.06", W),
    "a tighter bound": (COVERAGE, "below: 0.5", "below: 0.4", N),
    "a looser bound": (COVERAGE, "below: 0.5", "below: 0.6", W),
    "a coverage gate that errs less often": (COVERAGE, "{of:", "{alpha: 0.01, of:", N),
    "one more way to tell people apart": (COVERAGE, "[language]", "[language, region]", N),
    "another way to tell people apart": (COVERAGE, "[language]", "[region]", None),
    "one hazard of all": (COVERAGE, "{of:", "{hazard: harm, of:", W),
    "other shares": (COVERAGE, "en: 0.7, fr: 0.3", "en: 0.6, fr: 0.4", W),
}


def plan_of(text: str) -> Plan:
    plan = load_plan(text, "plan")
    assert isinstance(plan, Plan), plan
    return plan


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_has_its_effect_and_its_opposite_the_other(name: str, clean: str) -> None:
    gate, old, new, effect = CHANGES[name]
    before, after = plan_of(gated(clean, gate)), plan_of(gated(clean, gate, (old, new)))
    expected = {W, N} if effect is None else {effect}
    assert {change.effect for change in diff(before, after)} == expected
    back = {change.effect for change in diff(after, before)}
    assert back == ({W, N} if effect is None else {W} if name == "other shares" else {N if effect is W else W})


def test_a_gate_reads_back_as_it_was_written(clean: str) -> None:
    plan = plan_of(gated(clean, DISCOVERY + COVERAGE))
    kept = [gate for gate in plan.stages[0].leave if isinstance(gate, DiscoveryGate | CoverageGate)]
    assert [gate.kind for gate in kept] == ["discovery", "coverage"]
    assert [type(gate).model_validate(gate.canonical()) for gate in kept] == kept
