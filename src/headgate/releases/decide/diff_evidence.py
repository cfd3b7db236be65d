"""What changes in what a plan asks of filed evidence: of evaluations, of red teams' findings, of auditors.

A higher threshold of a dangerous skill tolerates more of it, a smaller margin trusts the evaluators more, an older result
shows less: each of them is a widening. Of a metric where more is safer, a lower threshold is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.releases.decide.difference import NARROWER, NEUTRAL, WIDER, Axis, Effect, Found, bound, span
from headgate.releases.model.plan import AuditGate, EvaluationGate, IssuesGate, Opinion, Scenario
from headgate.releases.model.words import Safer

if TYPE_CHECKING:
    from headgate.releases.model.evaluations import Evaluation, Forecast
    from headgate.releases.model.findings import Path

OPINIONS = (Opinion.UNQUALIFIED, Opinion.QUALIFIED, Opinion.DISCLAIMER, Opinion.ADVERSE)
"""From what asks most of an auditor to what asks nothing."""


def tolerance(suite: str, old: Evaluation | None, new: Evaluation | None) -> Found:
    """Yield every difference in what is tolerated of one suite."""
    path: Path = ("evaluations", suite)
    over = Axis.OVERSIGHT
    if old is None or new is None:
        effect, said = (NARROWER, "is held to something") if old is None else (WIDER, "is held to nothing any more")
        yield path, effect, over, f"the evaluation `{suite}` {said}"
        return
    for field in ("measures", "metric", "safer", "hazard"):
        if getattr(old, field) != getattr(new, field):
            yield (*path, field), WIDER, over, f"`{suite}` is read by another {field}"
    more = WIDER if new.safer is Safer.LOWER else NARROWER
    for scenario in Scenario:
        before, now = old.thresholds.of(scenario), new.thresholds.of(scenario)
        none: Effect = NARROWER  # without a threshold nothing passes
        said = f"the threshold of `{suite}` for {scenario.value}"
        yield from bound((*path, "thresholds", scenario.value), over, said, before, now, more=more, none=none)
    yield from bound((*path, "margin"), over, f"the margin of `{suite}`", old.margin, new.margin, more=NARROWER)
    yield from bound((*path, "attempts"), over, f"the tries against `{suite}`", old.attempts, new.attempts, more=NARROWER)
    yield from bound((*path, "alpha"), over, f"the chance that a bound of `{suite}` is wrong", old.alpha, new.alpha)
    yield from _forecast(suite, old.forecast, new.forecast)
    if old.because != new.because:
        yield (*path, "because"), NEUTRAL, Axis.PLAN, f"the margin of `{suite}` has another argument"


def _forecast(suite: str, old: Forecast | None, new: Forecast | None) -> Found:
    path, over = ("evaluations", suite, "forecast"), Axis.OVERSIGHT
    if old is None or new is None:
        if old is not new:
            effect, said = (NARROWER, "may block") if old is None else (WIDER, "blocks nothing any more")
            yield path, effect, over, f"what results of `{suite}` forecast {said}"
        return
    yield from bound(
        (*path, "queries"), over, f"the queries that `{suite}` looks ahead to", old.queries, new.queries, more=NARROWER
    )
    said = f"what the worst query of `{suite}` may be forecast to do"
    yield from bound((*path, "tolerated"), over, said, old.tolerated, new.tolerated)


def filed_gate(old: EvaluationGate | IssuesGate | AuditGate, new: EvaluationGate | IssuesGate | AuditGate) -> Found:
    """Yield every difference between two forms of one gate."""
    over = Axis.OVERSIGHT
    if isinstance(old, IssuesGate) and isinstance(new, IssuesGate):
        yield from bound(("undisposed",), over, "findings without an answer", old.undisposed, new.undisposed)
        return
    if isinstance(old, AuditGate) and isinstance(new, AuditGate) and old.opinion is not new.opinion:
        effect = WIDER if OPINIONS.index(new.opinion) > OPINIONS.index(old.opinion) else NARROWER
        yield ("opinion",), effect, over, f"an opinion that is {new.opinion.value} passes instead of {old.opinion.value}"
    if not isinstance(old, IssuesGate) and not isinstance(new, IssuesGate):
        yield from span(("max_age",), "the age of what counts", old.max_age, new.max_age)
