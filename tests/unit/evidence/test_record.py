"""What contradicts itself is never evidence, and the interval comes from the counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from headgate.evidence.decide.intervals import interval_of
from headgate.evidence.model.record import (
    Counts,
    Direction,
    Effort,
    Elicitation,
    Evaluator,
    Finding,
    Format,
    Interval,
    IntervalMethod,
    Kind,
    Relationship,
    Source,
    Status,
    Subject,
    Tally,
    contradiction,
)
from headgate.stats.evaluations import clustered_lower, clustered_upper, exact_lower, exact_upper
from headgate.testing.evaluations import MEASURED_AT

COUNTS = Counts(5, 20, "attempt", (Tally(2, 0, 6), Tally(2, 1, 3), Tally(2, 2, 1)))
FINDING = Finding(
    subject=Subject("sha256:" + "a" * 64, None, None),
    kind=Kind.CAPABILITY,
    domain="cyber",
    suite="dual_use",
    task="ctf",
    metric="solved",
    direction=Direction.LOWER_IS_BETTER,
    counts=COUNTS,
    reported=0.25,
    interval=interval_of(COUNTS),
    elicitation=Elicitation(Effort.PROMPTED),
    evaluator=Evaluator("Outside Lab", Relationship.THIRD_PARTY),
    produced_at=MEASURED_AT,
    expires_at=MEASURED_AT + timedelta(days=30),
    status=Status.FINAL,
    source=Source("sha256:" + "c" * 64, Format.COUNTS_CSV, "ctf", None, None),
)


def test_a_sound_finding_has_no_contradiction() -> None:
    assert contradiction(FINDING) is None
    assert not FINDING.unquantified
    assert COUNTS.clusters == 10
    assert Counts(1, 5, "item").clusters == 5


def test_the_interval_is_worked_out_from_the_counts() -> None:
    assert interval_of(Counts(3, 64, "item")) == Interval(
        exact_lower(3, 64, 0.025), exact_upper(3, 64, 0.025), 0.95, IntervalMethod.CLOPPER_PEARSON
    )
    tallies = ([2, 2, 2], [0, 1, 2], [6, 3, 1])
    low, high = clustered_lower(*tallies, 0.025), clustered_upper(*tallies, 0.025)
    assert interval_of(COUNTS).method is IntervalMethod.CLUSTERED
    assert (interval_of(COUNTS).low, interval_of(COUNTS).high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": None},
        {"interval": None},
        {"counts": Counts(6, 5, "item")},
        {"counts": Counts(0, 0, "item")},
        {"counts": replace(COUNTS, tallies=(Tally(2, 1, 10),))},
        {"counts": replace(COUNTS, tallies=(Tally(2, 0, 5), Tally(2, 1, 3), Tally(2, 2, 1)))},
        {"counts": replace(COUNTS, tallies=(Tally(2, 3, 1), Tally(2, 0, 9)))},
        {"counts": replace(COUNTS, tallies=(Tally(0, 0, 1), Tally(20, 5, 1)))},
        {"interval": Interval(0.5, 0.4, 0.95, IntervalMethod.CLUSTERED)},
        {"interval": Interval(0.1, 0.4, 1.0, IntervalMethod.CLUSTERED)},
        {"reported": float("nan")},
        {"elicitation": Elicitation(Effort.PROMPTED, attempts=0)},
        {"produced_at": datetime(2026, 3, 1)},  # noqa: DTZ001 - without an offset, on purpose
        {"expires_at": MEASURED_AT},
        {"subject": Subject("", None, None)},
        {"suite": ""},
        {"metric": ""},
    ],
)
def test_a_contradiction_has_a_sentence(changes: dict[str, Any]) -> None:
    wrong = contradiction(replace(FINDING, **changes))
    assert wrong is not None
    assert wrong.endswith(".")


def test_a_finding_without_counts_is_unquantified() -> None:
    finding = replace(FINDING, counts=None, interval=None)
    assert finding.unquantified
    assert contradiction(finding) is None
