"""The schema of the system of record, version by version.

Each subject declares its tables in its own ``store``; ``TABLES`` lists them all, and a test holds the newest version against
them. An installation is brought up to date before it serves; one that is newer than this Headgate is refused. There is no
way back down: a schema that lost a column would have lost evidence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from headgate.kernel.errors import Unavailable
from headgate.migrations.tables import TABLES

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["TABLES", "SchemaTooNew", "upgrade"]


class SchemaTooNew(Unavailable):
    """The data directory was written by a newer Headgate."""

    code = "schema.too_new"


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema up to date, in one transaction; two processes that start together wait for each other.

    Raises:
        SchemaTooNew: The schema has a version that this Headgate does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        present = MigrationContext.configure(connection).get_current_heads()
        if not known.issuperset(present):
            raise SchemaTooNew(
                "This data directory was written by a newer Headgate.", help="Install that version, or a newer one."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
