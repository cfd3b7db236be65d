"""A decision with everything that it was made from, so that anybody can make it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.kernel.actor import Actor
    from headgate.releases.model.command import Command
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Decision, Release


@dataclass(frozen=True, slots=True)
class Moved:
    """What a command made of a release.

    Attributes:
        release: The release as it is now; its ``revision`` is still the one that was seen.
        decision: What is recorded.
    """

    release: Release
    decision: Decision


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision and what it rests on.

    Attributes:
        decision: What was decided.
        command: What was asked for.
        actor: Who asked, with the permissions they had.
        before: The release as it was; for the decision that brought it into being, a draft without a plan revision.
        assessment: What was read of it.
        ledger: The body of its ledger entry, when it was read back from where it is kept.
    """

    decision: Decision
    command: Command
    actor: Actor
    before: Release
    assessment: Assessment
    ledger: Mapping[str, Any] | None = None
