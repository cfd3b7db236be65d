"""What the ledger's use cases need from a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from headgate.ledger.decide.audit import Stretch
    from headgate.ledger.decide.merkle import Node
    from headgate.ledger.model import Entry, Head, Recorded, Sought, StoredCheckpoint


class Reading(Protocol):
    """One consistent view of the ledger. Every method may raise ``LedgerUnavailable`` or ``LedgerBroken``."""

    def head(self) -> Head:
        """Return the size and the root; of an empty ledger, 0 and the empty root."""
        ...

    def stored_head(self) -> Head | None:
        """Return the head as it is stored, believing nothing; ``None`` when there is none."""
        ...

    def leaf(self, seq: int) -> bytes | None:
        """Return the stored leaf of an entry; ``None`` when there is no such entry."""
        ...

    def leaves(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return places and stored leaves of the entries after a place, in order."""
        ...

    def search(self, *, kind: str | None, subject: str | None, actor: str | None, after: int, limit: int) -> list[Recorded]:
        """Return the entries after a place that match all that is given, in order.

        Args:
            kind: A whole kind (``grant.revoked``), or its noun alone (``grant``).
            subject: The identifier of what it happened to.
            actor: The identifier of who did it.
            after: The place to look after.
            limit: How many at most.
        """
        ...

    def newest(self, sought: Sought, *, before: int | None, limit: int) -> list[Recorded]:
        """Return the entries that are sought, the newest first, without looking through those that are not.

        Args:
            sought: What they must be.
            before: Only entries before this place; from the last one when ``None``.
            limit: How many at most.
        """
        ...

    def kinds(self) -> list[str]:
        """Return every kind that an entry has, in order."""
        ...

    def hashes(self, wanted: Iterable[Node]) -> Mapping[Node, bytes]:
        """Return the hashes of nodes; a missing one is ``LedgerBroken``."""
        ...

    def stretches(self) -> Iterator[Stretch]:
        """Return all entries and nodes, compared with themselves, in order, without holding them all."""
        ...

    def node_count(self) -> int:
        """Return how many nodes are stored."""
        ...

    def newest_checkpoint(self, *, size: int | None = None, signer: str | None = None) -> StoredCheckpoint | None:
        """Return the stored checkpoint of the largest size, or of this size, by this signer if one is named."""
        ...

    def checkpoints(self) -> list[StoredCheckpoint]:
        """Return every stored checkpoint, the smallest size first."""
        ...


class Writing(Reading, Protocol):
    """A view that may also write; all of it is kept, or nothing."""

    def append(self, entry: Entry) -> int:
        """Record an entry and return its place."""
        ...

    def save_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Keep a signed head."""
        ...


class LedgerStore(Protocol):
    """Where the ledger is kept."""

    def reading(self) -> AbstractContextManager[Reading]:
        """Open a snapshot; a writer neither waits for it nor is waited for."""
        ...

    def writing(self) -> AbstractContextManager[Writing]:
        """Open a transaction that excludes other writers; it is kept when the block ends without an exception."""
        ...
