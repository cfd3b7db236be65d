"""What an edit of a tripwire does to a release: whether it stops sooner or later, milder or harder.

A wire that looks at something else cannot be compared with the one before; that counts as asking less, so that it does not pass
unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.releases.decide.difference import NARROWER, WIDER, Axis, Effect, bound, said_of, span
from headgate.releases.model.plan import (
    Earlier,
    IncidentWire,
    MissingWire,
    MonitorDownWire,
    Reaction,
    RiseWire,
    Severity,
    ShiftWire,
)

if TYPE_CHECKING:
    from headgate.releases.decide.difference import Found
    from headgate.releases.model.plan import Condition
    from headgate.releases.model.wires import Rising

_OVER = Axis.OVERSIGHT


def tripwire(old: Condition, new: Condition) -> Found:
    """Yield the changes between two tripwires that were paired."""
    match old, new:
        case RiseWire(), RiseWire():
            yield from _rise(old, new)
        case ShiftWire(), ShiftWire():
            yield from _shift(old, new)
        case MissingWire(), MissingWire():
            yield from bound(("at_most",), _OVER, "the share that may go unscored", old.at_most, new.at_most)
            yield from span(("over",), "the time that the share is taken over", old.over, new.over)
            yield from bound(("usual",), _OVER, "the share that is usual", old.usual, new.usual)
            yield from span(("false_alarm_every",), "the time to a false alarm", old.false_alarm_every, new.false_alarm_every)
            yield from span(("look_every",), "the time between looks", old.look_every, new.look_every)
            yield from _then(old.then, new.then)
        case IncidentWire(), IncidentWire():
            if old.severity is not new.severity:
                order = list(Severity)
                effect = NARROWER if order.index(new.severity) > order.index(old.severity) else WIDER
                yield ("severity",), effect, _OVER, f"trips from {new.severity.value} up instead of {old.severity.value}"
            yield from _then(old.then, new.then)
        case MonitorDownWire(), MonitorDownWire():
            yield from span(("for",), "the silence that trips it", old.for_, new.for_)
            yield from span(("narrow_after",), "the silence that steps down", old.narrow_after, new.narrow_after)
            yield from _then(old.then, new.then)
        case _:
            yield (), WIDER, _OVER, "asks something else"


def reacts(old: Reaction | None, new: Reaction | None) -> Effect:
    """Return what another reaction does.

    A reaction left out is decided by the hazard's severity, so leaving one out or writing one in may soften it.
    """
    if old is None or new is None:
        return WIDER if new is None or new is Reaction.HOLD else NARROWER
    order = list(Reaction)
    return NARROWER if order.index(new) > order.index(old) else WIDER


def _rise(old: RiseWire, new: RiseWire) -> Found:
    if old.of is not new.of:
        yield ("of",), WIDER, _OVER, f"looks at {new.of.value} instead of {old.of.value}"
    yield from bound(("from",), _OVER, "the rate that is tolerated", old.from_, new.from_)
    yield from bound(("to",), _OVER, "the rate it is sharpest at", old.to, new.to)
    yield from span(("learn",), "the time to learn what is usual", old.learn, new.learn, longer=NARROWER)
    if old.window != new.window:  # a longer one tells later, a shorter one of less
        yield ("window",), WIDER, _OVER, f"observes each user for {said_of(new.window)} instead of {said_of(old.window)}"
    yield from _rising(old, new)


def _shift(old: ShiftWire, new: ShiftWire) -> Found:
    if old.of != new.of:  # one more respect gets a part of the budget of the others
        yield ("of",), WIDER, _OVER, f"tells people apart by {', '.join(new.of)} instead of {', '.join(old.of)}"
    yield from bound(("above",), _OVER, "the share of newcomers of unknown strata that is tolerated", old.above, new.above)
    yield from bound(("to",), _OVER, "the share it is sharpest at", old.sharpest_at, new.sharpest_at)
    yield from span(("learn",), "the time in which strata become known", old.learns, new.learns)
    yield from _rising(old, new)


def _rising(old: Rising, new: Rising) -> Found:
    yield from span(("false_alarm_every",), "the time to a false alarm", old.false_alarm_every, new.false_alarm_every)
    yield from span(("look_every",), "the time between looks", old.look_every, new.look_every)
    before, after = old.earlier or Earlier(), new.earlier or Earlier()
    for step in ("watch", "hold", "narrow"):
        what = f"the time to a false alarm of the earlier step `{step}`"
        yield from span(("earlier", step), what, getattr(before, step), getattr(after, step))
    if old.budget != new.budget:
        # Shared, one wire alone needs more evidence; on its own it needs less.
        effect, said = (NARROWER, "a false alarm of its own") if new.budget is None else (WIDER, f"a part of `{new.budget}`")
        yield ("budget",), effect, _OVER, f"has {said}"
    yield from _then(old.then, new.then)


def _then(old: Reaction, new: Reaction) -> Found:
    if old is not new:
        yield ("then",), reacts(old, new), _OVER, f"does {said_of(new)} instead of {said_of(old)}"
