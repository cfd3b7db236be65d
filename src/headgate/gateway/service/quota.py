"""What may be spent: local slices of shared limits, reserved before use and settled after.

A worker borrows a slice of each limit from the store and spends it without asking again. The store counts a slice as used
the moment it is lent, so a worker that dies strands what it held and never overspends. Slices shrink towards the end of a
limit, down to the bare need, and idle ones go back, so that several workers together admit what the limit says.

A request reserves everything that it may cost, or nothing. What it turns out to have cost is settled; what nobody knows is
not refunded. Asks that wait while the store is busy are carried out together, in one transaction.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.model import Meter, Refusal, Standing, Unit
from headgate.gateway.ports import Ask, Borrow, Chores, Lent, Short, Slice, SlotWish
from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.gateway.ports import Leases
    from headgate.gateway.service.instants import ForwardClock

_IDLE_S = 1.0
"""How long an unspent slice is kept before it goes back."""
_DENIED_S = 0.25
"""How long a limit that was found used up is believed to be, without asking the store again."""
_ANSWER_S = 4.0
"""How long a request waits for the store."""
_AT_ONCE = 64
"""Most asks that one transaction carries out: the first of many waits for few."""
_TRIES = 3
_US = 1_000_000


@dataclass(slots=True)
class _Held:
    """What this worker holds of one limit."""

    limit: int
    window_start_us: int
    balance: int = 0
    """What may be spent; below zero when more was used than was reserved."""
    left: int = 0
    """What the store had left when it was last asked."""
    touched_s: float = 0.0
    denied_until_s: float = 0.0
    denied_left: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """What was reserved of one limit."""

    meter: Meter
    window_start_us: int
    amount: int


@dataclass(slots=True)
class Reservation:
    """What a request holds until it is settled.

    Attributes:
        spent: What was reserved of each quota.
        slot_id: The place that it takes, if its limits have places; the place is left once.
    """

    spent: tuple[Spent, ...]
    slot_id: str | None
    settled: bool = False


_UNCOUNTED = Refusal(errors.QuotaUnavailable("The limits cannot be counted now, so nothing is admitted.", rule="limits"))


class Quota:
    """Reserves and settles.

    Args:
        leases: Where limits are counted.
        clock: Wall clock for windows, monotonic clock for idleness.
    """

    def __init__(self, leases: Leases, clock: ForwardClock) -> None:
        self._leases = leases
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._slots: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, int] = {}
        self._asks: list[tuple[Ask, asyncio.Future[Lent | Short]]] = []
        self._returns: list[Slice] = []
        self._left: list[str] = []
        self._kept: list[str] = []
        self._work = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, "headgate-leases")
        self._runner: asyncio.Task[None] | None = None

    async def start(self, worker: str) -> None:
        """Free what an earlier worker of this name left behind, and begin.

        Raises:
            Unavailable: The store does not answer.
        """
        await asyncio.get_running_loop().run_in_executor(self._executor, self._leases.forget, worker)
        self._runner = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Give back everything that is not spent."""
        for scope in list(self._held):
            self._give_back(scope)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        chores = self._chores()
        if chores is not None:
            with suppress(Unavailable):  # what is not given back is stranded until its window ends: less is served, never more
                await self._carry_out([], chores)
        self._executor.shutdown(wait=False)

    async def reserve(
        self, meters: tuple[Meter, ...], *, tokens: int, exchange_id: str, requests: int = 1
    ) -> Reservation | Refusal:
        """Reserve what is needed of every meter, or of none.

        Args:
            meters: The limits that hold.
            tokens: What the exchange may cost.
            exchange_id: What takes the place where concurrency is limited.
            requests: How many requests it counts as.
        """
        if not meters:
            return Reservation((), None)
        quotas = [
            (meter, requests if meter.unit is Unit.REQUESTS else tokens) for meter in meters if meter.unit is not Unit.CONCURRENCY
        ]
        places = [meter for meter in meters if meter.unit is Unit.CONCURRENCY]
        hopeless = self._hopeless(quotas, places)
        if hopeless is not None:
            return hopeless
        return await self._try(quotas, places, exchange_id)

    async def _try(self, quotas: Sequence[tuple[Meter, int]], places: Sequence[Meter], exchange_id: str) -> Reservation | Refusal:
        answer: Reservation | Refusal = _UNCOUNTED
        for _ in range(_TRIES):
            now_us = self._clock.now_us()
            known = self._known_denial(quotas, now_us)
            if known is not None:
                return known
            if not places and self._spend_locally(quotas, now_us):
                return Reservation(
                    tuple(Spent(meter, self._held[meter.scope].window_start_us, need) for meter, need in quotas), None
                )
            try:
                answer = await self._borrow(quotas, places, exchange_id)
            except (Unavailable, TimeoutError):
                return _UNCOUNTED
            if isinstance(answer, Reservation) or isinstance(answer.error, errors.TooManyAtOnce):
                return answer
            # Refused by the store; a slice that another request of this worker has brought meanwhile may still do.
        return answer

    def _hopeless(self, quotas: Sequence[tuple[Meter, int]], places: Sequence[Meter]) -> Refusal | None:
        """Return the refusal that needs no counting, if there is one."""
        for meter in places:
            if self._places.get(meter.scope, 0) >= meter.limit:
                return _refused(meter, 0, 0.0, need=1)
        for meter, need in quotas:
            if need > meter.limit:
                return _refused(meter, meter.limit, None, need=need)
        return None

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
            for scope in self._slots.pop(reservation.slot_id, ()):
                self._places[scope] -= 1
                if not self._places[scope]:
                    del self._places[scope]
            self._left.append(reservation.slot_id)
            self._work.set()
        for spent in reservation.spent:
            held = self._held.get(spent.meter.scope)
            if spent.meter.unit is Unit.REQUESTS:
                refund = 0 if admitted else spent.amount
            else:
                refund = 0 if tokens is None else spent.amount - tokens
            if not refund:
                continue
            if held is not None and held.window_start_us == spent.window_start_us:
                held.balance += refund
                held.denied_until_s = 0.0
            elif spent.meter.window_s == 0:
                self._returns.append(Slice(spent.meter.scope, 0, refund, 0))
                self._work.set()

    def standing(self, reservation: Reservation) -> list[Standing]:
        """Return how the quotas of a reservation stand."""
        now_us = self._clock.now_us()
        found: list[Standing] = []
        for spent in reservation.spent:
            held = self._held.get(spent.meter.scope)
            remaining = 0 if held is None else max(0, held.balance + held.left)
            end_us = spent.window_start_us + spent.meter.window_s * _US
            found.append(Standing(spent.meter.unit, spent.meter.limit, remaining, max(0.0, (end_us - now_us) / _US)))
        return found

    def tick(self, *, keep_slots: bool) -> None:
        """Give idle slices back, push debts, and keep the places that are in use."""
        now_s = self._clock.monotonic()
        now_us = self._clock.now_us()
        for scope, held in list(self._held.items()):
            if held.balance < 0 or now_s - held.touched_s > _IDLE_S:
                self._give_back(scope)
                if now_us - held.window_start_us > 0 and now_s - held.touched_s > 60 * _IDLE_S:
                    del self._held[scope]
        if keep_slots:
            self._kept = list(self._slots)
        if self._returns or self._left or self._kept:
            self._work.set()

    def _known_denial(self, quotas: Sequence[tuple[Meter, int]], now_us: int) -> Refusal | None:
        now_s = self._clock.monotonic()
        for meter, need in quotas:
            held = self._current(meter, now_us)
            if now_s < held.denied_until_s and need > held.balance + held.denied_left:
                return _refused(meter, max(0, held.balance + held.denied_left), self._until_reset_s(meter, held), need=need)
        return None

    def _spend_locally(self, quotas: Sequence[tuple[Meter, int]], now_us: int) -> bool:
        held = [self._current(meter, now_us) for meter, _ in quotas]
        if any(mine.balance < need for mine, (_, need) in zip(held, quotas, strict=True)):
            return False
        now_s = self._clock.monotonic()
        for mine, (_, need) in zip(held, quotas, strict=True):
            mine.balance -= need
            mine.touched_s = now_s
        return True

    async def _borrow(
        self, quotas: Sequence[tuple[Meter, int]], places: Sequence[Meter], exchange_id: str
    ) -> Reservation | Refusal:
        """Spend what is held and borrow the rest; on a refusal everything is as it was."""
        now_us, now_s = self._clock.now_us(), self._clock.monotonic()
        own: list[Spent] = []
        borrows: list[Borrow] = []
        for meter, need in quotas:
            held = self._current(meter, now_us)
            mine = min(held.balance, need)  # negative when there is a debt to be borrowed for as well
            held.balance -= mine
            held.touched_s = now_s
            own.append(Spent(meter, held.window_start_us, mine))
            if mine < need:
                borrows.append(Borrow(meter.scope, meter.limit, meter.window_s * _US, need - mine))
        wishes = tuple(SlotWish(meter.scope, exchange_id, meter.limit) for meter in places)
        try:
            answer = await self._ask(Ask(tuple(borrows), wishes))
        except BaseException:  # a cancelled caller must leave no debit behind
            self._put_back(own)
            raise
        if isinstance(answer, Short):
            self._put_back(own)
            return self._short(answer, quotas, places)
        spent = {part.meter.scope: part for part in own}
        for slice_, borrow in zip(answer.slices, borrows, strict=True):
            self._credit(slice_, slice_.amount - borrow.need)
            mine = spent[slice_.scope]
            # What was held of a window that ended meanwhile is spent, and cannot be refunded into the next.
            carried = mine.amount if mine.window_start_us == slice_.window_start_us else 0
            spent[slice_.scope] = Spent(mine.meter, slice_.window_start_us, borrow.need + carried)
        if places:
            self._slots[exchange_id] = tuple(meter.scope for meter in places)
            for meter in places:
                self._places[meter.scope] = self._places.get(meter.scope, 0) + 1
        return Reservation(tuple(spent.values()), exchange_id if places else None)

    def _put_back(self, own: Sequence[Spent]) -> None:
        for part in own:
            held = self._held[part.meter.scope]
            if held.window_start_us == part.window_start_us:
                held.balance += part.amount

    def _short(self, answer: Short, quotas: Sequence[tuple[Meter, int]], places: Sequence[Meter]) -> Refusal:
        for meter, need in quotas:
            if meter.scope == answer.scope:
                held = self._current(meter, self._clock.now_us())
                if answer.window_start_us > held.window_start_us:
                    held.window_start_us, held.balance = answer.window_start_us, 0
                held.left = held.denied_left = answer.left
                held.denied_until_s = self._clock.monotonic() + _DENIED_S
                return _refused(meter, held.balance + answer.left, self._until_reset_s(meter, held), need=need)
        taken = next(meter for meter in places if meter.scope == answer.scope)
        return _refused(taken, 0, 0.0, need=1)

    def _credit(self, slice_: Slice, surplus: int) -> None:
        held = self._held[slice_.scope]
        if slice_.window_start_us > held.window_start_us:
            held.window_start_us, held.balance = slice_.window_start_us, 0
        held.left = slice_.left
        held.denied_until_s = 0.0
        if slice_.window_start_us == held.window_start_us:
            held.balance += surplus

    def _current(self, meter: Meter, now_us: int) -> _Held:
        """Return what is held of a limit in the present window; what belongs to a past one is gone."""
        window_us = meter.window_s * _US
        start_us = now_us // window_us * window_us if window_us else 0
        held = self._held.get(meter.scope)
        if held is not None and held.limit != meter.limit:
            self._give_back(meter.scope)
            held = None
        if held is None:
            held = self._held[meter.scope] = _Held(meter.limit, start_us, touched_s=self._clock.monotonic())
        elif start_us > held.window_start_us:
            held.window_start_us, held.balance, held.left, held.denied_until_s = start_us, 0, 0, 0.0
        return held

    def _give_back(self, scope: str) -> None:
        held = self._held[scope]
        if held.balance:
            self._returns.append(Slice(scope, held.window_start_us, held.balance, 0))
            held.left += held.balance
            held.balance = 0
            self._work.set()

    def _until_reset_s(self, meter: Meter, held: _Held) -> float | None:
        if not meter.window_s:
            return None
        return max(0.0, (held.window_start_us + meter.window_s * _US - self._clock.now_us()) / _US)

    async def _ask(self, ask: Ask) -> Lent | Short:
        answer: asyncio.Future[Lent | Short] = asyncio.get_running_loop().create_future()
        self._asks.append((ask, answer))
        self._work.set()
        return await asyncio.wait_for(answer, _ANSWER_S)

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            asks, self._asks = self._asks[:_AT_ONCE], self._asks[_AT_ONCE:]
            if self._asks:
                self._work.set()
            chores = self._chores() or Chores()
            if not asks and chores == Chores():
                continue
            try:
                answers = await self._carry_out([ask for ask, _ in asks], chores)
            except Unavailable as error:
                self._returns += chores.returns
                self._left += chores.left
                for _, answer in asks:
                    if not answer.done():
                        answer.set_exception(error)
                await asyncio.sleep(_DENIED_S)
                continue
            for (ask, future), answer in zip(asks, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
                elif isinstance(answer, Lent):  # whoever asked has given up waiting
                    self._returns += answer.slices
                    self._left += [wish.slot_id for wish in ask.slots]
                    self._work.set()

    def _chores(self) -> Chores | None:
        if not (self._returns or self._left or self._kept):
            return None
        chores = Chores(tuple(self._returns), tuple(self._left), tuple(self._kept))
        self._returns, self._left, self._kept = [], [], []
        return chores

    async def _carry_out(self, asks: Sequence[Ask], chores: Chores) -> list[Lent | Short]:
        now_us = self._clock.now_us()
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: self._leases.carry_out(asks, chores, now_us=now_us)
        )


def _refused(meter: Meter, left: int, reset_s: float | None, *, need: int) -> Refusal:
    match meter.unit:
        case Unit.REQUESTS:
            return Refusal(
                errors.RequestsExhausted(
                    f"All {meter.limit:,} requests of this window are used.",
                    retry_after_s=reset_s,
                    rule="how_much.requests",
                    help="Wait for the next window.",
                )
            )
        case Unit.TOKENS:
            return Refusal(
                errors.TokensExhausted(
                    f"This request may need {need:,} tokens; {max(0, left):,} of {meter.limit:,} are left in this window.",
                    retry_after_s=None if need > meter.limit else reset_s,
                    rule="how_much.tokens",
                    help="Ask for a shorter answer, or wait for the next window.",
                )
            )
        case Unit.TOTAL_TOKENS:
            return Refusal(
                errors.TotalTokensExhausted(
                    f"This request may need {need:,} tokens; {max(0, left):,} of the grant's {meter.limit:,} are left.",
                    retry_after_s=None,
                    rule="how_much.total_tokens",
                    help="Ask for a shorter answer, or for a larger grant.",
                )
            )
        case Unit.CONCURRENCY:
            return Refusal(
                errors.TooManyAtOnce(
                    f"{meter.limit:,} exchanges may be open at a time, and are.",
                    retry_after_s=1.0,
                    rule="how_much.concurrency",
                    help="Wait for one of them to end.",
                )
            )
