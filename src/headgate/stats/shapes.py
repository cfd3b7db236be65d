"""The two shapes in which labels reach the arithmetic, checked once.

Counts: so many labels, so many of them harms. Draws: requests per stretch of constant floor, and for each harm the
probability with which its request was drawn. A number out of range is refused here, before it can become evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def checked_counts(labels: ArrayLike, harms: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return labels and harms as arrays.

    Args:
        labels: Whole numbers, any shape.
        harms: Whole numbers, ``0 <= harms <= labels``, a shape that broadcasts with ``labels``.

    Raises:
        ValueError: A count is negative, not whole or not finite, or harms exceed labels.
    """
    n, s = np.asarray(labels, np.float64), np.asarray(harms, np.float64)
    if not (np.all(np.isfinite(n)) and np.all(s >= 0) and np.all(s <= n) and np.all(n % 1 == 0) and np.all(s % 1 == 0)):
        raise ValueError("labels and harms must be whole numbers with 0 <= harms <= labels")
    return n, s


def checked_draws(
    requests: ArrayLike, floors: ArrayLike, harm_pi: ArrayLike, harm_floor: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return requests, floors, and harms' probabilities and floors, as vectors.

    Args:
        requests: Requests per stretch, whole numbers ``>= 0``, shape ``(k,)``.
        floors: The floor of each stretch, in ``(0, 1]``, shape ``(k,)``.
        harm_pi: Inclusion probability of each harm, in ``[its floor, 1]``, shape ``(m,)``.
        harm_floor: The floor of each harm, in ``(0, 1]``, shape ``(m,)``.

    Raises:
        ValueError: A shape, count or probability is wrong.
    """
    n, floor = np.asarray(requests, np.float64), np.asarray(floors, np.float64)
    pi, pi0 = np.asarray(harm_pi, np.float64), np.asarray(harm_floor, np.float64)
    if n.ndim != 1 or n.shape != floor.shape or pi.ndim != 1 or pi.shape != pi0.shape:
        raise ValueError("requests and floors, and likewise harms and their floors, must be vectors of one length")
    if not (np.all(np.isfinite(n)) and np.all(n >= 0) and np.all(n % 1 == 0)):
        raise ValueError("requests must be whole numbers, not negative")
    if not (np.all((floor > 0) & (floor <= 1)) and np.all((pi0 > 0) & (pi0 <= pi) & (pi <= 1))):
        raise ValueError("probabilities must satisfy 0 < floor <= pi <= 1")
    return n, floor, pi, pi0
