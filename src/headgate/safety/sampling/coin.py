"""The coin: a keyed hash of the exchange's identifier.

The seed of an epoch is committed to by its SHA-256 before the first toss and can be revealed when the epoch is over; then
anyone can toss every coin again. Nobody who lacks the seed can foresee a coin, and nobody who has it can change one.
"""

from __future__ import annotations

import hashlib
import hmac

SEED_BYTES = 32
SECOND_SHARE = 0.05
"""The share of the sample that is read twice, blindly, whatever the first reader says: it measures the readers."""

_RANGE = 1 << 64


def _number(seed: bytes, exchange_id: str) -> int:
    return int.from_bytes(hmac.digest(seed, exchange_id.encode(), hashlib.sha256)[:8])


def coin(seed: bytes, exchange_id: str) -> float:
    """Return the exchange's coin, uniform in ``[0, 1]``: the first 8 bytes of HMAC-SHA256(seed, exchange id) over 2^64."""
    return _number(seed, exchange_id) / _RANGE


def sends_to_review(seed: bytes, exchange_id: str, pi: float) -> bool:
    """Return whether the coin is below ``pi``.

    The comparison is between whole numbers, because a coin within 2^-53 of one would round up to it and miss ``pi = 1``.
    """
    return _number(seed, exchange_id) < pi * _RANGE


def second_reader(seed: bytes, exchange_id: str, share: float) -> bool:
    """Return whether a sampled exchange belongs to the share that is read twice whatever the first reader says."""
    return _number(seed, f"second:{exchange_id}") < share * _RANGE


def commitment(seed: bytes) -> str:
    """Return what is published before the first toss: ``sha256:<hex>`` of the seed."""
    return "sha256:" + hashlib.sha256(seed).hexdigest()
