"""Playing a plan from a page: what is asked, how far it has come, and what came of it.

The work takes minutes of a whole core, so it is done by a process of its own that yields to everything else. There is one at a
time; it belongs to the session that began it, which can see how far it is and end it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.releases.model.draft import Draft
    from headgate.releases.model.simulation import World

MOST_PLAYS = 2000
"""A thousandth of what the command line plays: a page waits for it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be played.

    Attributes:
        draft: The digest of the draft.
        name: What the draft is called.
        runs: How many plays.
        seed: What they are drawn from.
        began_at: When it was asked for.
    """

    draft: str
    name: str
    runs: int
    seed: int
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing was asked for in this session."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """It is being played.

    Attributes:
        trial: What.
        done: How many plays have ended.
    """

    trial: Trial
    done: int


@dataclass(frozen=True, slots=True)
class Played:
    """It was played.

    Attributes:
        trial: What.
        result: What came of it, as ``headgate plan simulate --json`` prints it.
    """

    trial: Trial
    result: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotPlayed:
    """It ended without a result.

    Attributes:
        trial: What.
        done: How many plays had ended.
        why: One sentence.
    """

    trial: Trial
    done: int
    why: str


State = Idle | UnderWay | Played | NotPlayed


class Simulations(Protocol):
    """Who plays plans for the pages."""

    def begin(self, owner: str, draft: Draft, world: World, *, runs: int, seed: int) -> None:
        """Begin to play a draft; what the same owner had played before is forgotten.

        Args:
            owner: Whose it is: a session.
            draft: The plan; it must have no errors.
            world: What is true while it is played.
            runs: How many plays, 1 to ``MOST_PLAYS``.
            seed: What they are drawn from.

        Raises:
            SimulationBusy: Another one is under way.
            PlanNotPlayable: The plan does not say enough to be played.
            PlanInvalid: It has errors, or so many plays are not played here.
            SimulationUnavailable: No process can be started, or nothing can be written.
        """
        ...

    def look(self, owner: str) -> State:
        """Return what became of what an owner asked for."""
        ...

    def end(self, owner: str) -> None:
        """End what an owner asked for, if it is under way."""
        ...
