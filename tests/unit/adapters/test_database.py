"""Whoever only reads cannot write, whatever its connection was used for before; whoever writes waits no longer than must be."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import QueuePool

from headgate.adapters import database
from headgate.adapters.database import open_sqlite
from headgate.kernel import sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITE = sa.text("INSERT INTO kept VALUES (1)")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "house.db")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (number INTEGER)"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("turns", list(product("rw", repeat=4)), ids="".join)
def test_readers_cannot_write_and_writers_can_whoever_had_the_connection_before(
    engine: sa.Engine, turns: tuple[str, ...]
) -> None:
    reader = engine.execution_options(read_only=True)
    for turn in turns:
        if turn == "w":
            with engine.begin() as connection:
                connection.execute(WRITE)
        else:
            with reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
                connection.execute(WRITE)

    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedin() == 1  # all of them had the same connection
    with reader.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM kept")) == turns.count("w")


def test_a_reader_that_failed_leaves_nothing_behind_that_lets_the_next_one_write(engine: sa.Engine) -> None:
    reader = engine.execution_options(read_only=True)
    with pytest.raises(OperationalError, match="no such table"), reader.connect() as connection:
        connection.execute(sa.text("SELECT * FROM gone"))
    with reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(WRITE)


def test_a_writer_that_waits_asks_again_and_again_and_has_the_lock_as_soon_as_it_is_free(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = engine.connect()
    held = holding.begin()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 300:  # in their stead, SQLite would be in a pause of a tenth of a second
            held.commit()

    monkeypatch.setattr(sqlite.time, "sleep", pause)
    with engine.begin() as connection:
        connection.execute(WRITE)

    holding.close()
    assert len(pauses) == 300
    assert max(pauses) <= 0.002


def test_a_writer_gives_up_and_its_connection_waits_as_it_did_for_everything_else(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin(), engine.connect() as waiting:
        monkeypatch.setattr(database, "BUSY_S", 0.05)
        with pytest.raises(OperationalError, match="locked"):
            waiting.begin()
        monkeypatch.undo()
    with engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 1000 * database.BUSY_S


def test_a_writer_to_what_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "house.db")
    with engine.connect() as connection:
        (tmp_path / "house.db-wal").unlink(missing_ok=True)
        (tmp_path / "house.db").write_bytes(b"no database" * 1000)
        with pytest.raises(DatabaseError), connection.begin():
            connection.exec_driver_sql("CREATE TABLE kept (number INTEGER)")
    engine.dispose()
