"""Sharing out the chance of one false promotion: over the gates of a ladder, and over attempts at one gate.

The promise is "we ever promote falsely with probability at most ``total``". A union over gates costs a sum, so the shares
of a ladder's gates add up to the total. Trying a gate again after a change is a new chance to be lucky: attempt ``v``
gets ``6 / (pi^2 v^2)`` of the gate's share, and those fractions add up to one however often one tries. Several hazards
at *one* gate need no sharing: all must pass, and a false promotion must fool the one that is truly bad.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_ATTEMPT = 6 / math.pi**2
"""The first attempt's part of a gate's share: 1 over the sum of all ``1 / v^2``."""
ROUNDING = 1e-12
"""Shares written as decimals may add up to this much more than their total."""


def attempt_alpha(alpha: float, attempt: int) -> float:
    """Return what attempt number ``attempt`` at a gate may spend.

    Args:
        alpha: The gate's share over all attempts, in ``(0, 1)``.
        attempt: Counted from 1.

    Returns:
        An error probability: ``alpha * 6 / (pi^2 attempt^2)``.

    Raises:
        ValueError: ``alpha`` or ``attempt`` is out of range.

    Source:
        Euler (1735), the sum of inverse squares; union bound. Evidence design, section 1b;
        ``tests/unit/stats/test_spending.py``.
    """
    _probability(alpha)
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return alpha * FIRST_ATTEMPT / attempt**2


def ladder_alphas(total: float, gates: int) -> tuple[float, ...]:
    """Return a share for each gate of a ladder, in order, adding up to ``total``.

    The last gate, which opens the most, gets half of what each earlier one gets: ``(0.02, 0.02, 0.01)`` for 0.05.

    Args:
        total: Error probability of the whole ladder, in ``(0, 1)``.
        gates: How many gates, ``>= 1``.

    Returns:
        Shares, length ``gates``.

    Raises:
        ValueError: ``total`` or ``gates`` is out of range.

    Source:
        Evidence design, section 1b; ``tests/unit/stats/test_spending.py``.
    """
    _probability(total)
    if gates < 1:
        raise ValueError(f"a ladder has at least one gate, not {gates}")
    if gates == 1:
        return (total,)
    each = total / (gates - 0.5)
    return (*((each,) * (gates - 1)), each / 2)


def overspent(total: float, alphas: Sequence[float]) -> float:
    """Return by how much the shares of a ladder exceed its total; 0 when they do not.

    Args:
        total: Error probability of the whole ladder, in ``(0, 1)``.
        alphas: The gates' shares, each in ``(0, 1)``. For several hazards at one gate, give the largest once.

    Returns:
        An error probability, ``>= 0``.

    Raises:
        ValueError: A probability is out of range.

    Source:
        Union bound; ``tests/unit/stats/test_spending.py``.
    """
    _probability(total)
    for alpha in alphas:
        _probability(alpha)
    excess = math.fsum(alphas) - total
    return excess if excess > ROUNDING else 0.0


def _probability(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"an error probability must lie in (0, 1), not {alpha}")
