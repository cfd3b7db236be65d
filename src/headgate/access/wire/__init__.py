"""The written forms of access: credentials, their digests, and rows as JSON."""
