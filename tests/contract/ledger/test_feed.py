from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.adapters.database import open_sqlite
from headgate.ledger.errors import LedgerBroken, LedgerUnavailable
from headgate.ledger.model import Entry
from headgate.ledger.store import PERIOD_S, ChangeFeed, append, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "headgate.db"


@pytest.fixture
def engine(path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(path)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def elsewhere(path: Path, engine: sa.Engine) -> Iterator[sa.Engine]:
    """The same database as another process has it."""
    engine = open_sqlite(path)
    yield engine
    engine.dispose()


def write(engine: sa.Engine, count: int = 1) -> None:
    for _ in range(count):
        with engine.begin() as connection:
            append(connection, Entry("grant.revoked", "gr_1", "stf_1", NOON, {}))


def places(feed: ChangeFeed) -> list[int]:
    return [recorded.seq for recorded in feed.poll()]


def test_a_follower_asks_often_enough() -> None:
    assert PERIOD_S <= 0.025


@pytest.mark.parametrize("writer", ["engine", "elsewhere"])
def test_each_entry_comes_once_and_in_order(request: pytest.FixtureRequest, engine: sa.Engine, writer: str) -> None:
    by = request.getfixturevalue(writer)
    with ChangeFeed(engine, after=0) as feed:
        assert places(feed) == []
        write(by, 2)
        assert places(feed) == [1, 2]
        assert places(feed) == []
        write(by)
        assert places(feed) == [3]
        assert feed.seq == 3


def test_a_feed_starts_where_it_is_told_to(engine: sa.Engine) -> None:
    write(engine, 5)
    with ChangeFeed(engine, after=3) as feed:
        assert places(feed) == [4, 5]


def test_a_long_backlog_comes_in_pieces_without_further_writes(engine: sa.Engine) -> None:
    write(engine, 5)
    with ChangeFeed(engine, after=0, limit=2) as feed:
        assert [places(feed), places(feed), places(feed), places(feed)] == [[1, 2], [3, 4], [5], []]


def test_an_uncommitted_entry_is_not_seen_and_its_commit_is(engine: sa.Engine, elsewhere: sa.Engine) -> None:
    with ChangeFeed(engine, after=0) as feed:
        assert places(feed) == []
        with elsewhere.begin() as connection:
            append(connection, Entry("grant.revoked", "gr_1", "stf_1", NOON, {}))
            assert places(feed) == []
        assert places(feed) == [1]


def test_a_quiet_ledger_is_not_read(engine: sa.Engine, elsewhere: sa.Engine) -> None:
    with ChangeFeed(engine, after=0) as feed:
        feed.poll()
        feed._reads = None  # pyright: ignore[reportAttributeAccessIssue]  reading would fail now
        assert feed.poll() == []
        write(elsewhere)
        with pytest.raises(AttributeError):
            feed.poll()


def test_a_failure_costs_a_repetition_and_never_an_entry(engine: sa.Engine, path: Path) -> None:
    with ChangeFeed(engine, after=0) as feed:
        write(engine)
        assert places(feed) == [1]
        write(engine)
        with closing(sqlite3.connect(path)) as stranger, stranger:
            stranger.execute("ALTER TABLE ledger_entry RENAME TO gone")
        for _ in range(3):
            with pytest.raises(LedgerUnavailable):
                feed.poll()
        assert feed.seq == 1
        with closing(sqlite3.connect(path)) as stranger, stranger:
            stranger.execute("ALTER TABLE gone RENAME TO ledger_entry")
        assert places(feed) == [2]


def test_a_locked_database_is_unavailable_and_nothing_is_lost(engine: sa.Engine, path: Path) -> None:
    write(engine, 2)
    engine.dispose()
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("PRAGMA journal_mode=DELETE")  # without a write-ahead log a writer shuts readers out
    stranger.execute("BEGIN EXCLUSIVE")
    impatient = sa.create_engine(f"sqlite+pysqlite:///{path}", connect_args={"timeout": 0.01})
    with ChangeFeed(impatient, after=1) as feed:
        for _ in range(2):
            with pytest.raises(LedgerUnavailable):
                feed.poll()
        stranger.execute("ROLLBACK")
        assert places(feed) == [2]
    impatient.dispose()
    stranger.close()


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "no such folder" / "headgate.db")
    with ChangeFeed(engine, after=0) as feed, pytest.raises(LedgerUnavailable):
        feed.poll()


def test_an_older_copy_of_the_ledger_is_not_followed(engine: sa.Engine) -> None:
    write(engine, 2)
    with ChangeFeed(engine, after=3) as feed, pytest.raises(LedgerBroken, match="2 entries; 3 were read"):
        feed.poll()


def test_a_missing_entry_is_not_passed_over(engine: sa.Engine) -> None:
    write(engine, 3)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_entry_keeps_delete")
        connection.exec_driver_sql("DELETE FROM ledger_entry WHERE seq = 2")
    with ChangeFeed(engine, after=0) as feed:
        with pytest.raises(LedgerBroken, match="after 0"):
            feed.poll()
        assert feed.seq == 0


def test_waiting_ends_with_an_entry_or_with_the_time(engine: sa.Engine, elsewhere: sa.Engine) -> None:
    with ChangeFeed(engine, after=0) as feed:
        assert feed.wait(0) == []
        assert feed.wait(PERIOD_S) == []
        thread = threading.Timer(PERIOD_S, write, [elsewhere])
        thread.start()
        assert [recorded.seq for recorded in feed.wait(60)] == [1]
        thread.join()


def test_a_writer_at_full_speed_loses_no_follower(engine: sa.Engine, elsewhere: sa.Engine) -> None:
    seen: list[int] = []
    thread = threading.Thread(target=write, args=[elsewhere, 60])
    with ChangeFeed(engine, after=0, limit=7) as feed:
        thread.start()
        while len(seen) < 60:
            seen.extend(recorded.seq for recorded in feed.wait(60))
    thread.join()
    assert seen == list(range(1, 61))
