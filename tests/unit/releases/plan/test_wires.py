"""Steps of a rise, budgets, missing scores: what a plan may write of them, and what an edit of them does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from headgate.releases.decide.diff_wires import tripwire
from headgate.releases.decide.difference import Effect
from headgate.releases.model.plan import (
    Condition,
    Earlier,
    IncidentWire,
    MissingWire,
    Reaction,
    RiseWire,
    Severity,
    Stream,
    stepped,
)

WEEK, QUARTER, YEAR = timedelta(days=7), timedelta(days=90), timedelta(days=365)
FORM: dict[str, Any] = {"hazard": "harm", "from": 1e-3, "to": 1e-2, "false_alarm_every": "365d", "then": "cut"}


def rise(**changed: Any) -> RiseWire:
    return RiseWire.model_validate({**FORM, **changed})


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
    for wire in (rise(of="flagged_users", learn="28d", budget="harm", earlier={"hold": "90d"}), MissingWire(), rise()):
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
    wires: list[Condition] = [rise(), MissingWire(), IncidentWire(severity=Severity.HIGH, then=Reaction.HOLD)]
    for one in wires:
        for other in wires:
            effects = [effect for _, effect, _, _ in tripwire(one, other)]
            assert effects == ([] if one is other else [Effect.WIDENING])
