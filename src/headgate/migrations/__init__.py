"""The schema of the system of record, version by version.

Each subject declares its tables in its own ``store``; ``tables`` lists them all, and a test holds the newest version against
them. An installation is brought up to date before it serves; one that is newer than this Headgate is refused. There is no
way back down: a schema that lost a column would have lost evidence.

Asking whether a schema is up to date is cheap and happens at every start. Bringing it up to date is rare, and the tools for
it are slow to load, so it is done by a process of its own (``headgate.migrations.upgrading``).
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("0001", "0002", "0003", "0004", "0007", "0008", "0006", "0009", "0010", "0011", "0012")
"""Every version of the schema, oldest first."""

_DONE = 0


class SchemaTooNew(Unavailable):
    """The data directory was written by a newer Headgate."""

    code = "schema.too_new"


class SchemaNotUpgraded(Unavailable):
    """The schema could not be brought up to date; nothing was changed."""

    code = "schema.not_upgraded"


def version_of(engine: sa.Engine) -> str | None:
    """Return the schema's version; ``None`` for an empty database.

    Raises:
        SchemaTooNew: This Headgate does not know it.
    """
    with engine.execution_options(read_only=True).connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if version is not None and version not in VERSIONS:
        raise SchemaTooNew("This data directory was written by a newer Headgate.", help="Install that version, or a newer one.")
    return version


def bring_up_to_date(engine: sa.Engine, path: Path) -> None:
    """Bring the schema of the SQLite file at ``path`` up to date; two processes that start together wait for each other.

    Args:
        engine: The same database.
        path: Its file.

    Raises:
        SchemaTooNew: This Headgate does not know its version.
        SchemaNotUpgraded: The upgrade failed.
    """
    if version_of(engine) == VERSIONS[-1]:
        return
    engine.dispose()
    upgrade = [sys.executable, "-m", "headgate.migrations.upgrading", str(path)]
    done = subprocess.run(upgrade, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode != _DONE:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise SchemaNotUpgraded(
            f"The schema could not be brought up to date: {last[0]}", help="Look at the disk, then try again."
        )
