"""Closed windows of an epoch's draws, for alarms that replay all of them at every look.

A batch is written once, behind all that were there, and at no earlier instant than any of them; so windows are put together
from the batches that came since, and only the newest window can still grow. What a window says changes with a label and not
otherwise: the windows of an epoch are remembered as long as none has closed, none has grown and no label has changed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import from_us
from headgate.kernel.recent import Recent
from headgate.kernel.still import EVER, Lasting
from headgate.safety.model import LookData
from headgate.safety.store import numbers
from headgate.safety.store.tables import batches

if TYPE_CHECKING:
    from headgate.safety.store.sample import Samples

_REMEMBERED = 64
"""Epochs, each with a length of windows, that are remembered."""
_BATCHES_SINCE = (
    sa.select(batches.c.first, batches.c.last, batches.c.at_us)
    .where(batches.c.epoch == sa.bindparam("epoch"), batches.c.first > sa.bindparam("after"))
    .order_by(batches.c.first)
)


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows of an epoch, closed or not, as far as the draw ``upto``."""

    commitment: str
    upto: int = 0
    numbers: tuple[int, ...] = ()
    firsts: tuple[int, ...] = ()
    lasts: tuple[int, ...] = ()

    def closed(self, *, by: int, tossed: int) -> int:
        """Return how many are over: they end before window number ``by``, and every coin of theirs was tossed."""
        return min(bisect_right(self.numbers, by - 1), bisect_right(self.lasts, tossed))


@dataclass(slots=True)
class _Read:
    """What was made of windows, and of which."""

    of: tuple[str, int, int, int]
    looks: tuple[LookData, ...]


@dataclass(slots=True)
class Looks:
    """Remembers windows; one object serves all threads of a process.

    Attributes:
        samples: What is known of samples.
    """

    samples: Samples
    _windows: Recent[tuple[str, int], _Windows] = field(default_factory=lambda: Recent(_REMEMBERED))
    _read: Recent[tuple[str, str, int, int], _Read] = field(default_factory=lambda: Recent(_REMEMBERED))

    def since(
        self, connection: sa.Connection, epoch: str, hazard: str, *, after: int, every_us: int, now_us: int
    ) -> Lasting[tuple[LookData, ...]]:
        """Return the closed windows whose draws follow position ``after``, and how long they are those that are closed.

        ``LookData`` says what they promise.

        Args:
            connection: A snapshot.
            epoch: Which epoch.
            hazard: Which hazard.
            after: Leave out windows that end at this draw or before.
            every_us: A window's length.
            now_us: Only windows that ended by now are closed.

        Raises:
            HazardUnknown: The epoch's labels do not answer for the hazard.
            ValueError: ``every_us`` is not positive.
        """
        if every_us <= 0:
            raise ValueError("a window has a positive length")
        state = numbers.of_epoch(connection, epoch, hazard)
        if state is None:
            return Lasting((), now_us, EVER)
        over = (now_us - state.committed_at_us) // every_us
        began_us = state.committed_at_us + over * every_us
        windows = self._put_together(connection, state, every_us)
        closed = windows.closed(by=over, tossed=state.tossed)
        if not closed:
            return Lasting((), began_us, began_us + every_us)
        name = (epoch, hazard, every_us, after)
        of = (state.commitment, state.label_seq, closed, windows.lasts[closed - 1])
        last = self._read.get(name)
        if last is None or last.of != of:
            last = _Read(of, self._looks(connection, state, hazard, windows, closed, after=after, every_us=every_us))
            self._read.put(name, last)
        return Lasting(last.looks, began_us, began_us + every_us)

    def _put_together(self, connection: sa.Connection, state: Any, every_us: int) -> _Windows:
        name = (state.epoch, every_us)
        known = self._windows.get(name)
        if known is None or known.commitment != state.commitment or known.upto > state.position:
            known = _Windows(state.commitment)
        if known.upto == state.position:
            return known
        found, firsts, lasts = list(known.numbers), list(known.firsts), list(known.lasts)
        for row in connection.execute(_BATCHES_SINCE, {"epoch": state.epoch, "after": known.upto}):
            number = (row.at_us - state.committed_at_us) // every_us
            if found and found[-1] == number:
                lasts[-1] = row.last
            else:
                found.append(number)
                firsts.append(row.first)
                lasts.append(row.last)
        known = _Windows(state.commitment, lasts[-1] if lasts else 0, tuple(found), tuple(firsts), tuple(lasts))
        self._windows.put(name, known)
        return known

    def _looks(
        self, connection: sa.Connection, state: Any, hazard: str, windows: _Windows, closed: int, *, after: int, every_us: int
    ) -> tuple[LookData, ...]:
        sample = self.samples.of(connection, state, hazard)
        which = sample.harmful(after)
        places, harms = sample.places[which].tolist(), sample.harms(which)
        floors = numbers.floors(connection, state.epoch)
        found: list[LookData] = []
        for place in range(bisect_right(windows.lasts, after), closed):
            first, last = max(windows.firsts[place], after + 1), windows.lasts[place]
            found.append(
                LookData(
                    requests=last - first + 1,
                    segments=numbers.segments(floors, first, last),
                    harms=harms[bisect_right(places, first - 1) : bisect_right(places, last)],
                    upto_label_seq=state.label_seq,
                    upto_position=last,
                    closed_at=from_us(state.committed_at_us + (windows.numbers[place] + 1) * every_us),
                )
            )
        return tuple(found)
