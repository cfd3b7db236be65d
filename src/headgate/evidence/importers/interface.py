"""What an importer takes and gives.

An importer is a pure function. It takes an opened file and what its bearer declares, and gives findings (records without an
id), or a refusal with a stable code and a reason. It keeps nothing, asks no clock, opens no path and imports no tool.

A file is a stranger's: it may be truncated, huge, deep, self-contradicting or hostile, and it may hold keys and prompts. So
every size has a cap (below), what contradicts itself is refused by name, and the only text that leaves a file are short
names that passed ``naming``. Reasons are our own sentences: none of them quotes the file.

**Nothing is made better than it is.** Where a file leaves room, the reading goes against safety: a half-right answer counts
as a success of an attack and as a failure of a refusal, repeated runs are clusters, unscored outputs count as the worse
outcome or refuse the file. A part of a file that cannot count is left out by name; if nothing is left, the file is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO, Protocol

from headgate.evidence.errors import NotEvidence

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from headgate.evidence.model.record import (
        Direction,
        Elicitation,
        Evaluator,
        Finding,
        Format,
        Kind,
        Status,
        Subject,
    )

MOST_DOCUMENT_BYTES = 32 * 2**20
"""One JSON document, or one entry of an archive that is read whole."""
MOST_VALUES = 4_000_000
"""Values in one JSON document: a bound on the memory that parsing takes, about 100 bytes each."""
MOST_LINE_BYTES = 8 * 2**20
"""One line of a JSON Lines file."""
MOST_FILE_BYTES = 8 * 2**30
"""A file that is read in pieces: an archive, or JSON Lines."""
MOST_ENTRIES = 1_000_000
"""Entries of an archive, lines that keep something in memory, rows of counts."""
MOST_SCANNED_BYTES = 4 * 2**30
"""All entries of an archive that are scanned without being kept, unpacked."""
MOST_FINDINGS = 10_000
"""Findings of one file."""
MOST_UNITS = 10**9
"""Units of one finding: beyond it, arithmetic on doubles is no longer exact enough to check sums."""


class Reason(Enum):
    """Why a file, or a part of it, is not evidence. The values are stable."""

    DECLARED = "import.declared"
    """What was declared with the file contradicts itself or is missing."""
    UNKNOWN_FORMAT = "import.unknown_format"
    """Nobody here reads this format."""
    TOO_LARGE = "import.too_large"
    """A cap is exceeded."""
    TRUNCATED = "import.truncated"
    """The file ends before it should, or its checksums do not fit."""
    UNREADABLE = "import.unreadable"
    """The file is not what its format asks for."""
    UNSAFE_ARCHIVE = "import.unsafe_archive"
    """An archive is encrypted, names paths outside itself, names an entry twice, or unpacks to more than it says."""
    DUPLICATE = "import.duplicate"
    """A key, a sample or a row appears twice."""
    TOO_DEEP = "import.too_deep"
    """A document is nested deeper than any real one."""
    NOT_FINITE = "import.not_finite"
    """A number that is needed is NaN or infinite."""
    CONTRADICTION = "import.contradiction"
    """The file's numbers do not agree with each other."""
    NO_DATE = "import.no_date"
    """The file does not say when it was made, and nobody declared it; or the date cannot be."""
    NO_DIRECTION = "import.no_direction"
    """It is neither in the file nor declared which way is safer."""
    NO_RESULTS = "import.no_results"
    """There is nothing in the file that was measured."""
    NOT_FINISHED = "import.not_finished"
    """The run failed, was cancelled, stopped early or was cut off."""
    INCOMPLETE = "import.incomplete"
    """Some samples were not completed, not scored, or ended in an error."""
    INVALIDATED = "import.invalidated"
    """Whoever ran it declared results invalid."""
    EDITED = "import.edited"
    """Scores were changed after the run."""
    LIMITED = "import.limited"
    """Only a part of the samples was run, and who chose it cannot be known."""
    OTHER_MODEL = "import.other_model"
    """Some answers came from another model than the one that was evaluated."""
    AGGREGATE = "import.aggregate"
    """It sums up other parts of the file, which are read themselves."""
    NOT_A_RESULT = "import.not_a_result"
    """It belongs to the format, and is not its results: a digest, a converted record, a list of runs."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file, or a part of it, that is not evidence.

    Attributes:
        reason: The stable code.
        says: One sentence, in our words.
        part: Which part; empty for the file as a whole.
    """

    reason: Reason
    says: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file gave.

    Attributes:
        findings: Findings, in the order of the file; never empty.
        left_out: The parts that could not count.
    """

    findings: tuple[Finding, ...]
    left_out: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """What whoever hands a file in says of it, and answers for.

    Attributes:
        subject: What was evaluated, by digest. A file names models; it cannot say which version of a release they are.
        kind: What the evidence is about.
        domain: The area of risk or of use.
        suite: The name by which a plan's gate asks for it.
        direction: Which way the metric is better news for safety; ``None`` leaves it to a format that says so itself.
        elicitation: How hard was tried.
        evaluator: Who measured. ``None`` leaves it to a format that says so itself.
        status: Preliminary or final.
        valid_for: How long the evidence counts from when it was produced.
        produced_at: When it was measured, aware; for formats that do not say. A file's own date has precedence.
        now: The present instant, aware.
    """

    subject: Subject
    kind: Kind
    domain: str
    suite: str
    direction: Direction | None
    elicitation: Elicitation
    evaluator: Evaluator | None
    status: Status
    valid_for: timedelta
    produced_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """An opened file.

    Attributes:
        stream: Readable, seekable, binary; read from its start.
        size: Its bytes.
        sha256: Its digest, as ``sha256:<64 hex digits>``.
        name: Its name where it is known; used for nothing but a task's name in a format that keeps it nowhere else.
    """

    stream: BinaryIO
    size: int
    sha256: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What can be seen of a file before it is known what it is. Names of files play no part: they are easily wrong.

    Attributes:
        start: Its first bytes.
        entries: Names in an archive; empty for anything else, and for an archive that was cut off.
        keys: Keys of the table that a JSON document is, or its first row, or its first line; empty for anything else.
        lines: It is not one JSON document, but its first line is.
    """

    start: bytes
    entries: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    lines: bool = False


class Importer(Protocol):
    """One format."""

    format: Format

    def recognises(self, glimpse: Glimpse) -> bool:
        """Return whether a file that looks like this is of this format."""
        ...

    def read(self, upload: Upload, declared: Declared) -> Imported:
        """Read the file.

        Raises:
            Unfit: It, or all of it, is not evidence.
        """
        ...


class Unfit(NotEvidence):
    """A file cannot be imported as evidence; the refusal says why."""

    code = "evidence.unfit"

    def __init__(self, reason: Reason, says: str, part: str = "") -> None:
        super().__init__(says, rule=reason.value)
        self.refusal = Refusal(reason, says, part)
