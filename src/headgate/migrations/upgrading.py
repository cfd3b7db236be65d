"""Bringing a schema up to date, in one transaction, by the revisions in ``versions``.

Run as ``python -m headgate.migrations.upgrading FILE``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from headgate.adapters.database import open_sqlite

if TYPE_CHECKING:
    import sqlalchemy as sa


def upgrade(engine: sa.Engine) -> None:
    """Carry out every revision that the database lacks."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def main(file: str) -> int:
    """Bring one file up to date; return the exit code, and say on standard error what stood in the way."""
    try:
        upgrade(open_sqlite(Path(file)))
    except DBAPIError as problem:
        sys.stderr.write(f"{problem.orig}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
