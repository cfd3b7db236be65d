"""An epoch's sample for one hazard: read whole once, and from then on only where it has changed.

A standing is written when its coin is tossed, behind all that were there, and never goes away. It changes only together with
its epoch's ``label_seq``, whose new number it carries. So what has changed since a reading lies behind the last coin of then or
carries a later number, whichever process wrote it; everything else is as it was. Both numbers are read in the snapshot that is
answered from. Where one of them is smaller than it was, another database stands in the place of the old one, or the reading was
made of a later snapshot: then all of it is read anew.

A million exchanges leave some hundred thousand standings. They are kept as columns, about 40 bytes for each.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import sqlalchemy as sa

from headgate.safety.model import Harm, Standing
from headgate.safety.store.tables import standings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Places: TypeAlias = NDArray[np.int64]

_MOST_STANDINGS = 2_000_000
"""Standings that are kept in all; the samples that were asked for last stay, and the newest always does."""
NEVER = -(2**63)
"""Nothing was sent to review by then."""
_CODES = {standing.value: code for code, standing in enumerate(Standing)}
_PENDING, _NO_HARM, _HARM = (_CODES[each.value] for each in (Standing.PENDING, Standing.NO_HARM, Standing.HARM))
_COLUMNS = (
    standings.c.position,
    standings.c.standing,
    standings.c.pi,
    standings.c.pi0,
    standings.c.drawn_at_us,
)
_OURS = (standings.c.epoch == sa.bindparam("epoch"), standings.c.hazard == sa.bindparam("hazard"))
_TOSSED_SINCE = (
    sa.select(*_COLUMNS)
    .where(*_OURS, standings.c.position > sa.bindparam("after"), standings.c.position <= sa.bindparam("upto"))
    .order_by(standings.c.position)
)
_CHANGED_SINCE = sa.select(standings.c.position, standings.c.standing).where(
    *_OURS, standings.c.label_seq > sa.bindparam("since"), standings.c.position <= sa.bindparam("upto")
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The sampled draws of an epoch in their order, with what stands of one hazard.

    Attributes:
        commitment: The epoch's own commitment; no other epoch has it.
        label_seq: The last change that was taken into account.
        tossed: The last draw whose coin was.
        places: Where each stands among the epoch's draws.
        codes: What stands of it.
        pi: The probability that it was drawn with.
        pi0: The floor at its draw.
        drawn_at_us: When it was sent to review.
    """

    commitment: str
    label_seq: int
    tossed: int
    places: Places
    codes: NDArray[np.int8]
    pi: NDArray[np.float64]
    pi0: NDArray[np.float64]
    drawn_at_us: NDArray[np.int64]

    def waiting(self, *, overdue_us: int) -> Places:
        """Return which of them, by number, wait for a label, without those sent to review at ``overdue_us`` or earlier."""
        return np.flatnonzero((self.codes == _PENDING) & (self.drawn_at_us > overdue_us))

    def upto(self, frontier: int) -> int:
        """Return how many sampled draws there are up to a place."""
        return int(np.searchsorted(self.places, frontier, side="right"))

    def counted(self, frontier: int) -> Places:
        """Return which of them, by number, count as harm up to the frontier: what still waits there is overdue, and counts."""
        return np.flatnonzero(self.codes[: self.upto(frontier)] != _NO_HARM)

    def harmful(self, after: int) -> Places:
        """Return which of them, by number, behind a place are known to be harmful."""
        begin = self.upto(after)
        return np.flatnonzero(self.codes[begin:] == _HARM) + begin

    def harms(self, which: Places) -> tuple[Harm, ...]:
        """Return some of them as evidence counts them."""
        return tuple(Harm(pi, pi0) for pi, pi0 in zip(self.pi[which].tolist(), self.pi0[which].tolist(), strict=True))

    def with_tossed(self, rows: Sequence[Any], tossed: int) -> Sample:
        """Return the sample with what was tossed since."""
        if not rows:
            return replace(self, tossed=tossed)
        places, found, pi, pi0, drawn_at_us = zip(*rows, strict=True)
        return replace(
            self,
            tossed=tossed,
            places=np.concatenate([self.places, np.array(places, np.int64)]),
            codes=np.concatenate([self.codes, np.array([_CODES[standing] for standing in found], np.int8)]),
            pi=np.concatenate([self.pi, np.array(pi, np.float64)]),
            pi0=np.concatenate([self.pi0, np.array(pi0, np.float64)]),
            drawn_at_us=np.concatenate([self.drawn_at_us, np.array(drawn_at_us, np.int64)]),
        )

    def with_changes(self, rows: Sequence[Any], label_seq: int) -> Sample:
        """Return the sample with what was labelled, corrected or taken back since."""
        if not rows:
            return replace(self, label_seq=label_seq)
        codes = self.codes.copy()
        codes[np.searchsorted(self.places, [row.position for row in rows])] = [_CODES[row.standing] for row in rows]
        return replace(self, label_seq=label_seq, codes=codes)


class Samples:
    """Remembers samples; one object serves all threads of a process."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Sample] = OrderedDict()
        self._harms: dict[tuple[str, str], tuple[Sample, int, tuple[Harm, ...]]] = {}
        self._changing = Lock()

    def of(self, connection: sa.Connection, state: Any, hazard: str) -> Sample:
        """Return an epoch's sample as it stands in a snapshot.

        Args:
            connection: The snapshot.
            state: The epoch's row in it.
            hazard: Which hazard.
        """
        known = self._known.get((state.epoch, hazard))
        if known is None or not _precedes(known, state):
            known = _empty(state.commitment)
        elif (known.label_seq, known.tossed) == (state.label_seq, state.tossed):
            return known
        names = {"epoch": state.epoch, "hazard": hazard}
        if known.places.size and known.label_seq < state.label_seq:
            changed = connection.execute(_CHANGED_SINCE, {**names, "since": known.label_seq, "upto": known.tossed}).all()
            known = known.with_changes(changed, state.label_seq)
        else:
            known = replace(known, label_seq=state.label_seq)
        if known.tossed < state.tossed:
            tossed = connection.execute(_TOSSED_SINCE, {**names, "after": known.tossed, "upto": state.tossed}).all()
            known = known.with_tossed(tossed, state.tossed)
        self._keep((state.epoch, hazard), known)
        return known

    def harms_upto(self, epoch: str, hazard: str, sample: Sample, frontier: int) -> tuple[Harm, ...]:
        """Return what counts as harm up to the frontier, in the order of the draws; the same object while it is the same."""
        last = self._harms.get((epoch, hazard))
        if last is not None and last[0] is sample and last[1] == frontier:
            return last[2]
        found = sample.harms(sample.counted(frontier))
        if last is not None and last[2] == found:
            found = last[2]
        self._harms[epoch, hazard] = (sample, frontier, found)
        return found

    def _keep(self, of: tuple[str, str], sample: Sample) -> None:
        with self._changing:
            self._known.pop(of, None)
            self._known[of] = sample
            while len(self._known) > 1 and sum(each.places.size for each in self._known.values()) > _MOST_STANDINGS:
                gone, _ = self._known.popitem(last=False)
                self._harms.pop(gone, None)


def _precedes(known: Sample, state: Any) -> bool:
    """Return whether a snapshot is of the same epoch as a reading, and not earlier."""
    same = known.commitment == state.commitment
    return same and known.label_seq <= state.label_seq and known.tossed <= state.tossed


def _empty(commitment: str) -> Sample:
    whole, real = np.empty(0, np.int64), np.empty(0, np.float64)
    return Sample(commitment, 0, 0, whole, np.empty(0, np.int8), real, real, whole)
