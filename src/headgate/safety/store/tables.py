"""Where safety keeps what it knows.

A draw is written once and its coin once. What changes often (an item's claim, a hazard's standing) has a table of its own with
one row for each *sampled* draw, so that a claim about a million exchanges reads only the sample's rows. The floor's runs are kept
as they begin; nothing has to count draws.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

epochs = sa.Table(
    "safety_epoch",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("hazards", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("commitment", sa.Text, nullable=False),
    sa.Column("committed_at_us", _Whole, nullable=False),
    sa.Column("closed_at_us", _Whole),
    sa.Column("revealed_at_us", _Whole),
    sa.Column("pi0", sa.Float),
    sa.Column("position", _Whole, nullable=False),
    sa.Column("tossed", _Whole, nullable=False),
    sa.Column("label_seq", _Whole, nullable=False),
)
"""``position`` and ``tossed``: the last draw and the last one with a coin."""

seeds = sa.Table(
    "safety_seed",
    metadata,
    sa.Column("epoch", sa.Text, sa.ForeignKey("safety_epoch.epoch"), primary_key=True),
    sa.Column("seed", sa.LargeBinary, nullable=False),
)
"""Apart from the epochs, so that a database can hide it from everybody who only reads numbers."""

runs = sa.Table(
    "safety_run",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("first", _Whole, primary_key=True, autoincrement=False),
    sa.Column("pi0", sa.Float, nullable=False),
)
"""Where each run of equal floor begins."""

batches = sa.Table(
    "safety_batch",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("first", _Whole, primary_key=True, autoincrement=False),
    sa.Column("last", _Whole, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("ledger_seq", _Whole, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Index("safety_batch_by_time", "epoch", "at_us", "last"),
)
"""``at_us`` never goes back within an epoch, whatever the clock does."""

draws = sa.Table(
    "safety_draw",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("position", _Whole, primary_key=True, autoincrement=False),
    sa.Column("exchange_id", sa.Text, nullable=False, unique=True),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("score", sa.Float),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("pi0", sa.Float, nullable=False),
    sa.Column("pi", sa.Float, nullable=False),
    sa.Column("sampled", sa.Boolean),
    sa.Index("safety_draw_by_account", "epoch", "account_id", "position"),
)

newcomers = sa.Table(
    "safety_newcomer",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("position", _Whole, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("last", _Whole, nullable=False),
    sa.Column("exchanges", _Whole, nullable=False),
    sa.Column("labels", _Whole, nullable=False),
    sa.Column("pi0", sa.Float, nullable=False),
    sa.Index("safety_newcomer_by_position", "epoch", "position"),
)
"""One row for each account of an epoch, in the order of their first draws: what was drawn of them in their first days. ``at_us``
is when the first draw was recorded; ``last``, ``exchanges`` and ``pi0`` no longer move once the first days are over, nor does
``labels``, how many of those draws were sent to review, once their coins are tossed."""

signals = sa.Table(
    "safety_signal",
    metadata,
    sa.Column("exchange_id", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hazard", sa.Text, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("detector", sa.Text, nullable=False),
    sa.Column("rule_id", sa.Text, nullable=False),
    sa.Column("flags", sa.Boolean, nullable=False),
    sa.Column("blocks", sa.Boolean, nullable=False),
)

collector = sa.Table(
    "safety_collector",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("cursor", sa.Text),
    sa.Column("revision", _Whole, nullable=False),
    sa.Column("last_at_us", _Whole),
    sa.Column("healthy_at_us", _Whole),
    sa.Column("drawn", _Whole, nullable=False),
    sa.Column("unscored", _Whole, nullable=False),
    sa.Column("errors", _Whole, nullable=False),
    sa.Column("lag_us", _Whole),
    sa.Column("last_error", sa.Text),
)

_HELD = sa.text("claimed_by IS NOT NULL")
"""Few items are: an index of the others would be taken for one that tells nothing apart."""

items = sa.Table(
    "safety_item",
    metadata,
    sa.Column("exchange_id", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("position", _Whole, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("drawn_at_us", _Whole, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("twice", sa.Boolean, nullable=False),
    sa.Column("wanted", sa.Integer, nullable=False),
    sa.Column("given", sa.Integer, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_until_us", _Whole),
    sa.Column("revision", _Whole, nullable=False),
    sa.Index("safety_item_queue", "is_open", "drawn_at_us", "epoch", "position"),
    sa.Index("safety_item_by_holder", "claimed_by", sqlite_where=_HELD, postgresql_where=_HELD),
    sa.Index("safety_item_by_epoch", "epoch", "drawn_at_us"),
)

opinions = sa.Table(
    "safety_opinion",
    metadata,
    sa.Column("exchange_id", sa.Text, sa.ForeignKey("safety_item.exchange_id"), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("harms", sa.Text),
    sa.Column("severity", sa.Text),
    sa.Column("confidence", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("withdrawn_at_us", _Whole),
    sa.Column("kind", sa.Text),
    sa.Index("safety_opinion_by_reviewer", "reviewer", "at_us"),
    sa.Index("safety_opinion_by_time", "at_us"),
)

corrections = sa.Table(
    "safety_correction",
    metadata,
    sa.Column("exchange_id", sa.Text, sa.ForeignKey("safety_item.exchange_id"), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("corrected_by", sa.Text, nullable=False),
    sa.Column("harms", sa.Text, nullable=False),
    sa.Column("severity", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at_us", _Whole, nullable=False),
    sa.Column("kind", sa.Text),
)

skips = sa.Table(
    "safety_skip",
    metadata,
    sa.Column("exchange_id", sa.Text, sa.ForeignKey("safety_item.exchange_id"), primary_key=True),
    sa.Column("reviewer", sa.Text, primary_key=True),
    sa.Column("at_us", _Whole, nullable=False),
)

sights = sa.Table(
    "safety_sight",
    metadata,
    sa.Column("reviewer", sa.Text, primary_key=True),
    sa.Column("shown_at_us", _Whole, primary_key=True, autoincrement=False),
    sa.Column("exchange_id", sa.Text, primary_key=True),
    sa.Column("hard", sa.Boolean, nullable=False),
    sa.Column("hazard", sa.Text),
    sa.Column("ended_at_us", _Whole),
)
"""What was put before each reader of late; ``hard``: it was flagged, or they found harm."""

standings = sa.Table(
    "safety_standing",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("hazard", sa.Text, primary_key=True),
    sa.Column("position", _Whole, primary_key=True, autoincrement=False),
    sa.Column("exchange_id", sa.Text, nullable=False),
    sa.Column("standing", sa.Text, nullable=False),
    sa.Column("pi", sa.Float, nullable=False),
    sa.Column("pi0", sa.Float, nullable=False),
    sa.Column("drawn_at_us", _Whole, nullable=False),
    sa.Column("label_seq", _Whole),
    sa.Column("settled_at_us", _Whole),
    sa.Index("safety_standing_by_state", "epoch", "hazard", "standing", "position"),
    sa.Index("safety_standing_by_item", "exchange_id"),
    sa.Index("safety_standing_by_change", "epoch", "hazard", "label_seq"),
)
"""One row for each sampled draw and hazard. ``label_seq`` counts the changes of an epoch's standings."""

golds = sa.Table(
    "safety_gold",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("known", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("signals", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("added_by", sa.Text, nullable=False),
    sa.Column("added_at_us", _Whole, nullable=False),
    sa.Column("retired_at_us", _Whole),
)

gold_shown = sa.Table(
    "safety_gold_shown",
    metadata,
    sa.Column("item", sa.Text, sa.ForeignKey("safety_item.exchange_id"), primary_key=True),
    sa.Column("gold", sa.Text, sa.ForeignKey("safety_gold.id"), nullable=False),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("shown_at_us", _Whole, nullable=False),
    sa.Column("known", sa.Text, nullable=False),
    sa.Column("found", sa.Text),
    sa.UniqueConstraint("epoch", "gold"),
    sa.Index("safety_gold_shown_by_gold", "gold"),
)
"""Which items of the queue are gold. ``found`` is empty while one waits for a reader."""

incidents = sa.Table(
    "safety_incident",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("hazard", sa.Text, nullable=False),
    sa.Column("aware_at_us", _Whole, nullable=False),
    sa.Column("exchanges", sa.Text, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("opened_at_us", _Whole, nullable=False),
    sa.Column("revision", _Whole, nullable=False),
    sa.Index("safety_incident_by_release", "release_id", "state"),
)
