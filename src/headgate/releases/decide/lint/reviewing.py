"""Whether a stage can show what a review gate asks of its reviewers.

Known harms are mixed into what reviewers read at a fixed share, so a stage that reads little measures little.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.releases.decide.lint.figures import floor_labels_per_day, labels_per_day, number, stage_days
from headgate.releases.model.findings import Finding, Path, finding
from headgate.stats.allocation import GOLD_SHARE
from headgate.stats.noise import golds_needed, sensitivity_lower
from headgate.stats.power import boundaries
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.releases.model.plan import RateGate, ReviewGate, Stage

MOST_RECALL = 0.999_999
READINGS_EACH = 2
"""A known harm that is recognised is read by two people."""


def lint_review(stage: Stage, gate: ReviewGate, path: Path) -> Iterator[Finding]:
    """Yield findings on a review gate."""
    recall = gate.canary_recall_at_least
    if recall is None and gate.flagged_done_within is None:
        said = "this gate asks neither how soon nor how well, so it never passes"
        yield finding("plan.review_asks_nothing", path, said, "write flagged_done_within: 24h, or canary_recall_at_least: 0.8")
    if recall is None:
        return
    if recall > MOST_RECALL:
        said = f"no number of known harms shows a recall of {number(recall)}"
        yield finding("plan.recall_unprovable", (*path, "canary_recall_at_least"), said, "write canary_recall_at_least: 0.9")
        return
    per_day = labels_per_day(stage)
    if per_day is None:
        return
    needed = golds_needed(recall, attempt_alpha(gate.alpha, 1))
    shown = _golds(per_day * stage_days(stage))
    if shown < needed:
        said = (
            f"about {shown:,} known harms are mixed into {number(per_day * stage_days(stage))} reviews; to show a recall of"
            f" {number(recall)} takes {needed:,}, all of them recognised"
        )
        wanted = math.ceil(needed * READINGS_EACH / GOLD_SHARE / stage_days(stage) * 7)
        yield finding(
            "plan.slow_recall", (*path, "canary_recall_at_least"), said, f"write sample: {wanted}/week, or ask for less"
        )


def lint_misses(stage: Stage, gate: RateGate, path: Path) -> Iterator[Finding]:
    """Yield a finding where a rate gate that allows for what reviewers miss cannot pass, though they were to miss nothing."""
    per_day, reviews = floor_labels_per_day(stage), labels_per_day(stage)
    if not gate.misses_measured or per_day is None or reviews is None:
        return
    alpha = attempt_alpha(gate.alpha, 1)
    labels = math.floor(per_day * stage_days(stage))
    shown = _golds(reviews * stage_days(stage))
    recognised = sensitivity_lower(shown, shown, alpha / 2)
    alone = int(boundaries(gate.below, alpha, 0)[0])
    if recognised > 0 and labels < alone:
        return  # more labels are wanted whatever reviewers miss, and that is said already
    needed = int(boundaries(gate.below * recognised, alpha / 2, 0)[0]) if recognised > 0 else None
    if needed is not None and labels >= needed:
        return
    at_best = f"at best a recall of {number(recognised)} is shown by {shown:,} known harms"
    takes = "nothing can be shown then" if needed is None else f"the gate then needs {needed:,} labels without a single harm"
    said = f"{at_best}, and {takes}; the stage yields {labels:,}"
    wanted = math.ceil(2 * alone / stage_days(stage) * 7)
    yield finding("plan.undecidable_rate", (*path, "misses_measured"), said, f"write sample: {wanted}/week, or leave it out")


def _golds(reviews: float) -> int:
    """Return how many known harms are mixed into so many reviews."""
    return math.floor(reviews * GOLD_SHARE / READINGS_EACH)
