"""Passkeys, accounts at providers, attempts to prove who one is, and what signed in to a session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0008"
branch_labels = None
depends_on = None

_US = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("access_session", sa.Column("browser", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "access_passkey",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", _US, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at_us", _US, nullable=False),
        sa.Column("last_used_at_us", _US, nullable=True),
        sa.Column("removed_at_us", _US, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["access_staff.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("access_passkey_by_credential", "access_passkey", ["credential_id"], unique=True)
    op.create_index("access_passkey_by_staff", "access_passkey", ["staff_id", "removed_at_us"], unique=False)
    op.create_table(
        "access_identity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("linked_at_us", _US, nullable=False),
        sa.Column("last_used_at_us", _US, nullable=True),
        sa.Column("removed_at_us", _US, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["access_staff.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "access_identity_one_owner",
        "access_identity",
        ["issuer", "subject"],
        unique=True,
        sqlite_where=sa.text("removed_at_us IS NULL"),
        postgresql_where=sa.text("removed_at_us IS NULL"),
    )
    op.create_index("access_identity_by_staff", "access_identity", ["staff_id", "removed_at_us"], unique=False)
    op.create_table(
        "access_attempt",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("to_path", sa.Text(), nullable=False),
        sa.Column("created_at_us", _US, nullable=False),
        sa.Column("expires_at_us", _US, nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["access_session.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("access_attempt_by_end", "access_attempt", ["expires_at_us"], unique=False)
