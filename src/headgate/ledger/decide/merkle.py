"""Merkle trees as RFC 6962 defines them: roots, inclusion proofs, consistency proofs.

A node of a complete subtree never changes once it exists, so a store keeps those nodes and nothing else; every root and
every proof is folded from a logarithmic number of them. A node is named by its level (0 for leaves) and its place in
that level: node ``(level, place)`` covers the leaves ``place * 2**level`` to ``(place + 1) * 2**level - 1``.

Source:
    RFC 6962 (2013), sections 2.1, 2.1.1, 2.1.2; the verification procedures are those of RFC 9162 (2021), sections
    2.1.3.2 and 2.1.4.2. ``tests/unit/ledger/test_merkle.py`` checks them against the published eight-leaf vectors and
    against a tree that is hashed naively from its leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

HASH_BYTES = 32

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


class Node(NamedTuple):
    """The place of a complete subtree.

    Attributes:
        level: Its height; it covers ``2**level`` leaves.
        place: Its index among the subtrees of that height, from the left, counted from 0.
    """

    level: int
    place: int


Hashes: TypeAlias = Mapping[Node, bytes]
"""The hashes of the nodes that a function has asked for."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 over a zero byte and the leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 over a one byte and its children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks(size: int) -> list[Node]:
    """Return the complete subtrees that a tree of ``size`` leaves is made of, from the left, the largest first."""
    return _cover(0, size)


def root(size: int, hashes: Hashes) -> bytes:
    """Return the root of the tree with ``size`` leaves; ``hashes`` must hold its ``peaks``."""
    return _fold([hashes[node] for node in peaks(size)]) if size else EMPTY_ROOT


def grown(size: int, leaf: bytes, hashes: Hashes) -> dict[Node, bytes]:
    """Return the nodes that appear when a tree of ``size`` leaves gets one more.

    Args:
        size: Leaves before.
        leaf: The new leaf's hash.
        hashes: Must hold the ``peaks`` of ``size``.

    Returns:
        The new leaf's node, and every subtree that it completes, from the bottom up.
    """
    node, value = Node(0, size), leaf
    appeared = {node: value}
    while node.place & 1:
        value = node_hash(hashes[Node(node.level, node.place - 1)], value)
        node = Node(node.level + 1, node.place >> 1)
        appeared[node] = value
    return appeared


def inclusion_nodes(index: int, size: int) -> list[list[Node]]:
    """Return which nodes prove that leaf ``index`` is in the tree of ``size`` leaves.

    Returns:
        One list for each hash of the proof, in its order; a hash is the fold of its list's nodes.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return _inclusion(index, 0, size)


def consistency_nodes(first: int, second: int) -> list[list[Node]]:
    """Return which nodes prove that the tree of ``first`` leaves is a prefix of that of ``second``.

    Returns:
        One list for each hash of the proof, in its order; a hash is the fold of its list's nodes. Nothing needs to be
        proved of an empty tree, nor of one tree with itself.

    Raises:
        ValueError: The sizes are negative or the wrong way round.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} is no prefix of one of {second}")
    return [] if first in {0, second} else _consistency(first, 0, second, whole=True)


def proof(parts: Sequence[Sequence[Node]], hashes: Hashes) -> list[bytes]:
    """Return a proof's hashes, folded from the nodes that ``inclusion_nodes`` or ``consistency_nodes`` asked for."""
    return [_fold([hashes[node] for node in part]) for part in parts]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether ``path`` proves that the leaf with hash ``leaf`` stands at ``index`` under ``root``.

    Args:
        leaf: The leaf's hash, 32 bytes.
        index: Its place, counted from 0.
        size: Leaves of the tree.
        path: The proof, from the leaf upwards.
        root: The tree's root, from a source that is trusted.
    """
    if not 0 <= index < size:
        return False
    node, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Return whether ``path`` proves that the first tree is a prefix of the second.

    Args:
        first: Leaves of the earlier tree.
        second: Leaves of the later tree.
        path: The proof.
        first_root: The earlier root, from a source that is trusted.
        second_root: The later root.
    """
    if not 0 <= first <= second:
        return False
    if first in {0, second}:
        return not path and first_root == (EMPTY_ROOT if first == 0 else second_root)
    # a first tree that is one complete subtree is its own first hash, which the proof leaves out
    hashes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not hashes:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    earlier = later = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            earlier, later = node_hash(sibling, earlier), node_hash(sibling, later)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            later = node_hash(later, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and earlier == first_root and later == second_root


def _split(width: int) -> int:
    """Return the largest power of two below ``width``."""
    return 1 << (width - 1).bit_length() - 1


def _cover(start: int, stop: int) -> list[Node]:
    """Return the complete subtrees of the leaves from ``start`` to ``stop``, where RFC 6962 would split them."""
    nodes: list[Node] = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def _fold(values: Sequence[bytes]) -> bytes:
    """Return the root over neighbouring subtrees, the largest first."""
    *rest, value = values
    for left in reversed(rest):
        value = node_hash(left, value)
    return value


def _inclusion(index: int, start: int, stop: int) -> list[list[Node]]:
    if stop - start == 1:
        return []
    middle = start + _split(stop - start)
    if index < middle:
        return [*_inclusion(index, start, middle), _cover(middle, stop)]
    return [*_inclusion(index, middle, stop), _cover(start, middle)]


def _consistency(first: int, start: int, stop: int, *, whole: bool) -> list[list[Node]]:
    if first == stop:
        return [] if whole else [_cover(start, stop)]
    middle = start + _split(stop - start)
    if first <= middle:
        return [*_consistency(first, start, middle, whole=whole), _cover(middle, stop)]
    return [*_consistency(first, middle, stop, whole=False), _cover(start, middle)]
