"""The service over a real SQLite file: what is kept, what is looked at once, and what a failure leaves behind."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.adapters.database import open_sqlite
from headgate.evidence import store
from headgate.evidence.errors import EvidenceUnavailable, LabelsUnavailable, LookTaken, NotEvidence, ReadingNotFound, RuleChanged
from headgate.evidence.model import Cursor, Harm, LabelledTraffic, Look, RateClaim, RiseRule, Segment
from headgate.evidence.service import Evidence
from headgate.kernel.verdict import Verdict
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EPOCH = "r1/trusted/1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLAIM = RateClaim("advice", below=1e-2, alpha=0.05, attempt=1)
RULE = RiseRule("advice", from_rate=1e-3, to_rate=1e-2, false_alarm_every=timedelta(days=365), look_every=timedelta(hours=1))


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()


class Labels:
    """Labels as a list of looks; what is after the cursor is what comes."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.gone = False

    def traffic(self, epoch: str, hazard: str) -> LabelledTraffic:
        self._there()
        requests = sum(segment.requests for look in self.looks for segment in look.drawn)
        return LabelledTraffic(
            epoch=epoch,
            hazard=hazard,
            segments=(Segment(requests, 0.1),) if requests else (),
            harms=tuple(harm for look in self.looks for harm in look.harms),
            labels=sum(look.labels for look in self.looks),
            pending=0,
            frontier=requests,
            drawn=requests,
            uniform=True,
        )

    def look(self, epoch: str, hazard: str, after: Cursor) -> tuple[Look, Cursor]:  # noqa: ARG002 - the port's arguments
        self._there()
        new = self.looks[after.resolved :]
        drawn = tuple(segment for look in new for segment in look.drawn)
        harms = tuple(harm for look in new for harm in look.harms)
        cursor = Cursor(after.drawn + sum(segment.requests for segment in drawn), len(self.looks))
        return Look(drawn, sum(look.labels for look in new), harms, uniform=True), cursor

    def _there(self) -> None:
        if self.gone:
            raise LabelsUnavailable("The labels cannot be read just now.")


def brings(labels: int, harms: int = 0) -> Look:
    return Look((Segment(labels * 10, 0.1),), labels, (Harm(0.1, 0.1),) * harms, uniform=True)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = open_sqlite(tmp_path / "headgate.db")
    store.metadata.create_all(opened)
    ledger.metadata.create_all(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def labels() -> Labels:
    return Labels()


@pytest.fixture
def evidence(engine: sa.Engine, labels: Labels, clock: Hand) -> Evidence:
    return Evidence(labels, store.EvidenceStore(engine), clock)


def kinds(engine: sa.Engine) -> list[str]:
    with engine.execution_options(read_only=True).connect() as connection:
        return [recorded.entry.kind for recorded in ledger.tail(connection, 0, 100)]


def watch(evidence: Evidence, clock: Hand, *, hours: float = 1) -> object:
    clock.at += timedelta(hours=hours)
    return evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")


def test_a_kept_reading_gives_the_same_answer_again(evidence: Evidence, labels: Labels, engine: sa.Engine) -> None:
    labels.looks = [brings(2000, 2)]
    measured = evidence.rate(EPOCH, CLAIM)
    assert measured.reading.verdict is Verdict.PASS
    digest = evidence.keep(measured, by="ada")
    assert digest == measured.digest == evidence.keep(measured, by="ada")
    assert kinds(engine) == ["reading.kept"]
    labels.looks = [brings(10, 10)]
    replayed = evidence.replay(digest)
    assert replayed.agrees
    assert replayed.again["verdict"] == "PASS"


def test_a_reading_changed_behind_our_back_does_not_agree(evidence: Evidence, labels: Labels, engine: sa.Engine) -> None:
    labels.looks = [brings(2000, 40)]
    digest = evidence.keep(evidence.rate(EPOCH, CLAIM), by="ada")
    with engine.begin() as connection:
        result = connection.execute(sa.select(store.readings.c.result)).scalar_one()
        connection.execute(store.readings.update().values(result=result.replace("FAIL", "PASS").replace("INSUFFICIENT", "PASS")))
    assert not evidence.replay(digest).agrees


def test_no_reading_is_found_that_was_not_kept(evidence: Evidence) -> None:
    with pytest.raises(ReadingNotFound):
        evidence.replay("sha256:" + "0" * 64)


def test_labels_that_cannot_be_had_are_an_error_that_replays(evidence: Evidence, labels: Labels) -> None:
    labels.gone = True
    measured = evidence.rate(EPOCH, CLAIM)
    assert measured.reading.verdict is Verdict.ERROR
    assert evidence.replay(evidence.keep(measured, by="ada")).agrees


def test_labels_that_are_no_numbers_are_an_error_that_replays(evidence: Evidence, labels: Labels) -> None:
    labels.looks = [replace(brings(10, 1), harms=(Harm(math.nan, 0.1),))]
    measured = evidence.rate(EPOCH, CLAIM)
    assert measured.reading.verdict is Verdict.ERROR
    assert evidence.replay(evidence.keep(measured, by="ada")).agrees


def test_looks_are_taken_only_when_due(evidence: Evidence, labels: Labels, clock: Hand) -> None:
    labels.looks = [brings(50)]
    began = evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    assert (began.taken, began.state.looks) == (False, 0)
    clock.at += timedelta(minutes=59)
    assert not evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward").taken
    clock.at += timedelta(minutes=1)
    first = evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    assert (first.taken, first.state.labels) == (True, 50)
    again = evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    assert (again.taken, again.state) == (False, first.state)


def test_a_clock_set_back_takes_no_look_early(evidence: Evidence, labels: Labels, clock: Hand) -> None:
    evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    clock.at -= timedelta(days=3)
    assert not evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward").taken


def test_a_rise_is_caught_recorded_and_replays_after_a_restart(
    evidence: Evidence, engine: sa.Engine, labels: Labels, clock: Hand
) -> None:
    watch(evidence, clock)
    for harms in (0, 0, 0, 2, 3, 3, 3, 3):
        labels.looks.append(brings(100, harms))
        evidence = Evidence(labels, store.EvidenceStore(engine), clock)  # every look by a new process
        watch(evidence, clock)
    reading = evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    assert reading.state.raised
    assert "has risen above 1.0e-3" in reading.sentence
    assert kinds(engine) == ["alarm.raised"]
    assert evidence.replay_rise(EPOCH, "rise-advice")
    with engine.connect() as connection:
        digest = connection.execute(sa.select(store.readings.c.digest)).scalar_one()
    assert evidence.replay(digest).agrees


def test_looks_changed_behind_our_back_do_not_give_the_state(
    evidence: Evidence, engine: sa.Engine, labels: Labels, clock: Hand
) -> None:
    watch(evidence, clock)
    labels.looks = [brings(100, 1)]
    watch(evidence, clock)
    assert evidence.replay_rise(EPOCH, "rise-advice")
    with engine.begin() as connection:
        connection.execute(store.looks.delete())
    assert not evidence.replay_rise(EPOCH, "rise-advice")
    with pytest.raises(ReadingNotFound):
        evidence.replay_rise(EPOCH, "another")


def test_two_controllers_cannot_take_one_look(evidence: Evidence, engine: sa.Engine, labels: Labels, clock: Hand) -> None:
    watch(evidence, clock)
    labels.looks = [brings(100, 1)]
    clock.at += timedelta(hours=1)

    class Slow(Labels):
        """While this one fetches its labels, another controller takes the look."""

        def look(self, epoch: str, hazard: str, after: Cursor) -> tuple[Look, Cursor]:
            mine = labels.look(epoch, hazard, after)
            assert evidence.rise_look(EPOCH, "rise-advice", RULE, by="other").taken
            return mine

    reading = Evidence(Slow(), store.EvidenceStore(engine), clock).rise_look(EPOCH, "rise-advice", RULE, by="steward")
    assert (reading.taken, reading.state.harms, reading.state.looks) == (False, 1, 1)


def test_two_controllers_cannot_begin_one_watch(engine: sa.Engine, evidence: Evidence, clock: Hand) -> None:
    evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    records = store.EvidenceStore(engine)
    begun = records.alarm(EPOCH, "rise-advice")
    assert begun is not None
    with pytest.raises(LookTaken), records.transaction() as tx:
        tx.begin(begun)


def test_a_rule_may_not_change_under_an_alarm(evidence: Evidence, clock: Hand) -> None:
    watch(evidence, clock)
    with pytest.raises(RuleChanged):
        evidence.rise_look(EPOCH, "rise-advice", replace(RULE, from_rate=2e-3), by="steward")
    with pytest.raises(NotEvidence):
        evidence.rise_look(EPOCH, "other", replace(RULE, from_rate=0.0), by="steward")


def test_a_look_that_fails_leaves_the_alarm_where_it_was(evidence: Evidence, labels: Labels, clock: Hand) -> None:
    watch(evidence, clock)
    labels.gone = True
    with pytest.raises(LabelsUnavailable):
        watch(evidence, clock)
    labels.gone = False
    labels.looks = [Look((), 1, (Harm(2.0, 0.1),), uniform=True)]
    with pytest.raises(NotEvidence):
        watch(evidence, clock)
    labels.looks = [brings(70)]
    reading = evidence.rise_look(EPOCH, "rise-advice", RULE, by="steward")
    assert (reading.taken, reading.state.labels) == (True, 70)


def test_a_store_that_does_not_answer_is_unavailable(evidence: Evidence, engine: sa.Engine) -> None:
    store.metadata.drop_all(engine)
    with pytest.raises(EvidenceUnavailable):
        evidence.kept("sha256:0")
    with pytest.raises(EvidenceUnavailable):
        evidence.keep(evidence.rate(EPOCH, CLAIM), by="ada")
