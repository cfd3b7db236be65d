"""Lots: who belongs to a share of everybody, so that anyone who knows the key can tell, and nobody has to remember.

A lot is the first 64 bits of SHA-256 over ``headgate-lot``, the key and the name, each on a line of its own. There is no secret
in it: whoever has the key draws the same lot again with any tool. What keeps it fair is that the key names an instant that
nobody knew when the name was given, and that a name has one lot, whatever it does.
"""

from __future__ import annotations

import hashlib

_RANGE = 1 << 64


def lot(key: str, name: str) -> int:
    """Return the lot of ``name``, uniform in ``[0, 2^64)``.

    Args:
        key: What is drawn for; it holds no line break.
        name: Who draws, likewise.
    """
    return int.from_bytes(hashlib.sha256(f"headgate-lot\n{key}\n{name}".encode()).digest()[:8])


def is_drawn(key: str, name: str, share: float) -> bool:
    """Return whether ``name`` belongs to the share that is drawn. A larger share keeps everybody whom a smaller one has.

    Args:
        key: What is drawn for.
        name: Who draws.
        share: How much of everybody is drawn, in ``[0, 1]``.
    """
    return lot(key, name) < share * _RANGE
