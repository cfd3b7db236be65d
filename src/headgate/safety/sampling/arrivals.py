"""Accounts of an epoch by when they came, and by when their first use was over: what alarms on people count.

An account counts once in an epoch, however much it sends. It comes in the window in which its first draw was recorded, and its
first use is over in the window that holds the end of it (``sampling.accounts``). Both are fixed as soon as the window is
closed. Only labels may still arrive: a harm that stands counts from the moment it does, in the window that its account's first
use ended in, and what still waits, or could not be reviewed, counts as none. So slow reviews can delay an alarm, and cannot
cause one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.safety.model import Harm


@dataclass(frozen=True, slots=True)
class Arrival:
    """An account that came to an epoch.

    Attributes:
        window: The closed window in which its first draw was recorded, counted from the epoch's beginning, from 0.
        account_id: Who.
    """

    window: int
    account_id: str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who came to an epoch, and who had come to its release before.

    Attributes:
        before: Accounts with a draw in another epoch of the release before this one began. It never grows.
        came: Those who came in closed windows, in order.
    """

    before: frozenset[str]
    came: tuple[Arrival, ...]


@dataclass(frozen=True, slots=True)
class FirstUse:
    """One account's first use, or many that are alike and without harm, by the closed window in which it was over.

    Attributes:
        window: Its number, counted from the epoch's beginning, from 0.
        accounts: How many; 1 wherever harm stands.
        exchanges: Draws in it, of all of them together.
        labels: Those that the coin sent to review.
        floor: The mean floor over the draws of each.
        harms: The harms that stand, in the order of the draws.
    """

    window: int
    accounts: int
    exchanges: int
    labels: int
    floor: float
    harms: tuple[Harm, ...]
