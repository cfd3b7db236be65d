"""What a worker holds and knows of one limit: a slice that it may spend, and how much all workers together could still admit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway.model import Standing

if TYPE_CHECKING:
    from headgate.gateway.model import Meter
    from headgate.gateway.ports import Slice

US = 1_000_000
"""Microseconds in a second."""
NEVER_US = 2**63
"""The end of a window that has none."""
_SPARE = 32
"""What is held of a limit can be spared by others while it is at most this part of what remains."""


@dataclass(slots=True, eq=False)
class Held:
    """One limit, as one worker holds it.

    Attributes:
        meter: The limit.
        window_start_us: The window that everything here belongs to; 0 for one that never ends.
        ends_us: Its end.
        touched_s: When something was last spent, on the monotonic clock.
        shown: The least that anybody was told remains of this window, and what has come back since.
        balance: What may be spent; below zero when more was used than was reserved.
        known: What all workers together could still admit when the store last spoke of it, less what was spent here since.
        heard: The store's turn in which it last spoke of it.
        late: What has come back here since the turn under way began: the store's next word does not contain it.
        denied_until_s: Until when it is believed to be used up, on the monotonic clock.
        denied_left: What the store had left of it then.
        unseen: Whether it waits to be looked at.
        gone: Whether it is remembered no more; what still comes back goes to the store.
    """

    meter: Meter
    window_start_us: int
    ends_us: int
    touched_s: float
    shown: int
    balance: int = 0
    known: int = 0
    heard: int = 0
    late: int = 0
    denied_until_s: float = 0.0
    denied_left: int = 0
    unseen: bool = False
    gone: bool = False

    @property
    def is_spare(self) -> bool:
        """Whether nobody misses what is held: little of much, in a window that ends, so that a crash loses it no longer."""
        return self.meter.window_s > 0 and self.balance * _SPARE <= self.known

    def begin(self, start_us: int) -> None:
        """Begin a window; what belongs to the one before is gone."""
        self.window_start_us, self.ends_us = start_us, start_us + (self.meter.window_s * US or NEVER_US)
        self.balance = self.known = self.heard = self.late = 0
        self.denied_until_s = 0.0
        self.shown = self.meter.limit

    def hear(self, said: Slice, turn: int, *, surplus: int = 0) -> None:
        """Take in how the limit stands in the store.

        Args:
            said: What the store says.
            turn: In which turn.
            surplus: What was borrowed in it beyond the need.
        """
        if said.window_start_us > self.window_start_us:
            self.begin(said.window_start_us)
        if said.window_start_us == self.window_start_us:
            self.balance += surplus
            self.known = said.left + self.balance - self.late
            self.heard = turn
            self.denied_until_s = 0.0

    def refund(self, amount: int) -> None:
        """Take in that less was used than was reserved, or more: an amount below zero."""
        self.balance += amount
        if amount > 0:
            self.shown += amount
            self.late += amount
            self.denied_until_s = 0.0
        else:
            self.known += amount

    def standing(self, certain: int, now_us: int) -> Standing:
        """Return how the limit stands, and remember it: nobody is told more later.

        Args:
            certain: What certainly remains.
            now_us: The present instant, microseconds since 1970.
        """
        self.shown = min(self.shown, max(0, certain))
        meter = self.meter
        reset_s = max(0.0, (self.ends_us - now_us) / US) if meter.window_s else 0.0
        return Standing(meter.unit, meter.limit, self.shown, reset_s)


def held_from(meter: Meter, start_us: int, now_s: float) -> Held:
    """Return what is held of a limit of which nothing is held yet."""
    return Held(meter, start_us, start_us + (meter.window_s * US or NEVER_US), now_s, meter.limit)


@dataclass(slots=True, eq=False)
class Part:
    """What a request has reserved, or needs, of one limit.

    Attributes:
        held: The limit.
        window_start_us: The window that it was reserved in.
        amount: How much.
    """

    held: Held
    window_start_us: int
    amount: int
