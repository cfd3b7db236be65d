"""What a finished evaluation bounds: ``k`` of ``n`` items, in clusters, tried once or several times.

An evaluation is looked at once, so its bounds are those of a fixed sample. Four things go wrong where people print
``p ± 1.96 s.e.``, and each has its answer here:

* **Nothing went wrong in ``n`` items** is not "rate 0, standard error 0". The exact bound is ``1 - alpha**(1/n)``
  (Clopper and Pearson).
* **Items come in clusters**: several questions on one passage, several runs of one item. Errors within a cluster add up
  (``clustered_se``). With few clusters the normal quantile is too small, so Student's t with C - 1 degrees of freedom is
  used throughout, and the bound is never tighter than the exact one at the *effective* number of items; when every item
  came out alike the data cannot show how much clusters matter, and then a cluster counts as one item.
* **An attacker tries more than once.** ``pass_at_k`` is the unbiased estimate from repeated runs; ``within_attempts``
  carries a bound on the rate of one try over to several.
* **Somebody else elicits more.** No data in the loop bounds that. The margin is declared, added to the bound, and never 0:
  ``margin_reading``.

Two versions are compared on the same items, difference by difference (``stats.pairing``); comparing two separate intervals
wastes what the items have in common.

Here ``alpha`` is always one-sided: a two-sided interval of confidence ``c`` takes ``alpha = (1 - c) / 2`` at each end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class MarginReading:
    """An evaluation read against a threshold, with a margin for elicitation that nobody has tried.

    Attributes:
        rate: ``k / n``.
        lower: Lower bound of the rate at ``alpha``.
        upper: Upper bound of the rate at ``alpha``.
        slack: ``threshold - (upper + margin)``; what is left over, negative when the threshold is not cleared.
        below: The upper bound and the margin together lie below the threshold.
        above: The lower bound, without any margin, is at or above the threshold: what was measured is too much already.
    """

    rate: float
    lower: float
    upper: float
    slack: float
    below: bool
    above: bool


def exact_lower(k: float, n: float, alpha: float) -> float:
    """Return the Clopper-Pearson lower bound of a rate.

    Args:
        k: Items that count, ``0 <= k <= n``; need not be whole (an effective number).
        n: Items, ``> 0``.
        alpha: One-sided error probability, in ``(0, 1)``.

    Returns:
        A rate in ``[0, 1]``; 0 when ``k`` is 0.

    Raises:
        ValueError: A count or ``alpha`` is out of range.

    Source:
        Clopper and Pearson (1934), Biometrika 26; checked against ``scipy.stats.binomtest`` and statsmodels in
        ``tests/statistics/test_evaluations.py``.
    """
    _checked_rate(k, n, alpha)
    return 0.0 if k <= 0 else float(special.betaincinv(k, n - k + 1, alpha))


def exact_upper(k: float, n: float, alpha: float) -> float:
    """Return the Clopper-Pearson upper bound of a rate; ``1 - alpha**(1/n)`` when nothing counted.

    Args:
        k: As in ``exact_lower``.
        n: As in ``exact_lower``.
        alpha: As in ``exact_lower``.

    Returns:
        A rate in ``(0, 1]``; 1 when ``k`` is ``n``.

    Raises:
        ValueError: A count or ``alpha`` is out of range.

    Source:
        As ``exact_lower``.
    """
    _checked_rate(k, n, alpha)
    if k >= n:
        return 1.0
    return -math.expm1(math.log(alpha) / n) if k <= 0 else float(special.betaincinv(k + 1, n - k, 1 - alpha))


def items_for_zero(limit: float, alpha: float) -> int:
    """Return how many items without a single success show that the rate is below ``limit``.

    Args:
        limit: A rate, in ``(0, 1)``.
        alpha: One-sided error probability, in ``(0, 1)``.

    Returns:
        The least ``n`` with ``1 - alpha**(1/n) < limit``.

    Raises:
        ValueError: An argument is out of range.

    Source:
        ``exact_upper`` at 0 of n, solved for n; ``tests/statistics/test_evaluations.py``.
    """
    if not (0 < limit < 1 and 0 < alpha < 1):
        raise ValueError("a limit and alpha must lie in (0, 1)")
    least = max(1, math.floor(math.log(alpha) / math.log1p(-limit)))
    while exact_upper(0, least, alpha) >= limit:
        least += 1
    return least


def pass_at_k(n: ArrayLike, c: ArrayLike, k: int) -> NDArray[np.float64]:
    """Return the unbiased estimate of "at least one of ``k`` tries succeeds", for items that were tried ``n`` times.

    Args:
        n: Tries of each item, whole numbers ``>= k``, any shape.
        c: Successes of each, ``0 <= c <= n``, a shape that broadcasts with ``n``.
        k: Tries that an attacker can afford, ``>= 1``.

    Returns:
        Probabilities, in the broadcast shape: ``1 - C(n - c, k) / C(n, k)``.

    Raises:
        ValueError: A count is out of range, or an item was tried fewer than ``k`` times.

    Source:
        Chen et al. (2021), arXiv 2107.03374, equation 1; checked against enumeration of all subsets in
        ``tests/statistics/test_evaluations.py``.
    """
    tries, successes = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(c, np.float64))
    whole = np.all(tries % 1 == 0) and np.all(successes % 1 == 0)
    if k < 1 or not (whole and np.all(successes >= 0) and np.all(successes <= tries) and np.all(tries >= k)):
        raise ValueError("each item needs at least k tries, and successes among them, in whole numbers")
    failures = tries - successes
    # log of C(n - c, k) / C(n, k); where fewer than k failures exist, some try must succeed
    possible = failures >= k
    held = np.where(possible, failures, k)
    log_ratio = (
        special.gammaln(held + 1) - special.gammaln(held - k + 1) - special.gammaln(tries + 1) + special.gammaln(tries - k + 1)
    )
    return np.where(possible, np.clip(-np.expm1(log_ratio), 0.0, 1.0), 1.0)


def within_attempts(rate: float, attempts: int) -> float:
    """Return a bound on the mean chance that one of several tries succeeds, from a bound on the rate of one try.

    Items may differ as they like: ``1 - (1 - p)**attempts`` is concave, so its mean over items is at most its value at the
    mean (Jensen). Tries of one item must be independent given the item; an attacker who learns from a failure is not
    covered, and belongs in the margin.

    Args:
        rate: An upper bound on the mean rate of one try, in ``[0, 1]``.
        attempts: Tries, ``>= 1``.

    Returns:
        ``1 - (1 - rate)**attempts``.

    Raises:
        ValueError: An argument is out of range.

    Source:
        Jensen's inequality; ``tests/statistics/test_evaluations.py`` sets it against mixtures of items.
    """
    if not (0 <= rate <= 1 and attempts >= 1):
        raise ValueError("a rate lies in [0, 1], and there is at least one attempt")
    return 1.0 if rate == 1 else -math.expm1(attempts * math.log1p(-rate))


def clustered_se(scores: ArrayLike, clusters: ArrayLike) -> float:
    """Return the standard error of a mean score whose items come in clusters.

    The square of the standard error for independent items, plus the mean product of residuals within clusters.

    Args:
        scores: Scores of the items, shape ``(n,)``, finite.
        clusters: Which cluster each belongs to, shape ``(n,)``; any labels that can be sorted.

    Returns:
        In units of the score; 0 when all residuals cancel within their clusters.

    Raises:
        ValueError: The shapes differ, there are no items, or a score is not finite.

    Source:
        Miller (2024), arXiv 2411.00640, section 2.2: no small-sample correction, as there. Checked against statsmodels
        (cluster-robust, without correction) in ``tests/statistics/test_evaluations.py``.
    """
    values = np.asarray(scores, np.float64)
    labels = np.asarray(clusters)
    if values.ndim != 1 or values.shape != labels.shape or values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError("scores and clusters must be vectors of one length, not empty, and scores finite")
    _, which = np.unique(labels, return_inverse=True)
    sums = np.bincount(which, weights=values - values.mean())
    return float(np.sqrt(sums @ sums)) / values.size


def clustered_se_of_counts(sizes: ArrayLike, successes: ArrayLike, copies: ArrayLike) -> float:
    """Return the clustered standard error of a rate from clusters of counts.

    Args:
        sizes: Items in each kind of cluster, whole numbers ``>= 1``, shape ``(m,)``.
        successes: Those that count in each, shape ``(m,)``.
        copies: How many clusters of that kind there are, ``>= 1``, shape ``(m,)``.

    Returns:
        As ``clustered_se`` for the same items written out.

    Raises:
        ValueError: A shape or count is wrong.

    Source:
        As ``clustered_se``; a test writes the items out.
    """
    size, success, copy = _checked_tallies(sizes, successes, copies)
    items = float(size @ copy)
    residual = success - size * (float(success @ copy) / items)
    return math.sqrt(float(residual**2 @ copy)) / items


def effective_items(sizes: ArrayLike, successes: ArrayLike, copies: ArrayLike, alpha: float) -> float:
    """Return how many independent items the clusters are worth, for a bound at ``alpha``.

    ``n / d``, with the design effect ``d`` the ratio of the clustered variance (times C / (C - 1), which removes most of its
    small-sample bias) to that of independent items; then shrunk by the squared ratio of Student's quantiles, because ``d``
    is itself an estimate. How good an estimate depends less on the number of clusters than on how many hold a success and
    how many hold a failure: one success in a hundred clusters says nothing of how successes go together. The smaller of
    the two is taken as the degrees of freedom. However large ``d`` seems, items cannot be worth less than if each cluster
    were one item copied over, ``(sum n_c)**2 / sum n_c**2``; where all items came out alike there is no variance to look
    at, and this worst case is assumed.

    Args:
        sizes: As in ``clustered_se_of_counts``.
        successes: As in ``clustered_se_of_counts``.
        copies: As in ``clustered_se_of_counts``.
        alpha: One-sided error probability, in ``(0, 1/2]``.

    Returns:
        A number of items, in ``[1, n]``; ``n`` when each item is its own cluster.

    Raises:
        ValueError: A shape, count or ``alpha`` is out of range.

    Source:
        Kish (1965), Survey Sampling (design effect); Korn and Graubard (1998), Survey Methodology 24 (effective size in an
        exact bound, with t). The degrees of freedom are ours: with C - 1 the bound missed in 28% of runs instead of 5% at
        100 clusters of ten items, a rate of 1% and strong agreement. ``tests/statistics/test_evaluations.py``.
    """
    size, success, copy = _checked_tallies(sizes, successes, copies)
    _one_sided(alpha)
    items, clusters = float(size @ copy), float(copy.sum())
    rate = float(success @ copy) / items
    if clusters == items:
        return items
    copied_over = items**2 / float(size**2 @ copy)
    if rate in {0.0, 1.0} or clusters < 2:  # noqa: PLR2004 - one cluster has no spread
        return copied_over
    variance = clustered_se_of_counts(size, success, copy) ** 2 * clusters / (clusters - 1)
    worth = rate * (1 - rate) / variance if variance > 0 else items
    holding_both = min(float(copy[success > 0].sum()), float(copy[success < size].sum()))
    quantile = student(alpha, min(clusters - 1, holding_both))
    shrink = (student(alpha, items - 1) / quantile) ** 2 if quantile > 0 else 1.0
    return min(items, max(copied_over, worth * shrink))


def clustered_lower(sizes: ArrayLike, successes: ArrayLike, copies: ArrayLike, alpha: float) -> float:
    """Return a lower bound of a rate whose items come in clusters: the mirror of ``clustered_upper``.

    Args:
        sizes: As in ``clustered_se_of_counts``.
        successes: As in ``clustered_se_of_counts``.
        copies: As in ``clustered_se_of_counts``.
        alpha: One-sided error probability, in ``(0, 1/2]``.

    Returns:
        A rate in ``[0, 1]``.

    Raises:
        ValueError: A shape, count or ``alpha`` is out of range.

    Source:
        As ``clustered_upper``.
    """
    size, success, copy = _checked_tallies(sizes, successes, copies)
    return 1.0 - clustered_upper(size, size - success, copy, alpha)


def clustered_upper(sizes: ArrayLike, successes: ArrayLike, copies: ArrayLike, alpha: float) -> float:
    """Return an upper bound of a rate whose items come in clusters.

    The larger of two: mean plus Student's t with C - 1 degrees of freedom times the clustered standard error; and the exact
    bound at ``effective_items``. When each item is its own cluster this is the exact bound. One cluster bounds nothing.

    Args:
        sizes: As in ``clustered_se_of_counts``.
        successes: As in ``clustered_se_of_counts``.
        copies: As in ``clustered_se_of_counts``.
        alpha: One-sided error probability, in ``(0, 1/2]``.

    Returns:
        A rate in ``(0, 1]``.

    Raises:
        ValueError: A shape, count or ``alpha`` is out of range.

    Source:
        Miller (2024), arXiv 2411.00640 (standard error; t below thirty clusters); Korn and Graubard (1998), Survey
        Methodology 24 (exact bound at the effective size). Coverage by simulation over cluster sizes and correlations:
        ``tests/statistics/test_evaluations.py``.
    """
    size, success, copy = _checked_tallies(sizes, successes, copies)
    _one_sided(alpha)
    items, clusters = float(size @ copy), float(copy.sum())
    total = float(success @ copy)
    if clusters == items:
        return exact_upper(total, items, alpha)
    if clusters < 2:  # noqa: PLR2004 - one cluster has no spread
        return 1.0
    rate = total / items
    error = clustered_se_of_counts(size, success, copy) * math.sqrt(clusters / (clusters - 1))
    worth = effective_items(size, success, copy, alpha)
    return min(1.0, max(rate + student(alpha, clusters - 1) * error, exact_upper(rate * worth, worth, alpha)))


def margin_reading(
    sizes: ArrayLike, successes: ArrayLike, copies: ArrayLike, *, alpha: float, margin: float, threshold: float
) -> MarginReading:
    """Read an evaluation against a threshold: is its upper bound, with the margin on top, below it?

    The margin stands for what better elicitation than the evaluator's would add: the largest gain that fine-tuning,
    scaffolding or best-of-n brought on the model before, declared and argued beforehand. It is not statistics, and 0 is
    refused: an evaluation that found everything there is to find has not been seen yet.

    Args:
        sizes: As in ``clustered_se_of_counts``; for independent items, one kind of cluster of size 1 for each outcome.
        successes: Items that count *against* safety (solved, attacked with success, not refused).
        copies: As in ``clustered_se_of_counts``.
        alpha: One-sided error probability of each bound, in ``(0, 1/2]``.
        margin: Declared margin, a rate in ``(0, 1)``.
        threshold: The limit for the exposure in question, a rate in ``(0, 1]``.

    Returns:
        The reading. ``below`` and ``above`` are never both true; both are false when the evaluation cannot tell.

    Raises:
        ValueError: A shape, count, ``alpha``, the margin or the threshold is out of range.

    Source:
        evidence.md 1g: ``U_eval(alpha) + delta_elicit < threshold``; ``tests/statistics/test_evaluations.py``.
    """
    if not (0 < margin < 1 and 0 < threshold <= 1):
        raise ValueError("the margin must lie in (0, 1) and the threshold in (0, 1]")
    size, success, copy = _checked_tallies(sizes, successes, copies)
    lower = clustered_lower(size, success, copy, alpha)
    upper = clustered_upper(size, success, copy, alpha)
    return MarginReading(
        rate=float(success @ copy) / float(size @ copy),
        lower=lower,
        upper=upper,
        slack=threshold - (upper + margin),
        below=upper + margin < threshold,
        above=lower >= threshold,
    )


def thresholds_in_order(api: float | None, theft: float | None, open_weights: float | None) -> bool:
    """Return whether the thresholds grow no laxer as the model gets further out of hand.

    What is served can be stopped; what was stolen cannot be called back, and may not have been; what was given away is with
    everybody. So the threshold for open weights may not exceed that for theft, nor that the one for the API.

    Args:
        api: Threshold while the model is served, or ``None`` where none is declared.
        theft: Threshold for weights that may be stolen, or ``None``.
        open_weights: Threshold for weights that are given away, or ``None``.

    Returns:
        Whether those that are declared do not rise in this order.

    Raises:
        ValueError: A threshold is not a rate in ``(0, 1]``.
    """
    declared = [threshold for threshold in (api, theft, open_weights) if threshold is not None]
    if not all(0 < threshold <= 1 for threshold in declared):
        raise ValueError("a threshold must lie in (0, 1]")
    return all(later <= earlier for earlier, later in pairwise(declared))


def _one_sided(alpha: float) -> None:
    if not 0 < alpha <= 0.5:  # noqa: PLR2004 - beyond one half a quantile turns round
        raise ValueError(f"alpha must lie in (0, 1/2], not {alpha}")


def student(alpha: float, freedom: float) -> float:
    """Return the value that Student's t exceeds with probability ``alpha``.

    Args:
        alpha: In ``(0, 1)``.
        freedom: Degrees of freedom, ``> 0``.
    """
    return -float(special.stdtrit(freedom, alpha))


def _checked_rate(k: float, n: float, alpha: float) -> None:
    if not (0 <= k <= n and n > 0 and math.isfinite(n)):
        raise ValueError("counts must satisfy 0 <= k <= n with n above 0")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), not {alpha}")


def _checked_tallies(
    sizes: ArrayLike, successes: ArrayLike, copies: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    size, success, copy = (np.asarray(counts, np.float64) for counts in (sizes, successes, copies))
    if size.ndim != 1 or size.size == 0 or size.shape != success.shape or size.shape != copy.shape:
        raise ValueError("sizes, successes and copies must be vectors of one length, not empty")
    everything = np.stack((size, success, copy))
    if not np.all(np.isfinite(everything)) or not np.all(everything % 1 == 0):
        raise ValueError("counts must be whole numbers")
    if not (np.all(size >= 1) and np.all(success >= 0) and np.all(success <= size) and np.all(copy >= 1)):
        raise ValueError("counts must satisfy 0 <= successes <= size, with sizes and copies of at least 1")
    return size, success, copy
