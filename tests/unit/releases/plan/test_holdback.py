"""Holdbacks in a plan: how they are read, what lint says of them, and what a change of one does."""

from __future__ import annotations

import json
from datetime import timedelta

import jsonschema
import pytest

from headgate.releases.decide.diff import diff
from headgate.releases.decide.difference import NARROWER, WIDER
from headgate.releases.decide.lint.holdback import lint_holdbacks
from headgate.releases.decide.simulate.ground import script_of
from headgate.releases.model.holdback import Holdback
from headgate.releases.model.plan import Plan, Reaction
from headgate.releases.model.simulation import World
from headgate.releases.wire.canonical import canonical_text, from_canonical, plan_digest
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.reading import load_plan
from headgate.releases.wire.schema import plan_schema
from headgate.stats.holdback import events_needed

GENERAL = "  - name: general\n    who: {cohort: general, seats: 150, admission: open}\n"
WHAT = "    what: {surfaces: [api.chat], capabilities: [streaming]}\n"
WATCH = "watch: {sample: 700/week, reviewers: 2, output_screen: trail}"
ENOUGH = "watch: {sample: all, reviewers: 20, output_screen: trail}"
"""Everything is read: 150 seats at 20 a day, at a rate of 1e-3, are three harms a day even if access raises nothing."""


def with_holdback(clean: str, holdback: str = "{share: 0.5, window: 14d}", *, what: str = "streaming, tools") -> str:
    """Return the clean plan with a right that only its second stage gives, half of whose people get it later."""
    head, tail = clean.split(GENERAL)
    given = WHAT.replace("streaming", what)
    tail = tail.replace(WHAT, given).replace(WATCH, f"{ENOUGH}\n    holdback: {holdback}")
    return head + GENERAL + tail


def plan_of(text: str) -> Plan:
    plan = load_plan(text, "plan.yaml")
    assert isinstance(plan, Plan), list(plan)
    return plan


def said(text: str) -> dict[str, str]:
    """Return what lint says of the plan's holdbacks: by its code, the sentence."""
    return {one.code: one.message for one in lint_holdbacks(plan_of(text))}


def test_a_holdback_says_only_what_it_must(clean: str) -> None:
    read = plan_of(with_holdback(clean, "{}")).stages[1].holdback
    assert read == Holdback(share=0.1, window=timedelta(days=7), alpha=0.05, then=Reaction.HOLD)
    assert (Holdback().id, Holdback().kind) == ("holdback", "holdback")


def test_a_plan_with_a_holdback_is_read_again_from_its_canonical_form_and_satisfies_the_schema(clean: str) -> None:
    plan = plan_of(with_holdback(clean, "{share: 0.2, window: 21d, alpha: 0.01, then: cut}"))
    assert from_canonical(canonical_text(plan)) == plan
    written = json.loads(canonical_text(plan))["stages"][1]["holdback"]
    assert written == {"share": 0.2, "window": "1814400s", "alpha": 0.01, "then": "cut"}
    schema = plan_schema()["$defs"]["Holdback"]
    jsonschema.validate({"share": 0.1, "window": "7d"}, {**schema, "$defs": plan_schema()["$defs"]})
    assert schema["additionalProperties"] is False


def test_a_plan_without_one_is_written_as_it_ever_was(clean: str) -> None:
    assert "holdback" not in canonical_text(plan_of(clean))


@pytest.mark.parametrize(
    ("holdback", "code"),
    [
        ("{share: 0}", "plan.share"),
        ("{share: 1.5}", "plan.share"),
        ("{window: soon}", "plan.span"),
        ("{window: 0d}", "plan.span"),
        ("{alpha: 1}", "plan.share"),
        ("{then: shrug}", "plan.unknown_word"),
        ("{percent: 10}", "plan.unknown_key"),
        ("[]", "plan.wrong_type"),
    ],
)
def test_a_holdback_that_is_none_is_refused_with_its_place(clean: str, holdback: str, code: str) -> None:
    found = check_plan(with_holdback(clean, holdback), "plan.yaml").findings
    assert [one.code for one in found.errors] == [code]
    assert all(one.line is not None for one in found)


def test_a_holdback_that_can_show_something_is_passed_over_in_silence(clean: str) -> None:
    assert said(with_holdback(clean)) == {}


def test_on_the_first_stage_nobody_can_be_held_back(clean: str) -> None:
    text = clean.replace(
        "sample: 350/week, reviewers: 2, output_screen: trail}", "sample: all, reviewers: 9}\n    holdback: {}", 1
    )
    assert "`staff` is the first stage" in said(text)["plan.holdback_first"]


def test_who_keeps_everything_is_not_held_back(clean: str) -> None:
    found = said(with_holdback(clean, what="streaming"))
    assert list(found) == ["plan.holdback_of_nothing"]
    assert "`general` allows its people no more than `staff` did" in found["plan.holdback_of_nothing"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("capabilities: [streaming]}", "capabilities: [streaming], max_output_tokens: 100}"),
        ("capabilities: [streaming]}", "capabilities: [streaming], max_turns: 3}"),
        ("{requests: 30/min, tokens: 200k/day, expected_use: 20}", "{requests: 10/min, tokens: 200k/day, expected_use: 20}"),
        ("tokens: 200k/day, expected_use: 20}", "tokens: 200k/day, expected_use: 20, organisation: {concurrency: 1}}"),
    ],
    ids=["length", "turns", "pace", "an organisation's limit"],
)
def test_a_shorter_answer_or_a_lower_limit_is_something_to_keep_too(clean: str, old: str, new: str) -> None:
    text = with_holdback(clean, what="streaming").replace(old, new, 1)  # at the first stage, which comes first
    assert said(text) == {}


def test_who_is_held_back_must_be_able_to_do_something(clean: str) -> None:
    text = with_holdback(clean).replace(
        "[api.chat], capabilities: [streaming, tools]", "[api.messages], capabilities: [streaming]"
    )
    found = said(text.replace("model: small-model}", "model: small-model, api: both}"))
    assert "have no surface in common" in found["plan.holdback_shuts_out"]


def test_from_weights_nobody_is_held_back(with_weights: str) -> None:
    text = with_weights.replace("what: {surfaces: [weights]}", "what: {surfaces: [weights]}\n    holdback: {}")
    assert "nobody uses `weights` through this gateway" in said(text)["plan.holdback_unserved"]


def test_the_command_that_checks_plans_says_it_with_its_place(clean: str) -> None:
    text = with_holdback(clean, "{}", what="streaming").replace(ENOUGH, WATCH)
    (found,) = [one for one in check_plan(text, "plan.yaml").findings if one.code == "plan.holdback_of_nothing"]
    assert found.line == 1 + text[: text.index("holdback:")].count("\n")


@pytest.mark.parametrize(
    ("holdback", "code", "told"),
    [
        ("{share: 0.6, window: 14d}", "plan.holdback_share", "60% are held back"),
        ("{share: 0.5, window: 14d, alpha: 0.2}", "plan.alpha_range", "in 20% of releases"),
        ("{share: 0.5, window: 12h}", "plan.holdback_window", "no whole day"),
        ("{share: 0.5, window: 3d}", "plan.short_holdback", "every day of the week"),
        ("{share: 0.5, window: 15d}", "plan.holdback_outlasts", "may be left after 14 days"),
    ],
)
def test_terms_that_promise_too_much_are_named(clean: str, holdback: str, code: str, told: str) -> None:
    assert told in said(with_holdback(clean, holdback))[code]


def test_half_is_not_too_many(clean: str) -> None:
    assert "plan.holdback_share" not in said(with_holdback(clean, "{share: 0.5, window: 14d}"))


def test_a_stage_that_may_be_left_at_once_outlasts_no_window(clean: str) -> None:
    text = with_holdback(clean).replace("      - soak: {active_days: 14, at_most: 42d}\n", "")
    assert "may be left at once" in said(text)["plan.holdback_outlasts"]


def test_lint_reckons_whether_even_a_tenfold_rise_would_show(clean: str) -> None:
    text = with_holdback(clean).replace(ENOUGH, "watch: {sample: 70/week, reviewers: 2, output_screen: trail}")
    found = said(text)
    needed = events_needed(0.5, 10.0, 0.05, horizon=500).mean
    # 10 labels a day for 14 days at 1e-3: 0.14 harms, ten times as many for one half
    expected = 0.14 * (0.5 * 10 + 0.5)
    assert f"about {expected:.3g} of `harm` in 14d" in found["plan.holdback_undecided"]
    assert f"it takes {int(needed) + 1} to tell, 50% held back" in found["plan.holdback_undecided"]


def test_no_more_units_can_do_harm_than_there_are_seats(clean: str) -> None:
    text = with_holdback(clean).replace("seats: 150", "seats: 5").replace("expected: 1.0e-3", "expected: 9.0e-3")
    assert "about 5 of `harm`" in said(text)["plan.holdback_undecided"]


@pytest.mark.parametrize(
    ("old", "new", "effect", "where"),
    [
        (None, "{}", NARROWER, ()),
        ("{}", None, WIDER, ()),
        ("{share: 0.1}", "{share: 0.2}", NARROWER, ("share",)),
        ("{share: 0.2}", "{share: 0.1}", WIDER, ("share",)),
        ("{window: 7d}", "{window: 14d}", NARROWER, ("window",)),
        ("{window: 14d}", "{window: 7d}", WIDER, ("window",)),
        ("{alpha: 0.05}", "{alpha: 0.01}", WIDER, ("alpha",)),
        ("{alpha: 0.01}", "{alpha: 0.05}", NARROWER, ("alpha",)),
        ("{then: hold}", "{then: cut}", NARROWER, ("then",)),
        ("{then: narrow}", "{then: hold}", WIDER, ("then",)),
    ],
)
def test_to_hold_back_fewer_or_for_less_long_or_to_mind_less_is_wider(
    clean: str, old: str | None, new: str | None, effect: object, where: tuple[str, ...]
) -> None:
    before, after = (
        plan_of(made.replace("    holdback: None\n", "")) for made in (with_holdback(clean, str(one)) for one in (old, new))
    )
    (change,) = diff(before, after)
    assert (change.effect, change.stage) == (effect, "general")
    assert change.path == ("stages", 1, "holdback", *where)


def test_plays_of_a_plan_say_that_they_hold_nobody_back(clean: str) -> None:
    plan, alone = plan_of(with_holdback(clean)), plan_of(clean)
    told, silent = (" ".join(script_of(one, plan_digest(one), World({}), 1).assumptions) for one in (plan, alone))
    assert "Nobody is held back" in told
    assert "Nobody is held back" not in silent
