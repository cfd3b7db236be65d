"""What one can ask of the ledger: sign it, check it, prove a part of it, take a copy, look something up.

Writing an entry is no use case of its own: it happens in the transaction of the change that it records.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from headgate.kernel.digest import canonical_json
from headgate.ledger.decide import merkle
from headgate.ledger.decide.audit import Claim, audit
from headgate.ledger.errors import EntryNotFound, NoSuchTree, NotANote, NotSigned
from headgate.ledger.model import Consistency, Head, Inclusion, Recorded, Report, StoredCheckpoint, Witnessed
from headgate.ledger.wire import checkpoint as checkpoints
from headgate.ledger.wire import leaf as leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.kernel.clock import Clock
    from headgate.ledger.model import Sought
    from headgate.ledger.ports import LedgerStore, Reading
    from headgate.ledger.wire.note import Signer, VerifierKey

_BATCH = 128


class Ledger:
    """The use cases.

    Args:
        store: Where the ledger is kept.
        clock: Tells when a copy was taken.
        signer: Signs checkpoints; its name is the ledger's origin.
        retired: Keys that signed earlier checkpoints and are still trusted.
    """

    def __init__(self, store: LedgerStore, clock: Clock, signer: Signer, *, retired: Sequence[VerifierKey] = ()) -> None:
        self._store = store
        self._clock = clock
        self._signer = signer
        self._trusted = (signer.verifier, *retired)

    @property
    def key(self) -> VerifierKey:
        """The key that checks this ledger's checkpoints."""
        return self._signer.verifier

    def head(self) -> Head:
        """Return how many entries there are, and the root over them."""
        with self._store.reading() as view:
            return view.head()

    def checkpoint(self) -> str:
        """Sign the present head, keep the checkpoint, and return the signed note.

        A head is signed once: asking again returns the same note.
        """
        with self._store.writing() as view:
            head = view.head()
            label = self.key.label
            kept = view.newest_checkpoint(size=head.size, signer=label)
            if kept is not None:
                return kept.note.decode()
            note = checkpoints.sign(head, self._signer)
            view.save_checkpoint(StoredCheckpoint(head.size, label, note.encode()))
            return note

    def latest_checkpoint(self) -> str | None:
        """Return the largest signed checkpoint; ``None`` when none was signed yet."""
        with self._store.reading() as view:
            kept = view.newest_checkpoint()
            return kept.note.decode() if kept else None

    def verify(self, *, witnessed: Sequence[str] = ()) -> Report:
        """Check every stored byte: entries, tree, head and checkpoints.

        Args:
            witnessed: Checkpoints that somebody kept elsewhere. They find what an attacker hid who could rewrite the
                whole database.
        """
        with self._store.reading() as view:
            claims = [
                *(self._claim(f"Checkpoint {kept.size}", kept.note, kept) for kept in view.checkpoints()),
                *(self._claim(f"Witnessed checkpoint {at}", note.encode(), None) for at, note in enumerate(witnessed, 1)),
            ]
            return audit(view.stretches(), node_count=view.node_count(), head=view.stored_head(), claims=claims)

    def entry(self, seq: int) -> Recorded:
        """Return one entry.

        Raises:
            EntryNotFound: There is none at this place.
        """
        with self._store.reading() as view:
            return leaves.decode(_leaf(view, seq))

    def prove(self, seq: int, *, size: int | None = None) -> Inclusion:
        """Return why an entry is in the ledger.

        Args:
            seq: The entry.
            size: The tree to prove it in; the present one when absent.

        Raises:
            EntryNotFound: There is no such entry.
            NoSuchTree: The ledger has never had this size, or had not the entry at it.
        """
        with self._store.reading() as view:
            leaf = _leaf(view, seq)
            head = _head_at(view, size)
            if seq > head.size:
                raise NoSuchTree(f"The ledger of {head.size} entries has no entry {seq}.")
            parts = merkle.inclusion_nodes(seq - 1, head.size)
            path = merkle.proof(parts, view.hashes(node for part in parts for node in part))
            return Inclusion(seq, leaf, head, tuple(path))

    def witnessed(self, seq: int) -> Witnessed:
        """Return an entry, proved in the latest tree that was signed; in the present one while that has it not.

        Raises:
            EntryNotFound: There is no such entry.
        """
        with self._store.reading() as view:
            kept = view.newest_checkpoint(signer=self.key.label)
        recorded = self.entry(seq)
        if kept is None or kept.size < seq:
            return Witnessed(recorded, self.prove(seq), None)
        return Witnessed(recorded, self.prove(seq, size=kept.size), kept.note.decode())

    def consistency(self, first: int, second: int | None = None) -> Consistency:
        """Return why the ledger of ``first`` entries is a prefix of that of ``second``.

        Args:
            first: The earlier size.
            second: The later size; the present one when absent.

        Raises:
            NoSuchTree: The ledger has never had one of the sizes, or they are the wrong way round.
        """
        with self._store.reading() as view:
            later = _head_at(view, second)
            if not 0 <= first <= later.size:
                raise NoSuchTree(f"A ledger of {first} entries is no prefix of one of {later.size}.")
            parts = merkle.consistency_nodes(first, later.size)
            path = merkle.proof(parts, view.hashes(node for part in parts for node in part))
            return Consistency(_head_at(view, first), later, tuple(path))

    def search(
        self,
        *,
        kind: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[Recorded]:
        """Return the entries that match all that is given, in order, at most ``limit`` of them.

        Args:
            kind: A whole kind (``grant.revoked``), or its noun alone (``grant``).
            subject: The identifier of what it happened to.
            actor: The identifier of who did it.
            after: Only entries after this place; the last one's place asks for the next page.
            limit: How many at most.
        """
        with self._store.reading() as view:
            return view.search(kind=kind, subject=subject, actor=actor, after=after, limit=limit)

    def newest(self, sought: Sought, *, before: int | None = None, limit: int = 50) -> list[Recorded]:
        """Return the entries that are sought, the newest first, at most ``limit`` of them.

        Times are what the clock said when an entry was written; the order is the ledger's own. Where the clock was set back,
        a stretch of time ends at the entry that its clock named last.

        Args:
            sought: What they must be.
            before: Only entries before this place; the last one's place asks for the next page.
            limit: How many at most.
        """
        with self._store.reading() as view:
            return view.newest(sought, before=before, limit=limit)

    def kinds(self) -> list[str]:
        """Return every kind that an entry has, in order."""
        with self._store.reading() as view:
            return view.kinds()

    def export(self, *, after: int = 0) -> Iterator[str]:
        """Return a copy as JSON lines that can be checked without Headgate: see ``docs`` of ``wire.leaf`` and ``wire.note``.

        The first line says which tree the copy is of, with a signed checkpoint of it; each other line is an entry: its
        exact leaf, and the path that proves it in that tree. All lines are of one snapshot.

        Args:
            after: Leave entries up to this place out.
        """
        note = self.checkpoint()
        signed, _ = checkpoints.opened(note, self._trusted)
        manifest = {
            "checkpoint": note,
            "exported_at": self._clock.now().isoformat(),
            "key": str(self.key),
            "root": base64.b64encode(signed.root).decode(),
            "size": signed.size,
        }
        yield canonical_json(manifest).decode()
        with self._store.reading() as view:
            while after < signed.size:
                batch = view.leaves(after, min(_BATCH, signed.size - after))
                if not batch:
                    return
                yield from _lines(view, batch, signed.size)
                after = batch[-1][0]

    def _claim(self, name: str, note: bytes, kept: StoredCheckpoint | None) -> Claim:
        """Return what a checkpoint says, if it is to be believed."""
        try:
            head, signers = checkpoints.opened(note.decode(), self._trusted)
        except (NotANote, NotSigned) as wrong:
            return Claim(name, None, wrong.message)
        except UnicodeDecodeError:
            return Claim(name, None, "It is not UTF-8.")
        if kept is not None and (kept.size != head.size or kept.signer not in {key.label for key in signers}):
            return Claim(name, None, "Its columns contradict the signed note.")
        return Claim(name, head)


def _leaf(view: Reading, seq: int) -> bytes:
    leaf = view.leaf(seq)
    if leaf is None:
        raise EntryNotFound(f"The ledger has no entry {seq}.", help="Places are counted from 1.")
    return leaf


def _head_at(view: Reading, size: int | None) -> Head:
    """Return the head that the ledger had at a size; its present one when ``size`` is absent."""
    head = view.head()
    if size is None or size == head.size:
        return head
    if not 0 <= size <= head.size:
        raise NoSuchTree(f"The ledger has {head.size} entries and never had {size}.")
    return Head(size, merkle.root(size, view.hashes(merkle.peaks(size))))


def _lines(view: Reading, batch: Sequence[tuple[int, bytes]], size: int) -> Iterator[str]:
    asked = {seq: merkle.inclusion_nodes(seq - 1, size) for seq, _ in batch}
    hashes = view.hashes({node for parts in asked.values() for part in parts for node in part})
    for seq, leaf in batch:
        path = [base64.b64encode(value).decode() for value in merkle.proof(asked[seq], hashes)]
        yield json.dumps({"seq": seq, "leaf": leaf.decode(), "path": path}, ensure_ascii=False)
