"""The ledger in a database: entries, the nodes of their tree, its head, signed checkpoints, and the change feed.

Other subjects' stores need two names: ``append``, which records an entry in the transaction that makes the change, and
``metadata``, whose tables must exist.
"""

from headgate.ledger.store.entries import append, head, tail
from headgate.ledger.store.feed import PERIOD_S, ChangeFeed
from headgate.ledger.store.sql import SqlLedger
from headgate.ledger.store.tables import SQLITE_TRIGGERS, metadata

__all__ = ["PERIOD_S", "SQLITE_TRIGGERS", "ChangeFeed", "SqlLedger", "append", "head", "metadata", "tail"]
