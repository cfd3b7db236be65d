"""Whether a stage can decide its own gates: labels, days and people on one side, what each gate needs on the other.

The arithmetic is exact (``headgate.stats.power``); only the expected use and the expected rates are the planner's word.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.releases.decide.lint.figures import (
    FLOOR_SHARE,
    floor_labels_per_day,
    in_days,
    labels_per_day,
    number,
    seats_by,
    stage_days,
    use_per_day,
)
from headgate.releases.decide.lint.reviewing import lint_misses, lint_review
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import (
    ExposureGate,
    Gate,
    Plan,
    RateGate,
    ReviewGate,
    RiseWire,
    SoakGate,
    Stage,
    Stream,
)
from headgate.releases.model.scalars import Everything
from headgate.releases.model.wires import paid_from
from headgate.stats.allocation import LARGEST_LOAD
from headgate.stats.power import alarm_labels, boundaries, decidable
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from collections.abc import Iterator

REVIEW_HOURS_PER_WEEK = 30
USER_CLAIM = 3.6
"""With n users, no rate of users below this times the worst share over n can be shown (evidence design, finding 6)."""
TOO_CLOSE = 0.6
"""Above this part of the bound, the gate's best bet barely grows, and labels run into the hundreds of thousands."""
_MANY = 64


def lint_power(plan: Plan) -> Iterator[Finding]:
    """Yield findings on gates and tripwires that the stage cannot feed."""
    for at, stage in enumerate(plan.stages):
        if stage.irreversible:
            continue
        here: Path = ("stages", at)
        yield from _known(stage, here)
        for position, gate in enumerate(stage.leave):
            path = (*here, "leave", position, gate.kind)
            match gate:
                case RateGate(of="traffic"):
                    yield from _rate(plan, stage, gate, path)
                    yield from lint_misses(stage, gate, path)
                case SoakGate():
                    yield from _soak(stage, gate, path)
                case ExposureGate():
                    yield from _exposure(stage, gate, path)
                case ReviewGate():
                    yield from lint_review(stage, gate, path)
                case _:
                    pass
        yield from _dwell(stage, here)
        yield from _review(stage, here)
    yield from _users(plan)


def _known(stage: Stage, here: Path) -> Iterator[Finding]:
    reckons = any(isinstance(gate, RateGate | SoakGate | ExposureGate) for gate in stage.leave)
    if reckons and stage.how_much.expected_use is None and stage.who.seats is not None:
        said = f"`{stage.name}` does not say how much a seat will send, so lint cannot tell whether its gates can be decided"
        yield finding("plan.no_expected_use", here, said, "add expected_use: 20 to how_much (requests per seat per day)")


def _rate(plan: Plan, stage: Stage, gate: RateGate, path: Path) -> Iterator[Finding]:
    per_day = floor_labels_per_day(stage)
    hazard = plan.hazards.get(gate.hazard)
    expected = None if hazard is None else hazard.expected
    if expected is not None and expected >= gate.below:
        said = f"{number(expected)} of `{gate.hazard}` is expected, so a bound of {number(gate.below)} cannot be shown"
        yield finding(
            "plan.undecidable_rate", (*path, "below"), said, f"write a bound above {number(expected)}, or mitigate first"
        )
        return
    if stage.watch is None:
        said = f"nobody labels anything on `{stage.name}`, so no rate can be shown"
        yield finding("plan.undecidable_rate", path, said, "add watch: {sample: 400/week, reviewers: 2}")
        return
    if per_day is None:
        return
    alpha = attempt_alpha(gate.alpha, 1)
    span = stage_days(stage)
    labels = math.floor(per_day * span)
    needed = int(boundaries(gate.below, alpha, 0)[0])
    if labels < needed:
        said = (
            f"the stage yields {labels:,} labels in {number(span)} days ({_yield(stage, per_day)}); without a single harm the"
            f" gate needs {needed:,} (below {number(gate.below)}, alpha {number(gate.alpha)}, first attempt)"
        )
        yield finding("plan.undecidable_rate", path, said, _cheapest(stage, gate, labels, needed, per_day))
        return
    if expected is None:
        return
    if expected > TOO_CLOSE * gate.below:
        said = f"{number(expected)} of `{gate.hazard}` is expected, too close to {number(gate.below)} to be told from it in time"
        yield finding(
            "plan.slow_rate", (*path, "below"), said, f"write a bound above {number(expected / 0.5)}, or mitigate first"
        )
        return
    law = decidable(gate.below, alpha, min(labels, _MANY * needed), expected=expected)
    if law.labels_expected is None or labels < law.labels_expected:
        likely = "more than can be reckoned" if law.labels_expected is None else f"{law.labels_expected:,}"
        said = (
            f"at the expected {number(expected)} a pass with probability {number(law.chance_wanted)} takes {likely} labels;"
            f" the stage yields {labels:,}, which pass with {number(law.chance)}"
        )
        wanted = law.labels_expected or _MANY * needed
        yield finding("plan.slow_rate", path, said, _cheapest(stage, gate, labels, wanted, per_day))


def _yield(stage: Stage, per_day: float) -> str:
    """Return where a stage's labels come from: ``20 seats * 20 a day = 400, of which 50 are drawn at random``."""
    use, seats = use_per_day(stage), stage.who.seats
    drawn = f"{number(per_day)} a day are drawn at random"
    if use is None or seats is None:
        return drawn
    return f"{seats:,} seats * {number(use / seats)} a day = {number(use)}, of which {number(per_day)} are drawn at random"


def _cheapest(stage: Stage, gate: RateGate, labels: int, needed: int, per_day: float) -> str:
    """Return the smallest change that yields the labels: draw more of the traffic there is, stay longer, or ask for less."""
    span = stage_days(stage)
    use = use_per_day(stage)
    options: list[str] = []
    wanted = math.ceil(needed / span)
    if stage.watch is not None and not isinstance(stage.watch.sample, Everything) and (use is None or use >= wanted):
        options.append(f"sample: {math.ceil(wanted * 7 / FLOOR_SHARE)}/week")
    if per_day > 0 and needed / per_day <= 4 * span:
        options.append(f"soak at_most: {math.ceil(needed / per_day)}d")
    if use is not None and use < wanted and stage.who.seats is not None and per_day > 0:
        options.append(f"seats: {math.ceil(stage.who.seats * wanted / use)}")
    if labels > 0:
        options.append(f"below: {number(math.ceil(gate.below * needed / labels * 1e4) / 1e4)}")
    return f"write {', or '.join(options[:3])}" if options else "let the stage serve and review more"


def _soak(stage: Stage, gate: SoakGate, path: Path) -> Iterator[Finding]:
    span = stage_days(stage)
    if gate.active_days > span:
        said = f"{gate.active_days} active days do not fit into {number(span)} days"
        yield finding("plan.undecidable_soak", path, said, f"write at_most: {gate.active_days + 7}d")
        return
    use = use_per_day(stage)
    if use is None:
        return
    active = span * -math.expm1(-use)
    if active < gate.active_days:
        said = f"at {number(use)} a day, {number(active)} of {number(span)} days see any use; the gate needs {gate.active_days}"
        yield finding("plan.undecidable_soak", path, said, "give it more seats or more time, or ask for fewer days")


def _exposure(stage: Stage, gate: ExposureGate, path: Path) -> Iterator[Finding]:
    seats = stage.who.seats
    if seats is not None:
        for key, asked in (("accounts", gate.accounts), ("organisations", gate.organisations)):
            if asked is not None and asked > seats:
                said = f"{asked:,} {key} cannot come from {seats:,} seats"
                yield finding("plan.undecidable_exposure", (*path, key), said, f"write {key}: {seats} or less, or more seats")
    use = use_per_day(stage)
    if gate.exchanges is not None and use is not None and use * stage_days(stage) < gate.exchanges:
        span = stage_days(stage)
        said = (
            f"{number(use)} exchanges a day make {number(use * span)} in {number(span)} days; the gate needs {gate.exchanges:,}"
        )
        fix = f"write exchanges: {math.floor(use * span)} or less, or give it more seats or more time"
        yield finding("plan.undecidable_exposure", (*path, "exchanges"), said, fix)


def _dwell(stage: Stage, here: Path) -> Iterator[Finding]:
    """Compare the least time on the stage with the time its tripwires need to notice what they are for."""
    if not stage.leave:
        return
    per_day = floor_labels_per_day(stage)
    least = max((_least_days(gate, per_day) for gate in stage.leave), default=0.0)
    if per_day is None:
        return
    for position, wire in enumerate(stage.stop):
        if not isinstance(wire, RiseWire) or wire.from_ >= wire.to or wire.false_alarm_every <= wire.look_every:
            continue
        path = (*here, "stop", position, "rise")
        if wire.window is not None and in_days(wire.window) > least:
            said = (
                f"`{wire.id}` looks at nobody before {span_text(wire.window)} are over; the stage may end after {_lasting(least)}"
            )
            fix = f"add - soak: {{active_days: {math.ceil(in_days(wire.window))}}}, or write a shorter window"
            yield finding("plan.short_dwell", path, said, fix)
        if wire.of is not Stream.LABELS:
            continue  # how many users there will be, the plan does not say
        if per_day <= 0:
            said = f"`{wire.id}` never notices a rise: nothing is drawn for review"
            yield finding("plan.short_dwell", path, said, "add watch: {sample: 400/week, reviewers: 2}")
            continue
        sharing = max(1, paid_from(stage.stop, wire.budget))
        labels = alarm_labels(wire.from_, wire.to, sharing * (wire.false_alarm_every / wire.look_every))
        delay = labels / per_day + in_days(wire.look_every)
        if delay > least:
            said = (
                f"`{wire.id}` takes about {_lasting(delay)} ({number(labels)} labels) to notice a rise to {number(wire.to)};"
                f" the stage may end after {_lasting(least)}"
            )
            fix = f"add - soak: {{active_days: {math.ceil(delay)}}}, or draw more for review"
            yield finding("plan.short_dwell", path, said, fix)


def _least_days(gate: Gate, per_day: float | None) -> float:
    """Return how long a gate holds the stage at the very least, in days."""
    match gate:
        case SoakGate():
            return float(gate.active_days)
        case RateGate(of="users"):
            return in_days(gate.observed_for)
        case RateGate() if per_day:
            return int(boundaries(gate.below, attempt_alpha(gate.alpha, 1), 0)[0]) / per_day
        case _:
            return 0.0


def _lasting(days: float) -> str:
    return span_text(timedelta(days=min(days, 36_500)))


def _review(stage: Stage, here: Path) -> Iterator[Finding]:
    """Compare what is drawn with what reviewers may be loaded with: a queue that is nearly full of itself only grows."""
    watch = stage.watch
    if watch is None:
        return
    hours = watch.reviewers * REVIEW_HOURS_PER_WEEK
    capacity = hours * 60 / watch.minutes_per_item
    load = LARGEST_LOAD * capacity
    path = (*here, "watch")
    able = f"{watch.reviewers} reviewers manage {number(capacity)} in {hours:,} hours, and may be loaded with {number(load)}"
    if isinstance(watch.sample, Everything):
        use = use_per_day(stage)
        if use is not None and use * 7 > load and stage.who.seats is not None:
            fits = math.floor(stage.who.seats * load / (use * 7))
            said = f"all {number(use * 7)} exchanges a week are reviewed; {able}"
            yield finding("plan.review_capacity", path, said, f"write seats: {fits}, or sample: {math.floor(load)}/week")
        return
    drawn = (labels_per_day(stage) or 0.0) * 7
    if drawn > load:
        said = f"{number(drawn)} exchanges a week are drawn, before anything is flagged; {able}"
        people = math.ceil(drawn * watch.minutes_per_item / (LARGEST_LOAD * REVIEW_HOURS_PER_WEEK * 60))
        yield finding("plan.review_capacity", path, said, f"write reviewers: {people}, or sample: {math.floor(load)}/week")


def _users(plan: Plan) -> Iterator[Finding]:
    gated = [at for at, stage in enumerate(plan.stages) if not stage.irreversible]
    if not gated:
        return
    seats = seats_by(plan, gated[-1])
    for name, hazard in plan.hazards.items():
        limit, worst = hazard.limit.users, plan.worst_share(name)
        if limit is None or not seats or USER_CLAIM * worst / seats <= limit:
            continue
        least = number(USER_CLAIM * worst / seats)
        said = (
            f"{seats:,} seats cannot show less than {USER_CLAIM} * {number(worst)} / {seats:,} = {least} of users;"
            f" the limit is {number(limit)}"
        )
        fix = (
            f"this takes {math.ceil(USER_CLAIM * worst / limit):,} seats, or enforcement that stops a user earlier (worst_share)"
        )
        yield finding("plan.user_limit_unprovable", ("hazards", name, "limit", "users"), said, fix)
