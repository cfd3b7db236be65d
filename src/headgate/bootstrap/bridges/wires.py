"""Releases asks evidence whether a tripwire that is measured has been touched.

A rise that is looked for in labels alone, in one step and with a false alarm of its own, is evidence's ``rise``. Every other
one is its ``watch``: wires of the stage that share a budget are read as one alarm, each step of theirs by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.bootstrap.bridges.holdback import rule_of
from headgate.evidence import wire as codec
from headgate.evidence.model import RiseRule
from headgate.evidence.model.alarms import MissingRule, Stream, StreamRule, WatchRule
from headgate.evidence.wire import alarms
from headgate.evidence.wire import holdback as holdback_wire
from headgate.kernel.errors import Invalid
from headgate.releases.model.plan import RiseWire, ShiftWire, stepped
from headgate.releases.model.plan import Stream as PlanStream
from headgate.releases.model.reading import WireReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model import RiseReading
    from headgate.evidence.model.alarms import MissingReading, WatchReading
    from headgate.evidence.model.holdback import ComparisonReading
    from headgate.evidence.service import Evidence
    from headgate.evidence.service.holdback import HeldBack
    from headgate.evidence.service.watching import Watching
    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.plan import MissingWire, Stage
    from headgate.releases.model.reading import Asked


class Wires:
    """Reads the tripwires that are measured.

    Args:
        evidence: Who watches labels.
        watching: Who watches the other streams.
        held_back: Who compares a stage's people with those held back from it.
    """

    def __init__(self, evidence: Evidence, watching: Watching, held_back: HeldBack) -> None:
        self._evidence = evidence
        self._watching = watching
        self._held_back = held_back

    def rise(self, wire: RiseWire | ShiftWire, asked: Asked) -> WireReading:
        """Return whether a rise, or people from where nobody came before, have been noticed in the stage's epoch, ever.

        Raises:
            headgate.kernel.errors.HeadgateError: It cannot be read just now; the wire says ERROR.
        """
        if isinstance(wire, RiseWire) and wire.of is PlanStream.LABELS and wire.earlier is None and wire.budget is None:
            rule = RiseRule(wire.hazard, wire.from_, wire.to, wire.false_alarm_every, wire.look_every)
            measured = self._evidence.rise(asked.epoch, wire.id, rule)
            return of_rise(measured.reading, measured.inputs)
        watched = self._watching.watch(asked.epoch, wire.id, watch_rule(wire, asked.stage))
        return of_watch(watched.reading, watched.inputs)

    def missing(self, wire: MissingWire, asked: Asked) -> WireReading:
        """Return whether too much of the stage's traffic was never scored, now, or ever by the alarm.

        Raises:
            headgate.kernel.errors.HeadgateError: It cannot be read just now; the wire says ERROR.
        """
        rule = MissingRule(wire.at_most, wire.over, wire.usual, wire.false_alarm_every, wire.look_every)
        measured = self._watching.missing(asked.epoch, wire.id, rule)
        return of_missing(measured.reading, measured.inputs)

    def holdback(self, holdback: Holdback, asked: Asked) -> WireReading:
        """Return whether a stage's people show more harm than those who are held back from it, now or ever.

        Raises:
            headgate.kernel.errors.HeadgateError: It cannot be read just now; the wire says ERROR.
        """
        measured = self._held_back.alarm(asked.epoch, holdback.id, rule_of(holdback, asked.plan))
        return of_holdback(measured.reading, measured.inputs)

    def replay(self, inputs: Mapping[str, Any]) -> WireReading:
        """Return what ``rise``, ``missing`` or ``holdback`` said, from the kept inputs alone.

        Raises:
            Invalid: They are not the inputs of such a reading.
        """
        match inputs.get("kind"):
            case codec.RISE:
                return of_rise(codec.replay_rise(inputs), inputs)
            case alarms.WATCH:
                return of_watch(alarms.replay_watch(inputs), inputs)
            case alarms.MISSING:
                return of_missing(alarms.replay_missing(inputs), inputs)
            case holdback_wire.HOLDBACK:
                return of_holdback(holdback_wire.replay_holdback(inputs), inputs)
            case _:
                raise Invalid("The kept inputs are not those of a tripwire that is measured.")


def watch_rule(wire: RiseWire | ShiftWire, stage: Stage) -> WatchRule:
    """Return the rule of one step of a wire, with those of the stage's wires that share its budget, in the plan's order."""
    sharing = [
        other
        for other in stepped(stage.stop)
        if isinstance(other, RiseWire | ShiftWire)
        and wire.budget is not None
        and (other.budget, other.then) == (wire.budget, wire.then)
    ]
    return WatchRule(
        parts=tuple(part for each in sharing or [wire] for part in _parts(each)),
        false_alarm_every=wire.false_alarm_every,
        look_every=wire.look_every,
        watch_every=None if wire.earlier is None else wire.earlier.watch,
    )


def _parts(wire: RiseWire | ShiftWire) -> tuple[StreamRule, ...]:
    if isinstance(wire, RiseWire):
        return (StreamRule(Stream(wire.of.value), wire.hazard, wire.from_, wire.to, wire.learn, wire.window),)
    return tuple(StreamRule(Stream.NEWCOMERS, of, wire.above, wire.sharpest_at, wire.learn) for of in wire.of)


def of_rise(reading: RiseReading, inputs: Mapping[str, Any]) -> WireReading:
    """Return what evidence says of a rise in labels in the words of releases."""
    state = reading.state
    return WireReading(
        tripped=state.raised,
        sentence=reading.sentence,
        numbers={
            "k": state.harms,
            "requests": state.requests,
            "looks": state.looks,
            "log_m": state.log_m,
            "log_m_needed": reading.threshold_log_m,
        },
        inputs=dict(inputs),
    )


def of_watch(reading: WatchReading, inputs: Mapping[str, Any]) -> WireReading:
    """Return what evidence says of a rise in several streams in the words of releases."""
    return WireReading(
        tripped=reading.raised_at is not None,
        sentence=reading.sentence,
        numbers={
            "k": reading.events,
            "looks": reading.windows,
            "log_m": reading.log_m,
            "log_m_needed": reading.threshold_log_m,
            "watched": int(reading.watched),
        },
        inputs=dict(inputs),
    )


def of_holdback(reading: ComparisonReading, inputs: Mapping[str, Any]) -> WireReading:
    """Return what evidence says of a holdback in the words of releases; it is shown whatever it says."""
    return WireReading(
        tripped=reading.risen,
        sentence=reading.sentence,
        numbers={
            "watched": 1,
            "k": sum(each.new_harms for each in reading.hazards),
            "k_held_back": sum(each.old_harms for each in reading.hazards),
            "days": reading.days,
            "log_e": max((each.log_e for each in reading.hazards), default=None),
            "log_e_needed": reading.threshold_log_e,
        },
        inputs=dict(inputs),
    )


def of_missing(reading: MissingReading, inputs: Mapping[str, Any]) -> WireReading:
    """Return what evidence says of missing scores in the words of releases."""
    return WireReading(
        tripped=reading.tripped,
        sentence=reading.sentence,
        numbers={
            "unscored": reading.unscored,
            "requests": reading.requests,
            "log_m": reading.log_m,
            "log_m_needed": reading.threshold_log_m,
        },
        inputs=dict(inputs),
    )
