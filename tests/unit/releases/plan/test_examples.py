"""The plans we ship: what lint says of each is pinned, and each satisfies the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from headgate.releases.model.plan import RateGate
from headgate.releases.wire.canonical import canonical_form
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.schema import plan_schema
from headgate.stats.power import boundaries
from headgate.stats.spending import attempt_alpha

EXAMPLES = Path(__file__).parents[4] / "examples"
PINNED = {
    "starter.yaml": ["note plan.no_version"],
    "demo.yaml": [
        "note plan.no_version",
        "warning plan.unscreened_stream",
        "warning plan.no_calendar_span",
        "warning plan.unscreened_stream",
        "warning plan.no_calendar_span",
        "note plan.never_completes",
        "warning plan.unscreened_stream",
    ],
    "internal.yaml": ["note plan.no_version", "note plan.cohort_reused", "warning plan.holdback_undecided"],
    "frontier-api.yaml": ["warning plan.user_limit_unprovable", "note plan.evaluation_items"],
    "must-fail.yaml": [
        "note plan.no_version",
        "warning plan.uncontrolled_hazard",
        "error plan.irreversible_first",
        "error plan.irreversible_needs",
        "warning plan.surface_not_served",
        "error plan.irreversible_leave",
        "error plan.irreversible_cool_off",
        "error plan.irreversible_quorum",
        "error plan.irreversible_waivable",
    ],
}


def test_every_example_is_pinned() -> None:
    assert {path.name for path in EXAMPLES.glob("*.yaml")} >= set(PINNED)


@pytest.mark.parametrize("name", PINNED)
def test_an_example_says_what_it_is_known_to_say(name: str) -> None:
    read = check_plan((EXAMPLES / name).read_bytes(), name)
    assert read.plan is not None
    assert [f"{finding.severity.value} {finding.code}" for finding in read.findings] == PINNED[name]
    assert read.ok is (name != "must-fail.yaml")


@pytest.mark.parametrize("name", PINNED)
def test_an_example_satisfies_the_schema_as_written_and_in_canonical_form(name: str) -> None:
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    text = (EXAMPLES / name).read_text("utf-8")
    validator.validate(json.loads(json.dumps(YAML(typ="safe", pure=True).load(text))))
    plan = check_plan(text, name).plan
    assert plan is not None
    validator.validate(canonical_form(plan))


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    validator = jsonschema.Draft202012Validator(plan_schema())
    form = YAML(typ="safe", pure=True).load((EXAMPLES / "starter.yaml").read_text("utf-8"))
    for change in (
        {"kind": "Other"},
        {"zebra": 1},
        {"alpha": 2},
        {"stages": [{"name": "x"}]},
        {"stages": [{**form["stages"][0], "leave": [{"kind": "soak", "active_days": 3}]}]},
        {"stages": [{**form["stages"][0], "leave": [{"soak": {"active_days": 3}, "exposure": {}}]}]},
    ):
        assert not validator.is_valid({**form, **change}), change


def test_the_demo_can_be_climbed_on_a_few_hundred_labels() -> None:
    plan = check_plan((EXAMPLES / "demo.yaml").read_bytes(), "demo").plan
    assert plan is not None
    needed = [
        int(boundaries(gate.below, attempt_alpha(gate.alpha, 1), 1)[1])
        for stage in plan.stages
        for gate in stage.leave
        if isinstance(gate, RateGate)
    ]
    assert len(needed) == 2
    assert sum(needed) < 300
