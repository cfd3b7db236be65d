"""The ledger's tables, and the triggers that refuse to change the past."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import event

metadata = sa.MetaData()

_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

entries = sa.Table(
    "ledger_entry",
    metadata,
    sa.Column("seq", _Whole, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Index("ledger_entry_by_subject", "subject", "seq"),
    sa.Index("ledger_entry_by_kind", "kind", "seq"),
    sa.Index("ledger_entry_by_actor", "actor", "kind", "seq"),
    sa.Index("ledger_entry_by_time", "at_us", "seq"),
    sqlite_strict=True,
)
"""One row an entry. ``leaf`` holds the exact bytes that were hashed, body included; the other columns are for finding it."""

nodes = sa.Table(
    "ledger_node",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("index", _Whole, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The hash of every complete subtree, leaves included."""

heads = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("size", _Whole, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""One row: how many entries there are, and the root over them."""

checkpoints = sa.Table(
    "ledger_checkpoint",
    metadata,
    sa.Column("size", _Whole, primary_key=True, autoincrement=False),
    sa.Column("signer", sa.Text, primary_key=True),
    sa.Column("note", sa.Text, nullable=False),
    sqlite_strict=True,
)
"""Signed heads, one for each size and signer; ``signer`` is the key's name and hash."""

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"

SQLITE_TRIGGERS: tuple[str, ...] = (
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_keeps_{verb.lower()} BEFORE {verb} ON {table} {_REFUSE}"
        for table in (entries.name, nodes.name, checkpoints.name)
        for verb in ("UPDATE", "DELETE")
    ),
    f"CREATE TRIGGER IF NOT EXISTS {heads.name}_keeps_delete BEFORE DELETE ON {heads.name} {_REFUSE}",
    f"CREATE TRIGGER IF NOT EXISTS {heads.name}_only_grows BEFORE UPDATE ON {heads.name} WHEN NEW.size <= OLD.size {_REFUSE}",
)
"""What refuses to change the past, for a migration to run; ``metadata.create_all`` runs them too."""


@event.listens_for(metadata, "after_create")
def _guard(_target: sa.MetaData, connection: sa.Connection, **_options: object) -> None:
    if connection.dialect.name == "sqlite":
        for trigger in SQLITE_TRIGGERS:
            connection.exec_driver_sql(trigger)
