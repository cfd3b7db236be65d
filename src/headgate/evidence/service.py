"""Reading evidence, keeping what a decision rests on, and looking for a rise.

``rate`` works a reading out and keeps nothing: a controller asks at every tick. ``keep`` is for the reading that a
decision rests on. ``rise_look`` may be called as often as one likes and by several controllers: a look is taken only when
one is due, by one of them, and nobody reads the same labels twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.decide import malformed, rise
from headgate.evidence.decide.rate import read_rate, unreadable
from headgate.evidence.errors import LookTaken, NotEvidence, ReadingNotFound, RuleChanged
from headgate.evidence.model import Alarm, Cursor, Kept, Measured, RiseState
from headgate.kernel.errors import Unavailable
from headgate.ledger.model import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.evidence.model import Look, RateClaim, RateReading, RiseReading, RiseRule
    from headgate.evidence.ports import LabelSource, Records
    from headgate.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Replay:
    """A kept reading, worked out again.

    Attributes:
        kept: The reading as kept.
        again: What its inputs give now.
        agrees: Both are the same.
    """

    kept: Kept
    again: Mapping[str, Any]
    agrees: bool


class Evidence:
    """Answers what labels show.

    Args:
        labels: Where labels come from.
        records: Where readings and alarms are kept.
        clock: The time.
    """

    def __init__(self, labels: LabelSource, records: Records, clock: Clock) -> None:
        self._labels = labels
        self._records = records
        self._clock = clock

    def rate(self, epoch: str, claim: RateClaim) -> Measured:
        """Return what the epoch's labels say of a claim, now. Labels that cannot be read give ERROR, not an exception."""
        try:
            traffic = self._labels.traffic(epoch, claim.hazard)
            return _measured(epoch, wire.rate_inputs(traffic, claim), read_rate(traffic, claim))
        except (Unavailable, NotEvidence) as failure:
            sentence = f"Nothing is concluded: {failure.message}"
            return _measured(epoch, wire.failed_inputs(claim, sentence), unreadable(claim, sentence))

    def keep(self, measured: Measured, *, by: str) -> str:
        """Keep a reading that a decision rests on and return its digest; keeping it twice changes nothing.

        Raises:
            EvidenceUnavailable: The store does not answer; nothing was changed.
        """
        now = self._clock.now()
        kept = Kept(measured.digest, measured.epoch, wire.RATE, measured.inputs, wire.encode(measured.reading), now)
        with self._records.transaction() as tx:
            if tx.keep(kept):
                body = {"digest": kept.digest, "kind": kept.kind, "verdict": measured.reading.verdict.value}
                tx.record(Entry("reading.kept", kept.epoch, by, now, body))
        return kept.digest

    def kept(self, digest: str) -> Kept:
        """Return a kept reading.

        Raises:
            ReadingNotFound: There is none under ``digest``.
            EvidenceUnavailable: The store does not answer.
        """
        found = self._records.reading(digest)
        if found is None:
            raise ReadingNotFound(f"No reading is kept under {digest}.")
        return found

    def replay(self, digest: str) -> Replay:
        """Work a kept reading out again from its inputs.

        Raises:
            ReadingNotFound: There is none under ``digest``.
            NotEvidence: What is kept cannot be read.
            EvidenceUnavailable: The store does not answer.
        """
        kept = self.kept(digest)
        again = wire.encode(wire.replay_look(kept.inputs) if kept.kind == wire.RISE else wire.replay(kept.inputs))
        untouched = wire.address(kept.epoch, kept.inputs, kept.result) == kept.digest
        return Replay(kept, again, agrees=untouched and _same(again, dict(kept.result)))

    def rise_look(self, epoch: str, tripwire: str, rule: RiseRule, *, by: str) -> RiseReading:
        """Take a look if one is due, and return what the alarm says.

        The first call begins the watch; the first look follows ``rule.look_every`` later and covers the whole epoch so
        far. A look that was missed is not made up for: the next one covers its time, which cannot hasten a false alarm.
        The look that raises the alarm is kept as a reading and goes on the ledger as ``alarm.raised``.

        Args:
            epoch: The epoch that is watched.
            tripwire: The alarm's name in the plan.
            rule: Its rule, the same in every call.
            by: Who asks, for the ledger.

        Raises:
            RuleChanged: The rule is not the one that the watch began with.
            NotEvidence: The rule, or what the look would bring, contradicts itself; the alarm has not moved.
            headgate.kernel.errors.Unavailable: Labels or the store do not answer; the alarm has not moved.
        """
        if wrong := malformed.in_rule(rule):
            raise NotEvidence(f"The alarm's rule contradicts itself. {wrong}")
        alarm = self._records.alarm(epoch, tripwire)
        now = self._clock.now()
        try:
            if alarm is None:
                fresh = Alarm(epoch, tripwire, wire.encode(rule), RiseState(), Cursor(), now, revision=1)
                with self._records.transaction() as tx:
                    tx.begin(fresh)
                return rise.reading(fresh.state, rule, taken=False)
            _same_rule(alarm, rule)
            if alarm.state.raised or now < alarm.looked_at + rule.look_every:
                return rise.reading(alarm.state, rule, taken=False)
            look, cursor = self._labels.look(epoch, rule.hazard, alarm.cursor)
            return rise.reading(self._look(alarm, look, cursor, rule, now=now, by=by), rule, taken=True)
        except LookTaken:
            winner = self._records.alarm(epoch, tripwire)
            return rise.reading(winner.state if winner else RiseState(), rule, taken=False)

    def replay_rise(self, epoch: str, tripwire: str) -> bool:
        """Return whether an alarm's kept looks, from the first to the last, give the state that it is in.

        Raises:
            ReadingNotFound: The alarm has not begun.
            NotEvidence: What is kept cannot be read.
            EvidenceUnavailable: The store does not answer.
        """
        alarm = self._records.alarm(epoch, tripwire)
        if alarm is None:
            raise ReadingNotFound(f"No alarm called {tripwire} watches {epoch}.")
        state = RiseState()
        for inputs in self._records.looks(epoch, tripwire):
            if not _same(inputs["before"], wire.encode(state)) or inputs["rule"] != alarm.rule:
                return False
            state = wire.replay_look(inputs)
        return _same(wire.encode(state), wire.encode(alarm.state))

    def _look(self, alarm: Alarm, look: Look, cursor: Cursor, rule: RiseRule, *, now: datetime, by: str) -> RiseState:
        state = rise.after(alarm.state, look, rule)
        inputs = wire.rise_inputs(rule, alarm.state, look, cursor)
        result = wire.encode(state)
        digest = wire.address(alarm.epoch, inputs, result)
        with self._records.transaction() as tx:
            tx.advance(replace(alarm, state=state, cursor=cursor, looked_at=now), inputs=inputs)
            if state.raised:
                tx.keep(Kept(digest, alarm.epoch, wire.RISE, inputs, result, now))
                body = {"digest": digest, "tripwire": alarm.tripwire, "hazard": rule.hazard, "look": state.looks}
                tx.record(Entry("alarm.raised", alarm.epoch, by, now, body))
        return state


def _measured(epoch: str, inputs: dict[str, Any], reading: RateReading) -> Measured:
    return Measured(epoch, reading, inputs, wire.address(epoch, inputs, wire.encode(reading)))


def _same_rule(alarm: Alarm, rule: RiseRule) -> None:
    if dict(alarm.rule) != wire.encode(rule):
        raise RuleChanged(
            f"The alarm {alarm.tripwire} began with another rule; an epoch keeps the rules that it began with.",
            help="Apply the changed plan: that begins a new epoch.",
        )


def _same(one: Any, other: Any) -> bool:
    """Return whether two JSON values agree, numbers to a billionth part: another machine's ``log`` may differ in its last bit."""
    match one, other:
        case {}, {}:
            return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
        case [*_], [*_]:
            return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
        case (float() | int(), float() | int()) if not isinstance(one, bool) and not isinstance(other, bool):
            return abs(one - other) <= AGREES_TO * max(1.0, abs(one), abs(other))
        case _:
            return one == other


AGREES_TO = 1e-9
"""How closely a replayed number must agree, relative to its size or to one."""
