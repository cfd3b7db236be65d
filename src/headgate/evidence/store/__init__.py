"""Evidence in a database. One folder, because one transaction may touch several of its tables."""

from headgate.evidence.store.readings import EvidenceStore
from headgate.evidence.store.tables import alarms, metadata, readings

__all__ = ["EvidenceStore", "alarms", "metadata", "readings"]
