"""The table of the patient adversary, against the design's figures and simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from headgate.stats import alarm, patient

BUDGET = patient.Budget(baseline=1e-4, looks_between_false_alarms=365, labels_per_day=200, requests_per_day=1_000_000)


@pytest.mark.parametrize(("rate", "days"), [(3e-4, 228), (1e-3, 21), (1e-2, 0.8)])
def test_the_delay_is_that_of_the_table(rate: float, days: float) -> None:
    assert patient.before_containment(rate, BUDGET).days == pytest.approx(days, rel=0.03)


@pytest.mark.parametrize(("rate", "harmful"), [(1e-3, 21_000), (1e-2, 8_100)])
def test_what_gets_through_is_that_of_the_table(rate: float, harmful: float) -> None:
    assert patient.before_containment(rate, BUDGET).harmful == pytest.approx(harmful, rel=0.01)


def test_closing_takes_its_share_of_harm() -> None:
    slow = patient.before_containment(1e-3, replace(BUDGET, closing_days=2.0))
    fast = patient.before_containment(1e-3, BUDGET)
    assert slow.days == fast.days
    assert slow.harmful - fast.harmful == pytest.approx(2.0 * 1e-3 * 1_000_000)


@pytest.mark.parametrize(("ratio", "harms"), [(2.0, 47), (5.0, 11), (10.0, 6.5), (100.0, 2.5)])
def test_when_every_harm_is_seen_few_suffice(ratio: float, harms: float) -> None:
    assert patient.harms_to_alarm(ratio, 8760) == pytest.approx(harms, rel=0.03)


def test_the_alarm_keeps_what_the_table_promises() -> None:
    # daily looks at 200 labels, 1e-4 risen to 1e-3: the design's detector without a named rise takes 19 to 21 days
    rng = np.random.default_rng(9)
    harms = rng.binomial(200, 1e-3, (800, 150))
    quiet = alarm.log_factor_draws([200], [1.0], [], [], 1e-4)
    swap = alarm.log_factor_draws([200], [1.0], [1.0], [1.0], 1e-4) - quiet
    raised = [
        np.flatnonzero(alarm.log_mixture(alarm.run(quiet + run[:, None] * swap), alarm.RISE_WEIGHTS) >= math.log(365))
        for run in harms
    ]
    delays = [int(looks[0]) + 1 if looks.size else 151 for looks in raised]
    assert np.mean(delays) <= 1.3 * patient.before_containment(1e-3, BUDGET).days


@pytest.mark.parametrize(
    "call",
    [
        lambda: patient.before_containment(1e-4, BUDGET),
        lambda: patient.before_containment(1e-3, replace(BUDGET, labels_per_day=0)),
        lambda: patient.before_containment(1e-3, replace(BUDGET, requests_per_day=0)),
        lambda: patient.before_containment(1e-3, replace(BUDGET, closing_days=-1)),
        lambda: patient.harms_to_alarm(1.0, 10),
        lambda: patient.harms_to_alarm(2.0, 1),
    ],
)
def test_a_number_out_of_range_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"needs|goes"):
        call()
