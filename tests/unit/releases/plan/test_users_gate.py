"""Gates on users in a plan: how they are read, what lint says of them, and what a change of one does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from headgate.releases.decide.diff import diff
from headgate.releases.decide.difference import NARROWER, WIDER
from headgate.releases.model.plan import Plan, RateGate
from headgate.releases.wire.checking import check_plan
from headgate.stats.spending import attempt_alpha
from headgate.stats.users import clean_users_to_go, tightest_share, typical_users

HAZARD = "limit: {traffic: 1.0e-2}"
GATE = "- rate: {hazard: harm, below: 2.0e-2, alpha: 0.02}"
SPENT = attempt_alpha(0.02, 1)


def on_users(
    clean: str, *, hazard: str = "limit: {traffic: 1.0e-2, users: 0.75}, worst_share: 0.8", gate: str = "below: 0.7"
) -> str:
    """Return the clean plan with a gate on the users of its first stage, everything of which is read."""
    text = clean.replace(HAZARD, hazard).replace("sample: 350/week, reviewers: 2", "sample: all, reviewers: 20")
    made = text.replace(GATE, f"{GATE}\n      - rate: {{hazard: harm, of: users, {gate}, alpha: 0.02}}", 1)
    assert made != clean
    return made


def plan_of(text: str) -> Plan:
    read = check_plan(text, "plan.yaml")
    assert read.plan is not None, list(read.findings)
    return read.plan


def the_gate(plan: Plan) -> RateGate:
    return next(gate for gate in plan.stages[0].leave if isinstance(gate, RateGate) and gate.of == "users")


def codes(text: str) -> list[str]:
    return [finding.code for finding in check_plan(text, "plan.yaml").findings]


def test_a_gate_on_users_is_read_and_its_window_is_part_of_what_it_asks(clean: str) -> None:
    gate = the_gate(plan_of(on_users(clean)))
    assert gate.id == "rate.harm.users"
    assert gate.window == gate.observed_for == timedelta(days=7)
    assert gate.canonical()["window"] == "604800s"
    assert RateGate.model_validate(gate.canonical()) == gate
    assert gate.spec_digest != the_gate(plan_of(on_users(clean, gate="below: 0.7, window: 3d"))).spec_digest


def test_a_gate_on_traffic_asks_what_it_asked_before_there_were_windows(clean: str) -> None:
    gates = [gate for gate in plan_of(clean).stages[0].leave if isinstance(gate, RateGate)]
    assert [gate.id for gate in gates] == ["rate.harm"]
    assert "window" not in gates[0].canonical()


def test_lint_says_nothing_of_a_gate_that_its_users_can_show(clean: str) -> None:
    assert clean_users_to_go([], [], 0.7, SPENT, 0.8) <= 20
    assert codes(on_users(clean)) == []


def test_lint_says_how_many_users_a_gate_takes_and_what_the_seats_can_show(clean: str) -> None:
    text = on_users(clean, hazard="limit: {traffic: 1.0e-2, users: 0.5}, worst_share: 0.25", gate="below: 1.0e-2")
    (finding,) = check_plan(text, "plan.yaml").findings
    assert (finding.code, finding.line) == ("plan.undecidable_rate", 22)
    assert f"without any harm the gate needs {clean_users_to_go([], [], 0.01, SPENT, 0.25)}" in finding.message
    assert finding.fix == f"write seats: {clean_users_to_go([], [], 0.01, SPENT, 0.25)}, or below: 0.0717"
    assert tightest_share(20, SPENT, 0.25) <= 0.0717


def test_lint_knows_what_is_expected(clean: str) -> None:
    few = on_users(clean).replace("expected: 1.0e-3", "expected: 0.7").replace("traffic: 1.0e-2", "traffic: 0.9")
    assert "plan.undecidable_rate" in codes(few)
    text = (
        on_users(clean, gate="below: 0.45")
        .replace("expected: 1.0e-3", "expected: 0.2")
        .replace("traffic: 1.0e-2", "traffic: 0.9")
    )
    slow = [finding for finding in check_plan(text, "plan.yaml").findings if "done by few" in finding.message]
    typical = typical_users(0.2, 0.45, SPENT, 0.8)
    assert clean_users_to_go([], [], 0.45, SPENT, 0.8) <= 20 < typical
    assert [(finding.code, finding.fix) for finding in slow] == [("plan.slow_rate", f"write seats: {typical:.0f}")]


def test_lint_knows_that_what_is_not_drawn_is_not_seen(clean: str) -> None:
    text = on_users(clean).replace("sample: all, reviewers: 20", "sample: 350/week, reviewers: 2")
    (finding,) = check_plan(text, "plan.yaml").findings
    assert finding.code == "plan.undecidable_rate"
    assert "of whose use about 0.0875 is drawn" in finding.message
    assert "sample: all" in finding.fix


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"hazard": "limit: {traffic: 1.0e-2, users: 0.75}"}, ["plan.no_worst_share"]),
        ({"hazard": "limit: {traffic: 1.0e-2}, worst_share: 0.8"}, ["plan.users_without_limit"]),
        ({"hazard": "limit: {traffic: 1.0e-2, users: 0.9}, worst_share: 0.7"}, ["plan.below_worst_share"]),
        ({"gate": "below: 0.7, window: 40d"}, ["plan.undecidable_rate"]),
        ({"hazard": "limit: {traffic: 1.0e-2, users: 0.9}, worst_share: 0.8"}, []),
    ],
)
def test_lint_wants_what_a_gate_on_users_rests_on(clean: str, changed: dict[str, str], expected: list[str]) -> None:
    assert codes(on_users(clean, **changed)) == expected


def test_the_last_gate_on_users_is_held_against_the_limit_of_users(clean: str) -> None:
    text = on_users(clean, hazard="limit: {traffic: 1.0e-2, users: 0.6}, worst_share: 0.8")
    assert codes(text) == ["plan.loose_gate"]


def test_a_window_on_traffic_is_idle(clean: str) -> None:
    assert codes(clean.replace(GATE, GATE.replace("alpha", "window: 3d, alpha"), 1)) == ["plan.idle_window"]


def test_nobody_who_labels_shows_nothing_of_users(clean: str) -> None:
    text = on_users(clean).replace("    watch: {sample: all, reviewers: 20, output_screen: trail}\n", "", 1)
    assert codes(text).count("plan.undecidable_rate") == 2


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ("below: 0.7, window: 7d", "below: 0.7, window: 2d", WIDER),
        ("below: 0.7, window: 2d", "below: 0.7", NARROWER),
        ("below: 0.6", "below: 0.7", WIDER),
    ],
)
def test_a_change_of_the_gate_widens_or_narrows(clean: str, before: str, after: str, effect: object) -> None:
    changes = diff(plan_of(on_users(clean, gate=before)), plan_of(on_users(clean, gate=after)))
    assert [change.effect for change in changes] == [effect]


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (", worst_share: 0.8", ", worst_share: 0.7", WIDER),
        (", worst_share: 0.8", ", worst_share: 1", NARROWER),
        (", worst_share: 0.8", "", NARROWER),
        ("", ", worst_share: 0.8", WIDER),
    ],
)
def test_assuming_more_of_enforcement_asks_less_of_its_users(clean: str, before: str, after: str, effect: object) -> None:
    old, new = (clean.replace(HAZARD, f"limit: {{traffic: 1.0e-2, users: 0.75}}{said}") for said in (before, after))
    assert [change.effect for change in diff(plan_of(old), plan_of(new))] == [effect]


def test_asking_something_else_of_the_same_hazard_is_never_narrower(clean: str) -> None:
    traffic, users = clean.replace(HAZARD, "limit: {traffic: 1.0e-2, users: 0.5}, worst_share: 0.8"), on_users(clean)
    users = users.replace(f"{GATE}\n      ", "", 1)
    changes = diff(plan_of(traffic), plan_of(users))
    assert WIDER in {change.effect for change in changes}
