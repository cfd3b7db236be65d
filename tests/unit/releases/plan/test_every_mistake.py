"""Plans with every kind of mistake: each says which, and on which line, and nothing else."""

from __future__ import annotations

import pytest

from headgate.releases.model.findings import LINTS, Level
from headgate.releases.wire.checking import check_plan


def edited(text: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def said(text: str | bytes) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in check_plan(text, "plan.yaml").findings]


READING = {
    "a misspelt key": (("expected_use: 20", "expected_us: 20"), [("plan.no_expected_use", 0), ("plan.unknown_key", 15)]),
    "a key of another place": (("    asks:", "    sample: all\n    asks:"), [("plan.unknown_key", 17)]),
    "a key that nobody knows": (("name: clean", "name: clean\nzebra: 1"), [("plan.unknown_key", 3)]),
    "a missing key": (("{cohort: staff, seats: 20}", "{seats: 20}"), [("plan.missing_key", 13)]),
    "two missing keys of a gate": (("below: 2.0e-2, alpha: 0.02", ""), [("plan.missing_key", 21), ("plan.missing_key", 21)]),
    "no kind": (("kind: ReleasePlan\n", ""), [("plan.missing_key", 1)]),
    "another kind": (("kind: ReleasePlan", "kind: Deployment"), [("plan.unknown_word", 1)]),
    "a duplicate key": (("name: clean", "name: clean\nname: other"), [("plan.duplicate_key", 3)]),
    "a duplicate stage key": (("    asks:", "    who: {cohort: x}\n    asks:"), [("plan.duplicate_key", 17)]),
    "a key without a value": (("end_state: api_general", "end_state:"), [("plan.empty_value", 7)]),
    "a gate without settings": (("- soak: {active_days: 7, at_most: 28d}", "- soak:"), [("plan.wrong_type", 20)]),
    "a word outside its list": (("admission: open", "admission: public"), [("plan.unknown_word", 29)]),
    "a misspelt word": (("api_general", "api_genral"), [("plan.unknown_word", 7)]),
    "a misspelt surface": (("surfaces: [api.chat]", "surfaces: [api.chatt]"), [("plan.unknown_word", 14)]),
    "a misspelt capability": (("[streaming]", "[streeming]"), [("plan.unknown_word", 14)]),
    "a role that is none": (("[safety_lead]", "[safety_led]"), [("plan.unknown_word", 23)]),
    "a negative count": (("seats: 20", "seats: -20"), [("plan.count", 13)]),
    "a count of nothing": (("seats: 20", "seats: 0"), [("plan.count", 13)]),
    "a broken count": (("seats: 20", "seats: 20.5"), [("plan.count", 13)]),
    "a count in another unit": (("seats: 20", "seats: 20kg"), [("plan.count", 13)]),
    "a count beyond counting": (("seats: 20", "seats: " + "9" * 40), [("plan.count", 13)]),
    "an octal count": (("seats: 20", "seats: 0o24"), [("plan.count", 13)]),
    "a truth value for a count": (("seats: 20", "seats: true"), [("plan.count", 13)]),
    "a list for a count": (("seats: 20", "seats: [20]"), [("plan.count", 13)]),
    "a rate without a span": (("requests: 30/min", "requests: 30"), [("plan.rate", 15)]),
    "a rate per nothing known": (("30/min", "30/fortnight"), [("plan.rate", 15)]),
    "a rate of zero": (("30/min", "0/min"), [("plan.rate", 15)]),
    "a negative rate": (("30/min", "-30/min"), [("plan.rate", 15)]),
    "a span without a unit": (("at_most: 28d", "at_most: 28"), [("plan.span", 20)]),
    "a span in months": (("at_most: 28d", "at_most: 1mo"), [("plan.span", 20)]),
    "a span of no time": (("for: 15m", "for: 0s"), [("plan.span", 27)]),
    "a negative span": (("for: 15m", "for: -15m"), [("plan.span", 27)]),
    "a span longer than a century": (("at_most: 28d", "at_most: 99999999d"), [("plan.span", 20)]),
    "a share in percent": (("traffic: 1.0e-2", "traffic: 1%"), [("plan.share", 10)]),
    "a share above one": (("traffic: 1.0e-2", "traffic: 2"), [("plan.share", 10)]),
    "a share of zero": (("traffic: 1.0e-2", "traffic: 0"), [("plan.share", 10)]),
    "a negative share": (("below: 2.0e-2", "below: -2.0e-2"), [("plan.share", 21)]),
    "not a number": (("below: 2.0e-2", "below: .nan"), [("plan.share", 21)]),
    "more than every number": (("below: 2.0e-2", "below: 1e999"), [("plan.share", 21)]),
    "a bound of one": (("below: 2.0e-2", "below: 1"), [("plan.share", 21)]),
    "a bound that nothing can show": (("below: 2.0e-2", "below: 1e-12"), [("plan.share", 21)]),
    "a use of nothing": (("expected_use: 20", "expected_use: 0"), [("plan.use", 15)]),
    "a yes that is no truth value": (("    asks:", "    irreversible: yes\n    asks:"), [("plan.wrong_type", 17)]),
    "Norway as a cohort": (("cohort: staff", "cohort: no"), [("plan.norway", 13)]),
    "a number for a text": (("model: small-model}", "model: 4.1}"), [("plan.wrong_type", 5)]),
    "a text for a list": (("staging_is_for: [misuse, accident]", "staging_is_for: misuse"), [("plan.wrong_type", 8)]),
    "a list for a mapping": (("who: {cohort: staff, seats: 20}", "who: [staff]"), [("plan.wrong_type", 13)]),
    "a mapping for a list": (('asks: ["does it hurt anybody?"]', "asks: {does: it}"), [("plan.wrong_type", 17)]),
    "an empty list that must not be": (("[misuse, accident]", "[]"), [("plan.empty_list", 8)]),
    "no surface": (("surfaces: [api.chat]", "surfaces: []"), [("plan.empty_list", 14)]),
    "a name with capitals": (("name: clean", "name: Clean Plan"), [("plan.name", 2)]),
    "a hazard with capitals": (("  harm: {", "  Harm!: {"), [("plan.name", 10)]),
    "a question without words": (('["does it hurt anybody?"]', '[""]'), [("plan.text", 17)]),
    "an address that is none": (("http://127.0.0.1:8901/v1", "127.0.0.1:8901"), [("plan.url", 5)]),
    "an address with a password": (("http://127", "http://me:secret@127"), [("plan.url", 5)]),
    "an address with a query": (("8901/v1", "8901/v1?a=b"), [("plan.url", 5)]),
    "an address with a wild port": (("8901", "89010000"), [("plan.url", 5)]),
    "a digest that is none": (("sha256:00", "sha256:zz"), [("plan.digest", 6)]),
    "a gate as a bare word": (("- approval: {roles: [safety_lead]}", "- approval"), [("plan.gate_shape", 23)]),
    "a gate with its settings beside it": (
        ("- soak: {active_days: 7, at_most: 28d}", "- soak:\n        active_days: 7"),
        [("plan.gate_shape", 20)],
    ),
    "a misspelt gate": (("- soak:", "- soack:"), [("plan.unknown_gate", 20)]),
    "a tripwire among the gates": (("- soak:", "- monitor_down:"), [("plan.unknown_gate", 20)]),
    "a gate among the tripwires": (("- monitor_down:", "- soak:"), [("plan.unknown_tripwire", 27)]),
    "a gate with the settings of another": (
        ("- exposure:", "- discovery:"),
        [("plan.missing_key", 19), ("plan.missing_key", 19), ("plan.unknown_key", 19), ("plan.unknown_key", 19)],
    ),
    "a rate of something else": (
        ("hazard: harm, below: 2.0e-2", "hazard: harm, of: people, below: 2.0e-2"),
        [("plan.unknown_word", 21)],
    ),
    "a gate that says its kind": (("{active_days: 7,", "{kind: rate, active_days: 7,"), [("plan.unknown_key", 20)]),
    "an anchor": (("{cohort: staff, seats: 20}", "&staff {cohort: staff, seats: 20}"), [("plan.alias", 13)]),
    "an anchor and its alias": (
        ("who: {cohort: staff, seats: 20}", "who: &staff {cohort: staff, seats: 20}\n    what: *staff"),
        [("plan.alias", 13), ("plan.alias", 14), ("plan.duplicate_key", 15)],
    ),
    "a merge key": (("{cohort: staff, seats: 20}", "{<<: {seats: 3}, cohort: staff, seats: 20}"), [("plan.alias", 13)]),
    "a tag": (("seats: 20", "seats: !!int 20"), [("plan.tag", 13)]),
    "a key that is a list": (("name: clean", "name: clean\n? [a, b]\n: 1"), [("plan.key", 3)]),
    "a key that is missing": (("name: clean", "name: clean\n: 1"), [("plan.key", 3)]),
    "two documents": (("hazards:", "---\nhazards:"), [("plan.many_documents", 9)]),
    "a tab": (("    who: {cohort: staff", "\twho: {cohort: staff"), [("plan.tab", 13)]),
    "a bracket left open": (("[misuse, accident]", "[misuse, accident"), [("plan.yaml", 9)]),
    "a quote left open": (("name: clean", "name: 'clean"), [("plan.yaml", 2)]),
    "a colon in a bare text": (('["does it hurt anybody?"]', "\n      - why: because: so"), [("plan.yaml", 18)]),
    "a control character in words": (("does it hurt", "does \\e[31mit hurt"), [("plan.text", 17)]),
    "half a character pair": (("does it hurt", "does \\ud800 it hurt"), [("plan.not_utf8", 17)]),
    "a control character": (("name: clean", "name: cl\x07ean"), [("plan.yaml", 1)]),
}


@pytest.mark.parametrize("name", READING)
def test_a_mistake_in_the_text_is_found_at_its_line(name: str, clean: str) -> None:
    edit, expected = READING[name]
    assert said(edited(clean, edit)) == [(code, line) for code, line in expected if line]


WHOLE = {
    "nothing at all": ("", [("plan.empty", 1)]),
    "only a comment": ("# a plan\n", [("plan.empty", 1)]),
    "a null": ("null", [("plan.empty", 1)]),
    "a text": ("hello", [("plan.wrong_type", 1)]),
    "a list": ("- kind: ReleasePlan", [("plan.wrong_type", 1)]),
    "not UTF-8": (b"kind: ReleasePlan\nname: caf\xe9\n", [("plan.not_utf8", 2)]),
    "UTF-16": ("kind: ReleasePlan".encode("utf-16"), [("plan.not_utf8", 1)]),
    "half a pair": ("name: \ud800", [("plan.not_utf8", 1)]),
    "too large": ("#" * 1_000_001, [("plan.too_large", 1)]),
    "brackets without end": ("[" * 100_000, [("plan.too_deep", 1)]),
    "a bomb of aliases": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", None),
    "an alias of nothing": ("name: *who", None),
    "a character beyond all": ('name: "\\UFFFFFFFF"', [("plan.yaml", 1)]),
    "a version of YAML that is none": ("%YAML 9.9\n---\nname: x", [("plan.yaml", 1)]),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_text_that_is_no_plan_says_why(name: str) -> None:
    text, expected = WHOLE[name]
    found = said(text)
    assert found
    if expected is None:
        assert {code for code, _ in found} >= {"plan.alias"}
    else:
        assert found == expected


def test_a_misspelt_key_names_the_nearest_one_and_its_column(clean: str) -> None:
    (finding,) = check_plan(edited(clean, ("admission: open", "admision: open")), "plan.yaml").findings.errors
    assert (finding.line, finding.column) == (29, 40)
    assert finding.message == "`admision` is not a key of `who`"
    assert finding.fix == "did you mean `admission`?"


def test_all_mistakes_are_told_at_once(clean: str) -> None:
    text = edited(clean, ("seats: 20", "seats: -1"), ("30/min", "30"), ("api_general", "everywhere"), ("2.0e-2", "two"))
    assert [code for code, _ in said(text)] == ["plan.unknown_word", "plan.count", "plan.rate", "plan.share"]


def test_a_text_with_thousands_of_mistakes_tells_a_hundred() -> None:
    found = check_plan("kind: ReleasePlan\n" + "".join(f"zebra{at}: 1\n" for at in range(3000)), "plan.yaml").findings
    assert len(found) == 101
    assert found.items[-1].code == "plan.too_many_findings"


LINTING = {
    "an unknown hazard": ([("rate: {hazard: harm", "rate: {hazard: ham")], [("plan.unknown_hazard", 21)]),
    "no hazards": (
        [("hazards:\n  harm: {severity: high, limit: {traffic: 1.0e-2}, expected: 1.0e-3}\n", "")],
        [
            ("plan.no_hazards", 1),
            ("plan.unknown_hazard", 19),
            ("plan.unknown_hazard", 23),
            ("plan.unknown_hazard", 34),
            ("plan.unknown_hazard", 37),
        ],
    ),
    "a hazard without a limit": ([("limit: {traffic: 1.0e-2}", "limit: {}")], [("plan.hazard_without_limit", 10)]),
    "a hazard that nobody reads": (
        [("stages:", "  other: {severity: low, limit: {traffic: 0.1}}\nstages:")],
        [("plan.uncontrolled_hazard", 11)],
    ),
    "two stages of one name": ([("name: general", "name: staff")], [("plan.duplicate_stage", 28)]),
    "two gates of one name": (
        [("      - incidents", "      - soak: {active_days: 9, at_most: 20d}\n      - incidents")],
        [("plan.duplicate_condition", 22)],
    ),
    "a cohort that moves up": ([("cohort: general", "cohort: staff")], [("plan.cohort_reused", 29)]),
    "a role that may not sign": ([("[safety_lead]", "[auditor]")], [("plan.role_cannot_approve", 23)]),
    "a quorum below the roles": ([("[safety_lead]", "[safety_lead, board], quorum: 1")], [("plan.quorum_below_roles", 23)]),
    "a surface named twice": ([("[api.chat]", "[api.chat, api.chat]")], [("plan.repeated_word", 14)]),
    "a capability without what it needs": (
        [("[streaming]", "[streaming, parallel_tool_calls]")],
        [("plan.capability_needs", 14), ("plan.steps_back", 30)],
    ),
    "a surface that is not served": (
        [("[api.chat]", "[api.chat, api.realtime]")],
        [("plan.surface_not_served", 14), ("plan.steps_back", 30)],
    ),
    "no weights digest": (
        [('  version: {weights: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}\n', "")],
        [("plan.no_version", 4)],
    ),
    "no seats": ([("{cohort: staff, seats: 20}", "{cohort: staff}")], [("plan.no_seats", 13)]),
    "no limits": ([("{requests: 30/min, tokens: 200k/day, expected_use: 20}", "{expected_use: 20}")], [("plan.no_limits", 12)]),
    "nobody watching": (
        [("    watch: {sample: 350/week, reviewers: 2, output_screen: trail}\n", "")],
        [("plan.unwatched", 12), ("plan.undecidable_rate", 20), ("plan.short_dwell", 24)],
    ),
    "no expected use": ([(", expected_use: 20}", "}")], [("plan.no_expected_use", 12)]),
    "internal and open": ([("api_general", "internal")], [("plan.end_state", 29)]),
    "limited and open": ([("api_general", "api_limited")], [("plan.end_state", 29)]),
    "general and by invitation": ([(", admission: open", "")], [("plan.end_state_not_reached", 7)]),
    "an end in weights without weights": ([("api_general", "weights_public")], [("plan.end_state", 7)]),
    "no approval": ([("      - approval: {roles: [safety_lead]}\n", "")], [("plan.no_approval", 19)]),
    "no soak": ([("      - soak: {active_days: 7, at_most: 28d}\n", "")], [("plan.no_calendar_span", 19)]),
    "a short soak": ([("active_days: 7", "active_days: 5")], [("plan.short_soak", 20)]),
    "no incidents gate": ([("      - incidents: {open_at_most: {critical: 0}}\n", "")], [("plan.no_incidents_gate", 19)]),
    "a jump": ([("seats: 150", "seats: 250")], [("plan.exposure_jump", 29)]),
    "two axes": (
        [
            (
                "admission: open}\n    what: {surfaces: [api.chat], capabilities: [streaming]",
                "admission: open}\n    what: {surfaces: [api.chat], capabilities: [streaming, tools]",
            )
        ],
        [("plan.two_axes", 28)],
    ),
    "an undecidable rate": ([("sample: 350/week", "sample: 14/week")], [("plan.undecidable_rate", 21)]),
    "a rate expected above its bound": (
        [("expected: 1.0e-3", "expected: 9.0e-2")],
        [("plan.expected_above_limit", 10), ("plan.undecidable_rate", 21), ("plan.undecidable_rate", 36)],
    ),
    "a slow rate": ([("sample: 700/week", "sample: 170/week")], [("plan.slow_rate", 36)]),
    "a rate too close to its bound": (
        [("expected: 1.0e-3", "expected: 15.0e-3")],
        [("plan.expected_above_limit", 10), ("plan.slow_rate", 21), ("plan.undecidable_rate", 36)],
    ),
    "a soak that does not fit": (
        [("active_days: 7, at_most: 28d", "active_days: 29, at_most: 28d")],
        [("plan.undecidable_soak", 20)],
    ),
    "a soak without use": (
        [("seats: 20", "seats: 1"), ("expected_use: 20", "expected_use: 0.01")],
        [
            ("plan.undecidable_exposure", 19),
            ("plan.undecidable_exposure", 19),
            ("plan.undecidable_soak", 20),
            ("plan.undecidable_rate", 21),
            ("plan.exposure_jump", 29),
        ],
    ),
    "more accounts than seats": ([("accounts: 5", "accounts: 21")], [("plan.undecidable_exposure", 19)]),
    "more exchanges than use": ([("exchanges: 500", "exchanges: 50k")], [("plan.undecidable_exposure", 19)]),
    "a dwell too short": ([("to: 1.0e-1", "to: 1.2e-2")], [("plan.short_dwell", 25)]),
    "too much to review": ([("reviewers: 2,", "reviewers: 1, minutes_per_item: 10,")], [("plan.review_capacity", 16)]),
    # one of them manages 360 a week at five minutes each, and may be loaded with 306
    "more than reviewers may be loaded with": (
        [("reviewers: 2,", "reviewers: 1, minutes_per_item: 5,")],
        [("plan.review_capacity", 16)],
    ),
    "all to review": ([("sample: 350/week", "sample: all")], [("plan.review_capacity", 16)]),
    "an alpha too large": ([("alpha: 0.02", "alpha: 0.2")], [("plan.alpha_overspent", 19), ("plan.alpha_range", 21)]),
    "alphas that add up": ([("alpha: 0.02", "alpha: 0.04")], [("plan.alpha_overspent", 19)]),
    "a loose last gate": ([("below: 1.0e-2", "below: 2.0e-2")], [("plan.loose_gate", 36)]),
    "gates that loosen": (
        [("below: 2.0e-2", "below: 9.0e-3"), ("sample: 350/week", "sample: 550/week")],
        [("plan.gates_loosen", 36)],
    ),
    "a rise that falls": ([("from: 1.0e-2, to: 1.0e-1", "from: 1.0e-1, to: 1.0e-2")], [("plan.rise_order", 25)]),
    "an alarm at every look": ([("false_alarm_every: 365d", "false_alarm_every: 30m")], [("plan.rise_pace", 25)]),
    "a step down before the hold": ([("narrow_after: 6h", "narrow_after: 5m")], [("plan.narrow_after", 27)]),
    "an earlier step that is no milder": (
        [("false_alarm_every: 365d, then: hold", "false_alarm_every: 365d, earlier: {hold: 90d}, then: hold")],
        [("plan.earlier_order", 25)],
    ),
    "an earlier step that is rarer": (
        [("false_alarm_every: 365d, then: hold", "false_alarm_every: 30d, earlier: {hold: 90d}, then: cut")],
        [("plan.earlier_order", 25)],
    ),
    "an earlier step at every look": (
        [("false_alarm_every: 365d, then: hold", "false_alarm_every: 365d, earlier: {watch: 30m}, then: hold")],
        [("plan.rise_pace", 25)],
    ),
    "a step that stands by itself too": (
        [
            ("false_alarm_every: 365d, then: hold}", "false_alarm_every: 365d, earlier: {hold: 90d}, then: cut}"),
            (
                "      - incident: {severity: critical, then: cut}",
                (
                    "      - rise: {hazard: harm, from: 1.0e-2, to: 1.0e-1, false_alarm_every: 150d, then: hold}\n"
                    "      - incident: {severity: critical, then: cut}"
                ),
            ),
        ],
        [("plan.duplicate_condition", 25)],
    ),
    "a usual week of labels": (
        [("false_alarm_every: 365d, then: hold", "false_alarm_every: 365d, learn: 28d, then: hold")],
        [("plan.learn_of", 25)],
    ),
    "a usual week learned in one": (
        [("hazard: harm, from: 1.0e-2, to: 1.0e-1,", "hazard: harm, of: flagged_users, from: 1.0e-2, to: 1.0e-1, learn: 7d,")],
        [("plan.short_learning", 25)],
    ),
    "a stage that may end before a user's window is over": (
        [
            (
                "false_alarm_every: 365d, then: hold}",
                (
                    "false_alarm_every: 365d, then: hold}\n      - rise: {hazard: harm, of: user_shares, window: 90d,"
                    " from: 1.0e-2, to: 1.0e-1, false_alarm_every: 365d, then: hold}"
                ),
            )
        ],
        [("plan.short_dwell", 26)],
    ),
    "a shift of nothing": (
        [
            (
                "false_alarm_every: 365d, then: hold}",
                "false_alarm_every: 365d, then: hold}\n      - shift: {of: [], above: 0.05, false_alarm_every: 365d, then: hold}",
            )
        ],
        [("plan.empty_list", 26)],
    ),
    "a budget of one": (
        [("false_alarm_every: 365d, then: hold", "false_alarm_every: 365d, budget: harm, then: hold")],
        [("plan.budget_alone", 25)],
    ),
    "a budget shared by unlike wires": (
        [
            (
                "false_alarm_every: 365d, then: hold}",
                (
                    "false_alarm_every: 365d, budget: harm, then: hold}\n"
                    "      - rise: {hazard: harm, of: flagged_users, from: 1.0e-2, to: 1.0e-1,"
                    " false_alarm_every: 90d, budget: harm, then: hold}"
                ),
            )
        ],
        [("plan.budget_differs", 26)],
    ),
    "alarms that sound falsely too often together": (
        [
            (
                "false_alarm_every: 365d, then: hold}",
                (
                    "false_alarm_every: 120d, then: hold}\n      - rise: {hazard: harm, of: flagged_users,"
                    " from: 1.0e-2, to: 1.0e-1, false_alarm_every: 120d, then: hold}"
                ),
            )
        ],
        [("plan.false_alarms_add_up", 25)],
    ),
    "scores that are missing as a rule": (
        [
            (
                "      - incident: {severity: critical, then: cut}",
                "      - missing: {at_most: 1.0e-3, usual: 5.0e-3}\n      - incident: {severity: critical, then: cut}",
            )
        ],
        [("plan.missing_order", 26)],
    ),
    "a critical hazard without a stop": (
        [
            ("severity: high", "severity: critical"),
            ("      - incident: {severity: critical, then: cut}\n", ""),
            ("      - rise: {hazard: harm, from: 1.0e-2, to: 1.0e-1, false_alarm_every: 365d, then: hold}\n", ""),
        ],
        [("plan.critical_without_tripwire", 12)],
    ),
    "an account that may use less than a seat": (
        [("{requests: 30/min,", "{account: {requests: 10/min}, requests: 30/min,")],
        [("plan.wider_limit_below", 15)],
    ),
    "an organisation that may use less than an account": (
        [("{requests: 30/min,", "{account: {tokens: 9M/day}, organisation: {tokens: 1M/week}, requests: 30/min,")],
        [("plan.wider_limit_below", 15)],
    ),
    "a cohort that may use less at once than a seat": (
        [("{requests: 30/min,", "{concurrency: 4, cohort: {concurrency: 3}, requests: 30/min,")],
        [("plan.wider_limit_below", 15)],
    ),
    "an organisation with fewer tokens in all than a seat": (
        [("{requests: 30/min,", "{total_tokens: 4M, organisation: {total_tokens: 3M}, requests: 30/min,")],
        [("plan.wider_limit_below", 15)],
    ),
    "an end user with as much as the seat": (
        [("{requests: 30/min,", "{end_user: {requests: 43200/day}, requests: 30/min,")],
        [("plan.idle_limit", 15)],
    ),
    "a use that the cohort may not reach together": (
        [("{requests: 30/min,", "{cohort: {requests: 30/10d}, requests: 30/min,")],
        [("plan.undecidable_exposure", 19), ("plan.undecidable_rate", 21)],
    ),
    "a surface of another interface": (
        [("[api.chat]", "[api.chat, api.messages]")],
        [("plan.api_not_spoken", 14), ("plan.steps_back", 30)],
    ),
    "a server of another interface": (
        [("model: small-model}", "model: small-model, api: anthropic}")],
        [("plan.api_not_spoken", 14), ("plan.api_not_spoken", 30)],
    ),
    "a replica that is the server itself": (
        [("model: small-model}", 'model: small-model, replicas: [{url: "http://127.0.0.1:8901/v1/"}]}')],
        [("plan.repeated_replica", 5)],
    ),
    "one replica twice": (
        [("model: small-model}", 'model: small-model, replicas: [{url: "http://Up/v1"}, {url: "http://up:80/v1"}]}')],
        [("plan.repeated_replica", 5)],
    ),
    "streams that are screened too late": ([("screen: trail", "screen: after")], [("plan.unscreened_stream", 16)]),
    "streams that are never screened": ([("screen: trail", "screen: none")], [("plan.unscreened_stream", 16)]),
    "answers to be fetched later and not kept": (
        [("[streaming]", "[streaming, background]")],
        [("plan.capability_needs", 14), ("plan.steps_back", 30)],
    ),
    "sound to be read while it is shown": (
        [("[api.chat]", "[api.chat, api.audio]")],
        [("plan.unscannable", 16), ("plan.steps_back", 30)],
    ),
    "pictures to be read before they are shown": (
        [("[api.chat]", "[api.chat, api.images]"), ("screen: trail", "screen: hold_back")],
        [("plan.unscannable", 16), ("plan.steps_back", 30)],
    ),
    "weights on an ordinary stage": (
        [("[api.chat]", "[api.chat, weights]")],
        [("plan.weights_reversible", 12), ("plan.end_state", 14), ("plan.surface_not_served", 14), ("plan.steps_back", 30)],
    ),
}


@pytest.mark.parametrize("name", LINTING)
def test_a_mistake_in_the_plan_is_found_at_its_line(name: str, clean: str) -> None:
    edits, expected = LINTING[name]
    assert said(edited(clean, *edits)) == expected


def test_a_clean_plan_has_no_findings(clean: str, with_weights: str) -> None:
    assert said(clean) == []
    assert said(with_weights) == [("plan.surface_not_served", 45)]


def test_a_plan_without_stages_opens_nothing(clean: str) -> None:
    text = clean[: clean.index("stages:")] + "stages: []\n"
    assert said(text) == [("plan.uncontrolled_hazard", 10), ("plan.no_stages", 11)]


def test_a_stage_without_gates_and_questions_is_a_dead_end(clean: str) -> None:
    gates = clean[clean.index("    leave:") : clean.index("    stop:")]
    found = said(edited(clean, (gates, ""), ('    asks: ["does it hurt anybody?"]\n', "")))
    assert found == [("plan.dead_end", 12), ("plan.no_question_no_gate", 12)]


def test_a_last_stage_without_gates_never_completes(clean: str) -> None:
    gates = clean[clean.rindex("    leave:") : clean.rindex("    stop:")]
    found = said(clean.replace(gates, ""))
    assert ("plan.never_completes", 28) in found


def test_a_stage_that_opens_nothing_new_says_so(clean: str) -> None:
    text = edited(clean, ("cohort: general, seats: 150, admission: open", "cohort: staff, seats: 20"))
    assert {code for code, _ in said(text)} >= {"plan.widens_nothing", "plan.narrows_nothing"}


IRREVERSIBLE = {
    "two people": (("quorum: 3", "quorum: 2"), "plan.irreversible_quorum"),
    "no wait": ((", cool_off: 72h", ""), "plan.irreversible_cool_off"),
    "a short wait": (("cool_off: 72h", "cool_off: 71h"), "plan.irreversible_cool_off"),
    "a waiver": (("waivable: never", "waivable: two_people"), "plan.irreversible_waivable"),
    "a way back": (("    leave: []", "    leave: [{soak: {active_days: 7}}]"), "plan.irreversible_leave"),
    "something not shown": (("fine_tuned_worst_case, ", ""), "plan.irreversible_needs"),
    "no approval": (
        ("    approval: {quorum: 3, roles: [safety_lead, security, board], cool_off: 72h, waivable: never}\n", ""),
        "plan.irreversible_quorum",
    ),
    "said reversible": (("    irreversible: true\n", ""), "plan.weights_reversible"),
}


@pytest.mark.parametrize("name", IRREVERSIBLE)
def test_what_cannot_be_taken_back_has_rules_of_its_own(name: str, with_weights: str) -> None:
    edit, code = IRREVERSIBLE[name]
    assert code in [finding.code for finding in check_plan(edited(with_weights, edit), "plan.yaml").findings.errors]


def test_losing_control_is_acknowledged_by_an_audit_or_the_stage_never_opens(with_weights: str) -> None:
    text = edited(with_weights, ("audit: {scope: control_loss}", "audit: {scope: safeguards}"))
    assert ("plan.need_unshown", 47) in said(text)


def test_an_irreversible_stage_comes_last(with_weights: str) -> None:
    weights = with_weights[with_weights.index("  - name: weights") :]
    text = with_weights.replace(weights, "").replace("stages:\n", "stages:\n" + weights)
    codes = {finding.code for finding in check_plan(text, "plan.yaml").findings.errors}
    assert codes >= {"plan.irreversible_first", "plan.irreversible_not_last"}


@pytest.mark.parametrize("said_so", ["open source", "Open-Source", "opensourced", "open_source"])
def test_weights_are_not_called_open_source(said_so: str, with_weights: str) -> None:
    text = edited(with_weights, ("does it hurt anybody?", f"what do people do with {said_so} weights?"))
    assert ("plan.open_source", 17) in said(text)


def test_few_seats_cannot_show_a_limit_on_users(clean: str) -> None:
    text = edited(clean, ("limit: {traffic: 1.0e-2}", "limit: {traffic: 1.0e-2, users: 1.0e-3}, worst_share: 0.25"))
    (finding,) = check_plan(text, "plan.yaml").findings
    assert (finding.code, finding.line) == ("plan.user_limit_unprovable", 10)
    assert "3.6 * 0.25 / 170 = 5.29e-3" in finding.message
    assert "900 seats" in finding.fix


def test_an_undecidable_rate_gate_says_the_numbers_and_the_cheapest_cure(clean: str) -> None:
    (finding,) = check_plan(edited(clean, ("sample: 350/week", "sample: 14/week")), "plan.yaml").findings.errors
    assert finding.message.startswith("the stage yields 39 labels in 28 days (20 seats * 20 a day = 400, of which 1.4 are drawn")
    assert "without a single harm the gate needs 255" in finding.message
    assert "write sample: 100/week" in finding.fix  # 100 * 0.7 / 7 * 28 = 280


def test_every_code_has_a_sentence_and_is_written_once() -> None:
    assert all(code.startswith("plan.") and lint.sentence.endswith(".") for code, lint in LINTS.items())
    assert {lint.level for lint in LINTS.values()} == set(Level)


def test_reviewers_may_be_loaded_up_to_a_sixth_below_what_they_manage(clean: str) -> None:
    """One reviewer manages 360 at five minutes each, and 85 % of that is 306."""
    one = ("reviewers: 2,", "reviewers: 1, minutes_per_item: 5,")
    for sample, found in (("306/week", []), ("307/week", ["plan.review_capacity"])):
        codes = [code for code, _ in said(edited(clean, one, ("sample: 350/week", f"sample: {sample}")))]
        assert [code for code in codes if code == "plan.review_capacity"] == found
