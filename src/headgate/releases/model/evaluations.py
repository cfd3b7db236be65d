"""What a plan tolerates of an evaluation, declared before any result of it arrives.

A threshold belongs to a way in which the model is exposed: what is served can be stopped, what was stolen cannot be called
back, what was given away is with everybody. The margin stands for what better elicitation could add. It is part of the plan, it
comes with an argument, and it is never nought: no data bounds what nobody has tried.
"""

from __future__ import annotations

from headgate.releases.model.conditions import Part
from headgate.releases.model.scalars import Chance, Name, Positive, Sentence, Share  # noqa: TC001 - pydantic reads them
from headgate.releases.model.words import Measures, Safer, Scenario


class Thresholds(Part):
    """The limit for each way in which the model may be exposed; one that is left out lets nothing pass.

    Attributes:
        api: While it is served through the gateway.
        theft: If its weights are stolen.
        open_weights: If its weights are given away.
    """

    api: Share | None = None
    theft: Share | None = None
    open_weights: Share | None = None

    def of(self, scenario: Scenario) -> float | None:
        """Return the limit for one way, if there is one."""
        match scenario:
            case Scenario.API:
                return self.api
            case Scenario.THEFT:
                return self.theft
            case Scenario.OPEN_WEIGHTS:
                return self.open_weights

    def declared(self) -> dict[Scenario, float]:
        """Return those that are declared, from the least exposed to the most."""
        return {scenario: limit for scenario in Scenario if (limit := self.of(scenario)) is not None}


class Forecast(Part):
    """What the worst of many more queries than were tried may do, drawn on from a result's own hardest ones.

    It can block and never pass: a result whose forecast lies above what is tolerated does not count, nor does one from which none
    can be drawn, which takes prompts that were tried several times each.

    Attributes:
        queries: How many queries to look ahead to: those of the next stage, say.
        tolerated: How likely the worst of them may be to bring out what the metric counts against safety.
    """

    queries: Positive
    tolerated: Chance


class Evaluation(Part):
    """One suite of evaluations.

    Attributes:
        hazard: The hazard that it speaks of.
        measures: Whether it measures what the model can do, how safeguards hold, or what attackers achieved.
        metric: Which of the suite's numbers; any when left out, and then every one of them must pass.
        safer: Which way is safer: ``lower`` for a rate of success at something dangerous, ``higher`` for a rate of refusals.
        thresholds: The limits, in the metric's own direction.
        margin: What better elicitation than the evaluator's could add, as a share.
        because: The argument for the margin: the largest gain seen on the model before, say.
        attempts: How many tries at one item an attacker can afford.
        alpha: The chance that a result's bound is on the wrong side.
        forecast: What a result may forecast of queries that nobody has tried; left out, a forecast is only shown.
    """

    hazard: Name | None = None
    measures: Measures = Measures.CAPABILITY
    metric: Sentence | None = None
    safer: Safer = Safer.LOWER
    thresholds: Thresholds
    margin: Share
    because: Sentence
    attempts: Positive = 1
    alpha: Chance = 0.05
    forecast: Forecast | None = None

    def tolerated(self, scenario: Scenario) -> float | None:
        """Return the limit as a share of what counts against safety, whichever way the metric goes."""
        limit = self.thresholds.of(scenario)
        return limit if limit is None or self.safer is Safer.LOWER else 1 - limit
