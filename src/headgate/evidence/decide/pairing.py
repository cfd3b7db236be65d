"""Two results on the same items, difference by difference.

Most of what makes one evaluation differ from another is how hard its items are. Where two results name their clusters of units
(items, prompts, people) each cluster is compared with itself, and the interval is that of the mean difference
(``stats.pairing``): narrower than what two separate intervals leave, and never of width 0. What only one of them has is counted
and left out.

It compares, and shows nothing to a gate: records keep no item's name, so the names have to come from the tables themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.comparing import Paired
from headgate.stats.pairing import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    Named = Mapping[tuple[str, str, str], Mapping[str, tuple[int, int]]]

CONFIDENCE = 0.95


def pair(first: Named, second: Named, *, confidence: float = CONFIDENCE) -> tuple[Paired, ...]:
    """Return how two results differ, for each task, metric and unit of which they have clusters in common.

    Args:
        first: Units, and units that count, by task, metric and unit, and by the cluster's name.
        second: The same of the other result.
        confidence: Coverage of the two-sided intervals, in ``(0, 1)``.

    Raises:
        NotEvidence: There is nothing that both name.
    """
    found = [
        _pair(name, first[name], second[name], confidence)
        for name in first
        if name in second and _common(first[name], second[name])
    ]
    if not found:
        raise NotEvidence(
            "The two results have no cluster in common, so nothing can be paired.",
            help="Give both the same task, metric and unit, and name each item in the column cluster.",
        )
    return tuple(found)


def said(paired: Paired) -> str:
    """Return a comparison in one sentence."""
    what = f"{paired.metric} of {paired.task}"
    rates = f"{paired.first:.3f} to {paired.second:.3f}, a difference of {paired.difference:+.3f}"
    interval = f"{paired.confidence:.0%} interval {paired.low:+.3f} to {paired.high:+.3f}"
    alone = paired.only_first + paired.only_second
    left = f"; {count_text(alone, 'cluster')} that only one of them has left out" if alone else ""
    shown = "no difference is shown" if paired.low <= 0 <= paired.high else "a difference is shown"
    return f"{what}: {rates} ({interval}) over {count_text(paired.both, 'common cluster')}{left}: {shown}."


def _common(first: Mapping[str, tuple[int, int]], second: Mapping[str, tuple[int, int]]) -> list[str]:
    return [cluster for cluster in first if cluster and cluster in second]


def _pair(
    name: tuple[str, str, str],
    first: Mapping[str, tuple[int, int]],
    second: Mapping[str, tuple[int, int]],
    confidence: float,
) -> Paired:
    common = _common(first, second)
    rates = [[k / n for n, k in (side[cluster] for cluster in common)] for side in (first, second)]
    found = paired_difference(rates[1], rates[0], confidence=confidence)
    task, metric, unit = name
    return Paired(
        task=task,
        metric=metric,
        unit=unit,
        both=len(common),
        only_first=len(first) - len(common),
        only_second=len(second) - len(common),
        first=sum(rates[0]) / len(common),
        second=sum(rates[1]) / len(common),
        difference=found.mean,
        low=found.low,
        high=found.high,
        confidence=confidence,
    )
