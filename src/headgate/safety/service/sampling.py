"""From settled exchanges to a verifiable sample.

A batch goes through two phases. First its draws are written without coins (place, score, floor and probability), and their
digest goes on the ledger in the same transaction that moves the collector's bookmark. Then the coins are tossed. A crash
between the two leaves draws with coins in the air; the next run tosses them, and because a coin is a function of the committed
seed and the exchange's identifier, it falls as it would have fallen. So each exchange is drawn exactly once, and nobody can
toss again until they like the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.errors import Unavailable
from headgate.ledger.model import Entry
from headgate.safety.errors import DetectorFailed, EpochOpen, EpochUnknown
from headgate.safety.model import D_MAX, OTHER, Audit, Collected, Content, Draw, Misfit, Signal
from headgate.safety.ports import EpochState, Run, Watch
from headgate.safety.sampling import coin
from headgate.safety.sampling.coin import SECOND_SHARE
from headgate.safety.sampling.probability import (
    REFERENCE_SCORES,
    WEEK,
    WatchPlan,
    floor_probability,
    is_drawn,
    pi_for,
    weekly_rate,
)
from headgate.safety.wire import bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from headgate.safety.detectors.interface import Detector
    from headgate.safety.model import LabelledTraffic, LookData, MonitorHealth, Settled
    from headgate.safety.ports import Epochs, Exchanges, SamplingStore, SamplingTx

_TOSSES = 500
"""How many coins are tossed in one transaction: whoever else writes waits as long."""
NOTED_EVERY = timedelta(seconds=5)
"""How often, at least, it is written down that traffic is watched, while there is none."""
_COLLECTOR = "system:collector"


@dataclass(frozen=True, slots=True)
class _Scored:
    """An exchange with what the detectors say of it; ``score`` is ``None`` when they could not tell."""

    exchange: Settled
    signals: tuple[Signal, ...]
    score: float | None
    failed: str | None


class Sampling:
    """Draws, coins, and what they add up to.

    Args:
        store: Where draws are kept.
        exchanges: The exchange log.
        epochs: The review duties in force.
        detectors: Who scores; with none, every score is 0 and the random floor alone decides.
        entropy: Returns that many random bytes; seeds come from it.
        second_share: The share of the sample that is read twice.
    """

    def __init__(
        self,
        *,
        store: SamplingStore,
        exchanges: Exchanges,
        epochs: Epochs,
        detectors: Sequence[Detector],
        entropy: Callable[[int], bytes],
        second_share: float = SECOND_SHARE,
    ) -> None:
        self._store = store
        self._exchanges = exchanges
        self._epochs = epochs
        self._detectors = tuple(detectors)
        self._entropy = entropy
        self._second_share = second_share
        self._drawn_with: dict[str, tuple[str, ...]] = {}

    def open_epoch(self, epoch: str, *, now: datetime) -> str:
        """Commit to an epoch's seed and freeze its review duty; return the commitment. Opening twice changes nothing.

        Call it when the stage opens: a seed that is chosen before the first exchange was chosen without knowing any. The
        collector opens what nobody opened, before it records the epoch's first draw.
        """
        with self._store.transaction() as tx:
            return self._opened(tx, epoch, now=now).commitment

    def close_epoch(self, epoch: str, *, now: datetime) -> None:
        """Say that an epoch is over; its seed may be revealed from then on. Closing twice changes nothing.

        Raises:
            EpochUnknown: It was never opened.
        """
        with self._store.transaction() as tx:
            state = _known(tx.epoch(epoch), epoch)
            if state.closed_at is None:
                tx.close_epoch(epoch, at=now)

    def reveal(self, epoch: str, *, by: Actor, now: datetime) -> str:
        """Publish an epoch's seed on the ledger, and return it in hexadecimal.

        An exchange that settles afterwards is read for certain, since its coin can be foreseen.

        Raises:
            Forbidden: ``by`` may not.
            EpochUnknown: It was never opened.
            EpochOpen: It still draws.
        """
        by.must(Permission.APPROVE)
        with self._store.transaction() as tx:
            state = _known(tx.epoch(epoch), epoch)
            if state.closed_at is None:
                raise EpochOpen(
                    f"Epoch {epoch} still draws; a coin that can be foreseen is no coin.", help="Wait until its stage is over."
                )
            if state.revealed_at is None:
                tx.reveal_epoch(epoch, at=now)
                body = {"seed": state.seed.hex(), "commitment": state.commitment, "draws": state.position}
                tx.record(Entry("sampling.revealed", epoch, by.id, now, body))
            return state.seed.hex()

    def audit(self, epoch: str, *, by: Actor) -> Audit:
        """Recompute every coin and every recorded batch of an epoch, and name the first thing that does not fit.

        Raises:
            Forbidden: ``by`` may not.
            EpochUnknown: It was never opened.
        """
        by.must(Permission.VIEW)
        state = _known(self._store.state(epoch), epoch)
        draws = sampled = 0
        misfit: Misfit | None = None
        if coin.commitment(state.seed) != state.commitment:
            misfit = Misfit(0, "", "The seed is not the one that was committed to.")
        batches = self._store.batches(epoch)
        batch = next(batches, None)
        rows: list[Draw] = []
        for tossed in self._store.draws(epoch):
            draw = tossed.draw
            draws += 1
            rows.append(draw)
            expected = coin.sends_to_review(state.seed, draw.exchange_id, draw.pi)
            sampled += expected
            problem = None
            if draw.position != draws:
                problem = f"Draw {draws} is missing."
            elif batch is None or not batch.first <= draw.position <= batch.last:
                problem = "It belongs to no recorded batch."
            elif tossed.sampled is not None and tossed.sampled is not expected:
                problem = f"Its coin says {_word(sampled=expected)}, the record says {_word(sampled=tossed.sampled)}."
            elif draw.position == batch.last:
                if batch_digest(rows) != batch.digest:
                    problem = f"The batch {batch.first} to {batch.last} is not the one that was recorded before its coins."
                rows, batch = [], next(batches, None)
            if problem is not None and misfit is None:
                misfit = Misfit(draw.position, draw.exchange_id, problem)
        if misfit is None and draws != state.position:
            misfit = Misfit(draws + 1, "", f"{state.position - draws} draws at the end are missing.")
        return Audit(epoch, draws, sampled, state.commitment, state.revealed_at is not None, misfit)

    def collect(self, limit: int, *, now: datetime) -> Collected:
        """Draw up to ``limit`` settled exchanges; run it again until it reads none.

        Raises:
            CollectorOverlap: Another collector took the batch; nothing was done.
            Unavailable: The log or the store did not answer; nothing was done, and the monitor's health says so.
        """
        sampled = self._toss(now=now)
        bookmark = self._store.bookmark()
        try:
            page = self._exchanges.settled_after(bookmark.cursor, limit)
            served = [
                exchange
                for exchange in page.exchanges
                if is_drawn(exchange.status, http_status=exchange.http_status, response_bytes=exchange.response_bytes)
            ]
            scored = self._scored(served)
        except Unavailable as error:
            with self._store.transaction() as tx:
                tx.note_run(Run(now, error=error.code))
            raise
        if not page.exchanges and not sampled and self._was_well(now):
            return Collected(0, 0, 0, 0, 0)
        for epoch in dict.fromkeys(exchange.epoch for exchange in served):
            if self._store.state(epoch) is None:
                self.open_epoch(epoch, now=now)
        with self._store.transaction() as tx:
            drawn = 0
            fresh: list[_Scored] = []
            if page.exchanges:
                tx.advance(page.cursor, seen=bookmark.revision)
                known = tx.known([item.exchange.exchange_id for item in scored])
                once = {item.exchange.exchange_id: item for item in scored}
                fresh = [item for exchange_id, item in once.items() if exchange_id not in known]
                for epoch, items in groupby(
                    sorted(fresh, key=lambda item: item.exchange.epoch), lambda item: item.exchange.epoch
                ):
                    drawn += self._draw(tx, epoch, list(items), now=now)
                tx.add_signals({item.exchange.exchange_id: item.signals for item in fresh if item.signals})
            failures = [item.failed for item in fresh if item.failed is not None]
            unscored = sum(item.score is None for item in fresh)
            newest = max((exchange.at for exchange in served), default=None)
            tx.note_run(
                Run(
                    at=now,
                    drawn=drawn,
                    unscored=unscored,
                    errors=len(failures),
                    lag=None if newest is None else now - newest,
                    error=failures[0] if failures else None,
                )
            )
        sampled += self._toss(now=now)
        return Collected(len(page.exchanges), drawn, len(page.exchanges) - len(served), sampled, unscored)

    def labelled(self, epoch: str, hazard: str, *, now: datetime, d_max: timedelta = D_MAX) -> LabelledTraffic:
        """Return all that a claim about an epoch's realised traffic needs; an epoch without draws has none.

        Cost: the epoch's runs of equal floor, its harms, and one count over its sample; never its draws.

        Raises:
            HazardUnknown: The epoch's labels do not answer for the hazard.
        """
        return self._store.labelled(epoch, hazard, now=now, d_max=d_max)

    def looks_since(
        self, epoch: str, hazard: str, *, every: timedelta, now: datetime, after_position: int = 0
    ) -> tuple[LookData, ...]:
        """Return the closed windows of ``every``, counted from the epoch's start, whose draws follow ``after_position``.

        Windows without draws are left out. From the same store and the same ``now`` the answer is always the same.

        Raises:
            HazardUnknown: The epoch's labels do not answer for the hazard.
        """
        return self._store.looks(epoch, hazard, after_position=after_position, every=every, now=now)

    def monitor_health(self) -> MonitorHealth:
        """Return how the collector and its detectors are doing."""
        return self._store.monitor_health()

    def _was_well(self, now: datetime) -> bool:
        """Return whether it was noted a moment ago that all is well: it need not be written down at every turn."""
        health = self._store.monitor_health()
        if health.healthy_at is None or health.last_error is not None or health.last_collect_at != health.healthy_at:
            return False
        return timedelta(0) <= now - health.healthy_at < NOTED_EVERY

    def _opened(self, tx: SamplingTx, epoch: str, *, now: datetime) -> EpochState:
        state = tx.epoch(epoch)
        if state is not None:
            return state
        # An epoch that no plan knows is read completely: nobody declared a lesser duty for it.
        watch = self._epochs.watch(epoch) or Watch(epoch.split("/", 1)[0], WatchPlan(), ())
        plan = watch.plan
        first, *_ = self._together(epoch)
        if first != epoch:
            plan = self._opened(tx, first, now=now).plan  # what is compared is drawn alike, strata and all
        elif plan.by_score:
            plan = plan.with_strata_of(tx.earlier_scores(watch.release_id, epoch, REFERENCE_SCORES))
        seed = self._entropy(coin.SEED_BYTES)
        if len(seed) != coin.SEED_BYTES:
            raise ValueError(f"a seed has {coin.SEED_BYTES} bytes, not {len(seed)}")
        hazards = (*(hazard for hazard in dict.fromkeys(watch.hazards) if hazard != OTHER), OTHER)
        state = EpochState(
            epoch=epoch,
            release_id=watch.release_id,
            hazards=hazards,
            plan=plan,
            seed=seed,
            commitment=coin.commitment(seed),
            committed_at=now,
            closed_at=None,
            revealed_at=None,
            pi0=None,
            position=0,
            tossed=0,
        )
        tx.open_epoch(state)
        body = {
            "commitment": state.commitment,
            "release": state.release_id,
            "hazards": list(hazards),
            "flagged": plan.flagged.value,
            "sample_per_week": plan.sample_per_week,
            "uniform": plan.uniform,
            "strata": [[stratum.score_at_least, stratum.multiplier] for stratum in plan.strata],
        }
        tx.record(Entry("sampling.committed", epoch, _COLLECTOR, now, body))
        return state

    def _scored(self, exchanges: Sequence[Settled]) -> list[_Scored]:
        if not self._detectors:
            return [_Scored(exchange, (), 0.0, None) for exchange in exchanges]
        if not exchanges:
            return []
        contents = self._exchanges.contents([exchange.exchange_id for exchange in exchanges])
        return [self._score(exchange, contents) for exchange in exchanges]

    def _score(self, exchange: Settled, contents: Mapping[str, Content]) -> _Scored:
        content = contents.get(exchange.exchange_id, Content(b"", b""))
        texts = bodies.texts(content.request, content.response)
        signals: list[Signal] = []
        undetermined = False
        failed: str | None = None
        for detector in self._detectors:
            try:
                reading = detector.score(texts)
            except DetectorFailed as error:
                failed = error.code
                continue
            signals += reading.signals
            undetermined = undetermined or bool(reading.undetermined)
        highest = max((signal.score for signal in signals), default=0.0)
        # Without a signal, a detector that could not tell leaves the exchange unscored: it may have been the one to flag it.
        untold = failed is not None or (undetermined and not signals)
        return _Scored(exchange, tuple(signals), None if untold else highest, failed)

    def _draw(self, tx: SamplingTx, epoch: str, items: Sequence[_Scored], *, now: datetime) -> int:
        state = self._opened(tx, epoch, now=now)
        # After the seed is revealed a coin could be foreseen: everything is read then, whatever the design.
        pi0 = self._floor(tx, state, now=now) if state.revealed_at is None else 1.0
        draws: list[Draw] = []
        for position, item in enumerate(items, start=state.position + 1):
            flagged = any(signal.flags for signal in item.signals)
            pi = pi_for(item.score, flagged=flagged, pi0=pi0, plan=state.plan)
            exchange = item.exchange
            draws.append(
                Draw(epoch, position, exchange.exchange_id, exchange.at, exchange.account_id, item.score, flagged, pi0, pi)
            )
        digest = batch_digest(draws)
        body = {
            "first": draws[0].position,
            "last": draws[-1].position,
            "pi0": pi0,
            "digest": digest,
            "detectors": [detector.name for detector in self._detectors],
        }
        seq = tx.record(Entry("sampling.recorded", epoch, _COLLECTOR, now, body))
        tx.add_draws(state, draws, digest=digest, ledger_seq=seq, at=now)
        return len(draws)

    def _floor(self, tx: SamplingTx, state: EpochState, *, now: datetime) -> float:
        """Return the floor for the next batch, from draws recorded before it: predictable, as the claims require.

        Epochs that are compared are drawn at the floor of the first of them, or harm would be found more easily in one.
        """
        together = self._together(state.epoch)
        first = state if together[0] == state.epoch else tx.epoch(together[0])
        if first is not None and first.epoch != state.epoch and first.pi0 is not None:
            return first.pi0
        span = min(WEEK, now - state.committed_at)
        rate = weekly_rate(sum(tx.drawn_since(epoch, now - WEEK) for epoch in together), span)
        flagged = weekly_rate(sum(tx.flagged_since(epoch, now - WEEK) for epoch in together), span)
        return floor_probability(state.plan.floor_labels_per_week(flagged), rate, state.pi0)

    def _together(self, epoch: str) -> tuple[str, ...]:
        """Return the epochs that are drawn at one floor with this one, itself among them, the one whose floor it is first."""
        known = self._drawn_with.get(epoch)
        if known is None:
            watch = self._epochs.watch(epoch)
            known = self._drawn_with[epoch] = (watch.drawn_with if watch is not None else ()) or (epoch,)
        return known

    def _toss(self, *, now: datetime) -> int:
        """Toss every coin that is in the air, and return how many exchanges that sent to review."""
        sampled = 0
        while (waiting := self._store.in_the_air(_TOSSES)) is not None:
            state, draws = waiting
            results: list[tuple[Draw, bool, bool]] = []
            for draw in draws:
                sent = coin.sends_to_review(state.seed, draw.exchange_id, draw.pi)
                results.append((draw, sent, sent and coin.second_reader(state.seed, draw.exchange_id, self._second_share)))
            with self._store.transaction() as tx:
                if tx.toss(state, results, at=now):
                    sampled += sum(sent for _, sent, _ in results)
        return sampled


def batch_digest(draws: Iterable[Draw]) -> str:
    """Return the digest that the ledger keeps of a batch: over ``[exchange id, score, pi0, pi]`` of each draw, in order."""
    return digest_of([[draw.exchange_id, draw.score, draw.pi0, draw.pi] for draw in draws])


def _known(state: EpochState | None, epoch: str) -> EpochState:
    if state is None:
        raise EpochUnknown(f"Nothing was ever sampled in an epoch called {epoch}.")
    return state


def _word(*, sampled: bool) -> str:
    return "review" if sampled else "no review"
