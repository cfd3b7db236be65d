"""Whether a holdback holds anybody back from anything, and whether what comes of it could show a rise."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.releases.decide.holdback import below, kept, same
from headgate.releases.decide.lint.figures import in_days, labels_per_day, number
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import SERVED_SURFACES, SoakGate
from headgate.stats.holdback import events_needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.plan import Plan, Stage

MOST_HELD_BACK = 0.5
"""With more held back than let in, the stage is not open, and its own gates starve."""
MOST_ALPHA = 0.1
WORTH_SHOWING = 10.0
"""A comparison that could not show even a tenfold rise is not worth anybody's waiting."""
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
_HORIZON = 500


def lint_holdbacks(plan: Plan) -> Iterator[Finding]:
    """Yield findings on the stages that hold somebody back."""
    for at, stage in enumerate(plan.stages):
        if stage.holdback is None:
            continue
        here: Path = ("stages", at, "holdback")
        compares = list(_whom(plan, stage, at, here))
        yield from compares
        yield from _terms(stage.holdback, here)
        yield from _time(stage, stage.holdback, here)
        if not compares:
            yield from _power(plan, stage, stage.holdback, here)


def _whom(plan: Plan, stage: Stage, at: int, here: Path) -> Iterator[Finding]:
    old = below(plan.stages, at)
    if old is None:
        said = f"`{stage.name}` is the first stage: there is no access before it that anybody could keep"
        yield finding("plan.holdback_first", here, said, "move the holdback to a later stage")
    elif stage.irreversible or SERVED_SURFACES.isdisjoint(stage.what.surfaces):
        said = f"nobody uses `{stage.name}` through this gateway, so nobody can be held back from it, or compared"
        yield finding("plan.holdback_unserved", here, said, "take the holdback out")
    elif kept(old, stage).what is None:
        said = f"`{old.name}` and `{stage.name}` have no surface in common, so who is held back could do nothing at all"
        yield finding("plan.holdback_shuts_out", here, said, "open the new surface beside an old one, or take the holdback out")
    elif same(plan, at):
        said = f"`{stage.name}` allows its people no more than `{old.name}` did, so who is held back keeps all of it"
        yield finding("plan.holdback_of_nothing", here, said, "take the holdback out, or give the stage a right that is new")


def _terms(asked: Holdback, here: Path) -> Iterator[Finding]:
    if asked.share > MOST_HELD_BACK:
        said = f"{asked.share:.0%} are held back, more than are let in"
        yield finding("plan.holdback_share", (*here, "share"), said, "write share: 0.1, or at most 0.5")
    if asked.alpha > MOST_ALPHA:
        said = f"a rise that is none would be called in {asked.alpha:.0%} of releases"
        yield finding("plan.alpha_range", (*here, "alpha"), said, "write alpha: 0.05")


def _time(stage: Stage, asked: Holdback, here: Path) -> Iterator[Finding]:
    path = (*here, "window")
    if asked.window < _DAY:
        said = f"in {span_text(asked.window)} there is no whole day to compare"
        yield finding("plan.holdback_window", path, said, "write window: 7d")
    elif asked.window < _WEEK:
        said = f"{span_text(asked.window)} do not see every day of the week"
        yield finding("plan.short_holdback", path, said, "write window: 7d")
    soak = next((gate for gate in stage.leave if isinstance(gate, SoakGate)), None)
    if stage.leave and (soak is None or soak.active_days < in_days(asked.window)):
        least = "at once" if soak is None else f"after {soak.active_days} days"
        said = f"`{stage.name}` may be left {least}, before anybody was compared for {span_text(asked.window)}"
        fix = f"add - soak: {{active_days: {math.ceil(in_days(asked.window))}}}, or write a shorter window"
        yield finding("plan.holdback_outlasts", path, said, fix)


def _power(plan: Plan, stage: Stage, asked: Holdback, here: Path) -> Iterator[Finding]:
    """Compare the harms that the comparison can expect, if access raises them tenfold, with those that it takes to show it."""
    labels = labels_per_day(stage)
    if labels is None or not 0 < asked.share <= MOST_HELD_BACK or not plan.hazards:
        return
    share, alpha = 1 - asked.share, asked.alpha / len(plan.hazards)
    needed = events_needed(share, WORTH_SHOWING, alpha, horizon=_HORIZON).mean
    short: list[str] = []
    for name, hazard in plan.hazards.items():
        if hazard.expected is None:
            continue
        usual = hazard.expected * labels * in_days(asked.window)
        risen = min(usual * (share * WORTH_SHOWING + asked.share), float(stage.who.seats or math.inf))
        if risen < needed:
            short.append(f"about {number(risen)} of `{name}`")
    if short:
        said = (
            f"if access raised harm tenfold, its labels would show {' and '.join(short)} in {span_text(asked.window)};"
            f" it takes {math.ceil(needed)} to tell, {asked.share:.0%} held back"
        )
        half = events_needed(MOST_HELD_BACK, WORTH_SHOWING, alpha, horizon=_HORIZON).mean
        more = f"hold back half (it then takes {math.ceil(half)}), " if asked.share < MOST_HELD_BACK else ""
        fix = f"{more}compare for longer, and draw more for review; or know that it shows only the gravest rise"
        yield finding("plan.holdback_undecided", here, said, fix)
