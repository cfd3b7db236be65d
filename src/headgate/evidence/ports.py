"""What evidence needs from outside: labels, and a place to keep readings and alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from headgate.evidence.model import Alarm, Kept, LabelledTraffic, Look
    from headgate.ledger.model import Entry


class LabelSource(Protocol):
    """Where labels come from."""

    def traffic(self, epoch: str, hazard: str) -> LabelledTraffic:
        """Return the epoch's labels for one hazard up to the frontier, as of one instant.

        An epoch in which nothing was drawn has no segments, no labels and a frontier of 0.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...

    def looks(self, epoch: str, hazard: str, every: timedelta) -> Sequence[Look]:
        """Return the epoch's closed windows of length ``every``, from its beginning, as of one instant.

        Windows and the draws in them never change once closed; harms are added to them as they are found.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...


class Records(Protocol):
    """Keeps readings and alarms."""

    def transaction(self) -> AbstractContextManager[RecordsTx]:
        """Begin to write; everything in it is kept together, with its ledger entries, or not at all.

        Raises:
            EvidenceUnavailable: The store does not answer, or is full.
        """
        ...

    def reading(self, digest: str) -> Kept | None:
        """Return the reading kept under ``digest``, if there is one.

        Raises:
            EvidenceUnavailable: The store does not answer.
        """
        ...

    def alarm(self, epoch: str, tripwire: str) -> Alarm | None:
        """Return an alarm, if its watch has begun.

        Raises:
            EvidenceUnavailable: The store does not answer.
        """
        ...


class RecordsTx(Protocol):
    """A transaction of ``Records``."""

    def keep(self, reading: Kept) -> bool:
        """Keep a reading; return whether it is new."""
        ...

    def begin(self, alarm: Alarm) -> None:
        """Save a new alarm, not raised.

        Raises:
            AlarmMoved: Its watch has begun already.
        """
        ...

    def raise_alarm(self, alarm: Alarm, digest: str) -> None:
        """Save that the reading under ``digest`` has raised an alarm.

        Raises:
            AlarmMoved: It has been raised already.
        """
        ...

    def record(self, entry: Entry) -> int:
        """Write a ledger entry and return its sequence."""
        ...
