"""What readings are kept up to date by: standings by their last change, and what was counted under each epoch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WRITTEN = "of its epoch, when the row was written first"


def upgrade() -> None:
    op.create_index("safety_standing_by_change", "safety_standing", ["epoch", "hazard", "label_seq"], unique=False)
    op.add_column("traffic_daily", sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0", comment=_WRITTEN))
    op.create_index("traffic_daily_by_turn", "traffic_daily", ["epoch", "turn"], unique=False)
    op.create_table(
        "traffic_counted",
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("exchanges", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False, comment="how often something was counted"),
        sa.PrimaryKeyConstraint("epoch"),
    )
    op.execute(
        "INSERT INTO traffic_counted (epoch, exchanges, tokens, first_us, last_us, turn)"
        " SELECT epoch, SUM(exchanges), SUM(tokens), MIN(first_us), MAX(last_us), 0 FROM traffic_daily GROUP BY epoch"
    )
