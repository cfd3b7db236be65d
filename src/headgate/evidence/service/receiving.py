"""Taking in what is handed over: what is declared of it is checked, and what is a file of results is read.

A file of results speaks for itself, as far as its format goes. A document for people is taken by its digest, and what it says is
declared by whoever hands it in, who answers for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.evidence.errors import FilingInvalid
from headgate.evidence.importers import detect
from headgate.evidence.importers.interface import Declared, Imported, Refusal, Unfit
from headgate.evidence.importers.reading import upload
from headgate.evidence.model.record import (
    Direction,
    Elicitation,
    Evaluator,
    Finding,
    Format,
    Kind,
    Relationship,
    Source,
    Status,
    Subject,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from typing import BinaryIO

    from headgate.evidence.model.filing import Statement

_LONGEST_TITLE_CHARS = 300
_MEASURED = frozenset({Kind.CAPABILITY, Kind.SAFEGUARD, Kind.MONITORING})
"""Kinds of which there is no evidence without counts, so a document for people is none."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What whoever hands evidence in says of it, and answers for.

    Attributes:
        release: Whose version was measured: a release's id, or its model's name.
        kind: What the evidence is about.
        suite: The name by which a plan's gate asks for it; of an audit, its scope.
        domain: The area of risk or of use.
        valid_for: How long it counts from when it was measured.
        direction: Which way is safer; ``None`` leaves it to a format that says so itself.
        elicitation: How hard was tried.
        evaluator: Who measured; ``None`` leaves it to a format that says so itself.
        status: Preliminary or final.
        produced_at: When it was measured, for what does not say so itself.
        statement: What a document says that no importer reads; ``None`` for a file of results.
    """

    release: str
    kind: Kind
    suite: str
    domain: str
    valid_for: timedelta
    direction: Direction | None
    elicitation: Elicitation
    evaluator: Evaluator | None
    status: Status
    produced_at: datetime | None = None
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What is handed in: a file, or the files of a run folder.

    Attributes:
        file: An opened file: readable, seekable, binary.
        name: Its name, where it is known; its format is never told from it.
        folder: The files of a run folder by name; ``None`` for a file.
    """

    file: BinaryIO
    name: str | None = None
    folder: Mapping[str, bytes] | None = None


def check(declared: Declaration, now: datetime) -> None:
    """Check what was declared.

    Raises:
        FilingInvalid: It cannot be.
    """
    if not declared.suite or not declared.domain:
        raise FilingInvalid("Evidence names its suite and its domain.")
    if declared.valid_for.total_seconds() <= 0:
        raise FilingInvalid("Evidence that has expired when it is measured shows nothing.")
    if declared.produced_at is not None and declared.produced_at > now:
        raise FilingInvalid("Nothing was measured in the future.")
    statement = declared.statement
    if statement is None:
        if declared.kind is Kind.AUDIT:
            raise FilingInvalid("An audit says what the auditor concludes.", help="Give the opinion, and the report's title.")
        return
    if declared.kind in _MEASURED:
        raise FilingInvalid(
            f"A document is no evidence of {declared.kind.value}: it has no counts.", help="File the results it speaks of."
        )
    if (statement.opinion is not None) is not (declared.kind is Kind.AUDIT):
        raise FilingInvalid("An opinion belongs to an audit, and an audit has one.")
    if not statement.title.strip() or len(statement.title) > _LONGEST_TITLE_CHARS or not statement.title.isprintable():
        raise FilingInvalid(f"A title is one line of 1 to {_LONGEST_TITLE_CHARS} characters.")
    if declared.evaluator is None:
        raise FilingInvalid("A document says who wrote it.", help="Name the evaluator, and how it stands to you.")


def received(handed: HandedIn, declared: Declaration, subject: Subject, now: datetime) -> Imported:
    """Return everything that a file shows, or what is declared of a document.

    Raises:
        FilingInvalid: What was declared cannot be.
        Unfit: The file is no evidence.
    """
    return (_read if declared.statement is None else _document)(handed, declared, subject, now)


def _read(handed: HandedIn, declared: Declaration, subject: Subject, now: datetime) -> Imported:
    told = Declared(
        subject=subject,
        kind=declared.kind,
        domain=declared.domain,
        suite=declared.suite,
        direction=declared.direction,
        elicitation=declared.elicitation,
        evaluator=declared.evaluator,
        status=declared.status,
        valid_for=declared.valid_for,
        produced_at=declared.produced_at,
        now=now,
    )
    if handed.folder is not None:
        read = detect.read_run_folder(handed.folder, told)
    else:
        read = detect.read(handed.file, told, name=handed.name)
    if isinstance(read, Refusal):
        raise Unfit(read.reason, read.says, read.part)
    return read


def _document(handed: HandedIn, declared: Declaration, subject: Subject, now: datetime) -> Imported:
    if handed.folder is not None:
        raise FilingInvalid("A document for people is one file.")
    produced = declared.produced_at or now
    finding = Finding(
        subject=subject,
        kind=declared.kind,
        domain=declared.domain,
        suite=declared.suite,
        task=declared.suite,
        metric="opinion" if declared.kind is Kind.AUDIT else "report",
        direction=declared.direction or Direction.LOWER_IS_BETTER,
        counts=None,
        reported=None,
        interval=None,
        elicitation=declared.elicitation,
        evaluator=declared.evaluator or Evaluator("unknown", Relationship.FIRST_PARTY),
        produced_at=produced,
        expires_at=produced + declared.valid_for,
        status=declared.status,
        source=Source(upload(handed.file, handed.name).sha256, Format.STATEMENT, "document", None, None),
    )
    return Imported((finding,))
