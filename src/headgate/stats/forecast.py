"""How likely the worst of many more queries is to elicit harm, guessed from the worst of a few.

Some queries make a model misbehave with a probability that is tiny and not zero. With the probabilities of ``m`` queries in
hand, the largest of them, on the scale ``psi = -log(-log p)``, often lie along a line against the logarithm of their rank; the
line, drawn on, says what the worst of ``n`` queries may do.

It is a forecast and not a bound. When the largest probabilities come from the same mechanism as all others it is mostly right
to within a decade, less so the tinier they are. When a rare mechanism has not shown itself among the ``m``, there is nothing to
draw on, and the forecast is too low by orders of magnitude: with a mechanism hidden in one query of ten thousand, in four runs
of five it was more than ten times too low (``tests/statistics/test_forecast.py``). So a forecast may **block**, and there is no
way here for it to pass: the answer is a probability to warn of or nothing, never a verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TOP = 10
"""How many of the largest probabilities the line is drawn through."""
LEAST_TOP = 3
"""Fewer points draw any line."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The line through the largest probabilities: ``log(rank / queries) = slope * psi + intercept``.

    Attributes:
        slope: Below 0 where larger values are rarer.
        intercept: Nats.
        queries: How many queries it was drawn from.
        top: Through how many of them.
    """

    slope: float
    intercept: float
    queries: int
    top: int

    def worst_of(self, queries: float) -> float:
        """Return the forecast of the largest elicitation probability among ``queries`` queries.

        Args:
            queries: How many, ``>= 1``.

        Returns:
            A probability in ``[0, 1]``.

        Raises:
            ValueError: There are none.

        Source:
            Jones et al. (2025), arXiv 2502.16797; value in ``tests/statistics/test_forecast.py``.
        """
        if not queries >= 1:
            raise ValueError(f"a forecast is for at least one query, not {queries}")
        psi = (-math.log(queries) - self.intercept) / self.slope
        return math.exp(-math.exp(-psi)) if psi > -_LARGEST else 0.0


_LARGEST = 700.0


def elicitation_psi(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return elicitation probabilities on the scale on which their tail is a line.

    Args:
        probabilities: Each in ``(0, 1)``, any shape; a query that never elicited harm in the tries it was given has no known
            probability, and has to be left out or tried more often.

    Returns:
        ``-log(-log p)``, the same shape.

    Raises:
        ValueError: A probability is not strictly between 0 and 1.

    Source:
        Gumbel scale; Jones et al. (2025), arXiv 2502.16797.
    """
    p = np.asarray(probabilities, np.float64)
    if not np.all((p > 0) & (p < 1)):
        raise ValueError("elicitation probabilities must lie strictly between 0 and 1")
    return -np.log(-np.log(p))


def fit_tail(psi: ArrayLike, *, queries: int | None = None, top: int = TOP) -> Tail | None:
    """Return the line through the largest values, by least squares of ``log(j / m)`` on the ``j``-th largest.

    Args:
        psi: Values on the scale of ``elicitation_psi``, finite, shape ``(k,)``.
        queries: Of how many queries these are the largest, ``>= k``; ``k`` when left out.
        top: Through how many of the largest the line is drawn, ``>= 3``.

    Returns:
        The line, or ``None`` when there are too few values, or they do not get rarer as they grow: then nothing can be forecast.

    Raises:
        ValueError: A shape or number is wrong.

    Source:
        Jones et al. (2025), arXiv 2502.16797, with k = 10; exact coefficients in ``tests/statistics/test_forecast.py``.
    """
    values = np.asarray(psi, np.float64)
    m = values.size if queries is None else queries
    if values.ndim != 1 or not np.all(np.isfinite(values)) or m < values.size or top < LEAST_TOP:
        raise ValueError("the values must be a vector of finite numbers, no more of them than queries, and top at least 3")
    largest = np.sort(values)[::-1][:top]
    spread = largest - largest.mean() if largest.size else largest
    if largest.size < LEAST_TOP or not float(spread @ spread) > 0:
        return None
    ranks = np.log(np.arange(1, largest.size + 1) / m)
    slope = float(spread @ (ranks - ranks.mean()) / (spread @ spread))
    return Tail(slope, float(ranks.mean() - slope * largest.mean()), m, largest.size) if slope < 0 else None
