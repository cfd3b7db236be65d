"""What may be spent: local slices of shared limits, reserved before use and settled after.

A worker borrows a slice of each limit from the store and spends it without asking again. The store counts a slice as used
the moment it is lent, so a worker that dies strands what it held and never overspends. Slices shrink towards the end of a
limit, down to the bare need, and idle ones go back, the sooner the more others may miss them, so that several workers together
admit what the limit says.

A request reserves everything that it may cost, of everybody's limits that it counts for, or nothing. What it turns out to
have cost is settled; what nobody knows is not refunded.

What a caller is told remains was true of all workers together at some instant of the caller's own request, or was less. The
store tells it in whatever turn the request takes there; where the request takes none, because a slice was at hand, the limit
is looked at in a turn that many requests share, and a request that is answered sooner is told nothing. Within a window, as
long as the worker remembers the limit, it only falls, except by what was reserved here and has come back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.model import Meter, Refusal, Unit
from headgate.gateway.ports import Lent, Slice
from headgate.gateway.service.exhausted import exhausted
from headgate.gateway.service.held import NEVER_US, US, Part, held_from
from headgate.gateway.service.turns import Turns, wish_for
from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headgate.gateway.model import Standing
    from headgate.gateway.ports import Leases, Short
    from headgate.gateway.service.held import Held
    from headgate.gateway.service.instants import ForwardClock

_IDLE_S = 1.0
"""How long an unspent slice is kept before it goes back."""
_SPARE_S = 20.0
"""The same of one that others can spare: whoever comes every few seconds need not borrow each time."""
_FORGOTTEN_S = 60.0
"""How long an idle limit is remembered."""
_ROUND_S = 1.0
"""How often every limit is looked through."""
_AT_ONCE = 1000
"""How many of them in one go, or a tenth if that is more: looking through tens of thousands would hold everybody up."""
_STEPS = 8
_STEP_S = 0.5
"""A request waits for the store for so many steps of so long. A worker that was itself held up has lost one step, whatever the
clock says, and hears in the next one what the store has said meanwhile: only a store that is silent lets a wait run out."""
_TRIES = 3


@dataclass(slots=True)
class Reservation:
    """What a request holds until it is settled.

    Attributes:
        spent: What was reserved of each quota.
        slot_id: The place that it takes, if its limits have places; the place is left once.
        since: The turn at the store that was last begun when it was asked for.
        settled: Whether it was settled.
    """

    spent: Sequence[Part]
    slot_id: str | None
    since: int = 0
    settled: bool = False


_UNCOUNTED = Refusal(errors.QuotaUnavailable("The limits cannot be counted now, so nothing is admitted.", rule="limits"))


class Quota:
    """Reserves and settles.

    Args:
        leases: Where limits are counted.
        clock: Wall clock for windows, monotonic clock for idleness.
    """

    def __init__(self, leases: Leases, clock: ForwardClock) -> None:
        self._clock = clock
        self._turns = Turns(leases, clock)
        self._held: dict[tuple[str, int], Held] = {}
        self._round: list[Held] = []
        self._in_one_go = _AT_ONCE
        self._next_round_s = clock.monotonic()
        self._slots: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, int] = {}

    async def start(self, worker: str) -> None:
        """Free what an earlier worker of this name left behind, and begin.

        Raises:
            Unavailable: The store does not answer.
        """
        await self._turns.start(worker)

    async def stop(self) -> None:
        """Give back everything that is not spent."""
        for held in self._held.values():
            self._give_back(held)
        await self._turns.stop()

    async def reserve(
        self, meters: tuple[Meter, ...], *, tokens: int, exchange_id: str, requests: int = 1
    ) -> Reservation | Refusal:
        """Reserve what is needed of every meter, or of none.

        Args:
            meters: The limits that hold, whoever's they are.
            tokens: What the exchange may cost.
            exchange_id: What takes the place where concurrency is limited.
            requests: How many requests it counts as.
        """
        since = self._turns.number
        answer: Reservation | Refusal = _UNCOUNTED
        for _ in range(_TRIES):
            now_s = self._clock.monotonic()
            parts, lacks = self._parts(meters, tokens, requests, now_s)
            places = [meter for meter in meters if meter.unit is Unit.CONCURRENCY] if len(parts) < len(meters) else []
            if not lacks and not places:
                self._spend(parts, now_s)
                return Reservation(parts, None, since)
            refusal = self._refused_at_once(parts, places, since, now_s)
            if refusal is not None:
                return refusal
            try:
                answer = await self._borrow(tuple(parts), places, exchange_id, since)
            except (Unavailable, TimeoutError):
                return _UNCOUNTED
            if isinstance(answer, Reservation) or isinstance(answer.error, errors.TooManyAtOnce):
                return answer
            # Refused by the store; a slice that another request of this worker has brought meanwhile may still do.
        return answer

    def settle(self, reservation: Reservation, *, tokens: int | None, admitted: bool = True) -> None:
        """Settle what a request cost, once; settling again is harmless.

        Args:
            reservation: What it held.
            tokens: What is to be charged; ``None`` keeps all that was reserved.
            admitted: Whether it went ahead; one that did not gives its request back too.
        """
        if reservation.settled:
            return
        reservation.settled = True
        if reservation.slot_id is not None:
            self._leave(reservation.slot_id)
        for spent in reservation.spent:
            held = spent.held
            if held.meter.unit is Unit.REQUESTS:
                refund = 0 if admitted else spent.amount
            else:
                refund = 0 if tokens is None else spent.amount - tokens
            if not refund:
                continue
            if held.window_start_us == spent.window_start_us and not held.gone:
                held.refund(refund)
            elif spent.window_start_us + (held.meter.window_s * US or NEVER_US) > self._clock.now_us():
                self._turns.give_back(Slice(held.meter.scope, spent.window_start_us, refund, 0))

    def standing(self, reservation: Reservation) -> list[Standing]:
        """Return how the quotas of a reservation stand, as far as the store has spoken of them since it was asked for.

        Of several holders' limits in one unit all are told or none: the tightest may be the one that nobody has heard of.
        """
        if not reservation.spent:
            return []
        since, now_us = reservation.since, self._clock.now_us()
        found: list[Standing] = []
        unheard: list[Unit] = []
        for spent in reservation.spent:
            held = spent.held
            if held.heard > since and held.window_start_us == spent.window_start_us and now_us < held.ends_us:
                found.append(held.standing(held.known, now_us))
            else:
                unheard.append(held.meter.unit)
        return [one for one in found if one.unit not in unheard] if unheard else found

    def tick(self, *, keep_slots: bool) -> None:
        """Give idle slices back, push debts, and keep the places that are in use; to be called ten times a second."""
        now_s = self._clock.monotonic()
        if not self._round and now_s >= self._next_round_s:
            self._round = list(self._held.values())
            self._in_one_go = max(_AT_ONCE, len(self._round) // 10)
            self._next_round_s = now_s + _ROUND_S
        some, self._round = self._round[: self._in_one_go], self._round[self._in_one_go :]
        for held in some:
            idle_s = now_s - held.touched_s
            if held.balance < 0 or idle_s > (_SPARE_S if held.is_spare else _IDLE_S):
                self._give_back(held)
                if idle_s > _FORGOTTEN_S:
                    held.gone = True
                    del self._held[held.meter.scope, held.meter.limit]
        if keep_slots and self._slots:
            self._turns.keep(list(self._slots))

    def _parts(self, meters: Iterable[Meter], tokens: int, requests: int, now_s: float) -> tuple[list[Part], bool]:
        """Return what is needed of each quota in the present window, and whether it is not all at hand."""
        now_us = self._clock.now_us()
        parts: list[Part] = []
        lacks = False
        for meter in meters:
            _, unit, limit, window_s, _ = meter
            if unit is Unit.CONCURRENCY:
                continue
            key = (meter.scope, limit)
            held = self._held.get(key)
            if held is None or now_us >= held.ends_us:
                window_us = window_s * US
                start_us = now_us // window_us * window_us if window_us else 0
                if held is None:
                    held = self._held[key] = held_from(meter, start_us, now_s)
                else:
                    held.begin(start_us)
            need = requests if unit is Unit.REQUESTS else tokens
            if held.balance < need:
                lacks = True
            parts.append(Part(held, held.window_start_us, need))
        return parts, lacks

    def _spend(self, parts: Iterable[Part], now_s: float) -> None:
        """Spend what is at hand, and have it looked at so that the caller can be told how it stands."""
        for part in parts:
            held = part.held
            held.balance -= part.amount
            held.known -= part.amount
            held.touched_s = now_s
            if not held.unseen:
                self._turns.look_at(held, now_s)

    def _refused_at_once(self, parts: Sequence[Part], places: Iterable[Meter], since: int, now_s: float) -> Refusal | None:
        """Return the refusal that the store need not be asked for, if there is one."""
        for meter in places:
            if self._places.get(meter.scope, 0) >= meter.limit:
                return exhausted(meter, 0, 0.0, need=1)
        for part in parts:
            held, need = part.held, part.amount
            if need > held.meter.limit:
                return exhausted(held.meter, held.meter.limit, None, need=need)
            if now_s < held.denied_until_s and need > held.balance + held.denied_left:
                return self._denied(part, held.balance + held.denied_left, parts, since)
        return None

    def _denied(self, denied: Part, left: int, parts: Iterable[Part], since: int) -> Refusal:
        """Return the refusal of what a quota has no room for, with how all of them stand as far as that is certain."""
        now_us = self._clock.now_us()
        standings: list[Standing] = []
        for part in parts:
            if part.held.heard > since:
                standings.append(part.held.standing(part.held.known, now_us))
            elif part is denied:  # believed since an earlier request: only what is held here is certain
                standings.append(part.held.standing(part.held.balance, now_us))
        meter = denied.held.meter
        reset_s = max(0.0, (denied.held.ends_us - now_us) / US) if meter.window_s else None
        return exhausted(meter, left, reset_s, need=denied.amount, standings=standings)

    async def _borrow(
        self, parts: tuple[Part, ...], places: Sequence[Meter], exchange_id: str, since: int
    ) -> Reservation | Refusal:
        """Spend what is held and borrow the rest; on a refusal everything is as it was."""
        wish = wish_for(parts, places, exchange_id, self._clock.monotonic())
        self._turns.wish(wish)
        try:
            answer = await _answered(wish.answer)
        except BaseException:  # a cancelled caller must leave no debit behind
            if not wish.answer.done() or wish.answer.cancelled() or wish.answer.exception() is not None:
                wish.put_back()
            elif isinstance(wish.answer.result(), Lent):
                self.settle(self._made(parts, places, exchange_id, since), tokens=0, admitted=False)
            raise
        if isinstance(answer, Lent):
            return self._made(parts, places, exchange_id, since)
        for part in parts:
            if part.held.meter.scope == answer.scope:
                return self._denied(part, part.held.balance + answer.left, parts, since)
        taken = next(meter for meter in places if meter.scope == answer.scope)
        now_us = self._clock.now_us()
        return exhausted(taken, 0, 0.0, need=1, standings=[part.held.standing(part.held.known, now_us) for part in parts])

    def _made(self, parts: Sequence[Part], places: Sequence[Meter], exchange_id: str, since: int) -> Reservation:
        if not places:
            return Reservation(parts, None, since)
        self._slots[exchange_id] = tuple(meter.scope for meter in places)
        for meter in places:
            self._places[meter.scope] = self._places.get(meter.scope, 0) + 1
        return Reservation(parts, exchange_id, since)

    def _leave(self, slot_id: str) -> None:
        for scope in self._slots.pop(slot_id, ()):
            self._places[scope] -= 1
            if not self._places[scope]:
                del self._places[scope]
        self._turns.leave(slot_id)

    def _give_back(self, held: Held) -> None:
        if held.balance:
            self._turns.give_back(Slice(held.meter.scope, held.window_start_us, held.balance, 0))
            held.balance = 0


async def _answered(answer: asyncio.Future[Lent | Short]) -> Lent | Short:
    """Return the store's answer.

    Raises:
        TimeoutError: It is silent.
    """
    try:
        for _ in range(_STEPS):
            if answer.done() or (await asyncio.wait((answer,), timeout=_STEP_S))[0]:
                return answer.result()
    finally:
        answer.cancel()  # where nobody waits any more, what the store lends goes back
    raise TimeoutError
