"""How predictions turned out, as people read it: each score's chart, and the chart's numbers as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.look import charts
from headgate.look.writing import count, share, words
from headgate.reports.cards import Table

if TYPE_CHECKING:
    from headgate.evidence.model.calibration import BoundScore, PaceScore
    from headgate.look.charts import Spec


@dataclass(frozen=True, slots=True)
class Drawn:
    """A score's chart with its numbers.

    Attributes:
        name: What it is called.
        spec: The chart.
        alternative: What it shows, in a sentence.
        table: Its numbers.
    """

    name: str
    spec: Spec
    alternative: str
    table: Table


def of_bounds(found: BoundScore, name: str) -> Drawn:
    """Return how often bounds held, by the chance that was given to it."""
    headings = ("chance given", "predictions", "stretches", "expected", "held")
    rows = tuple(
        (
            f"{share(band.over)} to {share(band.most)}",
            count(band.forecasts),
            count(band.series),
            share(band.expected),
            share(band.covered),
        )
        for band in found.bands
    )
    points = [
        charts.Scored(band.expected, band.covered, band.series, dict(zip(headings, row, strict=True)))
        for band, row in zip(found.bands, rows, strict=True)
    ]
    return Drawn(
        name,
        charts.scores(points, unit="share", across="chance given to the bound holding", up="share of bounds that held"),
        f"{share(found.covered)} of bounds held, {share(found.expected)} were expected, from {count(found.series)} stretches.",
        Table(headings, rows),
    )


def of_paces(found: PaceScore, name: str) -> Drawn:
    """Return how many labels a pass took, over how many it was said to take."""
    headings = ("said on", "of", "labels said", "labels taken")
    rows = tuple(
        (f"{each.made_at:%Y-%m-%d}", f"{words(each.hazard)} in {each.epoch}", count(each.said), count(each.took))
        for each in found.latest
    )
    points = [
        charts.Scored(max(1, each.said), max(1, each.took), 1, dict(zip(headings, row, strict=True)))
        for each, row in zip(found.latest, rows, strict=True)
    ]
    return Drawn(
        name,
        charts.scores(points, unit="number", across="labels that a pass was said to take", up="labels that it took"),
        f"{share(found.within_twice)} of predictions were right to a factor of two.",
        Table(headings, rows),
    )
