"""Agreement among readers against published numbers and independent definitions."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from headgate.stats.agreement import Metric, cohen_kappa, krippendorff_alpha, of_pairs

_ = np.nan
PUBLISHED = np.array(
    [
        [_, _, _, _, _, 3, 4, 1, 2, 1, 1, 3, 3, _, 3],
        [1, _, 2, 1, 3, 3, 4, 3, _, _, _, _, _, _, _],
        [_, _, 2, 1, 3, 4, 4, _, 2, 1, 1, 3, 3, _, 4],
    ]
)
"""Krippendorff's example of three observers and missing answers."""


@pytest.mark.parametrize(("metric", "expected"), [(Metric.NOMINAL, 0.691358), (Metric.INTERVAL, 0.810845)])
def test_the_published_example_has_its_published_values(metric: Metric, expected: float) -> None:
    assert krippendorff_alpha(PUBLISHED, metric) == pytest.approx(expected, abs=5e-7)


def by_definition(table: np.ndarray, *, squared: bool) -> float | None:
    """Observed over expected disagreement, pair by pair of answers, without a coincidence matrix."""
    units = [[value for value in column if not np.isnan(value)] for column in table.T]
    units = [unit for unit in units if len(unit) > 1]
    pooled = [value for unit in units for value in unit]

    def apart(one: float, other: float) -> float:
        return (one - other) ** 2 if squared else float(one != other)

    n = len(pooled)
    if n < 2:
        return None
    seen = sum(sum(apart(*pair) for pair in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    chance = sum(apart(*pair) for pair in permutations(pooled, 2)) / (n * (n - 1))
    return None if chance == 0 else 1 - seen / chance


@given(
    st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, float("nan")]), min_size=6, max_size=6), min_size=2, max_size=4),
    st.booleans(),
)
def test_alpha_is_what_its_definition_by_pairs_says(rows: list[list[float]], squared: bool) -> None:
    table = np.array(rows)
    found = krippendorff_alpha(table, Metric.INTERVAL if squared else Metric.NOMINAL)
    expected = by_definition(table, squared=squared)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_kappa_is_statsmodels_kappa_or_undefined(pairs: list[tuple[bool, bool]]) -> None:
    table = np.zeros((2, 2))
    for first, second in pairs:
        table[int(first), int(second)] += 1
    found = cohen_kappa(pairs)
    if found is None:
        assert {value for pair in pairs for value in pair} in ({True}, {False})
    else:
        theirs: Any = cohens_kappa(table, return_results=False)
        assert found == pytest.approx(theirs, abs=1e-9)


def test_no_answers_and_answers_that_are_all_alike_are_no_agreement() -> None:
    assert cohen_kappa([]) is None
    assert krippendorff_alpha(np.empty((2, 0))) is None
    assert krippendorff_alpha([[1.0, np.nan], [np.nan, 2.0]]) is None
    alike = of_pairs([(False, False)] * 9)
    assert (alike.pairs, alike.agreed, alike.kappa, alike.alpha) == (9, 9, None, None)


def test_pairs_are_counted_and_measured_both_ways() -> None:
    found = of_pairs([(True, True)] * 3 + [(False, False)] * 5 + [(True, False)] * 2)
    assert (found.pairs, found.agreed) == (10, 8)
    assert found.kappa == pytest.approx(0.6)
    assert found.alpha == pytest.approx(by_definition(np.array([[1] * 5 + [0] * 5, [1] * 3 + [0] * 7]), squared=False))


def test_answers_must_be_a_finite_table() -> None:
    with pytest.raises(ValueError, match="table"):
        krippendorff_alpha([1.0, 2.0])
    with pytest.raises(ValueError, match="table"):
        krippendorff_alpha([[1.0, np.inf]])
