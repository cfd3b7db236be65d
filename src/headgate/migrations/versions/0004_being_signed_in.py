"""Links that sign staff in once, and the sessions of browsers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_US = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "access_link",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_us", _US, nullable=False),
        sa.Column("expires_at_us", _US, nullable=False),
        sa.Column("used_at_us", _US, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["access_staff.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "access_session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("signed_in_by", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("earlier_digest", sa.LargeBinary(), nullable=True),
        sa.Column("began_at_us", _US, nullable=False),
        sa.Column("seen_at_us", _US, nullable=False),
        sa.Column("renewed_at_us", _US, nullable=False),
        sa.Column("verified_at_us", _US, nullable=False),
        sa.Column("ends_at_us", _US, nullable=False),
        sa.Column("ended_at_us", _US, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["access_staff.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("access_session_by_staff", "access_session", ["staff_id", "ended_at_us"], unique=False)
