"""What is wrong with a ledger, if anything: the first thing, from the first entry on.

The tree is rebuilt from the stored leaves in one pass that keeps a logarithmic number of hashes. Every stored node must
be the one that the leaves give, there must be no node besides, the head must be the last root, and each checkpoint must
be the root that the ledger had at its size. An attacker who rewrites leaves, nodes and head alike is caught by the
checkpoints alone; hence they are worth keeping elsewhere too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.ledger.decide import merkle
from headgate.ledger.model import Fault, Head, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headgate.ledger.decide.merkle import Node


@dataclass(frozen=True, slots=True)
class Read:
    """One stored entry, read and compared with itself.

    Attributes:
        seq: The place that its row claims.
        leaf_hash: The hash of its stored leaf, computed now.
        contradicts: The first column that disagrees with the leaf; ``None`` when all agree.
    """

    seq: int
    leaf_hash: bytes
    contradicts: str | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some neighbouring entries and the nodes that they complete.

    Attributes:
        entries: In the order of their ``seq``.
        nodes: The stored hashes of the subtrees whose last leaf is among them.
    """

    entries: Sequence[Read]
    nodes: Mapping[Node, bytes]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a checkpoint says, after its signature was checked.

    Attributes:
        name: The checkpoint, for people.
        head: What was signed; ``None`` when the note is not to be believed.
        why_not: Why it is not to be believed.
    """

    name: str
    head: Head | None
    why_not: str = ""


def audit(stretches: Iterable[Stretch], *, node_count: int, head: Head | None, claims: Sequence[Claim]) -> Report:
    """Rebuild the tree and compare everything with it.

    Args:
        stretches: All entries in order, with their nodes.
        node_count: How many nodes are stored in all.
        head: The stored head; ``None`` when there is none.
        claims: All checkpoints.
    """
    walk = _Walk(at_sizes={claim.head.size for claim in claims if claim.head is not None})
    for stretch in stretches:
        if (bad := walk.take(stretch)) is not None:
            return bad
    return _misfit(walk, node_count, head) or _against(walk, claims)


class _Walk:
    """The pass over the entries: the subtrees complete so far, and the roots at the sizes that were signed."""

    def __init__(self, at_sizes: set[int]) -> None:
        self.size = 0
        self._at_sizes = at_sizes
        self._peaks: dict[Node, bytes] = {}
        self.roots = {0: merkle.EMPTY_ROOT}
        self.astray: int | None = None

    def root(self) -> bytes:
        return merkle.root(self.size, self._peaks)

    def take(self, stretch: Stretch) -> Report | None:
        for entry in stretch.entries:
            seq = self.size + 1
            if entry.seq < seq:  # only a place before the first: places are unique and come in order
                self.astray = entry.seq
                continue
            if entry.seq > seq:
                return self.bad(Fault.SEQUENCE, seq, f"Entry {seq} is missing: entry {entry.seq} stands in its place.")
            appeared = merkle.grown(self.size, entry.leaf_hash, self._peaks)
            for node, value in appeared.items():
                if stretch.nodes.get(node) != value:
                    return self._bad_node(seq, node, missing=node not in stretch.nodes)
            if entry.contradicts is not None:
                return self.bad(Fault.COLUMN, seq, f"Entry {seq}: the column {entry.contradicts} contradicts the hashed leaf.")
            known = self._peaks | appeared
            self.size = seq
            self._peaks = {node: known[node] for node in merkle.peaks(seq)}
            if seq in self._at_sizes:
                self.roots[seq] = self.root()
        return None

    def bad(self, fault: Fault, seq: int | None, what: str, checkpoints: int = 0) -> Report:
        return Report(
            ok=False, entries=self.size, root=self.root(), checkpoints=checkpoints, fault=fault, first_bad=seq, what=what
        )

    def _bad_node(self, seq: int, node: Node, *, missing: bool) -> Report:
        if missing:
            return self.bad(Fault.NODE, seq, f"Entry {seq}: the node {node.level}/{node.place} that it completes is missing.")
        if node.level == 0:
            return self.bad(Fault.LEAF, seq, f"Entry {seq}: its leaf, or the leaf's hash in the tree, was changed.")
        return self.bad(Fault.NODE, seq, f"Entry {seq}: the node {node.level}/{node.place} that it completes was changed.")


def _misfit(walk: _Walk, node_count: int, head: Head | None) -> Report | None:
    """Return what is wrong with the tree as a whole."""
    expected = sum(walk.size >> level for level in range(walk.size.bit_length()))
    claimed = 0 if head is None else head.size
    if walk.astray is not None and claimed <= walk.size:
        return walk.bad(Fault.SEQUENCE, walk.astray, f"Entry {walk.astray} stands before the first place.")
    if node_count != expected and claimed > walk.size:
        seq = walk.size + 1
        return walk.bad(Fault.SEQUENCE, seq, f"Entry {seq} is missing: the tree goes on to {claimed} entries.")
    if node_count != expected:
        return walk.bad(Fault.NODE, None, f"The tree has {node_count} nodes; {walk.size} entries give {expected}.")
    if head is None and walk.size:
        return walk.bad(Fault.HEAD, None, f"There is no head over {walk.size} entries.")
    if head is not None and (head.size, head.root) != (walk.size, walk.root()):
        return walk.bad(Fault.HEAD, None, f"The head is not the size and root of the {walk.size} entries.")
    return None


def _against(walk: _Walk, claims: Sequence[Claim]) -> Report:
    """Return what the checkpoints say of a tree that is sound in itself."""
    for agreed, claim in enumerate(claims):
        if claim.head is None:
            return walk.bad(Fault.CHECKPOINT, None, f"{claim.name}: {claim.why_not}", agreed)
        if claim.head.size > walk.size:
            what = f"{claim.name} was signed over {claim.head.size} entries; there are {walk.size}: the tail was cut off."
            return walk.bad(Fault.TRUNCATED, walk.size + 1, what, agreed)
        if claim.head.root != walk.roots[claim.head.size]:
            what = f"{claim.name} was signed over other entries: history up to entry {claim.head.size} was rewritten."
            return walk.bad(Fault.REPLACED, None, what, agreed)
    what = f"All {walk.size} entries and {len(claims)} checkpoints agree."
    return Report(ok=True, entries=walk.size, root=walk.root(), checkpoints=len(claims), fault=None, first_bad=None, what=what)
