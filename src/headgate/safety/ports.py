"""What safety needs from outside: the exchange log, the plan's review duties, and a place to keep its own state.

A transaction is one change: its rows and its ledger entries are kept together or not at all. A store that cannot answer
raises ``SafetyStoreUnavailable`` and has changed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from headgate.kernel.actor import Actor
    from headgate.ledger.model import Entry
    from headgate.safety.decide.care import Sight
    from headgate.safety.model import (
        Backlog,
        Content,
        Draw,
        HazardWaiting,
        Incident,
        LabelledTraffic,
        LookData,
        MonitorHealth,
        Opinion,
        ReviewHealth,
        SettledPage,
        Severity,
        Signal,
        Standing,
        Waits,
    )
    from headgate.safety.sampling.accounts import LabelledAccounts
    from headgate.safety.sampling.arrivals import Arrivals, FirstUse
    from headgate.safety.sampling.gold import Gold, GoldAnswer, Shown
    from headgate.safety.sampling.newcomers import Newcomers
    from headgate.safety.sampling.probability import WatchPlan


class Exchanges(Protocol):
    """The exchange log."""

    def settled_after(self, cursor: str | None, limit: int) -> SettledPage:
        """Return up to ``limit`` settled exchanges behind ``cursor``, from the beginning when it is ``None``.

        The order is stable: nothing ever appears before a cursor that was handed out.
        """
        ...

    def contents(self, exchange_ids: Sequence[str]) -> Mapping[str, Content]:
        """Return bodies for the detectors; an exchange whose content is gone is absent."""
        ...

    def read(self, exchange_id: str, *, by: Actor, why: str) -> Content | None:
        """Return an exchange's bodies to a person, and record on the ledger that they were read; ``None`` when they are gone."""
        ...


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


@dataclass(frozen=True, slots=True)
class EpochState:
    """An epoch's sampling so far.

    Attributes:
        epoch: Which epoch.
        release_id: Which release.
        hazards: What its labels answer for, ``other`` last.
        plan: The review duty frozen at its start.
        seed: 32 secret bytes.
        commitment: Their published digest.
        committed_at: When it was published.
        closed_at: When the epoch ended, if it has.
        revealed_at: When the seed was published, if it was.
        pi0: The floor of the last draw; ``None`` before the first.
        position: The last draw.
        tossed: The last draw whose coin was tossed.
    """

    epoch: str
    release_id: str
    hazards: tuple[str, ...]
    plan: WatchPlan
    seed: bytes
    commitment: str
    committed_at: datetime
    closed_at: datetime | None
    revealed_at: datetime | None
    pi0: float | None
    position: int
    tossed: int


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where the collector is; ``revision`` tells two collectors apart."""

    cursor: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """A batch of draws as it was written on the ledger before its coins were tossed."""

    first: int
    last: int
    digest: str
    ledger_seq: int


@dataclass(frozen=True, slots=True)
class TossedDraw:
    """A draw and what its coin said; ``sampled`` is ``None`` while the coin is still in the air."""

    draw: Draw
    sampled: bool | None


@dataclass(frozen=True, slots=True)
class Run:
    """How one run of the collector went.

    Attributes:
        at: When.
        drawn: Draws recorded.
        unscored: How many of them have no score.
        errors: How many of those because a detector failed.
        lag: From the newest exchange's admission to its draw; ``None`` when there was none.
        error: The code of what failed, or ``None`` when nothing did.
    """

    at: datetime
    drawn: int = 0
    unscored: int = 0
    errors: int = 0
    lag: timedelta | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ConfirmedHarm:
    """An exchange that reviewers found harmful: whose it is, and when it was admitted."""

    account_id: str
    at: datetime


class SamplingTx(Protocol):
    """One change to the sampling state."""

    def record(self, entry: Entry) -> int: ...

    def bookmark(self) -> Bookmark: ...

    def advance(self, cursor: str, *, seen: int) -> None:
        """Move the bookmark; raise ``CollectorOverlap`` unless it still has the revision ``seen``."""
        ...

    def epoch(self, epoch: str) -> EpochState | None: ...

    def open_epoch(self, state: EpochState) -> None: ...

    def close_epoch(self, epoch: str, *, at: datetime) -> None: ...

    def reveal_epoch(self, epoch: str, *, at: datetime) -> None: ...

    def known(self, exchange_ids: Collection[str]) -> frozenset[str]:
        """Return those that have a draw already."""
        ...

    def drawn_since(self, epoch: str, instant: datetime) -> int:
        """Return how many draws of the epoch were recorded after ``instant``."""
        ...

    def flagged_since(self, epoch: str, instant: datetime) -> int:
        """Return how many flagged exchanges of the epoch were sent to review after ``instant``."""
        ...

    def earlier_scores(self, release_id: str, epoch: str, limit: int) -> Sequence[float]:
        """Return the latest scores that were drawn in other epochs of the release, of exchanges that have one."""
        ...

    def add_draws(self, state: EpochState, drawn: Sequence[Draw], *, digest: str, ledger_seq: int, at: datetime) -> None:
        """Keep a batch, untossed; its positions follow ``state.position``."""
        ...

    def add_signals(self, found: Mapping[str, Sequence[Signal]]) -> None: ...

    def untossed_epochs(self) -> tuple[EpochState, ...]:
        """Return the epochs with coins in the air, each locked against another tosser."""
        ...

    def untossed(self, epoch: str, limit: int) -> tuple[Draw, ...]:
        """Return the next draws whose coins are in the air, in order."""
        ...

    def toss(self, state: EpochState, results: Sequence[tuple[Draw, bool, bool]], *, at: datetime) -> None:
        """Keep (draw, sampled, read twice) and queue the sampled ones."""
        ...

    def note_run(self, run: Run) -> None:
        """Keep how the collector's run went."""
        ...


class SamplingStore(Protocol):
    """Where draws are kept."""

    def transaction(self) -> AbstractContextManager[SamplingTx]: ...

    def state(self, epoch: str) -> EpochState | None: ...

    def draws(self, epoch: str) -> Iterator[TossedDraw]:
        """Yield every draw in order, a page at a time."""
        ...

    def batches(self, epoch: str) -> Iterator[RecordedBatch]: ...

    def labelled(self, epoch: str, hazard: str, *, now: datetime, d_max: timedelta) -> LabelledTraffic: ...

    def looks(self, epoch: str, hazard: str, *, after_position: int, every: timedelta, now: datetime) -> tuple[LookData, ...]: ...

    def newcomers(self, epoch: str, hazard: str, *, now: datetime, d_max: timedelta) -> Newcomers: ...

    def accounts(self, epoch: str, hazard: str, *, span: timedelta, now: datetime, d_max: timedelta) -> LabelledAccounts:
        """Return what each account did in its first ``span`` of use, up to the first that is not over or not settled."""
        ...

    def arrivals(self, epoch: str, *, every: timedelta, now: datetime) -> Arrivals:
        """Return who came in each closed window of length ``every``, and who had come to the release before the epoch began."""
        ...

    def first_uses(self, epoch: str, hazard: str, *, span: timedelta, every: timedelta, now: datetime) -> tuple[FirstUse, ...]:
        """Return the first ``span`` of use of each account by the closed window in which it was over, with what stands of it."""
        ...

    def confirmed(self, epoch: str, hazard: str) -> tuple[ConfirmedHarm, ...]:
        """Return whose exchanges of an epoch show a hazard, as confirmed by reviewers, in the order of their labels."""
        ...

    def monitor_health(self) -> MonitorHealth: ...

    def bookmark(self) -> Bookmark:
        """Return how far the collector has come."""
        ...

    def in_the_air(self) -> bool:
        """Return whether a draw waits for its coin."""
        ...


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


class GoldTx(Protocol):
    """One change to the stock of gold items."""

    def record(self, entry: Entry) -> int: ...

    def add(self, gold: Gold, *, digest: str, salt: bytes) -> None:
        """Keep a new gold item; raise ``GoldInvalid`` when one with this digest exists."""
        ...

    def get(self, gold_id: str) -> Gold | None: ...

    def retire(self, gold_id: str, *, at: datetime) -> None: ...


class GoldStore(Protocol):
    """Where gold items are kept."""

    def transaction(self) -> AbstractContextManager[GoldTx]: ...

    def list(self, *, retired: bool) -> tuple[Gold, ...]:
        """Return the gold items, oldest first; those that are no longer shown only when asked for."""
        ...

    def shown(self, epoch: str) -> tuple[Shown, ...]:
        """Return the epoch's showings, in order."""
        ...

    def answers(self, epoch: str) -> tuple[GoldAnswer, ...]:
        """Return what each reader said of the epoch's gold items and did not take back, in order."""
        ...

    def ever_shown(self) -> Mapping[str, int]:
        """Return in how many epochs each gold item was shown; one that never was is absent."""
        ...

    def among(self, exchange_ids: Sequence[str]) -> frozenset[str]:
        """Return those that are gold items."""
        ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """Whose an exchange was.

    Attributes:
        account_id: Who asked.
        release_id: Which release answered.
    """

    account_id: str
    release_id: str


class Whose(Protocol):
    """Who knows whose an exchange was."""

    def whose(self, exchange_id: str) -> Spoken | None:
        """Return whose it was; ``None`` when none of that name is kept."""
        ...


class IncidentTx(Protocol):
    """One change to the incidents."""

    def opened_by(self, who: str, *, since: datetime) -> int:
        """Return how many somebody has opened since then."""
        ...

    def record(self, entry: Entry) -> int: ...

    def get(self, incident_id: str) -> Incident | None: ...

    def add(self, incident: Incident) -> None: ...

    def save(self, incident: Incident, *, seen: int) -> None:
        """Keep a changed incident; raise ``IncidentMoved`` unless its kept revision is ``seen``."""
        ...


class IncidentStore(Protocol):
    """Where incidents are kept."""

    def transaction(self) -> AbstractContextManager[IncidentTx]: ...

    def get(self, incident_id: str) -> Incident | None: ...

    def list(self, *, release_id: str | None, open_only: bool) -> tuple[Incident, ...]: ...

    def open_counts(self, release_id: str) -> Mapping[Severity, int]: ...
