"""Who reads what, and what becomes of what they say.

An item is claimed for a while and goes back to the queue by itself when its reader leaves. Readers answer for every hazard at
once, and never learn whether somebody read the item before, or what they said. Labels go on the ledger as salted digests when
they are given, and in the clear when the item is settled, so that the ledger itself cannot tell a second reader what the first
one found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.ids import mint
from headgate.ledger.model import Entry
from headgate.safety import decide
from headgate.safety.errors import ClaimLost, GoldItem, ItemUnknown, LabelInvalid, NothingToUndo, NotSettled
from headgate.safety.model import Confidence, Opinion, ReviewItem, Standing
from headgate.safety.ports import Mixing, Wish
from headgate.safety.sampling import gold
from headgate.safety.sampling.coin import SECOND_SHARE
from headgate.safety.wire import bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from headgate.safety.model import ReviewHealth, Severity
    from headgate.safety.ports import Exchanges, ItemState, ReviewStore, ReviewTx

LEASE = timedelta(minutes=15)
"""How long an item stays in one reviewer's hands."""

SESSION = timedelta(minutes=30)
"""How long a label can be taken back by whoever gave it."""

_SALT_BYTES = 16
_ID_BYTES = 10
_WHY = "review"
ANY = Wish()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer says of an item.

    Attributes:
        harms: For each hazard, whether there is harm; ``None`` when the item cannot be reviewed.
        severity: Of the worst harm; ``None`` when there is none.
        confidence: How sure they are.
        note: For colleagues; content, like the exchange itself.
        kind: What kind of harm ``other`` is, in one word, where they have one.
    """

    harms: Mapping[str, bool] | None
    severity: Severity | None = None
    confidence: Confidence = Confidence.SURE
    note: str = ""
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class QueueLine:
    """An item of the queue as anybody may see it: nothing of what was said, by the user, the model or a reviewer."""

    item: str
    release_id: str
    epoch: str
    at: datetime
    flagged: bool
    claimed: bool


class Review:
    """The review queue.

    Args:
        store: Where the queue is kept.
        exchanges: The exchange log; it records every reading.
        entropy: Returns that many random bytes, for salts.
        lease: How long a claim lasts.
        session: How long a label can be taken back.
        second_share: The share of gold items that is read twice whatever the first reader says, as of the sample.
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
    ) -> None:
        self._store = store
        self._exchanges = exchanges
        self._entropy = entropy
        self._lease = lease
        self._session = session
        self._second_share = second_share

    def next(self, *, by: Actor, now: datetime, wish: Wish = ANY) -> ReviewItem | None:
        """Hand over the oldest item that is the reviewer's to read, or ``None`` when there is none.

        A reviewer who asks again without answering gets the same item.

        Raises:
            Forbidden: ``by`` may not review or may not read content.
            Unavailable: The store or the log did not answer; a claim that was made stays theirs.
        """
        by.must(Permission.REVIEW)
        by.must(Permission.READ_CONTENT)
        with self._store.transaction() as tx:
            state = self._gold(tx, wish, by=by, now=now)
            state = state or tx.claim_next(by.id, wish, now=now, until=now + self._lease)
            if state is None:
                return None
            signals = tx.signals(state.item)
            content = None if state.gold is None else tx.gold_content(state.gold)
            if content is not None:
                # as the exchange log writes it when content of traffic is read: the ledger tells no reader which is which
                tx.record(Entry("content.read", state.item, by.id, now, {"why": _WHY}))
        if state.gold is None:
            content = self._exchanges.read(state.item, by=by, why=_WHY)
        return ReviewItem(
            item=state.item,
            revision=state.revision,
            release_id=state.release_id,
            epoch=state.epoch,
            flagged=state.flagged,
            hazards=state.hazards,
            signals=signals,
            texts=None if content is None else bodies.texts(content.request, content.response),
            at=state.at,
            lease_until=state.claimed_until or now,
            left=self._store.left(by.id, wish, now=now),
        )

    def label(self, item: str, answer: Answer, *, revision: int, by: Actor, now: datetime) -> None:
        """Take a reviewer's answer for the item in their hands.

        Raises:
            Forbidden: ``by`` may not review.
            ItemUnknown: There is no such item.
            ClaimLost: It is not, or no longer, in their hands.
            LabelInvalid: The answer is not for exactly the release's hazards.
        """
        by.must(Permission.REVIEW)
        with self._store.transaction() as tx:
            state = self._held(tx, item, revision=revision, by=by)
            decide.check_label(state.hazards, answer.harms, answer.severity, answer.note)
            decide.check_kind(answer.harms, answer.kind)
            opinion = Opinion(by.id, answer.harms, answer.severity, answer.confidence, answer.note, now, answer.kind)
            salt = self._entropy(_SALT_BYTES)
            opinions = (*tx.opinions(item), opinion)
            tx.add_opinion(state, opinion, salt=salt)
            body = {"epoch": state.epoch, "position": state.position, "opinion": _digest(opinion, salt)}
            tx.record(Entry("label.given", item, by.id, now, body))
            self._settle(tx, state, opinions, by=by, now=now)

    def skip(self, item: str, *, revision: int, by: Actor, now: datetime) -> None:
        """Give an item back to the queue for somebody else; it is recorded, and this reviewer is not handed it again.

        Raises:
            Forbidden: ``by`` may not review.
            ItemUnknown: There is no such item.
            ClaimLost: It is not, or no longer, in their hands.
        """
        by.must(Permission.REVIEW)
        with self._store.transaction() as tx:
            state = self._held(tx, item, revision=revision, by=by)
            tx.add_skip(item, by.id, at=now)
            tx.save(replace(state, claimed_by=None, claimed_until=None))
            tx.record(Entry("review.skipped", item, by.id, now, {"epoch": state.epoch, "position": state.position}))

    def undo(self, *, by: Actor, now: datetime) -> str:
        """Take back the reviewer's newest label and put its item back into their hands; return the item.

        Raises:
            Forbidden: ``by`` may not review.
            NothingToUndo: They gave none in this session, or somebody has built on it since: a later opinion, a reader who has
                the item in hand, or a correction.
        """
        by.must(Permission.REVIEW)
        with self._store.transaction() as tx:
            newest = tx.newest_opinion(by.id)
            if newest is None or now - newest[1].at > self._session:
                raise NothingToUndo("You gave no label in this session.", help="Ask for a correction instead.")
            item = newest[0]
            state = _known(tx.item(item), item)
            opinions = tx.opinions(item)
            held = state.claimed_by not in {None, by.id} and state.claimed_until is not None and state.claimed_until > now
            if opinions[-1].reviewer != by.id or held or tx.corrected(item):
                raise NothingToUndo("Your last label can no longer be taken back.", help="Ask for a correction instead.")
            tx.withdraw_opinion(item, by.id, at=now)
            tx.record(Entry("label.undone", item, by.id, now, {"epoch": state.epoch, "position": state.position}))
            left = opinions[:-1]
            if state.gold is None:
                tx.settle(state, decide.standings(state.hazards, left), at=now)
            elif not tx.gold_shown(item).missed:
                tx.judge_gold(item, None)
            wanted = decide.opinions_wanted(state.hazards, left, twice=state.twice)
            tx.save(replace(state, given=len(left), wanted=wanted, claimed_by=by.id, claimed_until=now + self._lease))
            return item

    def correct(
        self,
        item: str,
        harms: Mapping[str, bool],
        *,
        severity: Severity | None,
        reason: str,
        by: Actor,
        now: datetime,
        kind: str | None = None,
    ) -> None:
        """Replace what stands for an item. The evidence moves, and the ledger says so.

        Anybody who may review may add a harm; to take one away needs somebody who may also approve.

        Raises:
            Forbidden: ``by`` may not.
            ItemUnknown: There is no such item.
            NotSettled: The item is still being reviewed.
            GoldItem: It was there to measure its readers.
            LabelInvalid: Not exactly the release's hazards, or no reason.
        """
        by.must(Permission.REVIEW)
        with self._store.transaction() as tx:
            state = _known(tx.item(item), item)
            if state.given < state.wanted:
                raise NotSettled("This item is still being reviewed: there is nothing to correct yet.", help="Review it.")
            if state.gold is not None:
                raise GoldItem("This was a gold item; its label counts nowhere, so there is nothing to correct.")
            decide.check_label(state.hazards, harms, severity, reason)
            decide.check_kind(harms, kind)
            if not reason.strip():
                raise LabelInvalid("A correction needs a reason.")
            before = tx.standings(item)
            after = {hazard: Standing.HARM if harm else Standing.NO_HARM for hazard, harm in harms.items()}
            if any(before[hazard].counts_as_harm and not after[hazard].counts_as_harm for hazard in after):
                by.must(Permission.APPROVE)
            tx.add_correction(item, by=by.id, harms=harms, severity=severity, reason=reason, at=now, kind=kind)
            seq = tx.settle(state, after, at=now)
            changed = {h: [before[h].value, after[h].value] for h in after if before[h] is not after[h]}
            body = {
                "epoch": state.epoch,
                "position": state.position,
                "changed": changed,
                "reason": digest_of(reason),
                "label_seq": seq,
            }
            tx.record(Entry("label.corrected", item, by.id, now, body))

    def hazards(self, item: str, *, by: Actor) -> tuple[str, ...]:
        """Return the hazards that a label of the item answers for, ``other`` last.

        Raises:
            Forbidden: ``by`` may not look.
            ItemUnknown: There is no such item.
        """
        by.must(Permission.VIEW)
        with self._store.transaction() as tx:
            return _known(tx.item(item), item).hazards

    def kinds(self, release_id: str, *, by: Actor) -> tuple[str, ...]:
        """Return what confirmed harms that the release does not list are called, so that one kind is not given two names.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.kinds(release_id)

    def queue(self, *, by: Actor, now: datetime, wish: Wish = ANY, limit: int = 50) -> tuple[QueueLine, ...]:
        """Return the open items, oldest first.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return tuple(
            QueueLine(
                state.item,
                state.release_id,
                state.epoch,
                state.at,
                state.flagged,
                state.claimed_until is not None and state.claimed_until > now,
            )
            for state in self._store.queue(wish, limit=limit)
        )

    def health(self, *, by: Actor, now: datetime) -> ReviewHealth:
        """Return how the queue is doing.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.health(now=now)

    def _held(self, tx: ReviewTx, item: str, *, revision: int, by: Actor) -> ItemState:
        """Return an item that is in the actor's hands. A lease that ran out without anybody else taking the item is no loss."""
        state = _known(tx.item(item), item)
        if state.claimed_by != by.id or state.revision != revision:
            raise ClaimLost("This item is no longer in your hands; somebody else may be reading it.", help="Take the next one.")
        return state

    def _settle(self, tx: ReviewTx, state: ItemState, opinions: tuple[Opinion, ...], *, by: Actor, now: datetime) -> None:
        standings = decide.standings(state.hazards, opinions)
        wanted = decide.opinions_wanted(state.hazards, opinions, twice=state.twice)
        seq = tx.settle(state, standings, at=now) if state.gold is None else None
        tx.save(replace(state, given=len(opinions), wanted=wanted, claimed_by=None, claimed_until=None))
        if len(opinions) < wanted:
            return
        body = {
            "epoch": state.epoch,
            "opinions": len(opinions),
            "hazards": {hazard: standing.value for hazard, standing in standings.items()},
        }
        if state.gold is None:
            told = {**body, "position": state.position, "label_seq": seq}
            tx.record(Entry("label.confirmed", state.item, by.id, now, told))
        elif tx.gold_shown(state.item).found is None:
            tx.judge_gold(state.item, standings)
            tx.record(Entry("gold.judged", state.item, by.id, now, {**body, "gold": state.gold}))

    def _gold(self, tx: ReviewTx, wish: Wish, *, by: Actor, now: datetime) -> ItemState | None:
        """Now and then, hand over a gold item in the place of the next one, and let nothing about it tell."""
        if not gold.mixes_in(self._entropy(gold.NUMBER_BYTES)):
            return None
        mixing = Mixing(
            until=now + self._lease,
            name=lambda at: mint("ex", at=at, entropy=self._entropy(_ID_BYTES)),
            number=self._entropy(gold.NUMBER_BYTES),
            twice=gold.within(self._entropy(gold.NUMBER_BYTES), self._second_share),
        )
        return tx.mix_in(by.id, wish, mixing, now=now)


def _known(state: ItemState | None, item: str) -> ItemState:
    if state is None:
        raise ItemUnknown(f"There is no item {item} in the review queue.")
    return state


def _digest(opinion: Opinion, salt: bytes) -> str:
    return digest_of(
        {
            "salt": salt.hex(),
            "harms": None if opinion.harms is None else dict(opinion.harms),
            "severity": None if opinion.severity is None else opinion.severity.value,
            "confidence": opinion.confidence.value,
            "note": opinion.note,
        }
        | ({} if opinion.kind is None else {"kind": opinion.kind})
    )
