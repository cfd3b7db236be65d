"""How the parts of an installation are doing, as whoever put it together can tell.

A part that says nothing is not well: what is not known has a standing of its own, and what was read long ago says how long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.kernel.actor import Actor


class Standing(Enum):
    """How a part is doing, from best to worst."""

    WELL = "well"
    WATCH = "watch"
    """Nothing is lost yet; somebody should look."""
    UNKNOWN = "unknown"
    """It says nothing, or nothing new."""
    ILL = "ill"


ORDER = (Standing.WELL, Standing.WATCH, Standing.UNKNOWN, Standing.ILL)


@dataclass(frozen=True, slots=True)
class Vital:
    """One part.

    Attributes:
        name: What it is called.
        standing: How it is doing.
        says: What it says, in one sentence.
        facts: Its numbers, each with its name and unit.
        then: What somebody could do; empty where nothing needs doing.
    """

    name: str
    standing: Standing
    says: str
    facts: tuple[tuple[str, str], ...] = ()
    then: str = ""


def worst(vitals: Sequence[Vital]) -> Standing:
    """Return how the worst of some parts is doing; of none at all, nothing is known."""
    return max((vital.standing for vital in vitals), key=ORDER.index, default=Standing.UNKNOWN)


class Vitals(Protocol):
    """Who can tell how the parts are doing."""

    def look(self, *, by: Actor) -> Sequence[tuple[str, Sequence[Vital]]]:
        """Return every part, in groups. A part that cannot be asked is in it, and says so; it never raises for one."""
        ...
