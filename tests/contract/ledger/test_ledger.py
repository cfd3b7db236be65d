from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.adapters.database import open_sqlite
from headgate.ledger.decide import merkle
from headgate.ledger.errors import EntryNotFound, NoSuchTree
from headgate.ledger.model import Entry, Fault, Report, StoredCheckpoint
from headgate.ledger.service import Ledger
from headgate.ledger.store import SqlLedger, metadata
from headgate.ledger.wire import checkpoint
from headgate.ledger.wire.note import Signer
from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNER = Signer.from_seed("headgate.example/ledger", b"1" * 32)
ENTRIES = 11
SIGNED = 6
"""The size at which the ledger of these tests was signed."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(engine: sa.Engine) -> Ledger:
    ledger = a_ledger(engine)
    fill(engine, SIGNED)
    ledger.checkpoint()
    fill(engine, ENTRIES - SIGNED)
    return ledger


def a_ledger(engine: sa.Engine) -> Ledger:
    return Ledger(SqlLedger(engine), FixedClock(NOON), SIGNER)


def fill(engine: sa.Engine, count: int, *, subject: str = "rel_1") -> None:
    with SqlLedger(engine).writing() as view:
        for number in range(count):
            view.append(
                Entry("release.promoted", subject, "stf_1", NOON + timedelta(seconds=number), {"number": number, "ł": "ź"})
            )


def tamper(engine: sa.Engine, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """Do what somebody can do who owns the file and drops what guards it."""
    with closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as stranger:
        for (trigger,) in stranger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            stranger.execute(f"DROP TRIGGER {trigger}")
        for statement, values in statements:
            stranger.execute(statement, values)


def found(report: Report) -> tuple[bool, Fault | None, int | None]:
    return report.ok, report.fault, report.first_bad


def test_a_sound_ledger_is_said_to_be_sound(ledger: Ledger) -> None:
    report = ledger.verify()
    assert found(report) == (True, None, None)
    assert (report.entries, report.checkpoints, report.root) == (ENTRIES, 1, ledger.head().root)


def test_an_empty_ledger_is_sound(engine: sa.Engine) -> None:
    ledger = a_ledger(engine)
    assert ledger.verify().ok
    ledger.checkpoint()
    assert found(ledger.verify()) == (True, None, None)


COLUMNS = [
    ("ledger_entry", "seq"),
    ("ledger_entry", "kind"),
    ("ledger_entry", "subject"),
    ("ledger_entry", "actor"),
    ("ledger_entry", "at_us"),
    ("ledger_entry", "leaf"),
    ("ledger_node", "level"),
    ("ledger_node", "index"),
    ("ledger_node", "hash"),
    ("ledger_head", "size"),
    ("ledger_head", "root"),
    ("ledger_checkpoint", "size"),
    ("ledger_checkpoint", "signer"),
    ("ledger_checkpoint", "note"),
]
KEYS = {
    "ledger_entry": ["seq"],
    "ledger_node": ["level", "index"],
    "ledger_head": ["id"],
    "ledger_checkpoint": ["size", "signer"],
}


@pytest.mark.parametrize(("table", "column"), COLUMNS)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_byte_that_changes_is_found_and_its_entry_is_named(
    tmp_path_factory: pytest.TempPathFactory, table: str, column: str, data: st.DataObject
) -> None:
    engine = open_sqlite(tmp_path_factory.mktemp("ledger") / "headgate.db")
    metadata.create_all(engine)
    ledger = a_ledger(engine)
    fill(engine, SIGNED)
    ledger.checkpoint()
    fill(engine, ENTRIES - SIGNED)

    keys = KEYS[table]
    with closing(sqlite3.connect(str(engine.url.database))) as reader:
        listed = ", ".join(f'"{key}"' for key in keys)
        cast = f'CAST("{column}" AS BLOB)' if column not in {"seq", "at_us", "level", "index", "size"} else f'"{column}"'
        rows = reader.execute(f"SELECT {listed}, {cast} FROM {table} ORDER BY {listed}").fetchall()
        taken = {row[:-1] for row in rows}
    *key, value = data.draw(st.sampled_from(rows))
    if isinstance(value, int):
        bit = data.draw(st.integers(0, 62))
        changed: Any = value ^ (1 << bit)
        moved = tuple(changed if name == column else part for name, part in zip(keys, key, strict=True))
        if column in keys and moved in taken:
            engine.dispose()
            return  # the database itself refuses two rows of one key
    else:
        at = data.draw(st.integers(0, len(value) - 1))
        changed = value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
    spelled = "CAST(? AS TEXT)" if column in {"kind", "subject", "actor", "signer", "note"} else "?"
    where = " AND ".join(f'"{name}" = ?' for name in keys)
    tamper(engine, (f'UPDATE {table} SET "{column}" = {spelled} WHERE {where}', (changed, *key)))

    report = ledger.verify()
    engine.dispose()
    assert not report.ok
    assert report.what
    match table:
        case "ledger_entry":
            assert report.first_bad == key[0]
        case "ledger_node":
            level, place = key
            completed_by = (place + 1) << level
            assert report.first_bad == completed_by
        case "ledger_head":
            assert report.fault is Fault.HEAD
        case _:
            assert report.fault is Fault.CHECKPOINT


def test_the_first_of_several_bad_entries_is_named(engine: sa.Engine, ledger: Ledger) -> None:
    tamper(
        engine,
        ("UPDATE ledger_entry SET actor = 'stf_9' WHERE seq = 9", ()),
        ("UPDATE ledger_entry SET leaf = x'7b7d' WHERE seq = 4", ()),
        ("UPDATE ledger_head SET root = x'00'", ()),
    )
    report = ledger.verify()
    assert found(report) == (False, Fault.LEAF, 4)
    assert report.entries == 3


def test_a_deleted_entry_is_named(engine: sa.Engine, ledger: Ledger) -> None:
    tamper(engine, ("DELETE FROM ledger_entry WHERE seq = 5", ()))
    assert found(ledger.verify()) == (False, Fault.SEQUENCE, 5)


def test_a_deleted_last_entry_is_named(engine: sa.Engine, ledger: Ledger) -> None:
    tamper(engine, ("DELETE FROM ledger_entry WHERE seq = ?", (ENTRIES,)))
    assert found(ledger.verify()) == (False, Fault.SEQUENCE, ENTRIES)


def test_a_node_too_many_is_found(engine: sa.Engine, ledger: Ledger) -> None:
    tamper(engine, ("INSERT INTO ledger_node (level, \"index\", hash) VALUES (9, 9, x'00')", ()))
    assert found(ledger.verify()) == (False, Fault.NODE, None)


def test_a_head_that_was_taken_away_is_missed(engine: sa.Engine, ledger: Ledger) -> None:
    tamper(engine, ("DELETE FROM ledger_head", ()))
    assert found(ledger.verify()) == (False, Fault.HEAD, None)


def rebuilt(tmp_path: Path, count: int, *, subject: str, checkpoints: list[StoredCheckpoint]) -> sa.Engine:
    """A ledger that is sound in itself, with checkpoints that were signed over another."""
    engine = open_sqlite(tmp_path / "rebuilt.db")
    metadata.create_all(engine)
    fill(engine, count, subject=subject)
    with SqlLedger(engine).writing() as view:
        for each in checkpoints:
            view.save_checkpoint(each)
    return engine


def kept(engine: sa.Engine) -> list[StoredCheckpoint]:
    with SqlLedger(engine).reading() as view:
        return view.checkpoints()


def test_a_tail_cut_off_with_all_its_traces_is_found_by_the_checkpoint(tmp_path: Path, engine: sa.Engine, ledger: Ledger) -> None:
    other = rebuilt(tmp_path, SIGNED - 1, subject="rel_1", checkpoints=kept(engine))
    assert found(a_ledger(other).verify()) == (False, Fault.TRUNCATED, SIGNED)
    other.dispose()


def test_a_history_rewritten_whole_is_found_by_the_checkpoint(tmp_path: Path, engine: sa.Engine, ledger: Ledger) -> None:
    other = rebuilt(tmp_path, ENTRIES, subject="rel_2", checkpoints=kept(engine))
    assert found(a_ledger(other).verify()) == (False, Fault.REPLACED, None)
    other.dispose()


def test_a_history_rewritten_with_its_checkpoints_is_found_by_a_witness(tmp_path: Path, ledger: Ledger) -> None:
    other = rebuilt(tmp_path, ENTRIES, subject="rel_2", checkpoints=[])
    witnessed = ledger.checkpoint()
    assert a_ledger(other).verify().ok
    assert found(a_ledger(other).verify(witnessed=[witnessed])) == (False, Fault.REPLACED, None)
    assert ledger.verify(witnessed=[witnessed]).checkpoints == 3
    other.dispose()


def test_a_witness_whose_signature_is_unknown_proves_nothing(ledger: Ledger) -> None:
    forged = checkpoint.sign(ledger.head(), Signer.from_seed(SIGNER.name, bytes(32)))
    assert found(ledger.verify(witnessed=[forged])) == (False, Fault.CHECKPOINT, None)


def test_checkpoints_of_a_retired_key_stay_good(engine: sa.Engine, ledger: Ledger) -> None:
    successor = Signer.from_seed(SIGNER.name, b"2" * 32)
    untrusting = Ledger(SqlLedger(engine), FixedClock(NOON), successor)
    assert found(untrusting.verify()) == (False, Fault.CHECKPOINT, None)
    trusting = Ledger(SqlLedger(engine), FixedClock(NOON), successor, retired=[SIGNER.verifier])
    ledger.checkpoint()
    trusting.checkpoint()
    assert trusting.verify().checkpoints == 3


def test_a_head_is_signed_once(engine: sa.Engine, ledger: Ledger) -> None:
    first = ledger.checkpoint()
    assert ledger.checkpoint() == first == ledger.latest_checkpoint()
    assert len(kept(engine)) == 2
    assert checkpoint.opened(first, [ledger.key])[0] == ledger.head()


def test_before_anything_is_signed_there_is_no_checkpoint(engine: sa.Engine) -> None:
    assert a_ledger(engine).latest_checkpoint() is None


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
def test_every_entry_is_proved_in_every_tree_that_holds_it(ledger: Ledger, seq: int) -> None:
    for size in range(seq, ENTRIES + 1):
        proof = ledger.prove(seq, size=size)
        assert merkle.verify_inclusion(merkle.leaf_hash(proof.leaf), seq - 1, size, proof.path, proof.head.root)


def test_the_ledger_is_proved_to_have_only_grown(ledger: Ledger) -> None:
    for first in range(ENTRIES + 1):
        proof = ledger.consistency(first)
        assert merkle.verify_consistency(first, ENTRIES, proof.path, proof.first.root, proof.second.root)
        assert proof.second == ledger.head()


def test_what_never_was_is_not_proved(ledger: Ledger) -> None:
    for seq in (0, -1, ENTRIES + 1):
        with pytest.raises(EntryNotFound):
            ledger.prove(seq)
    for size in (0, 2, -1, ENTRIES + 1):
        with pytest.raises(NoSuchTree):
            ledger.prove(3, size=size)
    for first, second in ((4, 3), (-1, None), (1, ENTRIES + 1), (ENTRIES + 1, None)):
        with pytest.raises(NoSuchTree):
            ledger.consistency(first, second)


def test_an_entry_is_shown(ledger: Ledger) -> None:
    assert ledger.entry(2).entry.body == {"number": 1, "ł": "ź"}
    assert [recorded.seq for recorded in ledger.search(subject="rel_1", after=9)] == [10, 11]
    with pytest.raises(EntryNotFound):
        ledger.entry(99)


@pytest.mark.parametrize("after", [0, 4, ENTRIES])
def test_a_copy_can_be_checked_line_by_line_without_the_ledger(ledger: Ledger, after: int) -> None:
    manifest, *lines = [json.loads(line) for line in ledger.export(after=after)]
    signed, _ = checkpoint.opened(manifest["checkpoint"], [ledger.key])
    assert manifest["exported_at"] == NOON.isoformat()
    assert [line["seq"] for line in lines] == list(range(after + 1, ENTRIES + 1))
    for line in lines:
        path = [base64.b64decode(value) for value in line["path"]]
        assert merkle.verify_inclusion(merkle.leaf_hash(line["leaf"].encode()), line["seq"] - 1, signed.size, path, signed.root)
        assert json.loads(line["leaf"])["seq"] == line["seq"]
