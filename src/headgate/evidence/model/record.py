"""The record of one piece of evidence from outside: what was measured, on what, by whom, how hard they tried.

A file of evaluation results becomes findings, one for each measured number; a finding that is taken in becomes a record.
Three rules hold for every record:

* A rate is evidence only with its counts: ``k`` of ``n``, of a named unit, with the clusters they came in. A rate without
  counts is ``unquantified``; it may be read by people and can pass no gate.
* The interval is worked out by us from the counts. What a file says of its own uncertainty is never taken over: tools
  print a standard error of 0 for 0 of 64, and an interval of [0, 0] for no successes.
* Evidence speaks of one subject, named by digests. Neither the file nor its tool can vouch for that: the person who hands
  it in declares it, and the record says so.

Nothing free-form from a file reaches a record but short names that were checked; arguments, environments, prompts and
completions stay where they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from enum import Enum
from typing import TYPE_CHECKING

from headgate.kernel.ids import EvidenceId  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(Enum):
    """What a piece of evidence is about."""

    CAPABILITY = "capability"
    """What the model can do when somebody tries to make it."""
    SAFEGUARD = "safeguard"
    """How well refusals, screens and filters hold."""
    MONITORING = "monitoring"
    """How much of what happens is seen."""
    REDTEAM = "redteam"
    """What people or programs that attack the model achieved."""
    AUDIT = "audit"
    """What somebody independent found on inspection."""
    SECURITY = "security"
    """How well weights and systems are protected."""
    INCIDENT = "incident"
    """What went wrong, once."""
    BENEFIT = "benefit"
    """What good the release does."""


class Direction(Enum):
    """Which way the metric is better news for safety. The solving rate of a dangerous task is better when lower."""

    LOWER_IS_BETTER = "lower"
    HIGHER_IS_BETTER = "higher"


class Status(Enum):
    """Whether the evaluator stands by the numbers."""

    PRELIMINARY = "preliminary"
    FINAL = "final"


class Relationship(Enum):
    """How the evaluator stands to whoever made the model; the words of the Every Eval Ever schema."""

    FIRST_PARTY = "first_party"
    THIRD_PARTY = "third_party"
    COLLABORATIVE = "collaborative"


class Access(Enum):
    """How deep the evaluator could look."""

    UNSTATED = "unstated"
    AL1 = "AL1"
    """Black box: what any user has, with safeguards on."""
    AL2 = "AL2"
    """Grey box: more than users have, such as safeguards off, log probabilities or fine-tuning."""
    AL3 = "AL3"
    """White box: weights, internals and the people who made it."""


class Effort(Enum):
    """How hard the evaluator tried to bring the capability out, from least to most."""

    UNSTATED = "unstated"
    PROMPTED = "prompted"
    """Plain prompts, one try each."""
    SCAFFOLDED = "scaffolded"
    """Tools, agents, several tries or search."""
    FINE_TUNED = "fine_tuned"
    """Trained for the task, or with its refusals trained away: what an owner of the weights can do."""


class Format(Enum):
    """The form in which evidence came."""

    INSPECT_EVAL = "inspect_eval"
    INSPECT_JSON = "inspect_json"
    LM_EVAL = "lm_eval"
    GARAK = "garak"
    HELM = "helm"
    EVERY_EVAL_EVER = "every_eval_ever"
    COUNTS_CSV = "counts_csv"
    STATEMENT = "statement"
    """A document for people, such as an audit report: only its digest is taken, and what it says is declared."""


class IntervalMethod(Enum):
    """How an interval was worked out from counts."""

    CLOPPER_PEARSON = "clopper_pearson"
    """Exact, for units that are independent of each other."""
    CLUSTERED = "clustered"
    """Clustered standard error with Student's t, and never narrower than the exact interval at the effective number of
    units (Miller 2024; Korn and Graubard 1998)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was evaluated, by digest. Evidence never crosses from one subject to another.

    Attributes:
        model_version: Digest of the version that a release carries (weights, mitigations, system prompt).
        weights: Digest of the weights alone; ``None`` when the evaluator could not know it.
        safeguards: Digest of the safeguards in force during the evaluation; ``None`` when it is not known.
    """

    model_version: str
    weights: str | None
    safeguards: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Clusters that are alike: each of ``n`` units, ``k`` of them counted. Enough to work out a clustered error again.

    Attributes:
        n: Units in each of these clusters, ``>= 1``.
        k: Units that count in each, ``0 <= k <= n``.
        clusters: How many such clusters there are, ``>= 1``.
    """

    n: int
    k: int
    clusters: int


@dataclass(frozen=True, slots=True)
class Counts:
    """``k`` of ``n`` units, and the clusters they came in.

    Attributes:
        k: Units for which the metric holds: solved, refused, attacked with success; the metric says which.
        n: Units that were measured, ``>= 1``.
        unit: What one of them is: ``item``, ``attempt``, ``prompt``, ``user``.
        tallies: Clusters by size and outcome, in the order of (n, k). Empty when each unit stands for itself.
    """

    k: int
    n: int
    unit: str
    tallies: tuple[Tally, ...] = ()

    @property
    def clusters(self) -> int:
        """Return the number of clusters: ``n`` when each unit stands for itself."""
        return sum(tally.clusters for tally in self.tallies) if self.tallies else self.n


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval for the rate, worked out from the counts.

    Attributes:
        low: Its lower end, in ``[0, 1]``.
        high: Its upper end, in ``[0, 1]``.
        confidence: Its coverage, such as 0.95.
        method: How it was worked out.
    """

    low: float
    high: float
    confidence: float
    method: IntervalMethod


@dataclass(frozen=True, slots=True)
class Elicitation:
    """How hard was tried, as declared by whoever hands the evidence in; no data can bound what more effort would bring.

    Attributes:
        effort: The highest kind of effort.
        steps: Names of what was done, from the file or declared: solvers, shots, attacks.
        attempts: Tries per item of which one success counts the item, ``>= 1``; 1 when each try is counted by itself.
        note: A sentence of whoever declares it; may be empty.
    """

    effort: Effort
    steps: tuple[str, ...] = ()
    attempts: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Who measured.

    Attributes:
        name: The organisation or person.
        relationship: How it stands to whoever made the model.
        access: How deep it could look.
    """

    name: str
    relationship: Relationship
    access: Access = Access.UNSTATED


@dataclass(frozen=True, slots=True)
class Source:
    """Where a finding was read.

    Attributes:
        sha256: Digest of the whole file, or of the set of files, as ``sha256:<64 hex digits>``.
        format: Its form.
        part: Which part of it, so that two findings of one file can be told apart: task, filter, detector, row.
        tool_version: The version of the tool that wrote it, where the file says so.
        model: The model's name in the file, where it has one that may be kept. It is a name, not a digest.
    """

    sha256: str
    format: Format
    part: str
    tool_version: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Caveat:
    """Something that limits what a finding shows.

    Attributes:
        code: Its stable name, such as ``graded_score``.
        says: One sentence for people.
    """

    code: str
    says: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured number with everything that is known of it; a record without its id.

    Attributes:
        subject: What was evaluated.
        kind: What it is about.
        domain: The area of risk or of use: ``cyber``, ``bio``, ``harmful_advice``.
        suite: The name by which a plan's gate asks for it.
        task: What was run, in the evaluator's words.
        metric: The number's name: ``accuracy``, ``attack_success``, ``refusal``.
        direction: Which way is better news for safety.
        counts: ``k`` of ``n``; ``None`` when the source does not give both, and then the finding is unquantified.
        reported: The value as the source states it, for people and for cross-checks; ``None`` when it states none.
        interval: From the counts; ``None`` exactly when there are none.
        elicitation: How hard was tried.
        evaluator: Who measured.
        produced_at: When it was measured, aware.
        expires_at: From when on it is stale, aware.
        status: Preliminary or final.
        source: Where it was read.
        caveats: What limits it.
    """

    subject: Subject
    kind: Kind
    domain: str
    suite: str
    task: str
    metric: str
    direction: Direction
    counts: Counts | None
    reported: float | None
    interval: Interval | None
    elicitation: Elicitation
    evaluator: Evaluator
    produced_at: datetime
    expires_at: datetime
    status: Status
    source: Source
    caveats: tuple[Caveat, ...] = ()

    @property
    def unquantified(self) -> bool:
        """Return whether the counts are missing; such a finding can pass no gate."""
        return self.counts is None


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """A finding that was taken in.

    Attributes:
        id: Its id.
        finding: What it says.
        recorded_at: When it was taken in, aware.
        recorded_by: Who handed it in and answers for what was declared.
        supersedes: The record that this one takes the place of, if any.
    """

    id: EvidenceId
    finding: Finding
    recorded_at: datetime
    recorded_by: str
    supersedes: EvidenceId | None = None


def contradiction(finding: Finding) -> str | None:
    """Return how a finding contradicts itself, or ``None``. What contradicts itself is never evidence."""
    return next(_contradictions(finding), None)


def _contradictions(finding: Finding) -> Iterator[str]:
    if finding.counts is not None:
        yield from _in_counts(finding.counts)
    yield from _in_interval(finding)
    yield from _in_times(finding)
    if finding.reported is not None and not math.isfinite(finding.reported):
        yield "The reported value is not a number."
    if finding.elicitation.attempts < 1:
        yield "An item is tried at least once."
    for name, text in (("model version", finding.subject.model_version), ("suite", finding.suite), ("metric", finding.metric)):
        if not text:
            yield f"The {name} is empty."


def _in_interval(finding: Finding) -> Iterator[str]:
    if (finding.counts is None) is not (finding.interval is None):
        yield "An interval belongs to counts, and counts have an interval."
    if finding.interval is not None:
        low, high, confidence = finding.interval.low, finding.interval.high, finding.interval.confidence
        if not (0 <= low <= high <= 1 and 0 < confidence < 1):
            yield "The interval is not one of a rate."


def _in_times(finding: Finding) -> Iterator[str]:
    if finding.produced_at.utcoffset() is None or finding.expires_at.utcoffset() is None:
        yield "A time has no offset from UTC."
    elif finding.expires_at <= finding.produced_at:
        yield "The evidence expires before it was produced."


def _in_counts(counts: Counts) -> Iterator[str]:
    if not (0 <= counts.k <= counts.n and counts.n >= 1):
        yield f"{counts.k:,} of {counts.n:,} is no rate."
    if not counts.tallies:
        return
    if any(not 0 <= tally.k <= tally.n or tally.n < 1 or tally.clusters < 1 for tally in counts.tallies):
        yield "A cluster holds more than it has, or nothing."
    if sum(tally.n * tally.clusters for tally in counts.tallies) != counts.n:
        yield "The clusters do not add up to the units."
    if sum(tally.k * tally.clusters for tally in counts.tallies) != counts.k:
        yield "The clusters do not add up to the units that count."
