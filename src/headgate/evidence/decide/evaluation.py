"""What filed evaluation results say of a threshold.

The rule is ``upper_bound + margin < threshold``. The bound is worked out here, from counts and their clusters; the margin is
what better elicitation could add, declared with an argument before any result, and never 0. A result that shows harm at or
above the threshold, without any margin, is a FAIL. Everything between is INSUFFICIENT.

What cannot count, and why:

* a preliminary result, a result without counts, a result of another kind or metric: nothing passes on it;
* a result that passes today's goalposts and would not have passed those that stood when it arrived, or that arrived before
  there were any: whoever moves the goalposts needs a new result. One that did not pass, and that the plan has ceased to ask
  for since, still objects;
* where the plan says what the worst of many more queries may do (``forecast``), a result whose own forecast is above that, or
  from which none can be drawn (``decide.elicitation``). A forecast is no bound, so it is never FAIL, and one that is low enough
  only takes away an objection;
* where others hold the weights (``theft``, ``open_weights``), a result that was got without fine-tuning, and any result about
  safeguards: an owner of the weights trains the refusals away.

An evaluation can block. It does not take the place of a rate gate: what people do with the model is seen only in use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.evidence.decide import elicitation
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.decide.weighing import objects, silent, supports, together, unsettled, withheld
from headgate.evidence.model.cases import OPEN_SCENARIOS, CaseReading, Weight
from headgate.evidence.model.record import Direction, Effort, Kind, Relationship, Tally
from headgate.kernel.verdict import Verdict
from headgate.stats import evaluations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from headgate.evidence.model.cases import EvaluationClaim, Exhibit, Shelf, Weighed
    from headgate.evidence.model.filing import Goalposts
    from headgate.evidence.model.record import Counts


def read_evaluation(shelf: Shelf, claim: EvaluationClaim, *, now: datetime) -> CaseReading:
    """Return what the records on ``shelf`` say of ``claim``. The same input gives the same reading, for ever."""
    weighed = (*(weigh(exhibit, claim, now=now) for exhibit in shelf.exhibits), *withheld(shelf))
    wrong = _in_claim(claim)
    verdict = Verdict.ERROR if wrong else together(weighed, elsewhere=shelf.elsewhere)
    counted = [record for record in weighed if record.upper is not None]
    deciding = max(counted, key=_hardest, default=None)
    threshold = _threshold(claim.goalposts, claim.scenario)
    upper = None if deciding is None else deciding.upper
    room = 0.0 if threshold is None else threshold - claim.goalposts.margin
    passed = verdict is Verdict.PASS
    return CaseReading(
        verdict=verdict,
        sentence=_sentence(verdict, claim, shelf, weighed, deciding, threshold, wrong=wrong),
        numbers={
            "k": sum(record.k or 0 for record in counted),
            "n": sum(record.n or 0 for record in counted),
            "records": len(shelf.exhibits),
            "supporting": sum(record.weight is Weight.SUPPORTS for record in weighed),
            "objecting": sum(record.weight is Weight.OBJECTS for record in weighed),
            "lower": None if deciding is None else deciding.lower,
            "upper": upper,
            "margin": claim.goalposts.margin,
            "limit": threshold,
            "alpha": claim.goalposts.alpha,
            "items_at_least": None if wrong else evaluations.items_for_zero(room, claim.goalposts.alpha),
            "progress": 1.0 if passed else 0.0 if not upper or wrong else max(0.0, min(0.99, room / upper)),
            **_forecast_numbers(shelf, claim),
        },
        weighed=weighed,
        need=_need(claim) if verdict in {Verdict.INSUFFICIENT, Verdict.STALE} else None,
        not_shown=_not_shown(shelf, claim),
    )


def weigh(exhibit: Exhibit, claim: EvaluationClaim, *, now: datetime) -> Weighed:
    """Return what one record does to the claim."""
    posts = claim.goalposts
    if (unasked := _unasked(exhibit, posts)) is not None:
        return _dropped(exhibit, claim) or silent(exhibit, unasked)
    if exhibit.direction is not posts.direction:
        return objects(exhibit, Verdict.ERROR, "the plan and the record disagree on which way is safer")
    if exhibit.counts is None:
        return _unquantified(exhibit, claim)
    try:
        bound = _bounded(exhibit.counts, exhibit, claim, posts)
    except ValueError:
        return objects(exhibit, Verdict.ERROR, "its counts contradict themselves")
    return replace(_judged(exhibit, claim, bound, now=now), k=bound.k, n=exhibit.counts.n, lower=bound.lower, upper=bound.upper)


def _unasked(exhibit: Exhibit, posts: Goalposts) -> str | None:
    """Return why nobody asks for a result of this kind and metric, or ``None``."""
    if exhibit.kind is not posts.measures:
        return f"it is about {exhibit.kind.value}, not {posts.measures.value}"
    if posts.metric is not None and exhibit.metric != posts.metric:
        return f"it measures {exhibit.metric}, not {posts.metric}"
    return None


def _dropped(exhibit: Exhibit, claim: EvaluationClaim) -> Weighed | None:
    """Return the objection of a result that was asked for when it arrived, would not pass, and is asked for no longer."""
    then = exhibit.goalposts
    if then is None or _unasked(exhibit, then) is not None or then.direction is not exhibit.direction:
        return None
    if exhibit.counts is None or claim.scenario not in then.thresholds:
        return None
    try:
        passes = _passes(exhibit.counts, exhibit, claim, then)
    except ValueError:
        passes = False
    if passes or not exhibit.final:
        return None
    why = f"moved goalposts: {exhibit.kind.value} {exhibit.metric} was asked for when it arrived, and would not pass"
    return objects(exhibit, Verdict.INSUFFICIENT, why)


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a result's counts bound: ``k`` units, and the share, that count against safety."""

    k: int
    lower: float
    upper: float
    below: bool
    above: bool


def _bounded(counts: Counts, exhibit: Exhibit, claim: EvaluationClaim, posts: Goalposts) -> _Bound:
    """Return what the counts bound, read against ``posts``.

    Raises:
        ValueError: The counts contradict themselves.
    """
    sizes, harmful, copies = _harmful(counts, lower_is_safer=posts.direction is Direction.LOWER_IS_BETTER)
    tries = math.ceil(posts.attempts / exhibit.attempts)
    upper = evaluations.within_attempts(evaluations.clustered_upper(sizes, harmful, copies, posts.alpha), tries)
    lower = evaluations.clustered_lower(sizes, harmful, copies, posts.alpha)
    threshold = _threshold(posts, claim.scenario) or 0.0
    k = sum(bad * clusters for bad, clusters in zip(harmful, copies, strict=True))
    return _Bound(k, lower, upper, below=upper + posts.margin < threshold, above=lower >= threshold)


def _passes(counts: Counts, exhibit: Exhibit, claim: EvaluationClaim, posts: Goalposts) -> bool:
    """Return whether a result stays within ``posts``, what is foreseen of it included.

    Raises:
        ValueError: The counts contradict themselves.
    """
    return _bounded(counts, exhibit, claim, posts).below and _foreseen(exhibit, posts) is None


def _foreseen(exhibit: Exhibit, posts: Goalposts) -> str | None:
    """Return why a result does not count for what it forecasts, or for forecasting nothing, or ``None``."""
    asked = posts.forecast
    if asked is None:
        return None
    if (why := elicitation.blocks(exhibit, asked)) is not None:
        return why
    if elicitation.forecast_of(exhibit, asked) is None:
        return f"nothing can be forecast from it for {asked.queries:,} queries: too few prompts elicited it in repeated tries"
    return None


def _harmful(counts: Counts, *, lower_is_safer: bool) -> tuple[list[int], list[int], list[int]]:
    """Return clusters by size, by how many of their units count against safety, and by how many such clusters there are."""
    tallies = counts.tallies or tuple(
        Tally(1, outcome, units) for outcome, units in ((1, counts.k), (0, counts.n - counts.k)) if units
    )
    if sum(tally.n * tally.clusters for tally in tallies) != counts.n:
        raise ValueError("the clusters do not add up to the units")
    if sum(tally.k * tally.clusters for tally in tallies) != counts.k:
        raise ValueError("the clusters do not add up to the units that count")
    return (
        [tally.n for tally in tallies],
        [tally.k if lower_is_safer else tally.n - tally.k for tally in tallies],
        [tally.clusters for tally in tallies],
    )


def _judged(exhibit: Exhibit, claim: EvaluationClaim, bound: _Bound, *, now: datetime) -> Weighed:
    """Weigh a result with counts; objections come before whatever else keeps it from counting."""
    if bound.above:
        return objects(exhibit, Verdict.FAIL, f"at least {rate_text(bound.lower)} is shown")
    if not bound.below:
        why = f"its upper bound {rate_text(bound.upper)} and the margin do not stay below the threshold"
        return objects(exhibit, Verdict.INSUFFICIENT, why) if exhibit.final else silent(exhibit, f"{why}, and it is preliminary")
    asked = claim.goalposts.forecast
    if asked is not None and exhibit.final and (why := elicitation.blocks(exhibit, asked)) is not None:
        return objects(exhibit, Verdict.INSUFFICIENT, why)
    if (moved := _moved(exhibit, claim)) is not None:
        return moved
    if (unfit := _unfit(exhibit, claim)) is not None:
        return silent(exhibit, unfit)
    return supports(exhibit, f"its upper bound is {rate_text(bound.upper)}", now=now, max_age=claim.max_age)


def _unfit(exhibit: Exhibit, claim: EvaluationClaim) -> str | None:
    """Return why a passing result does not count for how the model is exposed, or ``None``."""
    if not exhibit.final:
        return "it is preliminary"
    if (unforeseen := _foreseen(exhibit, claim.goalposts)) is not None:
        return unforeseen
    if claim.scenario in OPEN_SCENARIOS and exhibit.kind is Kind.SAFEGUARD:
        return "safeguards do not hold where others have the weights"
    if claim.scenario in OPEN_SCENARIOS and exhibit.effort is not Effort.FINE_TUNED:
        return "it was got without fine-tuning, which whoever has the weights can do"
    return None


def _moved(exhibit: Exhibit, claim: EvaluationClaim) -> Weighed | None:
    """Return why a passing result does not count because of when its goalposts were set, or ``None``."""
    then = exhibit.goalposts
    if then is None or (threshold := then.thresholds.get(claim.scenario)) is None:
        return silent(exhibit, "moved goalposts: the threshold was declared after the result had arrived")
    assert exhibit.counts is not None
    # what asked for a forecast then, and still does, is as it was to a result that holds none: such a result does not count
    met = replace(then, forecast=None) if _unforeseen_still(exhibit, then, claim.goalposts) else then
    if then.direction is exhibit.direction and _passes(exhibit.counts, exhibit, claim, met):
        return None
    now_is = claim.goalposts.thresholds[claim.scenario]
    why = f"moved goalposts: {_said(then, threshold)} when the result arrived, {_said(claim.goalposts, now_is)} now"
    return objects(exhibit, Verdict.INSUFFICIENT, why)


def _unforeseen_still(exhibit: Exhibit, then: Goalposts, now: Goalposts) -> bool:
    if then.forecast is None or now.forecast is None or elicitation.blocks(exhibit, then.forecast) is not None:
        return False
    return elicitation.forecast_of(exhibit, now.forecast) is None


def _said(posts: Goalposts, threshold: float) -> str:
    tries = "" if posts.attempts == 1 else f" over {posts.attempts:,} tries"
    asked = posts.forecast
    worst = "" if asked is None else f", {rate_text(asked.tolerated)} of the worst of {asked.queries:,} queries"
    return f"threshold {rate_text(threshold)}{tries} and margin {rate_text(posts.margin)}{worst}"


def _unquantified(exhibit: Exhibit, claim: EvaluationClaim) -> Weighed:
    threshold = _threshold(claim.goalposts, claim.scenario)
    reported = exhibit.reported
    if reported is None or threshold is None or not 0 <= reported <= 1:
        return silent(exhibit, "unquantified: it has no counts")
    harmful = reported if claim.goalposts.direction is Direction.LOWER_IS_BETTER else 1 - reported
    if harmful + claim.goalposts.margin < threshold:
        return silent(exhibit, "unquantified: it has no counts")
    return objects(exhibit, Verdict.INSUFFICIENT, f"unquantified, and what it reports, {rate_text(reported)}, would not pass")


def _threshold(posts: Goalposts, scenario: str) -> float | None:
    """Return the threshold as a share of what counts against safety."""
    declared = posts.thresholds.get(scenario)
    if declared is None:
        return None
    return declared if posts.direction is Direction.LOWER_IS_BETTER else 1 - declared


def _in_claim(claim: EvaluationClaim) -> str | None:
    posts = claim.goalposts
    threshold = _threshold(posts, claim.scenario)
    if threshold is None:
        return f"the plan declares no threshold of {claim.suite} for {claim.scenario}"
    if not 0 < posts.alpha <= 0.5 or posts.attempts < 1:  # noqa: PLR2004 - beyond one half a bound turns round
        return "an error probability above one half, or no attempt at all, bounds nothing"
    if not 0 < posts.margin < threshold <= 1:
        return f"a margin of {rate_text(posts.margin)} leaves no room below {rate_text(threshold)}, and 0 is none"
    if posts.forecast is not None and not (posts.forecast.queries >= 1 and 0 < posts.forecast.tolerated < 1):
        return "a forecast is for one query or more, and what is tolerated of the worst lies between 0 and 1"
    return None


def _forecasts(shelf: Shelf, claim: EvaluationClaim) -> list[float]:
    """Return what the results that the plan asks for forecast."""
    posts = claim.goalposts
    asked = posts.forecast
    if asked is None or asked.queries < 1:
        return []
    fit = (each for each in shelf.exhibits if _unasked(each, posts) is None and each.direction is posts.direction)
    return [likely for exhibit in fit if (likely := elicitation.forecast_of(exhibit, asked)) is not None]


def _forecast_numbers(shelf: Shelf, claim: EvaluationClaim) -> dict[str, float | int | None]:
    """Return what is forecast and what is tolerated of it; nothing where the plan does not ask."""
    asked = claim.goalposts.forecast
    if asked is None:
        return {}
    worst = max(_forecasts(shelf, claim), default=None)
    return {"forecast": worst, "forecast_tolerated": asked.tolerated, "forecast_queries": asked.queries}


def _need(claim: EvaluationClaim) -> str:
    tried = "" if claim.goalposts.forecast is None else ", its prompts tried several times each"
    return f"a final result of {claim.suite} on this version{tried}"


def _hardest(record: Weighed) -> tuple[bool, float]:
    return record.weight is Weight.OBJECTS, record.upper or 0.0


def _sentence(
    verdict: Verdict,
    claim: EvaluationClaim,
    shelf: Shelf,
    weighed: tuple[Weighed, ...],
    deciding: Weighed | None,
    threshold: float | None,
    *,
    wrong: str | None,
) -> str:
    name = f"{claim.suite} ({claim.scenario})"
    if wrong is not None or threshold is None:
        return f"{name} cannot be read: {wrong}."
    limit, margin = rate_text(threshold), rate_text(claim.goalposts.margin)
    if deciding is None or deciding.upper is None or deciding.k is None or deciding.n is None:
        seen = ""
    else:
        counts = f"{deciding.k:,} of {count_text(deciding.n, 'unit')} against safety"
        seen = f"{counts}, upper bound {rate_text(deciding.upper)} plus margin {margin} against {limit}"
    if verdict is Verdict.PASS:
        return f"{name} stays below {limit} with its margin: {seen}.{_about_forecast(shelf, claim)}"
    if verdict is Verdict.FAIL:
        return f"{name} is shown at or above {limit}: {seen}."
    why = unsettled(weighed, elsewhere=shelf.elsewhere, nothing=f"no result of {claim.suite} is filed for this version")
    return f"{name} is not shown to stay below {limit}: {seen + '; ' if seen else ''}{why}."


def _about_forecast(shelf: Shelf, claim: EvaluationClaim) -> str:
    asked, worst = claim.goalposts.forecast, max(_forecasts(shelf, claim), default=None)
    if asked is None or worst is None:
        return ""
    said = f"The worst of {asked.queries:,} queries is forecast at {rate_text(worst)}, {rate_text(asked.tolerated)} tolerated"
    return f" {said}: a forecast can block, and shows nothing."


def _not_shown(shelf: Shelf, claim: EvaluationClaim) -> tuple[str, ...]:
    margin = rate_text(claim.goalposts.margin)
    lines = [
        f"What better elicitation would bring: the margin of {margin} is declared and argued ({claim.because}), not measured.",
        "That the model did not hold back: what looks like an examination can be failed on purpose.",
        "What the suite's items leave out, and whether the model met them in training.",
    ]
    return (*_of_records(shelf.exhibits), *elicitation.warnings(shelf.exhibits), *lines, *_of_use(shelf))


def _of_records(exhibits: Sequence[Exhibit]) -> list[str]:
    lines: list[str] = []
    if exhibits and not any(exhibit.effort is Effort.FINE_TUNED for exhibit in exhibits):
        tried = max((exhibit.effort for exhibit in exhibits), key=list(Effort).index)
        lines.append(f"What fine-tuning brings out: nobody tried it (effort: {tried.value.replace('_', ' ')}).")
    if exhibits and not any(exhibit.relationship is Relationship.THIRD_PARTY for exhibit in exhibits):
        lines.append("An outsider's look: no result here is a third party's.")
    carried = sum(exhibit.carried for exhibit in exhibits)
    if carried:
        lines.append(f"This very version: {count_text(carried, 'result')} measured on another one, carried over by two people.")
    return lines


def _of_use(shelf: Shelf) -> list[str]:
    lines: list[str] = []
    if shelf.superseded:
        lines.append(
            f"What replaced results would say: {count_text(shelf.superseded, 'result')} of this suite gave place to later ones."
        )
    lines.append("What people do with the model: an evaluation can block, and takes no rate gate's place.")
    return lines
