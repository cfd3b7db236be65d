"""The index of items by who holds them is of those that somebody holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_HELD = sa.text("claimed_by IS NOT NULL")


def upgrade() -> None:
    op.drop_index("safety_item_by_holder", "safety_item")
    op.create_index(
        "safety_item_by_holder", "safety_item", ["claimed_by"], unique=False, sqlite_where=_HELD, postgresql_where=_HELD
    )
