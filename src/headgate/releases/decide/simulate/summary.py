"""What many plays come to: shares with exact intervals, days and exposures with quantiles and means.

A stage that is never left has no number of days, and no mean of them; so days are told by quantiles in which "never" is more
than any number. Harm is told by its mean too, because that is what people meet.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from headgate.releases.model.plan import Reaction
from headgate.releases.model.simulation import Simulation, StageResult, StopResult
from headgate.stats.simulation.estimates import Estimate, mean, proportion, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.releases.decide.simulate.ground import Script
    from headgate.releases.model.simulation import Play

_BOOTSTRAP = 2**32 - 1
"""The key of the bootstrap's own randomness, apart from every play's."""


def summary(script: Script, plays: Sequence[Play]) -> Simulation:
    """Return what plays of one script say together; their order must be that of their numbers.

    Args:
        script: What was played.
        plays: At least one.
    """
    runs = len(plays)
    last = len(script.grounds)
    risen = [play for play in plays if play.rose is not None]
    cut = [play for play in plays if _cut_on(play) is not None]
    waited = [(_cut_on(play) or math.inf) - (play.rose or 0.0) for play in risen]
    return Simulation(
        plan=script.digest,
        seed=script.seed,
        runs=runs,
        world=script.world,
        stages=tuple(_stage(script, plays, at) for at in range(last)),
        wrong=proportion(sum(any(visit.wrong for visit in play.visits) for play in plays), runs),
        never=proportion(sum(len(play.visits) < last for play in plays), runs),
        cut=proportion(len(cut), runs),
        stops=_stops(plays),
        harms=_amount(script, [play.harms for play in plays]),
        before_cut=_amount(script, [play.harms for play in cut]) if cut else None,
        after_rise=_amount(script, [play.risen_harms or 0 for play in risen]) if risen else None,
        noticed=(quantile(waited, 0.5), quantile(waited, 0.9)) if risen else None,
        caught=proportion(sum(math.isfinite(days) for days in waited), len(risen)) if risen else None,
        assumptions=script.assumptions,
    )


def _stage(script: Script, plays: Sequence[Play], at: int) -> StageResult:
    visits = [play.visits[at] for play in plays if len(play.visits) > at]
    days = [math.inf if visit.left is None else visit.left for visit in visits]
    return StageResult(
        stage=script.grounds[at].stage.name,
        gated=bool(script.grounds[at].stage.leave),
        opened=len(visits),
        promoted=proportion(sum(visit.left is not None for visit in visits), len(visits)),
        wrong=proportion(sum(visit.wrong for visit in visits), len(visits)),
        days=(quantile(days, 0.1), quantile(days, 0.5), quantile(days, 0.9)),
    )


def _stops(plays: Sequence[Play]) -> tuple[StopResult, ...]:
    first = Counter((stop.stage, stop.source, stop.reaction) for play in plays for stop in play.stops[:1])
    ordered = sorted(first.items(), key=lambda item: (-item[1], item[0][0], item[0][1]))
    return tuple(
        StopResult(stage, source, reaction, proportion(count, len(plays))) for (stage, source, reaction), count in ordered
    )


def _amount(script: Script, values: Sequence[int]) -> tuple[Estimate, Estimate, Estimate]:
    rng = np.random.default_rng(np.random.SeedSequence(script.seed, spawn_key=(_BOOTSTRAP,)))
    return mean(values, rng), quantile(values, 0.5), quantile(values, 0.9)


def _cut_on(play: Play) -> float | None:
    return next((stop.day for stop in play.stops if stop.reaction is Reaction.CUT), None)
