"""Gates that read filed evidence: that they name something, that something can pass them, and that they ask enough.

What is given away can never be taken back, so it is held to the strictest threshold; a margin that leaves no room passes
nothing; and no evaluation takes the place of watching what people do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.releases.decide.lint.figures import number, stage_days, use_per_day
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import AuditGate, EvaluationGate, IssuesGate, Opinion, RateGate, Scenario, Severity, Surface
from headgate.releases.model.words import Measures
from headgate.stats.evaluations import items_for_zero

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.releases.model.evaluations import Evaluation, Forecast
    from headgate.releases.model.plan import Plan, Stage

LARGEST_ALPHA = 0.1
_OF_OTHERS = frozenset({Scenario.THEFT, Scenario.OPEN_WEIGHTS})


def lint_evaluations(plan: Plan) -> Iterator[Finding]:
    """Yield findings on evaluations and on the gates that read filed evidence."""
    read = {gate.suite for stage in plan.stages for gate in stage.leave if isinstance(gate, EvaluationGate)}
    for suite, evaluation in plan.evaluations.items():
        path: Path = ("evaluations", suite)
        yield from _goalposts(plan, suite, evaluation, path)
        if suite not in read:
            said = f"`{suite}` is held to something, and no gate reads it"
            fix = f"add a gate: - evaluation: {{suite: {suite}, scenario: api}}"
            yield finding("plan.unread_evaluation", path, said, fix)
    for at, stage in enumerate(plan.stages):
        for at_gate, gate in enumerate(stage.leave):
            here: Path = ("stages", at, "leave", at_gate, gate.kind)
            if isinstance(gate, EvaluationGate):
                yield from _gate(plan, at, gate, here)
            elif isinstance(gate, AuditGate) and gate.opinion in {Opinion.ADVERSE, Opinion.DISCLAIMER}:
                said = f"an opinion that is {gate.opinion.value} says that it is not so, or that nobody could see"
                yield finding("plan.audit_asks_nothing", (*here, "opinion"), said, "write opinion: unqualified, or qualified")
    yield from _no_red_team(plan)
    yield from _no_rate(plan)


def _goalposts(plan: Plan, suite: str, evaluation: Evaluation, path: Path) -> Iterator[Finding]:
    if evaluation.hazard is not None and evaluation.hazard not in plan.hazards:
        said = f"`{suite}` speaks of the hazard `{evaluation.hazard}`, which the plan does not declare"
        yield finding("plan.unknown_hazard", (*path, "hazard"), said, "declare it under hazards, or name another")
    if evaluation.alpha > LARGEST_ALPHA:
        said = f"a bound that is wrong with probability {number(evaluation.alpha)} shows nothing"
        yield finding("plan.alpha_range", (*path, "alpha"), said, f"write {LARGEST_ALPHA} or less; 0.05 is usual")
    tolerated = {scenario: evaluation.tolerated(scenario) for scenario in Scenario}
    for scenario, limit in tolerated.items():
        if limit is not None and limit <= evaluation.margin:
            said = f"the margin {number(evaluation.margin)} leaves no room below {number(limit)}, so nothing passes"
            fix = "argue for a smaller margin, or tolerate more, before any result arrives"
            yield finding("plan.margin_without_room", (*path, "thresholds", scenario.value), said, fix)
    api, theft, given = (tolerated[scenario] for scenario in (Scenario.API, Scenario.THEFT, Scenario.OPEN_WEIGHTS))
    if api is not None and given is not None and given >= api:
        said = (
            f"weights that are given away are held to {number(given)}, and what is served, which can be stopped, to {number(api)}"
        )
        yield finding(
            "plan.open_weights_threshold", (*path, "thresholds", "open_weights"), said, "make it stricter than that of api"
        )
    if (api is not None and theft is not None and theft > api) or (theft is not None and given is not None and given > theft):
        said = "the thresholds grow laxer as the model gets further out of hand"
        yield finding("plan.thresholds_out_of_order", (*path, "thresholds"), said, "order them: api, theft, open_weights")
    if evaluation.measures is Measures.SAFEGUARD and any(tolerated[scenario] is not None for scenario in _OF_OTHERS):
        said = f"`{suite}` measures safeguards, which do not hold where others have the weights"
        yield finding("plan.safeguards_given_away", (*path, "thresholds"), said, "measure the capability, fine-tuned, instead")


def _gate(plan: Plan, at: int, gate: EvaluationGate, here: Path) -> Iterator[Finding]:
    evaluation = plan.evaluations.get(gate.suite)
    if evaluation is None:
        known = ", ".join(plan.evaluations) or "none yet"
        said = f"the plan does not say what it tolerates of `{gate.suite}`"
        yield finding("plan.unknown_evaluation", (*here, "suite"), said, f"declare it under evaluations; there: {known}")
        return
    limit = evaluation.tolerated(gate.scenario)
    if limit is None:
        said = f"`{gate.suite}` has no threshold for {gate.scenario.value}, so the gate never passes"
        yield finding(
            "plan.no_threshold", (*here, "scenario"), said, f"add thresholds: {{{gate.scenario.value}: …}} to `{gate.suite}`"
        )
    elif evaluation.margin < limit < 1:
        least = items_for_zero(limit - evaluation.margin, evaluation.alpha)
        said = f"`{gate.suite}` takes {least:,} items at least, with nothing found in any of them"
        yield finding("plan.evaluation_items", here, said, "a result with fewer items stays INSUFFICIENT, whatever it finds")
    following = plan.stages[at + 1] if at + 1 < len(plan.stages) else None
    if evaluation.forecast is not None:
        yield from _forecast(gate.suite, evaluation.forecast, following)
    if following is not None and Surface.WEIGHTS in following.what.surfaces and gate.scenario is not Scenario.OPEN_WEIGHTS:
        said = f"`{following.name}` hands out weights, and `{gate.suite}` is held to what a served model may do"
        yield finding("plan.scenario_too_mild", (*here, "scenario"), said, "write scenario: open_weights")


def _forecast(suite: str, forecast: Forecast, following: Stage | None) -> Iterator[Finding]:
    path: Path = ("evaluations", suite, "forecast")
    said = f"a result of `{suite}` counts only if a forecast can be drawn from it"
    fix = (
        "try each prompt several times (Inspect epochs, garak generations, or unit attempt with one cluster per prompt in a CSV)"
    )
    yield finding("plan.forecast_takes_tries", path, said, fix)
    use = None if following is None else use_per_day(following)
    if following is None or use is None:
        return
    coming = use * stage_days(following)
    if coming > forecast.queries:
        said = f"`{following.name}` is expected to send {number(coming)} queries; `{suite}` looks ahead to {forecast.queries:,}"
        yield finding("plan.forecast_too_near", (*path, "queries"), said, f"write queries: {math.ceil(coming)}")


def _no_red_team(plan: Plan) -> Iterator[Finding]:
    if any(isinstance(gate, IssuesGate) for stage in plan.stages for gate in stage.leave):
        return
    critical = [name for name, hazard in plan.hazards.items() if hazard.severity is Severity.CRITICAL]
    at = max((at for at, stage in enumerate(plan.stages) if stage.leave), default=None)
    if plan.evaluations and critical and at is not None:
        said = f"nothing asks whether anybody has attacked the model for `{critical[0]}` before `{plan.stages[at].name}` is left"
        yield finding("plan.no_red_team", ("stages", at, "leave"), said, "add - issues: {undisposed: 0}")


def _no_rate(plan: Plan) -> Iterator[Finding]:
    gates = [gate for stage in plan.stages for gate in stage.leave]
    rated = {gate.hazard for gate in gates if isinstance(gate, RateGate)}
    for suite in dict.fromkeys(gate.suite for gate in gates if isinstance(gate, EvaluationGate)):
        evaluation = plan.evaluations.get(suite)
        if evaluation is None or evaluation.hazard is None or evaluation.hazard not in plan.hazards or evaluation.hazard in rated:
            continue
        said = f"`{evaluation.hazard}` is held back by the evaluation `{suite}` and by no rate in use"
        fix = f"add - rate: {{hazard: {evaluation.hazard}, …}}: an evaluation can block, it shows nothing of what people do"
        yield finding("plan.evaluation_alone", ("evaluations", suite, "hazard"), said, fix)
