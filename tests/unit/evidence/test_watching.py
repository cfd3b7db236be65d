"""Watching: an alarm stays raised, a rule does not change while it runs, and nothing is worked out twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.evidence.errors import NotEvidence, RuleChanged
from headgate.evidence.model.alarms import (
    ArrivalWindow,
    LabelWindow,
    MissingRule,
    ScoreWindow,
    Stream,
    StreamRule,
    UserWindow,
    UseWindow,
    WatchRule,
)
from headgate.evidence.model.users import CleanUsers
from headgate.evidence.service.remembering import REMEMBERED
from headgate.evidence.service.watching import Watching
from headgate.evidence.store import EvidenceStore, metadata
from headgate.ledger import store as ledger
from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import sqlalchemy as sa

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULE = WatchRule(
    (StreamRule(Stream.FLAGGED_USERS, "misuse", 0.01, 0.1, None),),
    false_alarm_every=timedelta(days=365),
    look_every=timedelta(hours=1),
    watch_every=None,
)
MISSING = MissingRule(5e-3, timedelta(days=1), 1e-3, timedelta(days=90), timedelta(hours=1))


@dataclass
class Made:
    """Streams that a test makes up."""

    flagged: list[int] = field(default_factory=list[int])
    unscored: list[int] = field(default_factory=list[int])

    def labels(self, epoch: str, hazard: str, every: timedelta) -> Sequence[LabelWindow]:
        del epoch, hazard, every
        return ()

    def users(self, epoch: str, hazard: str, every: timedelta) -> Sequence[UserWindow]:
        del epoch, hazard, every
        return tuple(UserWindow(at, at % 168, 50, count) for at, count in enumerate(self.flagged))

    def uses(self, epoch: str, hazard: str, every: timedelta, window: timedelta) -> Sequence[UseWindow]:
        del epoch, hazard, every, window
        return tuple(UseWindow(at, (CleanUsers(count, 2 * count, count, 1.0),), ()) for at, count in enumerate(self.flagged))

    def arrivals(self, epoch: str, of: str, every: timedelta, learn: timedelta | None) -> Sequence[ArrivalWindow]:
        del epoch, of, every, learn
        return tuple(ArrivalWindow(at, 10, count) for at, count in enumerate(self.flagged))

    def scores(self, epoch: str, every: timedelta) -> Sequence[ScoreWindow]:
        del epoch, every
        return tuple(ScoreWindow(at, 100, count) for at, count in enumerate(self.unscored))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    yield engine
    engine.dispose()


def watching(engine: sa.Engine, streams: Made) -> Watching:
    return Watching(streams, EvidenceStore(engine), FixedClock(NOON))


def alarmed(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return sum(item.entry.kind == "evidence.alarmed" for item in ledger.tail(connection, 0, 100))


def test_an_alarm_stays_raised_whatever_comes_and_whoever_asks(engine: sa.Engine) -> None:
    streams = Made([0, 20, 20])
    raised = watching(engine, streams).watch("e/s/1", "rise", RULE)
    assert raised.reading.raised_at is not None
    streams.flagged = [0, 0, 0]
    assert watching(engine, streams).watch("e/s/1", "rise", RULE) == raised
    assert watching(engine, streams).watch("e/s/2", "rise", RULE).reading.raised_at is None
    assert alarmed(engine) == 1


def test_a_low_share_is_said_and_only_the_alarm_is_kept(engine: sa.Engine) -> None:
    streams = Made(unscored=[0] * 30 + [14])
    low = watching(engine, streams)
    assert low.missing("e/s/1", "missing", replace(MISSING, false_alarm_every=timedelta(days=3650))).reading.spoilt
    assert alarmed(engine) == 0
    streams.unscored = [100, 100, 0]
    assert watching(engine, streams).missing("e/s/2", "missing", MISSING).reading.raised_at is not None
    streams.unscored = [0]
    assert watching(engine, streams).missing("e/s/2", "missing", MISSING).reading.tripped
    assert alarmed(engine) == 1


def test_a_rule_does_not_change_while_it_runs(engine: sa.Engine) -> None:
    here = watching(engine, Made([0]))
    here.watch("e/s/1", "rise", RULE)
    with pytest.raises(RuleChanged):
        here.watch("e/s/1", "rise", replace(RULE, false_alarm_every=timedelta(days=90)))
    here.missing("e/s/1", "missing", MISSING)
    with pytest.raises(RuleChanged):
        here.missing("e/s/1", "missing", replace(MISSING, at_most=0.1))


def test_a_rule_that_contradicts_itself_begins_no_watch(engine: sa.Engine) -> None:
    here = watching(engine, Made())
    with pytest.raises(NotEvidence):
        here.watch("e/s/1", "rise", replace(RULE, parts=()))
    with pytest.raises(NotEvidence):
        here.missing("e/s/1", "missing", replace(MISSING, usual=0.5))
    assert EvidenceStore(engine).alarm("e/s/1", "rise") is None


def test_the_same_windows_are_read_once_and_new_ones_again(engine: sa.Engine) -> None:
    streams = Made([1, 0])
    here = watching(engine, streams)
    first = here.watch("e/s/1", "rise", RULE)
    assert here.watch("e/s/1", "rise", RULE).reading is first.reading
    streams.flagged.append(1)
    again = here.watch("e/s/1", "rise", RULE)
    assert again.reading.windows == 3
    for at in range(REMEMBERED):
        here.watch(f"e/t/{at}", "rise", RULE)
    assert here.watch("e/s/1", "rise", RULE).reading == again.reading


SHIFT = replace(RULE, parts=(StreamRule(Stream.NEWCOMERS, "language", 0.05, 0.3, None),))
SHARES = replace(RULE, parts=(StreamRule(Stream.USER_SHARES, "misuse", 0.01, 0.1, None, timedelta(days=7)),))


def test_an_alarm_on_newcomers_stays_raised_and_is_on_the_ledger_once(engine: sa.Engine) -> None:
    streams = Made(flagged=[0] * 20)
    assert watching(engine, streams).watch("e/1", "shift.language.hold", SHIFT).reading.raised_at is None
    streams.flagged += [9] * 5
    raised = watching(engine, streams).watch("e/1", "shift.language.hold", SHIFT).reading
    assert raised.raised_at in range(21, 26)
    assert "of a kind that nobody was met of before" in raised.sentence
    streams.flagged += [0] * 500
    assert watching(engine, streams).watch("e/1", "shift.language.hold", SHIFT).reading == raised
    assert alarmed(engine) == 1


def test_shares_are_asked_for_by_the_window_that_the_rule_names(engine: sa.Engine) -> None:
    reading = watching(engine, Made(flagged=[5, 0, 3])).watch("e/1", "rise.misuse.user_shares.hold", SHARES).reading
    assert (reading.windows, reading.events) == (2, 0)
    assert "no users with harm of misuse among 8 users observed for 7d00h each" in reading.sentence
    with pytest.raises(NotEvidence, match="positive span of use"):
        watching(engine, Made()).watch("e/1", "other", replace(SHARES, parts=(replace(SHARES.parts[0], window=None),)))


def test_a_rule_that_began_before_shares_could_be_watched_is_still_the_same_rule(engine: sa.Engine) -> None:
    streams = Made(flagged=[0] * 3)
    watching(engine, streams).watch("e/1", "rise", RULE)
    with engine.begin() as connection:
        kept = connection.exec_driver_sql("SELECT rule FROM evidence_alarm").scalar_one()
        assert '"window":null' in kept
        connection.exec_driver_sql("UPDATE evidence_alarm SET rule = ?", (kept.replace(',"window":null', ""),))
    assert watching(engine, streams).watch("e/1", "rise", RULE).reading.raised_at is None
    with pytest.raises(RuleChanged):
        watching(engine, streams).watch("e/1", "rise", replace(RULE, watch_every=timedelta(days=7)))
