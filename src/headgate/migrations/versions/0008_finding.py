"""Indexes for finding: entries of the ledger by who and when, accounts by how they stand."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ledger_entry_by_actor", "ledger_entry", ["actor", "kind", "seq"], unique=False)
    op.create_index("ledger_entry_by_time", "ledger_entry", ["at_us", "seq"], unique=False)
    op.create_index("access_account_by_state", "access_account", ["state", "id"], unique=False)
