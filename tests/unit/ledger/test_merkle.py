from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.decide import merkle

# The eight leaves, the roots of their first n, and the proofs that certificate-transparency publishes.
LEAVES = [
    bytes.fromhex(spelled)
    for spelled in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]
CONSISTENCY = [
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def naive_root(leaves: list[bytes]) -> bytes:
    """Section 2.1 of RFC 6962, written down as it stands."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """Section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_consistency(m, leaves[:k], whole=whole), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def grow(leaves: list[bytes]) -> dict[merkle.Node, bytes]:
    hashes: dict[merkle.Node, bytes] = {}
    for size, leaf in enumerate(leaves):
        hashes |= merkle.grown(size, merkle.leaf_hash(leaf), hashes)
    return hashes


def included(index: int, size: int, hashes: dict[merkle.Node, bytes]) -> list[bytes]:
    return merkle.proof(merkle.inclusion_nodes(index, size), hashes)


def consistent(first: int, second: int, hashes: dict[merkle.Node, bytes]) -> list[bytes]:
    return merkle.proof(merkle.consistency_nodes(first, second), hashes)


some_leaves = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert merkle.root(size, grow(LEAVES)).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, path: list[str]) -> None:
    assert [value.hex() for value in included(index, size, grow(LEAVES))] == path


@pytest.mark.parametrize(("first", "second", "path"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(first: int, second: int, path: list[str]) -> None:
    assert [value.hex() for value in consistent(first, second, grow(LEAVES))] == path


@given(some_leaves, st.data())
def test_roots_and_proofs_are_those_of_a_tree_hashed_naively(leaves: list[bytes], data: st.DataObject) -> None:
    hashes = grow(leaves)
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    assert merkle.root(size, hashes) == naive_root(leaves[:size])
    assert included(index, size, hashes) == naive_path(index, leaves[:size])
    assert consistent(first, size, hashes) == naive_consistency(first, leaves[:size])


@given(some_leaves, st.data())
def test_every_inclusion_proof_is_accepted_and_no_altered_one(leaves: list[bytes], data: st.DataObject) -> None:
    hashes, size = grow(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path, root, leaf = included(index, size, hashes), merkle.root(size, hashes), merkle.leaf_hash(leaves[index])
    assert merkle.verify_inclusion(leaf, index, size, path, root)
    assert not merkle.verify_inclusion(flip(leaf, data), index, size, path, root)
    assert not merkle.verify_inclusion(leaf, index, size, path, flip(root, data))
    assert not merkle.verify_inclusion(leaf, index, size, [*path, root], root)
    assert not merkle.verify_inclusion(leaf, size, size, path, root)
    assert not merkle.verify_inclusion(leaf, -1, size, path, root)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not merkle.verify_inclusion(leaf, index, size, [*path[:at], flip(path[at], data), *path[at + 1 :]], root)
        assert not merkle.verify_inclusion(leaf, index, size, path[:-1], root)


@given(some_leaves, st.data())
def test_every_consistency_proof_is_accepted_and_no_altered_one(leaves: list[bytes], data: st.DataObject) -> None:
    hashes, second = grow(leaves), len(leaves)
    first = data.draw(st.integers(0, second))
    path = consistent(first, second, hashes)
    earlier, later = merkle.root(first, hashes), merkle.root(second, hashes)
    assert merkle.verify_consistency(first, second, path, earlier, later)
    assert not merkle.verify_consistency(first, second, path, flip(earlier, data), later)
    assert not merkle.verify_consistency(first, second, [*path, later], earlier, later)
    assert not merkle.verify_consistency(second + 1, second, path, later, later)
    if first:
        assert not merkle.verify_consistency(first, second, path, earlier, flip(later, data))
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not merkle.verify_consistency(first, second, [*path[:at], flip(path[at], data), *path[at + 1 :]], earlier, later)
        assert not merkle.verify_consistency(first, second, path[1:], earlier, later)
        assert not merkle.verify_consistency(first, second, [], earlier, later)


def test_a_proof_folds_a_logarithmic_number_of_nodes() -> None:
    assert len(merkle.peaks(1_000_000)) <= 20
    assert sum(len(part) for part in merkle.inclusion_nodes(123_456, 1_000_000)) <= 40
    assert sum(len(part) for part in merkle.consistency_nodes(123_456, 1_000_000)) <= 60


def test_nothing_is_proved_of_leaves_and_sizes_that_never_were() -> None:
    with pytest.raises(ValueError, match="no leaf 3"):
        merkle.inclusion_nodes(3, 3)
    with pytest.raises(ValueError, match="no prefix"):
        merkle.consistency_nodes(4, 3)


def flip(value: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(value) - 1))
    return value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
