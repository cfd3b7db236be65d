"""What becomes of a record after it was filed: it is never changed or deleted, and everything done to it stands beside it.

A record speaks of the version that it was filed for. It comes to count for another only by a carry-over that one person
declares, with the reason why the difference does not matter, and another approves. It ceases to count only when a later
record of the same thing takes its place, which takes a second person too. So whatever was once measured is either still in
force or has a name, a reason and a successor on the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from enum import Enum

from headgate.evidence.model.record import Direction, EvidenceRecord, Kind, Status
from headgate.kernel.ids import EvidenceId  # noqa: TC001 - as above


class Opinion(Enum):
    """What an auditor concludes, from best to worst."""

    UNQUALIFIED = "unqualified"
    """Nothing stands in the way."""
    QUALIFIED = "qualified"
    """Nothing stands in the way but what is named."""
    DISCLAIMER = "disclaimer"
    """Too little could be seen to say."""
    ADVERSE = "adverse"
    """It is not as it is said to be."""


class Disposition(Enum):
    """What was done about a finding of a red team or a researcher."""

    FIXED = "fixed"
    """Mended, and the mending was checked."""
    ACCEPTED = "accepted"
    """Known, weighed and borne; somebody who may approve stages answers for it."""
    NOT_REPRODUCED = "not_reproduced"
    """Tried again by others, without success."""
    DUPLICATE = "duplicate"
    """Another record says the same."""
    OUT_OF_SCOPE = "out_of_scope"
    """Nothing that this release exposes."""


class Standing(Enum):
    """Where a record stands, in one word."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person declares of a document that no importer reads: an audit report, a red team's write-up.

    Attributes:
        title: What it says, in one line; content, so it stays out of the ledger.
        opinion: The auditor's conclusion; ``None`` unless it is an audit.
    """

    title: str
    opinion: Opinion | None = None


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is tolerated of the worst of many more queries than were tried.

    Attributes:
        queries: How many queries are foreseen, ``>= 1``.
        tolerated: The largest probability, in ``(0, 1)``, with which the worst of them may elicit what the metric counts against
            safety.
    """

    queries: int
    tolerated: float


@dataclass(frozen=True, slots=True)
class Goalposts:
    """What a plan tolerates of a suite, as it stood at one time.

    Attributes:
        measures: Which kind of evidence is asked for.
        metric: Which of the suite's metrics; any when ``None``.
        direction: Which way is better news for safety.
        thresholds: By scenario (``api``, ``theft``, ``open_weights``), in the metric's own direction.
        margin: What better elicitation could add, in the metric's unit, above 0. Declared and argued, never measured.
        alpha: The chance that the bound is on the wrong side.
        attempts: Tries per item that an attacker can afford, ``>= 1``.
        forecast: What a result's forecast may come to; nothing is asked of it when ``None``.
    """

    measures: Kind
    metric: str | None
    direction: Direction
    thresholds: dict[str, float]
    margin: float
    alpha: float
    attempts: int = 1
    forecast: Foresight | None = None


@dataclass(frozen=True, slots=True)
class Finalised:
    """The evaluator stands by what was preliminary.

    Attributes:
        by: Who says so.
        because: What it rests on.
        at: When.
    """

    by: str
    because: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Superseded:
    """A later record took this one's place.

    Attributes:
        successor: The later record.
        by: Who decided; never whoever filed the successor.
        because: Why the later one is better.
        at: When.
    """

    successor: EvidenceId
    by: str
    because: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Carried:
    """A record is to count for another version too.

    Attributes:
        version: Digest of that version.
        release_id: The release of it that it was declared for.
        because: Why the difference does not matter to what was measured.
        asked_by: Who declares it.
        asked_at: When.
        approved_by: The second person; nothing is carried over without one.
        approved_at: When.
    """

    version: str
    release_id: str
    because: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Disposed:
    """A finding was answered.

    Attributes:
        how: What was done about it.
        because: What was done, and how it was checked.
        by: Who answers for it.
        at: When.
    """

    how: Disposition
    because: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Filed:
    """A record with everything that was done to it.

    Attributes:
        record: The record as it was filed; it never changes.
        release_id: The release that it was filed for.
        statement: What was declared of a document; ``None`` where an importer read numbers.
        goalposts: What the release's plan tolerated of the suite when the result was filed; ``None`` when it said nothing.
        finalised: How a preliminary record became final, if it did.
        superseded: What took its place, if something did.
        carried: Other versions that it is to count for, oldest wish first.
        disposed: How it was answered, if it was.
        revision: Counts what was done to it, from 1; whoever does something says which state they saw.
    """

    record: EvidenceRecord
    release_id: str
    statement: Statement | None = None
    goalposts: Goalposts | None = None
    finalised: Finalised | None = None
    superseded: Superseded | None = None
    carried: tuple[Carried, ...] = ()
    disposed: Disposed | None = None
    revision: int = 1

    @property
    def id(self) -> EvidenceId:
        """Its id."""
        return self.record.id

    @property
    def final(self) -> bool:
        """Whether the evaluator stands by it."""
        return self.record.finding.status is Status.FINAL or self.finalised is not None

    def standing(self, *, now: datetime) -> Standing:
        """Return where the record stands."""
        if self.superseded is not None:
            return Standing.SUPERSEDED
        if now >= self.record.finding.expires_at:
            return Standing.EXPIRED
        return Standing.FINAL if self.final else Standing.PRELIMINARY

    @property
    def versions(self) -> frozenset[str]:
        """The versions that it counts for: its own, and those that it was carried over to with a second person's consent."""
        carried = {carry.version for carry in self.carried if carry.approved_by is not None}
        return frozenset({self.record.finding.subject.model_version, *carried})
