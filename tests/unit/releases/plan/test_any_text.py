"""Whatever somebody feeds the reader, it answers with findings; whatever it accepts, it can write and read again."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headgate.kernel.units import Rate
from headgate.releases.decide.diff import diff
from headgate.releases.errors import PlanInvalid
from headgate.releases.model.findings import LINTS, Findings
from headgate.releases.model.plan import Plan
from headgate.releases.wire.canonical import canonical_form, canonical_text, from_canonical, plan_digest
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.reading import load_plan

ordinary = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)

words = st.sampled_from(
    [
        "no",
        "yes",
        "~",
        "",
        "1e-3",
        "-1",
        "30/min",
        "14d",
        "50M",
        ".inf",
        "0x1F",
        "010",
        "*a",
        "&a b",
        "!!int 3",
        "[",
        "{",
        "'",
        "<<",
    ]
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), words)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | words, inner, max_size=3),
    max_leaves=8,
)


def answered(source: str | bytes) -> None:
    read = check_plan(source, "any")
    assert (read.plan is None) <= bool(read.findings.errors)
    for finding in read.findings:
        assert finding.code in LINTS
        assert finding.message
        assert finding.fix
        assert finding.line is not None
        assert finding.line >= 1
    if read.plan is not None:
        assert from_canonical(canonical_text(read.plan)) == read.plan


@ordinary
@given(st.text() | st.binary())
def test_any_text_is_answered_with_findings(source: str | bytes) -> None:
    answered(source)


@ordinary
@given(data=st.data())
def test_a_plan_with_any_line_changed_is_answered_with_findings(data: st.DataObject, clean: str) -> None:
    lines = clean.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "twice", "indent", "value", "cut", "insert"]))
        if kind == "drop":
            lines[at] = ""
        elif kind == "twice":
            lines.insert(at, lines[at])
        elif kind == "indent":
            lines[at] = " " * data.draw(st.integers(0, 8)) + lines[at].lstrip()
        elif kind == "value":
            lines[at] = lines[at].partition(":")[0] + ": " + data.draw(words | st.text(max_size=6))
        elif kind == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            spot = data.draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:spot] + data.draw(words | st.text(max_size=3)) + lines[at][spot:]
    answered("\n".join(lines))


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, one in inner for path in paths(one, (*here, key)))]


def replaced(value: object, path: tuple[str | int, ...], new: object) -> object:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(one, path[1:], new) if key == path[0] else one for key, one in value.items()}
    assert isinstance(value, list)
    return [replaced(one, path[1:], new) if at == path[0] else one for at, one in enumerate(value)]


@ordinary
@given(data=st.data())
def test_a_plan_with_any_value_in_any_place_is_answered_with_findings(data: st.DataObject, clean: str) -> None:
    plan = load_plan(clean, "clean")
    assert isinstance(plan, Plan)
    form = canonical_form(plan)
    form = replaced(form, data.draw(st.sampled_from(paths(form))), data.draw(values))
    answered(json.dumps(form))


shares = st.floats(1e-9, 0.99)
counts = st.integers(1, 10**12)
spans = st.integers(1, 3 * 10**9).map(lambda seconds: f"{seconds}s")
rates = st.tuples(counts, st.integers(1, 10**6)).map(lambda pair: f"{pair[0]}/{pair[1]}s")


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def part(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(fields).map(lambda made: {key: value for key, value in made.items() if value is not None})


roles = st.lists(st.sampled_from(["safety_lead", "security", "board", "release_manager"]), min_size=1, max_size=3)
reactions = st.sampled_from(["hold", "narrow", "cut"])
gates = st.one_of(
    part(exposure=part(accounts=maybe(counts), organisations=maybe(counts), exchanges=maybe(counts))),
    part(soak=part(active_days=counts, at_most=maybe(spans))),
    part(rate=part(hazard=st.sampled_from(["a", "b"]), below=shares, alpha=shares, on_fail=maybe(reactions))),
    part(
        incidents=part(open_at_most=part(critical=st.integers(0, 9), high=maybe(st.integers(0, 9)), low=maybe(st.integers(0, 9))))
    ),
    part(approval=part(roles=roles, distinct=st.booleans(), not_author=st.booleans(), quorum=maybe(st.integers(1, 4)))),
)
wires = st.one_of(
    part(
        rise=st.fixed_dictionaries(
            {
                "hazard": st.sampled_from(["a", "b"]),
                "from": shares,
                "to": shares,
                "false_alarm_every": spans,
                "look_every": spans,
                "then": reactions,
            }
        )
    ),
    part(incident=part(severity=st.sampled_from(["critical", "low"]), then=reactions)),
    part(monitor_down=st.fixed_dictionaries({"for": spans, "then": reactions}, optional={"narrow_after": spans})),
)
allowances = part(requests=maybe(rates), tokens=maybe(rates), total_tokens=maybe(counts), concurrency=maybe(counts))
stages = part(
    name=st.sampled_from(["one", "two", "three"]),
    who=part(
        cohort=st.sampled_from(["x", "y"]),
        seats=maybe(counts),
        admission=st.sampled_from(["invite", "application", "open"]),
        terms=maybe(st.just("terms-1")),
    ),
    what=part(
        surfaces=st.lists(
            st.sampled_from(["api.chat", "api.messages", "api.images", "weights", "chat_page"]), min_size=1, max_size=3
        ),
        capabilities=st.lists(st.sampled_from(["streaming", "tools", "n"]), max_size=3),
        max_output_tokens=maybe(counts),
        on_extra=st.sampled_from(["refuse", "strip"]),
    ),
    how_much=part(
        requests=maybe(rates),
        tokens=maybe(rates),
        concurrency=maybe(counts),
        expected_use=maybe(st.floats(1e-6, 1e9)),
        end_user=maybe(allowances),
        account=maybe(allowances),
        organisation=maybe(allowances),
        cohort=maybe(allowances),
    ),
    watch=maybe(
        part(
            flagged=st.sampled_from(["review_all", "none"]),
            sample=rates | st.just("all"),
            reviewers=counts,
            input_screen=st.booleans(),
            output_screen=st.sampled_from(["none", "after", "trail", "hold_back"]),
        )
    ),
    asks=st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20), max_size=2),
    leave=st.lists(gates, max_size=4),
    stop=st.lists(wires, max_size=3),
    irreversible=st.booleans(),
    needs_before=st.lists(st.sampled_from(["api_stage_completed", "fine_tuned_worst_case"]), max_size=2),
    approval=maybe(
        part(quorum=st.integers(1, 5), roles=roles, cool_off=maybe(spans), waivable=st.sampled_from(["never", "two_people"]))
    ),
)
hazards = st.dictionaries(
    st.sampled_from(["a", "b"]),
    part(
        severity=st.sampled_from(["critical", "medium"]),
        limit=part(traffic=maybe(shares), users=maybe(shares)),
        worst_share=maybe(shares),
        expected=maybe(shares),
    ),
)
plans = part(
    kind=st.just("ReleasePlan"),
    name=st.just("any"),
    model=part(
        name=st.just("m"),
        upstream=part(
            url=st.just("http://localhost/v1"),
            model=st.just("m"),
            api=st.sampled_from(["openai", "anthropic", "both"]),
            replicas=st.lists(
                part(url=st.sampled_from(["http://a/v1", "http://localhost/v1"]), concurrency=maybe(counts)), max_size=2
            ),
        ),
    ),
    end_state=st.sampled_from(["internal", "api_general", "weights_public"]),
    staging_is_for=st.just(["misuse"]),
    hazards=hazards,
    stages=st.lists(stages, max_size=3),
    alpha=shares,
)


def read(form: dict[str, object]) -> Plan:
    plan = load_plan(json.dumps(form), "made")
    assert isinstance(plan, Plan), plan
    return plan


@ordinary
@given(plans)
def test_the_canonical_form_loses_nothing(form: dict[str, object]) -> None:
    plan = read(form)
    again = from_canonical(canonical_text(plan))
    assert again == plan
    assert plan_digest(again) == plan_digest(plan)
    assert canonical_text(again) == canonical_text(plan)


@ordinary
@given(plans)
def test_any_well_formed_plan_can_be_linted(form: dict[str, object]) -> None:
    answered(json.dumps(form))


@ordinary
@given(plans, plans)
def test_two_plans_differ_exactly_when_a_difference_is_listed(one: dict[str, object], other: dict[str, object]) -> None:
    old, new = read(one), read(other)
    assume(all(len({stage.name for stage in plan.stages}) == len(plan.stages) for plan in (old, new)))
    assert (diff(old, new) == []) == (plan_digest(old) == plan_digest(new))
    assert diff(old, old) == []


def test_comments_order_and_spelling_leave_the_digest_alone(clean: str) -> None:
    plan = load_plan(clean, "clean")
    other = (
        clean.replace("200k/day", "200000/24h")
        .replace("28d", "4w")
        .replace("1.0e-3", "0.001")
        .replace("kind: ReleasePlan\n", "# why\n")
    )
    other += "kind: 'ReleasePlan'\nalpha: 0.05\n"
    again = load_plan(other, "other")
    assert isinstance(plan, Plan)
    assert isinstance(again, Plan)
    assert plan_digest(plan) == plan_digest(again)


def test_a_changed_quantity_changes_the_digest_of_plan_and_gate(clean: str) -> None:
    plan, other = load_plan(clean, "clean"), load_plan(clean.replace("2.0e-2", "2.1e-2"), "other")
    assert isinstance(plan, Plan)
    assert isinstance(other, Plan)
    assert plan_digest(plan) != plan_digest(other)
    digests = [[gate.spec_digest for gate in one.stages[0].leave] for one in (plan, other)]
    assert [a == b for a, b in zip(*digests, strict=True)] == [True, True, False, True, True]


def test_a_stored_form_that_was_changed_is_refused() -> None:
    with pytest.raises(PlanInvalid, match="cannot be read"):
        from_canonical('{"kind": "ReleasePlan"}')


@pytest.mark.parametrize(
    ("edit", "same"),
    [
        (("127.0.0.1:8901", "10.0.0.9:8901"), True),
        (('weights: "sha256:00', 'weights: "sha256:10'), False),
        (("{weights:", "{mitigations: [screen@1], weights:"), False),
        (("model: small-model}", "model: other}"), False),
        (("seats: 20", "seats: 21"), True),
    ],
)
def test_a_version_is_its_weights_mitigations_prompt_and_upstream_name(edit: tuple[str, str], same: bool, clean: str) -> None:
    plan, other = load_plan(clean, "clean"), load_plan(clean.replace(*edit), "other")
    assert isinstance(plan, Plan)
    assert isinstance(other, Plan)
    assert (plan.version_digest == other.version_digest) is same


def test_without_the_weights_digest_another_address_is_another_version(clean: str) -> None:
    hosted = "\n".join(line for line in clean.splitlines() if "version:" not in line)
    plan, other = load_plan(hosted, "hosted"), load_plan(hosted.replace("8901", "8902"), "other")
    assert isinstance(plan, Plan)
    assert isinstance(other, Plan)
    assert plan.version_digest != other.version_digest


def test_quantities_are_read_as_people_write_them(clean: str) -> None:
    text = clean.replace("seats: 150", "seats: 1_500").replace("tokens: 200k/day", "tokens: 1.5M/week", 1)
    plan = load_plan(text, "clean")
    assert not isinstance(plan, Findings)
    assert plan.stages[1].who.seats == 1500
    assert plan.stages[0].how_much.tokens == Rate(1_500_000, 604_800)
    assert plan.stages[0].how_much.expected_use == 20.0
