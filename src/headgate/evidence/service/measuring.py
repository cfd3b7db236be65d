"""Reading evidence, keeping what a decision rests on, and watching for a rise.

``rate`` and ``users`` work a reading out and keep nothing: a controller asks at every tick. They are remembered while what they
are read from is the same. ``keep`` is for the reading that a decision rests on. ``rise`` is an alarm: once it is
raised it stays so, whatever labels do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.decide import malformed
from headgate.evidence.decide.rate import read_rate, unreadable
from headgate.evidence.decide.rise import read_rise
from headgate.evidence.decide.users import read_users, unreadable_users
from headgate.evidence.errors import NotEvidence, ReadingNotFound
from headgate.evidence.model import Kept, Measured
from headgate.evidence.service.bells import WATCHMAN, Bell, Bells
from headgate.evidence.service.remembering import Remembering
from headgate.evidence.wire import alarms, holdback
from headgate.evidence.wire import users as users_wire
from headgate.kernel.errors import Unavailable
from headgate.ledger.model import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model import LabelledTraffic, Look, RateClaim, RateReading, RiseReading, RiseRule
    from headgate.evidence.model.reviewing import Readers
    from headgate.evidence.model.users import LabelledUsers, UsersClaim, UsersReading
    from headgate.evidence.ports import LabelSource, Records
    from headgate.kernel.clock import Clock

__all__ = ["AGREES_TO", "WATCHMAN", "Evidence", "Replay"]


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
        self._bells = Bells(records, clock)
        self._remembering = Remembering()

    def rate(self, epoch: str, claim: RateClaim, *, misses_measured: bool = False) -> Measured[RateReading]:
        """Return what the epoch's labels say of a claim, now. Labels that cannot be read give ERROR, not an exception.

        Args:
            epoch: Whose labels.
            claim: What is to be shown.
            misses_measured: Whether a pass takes gold items that have measured what reviewers miss.
        """

        def read(found: tuple[LabelledTraffic, Readers]) -> Measured[RateReading]:
            traffic, readers = found
            return Measured(epoch, read_rate(traffic, claim, readers), wire.rate_inputs(traffic, claim, readers))

        try:
            traffic = self._labels.traffic(epoch, claim.hazard)
            readers = replace(self._labels.readers(epoch, claim.hazard), required=misses_measured)
            return self._remembering.once((epoch, claim), (traffic, readers), read)
        except (Unavailable, NotEvidence) as failure:
            sentence = f"Nothing is concluded: {failure.message}"
            return Measured(epoch, unreadable(claim, sentence), wire.failed_inputs(claim, sentence))

    def users(self, epoch: str, claim: UsersClaim, *, misses_measured: bool = False) -> Measured[UsersReading]:
        """Return what the epoch's users say of a claim, now. Users that cannot be read give ERROR, not an exception.

        Args:
            epoch: Whose users.
            claim: What is to be shown.
            misses_measured: Whether a pass takes gold items that have measured what reviewers miss.
        """

        def read(found: tuple[LabelledUsers, Readers]) -> Measured[UsersReading]:
            seen, readers = found
            return Measured(epoch, read_users(seen, claim, readers), users_wire.users_inputs(seen, claim, readers))

        try:
            seen = self._labels.users(epoch, claim.hazard, claim.window)
            readers = replace(self._labels.readers(epoch, claim.hazard), required=misses_measured)
            return self._remembering.once((epoch, claim), (seen, readers), read)
        except (Unavailable, NotEvidence) as failure:
            sentence = f"Nothing is concluded: {failure.message}"
            return Measured(epoch, unreadable_users(claim, sentence), users_wire.failed_inputs(claim, sentence))

    def keep(self, measured: Measured[RateReading] | Measured[RiseReading] | Measured[UsersReading], *, by: str) -> str:
        """Keep a reading that a decision rests on and return its digest; keeping it twice changes nothing.

        Raises:
            EvidenceUnavailable: The store does not answer; nothing was changed.
        """
        kept = self._kept(measured)
        with self._records.transaction() as tx:
            if tx.keep(kept):
                tx.record(Entry("evidence.kept", kept.epoch, by, kept.at, {"digest": kept.digest, "kind": kept.kind}))
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
        again = wire.encode(_again(kept))
        untouched = wire.address(kept.epoch, kept.inputs, kept.result) == kept.digest
        return Replay(kept, again, agrees=untouched and _same(again, dict(kept.result)))

    def rise(self, epoch: str, tripwire: str, rule: RiseRule) -> Measured[RiseReading]:
        """Return what the epoch's labels say of a rise, now, or what they said when they raised the alarm.

        The reading that raises the alarm is kept, and goes on the ledger as ``evidence.alarmed``, before it is returned.

        Args:
            epoch: The epoch that is watched.
            tripwire: The alarm's name in the plan.
            rule: Its rule, the same in every call.

        Raises:
            RuleChanged: The rule is not the one that the watch began with.
            NotEvidence: The rule, or a window, contradicts itself.
            headgate.kernel.errors.Unavailable: Labels or the store do not answer; nothing was changed.
        """
        if wrong := malformed.in_rule(rule):
            raise NotEvidence(f"The alarm's rule contradicts itself. {wrong}")

        def read(looks: tuple[Look, ...]) -> tuple[RiseReading, Mapping[str, Any]]:
            return read_rise(looks, rule), wire.rise_inputs(looks, rule)

        return self._bells.hear(
            Bell(
                epoch=epoch,
                tripwire=tripwire,
                rule=wire.encode(rule),
                about=rule.hazard,
                look=lambda: tuple(self._labels.looks(epoch, rule.hazard, rule.look_every)),
                read=read,
                raised=lambda reading: reading.state.raised,
                replay=wire.replay_rise,
            )
        )

    def _kept(self, measured: Measured[RateReading] | Measured[RiseReading] | Measured[UsersReading]) -> Kept:
        result = wire.encode(measured.reading)
        digest = wire.address(measured.epoch, measured.inputs, result)
        return Kept(digest, measured.epoch, measured.inputs["kind"], measured.inputs, result, self._clock.now())


def _again(kept: Kept) -> object:
    match kept.kind:
        case wire.RISE:
            return wire.replay_rise(kept.inputs)
        case alarms.WATCH:
            return alarms.replay_watch(kept.inputs)
        case alarms.MISSING:
            return alarms.replay_missing(kept.inputs)
        case holdback.HOLDBACK:
            return holdback.replay_holdback(kept.inputs)
        case users_wire.USERS:
            return users_wire.replay_users(kept.inputs)
        case _:
            return wire.replay_rate(kept.inputs)


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
