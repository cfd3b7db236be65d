"""Evidence's own tables."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

readings = sa.Table(
    "evidence_reading",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Index("evidence_reading_by_epoch", "epoch", "at_us"),
    sqlite_strict=True,
)
"""One row a reading that a decision rests on; ``inputs`` and ``result`` are canonical JSON, and ``digest`` covers both."""

alarms = sa.Table(
    "evidence_alarm",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("tripwire", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("began_at_us", _Whole, nullable=False),
    sa.Column("raised", sa.Text, sa.ForeignKey("evidence_reading.digest"), nullable=True),
    sqlite_strict=True,
)
"""One row an alarm: the rule that it began with, and the reading that raised it, if one has."""

records = sa.Table(
    "evidence_record",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("suite", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("recorded_at_us", _Whole, nullable=False),
    sa.Column("successor", sa.Text, sa.ForeignKey("evidence_record.id"), nullable=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("revision", _Whole, nullable=False),
    sa.Column("expires_at_us", _Whole, nullable=True),
    sa.Column("is_final", _Whole, nullable=True),
    sa.UniqueConstraint("sha256", "part"),
    sa.Index("evidence_record_by_suite", "kind", "suite", "recorded_at_us"),
    sa.Index("evidence_record_by_release", "release_id", "recorded_at_us"),
    sa.Index("evidence_record_by_time", "recorded_at_us", "id"),
    sqlite_strict=True,
)
"""One row a filed record; ``document`` is canonical JSON of the whole of it, the other columns are for looking it up."""

forecasts = sa.Table(
    "evidence_forecast",
    metadata,
    sa.Column("id", _Whole, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("hazard", sa.Text, nullable=False),
    sa.Column("below", sa.Float, nullable=False),
    sa.Column("alpha", sa.Float, nullable=False),
    sa.Column("reading", sa.Text, sa.ForeignKey("evidence_reading.digest"), nullable=False),
    sa.Column("made_at_us", _Whole, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("labels", _Whole, nullable=False),
    sa.Column("harms", _Whole, nullable=False),
    sa.Column("upper_bound", sa.Float, nullable=False),
    sa.Column("level", sa.Float, nullable=False),
    sa.Column("to_go", _Whole, nullable=True),
    sa.Column("expected_at_us", _Whole, nullable=True),
    sa.Index("evidence_forecast_by_epoch", "epoch", "hazard", "made_at_us"),
)
"""One row a prediction, with the reading that it was made from."""
