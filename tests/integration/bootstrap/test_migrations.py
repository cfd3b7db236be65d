"""The schema that an installation gets is the schema that the stores declare."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.adapters.database import open_sqlite
from headgate.migrations import TABLES, SchemaTooNew, upgrade

if TYPE_CHECKING:
    from pathlib import Path


def shape(path: Path) -> dict[str, str]:
    """Return every table, index and trigger as SQL, spelt one way."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: re.sub(r"[\s\"]+", "", sql).lower() for name, sql in rows if "alembic" not in name}


def test_a_new_installation_has_exactly_the_tables_that_the_stores_declare(tmp_path: Path) -> None:
    migrated, declared = open_sqlite(tmp_path / "migrated.sqlite"), open_sqlite(tmp_path / "declared.sqlite")
    upgrade(migrated)
    for metadata in TABLES:
        metadata.create_all(declared)
    migrated.dispose()
    declared.dispose()
    assert shape(tmp_path / "migrated.sqlite") == shape(tmp_path / "declared.sqlite")


def test_bringing_up_to_date_twice_changes_nothing(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "twice.sqlite")
    upgrade(engine)
    before = shape(tmp_path / "twice.sqlite")
    upgrade(engine)
    engine.dispose()
    assert shape(tmp_path / "twice.sqlite") == before


def test_a_directory_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "newer.sqlite")
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew):
        upgrade(engine)
    engine.dispose()
