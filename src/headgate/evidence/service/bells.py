"""Alarms that stay raised: the first to find one raised keeps the reading and records it, and from then on that reading stands.

It may be asked as often as one likes, and by several controllers. A rule never changes within an epoch: an alarm whose rule is
edited while it runs would promise nothing.

While none is raised, a reading of the same windows under the same rule is remembered, not worked out again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from headgate.evidence import wire
from headgate.evidence.errors import AlarmMoved, ReadingNotFound, RuleChanged
from headgate.evidence.model import Alarm, Kept, Measured
from headgate.evidence.service.remembering import Remembering
from headgate.ledger.model import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.evidence.ports import Records
    from headgate.kernel.clock import Clock


class Said(Protocol):
    """A reading that has a sentence."""

    @property
    def sentence(self) -> str: ...


SaidT = TypeVar("SaidT", bound=Said)
SeenT = TypeVar("SeenT")

WATCHMAN = "evidence"
"""Who an alarm is recorded under: no person raised it."""


@dataclass(frozen=True, slots=True)
class Bell(Generic[SeenT, SaidT]):
    """An alarm that may be raised.

    Attributes:
        epoch: The epoch that it watches.
        tripwire: Its name in the plan.
        rule: Its rule, as JSON, the same in every call.
        about: What it watches, for the ledger.
        look: Returns the windows as they are now; what it returned before never changes.
        read: Reads windows: what they say, and the inputs.
        raised: Whether a reading raises it.
        replay: Works a reading out again from its inputs.
    """

    epoch: str
    tripwire: str
    rule: Mapping[str, Any]
    about: str
    look: Callable[[], SeenT]
    read: Callable[[SeenT], tuple[SaidT, Mapping[str, Any]]]
    raised: Callable[[SaidT], bool]
    replay: Callable[[Mapping[str, Any]], SaidT]


class Bells:
    """Listens to alarms.

    Args:
        records: Where readings and alarms are kept.
        clock: The time.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._remembering = Remembering()

    def hear(self, bell: Bell[SeenT, SaidT]) -> Measured[SaidT]:
        """Return what the alarm says now, or what it said when it was raised.

        The reading that raises it is kept, and goes on the ledger as ``evidence.alarmed``, before it is returned.

        Raises:
            RuleChanged: The rule is not the one that the watch began with.
            ReadingNotFound: The reading that raised it is gone.
            headgate.kernel.errors.Unavailable: What it listens to, or the store, does not answer; nothing was changed.
        """
        alarm = self._begun(bell)
        if alarm.raised is not None:
            return self._stands(bell, alarm.raised)
        reading, inputs = self._remembering.once((bell.epoch, bell.tripwire), bell.look(), bell.read)
        if bell.raised(reading):
            result = wire.encode(reading)
            digest = wire.address(bell.epoch, inputs, result)
            kept = Kept(digest, bell.epoch, inputs["kind"], inputs, result, self._clock.now())
            body = {"digest": digest, "tripwire": bell.tripwire, "hazard": bell.about, "sentence": reading.sentence}
            try:
                with self._records.transaction() as tx:
                    tx.keep(kept)
                    tx.raise_alarm(alarm, digest)
                    tx.record(Entry("evidence.alarmed", bell.epoch, WATCHMAN, kept.at, body))
            except AlarmMoved:
                return self.hear(bell)  # another controller raised it first: that reading stands
        return Measured(bell.epoch, reading, inputs)

    def _begun(self, bell: Bell[Any, Any]) -> Alarm:
        alarm = self._records.alarm(bell.epoch, bell.tripwire)
        if alarm is None:
            alarm = Alarm(bell.epoch, bell.tripwire, bell.rule, self._clock.now())
            try:
                with self._records.transaction() as tx:
                    tx.begin(alarm)
            except AlarmMoved:
                return self._begun(bell)  # another controller began it first
        if not wire.spells(dict(alarm.rule), dict(bell.rule)):
            raise RuleChanged(
                f"The alarm {bell.tripwire} began with another rule; an epoch keeps the rules that it began with.",
                help="Apply the changed plan: that begins a new epoch.",
            )
        return alarm

    def _stands(self, bell: Bell[Any, SaidT], digest: str) -> Measured[SaidT]:
        kept = self._records.reading(digest)
        if kept is None:
            raise ReadingNotFound(f"No reading is kept under {digest}.")
        return Measured(kept.epoch, bell.replay(kept.inputs), kept.inputs)
