"""The stock of gold items: who adds them, and what they have measured.

Whoever answers for safety adds them, because whoever knows one cannot be measured by it. What is known of an item and its two
bodies go on the ledger as a salted digest when it is added: the ledger shows later that nothing was changed once answers came
in, and shows no reader which exchanges to expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.ids import mint
from headgate.ledger.model import Entry
from headgate.safety.errors import DetectorFailed, GoldUnknown
from headgate.safety.model import D_MAX
from headgate.safety.sampling import gold
from headgate.safety.sampling.gold import Gold, GoldTally
from headgate.safety.wire import bodies
from headgate.stats.noise import sensitivity_lower

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from headgate.safety.detectors.interface import Detector
    from headgate.safety.model import Content, Signal
    from headgate.safety.ports import GoldStore

SHOWN_AT = 0.025
"""The chance that a displayed bound is ever wrong. A gate spends its own."""

_ID_BYTES = 10
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class GoldLine:
    """A gold item as it is listed: nothing of what is said in it.

    Attributes:
        id: Which.
        known: What is known of it, by hazard.
        source: Where it is from.
        flagged: Whether the detectors flagged it when it was added.
        shown: In how many epochs it has been shown.
        retired: Whether it is not shown any more.
    """

    id: str
    known: Mapping[str, bool]
    source: str
    flagged: bool
    shown: int
    retired: bool


@dataclass(frozen=True, slots=True)
class GoldResult:
    """What an epoch's gold items say of its readers for one hazard.

    Attributes:
        hazard: Which hazard.
        tally: The counts.
        at_least: The lower bound on the share of known harms that is recognised, at ``SHOWN_AT``, valid at every look.
    """

    hazard: str
    tally: GoldTally
    at_least: float


@dataclass(frozen=True, slots=True)
class GoldReader:
    """How one reader does, alone.

    Attributes:
        reviewer: Who.
        shown: Items with a known harm that they answered.
        recognised: Those whose known harms they found.
        at_least: The lower bound on the share, at ``SHOWN_AT``, valid at every look.
    """

    reviewer: str
    shown: int
    recognised: int
    at_least: float


class Golds:
    """The gold items.

    Args:
        store: Where they are kept.
        detectors: Who scores them, so that they look like what is flagged.
        entropy: Returns that many random bytes, for identifiers and salts.
        deadline: How long one may wait for a reader before it counts as missed.
    """

    def __init__(
        self,
        *,
        store: GoldStore,
        detectors: Sequence[Detector],
        entropy: Callable[[int], bytes],
        deadline: timedelta = D_MAX,
    ) -> None:
        self._store = store
        self._detectors = tuple(detectors)
        self._entropy = entropy
        self._deadline = deadline

    def add(self, content: Content, known: Mapping[str, bool], *, source: str, by: Actor, now: datetime) -> str:
        """Add a gold item and return its identifier.

        Args:
            content: The two bodies, in any shape that a served exchange has.
            known: For each hazard that is known of, whether there is harm.
            source: Where it is from, in a line.
            by: Who adds it; it is never handed to them.
            now: When.

        Raises:
            Forbidden: ``by`` may not.
            GoldInvalid: It cannot measure anybody, or exists already.
        """
        by.must(Permission.APPROVE)
        gold.check(content, known, source)
        item = Gold(
            id=mint("gold", at=now, entropy=self._entropy(_ID_BYTES)),
            content=content,
            known=dict(sorted(known.items())),
            source=source.strip(),
            signals=self._signals(content),
            added_by=by.id,
            added_at=now,
        )
        salt = self._entropy(_SALT_BYTES)
        said = {"request": content.request.hex(), "response": content.response.hex()}
        sealed = digest_of({"salt": salt.hex(), "known": dict(item.known), **said})
        with self._store.transaction() as tx:
            tx.add(item, digest=digest_of(said), salt=salt)
            tx.record(Entry("gold.added", item.id, by.id, now, {"sealed": sealed}))
        return item.id

    def retire(self, gold_id: str, *, by: Actor, now: datetime) -> None:
        """Show an item no more; what it has measured stays. Retiring twice changes nothing.

        Raises:
            Forbidden: ``by`` may not.
            GoldUnknown: There is no such item.
        """
        by.must(Permission.APPROVE)
        with self._store.transaction() as tx:
            found = tx.get(gold_id)
            if found is None:
                raise GoldUnknown(f"There is no gold item {gold_id}.")
            if found.retired_at is None:
                tx.retire(gold_id, at=now)
                tx.record(Entry("gold.retired", gold_id, by.id, now, {}))

    def list(self, *, by: Actor, retired: bool = False) -> tuple[GoldLine, ...]:
        """Return the gold items, oldest first.

        Raises:
            Forbidden: ``by`` may not: whoever reviews must not know them.
        """
        by.must(Permission.APPROVE)
        shown = self._store.ever_shown()
        return tuple(
            GoldLine(item.id, item.known, item.source, item.flagged, shown.get(item.id, 0), item.retired_at is not None)
            for item in self._store.list(retired=retired)
        )

    def tally(self, epoch: str, hazard: str | None, *, now: datetime) -> GoldTally:
        """Return what the epoch's gold items say of its readers, for one hazard or, with ``None``, item by item."""
        return gold.tally(self._store.shown(epoch), hazard, overdue=now - self._deadline)

    def results(self, epoch: str, *, by: Actor, now: datetime) -> tuple[GoldResult, ...]:
        """Return what the epoch's gold items say of its readers, hazard by hazard.

        Raises:
            Forbidden: ``by`` may not: whoever reviews could tell from what waits that the item in hand is a gold one.
        """
        by.must(Permission.APPROVE)
        shown = self._store.shown(epoch)
        tallies = {
            hazard: gold.tally(shown, hazard, overdue=now - self._deadline)
            for hazard in sorted({hazard for showing in shown for hazard in showing.known})
        }
        return tuple(
            GoldResult(hazard, tally, sensitivity_lower(tally.shown, tally.caught, SHOWN_AT)) for hazard, tally in tallies.items()
        )

    def readers(self, epoch: str, *, by: Actor) -> tuple[GoldReader, ...]:
        """Return how each of the epoch's readers does alone; the bound that gates use is that of all of them together.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Permission.APPROVE)
        told = [answer for answer in self._store.answers(epoch) if any(answer.known.values())]
        found: list[GoldReader] = []
        for reviewer in sorted({answer.reviewer for answer in told}):
            theirs = [answer.recognised for answer in told if answer.reviewer == reviewer]
            found.append(GoldReader(reviewer, len(theirs), sum(theirs), sensitivity_lower(len(theirs), sum(theirs), SHOWN_AT)))
        return tuple(found)

    def _signals(self, content: Content) -> tuple[Signal, ...]:
        texts = bodies.texts(content.request, content.response)
        found: list[Signal] = []
        for detector in self._detectors:
            try:
                found += detector.score(texts).signals
            except DetectorFailed:
                continue  # an item that a detector cannot score is shown without its signals, as traffic would be
        return tuple(found)
