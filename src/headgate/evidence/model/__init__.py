"""The values of evidence: labels as they come in, claims to be tested on them, and readings.

All frozen; equal inputs give equal readings. Rates are harms per request throughout, and a rate in a claim is always a
rate in the traffic that was really served, never in traffic to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headgate.kernel.verdict import Verdict  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REALISED_TRAFFIC = "realised traffic"
"""What every reading here speaks of: the requests served in the epoch so far, and no others."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of consecutive requests under one sampling floor.

    Attributes:
        requests: Requests in it, drawn or not.
        pi0: The least inclusion probability of any of them, in ``(0, 1]``.
    """

    requests: int
    pi0: float


@dataclass(frozen=True, slots=True)
class Harm:
    """A drawn request that was found harmful, or never resolved in time, which counts as harmful.

    Attributes:
        pi: Its inclusion probability, on record before the coin was tossed, in ``[pi0, 1]``.
        pi0: The floor in force when it was drawn.
    """

    pi: float
    pi0: float


@dataclass(frozen=True, slots=True)
class LabelledTraffic:
    """The labels of an epoch for one hazard, in the order of the draws, up to the frontier.

    Attributes:
        epoch: The epoch.
        hazard: The kind of harm.
        segments: The requests before the frontier, in order.
        harms: The harms among them.
        labels: Drawn and resolved requests among them.
        pending: Drawn requests that are not resolved yet, anywhere in the epoch.
        frontier: Requests before the first one that still waits, for its coin or for its label. Going by the order of the
            draws, a verdict cannot be hastened by resolving the harmless ones first.
        drawn: Requests that have their place in the order of the draws.
        uniform: Every request of a segment is drawn with the same probability, by the epoch's design. It must not be worked
            out from what the draws happened to be: a method chosen by the data could be fooled twice.
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
class RateClaim:
    """What a rate gate wants shown.

    Attributes:
        hazard: The kind of harm.
        below: The limit, harms per request, in ``(0, 1)``, declared before the data.
        alpha: The gate's chance of a false promotion over all attempts, in ``(0, 1)``.
        attempt: Which attempt at the gate this is, counted from 1. A later one has less of ``alpha`` to spend.
    """

    hazard: str
    below: float
    alpha: float
    attempt: int


class Method(Enum):
    """How labels were weighed."""

    UNIFORM = "uniform"
    """Each label counts alike: all requests were drawn with one probability."""
    HORVITZ_THOMPSON = "horvitz_thompson"
    """Each harm counts by its own inclusion probability: a score directed part of the draws."""


@dataclass(frozen=True, slots=True)
class LabelsToGo:
    """How many more labels a pass would take.

    Attributes:
        best: If every one of them is harmless; 0 after a pass.
        likely: If harm goes on at the rate seen so far, drawn a little towards "some harm"; ``None`` when there are too few
            labels to say, or when at that rate the gate never passes.
        never: The rate seen so far is at or above the limit: more of the same will not pass.
    """

    best: int
    likely: int | None
    never: bool


@dataclass(frozen=True, slots=True)
class RateReading:
    """What the labels say of a claim.

    Attributes:
        verdict: PASS: the rate is shown below the limit. FAIL: it is shown above. ERROR: the input contradicts itself.
        log_e: Log of the stake against "the rate is at or above the limit", nats. 0 is no evidence either way.
        harm_log_e: Log of the stake against "the rate is at or below the limit", nats.
        threshold_log_e: What either must reach.
        alpha_spent: What this attempt may spend.
        harms: Harms before the frontier.
        labels: Labels before the frontier.
        requests: Requests before the frontier.
        point_estimate: Harms per request, with no guarantee; ``None`` without labels.
        upper_bound: The smallest limit that the labels rule out at ``alpha_spent``; 1 when they rule out nothing.
        labels_to_go: How far it is to a pass.
        method: How labels were weighed.
        claim: What the numbers speak of.
        weighted: The floor changed on the way, so means are weighted by it.
        sentence: The reading in one sentence.
        not_shown: What the labels could not have shown, in plain words.
        limit: What the rate of standing harms had to be shown to lie below: the claim's limit, times ``recognised`` where that is
            known; ``None`` when so little is known of the reviewers that nothing can.
        recognised: The lower bound on the share of harms that reviewers recognise; ``None`` when gold items have not measured it.
    """

    verdict: Verdict
    log_e: float
    harm_log_e: float
    threshold_log_e: float
    alpha_spent: float
    harms: int
    labels: int
    requests: int
    point_estimate: float | None
    upper_bound: float
    labels_to_go: LabelsToGo
    method: Method
    claim: str
    weighted: bool
    sentence: str
    not_shown: tuple[str, ...]
    limit: float | None
    recognised: float | None


@dataclass(frozen=True, slots=True)
class RiseRule:
    """When an alarm is to be raised.

    Attributes:
        hazard: The kind of harm.
        from_rate: The rate that is no cause for alarm, harms per request, in ``(0, 1)``.
        to_rate: The rate that the alarm is sharpest at, above ``from_rate``. Any rise is noticed in time.
        false_alarm_every: Mean time between false alarms while the rate is at or below ``from_rate``: at least this.
        look_every: The length of a window; shorter than ``false_alarm_every``.
    """

    hazard: str
    from_rate: float
    to_rate: float
    false_alarm_every: timedelta
    look_every: timedelta


@dataclass(frozen=True, slots=True)
class Look:
    """The requests of one closed window of time, as far as they have been judged by now.

    Attributes:
        segments: The requests for which a coin was tossed in the window, in order.
        harms: Those among them that were found harmful, whenever that was. One that still waits counts as harmless.
    """

    segments: tuple[Segment, ...]
    harms: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class RiseState:
    """An alarm after all the looks there are.

    Attributes:
        looks: Windows with any requests.
        requests: Requests in them.
        harms: Harms among those.
        log_m: The log of the average of the detectors now; ``None`` before the first look.
        raised_at: The first look at which the alarm was raised; ``None`` when at none.
    """

    looks: int
    requests: int
    harms: int
    log_m: float | None
    raised_at: int | None

    @property
    def raised(self) -> bool:
        """Whether the alarm is raised."""
        return self.raised_at is not None


@dataclass(frozen=True, slots=True)
class RiseReading:
    """What the labels say of a rise.

    Attributes:
        state: The detector.
        threshold_log_m: What ``log_m`` must reach to raise the alarm.
        sentence: The reading in one sentence.
    """

    state: RiseState
    threshold_log_m: float
    sentence: str


ReadingT = TypeVar("ReadingT")


@dataclass(frozen=True, slots=True)
class Measured(Generic[ReadingT]):
    """A reading with everything it was worked out from.

    Attributes:
        epoch: The epoch.
        reading: What the labels say.
        inputs: The labels, and the claim or the rule, as JSON; ``wire.replay_rate`` and ``wire.replay_rise`` work out the
            same reading from them.
    """

    epoch: str
    reading: ReadingT
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading as it is kept.

    Attributes:
        digest: Its address.
        epoch: The epoch.
        kind: ``rate`` or ``rise``.
        inputs: What it was worked out from, as JSON.
        result: What came out, as JSON.
        at: When it was kept.
    """

    digest: str
    epoch: str
    kind: str
    inputs: Mapping[str, Any]
    result: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as it is kept.

    Attributes:
        epoch: The epoch that it watches.
        tripwire: Its name in the plan.
        rule: The rule that it began with, as JSON.
        began_at: When it was first asked.
        raised: The digest of the reading that raised it; ``None`` while none has.
    """

    epoch: str
    tripwire: str
    rule: Mapping[str, Any]
    began_at: datetime
    raised: str | None = None
