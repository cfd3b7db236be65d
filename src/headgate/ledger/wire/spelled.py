"""What the ledger says to programs, as JSON: the same words over HTTP and on the command line.

Hashes and leaves are spelled in standard base64, as checkpoints spell them; instants are RFC 3339 in UTC.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from headgate.ledger.model import Consistency, Head, Inclusion, Recorded, Report


def recorded(value: Recorded) -> dict[str, Any]:
    """Spell an entry."""
    entry = value.entry
    return {
        "seq": value.seq,
        "kind": entry.kind,
        "subject": entry.subject,
        "actor": entry.actor,
        "at": entry.at.isoformat(),
        "body": entry.body,
        "leaf_hash": _base64(value.leaf_hash),
    }


def head(value: Head) -> Mapping[str, Any]:
    """Spell a head."""
    return {"size": value.size, "root": _base64(value.root)}


def inclusion(value: Inclusion) -> dict[str, Any]:
    """Spell an inclusion proof; its ``leaf`` is the exact text that was hashed, its ``index`` counts from 0."""
    return {
        "seq": value.seq,
        "index": value.seq - 1,
        "leaf": value.leaf.decode(),
        "tree": head(value.head),
        "path": [_base64(each) for each in value.path],
    }


def consistency(value: Consistency) -> dict[str, Any]:
    """Spell a consistency proof."""
    return {"from": head(value.first), "to": head(value.second), "path": [_base64(each) for each in value.path]}


def report(value: Report) -> dict[str, Any]:
    """Spell what an audit found."""
    return {
        "ok": value.ok,
        "entries": value.entries,
        "root": _base64(value.root),
        "checkpoints": value.checkpoints,
        "fault": None if value.fault is None else value.fault.value,
        "first_bad": value.first_bad,
        "what": value.what,
    }


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
