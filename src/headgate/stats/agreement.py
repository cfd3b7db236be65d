"""How far readers agree, beyond what chance would give.

Agreement is not correctness: two readers trained on one guide agree where the guide is wrong. It is reported beside the
sensitivity on gold items, never instead of it. Where chance alone explains everything (all answers alike), agreement is not
defined, and that is what is returned: ``None``, never 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


class Metric(Enum):
    """How far apart two answers are."""

    NOMINAL = "nominal"
    """Alike or not."""
    INTERVAL = "interval"
    """By the square of their difference."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two readings of the same things compare.

    Attributes:
        pairs: Things that were read twice.
        agreed: Those that were answered alike.
        kappa: Cohen's kappa; ``None`` when it is not defined.
        alpha: Krippendorff's alpha, nominal; ``None`` when it is not defined.
    """

    pairs: int
    agreed: int
    kappa: float | None
    alpha: float | None


def of_pairs(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """Return how pairs of answers to one question compare.

    Args:
        pairs: What the first and the second reader found, for each thing that both judged.
    """
    answers = np.array(pairs, np.float64).reshape(-1, 2)
    return Agreement(
        pairs=len(pairs),
        agreed=sum(first == second for first, second in pairs),
        kappa=cohen_kappa(pairs),
        alpha=krippendorff_alpha(answers.T),
    )


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa of two readers.

    Args:
        pairs: What the first and the second reader found, for each thing that both judged.

    Returns:
        At most 1; ``None`` when chance alone would make them agree always, or when there are no pairs.

    Source:
        Cohen (1960), Educ. Psychol. Meas. 20; against statsmodels in ``tests/statistics/test_agreement.py``.
    """
    if not pairs:
        return None
    count = len(pairs)
    agreed = sum(first == second for first, second in pairs) / count
    first_share = sum(first for first, _ in pairs) / count
    second_share = sum(second for _, second in pairs) / count
    by_chance = first_share * second_share + (1 - first_share) * (1 - second_share)
    return None if by_chance >= 1 else (agreed - by_chance) / (1 - by_chance)


def krippendorff_alpha(answers: ArrayLike, metric: Metric = Metric.NOMINAL) -> float | None:
    """Return Krippendorff's alpha of any number of readers who need not all have read everything.

    Args:
        answers: One row for each reader, one column for each thing; NaN where a reader did not read it. Shape ``(r, k)``.
        metric: How far apart two answers are.

    Returns:
        At most 1; ``None`` when fewer than two answers can be paired, or when all of those are alike.

    Raises:
        ValueError: The answers are no table, or one is infinite.

    Source:
        Krippendorff (2011), "Computing Krippendorff's alpha-reliability" (coincidence matrix); the published example and a
        definition by pairs in ``tests/statistics/test_agreement.py``.
    """
    table = np.asarray(answers, np.float64)
    if table.ndim != 2 or np.any(np.isinf(table)):  # noqa: PLR2004 - readers and things
        raise ValueError("answers are a table of readers by things, finite or missing")
    given = table[~np.isnan(table)]
    values, index = np.unique(given, return_inverse=True)
    counts = np.zeros((table.shape[1], values.size))
    np.add.at(counts, (np.nonzero(~np.isnan(table))[1], index), 1)
    counts = counts[counts.sum(axis=1) > 1]
    if not counts.size:
        return None
    readers = counts.sum(axis=1)
    # each ordered pair of answers to one thing, weighed so that every thing counts by how often it was answered
    together = (counts.T / (readers - 1)) @ counts - np.diag((counts.T / (readers - 1)).sum(axis=1))
    totals = together.sum(axis=1)
    pairable = float(totals.sum())
    apart = _distance(values, metric)
    expected = float((np.outer(totals, totals) * apart).sum())
    if expected <= 0 or not math.isfinite(expected):
        return None
    return 1 - (pairable - 1) * float((together * apart).sum()) / expected


def _distance(values: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    difference = values[:, None] - values[None, :]
    return (difference != 0).astype(np.float64) if metric is Metric.NOMINAL else difference**2
