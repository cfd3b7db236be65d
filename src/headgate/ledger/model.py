"""An entry: what happened, to what, by whom, when; and what can be said of the whole ledger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to be recorded.

    Attributes:
        kind: Subject and past participle: ``release.promoted``, ``grant.revoked``.
        subject: The identifier of the thing that it happened to.
        actor: The identifier of whoever did it.
        at: When, aware, in UTC. The order of entries is their sequence, never this.
        body: What else must be known, as JSON. Never a secret, never a prompt.
    """

    kind: str
    subject: str
    actor: str
    at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry with its place in the ledger.

    Attributes:
        seq: Its place, counted from 1 without gaps.
        entry: What was recorded.
        leaf_hash: Its RFC 6962 leaf hash, 32 bytes.
    """

    seq: int
    entry: Entry
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The state of the whole ledger in two values.

    Attributes:
        size: How many entries there are; also the last entry's ``seq``.
        root: The RFC 6962 root over them, 32 bytes.
    """

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed head as it is stored, not yet believed.

    Attributes:
        size: The column that says which head it signs.
        signer: The column that says which key signed: the key's name and hash.
        note: The signed note's bytes.
    """

    size: int
    signer: str
    note: bytes


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Why an entry is in the ledger.

    Attributes:
        seq: The entry's place, counted from 1; its leaf index is one less.
        leaf: The exact bytes that were hashed.
        head: The tree that it is in.
        path: The RFC 6962 audit path, from the leaf upwards, 32 bytes each.
    """

    seq: int
    leaf: bytes
    head: Head
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Consistency:
    """Why the ledger at one size is a prefix of the ledger at another.

    Attributes:
        first: The earlier tree.
        second: The later tree.
        path: The RFC 6962 consistency proof, 32 bytes each.
    """

    first: Head
    second: Head
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sought:
    """What an entry must be to be found; what is left out may be anything.

    Attributes:
        kind: A whole kind (``grant.revoked``), or its noun alone (``grant``).
        subjects: What it happened to: any of these; anything at all when empty.
        actor: Who did it.
        since: Not written before this instant.
        until: Written before this instant.
    """

    kind: str | None = None
    subjects: tuple[str, ...] = ()
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Witnessed:
    """An entry with its proof, and the signed checkpoint of the tree that it is proved in.

    Attributes:
        recorded: The entry.
        proof: Why it is in the tree.
        note: The signed checkpoint of that very tree; ``None`` while no signed one is large enough.
    """

    recorded: Recorded
    proof: Inclusion
    note: str | None


class Fault(Enum):
    """In which way a ledger contradicts itself or what was once signed."""

    SEQUENCE = "sequence"
    """An entry is missing, or stands in the wrong place."""
    COLUMN = "column"
    """A column says something else than the leaf that was hashed."""
    LEAF = "leaf"
    """A leaf is not the one that the tree was built over."""
    NODE = "node"
    """A node of the tree is missing, changed, or one too many."""
    HEAD = "head"
    """The head is missing, or is not the size and root of the entries."""
    CHECKPOINT = "checkpoint"
    """A checkpoint is malformed, or no trusted key signed what it says."""
    TRUNCATED = "truncated"
    """A checkpoint was signed over more entries than there are: the tail was cut off."""
    REPLACED = "replaced"
    """A checkpoint was signed over other entries than there are: history was rewritten."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit of the whole ledger found.

    Attributes:
        ok: Nothing is wrong. False as soon as one thing is.
        entries: How many entries were found sound, from the first.
        root: The root recomputed over those, 32 bytes.
        checkpoints: How many checkpoints were compared and found to agree.
        fault: The kind of the first thing wrong, entries before checkpoints; ``None`` when nothing is.
        first_bad: The ``seq`` of the first bad entry; ``None`` when nothing is wrong or no single entry is.
        what: One sentence for people.
    """

    ok: bool
    entries: int
    root: bytes
    checkpoints: int
    fault: Fault | None
    first_bad: int | None
    what: str
