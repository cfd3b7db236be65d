"""What evidence needs from outside: labels, what is known of releases, and places to keep readings, alarms and records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from headgate.evidence.model import Alarm, Kept, LabelledTraffic, Look
    from headgate.evidence.model.alarms import ArrivalWindow, LabelWindow, ScoreWindow, UserWindow, UseWindow
    from headgate.evidence.model.calibration import Forecast
    from headgate.evidence.model.filing import Filed, Goalposts, Standing
    from headgate.evidence.model.holdback import Compared, HoldbackRule
    from headgate.evidence.model.people import Division, Expected, KindsShown
    from headgate.evidence.model.record import Kind, Subject
    from headgate.evidence.model.reviewing import Readers
    from headgate.evidence.model.users import LabelledUsers
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

    def users(self, epoch: str, hazard: str, window: timedelta) -> LabelledUsers:
        """Return the epoch's users with what was found in each one's first ``window`` of use, up to the frontier.

        An epoch in which nothing was drawn has no users.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...

    def readers(self, epoch: str, hazard: str) -> Readers:
        """Return what gold items say of those who gave the epoch's labels for one hazard; zeros when none was shown.

        Raises:
            headgate.kernel.errors.Unavailable: It cannot be read just now.
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which filed records somebody wants to see.

    Attributes:
        release_id: Filed for this release.
        suite: Of this suite.
        kind: Of this kind.
        in_force: Leave out those whose place was taken.
        standing: Those that stand so at ``at``.
        at: The instant at which they are looked at; the service sets it.
        limit: So many at most.
        behind: Only those that come behind this record; all, when there is none of this name.
    """

    release_id: str | None = None
    suite: str | None = None
    kind: Kind | None = None
    in_force: bool = False
    standing: Standing | None = None
    at: datetime | None = None
    limit: int | None = None
    behind: str | None = None


class Archive(Protocol):
    """Keeps filed records."""

    def transaction(self) -> AbstractContextManager[ArchiveTx]:
        """Begin to write; everything in it is kept together, with its ledger entries, or not at all.

        Raises:
            EvidenceUnavailable: The store does not answer, or is full.
        """
        ...

    def get(self, id: str) -> Filed | None:
        """Return a record, if there is one.

        Raises:
            EvidenceUnavailable: The store does not answer.
        """
        ...

    def list(self, wanted: Wanted) -> tuple[Filed, ...]:
        """Return the records that are wanted, the last filed first.

        Raises:
            EvidenceUnavailable: The store does not answer.
        """
        ...


class ArchiveTx(Protocol):
    """A transaction of ``Archive``."""

    def get(self, id: str) -> Filed | None:
        """Return a record, if there is one."""
        ...

    def of_file(self, sha256: str) -> tuple[Filed, ...]:
        """Return every record that was read from the file with this digest."""
        ...

    def add(self, filed: Filed) -> None:
        """Keep a new record.

        Raises:
            EvidenceDuplicate: This part of this file has been filed already.
        """
        ...

    def save(self, filed: Filed, *, seen: int) -> None:
        """Keep what was done to a record.

        Raises:
            EvidenceMoved: It is no longer at the revision that was ``seen``.
        """
        ...

    def record(self, entry: Entry) -> int:
        """Write a ledger entry and return its sequence."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A release, as evidence needs to know it.

    Attributes:
        release_id: Its id.
        model: Its model's name.
        subject: What it releases, by digest.
        goalposts: What its plan tolerates now, by suite.
    """

    release_id: str
    model: str
    subject: Subject
    goalposts: Mapping[str, Goalposts]


class ReleasesKnown(Protocol):
    """What is known of releases."""

    def named(self, release: str) -> Named:
        """Return a release by its id, or the one under way (or the newest) of a model by its name.

        Raises:
            headgate.kernel.errors.NotFound: There is none.
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...


class HeldBackSource(Protocol):
    """Who has a stage's access, and who is held back from it."""

    def epoch(self, named: str) -> str:
        """Return the epoch that is meant: itself, or of a release, or of a model's, that of the widest stage that is open.

        Raises:
            headgate.kernel.errors.NotFound: There is no such release, or it has never been open.
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...

    def rule(self, epoch: str) -> HoldbackRule | None:
        """Return how an epoch's people are compared with those who are held back; ``None`` where nobody is.

        Raises:
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...

    def compared(self, epoch: str, rule: HoldbackRule) -> tuple[Compared, ...]:
        """Return both sides of an epoch, for each hazard of the rule in its order, over the days that are over.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...


class Streams(Protocol):
    """What alarms watch, in closed windows counted from an epoch's beginning; windows without traffic are left out."""

    def labels(self, epoch: str, hazard: str, every: timedelta) -> Sequence[LabelWindow]:
        """Return what was drawn in each window and found harmful so far.

        Raises:
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...

    def users(self, epoch: str, hazard: str, every: timedelta) -> Sequence[UserWindow]:
        """Return the distinct users of each window, and those of them who were flagged.

        Raises:
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...

    def uses(self, epoch: str, hazard: str, every: timedelta, window: timedelta) -> Sequence[UseWindow]:
        """Return the users whose first ``window`` of use was over in each window, with the harm that stands so far.

        Raises:
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...

    def arrivals(self, epoch: str, of: str, every: timedelta, learn: timedelta | None) -> Sequence[ArrivalWindow]:
        """Return the newcomers of each window that began after ``learn``, and those of them of unknown strata.

        Args:
            epoch: The epoch.
            of: By what they are told apart.
            every: The length of a window.
            learn: How long from the epoch's beginning strata become known; those of the release's earlier users are anyway.

        Raises:
            NotEvidence: Nobody tells people apart in that respect.
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...

    def scores(self, epoch: str, every: timedelta) -> Sequence[ScoreWindow]:
        """Return how many requests of each window were scored.

        Raises:
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        ...


class PeopleSource(Protocol):
    """Where users come from, each once, by their first days of use and in the order in which they came."""

    def kinds(self, epoch: str) -> KindsShown:
        """Return the kinds of harm that the epoch's users showed beside those that the plan lists, as of one instant.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...

    def divisions(self, epoch: str, expected: Sequence[Expected]) -> tuple[Division, ...]:
        """Return the epoch's users told apart as each of ``expected`` asks, with the labels of its hazard, as of one instant.

        Raises:
            NotEvidence: Nobody tells people apart in that respect.
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...


class ForecastTx(Protocol):
    """A transaction of ``ForecastRecords``."""

    def keep(self, reading: Kept) -> bool:
        """Keep a reading; return whether it is new."""
        ...

    def predict(self, forecast: Forecast) -> None:
        """Keep a prediction, whose reading is kept."""
        ...

    def record(self, entry: Entry) -> int:
        """Write a ledger entry and return its sequence."""
        ...


class ForecastRecords(Protocol):
    """Keeps predictions."""

    def transaction(self) -> AbstractContextManager[ForecastTx]:
        """Begin to write; everything in it is kept together, with its ledger entries, or not at all.

        Raises:
            EvidenceUnavailable: The store does not answer, or is full.
        """
        ...

    def forecasts(self, epoch: str | None = None, hazard: str | None = None) -> Sequence[Forecast]:
        """Return predictions, oldest first: of one epoch, or of one hazard, or all.

        Raises:
            EvidenceUnavailable: The store does not answer.
        """
        ...
