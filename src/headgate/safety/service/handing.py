"""Handing an item to whoever reads next: which one, and what they are shown of it.

A gold item goes the way of every other item, takes the same work and the same time, and leaves the same entries on the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.ids import mint
from headgate.ledger.model import Entry
from headgate.safety.decide import care as caring
from headgate.safety.decide.care import Care, Due
from headgate.safety.errors import EnoughForToday
from headgate.safety.model import ReviewItem
from headgate.safety.ports import Mixing, Wish
from headgate.safety.sampling import gold
from headgate.safety.sampling.coin import SECOND_SHARE
from headgate.safety.wire import bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from headgate.safety.detectors.interface import Locator
    from headgate.safety.model import Content, Mark, Signal, Texts
    from headgate.safety.ports import Exchanges, ItemState, ReviewStore, ReviewTx

LEASE = timedelta(minutes=15)
"""How long an item stays in one reviewer's hands."""

SESSION = timedelta(minutes=30)
"""How long a label can be taken back by whoever gave it."""

READ_FOR = "review"
"""Why content is read, as the ledger says it."""

ANY = Wish()
_ID_BYTES = 10
_MOST_EARLIER = timedelta(seconds=2)
_SEEN_DAYS = 3


@dataclass(frozen=True, slots=True)
class Day:
    """What a reviewer's day has come to.

    Attributes:
        items: Hard items since their last rest.
        time: How long they looked at them.
        most_items: How many a day may hold.
        most_time: How long a day may hold.
        unbroken: How long they looked without a pause.
        pause: How long a pause is.
        due: What is due.
        again_at: When a new day begins for whoever has had enough; ``None`` for everybody else.
    """

    items: int
    time: timedelta
    most_items: int
    most_time: timedelta
    unbroken: timedelta
    pause: timedelta
    due: Due
    again_at: datetime | None


class Handing:
    """Hands items over.

    Args:
        store: Where the queue is kept.
        exchanges: The exchange log; it records every reading.
        entropy: Returns that many random bytes, for salts.
        lease: How long a claim lasts.
        session: How long a label can be taken back.
        second_share: The share of gold items that is read twice whatever the first reader says, as of the sample.
        care: How much hard content one reader is handed.
        locators: Who can say where in a text a rule matches.
    """

    def __init__(
        self,
        *,
        store: ReviewStore,
        exchanges: Exchanges,
        entropy: Callable[[int], bytes],
        lease: timedelta = LEASE,
        session: timedelta = SESSION,
        second_share: float = SECOND_SHARE,
        care: Care | None = None,
        locators: Sequence[Locator] = (),
    ) -> None:
        self._store = store
        self._exchanges = exchanges
        self._care = care or Care()
        self._locators = tuple(locators)
        self._entropy = entropy
        self._lease = lease
        self._session = session
        self._second_share = second_share

    def next(self, *, by: Actor, now: datetime, wish: Wish = ANY) -> ReviewItem | None:
        """Hand over the oldest item that is the reviewer's to read, or ``None`` when there is none.

        A reviewer who asks again without answering gets the same item.

        Raises:
            Forbidden: ``by`` may not review or may not read content.
            EnoughForToday: Only hard content is left, and they have read as much of it as a day may hold.
            Unavailable: The store or the log did not answer; a claim that was made stays theirs.
        """
        state = self._claimed(wish, by=by, now=now)
        return None if state is None else self._opened(state, wish, by=by, now=now)

    def claim(self, *, by: Actor, now: datetime, wish: Wish = ANY) -> str | None:
        """Put the oldest item into the reviewer's hands without reading it; return it, or ``None`` when there is none.

        Raises:
            Forbidden: ``by`` may not review or may not read content.
            EnoughForToday: Only hard content is left, and they have read as much of it as a day may hold.
        """
        state = self._claimed(wish, by=by, now=now)
        return None if state is None else state.item

    def held(self, *, by: Actor, now: datetime, wish: Wish = ANY) -> ReviewItem | None:
        """Read the item that is in the reviewer's hands again; ``None`` when there is none. Nothing is claimed.

        Raises:
            Forbidden: ``by`` may not review or may not read content.
            Unavailable: The store or the log did not answer.
        """
        by.must(Permission.REVIEW)
        by.must(Permission.READ_CONTENT)
        with self._store.transaction() as tx:
            state = tx.held(by.id)
        return None if state is None else self._opened(state, wish, by=by, now=now)

    def day(self, *, by: Actor, now: datetime) -> Day:
        """Return what the reviewer's own day has come to; nobody else's is told.

        Raises:
            Forbidden: ``by`` may not review.
        """
        by.must(Permission.REVIEW)
        limits = self._care
        strain = caring.strain(self._store.sights(by.id, since=now - timedelta(days=_SEEN_DAYS)), limits, now=now)
        return Day(
            items=strain.items,
            time=strain.time,
            most_items=limits.most_items,
            most_time=limits.most_time,
            unbroken=strain.unbroken,
            pause=limits.pause,
            due=caring.due(strain, limits),
            again_at=caring.rested_at(strain, limits),
        )

    def _claimed(self, wish: Wish, *, by: Actor, now: datetime) -> ItemState | None:
        by.must(Permission.REVIEW)
        by.must(Permission.READ_CONTENT)
        with self._store.transaction() as tx:
            strain = caring.strain(tx.sights(by.id, since=now - timedelta(days=_SEEN_DAYS)), self._care, now=now)
            enough = caring.due(strain, self._care) is Due.REST
            change = caring.wants_change(strain, self._care) if wish.hazard is None else None
            fitting = replace(wish, calm=wish.calm or enough, change=change)
            state = self._gold(tx, fitting, by=by, now=now)
            state = state or tx.claim_next(by.id, fitting, now=now, until=now + self._lease)
            if state is not None:
                tx.begin_sight(by.id, state, at=now)
                return state
        if enough and self._store.left(by.id, wish, now=now):
            again = caring.rested_at(strain, self._care)
            raise EnoughForToday(
                "You have read as much flagged content as a day should hold, and only such items are left.",
                rule="the reviewers' daily limit",
                help=f"Somebody else can read them; you can again from {again:%H:%M} UTC." if again else None,
            )
        return None

    def _opened(self, state: ItemState, wish: Wish, *, by: Actor, now: datetime) -> ReviewItem:
        """Read an item that is in the reviewer's hands."""
        content, signals = self._content(state, by=by, now=now)
        texts = None if content is None else bodies.texts(content.request, content.response)
        return ReviewItem(
            item=state.item,
            revision=state.revision,
            release_id=state.release_id,
            epoch=state.epoch,
            flagged=state.flagged,
            hazards=state.hazards,
            signals=signals,
            texts=texts,
            at=state.at,
            lease_until=state.claimed_until or now,
            left=self._store.left(by.id, wish, now=now),
            marks=() if texts is None else self._marks(texts, signals),
        )

    def _content(self, state: ItemState, *, by: Actor, now: datetime) -> tuple[Content | None, tuple[Signal, ...]]:
        """Return an item's bodies and signals; a gold item takes the work, the entries and the time that traffic takes."""
        if state.gold is None:
            with self._store.transaction() as tx:
                signals = tx.signals(state.item)
            return self._exchanges.read(state.item, by=by, why=READ_FOR), signals
        with self._store.transaction() as tx:
            signals, beside, content = tx.signals(state.item), tx.beside(state), tx.gold_content(state.gold)
        self._exchanges.contents([] if beside is None else [beside])
        with self._store.transaction() as tx:
            # as the exchange log writes it when content of traffic is read: the ledger tells no reader which is which
            tx.record(Entry("content.read", state.item, by.id, now, {"why": READ_FOR}))
        return content, signals

    def _marks(self, texts: Texts, signals: Sequence[Signal]) -> tuple[Mark, ...]:
        rules = frozenset(signal.rule_id for signal in signals)
        return tuple(mark for locator in self._locators for mark in locator.locate(texts, rules)) if rules else ()

    def _gold(self, tx: ReviewTx, wish: Wish, *, by: Actor, now: datetime) -> ItemState | None:
        """Now and then, hand over a gold item in the place of the next one, and let nothing about it tell."""
        if not gold.mixes_in(self._entropy(gold.NUMBER_BYTES)):
            return None
        mixing = Mixing(
            until=now + self._lease,
            name=lambda at: mint("ex", at=at, entropy=self._entropy(_ID_BYTES)),
            number=self._entropy(gold.NUMBER_BYTES),
            twice=gold.within(self._entropy(gold.NUMBER_BYTES), self._second_share),
            earlier=_MOST_EARLIER * (int.from_bytes(self._entropy(gold.NUMBER_BYTES)) / (1 << 8 * gold.NUMBER_BYTES)),
        )
        return tx.mix_in(by.id, wish, mixing, now=now)
