"""Review gates: whether what was flagged was looked at in time, and whether reviewers recognise known harms."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headgate.evidence.decide.reviewing import read_review
from headgate.evidence.model.reviewing import ReviewClaim, ReviewFacts
from headgate.evidence.wire import decode
from headgate.evidence.wire.reviewing import REVIEW, claim_of, replay_review, review_inputs
from headgate.kernel.verdict import Verdict
from headgate.releases.model.reading import GateReading, Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.reviewing import ReviewReading
    from headgate.releases.model.conditions import ReviewGate
    from headgate.releases.model.reading import Asked
    from headgate.safety.ports import ReviewStore
    from headgate.safety.service.golds import Golds

LATE_COUNTS_FOR = timedelta(days=7)
"""How long an exchange that was reviewed too late keeps a gate from passing."""


class Reviewing:
    """Reads review gates.

    Timeliness is that of every epoch of the stage: what an earlier attempt left waiting still waits. Recall is that of the
    present epoch.

    Args:
        queue: Where the queue is kept.
        golds: Who knows how known harms were answered.
    """

    def __init__(self, queue: ReviewStore, golds: Golds) -> None:
        self._queue = queue
        self._golds = golds

    def read(self, gate: ReviewGate, asked: Asked) -> GateReading:
        within = gate.flagged_done_within
        waits = self._queue.waits(asked.epochs, within=within or timedelta(0), since=asked.now - LATE_COUNTS_FOR, now=asked.now)
        golds = self._golds.tally(asked.epoch, None, now=asked.now)
        facts = ReviewFacts(
            flagged=waits.flagged,
            done=waits.done,
            waiting=waits.waiting,
            late=0 if within is None else waits.late,
            longest=waits.longest,
            span=LATE_COUNTS_FOR,
            shown=golds.shown,
            caught=golds.caught,
        )
        claim = ReviewClaim(within, gate.canary_recall_at_least, gate.alpha, asked.attempt)
        return gate_reading(claim, facts, read_review(facts, claim), review_inputs(facts, claim))

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        reading = replay_review(inputs)
        return gate_reading(claim_of(inputs), decode(inputs.get("facts"), ReviewFacts), reading, inputs)


def gate_reading(claim: ReviewClaim, facts: ReviewFacts, reading: ReviewReading, inputs: Mapping[str, Any]) -> GateReading:
    """Return what is known of review in the words of releases."""
    return GateReading.of(
        REVIEW,
        REVIEW,
        reading.verdict,
        reading.sentence,
        numbers={
            "done": facts.done,
            "waiting": facts.waiting,
            "late": facts.late,
            "longest_s": None if facts.longest is None else facts.longest.total_seconds(),
            "golds": facts.shown,
            "recognised": facts.caught,
            "recall_lower": reading.recall_lower,
            "recall_upper": reading.recall_upper,
            "recall_wanted": claim.recall_at_least,
            "alpha": reading.alpha_spent,
            "golds_to_go": reading.golds_to_go,
            "progress": reading.progress,
        },
        inputs=dict(inputs),
        need=_need(facts, reading),
        not_shown=reading.not_shown,
    )


def _need(facts: ReviewFacts, reading: ReviewReading) -> Need | None:
    if reading.verdict not in {Verdict.INSUFFICIENT, Verdict.FAIL}:
        return None
    stock = reading.golds_to_go > 0 and facts.waiting == 0
    return Need(who="headgate review gold add, then headgate review" if stock else "headgate review")
