from __future__ import annotations

import pytest

from headgate.releases.decide.diff import Effect, diff
from headgate.releases.model.plan import Plan
from headgate.releases.wire.reading import load_plan

W, N, O = Effect.WIDENING, Effect.NARROWING, Effect.NEUTRAL  # noqa: E741

CHANGES = {
    "more seats": ("seats: 20", "seats: 30", W),
    "fewer seats": ("seats: 20", "seats: 10", N),
    "seats without end": (", seats: 20}", "}", W),
    "an open door": ("{cohort: staff, seats: 20}", "{cohort: staff, seats: 20, admission: open}", W),
    "other people": ("cohort: staff", "cohort: friends", W),
    "terms": ("{cohort: staff,", "{terms: v1, cohort: staff,", N),
    "another surface": ("[api.chat]", "[api.chat, api.files]", W),
    "another capability": ("[streaming]", "[streaming, tools]", W),
    "fewer capabilities": ("[streaming]", "[]", N),
    "a bound on answers": ("capabilities: [streaming]", "capabilities: [streaming], max_output_tokens: 1k", N),
    "faster requests": ("30/min", "60/min", W),
    "slower requests": ("30/min", "10/min", N),
    "as many in a day, all at once": ("30/min", "43200/day", W),
    "no limit on tokens": (" tokens: 200k/day,", "", W),
    "a limit on concurrency": ("{requests: 30/min,", "{concurrency: 2, requests: 30/min,", N),
    "a limit on each end user": ("{requests: 30/min,", "{end_user: {requests: 3/min}, requests: 30/min,", N),
    "a limit on each account": ("{requests: 30/min,", "{account: {tokens: 1M/day}, requests: 30/min,", N),
    "a limit on each organisation": ("{requests: 30/min,", "{organisation: {total_tokens: 9M}, requests: 30/min,", N),
    "a limit on the cohort": ("{requests: 30/min,", "{cohort: {concurrency: 9}, requests: 30/min,", N),
    "a holder that is named and not limited": ("{requests: 30/min,", "{cohort: {}, requests: 30/min,", O),
    "another expected use": ("expected_use: 20", "expected_use: 25", O),
    "a smaller sample": ("350/week", "300/week", W),
    "a larger sample": ("350/week", "400/week", N),
    "all of it": ("350/week", "all", N),
    "fewer reviewers": ("reviewers: 2", "reviewers: 1", W),
    "flags that nobody reviews": ("{sample: 350", "{flagged: none, sample: 350", W),
    "a screen on requests": ("{sample: 350", "{input_screen: true, sample: 350", N),
    "answers screened before they are shown": ("screen: trail", "screen: hold_back", N),
    "answers screened once they were shown": ("screen: trail", "screen: after", W),
    "answers never screened": ("screen: trail", "screen: none", W),
    "more time for each item": ("reviewers: 2,", "reviewers: 2, minutes_per_item: 4,", O),
    "nobody watching": ("    watch: {sample: 350/week, reviewers: 2, output_screen: trail}\n", "", W),
    "another question": ("does it hurt anybody?", "does it hurt people?", O),
    "a gate gone": ("      - incidents: {open_at_most: {critical: 0}}\n", "", W),
    "fewer days": ("active_days: 7", "active_days: 6", W),
    "more days": ("active_days: 7", "active_days: 8", N),
    "more time": ("at_most: 28d", "at_most: 30d", O),
    "fewer accounts": ("accounts: 5", "accounts: 4", W),
    "accounts no longer asked": ("accounts: 5, ", "", W),
    "a looser bound": ("below: 2.0e-2", "below: 3.0e-2", W),
    "a stricter bound": ("below: 2.0e-2", "below: 1.0e-2", N),
    "a higher alpha": ("alpha: 0.02", "alpha: 0.03", W),
    "a softer failure": ("below: 2.0e-2,", "below: 2.0e-2, on_fail: hold,", W),
    "more open incidents": ("{critical: 0}", "{critical: 1}", W),
    "a bound on high incidents": ("{critical: 0}", "{critical: 0, high: 1}", N),
    "one more signature": ("[safety_lead]", "[safety_lead, board]", N),
    "one more who may sign alone": ("roles: [safety_lead]", "roles: [safety_lead, board], quorum: 1", W),
    "the author signs": ("{roles: [safety_lead]}", "{roles: [safety_lead], not_author: false}", W),
    "one person for all": ("{roles: [safety_lead]}", "{roles: [safety_lead], distinct: false}", W),
    "a tripwire gone": ("      - incident: {severity: critical, then: cut}\n", "", W),
    "a softer tripwire": ("critical, then: cut", "critical, then: hold", W),
    "a more sensitive tripwire": ("incident: {severity: critical", "incident: {severity: high", N),
    "a rise that cuts": ("365d, then: hold", "365d, then: cut", N),
    "a rise tolerated": ("from: 1.0e-2", "from: 2.0e-2", W),
    "rarer false alarms": ("false_alarm_every: 365d", "false_alarm_every: 700d", W),
    "rarer looks": ("365d, then: hold", "365d, look_every: 2h, then: hold", W),
    "a longer silence": ("for: 15m", "for: 30m", W),
    "no step down": (", narrow_after: 6h", "", W),
    "a hazard tolerated": ("limit: {traffic: 1.0e-2}", "limit: {traffic: 2.0e-2}", W),
    "a hazard made light of": ("severity: high, limit", "severity: low, limit", W),
    "a hazard more": ("stages:", "  other: {severity: low, limit: {traffic: 0.1}}\nstages:", N),
    "another version": ("sha256:00", "sha256:11", O),
    "another place": ("127.0.0.1", "127.0.0.2", O),
    "one more server": ("model: small-model}", 'model: small-model, replicas: [{url: "http://10.0.0.1/v1"}]}', O),
    "a server that speaks more": ("model: small-model}", "model: small-model, api: both}", W),
    "another end": ("api_general", "weights_public", W),
    "an earlier end": ("api_general", "internal", N),
    "more error": ("name: clean", "name: clean\nalpha: 0.06", W),
    "another owner": ("name: clean", "name: clean\nowner: us", O),
    "a longer stay": ("name: clean", "name: clean\nlongest_stay: {held: 9d}", O),
    "an irreversible stage": ('    asks: ["does it', '    irreversible: true\n    asks: ["does it', N),
}


def plan_of(text: str) -> Plan:
    plan = load_plan(text, "plan")
    assert isinstance(plan, Plan), plan
    return plan


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_opens_or_shuts(name: str, clean: str) -> None:
    old, new, effect = CHANGES[name]
    assert old in clean
    changes = diff(plan_of(clean), plan_of(clean.replace(old, new, 1)))
    assert effect in {change.effect for change in changes}
    assert len(changes) == (2 if name == "one more who may sign alone" else 1)


@pytest.mark.parametrize("name", [name for name, (_, _, effect) in CHANGES.items() if effect is not O])
def test_the_opposite_of_a_change_has_the_opposite_effect(name: str, clean: str) -> None:
    lopsided = {"other people", "as many in a day, all at once", "a softer failure", "one more who may sign alone"}
    old, new, effect = CHANGES[name]
    changes = diff(plan_of(clean.replace(old, new, 1)), plan_of(clean))
    if name not in lopsided:
        assert {change.effect for change in changes} == {N if effect is W else W}


def test_a_change_names_its_stage_and_place(clean: str) -> None:
    (change,) = diff(plan_of(clean), plan_of(clean.replace("below: 1.0e-2", "below: 2.0e-2")))
    assert change.stage == "general"
    assert change.path == ("stages", 1, "leave", 1, "rate", "below")
    assert change.sentence == "`rate.harm`: the bound: 0.02 instead of 0.01"


HOLDERS = ("end_user", "account", "organisation", "cohort")


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(
    ("field", "less", "more"),
    [("requests", "2/min", "3/min"), ("tokens", "1k/day", "2k/day"), ("total_tokens", "1k", "2k"), ("concurrency", "1", "2")],
)
def test_every_limit_of_every_holder_is_compared(holder: str, field: str, less: str, more: str, clean: str) -> None:
    def with_limit(amount: str) -> Plan:
        return plan_of(clean.replace("{requests: 30/min,", f"{{{holder}: {{{field}: {amount}}}, requests: 30/min,", 1))

    (wider,) = diff(with_limit(less), with_limit(more))
    (narrower,) = diff(with_limit(more), with_limit(less))
    (gone,) = diff(with_limit(less), plan_of(clean))

    assert (wider.effect, narrower.effect, gone.effect) == (W, N, W)
    assert wider.path == ("stages", 0, "how_much", holder, field)
    assert holder.replace("_", " ") in wider.sentence


def test_the_sooner_answers_are_screened_the_narrower_is_the_stage(clean: str) -> None:
    plans = [plan_of(clean.replace("screen: trail", f"screen: {when}", 1)) for when in ("none", "after", "trail", "hold_back")]

    for at, later in enumerate(plans):
        for sooner in plans[at + 1 :]:
            assert [change.effect for change in diff(later, sooner)] == [N]
            assert [change.effect for change in diff(sooner, later)] == [W]


def test_another_interface_may_open_something_and_giving_one_of_two_up_does_not(clean: str) -> None:
    one, other, both = (
        plan_of(clean.replace("model: small-model}", f"model: small-model, api: {api}}}"))
        for api in ("openai", "anthropic", "both")
    )

    assert [change.effect for change in diff(one, other)] == [W]
    assert [change.effect for change in diff(other, one)] == [W]
    assert [change.effect for change in diff(both, other)] == [N]


def test_a_stage_left_out_in_the_middle_widens_and_at_the_end_narrows(clean: str) -> None:
    both = plan_of(clean)
    first = both.model_copy(update={"stages": both.stages[:1]})
    last = both.model_copy(update={"stages": both.stages[1:]})
    assert [change.effect for change in diff(both, first)] == [N]
    assert [change.effect for change in diff(both, last)] == [W]
    assert [change.effect for change in diff(first, both)] == [W]


def test_another_order_of_stages_widens(clean: str) -> None:
    plan = plan_of(clean)
    turned = plan.model_copy(update={"stages": plan.stages[::-1]})
    assert {change.effect for change in diff(plan, turned)} == {W}


def test_the_entry_of_an_irreversible_stage_is_compared(with_weights: str) -> None:
    edits = {
        ("quorum: 3", "quorum: 4"): N,
        ("cool_off: 72h", "cool_off: 1h"): W,
        (", cool_off: 72h", ""): W,
        ("waivable: never", "waivable: two_people"): W,
        ("fine_tuned_worst_case, ", ""): W,
        ("irreversible: true", "irreversible: false"): W,
    }
    for (old, new), effect in edits.items():
        (change,) = diff(plan_of(with_weights), plan_of(with_weights.replace(old, new)))
        assert change.effect is effect, change
    line = "    approval: {quorum: 3, roles: [safety_lead, security, board], cool_off: 72h, waivable: never}\n"
    without = with_weights.replace(line, "")
    assert [change.effect for change in diff(plan_of(with_weights), plan_of(without))] == [W]
    assert [change.effect for change in diff(plan_of(without), plan_of(with_weights))] == [N]
