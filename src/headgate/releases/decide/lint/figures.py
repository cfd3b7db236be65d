"""The numbers that lint reckons with, and how it writes them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.releases.model.plan import SoakGate
from headgate.releases.model.scalars import Everything

if TYPE_CHECKING:
    from headgate.releases.model.plan import Plan, Stage

FLOOR_SHARE = 0.7
"""The part of a sample that goes to random draws; the rest is for flags and second opinions. It is safety's: a test compares."""
USUAL_DAYS = 60.0
"""How long a stage is reckoned to last where the plan does not say."""
_DAY = timedelta(days=1)
_DIGITS = 3


def number(value: float) -> str:
    """Return a number for people: ``4,786``, ``0.02``, ``1e-3``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 100:  # noqa: PLR2004 - from here on, digits after the point say nothing
        return f"{round(value):,}"
    if abs(value) < 0.01:  # noqa: PLR2004 - from here on, zeros are hard to count
        mantissa, exponent = f"{value:.{_DIGITS - 1}e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.{_DIGITS}g}"


def stage_days(stage: Stage) -> float:
    """Return how many days the stage may last."""
    soak = next((gate for gate in stage.leave if isinstance(gate, SoakGate)), None)
    return USUAL_DAYS if soak is None or soak.at_most is None else soak.at_most / _DAY


def in_days(span: timedelta) -> float:
    """Return a span in days."""
    return span / _DAY


def seats_by(plan: Plan, at: int) -> int | None:
    """Return the seats of all cohorts let in once stage ``at`` is open; ``None`` where one of them is not counted."""
    seats: dict[str, int | None] = {stage.who.cohort: stage.who.seats for stage in plan.stages[: at + 1]}
    counted = [count for count in seats.values() if count is not None]
    return sum(counted) if len(counted) == len(seats) else None


def use_per_day(stage: Stage) -> float | None:
    """Return the exchanges per day that the planner expects of the stage, limited by what its holders may send."""
    seats, how_much = stage.who.seats, stage.how_much
    if seats is None or how_much.expected_use is None:
        return None
    each = [how_much.requests, *(holder.requests for holder in (how_much.account, how_much.organisation) if holder is not None)]
    seat = min(how_much.expected_use, *(rate.per_day() for rate in each if rate is not None), math.inf)
    together = None if how_much.cohort is None else how_much.cohort.requests
    return seats * seat if together is None else min(seats * seat, together.per_day())


def floor_labels_per_day(stage: Stage) -> float | None:
    """Return the labels of randomly drawn exchanges per day; ``None`` where the plan does not say enough to tell.

    Only these show a rate low, and only these find harm that hides from detectors. A sample that the whole traffic fits into
    is one of everything.
    """
    sample = None if stage.watch is None else stage.watch.sample
    if sample is None or isinstance(sample, Everything):
        return labels_per_day(stage)
    use, drawn = use_per_day(stage), sample.per_day() * FLOOR_SHARE
    return drawn if use is None else min(drawn, use)


def labels_per_day(stage: Stage) -> float | None:
    """Return the labels per day that the stage can yield; ``None`` where the plan does not say enough to tell."""
    if stage.watch is None:
        return 0.0
    use = use_per_day(stage)
    if isinstance(stage.watch.sample, Everything):
        return use
    drawn = stage.watch.sample.per_day()
    return drawn if use is None else min(drawn, use)
