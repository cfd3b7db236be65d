"""Safety's own tables, and the SQL over them. One folder, because one transaction may touch several of them."""

from headgate.safety.store.golds import SqlGolds
from headgate.safety.store.incidents import SqlIncidents
from headgate.safety.store.review import SqlReview
from headgate.safety.store.sampling import SqlSampling
from headgate.safety.store.tables import metadata

__all__ = ["SqlGolds", "SqlIncidents", "SqlReview", "SqlSampling", "metadata"]
