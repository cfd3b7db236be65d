"""The append-only record of every decision, and the feed that carries each one to whoever must act on it.

Entries form a Merkle tree (RFC 6962) whose signed heads let an outsider check that nothing was changed, dropped or
slipped in. The sequence of entries is also how a revocation reaches every worker: nothing can change access without one.
"""
