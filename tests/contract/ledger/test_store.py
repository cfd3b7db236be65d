from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError

from headgate.adapters.database import open_sqlite
from headgate.ledger.decide import merkle
from headgate.ledger.errors import LedgerBroken, LedgerUnavailable, NotAnEntry
from headgate.ledger.model import Entry, Head, StoredCheckpoint
from headgate.ledger.store import SqlLedger, append, head, metadata, tail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_entry(number: int = 1, *, kind: str = "release.promoted", subject: str = "rel_1", actor: str = "stf_1") -> Entry:
    return Entry(kind, subject, actor, NOON + timedelta(seconds=number), {"number": number})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def write(engine: sa.Engine, *entries: Entry) -> list[int]:
    with engine.begin() as connection:
        return [append(connection, entry) for entry in entries]


def test_an_empty_ledger_has_the_empty_root(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert head(connection) == Head(0, merkle.EMPTY_ROOT)
        assert tail(connection, 0, 10) == []


def test_places_are_counted_from_one_without_gaps(engine: sa.Engine) -> None:
    assert write(engine, an_entry(1), an_entry(2)) == [1, 2]
    assert write(engine, an_entry(3)) == [3]


def test_what_was_written_is_read_in_order(engine: sa.Engine) -> None:
    entries = [an_entry(number) for number in range(1, 8)]
    write(engine, *entries)
    with engine.connect() as connection:
        assert [recorded.entry for recorded in tail(connection, 0, 100)] == entries
        assert [recorded.seq for recorded in tail(connection, 3, 2)] == [4, 5]


def test_the_root_is_that_of_the_leaves(engine: sa.Engine) -> None:
    for number in range(1, 20):
        write(engine, an_entry(number))
        with SqlLedger(engine).reading() as view:
            leaves = [merkle.leaf_hash(leaf) for _, leaf in view.leaves(0, 100)]
            hashes = dict[merkle.Node, bytes]()
            for size, leaf in enumerate(leaves):
                hashes |= merkle.grown(size, leaf, hashes)
            assert view.head() == Head(number, merkle.root(number, hashes))
            assert view.node_count() == len(hashes)
            assert view.hashes(hashes) == hashes


def test_an_entry_goes_with_its_transaction(engine: sa.Engine) -> None:
    write(engine, an_entry(1))
    with engine.connect() as connection:
        before = head(connection)
    with engine.connect() as connection:
        append(connection, an_entry(2))
        connection.rollback()
    with engine.connect() as connection:
        assert head(connection) == before
    assert write(engine, an_entry(3)) == [2]


def test_what_is_no_entry_leaves_nothing_behind(engine: sa.Engine) -> None:
    with pytest.raises(NotAnEntry), engine.begin() as connection:
        append(connection, an_entry(kind=""))
    assert write(engine, an_entry(1)) == [1]


def test_writers_at_the_same_time_make_one_sequence(engine: sa.Engine) -> None:
    places: list[int] = []

    def many(writer: int) -> None:
        for number in range(25):
            places.extend(write(engine, an_entry(number, subject=f"rel_{writer}")))

    threads = [threading.Thread(target=many, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == list(range(1, 101))
    with SqlLedger(engine).reading() as view:
        assert [entry.contradicts for stretch in view.stretches() for entry in stretch.entries] == [None] * 100
        assert view.head().size == 100


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET actor = 'stf_9' WHERE seq = 1",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_node SET hash = x'00'",
        "DELETE FROM ledger_node",
        "UPDATE ledger_checkpoint SET note = ''",
        "DELETE FROM ledger_checkpoint",
        "UPDATE ledger_head SET size = 1",
        "UPDATE ledger_head SET root = x'00'",
        "DELETE FROM ledger_head",
    ],
)
def test_the_past_refuses_to_change(engine: sa.Engine, statement: str) -> None:
    write(engine, an_entry(1), an_entry(2))
    with SqlLedger(engine).writing() as view:
        view.save_checkpoint(StoredCheckpoint(2, "k", b"note"))
    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_a_ledger_that_lost_its_head_takes_nothing_more(engine: sa.Engine) -> None:
    write(engine, an_entry(1))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_head_keeps_delete")
        connection.exec_driver_sql("DELETE FROM ledger_head")
    with pytest.raises(LedgerBroken, match="no head"):
        write(engine, an_entry(2))
    with pytest.raises(LedgerBroken, match="no head"), SqlLedger(engine).reading() as view:
        view.head()


def test_a_ledger_that_lost_a_node_takes_nothing_more(engine: sa.Engine) -> None:
    write(engine, an_entry(1))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_node_keeps_delete")
        connection.exec_driver_sql("DELETE FROM ledger_node")
    with pytest.raises(LedgerBroken, match="lacks node 0/0"):
        write(engine, an_entry(2))


def test_entries_are_found_by_what_they_are_about(engine: sa.Engine) -> None:
    write(
        engine,
        an_entry(1, kind="grant.revoked", subject="gr_1"),
        an_entry(2, kind="grant.opened", subject="gr_2", actor="stf_2"),
        an_entry(3, kind="granted_thing.opened", subject="gr_2"),
        an_entry(4, kind="grant.revoked", subject="gr_2"),
    )

    def found(
        *, kind: str | None = None, subject: str | None = None, actor: str | None = None, after: int = 0, limit: int = 9
    ) -> list[int]:
        with SqlLedger(engine).reading() as view:
            return [each.seq for each in view.search(kind=kind, subject=subject, actor=actor, after=after, limit=limit)]

    assert found() == [1, 2, 3, 4]
    assert found(kind="grant.revoked") == [1, 4]
    assert found(kind="grant") == [1, 2, 4]
    assert found(kind="grant_") == []
    assert found(subject="gr_2") == [2, 3, 4]
    assert found(subject="gr_2", kind="grant.revoked") == [4]
    assert found(actor="stf_2") == [2]
    assert found(after=1, limit=2) == [2, 3]


def test_many_nodes_are_fetched_at_once(engine: sa.Engine) -> None:
    write(engine, *(an_entry(number) for number in range(600)))
    with SqlLedger(engine).reading() as view:
        assert len(view.hashes(merkle.Node(0, place) for place in range(600))) == 600


def test_a_reader_sees_one_moment(engine: sa.Engine) -> None:
    write(engine, an_entry(1))
    with SqlLedger(engine).reading() as view:
        assert view.head().size == 1
        write(engine, an_entry(2))
        assert view.head().size == 1
        assert len(view.leaves(0, 10)) == 1


def test_a_writer_appends_and_signs_together(engine: sa.Engine) -> None:
    def append_and_sign_twice() -> None:
        with SqlLedger(engine).writing() as view:
            view.append(an_entry(1))
            view.save_checkpoint(StoredCheckpoint(1, "k", b"note"))
            view.save_checkpoint(StoredCheckpoint(1, "k", b"note"))

    with pytest.raises(LedgerUnavailable):
        append_and_sign_twice()
    with SqlLedger(engine).reading() as view:
        assert view.checkpoints() == []
        assert view.stored_head() is None


def test_a_database_without_tables_is_unavailable(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "empty.db")
    with pytest.raises(LedgerUnavailable), SqlLedger(engine).reading() as view:
        view.head()
    engine.dispose()


def test_a_full_disk_is_unavailable_and_changes_nothing(engine: sa.Engine) -> None:
    write(engine, an_entry(1))
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def fill_the_disk() -> None:
        with SqlLedger(engine).writing() as view:
            view._connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            for number in range(2, 500):
                view.append(an_entry(number))

    with pytest.raises(LedgerUnavailable):
        fill_the_disk()
    with SqlLedger(engine).reading() as view:
        assert view.head().size == 1
