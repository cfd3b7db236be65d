"""What somebody who waits for the full release can do before they are noticed.

No evidence from an earlier stage bounds the behaviour of people who behave until access is wide. The only bound is what
happens afterwards: how long the alarm takes, how long closing takes, and how much goes through meanwhile. It is reckoned
here, as a table for a given budget of reviews, so that it is seen before the release and not after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headgate.stats.power import alarm_labels


@dataclass(frozen=True, slots=True)
class Budget:
    """What a release is watched with.

    Attributes:
        baseline: The rate that is no cause for alarm, harms per request, in ``(0, 1)``.
        looks_between_false_alarms: Mean looks to a false alarm, ``> 1``: 365 for daily looks and one false alarm a year.
        labels_per_day: Labels of *randomly* drawn requests, ``> 0``: who waits also evades a score.
        requests_per_day: Requests served, ``> 0``.
        closing_days: From the alarm to closed access, ``>= 0``.
    """

    baseline: float
    looks_between_false_alarms: float
    labels_per_day: float
    requests_per_day: float
    closing_days: float = 0.0


@dataclass(frozen=True, slots=True)
class Exposed:
    """What gets through.

    Attributes:
        labels: Mean labels until the alarm.
        days: Mean days until the alarm.
        harmful: Harmful requests until access is closed.
    """

    labels: float
    days: float
    harmful: float


def before_containment(rate: float, budget: Budget) -> Exposed:
    """Return what gets through at a harm rate of ``rate``, from the day on which it begins.

    The delay is the information bound: no detector with this time between false alarms is sooner on average, and Headgate's
    is within 1.3 of it for rises of 1.5 to 5 times.

    Args:
        rate: Harms per request from that day on, in ``(baseline, 1]``.
        budget: What it is watched with.

    Returns:
        Means, not rounded.

    Raises:
        ValueError: A number is out of range.

    Source:
        Lorden (1971), Ann. Math. Stat. 42: ``log(ARL) / KL``. Evidence design, section 1f: with r0 = 1e-4, a false alarm a
        year, daily looks and 200 labels a day, 228, 21 and 0.8 days at 3e-4, 1e-3 and 1e-2. ``tests/statistics/test_patient.py``.
    """
    if not (budget.labels_per_day > 0 and budget.requests_per_day > 0 and budget.closing_days >= 0):
        raise ValueError("a budget needs labels and requests, and closes in no negative time")
    labels = alarm_labels(budget.baseline, rate, budget.looks_between_false_alarms)
    days = labels / budget.labels_per_day
    return Exposed(labels=labels, days=days, harmful=rate * (days + budget.closing_days) * budget.requests_per_day)


def harms_to_alarm(ratio: float, looks_between_false_alarms: float) -> float:
    """Return the mean harms to an alarm when every harm is seen and harm rises to ``ratio`` times.

    Args:
        ratio: The rise, ``> 1``.
        looks_between_false_alarms: Mean looks to a false alarm, ``> 1``.

    Returns:
        Harms, not rounded: ``log(ARL) / (log ratio - 1 + 1 / ratio)``.

    Raises:
        ValueError: A number is out of range.

    Source:
        Lorden (1971) for Poisson counts; 47, 11, 6.5 and 2.5 at 2, 5, 10 and 100 times with hourly looks and a false alarm a
        year. ``tests/statistics/test_patient.py``.
    """
    if not (ratio > 1 and math.isfinite(ratio) and looks_between_false_alarms > 1):
        raise ValueError("a rise goes to more than once the baseline, with more than one look between false alarms")
    return math.log(looks_between_false_alarms) / (math.log(ratio) - 1 + 1 / ratio)
