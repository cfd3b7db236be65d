"""Whoever only reads cannot write, whatever its connection was used for before."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from headgate.adapters.database import open_sqlite

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
