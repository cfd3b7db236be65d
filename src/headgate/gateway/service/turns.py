"""A worker's turns at the store of limits: whatever waits while it is busy goes there together, in one transaction.

What a turn brings is taken in at once and in the store's order, before anybody who waits for it goes on, so that what is known
of a limit is never older than what was heard last. Limits that are only looked at wait until the store has rested.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway.ports import Ask, Borrow, Chores, Lent, Look, Short, Slice, SlotWish
from headgate.gateway.service.held import US
from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.gateway.model import Meter
    from headgate.gateway.ports import Leases
    from headgate.gateway.service.held import Held, Part
    from headgate.gateway.service.instants import ForwardClock

DENIED_S = 0.25
"""How long a limit that was found used up is believed to be, and a store that failed to be down, without asking again."""
_AT_ONCE = 64
"""Most asks that one turn carries out: the first of many waits for few."""
_LOOKS_AT_ONCE = 512
_REST = 9
"""After a turn of looks only, the store is left alone for so many times as long: looks cost a tenth of the time at most."""
_REST_S = 0.01
"""And for so long at least: a turn costs the event loop more than it costs the store, and hardly a model answers sooner."""
_NOTHING = Chores()


@dataclass(slots=True, eq=False)
class Wish:
    """A request that waits for the store.

    Attributes:
        parts: What it needs of each quota.
        own: How much of each part was at hand and is spent; below zero where a debt is borrowed for as well.
        ask: What is asked of the store: the parts that lack something are borrowed for, the others are looked at.
        answer: Done when the store has answered and the answer is taken in.
    """

    parts: tuple[Part, ...]
    own: tuple[int, ...]
    ask: Ask
    answer: asyncio.Future[Lent | Short]

    @property
    def lacking(self) -> list[Part]:
        """Return the parts that are borrowed for, in the order of the ask."""
        return [part for part, mine in zip(self.parts, self.own, strict=True) if mine < part.amount]

    def put_back(self) -> None:
        """Undo what was spent of what was at hand."""
        for part, mine in zip(self.parts, self.own, strict=True):
            if part.held.window_start_us == part.window_start_us:
                part.held.balance += mine
                part.held.late += max(0, mine)


def wish_for(parts: tuple[Part, ...], places: Sequence[Meter], slot_id: str, now_s: float) -> Wish:
    """Spend what is at hand of each part, and return the wish for the rest and for places."""
    own: list[int] = []
    borrows: list[Borrow] = []
    looks: list[Look] = []
    for part in parts:
        held, meter = part.held, part.held.meter
        mine = min(held.balance, part.amount)
        held.balance -= mine
        held.known -= max(0, mine)
        held.touched_s = now_s
        own.append(mine)
        if mine < part.amount:
            borrows.append(Borrow(meter.scope, meter.limit, meter.window_s * US, part.amount - mine))
        else:
            looks.append(_look(held))
    slots = tuple(SlotWish(meter.scope, slot_id, meter.limit) for meter in places)
    return Wish(parts, tuple(own), Ask(tuple(borrows), slots, tuple(looks)), asyncio.get_running_loop().create_future())


class Turns:
    """Takes turns at the store, one at a time.

    Args:
        leases: The store.
        clock: Wall clock for windows, monotonic clock for rests.
    """

    def __init__(self, leases: Leases, clock: ForwardClock) -> None:
        self._leases = leases
        self._clock = clock
        self.number = 0
        """The turn that was last begun."""
        self._wishes: list[Wish] = []
        self._unseen: list[Held] = []
        self._returns: list[Slice] = []
        self._left: list[str] = []
        self._kept: list[str] = []
        self._rested_s = 0.0
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
        """Take the last turn: only what is given back."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        chores = self._chores()
        if chores is not _NOTHING:
            with suppress(Unavailable):  # what is not given back is stranded until its window ends: less is served, never more
                await self._carry_out([], chores)
        self._executor.shutdown(wait=False)

    def wish(self, wish: Wish) -> None:
        """Have a wish carried out."""
        self._wishes.append(wish)
        self._work.set()

    def look_at(self, held: Held, now_s: float) -> None:
        """Have a limit looked at, soon; asking again before that is harmless."""
        if held.unseen:
            return
        held.unseen = True
        if not self._unseen:
            asyncio.get_running_loop().call_later(max(0.0, self._rested_s - now_s), self._work.set)
        self._unseen.append(held)

    def give_back(self, unspent: Slice) -> None:
        """Have a slice given back; one below zero is a debt."""
        self._returns.append(unspent)
        self._work.set()

    def leave(self, slot_id: str) -> None:
        """Have a place freed."""
        self._left.append(slot_id)
        self._work.set()

    def keep(self, slot_ids: Sequence[str]) -> None:
        """Have places kept for another time-to-live."""
        self._kept = list(slot_ids)
        self._work.set()

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            wishes = [wish for wish in self._wishes[:_AT_ONCE] if not wish.answer.done()]
            unseen, self._unseen = self._unseen[:_LOOKS_AT_ONCE], self._unseen[_LOOKS_AT_ONCE:]
            self._wishes = self._wishes[_AT_ONCE:]
            if self._wishes or self._unseen:
                self._work.set()
            chores = self._chores()
            if wishes or unseen or chores is not _NOTHING:
                await self._take(wishes, unseen, chores)

    async def _take(self, wishes: Sequence[Wish], unseen: Sequence[Held], chores: Chores) -> None:
        self.number += 1
        began_s = self._clock.monotonic()
        for held in (*unseen, *(part.held for wish in wishes for part in wish.parts)):
            held.late = 0
        for held in unseen:
            held.unseen = False
        looks = Ask((), (), tuple(map(_look, unseen)))
        try:
            answers = await self._carry_out([*(wish.ask for wish in wishes), looks], chores)
        except Unavailable as error:
            self._failed(wishes, chores, error)
            await asyncio.sleep(DENIED_S)
            return
        *told, seen = answers
        for wish, answer in zip(wishes, told, strict=True):
            self._take_in(wish, answer)
        for held, said in zip(unseen, seen.seen, strict=True):
            held.hear(said, self.number)
        if not wishes:
            now_s = self._clock.monotonic()
            self._rested_s = now_s + max(_REST_S, _REST * (now_s - began_s))

    def _failed(self, wishes: Sequence[Wish], chores: Chores, error: Unavailable) -> None:
        self._returns += chores.returns
        self._left += chores.left
        for wish in wishes:
            if not wish.answer.done():
                wish.answer.set_exception(error)

    def _take_in(self, wish: Wish, answer: Lent | Short) -> None:
        if wish.answer.done():  # whoever asked has given up waiting
            if isinstance(answer, Lent):
                self._returns += answer.slices
                self._left += [place.slot_id for place in wish.ask.slots]
                self._work.set()
            return
        wish.answer.set_result(answer)
        lacking = wish.lacking
        looked = [part for part in wish.parts if part not in lacking]
        if isinstance(answer, Lent):
            for part, borrow, lent in zip(lacking, wish.ask.borrows, answer.slices, strict=True):
                if part.window_start_us != lent.window_start_us:
                    # What was held of a window that ended meanwhile is spent, and cannot be refunded into the next.
                    part.window_start_us, part.amount = lent.window_start_us, borrow.need
                part.held.hear(lent, self.number, surplus=lent.amount - borrow.need)
        else:
            wish.put_back()
            looked += lacking
        for part, said in zip(looked, answer.seen, strict=True):
            part.held.hear(said, self.number)
            if isinstance(answer, Short) and said.scope == answer.scope:
                part.held.denied_left = answer.left
                part.held.denied_until_s = self._clock.monotonic() + DENIED_S

    def _chores(self) -> Chores:
        if not (self._returns or self._left or self._kept):
            return _NOTHING
        chores = Chores(tuple(self._returns), tuple(self._left), tuple(self._kept))
        self._returns, self._left, self._kept = [], [], []
        return chores

    async def _carry_out(self, asks: Sequence[Ask], chores: Chores) -> list[Lent | Short]:
        now_us = self._clock.now_us()
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: self._leases.carry_out(asks, chores, now_us=now_us)
        )


def _look(held: Held) -> Look:
    return Look(held.meter.scope, held.meter.limit, held.meter.window_s * US)
