"""What evidence is made of beside labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


WHO_CAME = """
INSERT INTO safety_newcomer (epoch, account_id, position, at_us, last, exchanges, labels, pi0)
SELECT c.epoch, c.account_id, c.position, c.at_us, MAX(d.position), COUNT(*),
    SUM(CASE WHEN d.sampled THEN 1 ELSE 0 END), MIN(d.pi0)
FROM (
    SELECT f.epoch, f.account_id, f.position, b.at_us
    FROM (SELECT epoch, account_id, MIN(position) AS position FROM safety_draw GROUP BY epoch, account_id) AS f
    JOIN safety_batch AS b ON b.epoch = f.epoch AND f.position BETWEEN b.first AND b.last
) AS c
JOIN safety_draw AS d ON d.epoch = c.epoch AND d.account_id = c.account_id
JOIN safety_batch AS w ON w.epoch = d.epoch AND d.position BETWEEN w.first AND w.last
WHERE w.at_us < c.at_us + 604800000000
GROUP BY c.epoch, c.account_id, c.position, c.at_us
"""
"""Who came when, from draws that were recorded before anybody noted it; first days are seven."""


def upgrade() -> None:
    _people()
    op.create_index("safety_draw_by_account", "safety_draw", ["epoch", "account_id", "position"], unique=False)
    _golds()
    _filed()
    _forecasts()


def _people() -> None:
    """Kinds of harm that no plan lists, and who came when; those who came before are entered from their draws."""
    op.add_column("safety_opinion", sa.Column("kind", sa.Text(), nullable=True))
    op.add_column("safety_correction", sa.Column("kind", sa.Text(), nullable=True))
    op.create_table(
        "safety_newcomer",
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("last", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("exchanges", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("labels", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pi0", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "account_id"),
    )
    op.create_index("safety_newcomer_by_position", "safety_newcomer", ["epoch", "position"], unique=False)
    op.create_table(
        "access_declaration",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("use_case", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["access_account.id"]),
        sa.PrimaryKeyConstraint("account_id"),
        sqlite_strict=True,
    )
    op.execute(WHO_CAME)


def _golds() -> None:
    """Known harms that measure the readers, and where they were shown."""
    op.create_table(
        "safety_gold",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("signals", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("retired_at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "safety_gold_shown",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("gold", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("shown_at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("item"),
        sa.UniqueConstraint("epoch", "gold"),
        sa.ForeignKeyConstraint(["item"], ["safety_item.exchange_id"]),
        sa.ForeignKeyConstraint(["gold"], ["safety_gold.id"]),
    )
    op.create_index("safety_gold_shown_by_gold", "safety_gold_shown", ["gold"], unique=False)
    op.create_index("safety_item_by_epoch", "safety_item", ["epoch", "drawn_at_us"], unique=False)


def _filed() -> None:
    """Records that were filed, each with all that was done to it."""
    op.create_table(
        "evidence_record",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256", "part"),
        sa.ForeignKeyConstraint(["successor"], ["evidence_record.id"]),
        sqlite_strict=True,
    )
    op.create_index("evidence_record_by_suite", "evidence_record", ["kind", "suite", "recorded_at_us"], unique=False)
    op.create_index("evidence_record_by_release", "evidence_record", ["release_id", "recorded_at_us"], unique=False)


def _forecasts() -> None:
    """What readings predicted, to be scored against what came."""
    op.create_table(
        "evidence_forecast",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("hazard", sa.Text(), nullable=False),
        sa.Column("below", sa.Float(), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.Column("made_at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("labels", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("harms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("upper_bound", sa.Float(), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("to_go", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("expected_at_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["reading"], ["evidence_reading.digest"]),
    )
    op.create_index("evidence_forecast_by_epoch", "evidence_forecast", ["epoch", "hazard", "made_at_us"], unique=False)
