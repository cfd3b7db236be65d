"""Plans played in stated worlds: the same numbers on any number of cores, and what must come of worlds that one can reckon."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from headgate.releases.cli.simulate import SimulateVerb, no_cluster
from headgate.releases.decide.lint.figures import FLOOR_SHARE
from headgate.releases.decide.simulate import Script, play, script_of, summary
from headgate.releases.decide.simulate.ground import DEADLINE_DAYS, LEAST_FLOOR
from headgate.releases.errors import NoCluster, PlanNotPlayable
from headgate.releases.model.plan import Plan, Reaction
from headgate.releases.model.simulation import Adversary, Simulation, World
from headgate.releases.service.simulating import LocalFarm, simulate
from headgate.releases.wire.canonical import plan_digest
from headgate.safety import model as safety_model
from headgate.safety.sampling import probability

if TYPE_CHECKING:
    from pathlib import Path

ALPHA = 0.05


RATE = {"kind": "rate", "hazard": "harm", "below": 0.05, "alpha": ALPHA * math.pi**2 / 6}  # the first attempt's part: ALPHA


def rung(name: str, seats: int, **changed: Any) -> dict[str, Any]:
    form: dict[str, Any] = {
        "name": name,
        "who": {"cohort": name, "seats": seats},
        "what": {"surfaces": ["api.chat"]},
        "how_much": {"requests": "100k/min", "expected_use": 10},
        "watch": {"sample": "all", "reviewers": 9},
        "leave": [
            {"kind": "soak", "active_days": 2, "at_most": "10d"},
            RATE,
            {"kind": "incidents"},
            {"kind": "approval", "roles": ["safety_lead"]},
        ],
        "stop": [
            {"kind": "rise", "hazard": "harm", "from": 0.05, "to": 0.3, "false_alarm_every": "365d", "then": "cut"},
            {"kind": "monitor_down", "for": "1h", "then": "hold"},
        ],
    }
    return {**form, **changed}


def a_plan(*stages: dict[str, Any], **changed: Any) -> Plan:
    form: dict[str, Any] = {
        "name": "played",
        "model": {"name": "m", "upstream": {"url": "http://127.0.0.1:8000/v1", "model": "m"}},
        "end_state": "api_general",
        "staging_is_for": ["misuse"],
        "hazards": {"harm": {"severity": "high", "limit": {"traffic": 0.05}}},
        "stages": list(stages) or [rung("staff", 20), rung("vetted", 40), rung("all", 80)],
    }
    return Plan.model_validate({**form, **changed})


def world(rate: float, *adversaries: Adversary, **changed: Any) -> World:
    return replace(World({"harm": rate}, frozenset(adversaries), after_days=10), **changed)


def script(plan: Plan, true: World, seed: int = 1) -> Script:
    return script_of(plan, plan_digest(plan), true, seed)


def played(plan: Plan, true: World, runs: int, seed: int = 1) -> Simulation:
    whole = script(plan, true, seed)
    return summary(whole, [play(whole, number) for number in range(runs)])


USERS = {"kind": "rate", "hazard": "harm", "of": "users", "below": 0.05, "alpha": ALPHA * math.pi**2 / 6, "window": "2d"}
ENFORCED = {"harm": {"severity": "high", "limit": {"users": 0.05}, "worst_share": 0.25}}


def margin(runs: int) -> float:
    return 2.33 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_the_same_seed_gives_the_same_numbers_on_any_number_of_cores() -> None:
    whole = script(a_plan(), world(5e-3, Adversary.PATIENT, rise=50.0, sensitivity=0.9))
    counted: list[int] = []
    alone, together = (simulate(whole, 20, LocalFarm(jobs), told=counted.append) for jobs in (1, 2))
    assert alone == together
    assert sum(counted) == 40
    assert simulate(replace(whole, seed=2), 20, LocalFarm(1), told=counted.append) != alone


@pytest.mark.parametrize(
    ("true", "stage"),
    [
        (world(1e-2), {}),
        (world(0.1), {}),
        (world(5e-3, Adversary.PATIENT, rise=30.0, approval_days=1.0), {}),
        (world(2e-2, Adversary.BURSTY, label_days=1.0), {"approval": {"quorum": 3, "roles": ["board"], "cool_off": "24h"}}),
        (
            world(6e-2, worst_share=0.5),
            {"leave": [{"kind": "exposure", "accounts": 15, "exchanges": 300}, {"kind": "incidents"}]},
        ),
    ],
)
def test_looking_only_where_something_changes_misses_nothing(true: World, stage: dict[str, Any]) -> None:
    whole = script(a_plan(rung("staff", 20), rung("all", 60, **stage)), true)
    for number in range(4):
        assert play(whole, number) == play(whole, number, every_tick=True)


def test_a_rate_at_the_limit_is_promoted_wrongly_as_seldom_as_the_gate_promises() -> None:
    runs = 500
    result = played(a_plan(rung("staff", 60, stop=[])), world(0.05, after_days=20), runs)
    assert result.stages[0].wrong.value <= ALPHA + margin(runs)
    assert result.stages[0].wrong == result.stages[0].promoted  # there is no right promotion of such a model
    assert result.wrong.value > 0


def test_people_like_these_are_promoted_wrongly_as_seldom_as_the_gate_on_users_promises() -> None:
    runs = 400
    plan = a_plan(rung("staff", 300, stop=[], leave=[USERS]), hazards=ENFORCED)
    result = played(plan, world(0.0605, worst_share=0.25, after_days=8), runs)  # of which enforcement leaves 0.05
    assert 0 < result.wrong.value <= ALPHA + margin(runs)
    assert played(plan, world(0.005, worst_share=0.25, after_days=8), 20).stages[0].promoted.value == 1


def test_too_few_people_show_nothing_of_people_like_them() -> None:
    plan = a_plan(rung("staff", 15, stop=[], leave=[USERS]), hazards=ENFORCED)  # 3.6 * 0.25 / 15 is more than 0.05
    assert played(plan, world(0.0, after_days=20), 10).stages[0].promoted.value == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "adversary"),
    [
        ({}, None),
        ({"label_days": 2.0, "harm_days": 6.0}, None),
        ({}, Adversary.EVASIVE),
        ({}, Adversary.BURSTY),
        ({"auc": 0.99, "flagged": 0.05}, None),
    ],
)
def test_whoever_does_harm_and_however_late_labels_come_the_promise_holds(
    changed: dict[str, Any], adversary: Adversary | None
) -> None:
    runs = 1500
    true = world(0.05, *([adversary] if adversary else []), after_days=25, **changed)
    result = played(a_plan(rung("staff", 60, watch={"sample": "1400/week", "reviewers": 9}, stop=[])), true, runs)
    assert result.wrong.value <= ALPHA + margin(runs)


@pytest.mark.slow
def test_reviewers_who_miss_a_fifth_of_harm_make_promotions_wrong_and_the_plays_say_so() -> None:
    runs = 1500
    plan = a_plan(rung("staff", 60, stop=[]))
    assert played(plan, world(0.05, after_days=25, sensitivity=0.8), runs).wrong.low > ALPHA
    measured = played(plan, world(0.05, after_days=25, sensitivity=0.8, golds_per_day=20), runs)
    assert measured.wrong.value <= ALPHA + margin(runs)  # the first attempt's part covers both halves


def test_a_gate_that_wants_reviewers_measured_waits_for_gold_items() -> None:
    plan = a_plan(rung("staff", 60, stop=[], leave=[{**RATE, "misses_measured": True}]))
    assert played(plan, world(1e-3, after_days=15), 10).stages[0].promoted.value == 0
    assert played(plan, world(1e-3, after_days=15, golds_per_day=20), 10).stages[0].promoted.value == 1


def test_a_model_well_below_the_limit_climbs() -> None:
    result = played(a_plan(), world(2e-3), 40)
    assert result.never.value == 0
    assert result.wrong.value == 0
    assert all(2 <= stage.days[1].value <= 4 for stage in result.stages[:-1])
    assert result.cut.value == 0
    assert result.before_cut is None


def test_a_stage_that_cannot_decide_is_never_left() -> None:
    few = {"sample": "7/week", "reviewers": 1, "flagged": "none"}
    result = played(a_plan(rung("staff", 20, watch=few), rung("all", 80)), world(0.0), 40)
    assert result.never.value == 1
    assert result.stages[0].promoted.count == 0
    assert result.stages[0].days[1].value == math.inf
    assert result.stages[1].opened == 0
    assert math.isnan(result.stages[1].promoted.value)


def test_a_patient_adversary_is_seen_by_no_gate_before_the_last_stage() -> None:
    honest, patient = (played(a_plan(), world(2e-3, *who, rise=100.0), 40) for who in ((), (Adversary.PATIENT,)))
    assert patient.stages[:2] == honest.stages[:2]
    assert patient.stages[2].opened == honest.stages[2].opened == 40
    assert patient.caught is not None
    assert patient.caught.value == 1
    assert patient.noticed is not None
    assert 0 < patient.noticed[0].value < 1.5
    assert patient.after_rise is not None
    assert patient.before_cut is not None
    # eighty seats, ten exchanges a day each, a fifth of them harmful until the cut
    assert 0 < patient.after_rise[0].value <= 160 * patient.noticed[1].high
    assert patient.harms[0].value >= patient.after_rise[0].value
    assert (patient.stops[0].source, patient.stops[0].stage, patient.stops[0].reaction) == ("rise.harm.cut", "all", Reaction.CUT)


def test_harm_that_hides_from_the_detector_is_cut_later() -> None:
    watch = {"sample": "350/week", "reviewers": 9}
    stop = [{"kind": "rise", "hazard": "harm", "from": 0.01, "to": 0.3, "false_alarm_every": "365d", "then": "cut"}]
    one = a_plan(rung("all", 80, watch=watch, stop=stop, leave=[]))
    seen, hidden = (played(one, world(0.1, *who, auc=0.99), 40) for who in ((), (Adversary.EVASIVE,)))
    assert seen.before_cut is not None
    assert hidden.before_cut is not None
    assert hidden.before_cut[0].low > seen.before_cut[0].high


def test_harm_that_is_shown_narrows_to_the_stage_before() -> None:
    critical = {"harm": {"severity": "critical", "limit": {"traffic": 0.05}}}
    plan = a_plan(rung("staff", 20, stop=[]), rung("all", 80, stop=[]), hazards=critical)
    result = played(plan, world(2e-3, Adversary.PATIENT, rise=100.0), 20)
    assert (result.stops[0].source, result.stops[0].reaction, result.stops[0].share.value) == ("rate.harm", Reaction.NARROW, 1.0)
    assert result.cut.value == 0


def test_harmful_exchanges_are_as_many_as_the_rate_and_the_traffic_make() -> None:
    open_ended = rung("all", 100, leave=[], stop=[])
    result = played(a_plan(open_ended), world(0.02, after_days=20), 100)
    assert result.harms[0].low <= 0.02 * 100 * 10 * 20 <= result.harms[0].high


def test_signatures_take_as_long_as_people_do() -> None:
    soon, late = (played(a_plan(), world(1e-3, approval_days=days), 20).stages[0].days[1].value for days in (0.0, 3.0))
    assert late == pytest.approx(soon + 3.0, abs=0.5)


def test_the_numbers_that_safety_owns_are_safetys() -> None:
    assert FLOOR_SHARE == probability.FLOOR_SHARE
    assert LEAST_FLOOR == probability.PI_MIN
    assert safety_model.D_MAX.days == DEADLINE_DAYS


@pytest.mark.parametrize(
    ("plan", "rates"),
    [
        (a_plan(rung("staff", 20, how_much={"requests": "1/min"})), {"harm": 0.1}),
        (a_plan(rung("staff", 20, watch=None)), {"harm": 0.1}),
        (a_plan(rung("staff", 20, irreversible=True)), {"harm": 0.1}),
        (a_plan(), {"other": 0.1}),
    ],
)
def test_a_plan_that_says_too_little_is_not_played(plan: Plan, rates: dict[str, float]) -> None:
    with pytest.raises(PlanNotPlayable):
        script_of(plan, plan_digest(plan), World(rates), 1)


def test_what_is_not_played_is_said() -> None:
    leave = [*rung("staff", 20)["leave"], {"kind": "issues"}, {"kind": "exposure", "organisations": 2}]
    weights = rung("weights", 9, irreversible=True)
    whole = script(a_plan(rung("staff", 20, leave=leave), rung("all", 60), weights), world(1e-3))
    said = " ".join(whole.assumptions)
    assert "issues" in said
    assert "organisation of its own" in said
    assert "Played up to `all`" in said
    assert len(whole.grounds) == 2


PLAN = """
kind: ReleasePlan
name: told
model: {name: m, upstream: {url: "http://127.0.0.1:8000/v1", model: m}}
end_state: api_limited
staging_is_for: [misuse]
hazards:
  harm: {severity: high, limit: {traffic: 5.0e-2}, expected: 2.0e-3}
  other: {severity: low, limit: {traffic: 5.0e-2}}
stages:
  - name: staff
    who: {cohort: staff, seats: 20}
    what: {surfaces: [api.chat]}
    how_much: {requests: 30/min, expected_use: 10}
    watch: {sample: all, reviewers: 9, minutes_per_item: 1}
    asks: ["is it safe?"]
    leave:
      - soak: {active_days: 7, at_most: 14d}
      - rate: {hazard: harm, below: 5.0e-2, alpha: 0.02}
      - rate: {hazard: other, below: 5.0e-2, alpha: 0.02}
      - incidents: {open_at_most: {critical: 0}}
      - approval: {roles: [safety_lead]}
"""


@pytest.fixture
def command(tmp_path: Path) -> Any:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    app = typer.Typer()
    app.command()(SimulateVerb(no_cluster).simulate)

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, [str(file), "--runs", "12", "--jobs", "1", "--after", "20", *words])

    return run


def test_the_command_prints_every_number_with_its_interval_and_what_it_took_for_granted(command: Any) -> None:
    told = command("--rates", "other=1e-3", "--adversary", "patient", "--rise", "100")
    assert told.exit_code == 0, told.output
    for words in ("12 plays, seed 1", "harm 0.002, other 0.001", "left wrongly", "never left", "[", "taken for granted"):
        assert words in told.stdout
    assert "A patient adversary behaves until `staff` opens" in told.stdout


def test_the_command_prints_json_for_machines(command: Any) -> None:
    told = command("--rates", "other=1e-3,harm=0.03", "--json", "--seed", "7", "--worst-share", "0.5")
    shown = json.loads(told.stdout)
    assert shown["seed"] == 7
    assert shown["world"]["rates"] == {"harm": 0.03, "other": 1e-3}
    assert shown["stages"][0]["wrongly_promoted"]["of"] == 12
    assert shown["harmful_exchanges_before_a_cut"] is None
    assert told.stdout == command("--rates", "other=1e-3,harm=0.03", "--json", "--seed", "7", "--worst-share", "0.5").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "expects no rate of other"),
        (("--rates", "other"), "is no rate"),
        (("--rates", "other=2"), "is no rate"),
        (("--rates", "other=1e-3", "--worst-share", "0"), "a share lies above 0"),
    ],
)
def test_a_world_that_is_not_stated_is_asked_for(command: Any, words: tuple[str, ...], said: str) -> None:
    told = command(*words)
    assert told.exit_code == 2
    assert said in " ".join(told.output.split())


def test_a_cluster_that_is_not_there_is_an_error_with_a_code(command: Any) -> None:
    told = command("--rates", "other=1e-3", "--ray", "auto")
    assert isinstance(told.exception, NoCluster)
    assert told.exception.code == "plan.no_cluster"
