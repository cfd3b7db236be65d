"""What evidence needs from outside: labels, and a place to keep readings and alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from headgate.evidence.model import Alarm, Cursor, Kept, LabelledTraffic, Look
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

    def look(self, epoch: str, hazard: str, after: Cursor) -> tuple[Look, Cursor]:
        """Return what was drawn and what was resolved since ``after``, and how far that reaches, as of one instant.

        Each draw and each label comes exactly once; a label comes in the look in which it resolved, out of the order of
        the draws if need be.

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
        """Return an alarm as it was last saved, if it has begun.

        Raises:
            EvidenceUnavailable: The store does not answer.
        """
        ...

    def looks(self, epoch: str, tripwire: str) -> list[Mapping[str, Any]]:
        """Return the inputs of every look that an alarm has taken, in order.

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
        """Save a new alarm.

        Raises:
            LookTaken: It has begun already.
        """
        ...

    def advance(self, alarm: Alarm, *, inputs: Mapping[str, Any]) -> None:
        """Save an alarm after a look, as the revision after ``alarm.revision``, with what the look brought.

        Raises:
            LookTaken: It has moved since ``alarm.revision``.
        """
        ...

    def record(self, entry: Entry) -> int:
        """Write a ledger entry and return its sequence."""
        ...
