"""The bytes that an entry's leaf hash is taken over.

A leaf is the canonical JSON of the entry together with its place in the sequence, so that moving an entry changes its
hash. The instant is whole microseconds since 1970, which every language compares alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json
from headgate.ledger.decide.merkle import leaf_hash
from headgate.ledger.errors import LedgerBroken, NotAnEntry
from headgate.ledger.model import Entry, Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.kernel.digest import Json


def encode(seq: int, entry: Entry) -> bytes:
    """Return the leaf of ``entry`` at place ``seq``.

    Raises:
        NotAnEntry: The entry lacks a kind, subject, actor or time zone, or its body is not JSON.
    """
    if not (entry.kind and entry.subject and entry.actor):
        raise NotAnEntry("An entry needs a kind, a subject and an actor.")
    try:
        return canonical_json(
            {
                "actor": entry.actor,
                "at": to_us(entry.at),
                "body": cast("Json", entry.body),
                "kind": entry.kind,
                "seq": seq,
                "subject": entry.subject,
            },
        )
    except (TypeError, ValueError) as wrong:
        raise NotAnEntry(f"The entry {entry.kind} cannot be written as JSON: {wrong}.") from wrong


def decode(leaf: bytes) -> Recorded:
    """Return the entry that ``leaf`` spells.

    Raises:
        LedgerBroken: The bytes are not a leaf.
    """
    try:
        said: dict[str, Any] = json.loads(leaf)
        entry = Entry(said["kind"], said["subject"], said["actor"], from_us(said["at"]), said["body"])
        return Recorded(said["seq"], entry, leaf_hash(leaf))
    except (KeyError, TypeError, ValueError, OverflowError) as wrong:
        raise LedgerBroken(
            "An entry of the ledger cannot be read.",
            help="Run `headgate ledger verify`; it names the first bad entry.",
        ) from wrong


def contradicts(leaf: bytes, columns: Mapping[str, object]) -> str | None:
    """Return the first column that says something else than the leaf; ``None`` when all agree.

    Args:
        leaf: The stored leaf.
        columns: What the other columns say: ``seq`` and ``at`` as integers, the rest as UTF-8 bytes.

    Returns:
        A column's name, or ``leaf`` when the leaf cannot be read at all.
    """
    try:
        said: object = json.loads(leaf)
    except ValueError:
        return "leaf"
    if not isinstance(said, dict):
        return "leaf"
    spelled = {
        name: value.encode() if isinstance(value, str) else value for name, value in cast("dict[str, object]", said).items()
    }
    return next((name for name, value in columns.items() if spelled.get(name) != value), None)
