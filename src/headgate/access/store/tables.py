"""The tables of access. Instants are whole microseconds since 1970; enums are their text values."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

_Us = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

organisations = sa.Table(
    "access_organisation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_strict=True,
)

accounts = sa.Table(
    "access_account",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email_hash", sa.LargeBinary),
    sa.Column("organisation_id", sa.Text, sa.ForeignKey("access_organisation.id")),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("simulated", sa.Integer, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index("access_account_by_email", "email_hash"),
    sa.Index("access_account_by_organisation", "organisation_id", "id"),
    sa.Index("access_account_by_state", "state", "id"),
    sqlite_strict=True,
)

declarations = sa.Table(
    "access_declaration",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("access_account.id"), primary_key=True),
    sa.Column("country", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("region", sa.Text),
    sa.Column("use_case", sa.Text),
    sqlite_strict=True,
)
"""Apart from the accounts: evidence reads it, and no decision about access does."""

cohorts = sa.Table(
    "access_cohort",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seats", sa.Integer),
    sa.Column("terms_version", sa.Text),
    sa.Column("terms_url", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_strict=True,
)

grants = sa.Table(
    "access_grant",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, sa.ForeignKey("access_account.id"), nullable=False),
    sa.Column("cohort", sa.Text, sa.ForeignKey("access_cohort.name"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("terms_version", sa.Text),
    sa.Column("terms_due_at_us", _Us),
    sa.Column("limited_to_percent", sa.Integer, nullable=False),
    sa.Column("starts_at_us", _Us, nullable=False),
    sa.Column("ends_at_us", _Us, nullable=False),
    sa.Column("simulated", sa.Integer, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_strict=True,
)
_OPEN = grants.c.state != sa.text("'ended'")
sa.Index(
    "access_grant_one_open",
    grants.c.account_id,
    grants.c.cohort,
    unique=True,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)
"""One open seat for each account and cohort, whatever the code above believes."""
sa.Index("access_grant_seats", grants.c.cohort, grants.c.ends_at_us, sqlite_where=_OPEN, postgresql_where=_OPEN)
sa.Index("access_grant_by_account", grants.c.account_id, grants.c.id)
sa.Index("access_grant_by_end", grants.c.ends_at_us, sqlite_where=_OPEN, postgresql_where=_OPEN)

keys = sa.Table(
    "access_key",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("grant_id", sa.Text, sa.ForeignKey("access_grant.id"), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("networks", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("expires_at_us", _Us, nullable=False),
    sa.Column("retires_at_us", _Us),
    sa.Column("replaced_by", sa.Text),
    sa.Column("last_used_at_us", _Us),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("use", sa.Text, nullable=False, server_default="api"),
    sa.Index("access_key_by_grant", "grant_id", "id"),
    sa.Index("access_key_by_state", "state", "expires_at_us"),
    sqlite_strict=True,
)

staff = sa.Table(
    "access_staff",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("token_digest", sa.LargeBinary, nullable=False),
    sa.Column("token_expires_at_us", _Us, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_strict=True,
)

links = sa.Table(
    "access_link",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("staff_id", sa.Text, sa.ForeignKey("access_staff.id"), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("expires_at_us", _Us, nullable=False),
    sa.Column("used_at_us", _Us),
    sa.Column("revision", sa.Integer, nullable=False),
    sqlite_strict=True,
)

sessions = sa.Table(
    "access_session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("staff_id", sa.Text, sa.ForeignKey("access_staff.id"), nullable=False),
    sa.Column("signed_in_by", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("earlier_digest", sa.LargeBinary),
    sa.Column("began_at_us", _Us, nullable=False),
    sa.Column("seen_at_us", _Us, nullable=False),
    sa.Column("renewed_at_us", _Us, nullable=False),
    sa.Column("verified_at_us", _Us, nullable=False),
    sa.Column("ends_at_us", _Us, nullable=False),
    sa.Column("ended_at_us", _Us),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("browser", sa.Text, nullable=False, server_default=""),
    sa.Column("passkey_id", sa.Text),
    sa.Index("access_session_by_staff", "staff_id", "ended_at_us"),
    sqlite_strict=True,
)

passkeys = sa.Table(
    "access_passkey",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("staff_id", sa.Text, sa.ForeignKey("access_staff.id"), nullable=False),
    sa.Column("credential_id", sa.LargeBinary, nullable=False),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("sign_count", _Us, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("last_used_at_us", _Us),
    sa.Column("removed_at_us", _Us),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index("access_passkey_by_credential", "credential_id", unique=True),
    sa.Index("access_passkey_by_staff", "staff_id", "removed_at_us"),
    sqlite_strict=True,
)

identities = sa.Table(
    "access_identity",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("staff_id", sa.Text, sa.ForeignKey("access_staff.id"), nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("linked_at_us", _Us, nullable=False),
    sa.Column("last_used_at_us", _Us),
    sa.Column("removed_at_us", _Us),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index(
        "access_identity_one_owner",
        "issuer",
        "subject",
        unique=True,
        sqlite_where=sa.text("removed_at_us IS NULL"),
        postgresql_where=sa.text("removed_at_us IS NULL"),
    ),
    sa.Index("access_identity_by_staff", "staff_id", "removed_at_us"),
    sqlite_strict=True,
)

attempts = sa.Table(
    "access_attempt",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("session_id", sa.Text, sa.ForeignKey("access_session.id")),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("challenge", sa.LargeBinary, nullable=False),
    sa.Column("to_path", sa.Text, nullable=False),
    sa.Column("created_at_us", _Us, nullable=False),
    sa.Column("expires_at_us", _Us, nullable=False),
    sa.Index("access_attempt_by_end", "expires_at_us"),
    sqlite_strict=True,
)
