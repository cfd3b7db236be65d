"""Words that every subject shares: identifiers, time, errors, verdicts, who acts, digests and units.

Imports nothing of ours, holds no state, touches no disk and no network.
"""
