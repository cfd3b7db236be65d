"""What a reading predicts, and how predictions turned out.

A verdict says more than yes or no: how many labels a pass still takes, by when, and a bound that the rate should keep to. Each of
these is written down when it is said and compared with what came later, so that nobody has to take the engine's word for its
own quality. Three questions are scored:

*Did the bound hold in what came later?* Against later labels of the same epoch, and against those of the release's next epoch. A
bound is about the traffic it was computed from, so this tests more than the engine promises: that the world went on as it
was. The chance of it, were nothing to change, follows from the labels alone (a beta-binomial law), and that chance is scored.
Only labels drawn with equal probability are used; the others do not count alike.

*Did the pass take as many labels as forecast, and come on the day?*

Forecasts of one epoch share their labels, so they are no independent experiences: shares count each epoch and gate alike, and the
number of those is always given.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from headgate.evidence.model import Method
from headgate.evidence.model.calibration import Band, BoundScore, Calibration, Forecast, Paced, PaceScore
from headgate.kernel.verdict import Verdict
from headgate.stats.calibration import brier, chance_below, log_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from headgate.evidence.model import RateClaim, RateReading

EVERY = timedelta(days=1)
"""How often the same verdict is forecast again."""
PACE_OVER = timedelta(days=7)
"""How far back the pace of labels is taken: a week has all of its habits in it."""
LEAST_LATER = 100
"""Fewer later labels than this say nothing of a rate."""
EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Where chances are told apart: finer where bounds are meant to lie."""
MOST_PACES = 120
"""Forecasts of a pass that are told one by one."""
_DAY = timedelta(days=1)


def due(last: Forecast | None, verdict: Verdict, now: datetime) -> bool:
    """Return whether a forecast should be written down: there is none, the verdict is another, or a day has passed."""
    return last is None or last.verdict is not verdict or now - last.made_at >= EVERY


def forecast(
    epoch: str, claim: RateClaim, reading: RateReading, digest: str, earlier: Sequence[Forecast], now: datetime
) -> Forecast:
    """Return what a reading predicts.

    Args:
        epoch: The epoch.
        claim: What its gate wants shown.
        reading: What was read.
        digest: Where the reading is kept.
        earlier: Forecasts of the same series, oldest first.
        now: The present instant.
    """
    waits = reading.verdict is Verdict.INSUFFICIENT and not reading.labels_to_go.never
    to_go = reading.labels_to_go.likely if waits else None
    pace = _pace(reading.labels, earlier, now)
    return Forecast(
        epoch=epoch,
        hazard=claim.hazard,
        below=claim.below,
        alpha=claim.alpha,
        reading=digest,
        made_at=now,
        verdict=reading.verdict,
        method=reading.method,
        labels=reading.labels,
        harms=reading.harms,
        upper_bound=reading.upper_bound,
        level=reading.alpha_spent,
        to_go=to_go,
        expected_at=None if to_go is None or pace is None else _in(now, to_go / pace),
    )


def score(forecasts: Iterable[Forecast]) -> Calibration:
    """Return what has become of forecasts, in any order."""
    series: defaultdict[tuple[str, str, float, float], list[Forecast]] = defaultdict(list)
    for each in sorted(forecasts, key=lambda each: each.made_at):
        series[each.series].append(each)
    every = list(series.values())
    return Calibration(
        forecasts=sum(len(each) for each in every),
        series=len(every),
        later=_bounds([_later(each) for each in every]),
        following=_bounds(_following(every)),
        pace=_paces(every),
    )


def _pace(labels: int, earlier: Sequence[Forecast], now: datetime) -> float | None:
    """Return labels per day since a week ago, or since the first forecast if that is less; ``None`` when they stand still."""
    recent = [each for each in earlier if now - each.made_at <= PACE_OVER]
    if not recent or now <= recent[0].made_at or labels <= recent[0].labels:
        return None
    return (labels - recent[0].labels) / ((now - recent[0].made_at) / _DAY)


_Outcome = tuple[float, bool]
"""The chance that was given, and whether it came true."""


def _later(series: Sequence[Forecast]) -> list[_Outcome]:
    last = series[-1]
    outcomes = [_outcome(each, last.harms - each.harms, last.labels - each.labels, last.method) for each in series]
    return [outcome for outcome in outcomes if outcome is not None]


def _following(every: Sequence[Sequence[Forecast]]) -> list[list[_Outcome]]:
    """Return, for each series whose release went on to another epoch, how the bounds fared there."""
    by_hazard: defaultdict[tuple[str, str], dict[str, list[Forecast]]] = defaultdict(dict)
    for series in every:
        first = series[0]
        by_hazard[first.release, first.hazard].setdefault(first.epoch, []).extend(series)
    found: list[list[_Outcome]] = []
    for epochs in by_hazard.values():
        in_order = sorted(epochs.values(), key=lambda forecasts: min(each.made_at for each in forecasts))
        for before, after in pairwise(in_order):
            end = max(after, key=lambda each: each.made_at)
            # Only what was said before the next epoch began was said of it in advance.
            began = min(each.made_at for each in after)
            outcomes = [_outcome(each, end.harms, end.labels, end.method) for each in before if each.made_at <= began]
            found.append([outcome for outcome in outcomes if outcome is not None])
    return found


def _outcome(said: Forecast, harms: int, labels: int, method: Method) -> _Outcome | None:
    uniform = said.method is Method.UNIFORM and method is Method.UNIFORM
    # A corrected label may take a harm away again; then nothing can be said of what came in between.
    if not uniform or labels < LEAST_LATER or not 0 <= harms <= labels or said.verdict is Verdict.ERROR:
        return None
    return chance_below(said.harms, said.labels, labels, said.upper_bound), harms / labels < said.upper_bound


def _bounds(series: Sequence[Sequence[_Outcome]]) -> BoundScore | None:
    scored = [outcomes for outcomes in series if outcomes]
    if not scored:
        return None
    chances = [[chance for chance, _ in outcomes] for outcomes in scored]
    truths = [[true for _, true in outcomes] for outcomes in scored]
    return BoundScore(
        forecasts=sum(len(outcomes) for outcomes in scored),
        series=len(scored),
        covered=_mean(_mean(each) for each in truths),
        expected=_mean(_mean(each) for each in chances),
        brier=_mean(brier(said, was) for said, was in zip(chances, truths, strict=True)),
        log_score=_mean(log_score(said, was) for said, was in zip(chances, truths, strict=True)),
        bands=_bands(scored),
    )


def _bands(scored: Sequence[Sequence[_Outcome]]) -> tuple[Band, ...]:
    found: list[Band] = []
    for over, most in pairwise(EDGES):
        inside = [[each for each in outcomes if over < each[0] <= most or (each[0] == over == EDGES[0])] for outcomes in scored]
        there = [outcomes for outcomes in inside if outcomes]
        if there:
            found.append(
                Band(
                    over=over,
                    most=most,
                    forecasts=sum(len(outcomes) for outcomes in there),
                    series=len(there),
                    expected=_mean(_mean(chance for chance, _ in outcomes) for outcomes in there),
                    covered=_mean(_mean(true for _, true in outcomes) for outcomes in there),
                )
            )
    return tuple(found)


def _paces(every: Sequence[Sequence[Forecast]]) -> PaceScore | None:
    paced: list[Paced] = []
    late: list[float] = []
    series = 0
    for forecasts in every:
        passed = next((each for each in forecasts if each.verdict is Verdict.PASS), None)
        if passed is None:
            continue
        before = [each for each in forecasts if each.made_at < passed.made_at and each.to_go]
        series += bool(before)
        paced += [
            Paced(each.made_at, each.epoch, each.hazard, each.to_go, passed.labels - each.labels) for each in before if each.to_go
        ]
        late += [(passed.made_at - each.expected_at) / _DAY for each in before if each.expected_at is not None]
    if not paced:
        return None
    ratios = [each.took / each.said for each in paced]
    return PaceScore(
        forecasts=len(ratios),
        series=series,
        ratio=median(ratios),
        within_twice=_mean(0.5 <= ratio <= 2 for ratio in ratios),  # noqa: PLR2004 - twice, either way
        dated=len(late),
        days_late=median(late) if late else None,
        days_off=median(map(abs, late)) if late else None,
        latest=tuple(sorted(paced, key=lambda each: each.made_at)[-MOST_PACES:]),
    )


def _mean(values: Iterable[float]) -> float:
    every = [float(value) for value in values]
    return math.fsum(every) / len(every)


def _in(now: datetime, days: float) -> datetime | None:
    """Return an instant so many days ahead; ``None`` when that is further than anybody plans."""
    return now + timedelta(days=days) if days <= FURTHEST_DAYS else None


FURTHEST_DAYS = 3650
"""A pass that takes longer than ten years is not expected on a day."""
