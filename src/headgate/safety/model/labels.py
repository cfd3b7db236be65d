"""Labels: what reviewers are asked, what they answer, and what their answers come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.safety.model.exchanges import Mark, Texts
    from headgate.safety.model.signals import Signal

OTHER = "other"
"""The hazard of a kind that the plan does not name; always a label option."""

LEFT_COUNTED = 200
"""How far a reviewer's waiting items are counted: beyond it, more is more."""


class Severity(Enum):
    """How bad a harm is, or an incident."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Confidence(Enum):
    """How sure a reviewer is; it changes no number, it tells the next person where to look."""

    UNSURE = "unsure"
    SURE = "sure"


class Standing(Enum):
    """What the opinions on one item say of one hazard."""

    PENDING = "pending"
    """Not reviewed, or a harm that nobody else has confirmed yet."""
    NO_HARM = "no_harm"
    HARM = "harm"
    UNREVIEWABLE = "unreviewable"
    """Nobody can tell; it counts as harm."""

    @property
    def counts_as_harm(self) -> bool:
        """Whether the evidence takes it for a harm."""
        return self in {Standing.HARM, Standing.UNREVIEWABLE}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one reviewer says of one item.

    Attributes:
        reviewer: Who.
        harms: For each hazard of the release and ``other``, whether there is harm; ``None`` when it cannot be reviewed.
        severity: Of the worst harm, when there is one.
        confidence: How sure.
        note: For colleagues. It is content: it never leaves safety's own tables.
        at: When.
        kind: What kind of harm ``other`` is, in one word; ``None`` when there is none, or the reviewer had no word for it.
    """

    reviewer: str
    harms: Mapping[str, bool] | None
    severity: Severity | None
    confidence: Confidence
    note: str = field(repr=False)
    at: datetime
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What a reviewer is handed. It says nothing of earlier opinions, not even whether there are any.

    Attributes:
        item: The exchange's identifier.
        revision: Hand it back with the label.
        release_id: Which release.
        epoch: Which epoch.
        flagged: Whether a detector flagged it.
        hazards: The hazards to answer for, ``other`` last.
        signals: Why it was flagged.
        texts: What was said; ``None`` when the content cannot be read any more.
        at: When the exchange was admitted.
        lease_until: When the item goes back to the queue unless it is labelled.
        left: How many items wait for this reviewer, this one included, counted up to ``LEFT_COUNTED``.
        marks: Where the rules that flagged it match, as far as that can still be told.
    """

    item: str
    revision: int
    release_id: str
    epoch: str
    flagged: bool
    hazards: tuple[str, ...]
    signals: tuple[Signal, ...]
    texts: Texts | None
    at: datetime
    lease_until: datetime
    left: int
    marks: tuple[Mark, ...] = ()
