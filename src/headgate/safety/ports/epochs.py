"""The plans in force, as far as they say what is reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from headgate.safety.sampling.probability import WatchPlan


@dataclass(frozen=True, slots=True)
class Watch:
    """What the plan says of an epoch.

    Attributes:
        release_id: Which release.
        plan: The stage's review duty.
        hazards: The release's hazards, without ``other``.
        drawn_with: The epochs that are drawn at one floor, out of one budget, because they are to be compared; the one whose
            floor it is comes first. None for an epoch that stands alone.
    """

    release_id: str
    plan: WatchPlan
    hazards: tuple[str, ...]
    drawn_with: tuple[str, ...] = ()


class Epochs(Protocol):
    """The plans in force."""

    def watch(self, epoch: str) -> Watch | None:
        """Return the review duty of an epoch, or ``None`` when no plan knows it; then everything is reviewed."""
        ...
