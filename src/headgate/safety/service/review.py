"""Who reads what, and what becomes of what they say.

An item is claimed for a while and goes back to the queue by itself when its reader leaves. Readers answer for every hazard at
once, and never learn whether somebody read the item before, or what they said. Labels go on the ledger as salted digests when
they are given, and in the clear when the item is settled, so that the ledger itself cannot tell a second reader what the first
one found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.digest import digest_of
from headgate.ledger.model import Entry
from headgate.safety import decide
from headgate.safety.errors import (
    ClaimLost,
    GoldItem,
    ItemUnknown,
    LabelInvalid,
    NothingToUndo,
    NotSettled,
)
from headgate.safety.model import Confidence, Opinion, Standing
from headgate.safety.service.handing import ANY, READ_FOR, Handing
from headgate.safety.wire import bodies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.safety.model import Backlog, HazardWaiting, ReviewHealth, Severity, Texts
    from headgate.safety.ports import ItemState, ReviewTx, Wish

_SALT_BYTES = 16


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


@dataclass(frozen=True, slots=True)
class Settled:
    """An item whose label stands, for whoever thinks of correcting it.

    Attributes:
        item: The exchange.
        release_id: Which release.
        epoch: Which epoch.
        at: When the exchange was admitted.
        standings: What stands, by hazard, ``other`` last.
        corrected: Whether it was corrected before.
    """

    item: str
    release_id: str
    epoch: str
    at: datetime
    standings: Mapping[str, Standing]
    corrected: bool


class Review(Handing):
    """The review queue: what is handed over, and what is said of it."""

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
            tx.end_sight(by.id, item, hard=answer.harms is not None and any(answer.harms.values()), at=now)
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
            tx.end_sight(by.id, item, hard=False, at=now)
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
            tx.begin_sight(by.id, state, at=now)
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
            state = _standing(tx.item(item), item)
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

    def settled(self, item: str, *, by: Actor) -> Settled:
        """Return what stands for an item.

        Raises:
            Forbidden: ``by`` may not review.
            ItemUnknown: There is no such item.
            NotSettled: It is still being reviewed.
            GoldItem: It was there to measure its readers.
        """
        by.must(Permission.REVIEW)
        with self._store.transaction() as tx:
            state = _standing(tx.item(item), item)
            found = tx.standings(item)
            standings = {hazard: found[hazard] for hazard in state.hazards}
            return Settled(item, state.release_id, state.epoch, state.at, standings, tx.corrected(item))

    def read_again(self, item: str, *, by: Actor) -> Texts | None:
        """Read an item whose label stands; ``None`` when its content is gone. The reading stands on the ledger.

        Raises:
            Forbidden: ``by`` may not review or may not read content.
            ItemUnknown: There is no such item.
            NotSettled: It is still being reviewed.
            GoldItem: It was there to measure its readers.
            Unavailable: The log did not answer.
        """
        by.must(Permission.READ_CONTENT)
        self.settled(item, by=by)
        content = self._exchanges.read(item, by=by, why=READ_FOR)
        return None if content is None else bodies.texts(content.request, content.response)

    def kinds(self, release_id: str, *, by: Actor) -> tuple[str, ...]:
        """Return what confirmed harms that the release does not list are called, so that one kind is not given two names.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.kinds(release_id)

    def queue(
        self, *, by: Actor, now: datetime, wish: Wish = ANY, limit: int = 50, after: str | None = None
    ) -> tuple[QueueLine, ...]:
        """Return the open items, oldest first.

        Args:
            by: Who looks.
            now: The present instant.
            wish: Which.
            limit: How many at most.
            after: Only those that come behind this item; from the beginning when it is not there any more.

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
            for state in self._store.queue(wish, limit=limit, after=after)
        )

    def backlog(self, *, by: Actor, now: datetime) -> Backlog:
        """Return what waits in the queue.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.backlog(now=now)

    def health(self, *, by: Actor, now: datetime) -> ReviewHealth:
        """Return how the queue is doing.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.health(now=now)

    def waiting(self, *, by: Actor) -> tuple[HazardWaiting, ...]:
        """Return how many items wait for each hazard.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.waiting()

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


def _known(state: ItemState | None, item: str) -> ItemState:
    if state is None:
        raise ItemUnknown(f"There is no item {item} in the review queue.")
    return state


def _standing(state: ItemState | None, item: str) -> ItemState:
    """Return an item whose label stands."""
    state = _known(state, item)
    if state.given < state.wanted:
        raise NotSettled("This item is still being reviewed: there is nothing to correct yet.", help="Review it.")
    if state.gold is not None:
        raise GoldItem("This was a gold item; its label counts nowhere, so there is nothing to correct.")
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
