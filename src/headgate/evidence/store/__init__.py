"""Evidence in a database. One folder, because one transaction may touch several of its tables."""

from headgate.evidence.store.archive import SqlArchive
from headgate.evidence.store.readings import EvidenceStore
from headgate.evidence.store.tables import alarms, metadata, readings, records

__all__ = ["EvidenceStore", "SqlArchive", "alarms", "metadata", "readings", "records"]
