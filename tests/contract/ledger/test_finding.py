"""Entries are found newest first, whatever is asked, and by steps along an index alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from headgate.adapters.database import open_sqlite
from headgate.ledger.model import Entry, Recorded, Sought
from headgate.ledger.service import Ledger
from headgate.ledger.store import SqlLedger, metadata
from headgate.ledger.store.finding import newest
from headgate.ledger.wire import checkpoint
from headgate.ledger.wire.note import Signer
from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("grant.created", "grant.revoked", "grantor.named", "release.cut", "release.promoted")
SUBJECTS = ("gr_1", "gr_2", "rel_1")
ACTORS = ("stf_1", "system:controller")
ENTRIES = 60
SIGNER = Signer.from_seed("headgate.example/ledger", b"1" * 32)


def entry_at(place: int) -> Entry:
    """Return an entry whose columns go round at different paces; two neighbours share an instant."""
    at = NOON + timedelta(minutes=place // 2)
    return Entry(KINDS[place % 5], SUBJECTS[place % 3], ACTORS[place % 7 == 0], at, {"place": place})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path_factory.mktemp("finding") / "headgate.db")
    metadata.create_all(engine)
    with SqlLedger(engine).writing() as view:
        for place in range(1, ENTRIES + 1):
            view.append(entry_at(place))
    yield engine
    engine.dispose()


def fits(sought: Sought, seq: int, before: int | None) -> bool:
    """Say in the plainest way whether an entry is sought."""
    entry = entry_at(seq)
    return (
        (before is None or seq < before)
        and (sought.kind is None or entry.kind == sought.kind or entry.kind.partition(".")[0] == sought.kind)
        and (not sought.subjects or entry.subject in sought.subjects)
        and (sought.actor is None or entry.actor == sought.actor)
        and (sought.since is None or entry.at >= sought.since)
        and (sought.until is None or entry.at < sought.until)
    )


instants = st.none() | st.integers(-5, ENTRIES).map(lambda minutes: NOON + timedelta(minutes=minutes))
questions = st.builds(
    Sought,
    kind=st.sampled_from((None, *KINDS, "grant", "release", "nothing", "nothing.done")),
    subjects=st.lists(st.sampled_from((*SUBJECTS, "gr_9"))).map(tuple),
    actor=st.sampled_from((None, *ACTORS, "stf_9")),
    since=instants,
    until=instants,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150, derandomize=True)
@given(sought=questions, before=st.none() | st.integers(0, ENTRIES + 2), limit=st.integers(1, 12))
def test_what_is_found_is_what_a_walk_through_all_entries_finds(
    engine: sa.Engine, sought: Sought, before: int | None, limit: int
) -> None:
    with SqlLedger(engine).reading() as view:
        found = view.newest(sought, before=before, limit=limit)
    expected = [seq for seq in range(ENTRIES, 0, -1) if fits(sought, seq, before)]
    assert [each.seq for each in found] == expected[:limit]
    assert [each.entry for each in found] == [entry_at(seq) for seq in expected[:limit]]


def test_the_pages_of_a_question_make_up_its_whole_answer(engine: sa.Engine) -> None:
    ledger = Ledger(SqlLedger(engine), FixedClock(NOON), SIGNER)
    sought = Sought(kind="grant", actor="stf_1")
    found: list[Recorded] = []
    while page := ledger.newest(sought, before=found[-1].seq if found else None, limit=7):
        found += page
    assert [each.seq for each in found] == [seq for seq in range(ENTRIES, 0, -1) if fits(sought, seq, None)]


@pytest.mark.parametrize(
    "sought",
    [
        Sought(),
        Sought(kind="grant"),
        Sought(kind="grant.created"),
        Sought(actor="stf_1"),
        Sought(kind="release", actor="stf_1"),
        Sought(subjects=("gr_1", "gr_2"), kind="grant"),
        Sought(since=NOON, until=NOON + timedelta(minutes=9)),
    ],
    ids=lambda sought: repr(sought)[7:60],
)
def test_no_question_sorts_or_walks_through_the_whole_ledger(engine: sa.Engine, sought: Sought) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: object) -> None:
        asked.append((statement, parameters))

    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        newest(connection, sought, before=50, limit=5)
        event.remove(connection, "before_cursor_execute", note)
        for statement, parameters in asked:
            steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not any(step.startswith("SCAN ledger_entry") for step in steps), (statement, steps)


def test_every_kind_is_listed_once(engine: sa.Engine) -> None:
    with SqlLedger(engine).reading() as view:
        assert view.kinds() == sorted(KINDS)


def test_an_entry_is_proved_in_the_latest_tree_that_was_signed(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    ledger = Ledger(SqlLedger(engine), FixedClock(NOON), SIGNER)
    for place in (1, 2, 3):
        with SqlLedger(engine).writing() as view:
            view.append(entry_at(place))
        if place == 2:
            ledger.checkpoint()
    signed = ledger.witnessed(1)
    assert signed.note is not None
    assert checkpoint.opened(signed.note, [ledger.key])[0] == signed.proof.head
    assert signed.proof.head.size == 2
    assert (ledger.witnessed(3).note, ledger.witnessed(3).proof.head.size) == (None, 3)
    engine.dispose()
