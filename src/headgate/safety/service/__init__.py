"""Use cases: load, decide, save, record. One transaction each, and the ledger entry is part of it."""
