"""Indexes for finding: entries of the ledger by who and when, accounts by how they stand. Drafts of plans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ledger_entry_by_actor", "ledger_entry", ["actor", "kind", "seq"], unique=False)
    op.create_index("ledger_entry_by_time", "ledger_entry", ["at_us", "seq"], unique=False)
    op.create_index("access_account_by_state", "access_account", ["state", "id"], unique=False)
    op.create_table(
        "releases_draft",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("releases_draft_by_author", "releases_draft", ["by", "at_us"], unique=False)
    op.create_index("releases_draft_by_time", "releases_draft", ["at_us"], unique=False)
