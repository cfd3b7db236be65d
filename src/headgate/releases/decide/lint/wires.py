"""Whether a stage's tripwires contradict themselves or one another."""

from __future__ import annotations

import difflib
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.releases.decide.lint.figures import number
from headgate.releases.decide.lint.people import TOLD_APART_BY
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import MissingWire, MonitorDownWire, Reaction, RiseWire, ShiftWire, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.releases.model.plan import Stage
    from headgate.releases.model.wires import Rising

LEAST_LEARNING = timedelta(days=14)
"""Below two weeks, each hour of the week was seen at most once."""
RARE_ENOUGH = timedelta(days=90)
"""A stage that is stopped by chance more often than once a quarter teaches people to wave alarms through."""
_DAY = timedelta(days=1)


def lint_wires(stage: Stage, at: int) -> Iterator[Finding]:
    """Yield findings on the tripwires of stage number ``at``."""
    budgets: defaultdict[str, list[tuple[Path, RiseWire | ShiftWire]]] = defaultdict(list)
    for position, wire in enumerate(stage.stop):
        path: Path = ("stages", at, "stop", position, wire.kind)
        match wire:
            case RiseWire() | ShiftWire():
                yield from _rise(wire, path) if isinstance(wire, RiseWire) else _shift(wire, path, first=at == 0)
                yield from _pace(wire.false_alarm_every, wire.look_every, path)
                yield from _earlier(wire, path)
                if wire.budget is not None:
                    budgets[wire.budget].append((path, wire))
            case MissingWire():
                yield from _missing(wire, path)
            case MonitorDownWire() if wire.narrow_after is not None and wire.narrow_after <= wire.for_:
                said = "the release would step down before it is told to hold"
                yield finding("plan.narrow_after", (*path, "narrow_after"), said, "write a longer span than `for`")
            case _:
                pass
    for name, sharing in budgets.items():
        yield from _budget(name, sharing)
    yield from _steps(stage, at)
    yield from _together(stage, at)


def _rise(wire: RiseWire, path: Path) -> Iterator[Finding]:
    if wire.from_ >= wire.to:
        said = f"a rise from {number(wire.from_)} to {number(wire.to)} is none"
        yield finding("plan.rise_order", (*path, "to"), said, f"write to: more than {number(wire.from_)}")
    if wire.window is not None and wire.of is not Stream.USER_SHARES:
        said = f"a rise of {wire.of.value} observes nobody for a span of time"
        yield finding("plan.window_of", (*path, "window"), said, "take `window` out, or write of: user_shares")
    if wire.learn is not None and wire.of is not Stream.FLAGGED_USERS:
        said = f"a rise of {wire.of.value} is compared with `from`, and learns nothing"
        yield finding("plan.learn_of", (*path, "learn"), said, "take `learn` out, or write of: flagged_users")
    elif wire.learn is not None and wire.learn < LEAST_LEARNING:
        said = f"in {span_text(wire.learn)} no hour of the week is seen twice"
        yield finding("plan.short_learning", (*path, "learn"), said, "write learn: 28d")


def _shift(wire: ShiftWire, path: Path, *, first: bool) -> Iterator[Finding]:
    if wire.above >= wire.sharpest_at:
        said = f"a shift from {number(wire.above)} to {number(wire.sharpest_at)} is none"
        yield finding("plan.rise_order", (*path, "to"), said, f"write to: more than {number(wire.above)}, or leave it out")
    told_apart_by = [of for of in TOLD_APART_BY if of != "cohort"]
    for position, of in enumerate(wire.of):
        here = (*path, "of", position)
        if of in wire.of[:position]:
            yield finding("plan.unknown_stratum", here, f"`{of}` is named twice", "name it once")
        elif of == "cohort":
            said = "a stage lets in one cohort, so nobody who comes to it is of another"
            yield finding("plan.unknown_stratum", here, said, f"one of {', '.join(told_apart_by)}")
        elif of not in told_apart_by:
            near = difflib.get_close_matches(of, told_apart_by, n=1)
            fix = f"did you mean `{near[0]}`?" if near else f"one of {', '.join(told_apart_by)}"
            yield finding("plan.unknown_stratum", here, f"nobody tells people apart by `{of}`", fix)
    if first and wire.learn is None:
        said = "nobody came before the first stage, so everybody who comes is unknown"
        yield finding("plan.shift_knows_nobody", path, said, "write learn: 14d, or watch for a shift from the second stage on")
    if wire.learns + wire.look_every >= wire.false_alarm_every:
        said = f"it learns for {span_text(wire.learns)}, and looks at nobody before"
        yield finding("plan.rise_pace", (*path, "learn"), said, "write a learn that is shorter than false_alarm_every")


def _earlier(wire: Rising, path: Path) -> Iterator[Finding]:
    if wire.earlier is None:
        return
    here = (*path, "earlier")
    order = list(Reaction)
    for reaction, _ in wire.earlier.steps:
        if order.index(reaction) >= order.index(wire.then):
            said = f"`{reaction.value}` is not milder than `{wire.then.value}`"
            yield finding("plan.earlier_order", (*here, reaction.value), said, "leave out the steps that are not milder")
    watch = [] if wire.earlier.watch is None else [("watch", wire.earlier.watch)]
    steps = [*watch, *((reaction.value, every) for reaction, every in wire.earlier.steps)]
    for (name, every), (after, later) in pairwise([*steps, (wire.then.value, wire.false_alarm_every)]):
        if every >= later:
            said = f"`{name}` sounds falsely every {span_text(every)}, not oftener than `{after}`, every {span_text(later)}"
            yield finding("plan.earlier_order", (*here, name), said, f"write a shorter span than {span_text(later)}")
    for name, every in steps:
        if every <= wire.look_every:
            yield finding("plan.rise_pace", (*here, name), "a false alarm would come at every look", "write watch: 7d, hold: 90d")


def _steps(stage: Stage, at: int) -> Iterator[Finding]:
    own = {wire.id for wire in stage.stop}
    for position, wire in enumerate(stage.stop):
        if isinstance(wire, RiseWire | ShiftWire):
            for step in wire.steps[:-1]:
                if step.id in own:
                    path: Path = ("stages", at, "stop", position, wire.kind, "earlier", step.then.value)
                    said = f"`{step.id}` stands twice in `stop` of `{stage.name}`: by itself and as an earlier step"
                    yield finding("plan.duplicate_condition", path, said, "keep one of them")


def _together(stage: Stage, at: int) -> Iterator[Finding]:
    """Say how often any of several alarms sounds falsely, where that is often; those that share a budget are one."""
    each = {wire.budget or wire.id: wire.false_alarm_every for wire in stage.stop if isinstance(wire, RiseWire | ShiftWire)}
    if len(each) < 2:  # noqa: PLR2004 - one alone adds up to itself
        return
    every = _DAY / sum(_DAY / own for own in each.values())
    if every < RARE_ENOUGH:
        said = f"{len(each)} alarms of `{stage.name}`, each with a false alarm of its own, bring one every {span_text(every)}"
        yield finding("plan.false_alarms_add_up", ("stages", at, "stop"), said, "name one `budget` in those that react alike")


def _missing(wire: MissingWire, path: Path) -> Iterator[Finding]:
    if wire.usual >= wire.at_most:
        said = f"{number(wire.usual)} is usual, and {number(wire.at_most)} tolerated"
        yield finding("plan.missing_order", (*path, "usual"), said, f"write usual: less than {number(wire.at_most)}")
    yield from _pace(wire.false_alarm_every, wire.look_every, path)


def _pace(false_alarm_every: timedelta, look_every: timedelta, path: Path) -> Iterator[Finding]:
    if false_alarm_every <= look_every:
        said = "a false alarm would come at every look"
        yield finding("plan.rise_pace", (*path, "false_alarm_every"), said, "write false_alarm_every: 365d, or look more often")


def _budget(name: str, sharing: list[tuple[Path, RiseWire | ShiftWire]]) -> Iterator[Finding]:
    (first_path, first), *others = sharing
    if not others:
        said = f"only `{first.id}` is paid from `{name}`, so nothing is shared"
        yield finding("plan.budget_alone", (*first_path, "budget"), said, "take `budget` out, or name it in another rise")
    for path, wire in others:
        for field in ("false_alarm_every", "look_every", "earlier", "then"):
            if getattr(wire, field) != getattr(first, field):
                said = f"`{wire.id}` and `{first.id}` share `{name}` and differ in `{field}`"
                yield finding("plan.budget_differs", (*path, field), said, f"write the same {field} in both")
