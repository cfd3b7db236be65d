"""Where the queue of review is kept: its items, who holds them, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from headgate.ledger.model import Entry
    from headgate.safety.decide.care import Sight
    from headgate.safety.model import Backlog, Content, HazardWaiting, Opinion, ReviewHealth, Severity, Signal, Standing, Waits
    from headgate.safety.sampling.gold import Shown


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item of the queue.

    Attributes:
        item: The exchange.
        epoch: Which epoch.
        release_id: Which release.
        position: Its draw.
        at: When the exchange was admitted.
        flagged: Whether a detector flagged it.
        twice: Whether it belongs to the share that is always read twice.
        hazards: What a label answers for.
        wanted: How many opinions it needs, as far as is known.
        given: How many it has.
        claimed_by: In whose hands it is.
        claimed_until: Until when.
        revision: Moves with every change.
        gold: The gold item that it shows; ``None`` for traffic.
    """

    item: str
    epoch: str
    release_id: str
    position: int
    at: datetime
    flagged: bool
    twice: bool
    hazards: tuple[str, ...]
    wanted: int
    given: int
    claimed_by: str | None
    claimed_until: datetime | None
    revision: int
    gold: str | None = None


@dataclass(frozen=True, slots=True)
class Mixing:
    """How a gold item is to be handed over.

    Attributes:
        until: How long it stays in the reviewer's hands.
        name: Names it, from the instant at which the exchange in whose place it comes was admitted.
        number: Eight random bytes: which of those that are left.
        twice: Whether it is read twice whatever the first reader says.
        earlier: How much earlier than that exchange it is said to have come, so that no two items share an instant.
    """

    until: datetime
    name: Callable[[datetime], str]
    number: bytes
    twice: bool
    earlier: timedelta


@dataclass(frozen=True, slots=True)
class Wish:
    """Which items a reviewer is to be handed; ``None`` means any.

    Attributes:
        hazard: Those that wait for this hazard.
        release_id: Those of this release.
        calm: Only those that no detector flagged.
        change: One that is not flagged for this hazard, if there is one among the next.
    """

    hazard: str | None = None
    release_id: str | None = None
    calm: bool = False
    change: str | None = None


class ReviewTx(Protocol):
    """One change to the queue."""

    def record(self, entry: Entry) -> int: ...

    def claim_next(self, reviewer: str, wish: Wish, *, now: datetime, until: datetime) -> ItemState | None:
        """Give the reviewer the oldest item that is theirs to take, and mark it as taken; their own open claim comes first."""
        ...

    def mix_in(self, reviewer: str, wish: Wish, mixing: Mixing, *, now: datetime) -> ItemState | None:
        """Put a gold item that the reviewer has not met into their hands, in the place of the item that would be next.

        ``None`` when they hold an item, when nothing waits for them, or when no gold item is left for them; then nothing changed.

        Raises:
            ClaimLost: Another reviewer was handed it in the same instant.
        """
        ...

    def gold_content(self, gold: str) -> Content: ...

    def gold_shown(self, item: str) -> Shown:
        """Return the showing that an item is; it must be one."""
        ...

    def judge_gold(self, item: str, found: Mapping[str, Standing] | None) -> None:
        """Keep what stands for a gold item at the end, or, with ``None``, that it waits again."""
        ...

    def item(self, item: str) -> ItemState | None: ...

    def held(self, reviewer: str) -> ItemState | None:
        """Return the open item that was last put into a reviewer's hands and that nobody else has taken since."""
        ...

    def beside(self, state: ItemState) -> str | None:
        """Return the exchange in whose place of the queue a gold item stands."""
        ...

    def sights(self, reviewer: str, *, since: datetime) -> tuple[Sight, ...]:
        """Return what was put before a reviewer, in order."""
        ...

    def begin_sight(self, reviewer: str, state: ItemState, *, at: datetime) -> None:
        """Note that an item is put before a reviewer; one that is before them already is the same sight."""
        ...

    def end_sight(self, reviewer: str, item: str, *, hard: bool, at: datetime) -> None:
        """Note that a reviewer is done with an item, and whether they found it hard."""
        ...

    def opinions(self, item: str) -> tuple[Opinion, ...]:
        """Return the opinions that were not taken back, in order."""
        ...

    def signals(self, item: str) -> tuple[Signal, ...]: ...

    def add_opinion(self, state: ItemState, opinion: Opinion, *, salt: bytes) -> None: ...

    def newest_opinion(self, reviewer: str) -> tuple[str, Opinion] | None:
        """Return the reviewer's newest opinion that was not taken back, with its item."""
        ...

    def withdraw_opinion(self, item: str, reviewer: str, *, at: datetime) -> None: ...

    def standings(self, item: str) -> Mapping[str, Standing]: ...

    def settle(self, state: ItemState, after: Mapping[str, Standing], *, at: datetime) -> int:
        """Keep the standings that changed, each under the next label number of the epoch; return the newest number."""
        ...

    def save(self, state: ItemState) -> None:
        """Keep opinions wanted and given, and the claim; raise ``ClaimLost`` if the item moved since it was read."""
        ...

    def add_correction(
        self,
        item: str,
        *,
        by: str,
        harms: Mapping[str, bool],
        severity: Severity | None,
        reason: str,
        at: datetime,
        kind: str | None,
    ) -> None: ...

    def corrected(self, item: str) -> bool:
        """Return whether the item's label was ever corrected."""
        ...

    def add_skip(self, item: str, reviewer: str, *, at: datetime) -> None: ...


class ReviewStore(Protocol):
    """Where the queue is kept."""

    def transaction(self) -> AbstractContextManager[ReviewTx]: ...

    def queue(self, wish: Wish, *, limit: int, after: str | None = None) -> tuple[ItemState, ...]:
        """Return the open items, oldest first, behind an item if one is named."""
        ...

    def kinds(self, release_id: str) -> tuple[str, ...]:
        """Return what confirmed harms that the release does not list are called, in the order of the alphabet."""
        ...

    def left(self, reviewer: str, wish: Wish, *, now: datetime) -> int:
        """Return how many items the reviewer could take, counted up to ``LEFT_COUNTED``."""
        ...

    def sights(self, reviewer: str, *, since: datetime) -> tuple[Sight, ...]:
        """Return what was put before a reviewer, in order."""
        ...

    def waiting(self) -> tuple[HazardWaiting, ...]:
        """Return how many items wait for each hazard of each epoch that has any, gold items among them like all others."""
        ...

    def backlog(self, *, now: datetime) -> Backlog: ...

    def health(self, *, now: datetime) -> ReviewHealth: ...

    def waits(self, epochs: Sequence[str], *, within: timedelta, since: datetime, now: datetime) -> Waits:
        """Return how long flagged items of some epochs waited; where none was flagged, how long sampled ones did.

        An item counts while it waits, and when its time was up at ``since`` or later. Gold items do not count.
        """
        ...
