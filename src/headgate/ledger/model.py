"""An entry: what happened, to what, by whom, when."""

from __future__ import annotations

from dataclasses import dataclass
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
