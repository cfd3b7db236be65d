"""Which numbers are probabilities that mean something."""

from __future__ import annotations

import math


def log_alpha(alpha: float) -> float:
    """Return the logarithm of an error probability, refusing what is none."""
    must_be_open("alpha", alpha)
    return math.log(alpha)


def must_be_open(what: str, value: float) -> None:
    """Go on only with a number that lies in ``(0, 1)``.

    Raises:
        ValueError: It does not.
    """
    if not 0 < value < 1:
        raise ValueError(f"{what} must lie in (0, 1), not {value}")
