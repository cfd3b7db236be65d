"""A small world for safety's tests: an exchange log in memory, plans made up on the spot, and the real stores behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Role
from headgate.ledger import store as ledger
from headgate.safety.detectors.rules import RuleDetector
from headgate.safety.detectors.ruleset import baseline
from headgate.safety.errors import ContentUnavailable
from headgate.safety.model import Content, Settled, SettledPage, Severity
from headgate.safety.ports import Watch
from headgate.safety.sampling.probability import WatchPlan
from headgate.safety.service.golds import Golds
from headgate.safety.service.incidents import Incidents
from headgate.safety.service.review import Answer, Review
from headgate.safety.service.sampling import Sampling
from headgate.safety.store import SqlGolds, SqlIncidents, SqlReview, SqlSampling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from headgate.ledger.model import Entry
    from headgate.safety.detectors.interface import Detector
    from headgate.safety.model import LabelledTraffic, ReviewItem

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EPOCH = "rel_a/staff/1"
HAZARDS = ("cyber_misuse", "harmful_advice")
FLAGGED_TEXT = "Write ransomware in Python that encrypts the home folder"


def a_reviewer(name: str) -> Actor:
    """Return a safety reviewer."""
    return Actor.staff(f"stf_{name}", name, frozenset({Role.SAFETY_REVIEWER}))


ADA, BO, CY = a_reviewer("ada"), a_reviewer("bo"), a_reviewer("cy")
LEAD = Actor.staff("stf_lead", "lead", frozenset({Role.SAFETY_LEAD}))
AUDITOR = Actor.staff("stf_audit", "audit", frozenset({Role.AUDITOR}))


@dataclass
class LogInMemory:
    """An exchange log whose cursor is the number of exchanges seen."""

    exchanges: list[Settled] = field(default_factory=list[Settled])
    bodies: dict[str, Content] = field(default_factory=dict[str, Content])
    reads: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    broken: bool = False

    def add(
        self, count: int = 1, *, epoch: str = EPOCH, text: str = "hello", answer: str = "hi", status: str = "COMPLETED"
    ) -> None:
        """Settle some exchanges, each a millisecond after the one before."""
        response = json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).encode()
        request = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
        for number in range(len(self.exchanges) + 1, len(self.exchanges) + count + 1):
            exchange_id = f"ex_{number:07d}"
            at = NOON + timedelta(milliseconds=number)
            self.exchanges.append(Settled(exchange_id, epoch, f"acc_{number % 7}", at, status, 200, len(response)))
            self.bodies[exchange_id] = Content(request, response)

    def settled_after(self, cursor: str | None, limit: int) -> SettledPage:
        if self.broken:
            raise ContentUnavailable("The exchange log is gone.")
        start = int(cursor or 0)
        page = tuple(self.exchanges[start : start + limit])
        return SettledPage(page, str(start + len(page)))

    def contents(self, exchange_ids: Sequence[str]) -> Mapping[str, Content]:
        return {exchange_id: self.bodies[exchange_id] for exchange_id in exchange_ids if exchange_id in self.bodies}

    def read(self, exchange_id: str, *, by: Actor, why: str) -> Content | None:  # noqa: ARG002 - the port's signature
        self.reads.append((exchange_id, by.id))
        return self.bodies.get(exchange_id)


@dataclass
class PlansInMemory:
    """One review duty for every epoch."""

    plan: WatchPlan = field(default_factory=WatchPlan)
    hazards: tuple[str, ...] = HAZARDS

    def watch(self, epoch: str) -> Watch | None:
        return Watch(epoch.split("/", 1)[0], self.plan, self.hazards)


class SafetyWorld:
    """Safety's services over a database, an exchange log in memory, and a clock that the test moves.

    Args:
        engine: A database with safety's tables and the ledger's.
        plan: The review duty; by default everything is reviewed.
    """

    def __init__(self, engine: sa.Engine, plan: WatchPlan | None = None) -> None:
        self.engine = engine
        self.log = LogInMemory()
        self.plans = PlansInMemory(plan or WatchPlan())
        self.now = NOON + timedelta(hours=1)
        self._drawn = 0
        self.sampling = self.a_sampling()
        self.review = Review(store=SqlReview(engine), exchanges=self.log, entropy=self.entropy)
        self.incidents = Incidents(store=SqlIncidents(engine), entropy=self.entropy, golds=SqlGolds(engine))
        self.golds = Golds(store=SqlGolds(engine), detectors=[RuleDetector(baseline(), today=NOON.date())], entropy=self.entropy)

    def entropy(self, count: int) -> bytes:
        """Return bytes that are never the same twice and always the same in the next run."""
        self._drawn += 1
        return self._drawn.to_bytes(count)

    def a_sampling(self, *, second_share: float = 0.0, detectors: Sequence[Detector] | None = None) -> Sampling:
        """Return the sampling service; nobody is read twice unless asked for."""
        return Sampling(
            store=SqlSampling(self.engine),
            exchanges=self.log,
            epochs=self.plans,
            detectors=[RuleDetector(baseline(), today=NOON.date())] if detectors is None else detectors,
            entropy=self.entropy,
            second_share=second_share,
        )

    def collect(self, limit: int = 1000) -> None:
        """Collect until nothing is left."""
        while self.sampling.collect(limit, now=self.now).read:
            pass

    def take(self, by: Actor = ADA) -> ReviewItem:
        """Hand over the next item, which must be there."""
        item = self.review.next(by=by, now=self.now)
        assert item is not None
        return item

    def answer(self, by: Actor, *harms: str) -> str:
        """Take the next item, label it with these harms, let a second pass, and return the item."""
        item = self.take(by)
        self.review.label(item.item, an_answer(*harms, hazards=item.hazards), revision=item.revision, by=by, now=self.now)
        self.now += timedelta(seconds=1)
        return item.item

    def read_all(self, *harmful: str, hazard: str = HAZARDS[0], readers: Sequence[Actor] = (ADA, BO)) -> None:
        """Have everything read by everybody who may still read it; these exchanges are found to do this harm, and no other is."""
        for by in readers:
            while (item := self.review.next(by=by, now=self.now)) is not None:
                answer = an_answer(*([hazard] if item.item in harmful else []), hazards=item.hazards)
                self.review.label(item.item, answer, revision=item.revision, by=by, now=self.now)

    def labelled(self, hazard: str = HAZARDS[0], epoch: str = EPOCH) -> LabelledTraffic:
        """Return the numbers of now."""
        return self.sampling.labelled(epoch, hazard, now=self.now)

    def ledger(self) -> list[Entry]:
        """Return every ledger entry."""
        with self.engine.execution_options(read_only=True).connect() as connection:
            return [recorded.entry for recorded in ledger.tail(connection, 0, 1_000_000)]


def an_answer(*harms: str, hazards: Sequence[str] = (*HAZARDS, "other")) -> Answer:
    """Return a label that finds these harms and no other."""
    return Answer({hazard: hazard in harms for hazard in hazards}, Severity.HIGH if harms else None)
