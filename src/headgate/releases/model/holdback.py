"""A holdback: some of those whose access a stage would widen keep the access of the stage before for a while.

They are drawn by lot, and live through the same days as the others. So whatever else changes, changes for both, and a rise on one
side only is laid to the access. Without it, before and after can be described and not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.releases.model.conditions import Condition
from headgate.releases.model.scalars import Chance, Share, Span, read_span
from headgate.releases.model.words import Reaction

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from headgate.kernel.ids import EpochId
    from headgate.releases.model.plan import HowMuch, What

KIND = "holdback"
"""What the comparison is called among a stage's tripwires."""
HELD_BACK = ".held_back"
"""Ends the name of the epoch that the exchanges of held-back accounts are recorded under."""


class Holdback(Condition):
    """Who keeps the access of the stage before, for how long, and what a rise among the others does.

    It holds while the stage is the widest that is open. An account's own window begins when the stage opens, or when its seat
    begins, whichever is later.

    Attributes:
        share: The share of organisations that are drawn; an account without one stands for itself.
        window: How long each account is held back.
        alpha: The chance of ever calling a rise that is none, over all hazards together.
        then: What happens when a rise over the held back is shown.
    """

    share: Share = 0.1
    window: Span = read_span("7d")
    alpha: Chance = 0.05
    then: Reaction = Reaction.HOLD

    @property
    def kind(self) -> str:
        """Return what kind of tripwire it stands beside."""
        return KIND

    @property
    def id(self) -> str:
        """Return its name among the tripwires of its stage."""
        return KIND


@dataclass(frozen=True, slots=True)
class KeptLevel:
    """The access that an account which is held back keeps.

    Attributes:
        below: The stage whose access it was.
        what: What both stages allow; ``None`` where they share no surface.
        how_much: How much of it: the earlier stage's limits, and the later one's where those are lower.
    """

    below: str
    what: What | None
    how_much: HowMuch


@dataclass(frozen=True, slots=True)
class OpenHoldback:
    """A holdback that holds now.

    Attributes:
        share: The share that is drawn.
        window: How long each account is held back.
        since: When the stage opened to people.
        key: What the lots are drawn for; it is no secret.
        epoch: What exchanges of held-back accounts are recorded with.
        level: The access that they keep.
    """

    share: float
    window: timedelta
    since: datetime
    key: str
    epoch: EpochId
    level: KeptLevel
