"""Digests of bytes and of values.

A value's digest is taken over its canonical JSON: keys sorted, no spaces, UTF-8, no NaN. Two equal values have one digest
in every process and on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = str | int | float | bool | Mapping[str, "Json"] | Sequence["Json"] | None
"""What JSON can say."""


def canonical_json(value: Json) -> bytes:
    """Return the one spelling of ``value``.

    Raises:
        ValueError: ``value`` holds NaN or an infinity.
        TypeError: ``value`` holds something that JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256_of(content: bytes) -> str:
    """Return the digest of bytes as ``sha256:<64 hex digits>``."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def digest_of(value: Json) -> str:
    """Return the digest of a value as ``sha256:<64 hex digits>``."""
    return sha256_of(canonical_json(value))


def short(digest: str, hex_digits: int = 8) -> str:
    """Return a digest shortened for people: ``sha256:91ab03cd``."""
    kind, _, rest = digest.partition(":")
    return f"{kind}:{rest[:hex_digits]}"
