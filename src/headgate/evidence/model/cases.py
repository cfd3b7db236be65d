"""What a gate that reads filed records is decided on: the claim, the records that may count, and what is known of the others.

A case holds everything that its reading was worked out from, so the reading can be worked out again for ever. It has a place
for records that are *withheld*: known to have been filed and to have spoken against the claim, and not there to be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from enum import Enum
from typing import TYPE_CHECKING

from headgate.evidence.model.filing import Disposition, Goalposts, Opinion  # noqa: TC001 - as above
from headgate.evidence.model.record import Counts, Direction, Effort, Kind, Relationship  # noqa: TC001 - as above
from headgate.kernel.ids import EvidenceId  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.kernel.verdict import Verdict

OPEN_SCENARIOS = frozenset({"theft", "open_weights"})
"""Ways in which somebody else holds the weights: safeguards around the model are gone, and anybody may train it further."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What a gate reads of one record.

    Attributes:
        id: The record.
        digest: Of the record as it was filed.
        kind: What it is about.
        metric: The number's name.
        direction: Which way is better news for safety.
        counts: ``k`` of ``n``; ``None`` when it is unquantified.
        reported: The value as the source states it.
        effort: How hard was tried.
        attempts: Tries per item of which one success counts the item.
        relationship: How the evaluator stands to whoever made the model.
        produced_at: When it was measured.
        expires_at: From when on it is stale.
        final: Whether the evaluator stands by it.
        carried: Whether it was measured on another version and carried over.
        goalposts: What was tolerated of the suite when the result was filed.
        opinion: The auditor's conclusion, of an audit.
        disposition: What was done about it, of a red team's finding.
    """

    id: EvidenceId
    digest: str
    kind: Kind
    metric: str
    direction: Direction
    counts: Counts | None
    reported: float | None
    effort: Effort
    attempts: int
    relationship: Relationship
    produced_at: datetime
    expires_at: datetime
    final: bool
    carried: bool
    goalposts: Goalposts | None = None
    opinion: Opinion | None = None
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True)
class EvaluationClaim:
    """What an evaluation gate wants shown: the upper bound of the suite, with the margin on top, lies below the threshold.

    Attributes:
        suite: Which evaluation.
        scenario: How the model is exposed: ``api``, ``theft`` or ``open_weights``.
        goalposts: What the plan tolerates now.
        because: The argument for the margin.
        max_age: How old a result may be.
    """

    suite: str
    scenario: str
    goalposts: Goalposts
    because: str
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class IssuesClaim:
    """What an issues gate wants shown: red teams and researchers have looked, and what they found is answered.

    Attributes:
        undisposed: How many findings may be without an answer.
    """

    undisposed: int


@dataclass(frozen=True, slots=True)
class AuditClaim:
    """What an audit gate wants shown: somebody from outside has looked at something, and says so.

    Attributes:
        scope: What the auditor was asked to look at.
        opinion: The worst opinion that passes.
        max_age: How old it may be.
    """

    scope: str
    opinion: Opinion
    max_age: timedelta


Claim = EvaluationClaim | IssuesClaim | AuditClaim


@dataclass(frozen=True, slots=True)
class Shelf:
    """The records that bear on a claim.

    Attributes:
        exhibits: Those in force that count for the version, oldest result first.
        withheld: Records that spoke against the claim and are not there; each keeps the question open.
        elsewhere: Records of the same thing that count for other versions only.
        superseded: Records of the same thing for this version whose place was taken by later ones.
    """

    exhibits: tuple[Exhibit, ...] = ()
    withheld: tuple[EvidenceId, ...] = ()
    elsewhere: int = 0
    superseded: int = 0


class Weight(Enum):
    """What one record does to a claim."""

    SUPPORTS = "supports"
    """It shows what is claimed."""
    AGED = "aged"
    """It showed it once, and is too old or has expired."""
    SILENT = "silent"
    """It cannot count, and does not speak against the claim either."""
    OBJECTS = "objects"
    """It speaks against the claim, or leaves it open although it was meant to settle it."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One record, weighed.

    Attributes:
        id: The record.
        weight: What it does.
        verdict: What the claim comes to by this record alone.
        why: In one clause, for people.
        k: Units that count against safety; ``None`` without counts.
        n: Units; ``None`` without counts.
        lower: Lower bound of the share that counts against safety.
        upper: Upper bound of it, over as many tries as an attacker can afford.
    """

    id: EvidenceId
    weight: Weight
    verdict: Verdict
    why: str
    k: int | None = None
    n: int | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class CaseReading:
    """What the records say of a claim.

    Attributes:
        verdict: The answer.
        sentence: The same for people, with its counts.
        numbers: The figures behind it.
        weighed: Every record that was looked at.
        need: What would settle it, where more evidence would; ``None`` otherwise.
        not_shown: What the records could not have shown.
    """

    verdict: Verdict
    sentence: str
    numbers: Mapping[str, float | int | None]
    weighed: tuple[Weighed, ...]
    need: str | None
    not_shown: tuple[str, ...]
