"""Access in a database; see ``SqlStore``. ``metadata`` holds its tables."""

from headgate.access.store.sql import SqlStore
from headgate.access.store.tables import metadata

__all__ = ["SqlStore", "metadata"]
