"""The schema that an installation gets is the schema that the stores declare."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.adapters.database import open_sqlite
from headgate.migrations import VERSIONS, SchemaNotUpgraded, SchemaTooNew, bring_up_to_date, version_of
from headgate.migrations.tables import TABLES

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
    bring_up_to_date(migrated, tmp_path / "migrated.sqlite")
    for metadata in TABLES:
        metadata.create_all(declared)
    migrated.dispose()
    declared.dispose()
    assert shape(tmp_path / "migrated.sqlite") == shape(tmp_path / "declared.sqlite")


def test_the_newest_version_is_the_one_that_is_carried_out(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "new.sqlite")
    assert version_of(engine) is None
    bring_up_to_date(engine, tmp_path / "new.sqlite")
    assert version_of(engine) == VERSIONS[-1]
    engine.dispose()


def test_bringing_up_to_date_twice_changes_nothing(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "twice.sqlite")
    bring_up_to_date(engine, tmp_path / "twice.sqlite")
    before = shape(tmp_path / "twice.sqlite")
    bring_up_to_date(engine, tmp_path / "twice.sqlite")
    engine.dispose()
    assert shape(tmp_path / "twice.sqlite") == before


def test_a_directory_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "newer.sqlite")
    bring_up_to_date(engine, tmp_path / "newer.sqlite")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew):
        bring_up_to_date(engine, tmp_path / "newer.sqlite")
    engine.dispose()


def test_an_upgrade_that_fails_says_so_and_changes_nothing(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "half.sqlite")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE releases_release (in_the_way INTEGER)"))
    before = shape(tmp_path / "half.sqlite")
    with pytest.raises(SchemaNotUpgraded, match="releases_release"):
        bring_up_to_date(engine, tmp_path / "half.sqlite")
    engine.dispose()
    assert shape(tmp_path / "half.sqlite") == before
