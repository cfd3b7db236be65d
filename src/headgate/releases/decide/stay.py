"""How long a release may stay as it is, and who is told when it stays longer.

No state may last for ever unseen. Being overdue moves nothing: it asks a person to decide.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from headgate.releases.model.release import State

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.releases.model.release import Release


def longest_stay(release: Release) -> timedelta | None:  # noqa: PLR0911 - one line for each state
    """Return how long the state may last before its owner is told; ``None`` for an end."""
    stays = release.plan.longest_stay
    match release.state:
        case State.HELD:
            return stays.held
        case State.FROZEN:
            return stays.frozen
        case State.NARROWED:
            return stays.narrowed
        case State.CUT:
            return stays.cut
        case State.LIVE:
            spans = [gate.at_most for gate in (release.current.leave if release.current else ()) if gate.kind == "soak"]
            return next((span for span in spans if span is not None), LONGEST_LIVE)
        case State.DRAFT:
            return LONGEST_DRAFT
        case State.SCHEDULED:
            return (release.scheduled_at or release.since) - release.since + LATEST_OPENING
        case State.COMPLETED:
            return LONGEST_COMPLETED
        case State.WITHDRAWN:
            return None
        case _:
            assert_never(release.state)


LONGEST_LIVE = timedelta(days=90)
"""How long a stage may last whose plan sets no ``soak.at_most``."""
LONGEST_DRAFT = timedelta(days=30)
"""How long a draft may wait before somebody should open or withdraw it."""
LONGEST_COMPLETED = timedelta(days=365)
"""How long a completed release goes without being looked at as a whole."""
LATEST_OPENING = timedelta(hours=1)
"""How late a scheduled release may open."""


def begun(release: Release) -> datetime:
    """Return what the longest stay is counted from: a live stage's opening, any other state's beginning."""
    return max(release.since, release.stage_since) if release.state is State.LIVE else release.since


def overdue(release: Release, now: datetime) -> bool:
    """Return whether the release has been in its state, or at its live stage, for longer than it may."""
    longest = longest_stay(release)
    return longest is not None and now - begun(release) > longest


def owner(release: Release) -> str:
    """Return whom the plan names as the one to tell, or else the duty that carries the state."""
    if release.plan.owner is not None:
        return release.plan.owner
    stopped = release.state in {State.HELD, State.FROZEN, State.NARROWED, State.CUT}
    return "safety_lead" if stopped else "release_manager"


def overdue_sentence(release: Release, now: datetime) -> str:
    """Return what the owner is told."""
    days = (now - begun(release)).total_seconds() / 86400
    return f"{release.state.value} for {days:.1f} days, longer than planned; {owner(release)} decides how it goes on"
