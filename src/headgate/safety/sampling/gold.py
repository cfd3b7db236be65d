"""Gold items: exchanges whose harm is known, mixed unmarked into what reviewers read.

A gold item goes the way of every other item: it is claimed, answered, answered again by somebody else when a harm was found, and
decided by a third when two differ. What stands at the end is compared with what was known. So the share that is recognised is the
sensitivity of the whole process, the very factor by which traffic's rate of standing harms falls short of the true one, and no
assumption of how readers depend on each other is needed to get there.

What reviewers say of a gold item measures them and nothing else: it is never a label of traffic. Each gold item is shown once
in an epoch, so that trials are different exchanges, and never twice to one person, nor to whoever added it. Results count in the
order in which items were shown, up to the first that still waits, because harms take longer to settle than misses; one that
waits for too long counts as missed. An answer may be taken back like any other, and a miss stays a miss: once it is judged, the
ledger says what the item was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headgate.safety.errors import GoldInvalid
from headgate.safety.model import OTHER
from headgate.stats.allocation import GOLD_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.safety.model import Content, Signal, Standing

READINGS_EACH = 2
"""A recognised gold item is read by two people, an item of traffic mostly by one."""

NUMBER_BYTES = 8
"""How many random bytes make a number."""

LONGEST_SOURCE_CHARS = 300
LONGEST_BODY_BYTES = 2_000_000

_CHANCE = GOLD_SHARE / (READINGS_EACH - (READINGS_EACH - 1) * GOLD_SHARE)
_RANGE = 1 << 64


@dataclass(frozen=True, slots=True)
class Gold:
    """An exchange whose harm is known.

    Attributes:
        id: ``gold_…``; reviewers never meet it.
        content: The two bodies, like those of any exchange.
        known: For each hazard that is known of, whether there is harm; other hazards are not judged by it.
        source: Where it is from, for colleagues.
        signals: What the detectors said of it when it was added.
        added_by: Who added it; it is never handed to them.
        added_at: When.
        retired_at: Since when it is not shown any more.
    """

    id: str
    content: Content = field(repr=False)
    known: Mapping[str, bool]
    source: str
    signals: tuple[Signal, ...]
    added_by: str
    added_at: datetime
    retired_at: datetime | None = None

    @property
    def flagged(self) -> bool:
        """Whether a detector flags it."""
        return any(signal.flags for signal in self.signals)

    def fits(self, hazards: Sequence[str]) -> bool:
        """Return whether a label that answers for ``hazards`` can say everything that is known of it."""
        return self.known.keys() <= set(hazards)


@dataclass(frozen=True, slots=True)
class Shown:
    """One showing of a gold item.

    Attributes:
        item: What it was called in the queue: an exchange's identifier like any other.
        gold: Which gold item.
        epoch: The epoch that it was shown among.
        at: When it was first handed to somebody.
        known: What is known of it.
        found: What stands at the end, for each hazard of the epoch; ``None`` while it waits for a reader.
    """

    item: str
    gold: str
    epoch: str
    at: datetime
    known: Mapping[str, bool]
    found: Mapping[str, Standing] | None

    @property
    def missed(self) -> bool:
        """Whether it was judged, and a known harm does not stand."""
        found = self.found
        return found is not None and not all(found[hazard].counts_as_harm for hazard, harm in self.known.items() if harm)


@dataclass(frozen=True, slots=True)
class GoldAnswer:
    """What one reader said of one showing.

    Attributes:
        reviewer: Who.
        known: What is known of the item.
        harms: For each hazard, whether they found harm; ``None`` when they could not review it.
    """

    reviewer: str
    known: Mapping[str, bool]
    harms: Mapping[str, bool] | None

    @property
    def recognised(self) -> bool:
        """Whether they found every known harm, or said that the item cannot be reviewed."""
        harms = self.harms
        return harms is None or all(harms[hazard] for hazard, harm in self.known.items() if harm)


@dataclass(frozen=True, slots=True)
class GoldTally:
    """What gold items say of the readers.

    Attributes:
        shown: Known harms that were answered, in the order shown, up to the first that waits.
        caught: Those that ended as a harm, or as something nobody can review, which counts as one.
        waiting: Known harms shown that are not counted yet.
        harmless: Items known to be harmless that were answered, up to the same place.
        cleared: Those that ended as no harm.
    """

    shown: int = 0
    caught: int = 0
    waiting: int = 0
    harmless: int = 0
    cleared: int = 0


def mixes_in(number: bytes) -> bool:
    """Return whether the next fresh item is to be a gold one, so that about ``GOLD_SHARE`` of all readings are of gold items.

    Args:
        number: Eight random bytes.
    """
    return within(number, _CHANCE)


def within(number: bytes, share: float) -> bool:
    """Return whether a random number of eight bytes falls into a share."""
    return int.from_bytes(number) < share * _RANGE


def place_of(number: bytes, count: int) -> int:
    """Return one of ``count`` places at random, from eight random bytes."""
    return int.from_bytes(number) * count // _RANGE


def tally(shown: Sequence[Shown], hazard: str | None, *, overdue: datetime) -> GoldTally:
    """Return what showings say of one hazard, or of whether everything that is harmful in an item was recognised.

    Args:
        shown: Showings of one epoch, in order.
        hazard: Which hazard; ``None`` takes each item as one trial, caught when every known harm in it stands.
        overdue: What was shown at this instant or earlier and still waits counts as missed.
    """
    answered = caught = waiting = harmless = cleared = 0
    behind = False
    for showing in shown:
        asked = [h for h in showing.known if hazard in {None, h}]
        harms = [h for h in asked if showing.known[h]]
        if not asked:
            continue
        behind = behind or (showing.found is None and showing.at > overdue)
        if behind:
            waiting += bool(harms)
            continue
        found = showing.found or {}
        stands = {h for h in asked if h in found and found[h].counts_as_harm}
        if harms:
            answered += 1
            caught += stands.issuperset(harms)
        elif found:
            harmless += 1
            cleared += not stands
    return GoldTally(answered, caught, waiting, harmless, cleared)


def check(content: Content, known: Mapping[str, bool], source: str) -> None:
    """Go on only if a gold item can measure somebody.

    Raises:
        GoldInvalid: Nothing is known of it, it has no text, or it is too long.
    """
    if not known or any(not hazard.strip() for hazard in known):
        raise GoldInvalid("A gold item says of at least one hazard whether there is harm.", help=f"Name hazards, or {OTHER}.")
    if not content.request.strip() or not content.response.strip():
        raise GoldInvalid("A gold item has a prompt and an answer, like any exchange.")
    if max(len(content.request), len(content.response)) > LONGEST_BODY_BYTES:
        raise GoldInvalid(f"A gold item's bodies have at most {LONGEST_BODY_BYTES:,} bytes each.")
    if not source.strip() or len(source) > LONGEST_SOURCE_CHARS or "\n" in source:
        raise GoldInvalid(f"A source is one line of 1 to {LONGEST_SOURCE_CHARS} characters.")
