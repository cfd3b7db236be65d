"""Several claims at once: when all must hold, when any may, and which of many stand out.

*All must pass* (promotion): the smallest stake speaks, with no correction, because a false promotion has to fool the one
claim that is false. *Any may fire* (alarms): an average of detectors is a detector (``alarm.log_mixture``), so several
share one time between false alarms. *Which of many* (strata, clusters): e-BH keeps the false share of what it names below
``alpha``, however the stakes depend on one another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def log_e_all(log_es: ArrayLike) -> float:
    """Return the log stake against "at least one of the claims is false": the smallest of them.

    Args:
        log_es: Nats, shape ``(h,)``, ``h >= 1``, one stake for each claim.

    Returns:
        Nats.

    Raises:
        ValueError: There is no claim, or a stake is not a number: nothing is shown by nothing.

    Source:
        Intersection-union test: Berger (1982), Technometrics 24. ``tests/statistics/test_multiple.py``.
    """
    stakes = _stakes(log_es)
    if stakes.size == 0:
        raise ValueError("all of no claims is no claim")
    return float(stakes.min())


def e_bh(log_es: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Return which of many claims stand out, with a mean false share of at most ``alpha`` among them.

    Args:
        log_es: Nats, shape ``(m,)``, one stake against each "nothing is the matter here".
        alpha: The false share that is borne, in ``(0, 1)``.

    Returns:
        Shape ``(m,)``; ``True`` where it stands out. Nothing does among none.

    Raises:
        ValueError: ``alpha`` is out of range, or a stake is not a number.

    Source:
        Wang and Ramdas (2022), JRSS-B 84, e-BH: name the k largest, k the largest with ``e_(k) >= m / (k alpha)``. Valid
        under any dependence. Example of the evidence design, section 1i. ``tests/statistics/test_multiple.py``.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"a false share must lie in (0, 1), not {alpha}")
    stakes = _stakes(log_es)
    order = np.argsort(-stakes, kind="stable")
    rank = np.arange(1, stakes.size + 1)
    over = np.flatnonzero(stakes[order] >= math.log(max(stakes.size, 1) / alpha) - np.log(rank))
    named = np.zeros(stakes.size, np.bool_)
    if over.size:
        named[order[: over[-1] + 1]] = True
    return named


def p_to_e(p: ArrayLike) -> NDArray[np.float64]:
    """Return e-values from p-values: the average over all ``kappa`` of ``kappa p^(kappa - 1)``.

    For evidence that comes as a p-value only; it wastes some of it.

    Args:
        p: In ``(0, 1]``, any shape.

    Returns:
        The shape of ``p``; ``1 / 2`` at ``p = 1``.

    Raises:
        ValueError: A p-value is out of range.

    Source:
        Vovk and Wang (2021), Ann. Statist. 49, eq. (2); 4.450992 at 0.01. ``tests/statistics/test_multiple.py``.
    """
    gap = -np.log(_p(p))
    far = np.maximum(gap, _NEAR_ONE)
    # Near p = 1 the difference loses its digits; its series does not.
    return np.where(gap > _NEAR_ONE, (np.expm1(far) - far) / far**2, 0.5 + gap / 6 + gap**2 / 24)


def p_to_e_at(p: ArrayLike, kappa: float) -> NDArray[np.float64]:
    """Return e-values from p-values: ``kappa p^(kappa - 1)``, sharper than ``p_to_e`` where ``kappa`` was well chosen.

    Args:
        p: In ``(0, 1]``, any shape.
        kappa: In ``(0, 1)``, fixed before the p-values are seen.

    Returns:
        The shape of ``p``.

    Raises:
        ValueError: A number is out of range.

    Source:
        Vovk and Wang (2021), Ann. Statist. 49, eq. (1); 5.0 at p = 0.01, kappa = 0.5. ``tests/statistics/test_multiple.py``.
    """
    if not 0 < kappa < 1:
        raise ValueError(f"kappa must lie in (0, 1), not {kappa}")
    return np.asarray(kappa * _p(p) ** (kappa - 1), np.float64)


_NEAR_ONE = 1e-4


def _stakes(log_es: ArrayLike) -> NDArray[np.float64]:
    stakes = np.asarray(log_es, np.float64)
    if stakes.ndim != 1 or np.any(np.isnan(stakes)):
        raise ValueError("stakes must be a vector of numbers")
    return stakes


def _p(p: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(p, np.float64)
    if not np.all((values > 0) & (values <= 1)):
        raise ValueError("p-values must lie in (0, 1]")
    return values
