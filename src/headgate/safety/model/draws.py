"""Draws and coins: the place of an exchange in its epoch, and what recomputing the coins finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec


class Draw(msgspec.Struct, frozen=True):
    """One exchange's place and probability, fixed before its coin is tossed.

    Attributes:
        epoch: Which epoch.
        position: Its place there, counted from 1 without gaps.
        exchange_id: Which exchange.
        at: When the exchange was admitted.
        account_id: Who asked.
        score: The highest score of any signal, or ``None`` when a detector could not tell.
        flagged: Whether any signal flags it.
        pi0: The floor probability of the moment.
        pi: Its own probability, ``pi0 <= pi <= 1``.
    """

    epoch: str
    position: int
    exchange_id: str
    at: datetime
    account_id: str
    score: float | None
    flagged: bool
    pi0: float
    pi: float


@dataclass(frozen=True, slots=True)
class Collected:
    """What one run of the collector did.

    Attributes:
        read: Settled exchanges seen.
        drawn: How many of them got a draw.
        not_served: How many showed nothing of the model to anybody, and so are not in any denominator.
        sampled: How many the coin sent to review.
        unscored: How many a detector could not score.
    """

    read: int
    drawn: int
    not_served: int
    sampled: int
    unscored: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first draw whose record does not fit the committed seed or the recorded batch."""

    position: int
    exchange_id: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What recomputing an epoch's coins found.

    Attributes:
        epoch: Which epoch.
        draws: How many coins were recomputed.
        sampled: How many of them send the exchange to review.
        commitment: The digest of the seed that was committed.
        revealed: Whether the seed is public by now.
        misfit: The first thing that does not fit; ``None`` when all do.
    """

    epoch: str
    draws: int
    sampled: int
    commitment: str
    revealed: bool
    misfit: Misfit | None
