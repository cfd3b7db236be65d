"""Where draws and coins are kept, and how the collector goes on from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from headgate.ledger.model import Entry
    from headgate.safety.model import Draw, LabelledTraffic, LookData, MonitorHealth, Signal
    from headgate.safety.sampling.accounts import LabelledAccounts
    from headgate.safety.sampling.arrivals import Arrivals, FirstUse
    from headgate.safety.sampling.newcomers import Newcomers
    from headgate.safety.sampling.probability import WatchPlan


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

    def toss(self, state: EpochState, results: Sequence[tuple[Draw, bool, bool]], *, at: datetime) -> bool:
        """Keep (draw, sampled, read twice) and queue the sampled ones, unless the epoch's coins were tossed since; say which."""
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

    def in_the_air(self, limit: int) -> tuple[EpochState, tuple[Draw, ...]] | None:
        """Return the next draws of an epoch that wait for their coins, in order; ``None`` where none waits in any."""
        ...
