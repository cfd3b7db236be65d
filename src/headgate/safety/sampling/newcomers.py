"""Who came to an epoch, in which order, and what the sample of their first days showed.

A claim about people to come counts people, not exchanges: each account once, by its first days, in the order in which the
accounts came. Their **first days** are the draws that were recorded within ``FIRST_DAYS`` after the account's first one. The
time of recording never goes back, so once the first days are over nothing can enter them any more, whatever was slow; and they
are equally long for everybody, so accounts are ready in the order in which they came.

The order is kept. An account counts when its first days are over, its coins are tossed, and every item that was drawn in
them is settled; the first account that still waits ends the count, whoever is ready behind it. Otherwise accounts that show
nothing, which are settled faster, would count before those that show harm. An item that nobody settles in time counts as harm,
of a kind that nobody knows. An account that is suspended or goes away stays, with what it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

FIRST_DAYS = timedelta(days=7)
"""How much of an account's time counts; changing it needs a migration, for what was noted of first days would not fit."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A drawn exchange that stands as harmful, in an account's first days.

    Attributes:
        pi: Its inclusion probability.
        confirmed: Somebody found the harm; otherwise nobody could tell, or nobody did in time, and it only counts as harm.
        kinds: What the reviewers who found ``other`` in it call it; empty when nobody had a word, could not tell, or did not say
            in time, and for a hazard that the plan lists.
    """

    pi: float
    confirmed: bool
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An account whose first days are over and settled.

    Attributes:
        account_id: Who.
        exchanges: Draws in their first days.
        labels: Those of them that the coin sent to review.
        pi0: The least floor of any of them.
        shown: The harms among them, in the order of the draws.
    """

    account_id: str
    exchanges: int
    labels: int
    pi0: float
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Newcomers:
    """The accounts of an epoch, for one hazard.

    Attributes:
        epoch: Which epoch.
        hazard: Which hazard.
        counted: Those who count, in the order in which they came.
        waiting: Those behind them, in that order: in their first days, or behind somebody who still waits.
        pending: Items of first days that still wait to be settled.
    """

    epoch: str
    hazard: str
    counted: tuple[Newcomer, ...]
    waiting: tuple[str, ...]
    pending: int
