"""What whoever answers requests must know of the releases; nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.releases.model.holdback import OpenHoldback
    from headgate.releases.model.plan import HowMuch, Upstream, Watch, What, Who
    from headgate.releases.model.release import State


@dataclass(frozen=True, slots=True)
class OpenStage:
    """A stage that is open now.

    Attributes:
        name: Its name.
        position: Its place on the ladder, from 1.
        epoch: What exchanges admitted under it are recorded with.
        attempt: How often its evidence has begun afresh, from 1.
        who: The cohort, its seats, how one is come by, the terms.
        what: Surfaces, capabilities and their bounds.
        how_much: Limits of each seat.
        watch: What is drawn for review; ``None`` where nothing can be seen.
        holdback: Who of the cohort keeps the access of the stage before, where somebody does.
    """

    name: str
    position: int
    epoch: EpochId
    attempt: int
    who: Who
    what: What
    how_much: HowMuch
    watch: Watch | None
    holdback: OpenHoldback | None = None


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """What a release allows now.

    Attributes:
        release_id: Which release.
        model: What a client asks for.
        version_digest: What exactly answers.
        state: Where it stands.
        upstream: Who answers.
        admits_newcomers: Whether somebody who has never been served may be; false while frozen.
        stages: The open stages in order; a cohort is served under the last that names it. Empty when nobody is served.
        created_at: When the release came into being.
        last_open: Every stage that was ever open, in order: who is turned away by a cut is told so, and not that the model
            does not exist.
    """

    release_id: ReleaseId
    model: str
    version_digest: str
    state: State
    upstream: Upstream
    admits_newcomers: bool
    stages: tuple[OpenStage, ...]
    created_at: datetime
    last_open: tuple[OpenStage, ...]
