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
from headgate.evidence.errors import EvidenceUnavailable, LabelsUnavailable, NotEvidence, ReadingNotFound, RuleChanged
from headgate.evidence.model import Alarm, Harm, LabelledTraffic, Look, RateClaim, RiseRule, Segment
from headgate.evidence.model.reviewing import Readers
from headgate.evidence.model.users import CleanUsers, LabelledUsers, UsersClaim
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
    """Labels as a list of windows."""

    def __init__(self) -> None:
        self.windows: list[Look] = []
        self.golds = Readers(0, 0)
        self.gone = False

    def traffic(self, epoch: str, hazard: str) -> LabelledTraffic:
        self._there()
        requests = sum(segment.requests for look in self.windows for segment in look.segments)
        return LabelledTraffic(
            epoch=epoch,
            hazard=hazard,
            segments=(Segment(requests, 0.1),) if requests else (),
            harms=tuple(harm for look in self.windows for harm in look.harms),
            labels=requests // 10,
            pending=0,
            frontier=requests,
            drawn=requests,
            uniform=True,
        )

    def readers(self, epoch: str, hazard: str) -> Readers:
        assert (epoch, hazard) == (EPOCH, RULE.hazard)
        return self.golds

    def looks(self, epoch: str, hazard: str, every: timedelta) -> list[Look]:
        assert (epoch, hazard, every) == (EPOCH, RULE.hazard, RULE.look_every)
        self._there()
        return list(self.windows)

    def users(self, epoch: str, hazard: str, window: timedelta) -> LabelledUsers:
        self._there()
        return LabelledUsers(epoch, hazard, window, (CleanUsers(500, 5_000, 5_000, 1.0),), (), 500)

    def _there(self) -> None:
        if self.gone:
            raise LabelsUnavailable("The labels cannot be read just now.")


def brings(labels: int, harms: int = 0) -> Look:
    return Look((Segment(labels * 10, 0.1),), (Harm(0.1, 0.1),) * harms)


RISEN = [brings(100, harms) for harms in (0, 0, 0, 2, 3, 3, 3, 3)]


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


def test_a_kept_reading_gives_the_same_answer_again(evidence: Evidence, labels: Labels, engine: sa.Engine) -> None:
    labels.windows = [brings(2000, 2)]
    measured = evidence.rate(EPOCH, CLAIM)
    assert measured.reading.verdict is Verdict.PASS
    digest = evidence.keep(measured, by="ada")
    assert digest == evidence.keep(measured, by="ada")
    assert kinds(engine) == ["evidence.kept"]
    labels.windows = [brings(10, 10)]
    replayed = evidence.replay(digest)
    assert replayed.agrees
    assert replayed.again["verdict"] == "PASS"


def test_a_reading_changed_behind_our_back_does_not_agree(evidence: Evidence, labels: Labels, engine: sa.Engine) -> None:
    labels.windows = [brings(2000, 40)]
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


def test_users_are_read_and_kept_and_replay(evidence: Evidence, labels: Labels) -> None:
    claim = UsersClaim("advice", below=1e-2, worst_share=0.25, window=timedelta(days=7), alpha=0.05, attempt=1)
    measured = evidence.users(EPOCH, claim)
    assert measured.reading.verdict is Verdict.PASS
    assert evidence.users(EPOCH, claim) is measured
    assert evidence.users(EPOCH, claim, misses_measured=True).reading.verdict is Verdict.INSUFFICIENT
    digest = evidence.keep(measured, by="ada")
    assert evidence.kept(digest).kind == "users"
    assert evidence.replay(digest).agrees
    labels.gone = True
    gone = evidence.users(EPOCH, claim)
    assert gone.reading.verdict is Verdict.ERROR
    assert evidence.replay(evidence.keep(gone, by="ada")).agrees


def test_labels_that_are_no_numbers_are_an_error_that_replays(evidence: Evidence, labels: Labels) -> None:
    labels.windows = [replace(brings(10, 1), harms=(Harm(math.nan, 0.1),))]
    measured = evidence.rate(EPOCH, CLAIM)
    assert measured.reading.verdict is Verdict.ERROR
    assert evidence.replay(evidence.keep(measured, by="ada")).agrees


def test_a_rise_is_recorded_once_and_replays(evidence: Evidence, engine: sa.Engine, labels: Labels) -> None:
    assert not evidence.rise(EPOCH, "rise-advice", RULE).reading.state.raised
    labels.windows = RISEN
    measured = evidence.rise(EPOCH, "rise-advice", RULE)
    assert measured.reading.state.raised
    assert kinds(engine) == ["evidence.alarmed"]
    with engine.connect() as connection:
        digest = connection.execute(sa.select(store.alarms.c.raised)).scalar_one()
    replayed = evidence.replay(digest)
    assert replayed.agrees
    assert replayed.kept.inputs == measured.inputs


def test_the_same_windows_are_read_once_and_a_harm_found_since_is_seen(evidence: Evidence, labels: Labels) -> None:
    labels.windows = [brings(100)]
    first = evidence.rise(EPOCH, "rise-advice", RULE)
    assert evidence.rise(EPOCH, "rise-advice", RULE).reading is first.reading
    labels.windows[0] = brings(100, 1)
    assert evidence.rise(EPOCH, "rise-advice", RULE).reading.state.harms == 1


def test_a_raised_alarm_stays_raised_whatever_happens_afterwards(
    evidence: Evidence, engine: sa.Engine, labels: Labels, clock: Hand
) -> None:
    labels.windows = RISEN
    first = evidence.rise(EPOCH, "rise-advice", RULE)
    labels.windows = [brings(100)] * 8  # every harm is taken back
    labels.gone = True
    clock.at -= timedelta(days=3)
    again = Evidence(labels, store.EvidenceStore(engine), clock).rise(EPOCH, "rise-advice", RULE)  # a new process
    assert again == first
    assert kinds(engine) == ["evidence.alarmed"]


def test_two_controllers_raise_one_alarm(evidence: Evidence, engine: sa.Engine, labels: Labels, clock: Hand) -> None:
    evidence.rise(EPOCH, "rise-advice", RULE)
    labels.windows = RISEN

    class Slow(Labels):
        """While this one fetches its labels, another controller raises the alarm."""

        def looks(self, epoch: str, hazard: str, every: timedelta) -> list[Look]:
            mine = [*labels.looks(epoch, hazard, every), brings(100, 1)]
            assert evidence.rise(EPOCH, "rise-advice", RULE).reading.state.raised
            return mine

    late = Evidence(Slow(), store.EvidenceStore(engine), clock).rise(EPOCH, "rise-advice", RULE)
    assert late.reading.state.looks == len(RISEN)  # the reading that raised it stands
    assert kinds(engine) == ["evidence.alarmed"]
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(store.readings)).scalar_one() == 1


def test_two_controllers_begin_one_watch(evidence: Evidence, engine: sa.Engine, labels: Labels, clock: Hand) -> None:
    class Late(store.EvidenceStore):
        """The first time it looks, there is no watch yet; by the time it writes, there is."""

        asked = False

        def alarm(self, epoch: str, tripwire: str) -> Alarm | None:
            found = super().alarm(epoch, tripwire)
            if not self.asked:
                self.asked = True
                evidence.rise(EPOCH, "rise-advice", RULE)
            return found

    assert not Evidence(labels, Late(engine), clock).rise(EPOCH, "rise-advice", RULE).reading.state.raised


def test_a_rule_may_not_change_under_an_alarm(evidence: Evidence) -> None:
    evidence.rise(EPOCH, "rise-advice", RULE)
    with pytest.raises(RuleChanged):
        evidence.rise(EPOCH, "rise-advice", replace(RULE, from_rate=2e-3))
    with pytest.raises(NotEvidence):
        evidence.rise(EPOCH, "other", replace(RULE, from_rate=0.0))


def test_labels_that_cannot_be_had_or_used_raise_no_alarm_and_hide_none(evidence: Evidence, labels: Labels) -> None:
    labels.gone = True
    with pytest.raises(LabelsUnavailable):
        evidence.rise(EPOCH, "rise-advice", RULE)
    labels.gone = False
    labels.windows = [*RISEN, Look((), (Harm(2.0, 0.1),))]
    with pytest.raises(NotEvidence):
        evidence.rise(EPOCH, "rise-advice", RULE)
    labels.windows = RISEN
    assert evidence.rise(EPOCH, "rise-advice", RULE).reading.state.raised


def test_a_store_that_does_not_answer_is_unavailable(evidence: Evidence, engine: sa.Engine) -> None:
    store.metadata.drop_all(engine)
    with pytest.raises(EvidenceUnavailable):
        evidence.kept("sha256:0")
    with pytest.raises(EvidenceUnavailable):
        evidence.keep(evidence.rate(EPOCH, CLAIM), by="ada")
