"""The values of what is known of reviewers: how many known harms they recognise, and how long their queue is.

Nothing here counts known harms that somebody still holds: a reviewer who may read verdicts could tell from it what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from typing import TYPE_CHECKING

from headgate.kernel.verdict import Verdict  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(frozen=True, slots=True)
class Readers:
    """What gold items say of an epoch's reviewers for one hazard.

    Attributes:
        shown: Known harms that reviewers have answered, in the order shown, up to the first that still waits.
        caught: Those that ended as a harm.
        required: A pass takes a measurement; ``False`` lets labels stand as they are where there is none, and says so.
    """

    shown: int
    caught: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class ReviewClaim:
    """What a review gate wants shown.

    Attributes:
        done_within: How long a flagged exchange may wait for its last opinion; ``None`` asks nothing of that.
        recall_at_least: The share of known harms that reviewers are to be shown to recognise, in ``(0, 1)``; ``None`` likewise.
        alpha: The chance to pass although they recognise fewer, over all attempts, in ``(0, 1)``.
        attempt: Which attempt this is, from 1.
    """

    done_within: timedelta | None
    recall_at_least: float | None
    alpha: float
    attempt: int


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """How review went in a stage, as of one instant.

    Attributes:
        flagged: Whether the waits are those of flagged exchanges; ``False`` where none was flagged, and sampled ones are meant.
        done: Exchanges that are done, of those whose time was up lately.
        waiting: Exchanges that wait.
        late: How many of both took, or have taken, longer than they may.
        longest: The longest wait among them; ``None`` when there are none.
        span: How far back lateness counts.
        shown: Known harms that reviewers have answered, in order, up to the first that still waits.
        caught: Those in which every known harm stood at the end.
    """

    flagged: bool
    done: int
    waiting: int
    late: int
    longest: timedelta | None
    span: timedelta
    shown: int
    caught: int


@dataclass(frozen=True, slots=True)
class ReviewReading:
    """What is known of review.

    Attributes:
        verdict: The worse of the two answers; INSUFFICIENT when nothing is asked.
        sentence: The reading in words.
        recall_lower: The lower bound on the share of known harms that is recognised; ``None`` when nothing is asked of it.
        recall_upper: The upper bound on it; ``None`` likewise.
        alpha_spent: What this attempt may spend.
        golds_to_go: How many more known harms it takes if all of them are recognised; 0 after a pass.
        progress: How far it is, in ``[0, 1]``.
        not_shown: What this could not have seen.
    """

    verdict: Verdict
    sentence: str
    recall_lower: float | None
    recall_upper: float | None
    alpha_spent: float
    golds_to_go: int
    progress: float
    not_shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasuredReview:
    """A review reading with everything that it was worked out from.

    Attributes:
        reading: What is known.
        inputs: The facts and the claim, as JSON; ``wire.reviewing.replay_review`` works out the same reading from them.
    """

    reading: ReviewReading
    inputs: Mapping[str, Any]
