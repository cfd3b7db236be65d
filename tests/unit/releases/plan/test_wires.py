"""Steps of a rise, budgets, missing scores: what a plan may write of them, and what an edit of them does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from headgate.bootstrap.bridges.wires import watch_rule
from headgate.evidence.model import alarms
from headgate.releases.decide.diff_wires import tripwire
from headgate.releases.decide.difference import Effect
from headgate.releases.decide.lint.wires import lint_wires
from headgate.releases.model.plan import (
    Condition,
    Earlier,
    IncidentWire,
    MissingWire,
    Reaction,
    RiseWire,
    Severity,
    ShiftWire,
    Stream,
    stepped,
)
from headgate.releases.model.wires import paid_from
from headgate.testing.releases import a_plan, a_stage

WEEK, QUARTER, YEAR = timedelta(days=7), timedelta(days=90), timedelta(days=365)
FORM: dict[str, Any] = {"hazard": "harm", "from": 1e-3, "to": 1e-2, "false_alarm_every": "365d", "then": "cut"}


def rise(**changed: Any) -> RiseWire:
    return RiseWire.model_validate({**FORM, **changed})


SHIFT: dict[str, Any] = {"of": ["language"], "above": 0.05, "false_alarm_every": "365d", "then": "hold"}
SHARES: dict[str, Any] = {"of": "user_shares"}


def shift(**changed: Any) -> ShiftWire:
    return ShiftWire.model_validate({**SHIFT, **changed})


def test_a_rise_is_of_labels_and_in_one_step_unless_it_says_more() -> None:
    wire = rise()
    assert (wire.of, wire.id, wire.steps) == (Stream.LABELS, "rise.harm.cut", (wire,))


def test_wires_on_different_streams_have_different_names() -> None:
    assert rise(of="flagged_users").id == "rise.harm.flagged_users.cut"


def test_steps_come_mildest_first_and_each_has_its_own_false_alarm() -> None:
    steps = rise(earlier={"watch": "7d", "hold": "90d", "narrow": "180d"}).steps
    assert [(step.id, step.then, step.false_alarm_every) for step in steps] == [
        ("rise.harm.hold", Reaction.HOLD, QUARTER),
        ("rise.harm.narrow", Reaction.NARROW, timedelta(days=180)),
        ("rise.harm.cut", Reaction.CUT, YEAR),
    ]
    assert all(step.earlier == Earlier(watch=WEEK) for step in steps)  # every step says that it watches
    assert [step.steps for step in steps] == [(step,) for step in steps]  # a step has no steps


def test_a_stage_is_watched_by_every_step() -> None:
    incident = IncidentWire(severity=Severity.CRITICAL, then=Reaction.CUT)
    assert [wire.id for wire in stepped((rise(earlier={"hold": "90d"}), incident))] == [
        "rise.harm.hold",
        "rise.harm.cut",
        "incident.critical",
    ]


def test_missing_scores_hold_by_default_when_more_than_one_in_two_hundred_is_missing() -> None:
    wire = MissingWire()
    assert (wire.at_most, wire.over, wire.then) == (5e-3, timedelta(hours=24), Reaction.HOLD)


def test_a_wire_reads_back_from_its_canonical_form() -> None:
    wires = (
        rise(of="flagged_users", learn="28d", budget="harm", earlier={"hold": "90d"}),
        rise(of="user_shares"),
        shift(of=["language", "use_case"], to=0.4, learn="14d", earlier={"watch": "7d"}),
        shift(),
        MissingWire(),
        rise(),
    )
    for wire in wires:
        assert type(wire).model_validate(wire.canonical()) == wire


SOONER_OR_HARDER: list[dict[str, Any]] = [
    {"from": 5e-4},
    {"false_alarm_every": "90d"},
    {"look_every": "30m"},
    {"earlier": {"hold": "90d"}},
    {"earlier": {"watch": "7d"}},
]


@pytest.mark.parametrize("change", SOONER_OR_HARDER)
def test_what_sounds_sooner_narrows_and_taking_it_back_widens(change: dict[str, Any]) -> None:
    assert {effect for _, effect, _, _ in tripwire(rise(), rise(**change))} == {Effect.NARROWING}
    assert {effect for _, effect, _, _ in tripwire(rise(**change), rise())} == {Effect.WIDENING}


@pytest.mark.parametrize("change", [{"then": "hold"}, {"budget": "harm"}, {"of": "flagged_users"}, {"learn": "28d"}])
def test_what_may_be_laxer_counts_as_widening_one_way_at_least(change: dict[str, Any]) -> None:
    both = [*tripwire(rise(), rise(**change)), *tripwire(rise(**change), rise())]
    assert Effect.WIDENING in {effect for _, effect, _, _ in both}


def test_another_stream_widens_both_ways_because_the_two_cannot_be_compared() -> None:
    users = rise(of="flagged_users")
    for old, new in ((rise(), users), (users, rise())):
        assert {effect for _, effect, _, _ in tripwire(old, new)} == {Effect.WIDENING}


@pytest.mark.parametrize(
    "field", [{"at_most": 1e-2}, {"over": "48h"}, {"usual": 2e-3}, {"false_alarm_every": "365d"}, {"look_every": "2h"}]
)
def test_tolerating_more_missing_scores_widens(field: dict[str, Any]) -> None:
    laxer = MissingWire.model_validate(field)
    assert [effect for _, effect, _, _ in tripwire(MissingWire(), laxer)] == [Effect.WIDENING]
    assert [effect for _, effect, _, _ in tripwire(laxer, MissingWire())] == [Effect.NARROWING]


def test_the_same_wire_has_no_differences_and_another_kind_is_never_unseen() -> None:
    wires: list[Condition] = [rise(), shift(), MissingWire(), IncidentWire(severity=Severity.HIGH, then=Reaction.HOLD)]
    for one in wires:
        for other in wires:
            effects = [effect for _, effect, _, _ in tripwire(one, other)]
            assert effects == ([] if one is other else [Effect.WIDENING])


def test_a_wire_on_shares_observes_each_user_for_a_week_unless_it_says_otherwise() -> None:
    assert rise(of="user_shares").window == WEEK
    assert rise(of="user_shares", window="3d").window == timedelta(days=3)
    assert "window" not in rise().canonical()  # what older plans say is spelled as before
    assert rise(of="user_shares").id == "rise.harm.user_shares.cut"


def test_a_shift_is_named_by_what_it_tells_apart_and_sharpest_halfway_to_everybody() -> None:
    wire = shift(of=["language", "use_case"], earlier={"hold": "90d"}, then="cut")
    assert [step.id for step in stepped((wire,))] == ["shift.language.use_case.hold", "shift.language.use_case.cut"]
    assert wire.sharpest_at == pytest.approx(0.05**0.5)
    assert shift(to=0.4).sharpest_at == 0.4


def test_a_shift_is_read_as_one_stream_for_each_respect_within_its_budget() -> None:
    wires = [
        {"kind": "shift", **SHIFT, "of": ["language", "use_case"], "budget": "all"},
        {"kind": "rise", **FORM, **SHARES, "then": "hold", "budget": "all"},
        {"kind": "rise", **FORM, "budget": "other"},
    ]
    (stage,) = a_plan(stages=[a_stage("staff", 40, stop=wires)]).stages
    wire = stage.stop[0]
    assert isinstance(wire, ShiftWire)
    rule = watch_rule(wire, stage)
    streams = [(part.stream, part.hazard, part.from_rate, part.window) for part in rule.parts]
    assert streams == [
        (alarms.Stream.NEWCOMERS, "language", 0.05, None),
        (alarms.Stream.NEWCOMERS, "use_case", 0.05, None),
        (alarms.Stream.USER_SHARES, "harm", 1e-3, WEEK),
    ]
    assert paid_from(stage.stop, "all") == 3
    assert paid_from(stage.stop, None) == 0


@pytest.mark.parametrize(
    "laxer",
    [
        {"above": 0.1},
        {"to": 0.5},
        {"learn": "14d"},
        {"false_alarm_every": "730d"},
        {"look_every": "2h"},
        {"budget": "all"},
    ],
)
def test_tolerating_more_of_a_shift_widens_and_taking_it_back_narrows(laxer: dict[str, Any]) -> None:
    assert {effect for _, effect, _, _ in tripwire(shift(), shift(**laxer))} == {Effect.WIDENING}
    assert {effect for _, effect, _, _ in tripwire(shift(**laxer), shift())} == {Effect.NARROWING}


def test_what_cannot_be_compared_counts_as_asking_less() -> None:
    two = shift(of=["language", "country"])
    for old, new in ((shift(), two), (two, shift())):
        assert {effect for _, effect, _, _ in tripwire(old, new)} == {Effect.WIDENING}
    week, day = rise(of="user_shares"), rise(of="user_shares", window="1d")
    for old, new in ((week, day), (day, week)):
        assert {effect for _, effect, _, _ in tripwire(old, new)} == {Effect.WIDENING}


@pytest.mark.parametrize(
    ("wire", "at", "code"),
    [
        (SHIFT, 0, "plan.shift_knows_nobody"),
        ({**SHIFT, "of": ["tongue"]}, 1, "plan.unknown_stratum"),
        ({**SHIFT, "of": ["cohort"]}, 1, "plan.unknown_stratum"),
        ({**SHIFT, "of": ["language", "language"]}, 1, "plan.unknown_stratum"),
        ({**SHIFT, "to": 0.05}, 1, "plan.rise_order"),
        ({**SHIFT, "false_alarm_every": "1h"}, 1, "plan.rise_pace"),
        ({**SHIFT, "learn": "365d"}, 1, "plan.rise_pace"),
        ({**SHIFT, "earlier": {"narrow": "90d"}}, 1, "plan.earlier_order"),
        ({**SHIFT, "budget": "all"}, 1, "plan.budget_alone"),
    ],
)
def test_lint_says_what_is_wrong_with_a_shift(wire: dict[str, Any], at: int, code: str) -> None:
    (stage,) = a_plan(stages=[a_stage("staff", 40, stop=[{"kind": "shift", **wire}])]).stages
    assert code in [found.code for found in lint_wires(stage, at)]


def test_lint_has_nothing_to_say_of_a_sound_shift_and_sound_shares() -> None:
    wires = [{"kind": "shift", **SHIFT, "learn": "14d"}, {"kind": "rise", **FORM, **SHARES, "false_alarm_every": "365d"}]
    (stage,) = a_plan(stages=[a_stage("staff", 40, stop=wires)]).stages
    assert list(lint_wires(stage, 0)) == []


def test_only_shares_have_a_window() -> None:
    (stage,) = a_plan(stages=[a_stage("staff", 40, stop=[{"kind": "rise", **FORM, "window": "7d"}])]).stages
    assert "plan.window_of" in [found.code for found in lint_wires(stage, 0)]
