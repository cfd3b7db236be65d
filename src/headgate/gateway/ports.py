"""What the gateway needs from the rest of the house.

``Policies``, ``Principals``, ``Feed``, ``Leases`` and ``Objects`` are called in threads and may block; ``Recorder`` is awaited
on the event loop, and so is ``Screen``, which has a budget and is not waited for beyond it. Any of them may raise
``kernel.errors.Unavailable``; what the gateway then answers is written where it catches it, and is never an open door.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Mapping, Sequence
    from datetime import datetime

    from headgate.gateway.model import Admitted, Call, Change, ObjectKind, PolicySnapshot, Principal, ScreenResult, StoredObject
    from headgate.kernel.ids import AccountId, ExchangeId, KeyId, ReleaseId
    from headgate.traffic.model import Admission, Outcome


class Policies(Protocol):
    """The compiled policy."""

    def load(self) -> PolicySnapshot:
        """Return every served name as the system of record has it now.

        Raises:
            Unavailable: The system of record does not answer.
        """
        ...


class Principals(Protocol):
    """Who a key speaks for."""

    def authenticate(self, key_text: str) -> Principal:
        """Return whom the key speaks for, whatever may be said against using it; that is ``Principal.refusal``'s to say.

        Raises:
            Unauthenticated: The text is not a key, or not one that was ever issued.
            Unavailable: The system of record does not answer.
        """
        ...

    def refresh(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        """Return the same principals as they are now; a key that is gone is absent.

        Raises:
            Unavailable: The system of record does not answer.
        """
        ...


class Feed(Protocol):
    """The ledger, followed."""

    def position(self) -> int:
        """Return the last committed sequence, 0 for an empty ledger.

        Raises:
            Unavailable: The system of record does not answer.
        """
        ...

    def wait(self, after: int, timeout_s: float) -> Change:
        """Return what was committed after sequence ``after``: as soon as there is something, or nothing at the time-out.

        Each return, of nothing too, tells the gateway that the system of record answers and that it is up to date.

        Raises:
            Unavailable: The system of record does not answer.
        """
        ...


class Screen(Protocol):
    """Rules over what a client sends and what it is about to see."""

    async def prompt(self, texts: Sequence[str]) -> ScreenResult:
        """Return whether a request with these texts may go ahead.

        Raises:
            Unavailable: The screen cannot tell.
        """
        ...

    async def answer(self, texts: Sequence[str]) -> ScreenResult:
        """Return whether these texts may be shown.

        Raises:
            Unavailable: The screen cannot tell.
        """
        ...


class Objects(Protocol):
    """What upstreams keep for callers, and whose it is. Called in threads; may block."""

    def keep(self, stored: StoredObject) -> None:
        """Remember an object, or the same object as it is now.

        Raises:
            Unavailable: The store does not answer; then nobody may be told the object's identifier.
        """
        ...

    def find(self, kind: ObjectKind, object_id: str) -> StoredObject | None:
        """Return an object, whoever owns it.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    def owned(self, kind: ObjectKind, account_id: AccountId) -> list[StoredObject]:
        """Return what an account has of a kind, newest first.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    def of_release(self, kind: ObjectKind, release_id: ReleaseId) -> list[StoredObject]:
        """Return what was made of a kind under a release, newest first.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    def forget(self, kind: ObjectKind, object_id: str) -> bool:
        """Forget an object; return whether it was there, which of several that forget it at one time is told to one.

        Raises:
            Unavailable: The store does not answer.
        """
        ...


class Recorder(Protocol):
    """The exchange log of this worker; ``headgate.traffic`` keeps it."""

    def admit(self, admission: Admission) -> Awaitable[None]:
        """Return once the admission is durable; nothing goes upstream before.

        Raises:
            Unavailable: It cannot be recorded.
        """
        ...

    def settle(self, outcome: Outcome) -> Awaitable[None]:
        """Record how an admitted exchange ended; what is awaited is that it stands.

        Raises:
            Unavailable: It cannot be recorded; the admission is then settled as unknown by the steward.
        """
        ...


@dataclass(frozen=True, slots=True)
class Borrow:
    """A wish to take part of a limit.

    Attributes:
        scope: The meter's scope.
        limit: The most that may be in use over all workers in one window.
        window_us: Length of the window in microseconds; 0 for one that never ends.
        need: The least that is of use, at least 1.
    """

    scope: str
    limit: int
    window_us: int
    need: int


@dataclass(frozen=True, slots=True)
class SlotWish:
    """A wish for one of a limited number of places.

    Attributes:
        scope: The meter's scope.
        slot_id: What the place is taken by; taking or leaving it twice is harmless.
        limit: How many places there are.
    """

    scope: str
    slot_id: str
    limit: int


@dataclass(frozen=True, slots=True)
class Look:
    """A wish to know how a quota stands, and nothing else.

    Attributes:
        scope: The meter's scope.
        limit: The most that may be in use over all workers in one window.
        window_us: Length of the window in microseconds; 0 for one that never ends.
    """

    scope: str
    limit: int
    window_us: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Parts of several limits, all or none.

    Attributes:
        borrows: Parts of quotas.
        slots: Places.
        looks: Other quotas that the asker wants to know about, whatever comes of the rest.
    """

    borrows: tuple[Borrow, ...]
    slots: tuple[SlotWish, ...]
    looks: tuple[Look, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a quota that a worker may now spend by itself.

    Attributes:
        scope: The meter's scope.
        window_start_us: The window it belongs to; 0 for one that never ends.
        amount: How much, at least what was needed.
        left: How much the store still had after it.
    """

    scope: str
    window_start_us: int
    amount: int
    left: int


@dataclass(frozen=True, slots=True)
class Lent:
    """Everything asked for was had.

    Attributes:
        slices: One per borrow, in order.
        seen: How each quota that was looked at stands, as a slice of nothing, in order.
    """

    slices: tuple[Slice, ...]
    seen: tuple[Slice, ...] = ()


@dataclass(frozen=True, slots=True)
class Short:
    """One limit was reached; nothing was taken.

    Attributes:
        scope: Whose.
        left: How much of it is left.
        window_start_us: The window that is used up; 0 for one that never ends.
        seen: How every quota that was asked for or looked at stands, as a slice of nothing: the looks, then the borrows.
    """

    scope: str
    left: int
    window_start_us: int
    seen: tuple[Slice, ...] = ()


@dataclass(frozen=True, slots=True)
class Chores:
    """What a worker gives back or keeps alive; carried out in the same transaction as the next asks.

    Attributes:
        returns: Unspent slices; those of a window that is over are dropped.
        left: Places that are free again.
        kept: Places to be kept for another time-to-live.
    """

    returns: tuple[Slice, ...] = ()
    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Leases(Protocol):
    """The one place where limits are counted, shared by all workers."""

    def carry_out(self, asks: Sequence[Ask], chores: Chores, *, now_us: int) -> list[Lent | Short]:
        """Do the chores, then answer each ask in order, in one transaction.

        Where there is nothing but looks, each quota is told as it stood at some instant of the call.

        Args:
            asks: What is wanted.
            chores: What is given back or kept.
            now_us: The wall clock, microseconds since 1970. A clock that was set back opens no window again.

        Returns:
            One answer per ask.

        Raises:
            Unavailable: The store does not answer, and nothing was changed.
        """
        ...

    def forget(self, owner: str) -> None:
        """Free every place that a worker of this name held: it has just started, so it holds none.

        Raises:
            Unavailable: The store does not answer.
        """
        ...


class Trace(Protocol):
    """One exchange, as it is followed from system to system."""

    def onward(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers that go to the upstream, telling it that this exchange is what it works for."""
        ...


class Telemetry(Protocol):
    """What operators watch: how much, how long, how well; never what was said, and never by whom.

    Called on the event loop for every request: it returns at once, waits for nobody and raises nothing.
    """

    def refused(self, surface: str, code: str) -> None:
        """Count a request that was not admitted.

        Args:
            surface: The way in that it came by; empty where there is none of that name.
            code: Why.
        """
        ...

    def begun(
        self, exchange_id: ExchangeId, call: Call, admitted: Admitted, at: datetime, headers: Sequence[tuple[bytes, bytes]]
    ) -> Trace | None:
        """Return the trace of an exchange that goes upstream now; ``None`` where nobody follows it.

        Args:
            exchange_id: Its identifier.
            call: What it asks for.
            admitted: What it was admitted under.
            at: When it was admitted.
            headers: What the client sent, names in lower case.
        """
        ...

    def settled(
        self, call: Call, admitted: Admitted, outcome: Outcome, *, first_byte_s: float | None, trace: Trace | None
    ) -> None:
        """Count an exchange that has ended, and end its trace.

        Args:
            call: What it asked for.
            admitted: What it was admitted under.
            outcome: How it ended.
            first_byte_s: Seconds from its admission to the first byte that the client was sent; ``None`` if there was none.
            trace: As :meth:`begun` returned it; ``None`` if it was never forwarded.
        """
        ...

    def followed(self, delay_s: float) -> None:
        """Take in that a change reached this worker and every exchange that it touched, so long after it was recorded."""
        ...
