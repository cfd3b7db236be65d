"""What releases need from outside: readings and facts of others, and a place to keep their own.

Whoever implements ``Readings`` may raise any ``HeadgateError``: the gate or tripwire then says ERROR, the release is
frozen, and nothing widens. Anything else that is raised is a defect and is not caught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from headgate.kernel.digest import Json
    from headgate.kernel.ids import DecisionId, EpochId, ReleaseId
    from headgate.ledger.model import Entry
    from headgate.releases.model.course import Course
    from headgate.releases.model.draft import Draft
    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.plan import MeasuredGate, MissingWire, RiseWire, ShiftWire
    from headgate.releases.model.reading import Asked, Exposure, GateReading, MonitorHealth, OpenIncidents, WireReading
    from headgate.releases.model.record import DecisionRecord
    from headgate.releases.model.release import Decision, Release


class Readings(Protocol):
    """What is known of the traffic, from the subjects that know it."""

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        """Return what is known of what a gate asks.

        Args:
            gate: What the plan asks; its ``alpha`` is for the stage as a whole.
            asked: For which release, at which stage, of which evidence.

        Returns:
            A reading whose ``gate_id`` is ``gate.id`` and whose ``kind`` is ``gate.kind``. ``numbers`` hold ``progress`` in
            [0, 1], and for a rate ``k`` confirmed harms, ``n`` labels and ``upper`` (the bound); FAIL says that the harm is
            shown.
        """
        ...

    def rise(self, wire: RiseWire | ShiftWire, asked: Asked) -> WireReading:
        """Return whether an alarm of an epoch, on harm or on who comes, has gone off, ever: an alarm does not un-ring.

        Args:
            wire: One step of a wire of ``asked.stage``. Other wires that share its budget are among that stage's.
            asked: On whose behalf.
        """
        ...

    def missing(self, wire: MissingWire, asked: Asked) -> WireReading:
        """Return whether too much of an epoch's traffic was never scored, now, or ever by its alarm."""
        ...

    def holdback(self, holdback: Holdback, asked: Asked) -> WireReading:
        """Return whether a stage's people show more harm than those who are held back from it, now, or ever by its alarm."""
        ...

    def exposure(self, epochs: Sequence[EpochId], now: datetime) -> Exposure:
        """Return who has had access under any of ``epochs``, each account and day counted once."""
        ...

    def incidents(self, release_id: ReleaseId, now: datetime) -> OpenIncidents:
        """Return the open incidents that concern the release."""
        ...

    def monitor(self, now: datetime) -> MonitorHealth:
        """Return whether what watches the traffic works."""
        ...

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        """Return what ``gate`` or ``rise`` said in a reading of this ``kind``, from the inputs of that reading alone.

        Raises:
            Invalid: The inputs are not those of such a reading.
        """
        ...

    def rests_on(self, kind: str, inputs: Json) -> tuple[str, ...]:
        """Return the filed records that a gate's reading was worked out from; none for a gate that reads something else."""
        ...

    def without(self, kind: str, inputs: Json, record: str) -> GateReading:
        """Return what a gate would say without one of the records that ``rests_on`` names. It never passes for want of one.

        Raises:
            Invalid: The inputs are not those of such a reading.
        """
        ...


class Courses(Protocol):
    """How bounds came about."""

    def course(self, gate: MeasuredGate, asked: Asked) -> Course | None:
        """Return a gate's bound over ever more of its evidence; ``None`` for a gate that bounds nothing step by step.

        Raises:
            headgate.kernel.errors.HeadgateError: It cannot be read just now.
        """
        ...


class ReleasesTx(Protocol):
    """One transaction: everything in it happens, with its ledger entries, or nothing does."""

    def get(self, release_id: ReleaseId) -> Release:
        """Return a release.

        Raises:
            ReleaseNotFound: There is none.
        """
        ...

    def under_way(self, model: str) -> Release | None:
        """Return the model's release that has been opened and not withdrawn, if there is one."""
        ...

    def list(self) -> tuple[Release, ...]:
        """Return every release, newest first."""
        ...

    def add(self, release: Release) -> None:
        """Keep a new release.

        Raises:
            ModelTaken: It is under way, and another release of its model is too.
        """
        ...

    def save(self, release: Release) -> Release:
        """Keep a changed release and return it with its next ``revision``.

        Raises:
            ReleaseMoved: Its ``revision`` is no longer the stored one.
            ModelTaken: It is under way, and another release of its model is too.
        """
        ...

    def record(self, entry: Entry, record: DecisionRecord) -> int:
        """Keep a decision with all that it was made from, append its ledger entry, and return the entry's sequence."""
        ...

    def decision(self, decision_id: DecisionId) -> DecisionRecord:
        """Return a decision with all that it was made from.

        Raises:
            DecisionNotFound: There is none.
        """
        ...

    def decisions(self, release_id: ReleaseId | None, limit: int) -> tuple[Decision, ...]:
        """Return decisions, newest first, of one release or of all."""
        ...

    def lease(self, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or renew the controller's lease; ``False`` when somebody else holds it at ``now``."""
        ...

    def leased(self) -> tuple[str, datetime] | None:
        """Return who took the controller's lease last, and until when; ``None`` if nobody ever has."""
        ...


class Releases(Protocol):
    """Where releases are kept."""

    def transaction(self) -> AbstractContextManager[ReleasesTx]:
        """Begin a transaction that writes; leaving it without an exception commits it.

        Raises:
            ReleasesUnavailable: The store does not answer; nothing was changed.
        """
        ...

    def snapshot(self) -> AbstractContextManager[ReleasesTx]:
        """Begin a transaction that only reads, and never waits for one that writes.

        Raises:
            ReleasesUnavailable: The store does not answer.
        """
        ...


class Drafts(Protocol):
    """Where texts of plans are kept while somebody looks at them. Every method may raise ``ReleasesUnavailable``."""

    def keep(self, draft: Draft, *, forget_before: datetime) -> None:
        """Keep a draft in the place of the same text, and forget those that were handed in before ``forget_before``."""
        ...

    def get(self, digest: str) -> Draft:
        """Return a draft.

        Raises:
            DraftNotFound: There is none.
        """
        ...

    def latest(self, by: str, limit: int) -> list[Draft]:
        """Return what somebody handed in, the newest first."""
        ...


PieceT = TypeVar("PieceT")
DoneT = TypeVar("DoneT")


class Farm(Protocol):
    """Where heavy work runs: this machine's processes, or a cluster."""

    def run(self, task: Callable[[PieceT], DoneT], pieces: Sequence[PieceT]) -> Iterator[tuple[int, DoneT]]:
        """Do a task for each piece and yield each piece's position with what came of it, in whatever order they end.

        Args:
            task: A function of a module, so that another process can find it.
            pieces: What to do it with; each can be pickled.

        Raises:
            NoCluster: The work cannot be done there.
        """
        ...
