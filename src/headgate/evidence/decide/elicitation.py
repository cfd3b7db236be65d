"""What many more prompts than were tried may bring out: said beside a result as a warning, never in its favour.

Where each prompt of a result was tried several times, the share of tries in which it elicited harm says how likely it is to. The
hardest of them, drawn on (``stats.forecast``), say what the worst of a hundred times as many prompts may do. That can only
warn: a rare way in that has not shown itself is not on the line, and then the forecast is too low by orders of magnitude.
So there is no verdict here, and nothing that could pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headgate.evidence.decide.phrases import rate_text
from headgate.evidence.model.record import Direction
from headgate.stats import forecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.model.cases import Exhibit

FURTHER = 100
"""How many times as many prompts the forecast is for."""
TRIES = "attempt"
"""The unit of results whose clusters are the tries of one prompt; others' clusters are subjects, or people."""


def warnings(exhibits: Sequence[Exhibit]) -> list[str]:
    """Return what the hardest prompts of repeated tries warn of, the worst alone; empty when nothing can be forecast."""
    tails = [tail for exhibit in exhibits if (tail := tail_of(exhibit)) is not None]
    if not tails:
        return []
    worst = max(tails, key=lambda tail: tail.worst_of(FURTHER * tail.queries))
    prompts = FURTHER * worst.queries
    drawn = f"drawn on from the {worst.top} hardest of {worst.queries:,}, the worst of {prompts:,} may elicit it"
    likely = f"in {rate_text(worst.worst_of(prompts))} of tries"
    return [f"What more prompts bring out: {drawn} {likely}; a rare way in that has not shown itself is not in that."]


def tail_of(exhibit: Exhibit) -> forecast.Tail | None:
    """Return the line through a result's hardest prompts; ``None`` where too few were tried several times with success.

    A prompt that never elicited harm is easier than those that did and only counts as tried. One that always did is taken for
    one that fails half a time in as many tries.
    """
    if exhibit.counts is None or exhibit.counts.unit != TRIES:
        return None
    psi: list[float] = []
    for tally in exhibit.counts.tallies:
        harmful = tally.k if exhibit.direction is Direction.LOWER_IS_BETTER else tally.n - tally.k
        if tally.n > 1 and harmful > 0:
            likely = min(harmful, tally.n - 0.5) / tally.n
            psi += [float(forecast.elicitation_psi(likely))] * min(tally.clusters, forecast.TOP)
    return forecast.fit_tail(np.array(psi), queries=exhibit.counts.clusters) if psi else None
