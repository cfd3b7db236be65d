"""The nouns of safety, frozen.

An **exchange** that something was served for gets a **draw**: its place in the epoch, its score, and the probability with
which a coin sends it to review. A sampled draw is an **item**. A reviewer's **opinion** answers for every hazard of the
release at once; opinions settle into a **standing** per hazard. Nothing here is ever ``None`` to mean "harmless".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER = "other"
"""The hazard of a kind that the plan does not name; always a label option."""

D_MAX = timedelta(days=14)
"""How long a sampled exchange may stay unresolved before it counts as harm."""

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
class Signal:
    """What a detector says of an exchange.

    Attributes:
        hazard: The kind of harm.
        score: How strongly, in ``[0, 1]``.
        why: A sentence for the reviewer; never text of the exchange.
        detector: ``family@<digest or version>``.
        rule_id: The rule that spoke.
        flags: Whether the exchange is flagged by it, which a review duty may act on.
        blocks: Whether an input screen withholds the exchange.
    """

    hazard: str
    score: float
    why: str
    detector: str
    rule_id: str
    flags: bool = True
    blocks: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score lies in [0, 1], not {self.score}")


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one detector says of one exchange.

    Attributes:
        signals: What it found.
        undetermined: Rules that look at a part which is not there. "Could not tell" is not "found nothing".
    """

    signals: tuple[Signal, ...]
    undetermined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Screening:
    """An input screen's answer.

    Attributes:
        blocked: Whether the exchange is withheld.
        signals: Every signal, the blocking ones included.
    """

    blocked: bool
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text and whose it is.

    Attributes:
        source: ``user``, ``system``, ``tool``, ``answer 1``, ``answer 1 tool call 1`` and so on.
        text: The text, as sent.
    """

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Texts:
    """Every text of an exchange.

    Attributes:
        prompt: What was asked, or ``None`` when it was not kept.
        completion: What was answered, or ``None`` when it was not kept; empty when the answer had no text.
    """

    prompt: tuple[Passage, ...] | None
    completion: tuple[Passage, ...] | None


class Part(Enum):
    """Which side of an exchange a passage belongs to."""

    PROMPT = "prompt"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in a passage a rule matches.

    Attributes:
        part: The side of the exchange.
        passage: Which passage of it, counted from 0.
        start: Its first character.
        end: The character behind its last.
        rule_id: The rule.
    """

    part: Part
    passage: int
    start: int
    end: int
    rule_id: str


@dataclass(frozen=True, slots=True)
class Content:
    """The two bodies of an exchange as they were relayed; either may be empty when it was not kept."""

    request: bytes
    response: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled exchange, as the exchange log tells it.

    Attributes:
        exchange_id: Which.
        epoch: The epoch that it was admitted under.
        account_id: Who asked.
        at: When it was admitted.
        status: The outcome's status, such as ``COMPLETED``.
        http_status: What upstream answered, if it did.
        response_bytes: How much of an answer was relayed.
    """

    exchange_id: str
    epoch: str
    account_id: str
    at: datetime
    status: str
    http_status: int | None
    response_bytes: int


@dataclass(frozen=True, slots=True)
class SettledPage:
    """Settled exchanges and where to go on from.

    Attributes:
        exchanges: In the log's order.
        cursor: The log's own bookmark behind the last of them; opaque here.
    """

    exchanges: tuple[Settled, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class Draw:
    """One exchange's place and probability, fixed before its coin is tossed.

    Attributes:
        epoch: Which epoch.
        position: Its place there, counted from 1 without gaps.
        exchange_id: Which exchange.
        at: When the exchange was admitted.
        account_id: Who asked.
        score: The highest score of any signal, or ``None`` when a detector could not tell.
        flagged: Whether any signal flags it.
        pi0: The floor probability of the moment.
        pi: Its own probability, ``pi0 <= pi <= 1``.
    """

    epoch: str
    position: int
    exchange_id: str
    at: datetime
    account_id: str
    score: float | None
    flagged: bool
    pi0: float
    pi: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of consecutive draws under one floor probability."""

    requests: int
    pi0: float


@dataclass(frozen=True, slots=True)
class Harm:
    """A harm that stands, with the probabilities it was drawn under."""

    pi: float
    pi0: float


@dataclass(frozen=True, slots=True)
class LabelledTraffic:
    """All that a claim about realised traffic needs to know of one epoch and hazard.

    Attributes:
        epoch: Which epoch.
        hazard: Which hazard.
        segments: The draws up to the frontier, as runs of equal ``pi0``.
        harms: The harms among them: confirmed, unreviewable, or unresolved for longer than ``D_MAX``.
        labels: How many sampled draws up to the frontier are resolved (all of them, by its definition).
        pending: Sampled draws anywhere in the epoch that still wait and are not yet overdue.
        frontier: How many draws come before the first one that still waits, for its coin or for its label.
        drawn: How many draws there are.
        uniform: Whether the epoch's design draws every exchange with the floor alone, so that no score steers the sample. It is
            the design and not the data that says so: a method chosen by the data could be wrong twice as often.
    """

    epoch: str
    hazard: str
    segments: tuple[Segment, ...]
    harms: tuple[Harm, ...]
    labels: int
    pending: int
    frontier: int
    drawn: int
    uniform: bool


@dataclass(frozen=True, slots=True)
class LookData:
    """The draws of one closed window of time, for a rise alarm that replays the windows in order.

    Draws count in the window in which they were *recorded*, whether or not their labels are in; a harm counts in its draw's
    window from the moment it stands; whatever still waits, or could not be reviewed, counts as no harm here. Windows and
    draws are fixed before any label is, so with every label known the product over a window of ``1 + lambda (Z - r0)`` has
    conditional mean at most one under a rate of at most ``r0``; a missing label only ever lowers it. So the alarm computed
    from what is known now never runs ahead of the one computed from everything: label delay, informative or not, can delay an
    alarm and cannot cause one. A late harm changes an earlier window: replay from the first window, which costs one row per
    window and per harm.

    Attributes:
        requests: Draws in the window.
        segments: The same draws as runs of equal ``pi0``.
        harms: The harms among them that stand.
        upto_label_seq: The newest label that was taken into account.
        upto_position: The window's last draw.
        closed_at: The window's end.
    """

    requests: int
    segments: tuple[Segment, ...]
    harms: tuple[Harm, ...]
    upto_label_seq: int
    upto_position: int
    closed_at: datetime


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


@dataclass(frozen=True, slots=True)
class HazardWaiting:
    """How much of an epoch waits for one hazard.

    Attributes:
        release_id: Which release.
        epoch: Which epoch.
        hazard: Which hazard.
        items: Items that wait for an opinion on it.
    """

    release_id: str
    epoch: str
    hazard: str
    items: int


@dataclass(frozen=True, slots=True)
class ReviewerCount:
    """One reviewer's work."""

    reviewer: str
    labels: int
    skips: int


@dataclass(frozen=True, slots=True)
class Waits:
    """How long items have waited for their last opinion.

    Attributes:
        flagged: Whether these are the flagged items; ``False`` where none was flagged, and every sampled item is meant.
        done: How many are done of those that still count.
        waiting: How many still wait.
        late: How many of both took, or have taken, longer than they may.
        longest: The longest wait among them; ``None`` when there are none.
    """

    flagged: bool
    done: int
    waiting: int
    late: int
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class HazardAgreement:
    """How far blind second readings agree on one hazard.

    Attributes:
        hazard: Which hazard.
        pairs: Items of the blind double share that were read twice.
        agreed: How many of them were answered alike.
        kappa: Cohen's kappa; ``None`` when it is not defined.
        alpha: Krippendorff's alpha; ``None`` when it is not defined.
    """

    hazard: str
    pairs: int
    agreed: int
    kappa: float | None
    alpha: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the review queue.

    Attributes:
        items: Items that still need somebody.
        oldest_age: Age of the oldest of them, or ``None`` when there is none.
        labels_per_day: Opinions a day over the last seven days (over the time since the first one, if that is shorter).
    """

    items: int
    oldest_age: timedelta | None
    labels_per_day: float


@dataclass(frozen=True, slots=True)
class ReviewHealth:
    """How the review queue is doing.

    Attributes:
        backlog: Items that still need somebody.
        oldest_age: Age of the oldest of them, or ``None`` when there is none.
        labels_per_day: Opinions a day over the last seven days (over the time since the first one, if that is shorter).
        double_reviewed: Items of the blind double share with two opinions.
        kappa: Cohen's kappa over their (item, hazard) pairs; ``None`` when it is not defined.
        positives_checked: First-opinion harms that got a second opinion.
        positives_confirmed: How many of those the second reviewer confirmed.
        reviewers: Counts per reviewer; gold items are work like any other.
        agreement: The blind double share, hazard by hazard.
    """

    backlog: int
    oldest_age: timedelta | None
    labels_per_day: float
    double_reviewed: int
    kappa: float | None
    positives_checked: int
    positives_confirmed: int
    reviewers: tuple[ReviewerCount, ...]
    agreement: tuple[HazardAgreement, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitorHealth:
    """How the collector and its detectors are doing.

    Attributes:
        last_collect_at: When a batch was last collected, or looked for and not needed.
        healthy_at: When that last happened with every exchange scored: the instant a "monitor down" rule counts from.
        errors: Exchanges that a detector could not score, ever.
        unscored: Draws without a score, ever.
        drawn: Draws, ever.
        lag: Time from the admission to the draw of the newest exchange collected.
        last_error: The code of the last failure, if any.
    """

    last_collect_at: datetime | None
    healthy_at: datetime | None
    errors: int
    unscored: int
    drawn: int
    lag: timedelta | None
    last_error: str | None

    def down_for(self, now: datetime) -> timedelta | None:
        """Return how long the monitor has not been seen healthy; ``None`` when it never was."""
        return None if self.healthy_at is None else max(now - self.healthy_at, timedelta(0))


class IncidentState(Enum):
    """Where an incident stands."""

    DRAFT = "draft"
    TRIAGED = "triaged"
    CONTAINED = "contained"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    FINAL = "final"
    WITHDRAWN = "withdrawn"

    @property
    def open(self) -> bool:
        """Whether it still weighs on the release; a draft does."""
        return self in {IncidentState.DRAFT, IncidentState.TRIAGED, IncidentState.CONTAINED, IncidentState.MONITORING}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened.

    Attributes:
        id: ``inc_…``.
        release_id: Which release it weighs on.
        severity: How bad.
        state: How far its handling has come.
        title: A sentence for colleagues; content, kept out of the ledger.
        hazard: Which kind of harm.
        aware_at: When somebody first knew: its clocks count from here.
        exchanges: The exchanges it is about.
        opened_by: Who opened it.
        opened_at: When it was written down.
        revision: Hand it back with a change.
    """

    id: str
    release_id: str
    severity: Severity
    state: IncidentState
    title: str
    hazard: str
    aware_at: datetime
    exchanges: tuple[str, ...]
    opened_by: str
    opened_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What one run of the collector did.

    Attributes:
        read: Settled exchanges seen.
        drawn: How many of them got a draw.
        not_served: How many showed nothing of the model to anybody, and so are not in any denominator.
        sampled: How many the coin sent to review.
        unscored: How many a detector could not score.
    """

    read: int
    drawn: int
    not_served: int
    sampled: int
    unscored: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first draw whose record does not fit the committed seed or the recorded batch."""

    position: int
    exchange_id: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What recomputing an epoch's coins found.

    Attributes:
        epoch: Which epoch.
        draws: How many coins were recomputed.
        sampled: How many of them send the exchange to review.
        commitment: The digest of the seed that was committed.
        revealed: Whether the seed is public by now.
        misfit: The first thing that does not fit; ``None`` when all do.
    """

    epoch: str
    draws: int
    sampled: int
    commitment: str
    revealed: bool
    misfit: Misfit | None
