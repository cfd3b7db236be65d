"""What was put before each reviewer, and what evidence and opinions are looked up by."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None

_US = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SECOND_US = 1_000_000


def upgrade() -> None:
    op.create_table(
        "safety_sight",
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("shown_at_us", _US, autoincrement=False, nullable=False),
        sa.Column("exchange_id", sa.Text(), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("hazard", sa.Text(), nullable=True),
        sa.Column("ended_at_us", _US, nullable=True),
        sa.PrimaryKeyConstraint("reviewer", "shown_at_us", "exchange_id"),
    )
    op.create_index("safety_opinion_by_time", "safety_opinion", ["at_us"], unique=False)
    op.add_column("evidence_record", sa.Column("expires_at_us", _US, nullable=True))
    op.add_column("evidence_record", sa.Column("is_final", _US, nullable=True))
    op.create_index("evidence_record_by_time", "evidence_record", ["recorded_at_us", "id"], unique=False)
    _look_up_what_is_filed()


def _look_up_what_is_filed() -> None:
    """Fill the columns of records that were filed before they were there; the document has always said both."""
    connection = op.get_bind()
    record = sa.table(
        "evidence_record", sa.column("id"), sa.column("document"), sa.column("expires_at_us"), sa.column("is_final")
    )
    for row in connection.execute(sa.select(record.c.id, record.c.document)).all():
        filed: dict[str, Any] = json.loads(row.document)
        finding = filed["record"]["finding"]
        expires = datetime.fromisoformat(finding["expires_at"])
        final = finding["status"] == "final" or filed.get("finalised") is not None
        connection.execute(
            sa.update(record)
            .where(record.c.id == row.id)
            .values(expires_at_us=round(expires.timestamp() * _SECOND_US), is_final=int(final))
        )
