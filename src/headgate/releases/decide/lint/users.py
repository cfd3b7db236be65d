"""Whether a stage has the people for what it wants shown of its users.

Requests do not help: so many users show no mean share of harm below about 3.6 times the worst share over their number, and
where only a part of what they do is drawn for review, below that many times more. The arithmetic is exact
(``headgate.stats.users``); the expected use is the planner's word.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.releases.decide.lint.figures import floor_labels_per_day, in_days, number, stage_days, use_per_day
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import Plan, RateGate, Stage
from headgate.stats.spending import attempt_alpha
from headgate.stats.users import clean_users_to_go, tightest_share, typical_users

if TYPE_CHECKING:
    from collections.abc import Iterator


def lint_users(plan: Plan) -> Iterator[Finding]:
    """Yield findings on gates that ask for a share of users."""
    for at, stage in enumerate(plan.stages):
        for position, gate in enumerate(stage.leave):
            if isinstance(gate, RateGate):
                path: Path = ("stages", at, "leave", position, gate.kind)
                yield from _of_users(plan, stage, gate, path) if gate.of == "users" else _of_traffic(gate, path)


def _of_traffic(gate: RateGate, path: Path) -> Iterator[Finding]:
    if gate.window is not None:
        said = "traffic is counted from the stage's beginning, and the window is for a gate on users"
        yield finding("plan.idle_window", (*path, "window"), said, "write of: users, or take the window out")


def _of_users(plan: Plan, stage: Stage, gate: RateGate, path: Path) -> Iterator[Finding]:
    hazard = plan.hazards.get(gate.hazard)
    if hazard is None:
        return
    here: Path = ("hazards", gate.hazard)
    if hazard.limit.users is None:
        said = f"`{gate.hazard}` does not say which share among users is tolerated, and `{stage.name}` has a gate on it"
        yield finding("plan.users_without_limit", (*here, "limit"), said, f"write limit: {{users: {number(gate.below)}}}")
    if hazard.worst_share is None:
        said = f"`{gate.hazard}` does not say how much of one user's use enforcement lets be harmful"
        fix = "write worst_share: 1 to assume nothing of enforcement, or the share at which it stops a user for certain"
        yield finding("plan.no_worst_share", here, said, fix)
    worst = plan.worst_share(gate.hazard)
    if gate.below >= worst:
        said = f"no user's share of `{gate.hazard}` exceeds {number(worst)}, so a mean below {number(gate.below)} shows nothing"
        yield finding("plan.below_worst_share", (*path, "below"), said, f"write a bound below {number(worst)}")
        return
    if stage.watch is None:
        said = f"nobody labels anything on `{stage.name}`, so nothing can be shown of its users"
        yield finding("plan.undecidable_rate", path, said, "add watch: {sample: all, reviewers: 2}")
        return
    if hazard.expected is not None and hazard.expected >= gate.below:
        said = f"{number(hazard.expected)} of `{gate.hazard}` is expected, so a mean below {number(gate.below)} cannot be shown"
        fix = f"write a bound above {number(hazard.expected)}, or mitigate first"
        yield finding("plan.undecidable_rate", (*path, "below"), said, fix)
        return
    yield from _time(stage, gate, path)
    yield from _people(stage, gate, worst, hazard.expected, path)


def _time(stage: Stage, gate: RateGate, path: Path) -> Iterator[Finding]:
    span = stage_days(stage)
    if in_days(gate.observed_for) > span:
        said = f"each user is observed for {span_text(gate.observed_for)}, and the stage lasts {number(span)} days"
        fix = f"write window: {math.floor(span)}d or less, or a soak with a later at_most"
        yield finding("plan.undecidable_rate", (*path, "window"), said, fix)


def _people(stage: Stage, gate: RateGate, worst: float, expected: float | None, path: Path) -> Iterator[Finding]:
    seats, floor, alpha = stage.who.seats, _drawn(stage), attempt_alpha(gate.alpha, 1)
    if seats is None or floor <= 0:
        return
    needed = clean_users_to_go([], [], gate.below, alpha, worst, floor=floor)
    if seats >= needed:
        yield from _likely(seats, gate, worst, expected, floor, path)
        return
    least = tightest_share(seats, alpha, worst, floor=floor)
    looked_at = "" if floor == 1 else f", of whose use about {number(floor)} is drawn"
    shows = f"show no mean share below {number(least)}" if least < worst else "show nothing of users"
    said = (
        f"{seats:,} users{looked_at}, {shows}; without any harm the gate needs {needed:,}"
        f" (below {number(gate.below)}, worst share {number(worst)}, alpha {number(gate.alpha)}, first attempt)"
    )
    options = [f"seats: {needed}"]
    if floor < 1 and clean_users_to_go([], [], gate.below, alpha, worst) <= seats:
        options.append("sample: all")
    if least < worst:
        options.append(f"below: {number(math.ceil(least * 1e4) / 1e4)}")
    yield finding("plan.undecidable_rate", path, said, f"write {', or '.join(options)}")


def _likely(seats: int, gate: RateGate, worst: float, expected: float | None, floor: float, path: Path) -> Iterator[Finding]:
    if expected is None:
        return
    typical = typical_users(expected, gate.below, attempt_alpha(gate.alpha, 1), worst, floor=floor)
    if seats >= typical:
        return
    takes = f"takes about {typical:,.0f} users" if math.isfinite(typical) else "is out of reach for any number of users"
    said = f"at the expected {number(expected)}, done by few who do as much as they can, a pass {takes}; the stage has {seats:,}"
    fix = f"write seats: {typical:.0f}" if math.isfinite(typical) else f"write a bound above {number(2 * expected)}"
    yield finding("plan.slow_rate", path, said, fix)


def _drawn(stage: Stage) -> float:
    """Return the share of the stage's use that is drawn at random, as far as the plan tells; 1 where it does not."""
    use, drawn = use_per_day(stage), floor_labels_per_day(stage)
    return 1.0 if not use or drawn is None else min(1.0, drawn / use)
