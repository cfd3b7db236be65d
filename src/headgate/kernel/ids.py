"""Identifiers: a prefix that says what the thing is, then 26 characters that sort by the time they were minted.

The body is a 48-bit count of milliseconds followed by 80 random bits, in Crockford's base 32 (the ULID layout,
https://github.com/ulid/spec). Time and randomness are arguments, so a test can mint the same identifier twice.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import datetime

AccountId = NewType("AccountId", str)
OrganisationId = NewType("OrganisationId", str)
GrantId = NewType("GrantId", str)
KeyId = NewType("KeyId", str)
StaffId = NewType("StaffId", str)
ReleaseId = NewType("ReleaseId", str)
EpochId = NewType("EpochId", str)
DecisionId = NewType("DecisionId", str)
ExchangeId = NewType("ExchangeId", str)
LabelId = NewType("LabelId", str)
IncidentId = NewType("IncidentId", str)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
"""Two characters for each ten bits."""
_SHIFTS = tuple(range(120, -1, -10))
_RANDOM_BYTES = 10


def mint(prefix: str, *, at: datetime, entropy: bytes | None = None) -> str:
    """Return a fresh identifier such as ``ex_01JD…``.

    Args:
        prefix: What the thing is, two to four lower-case letters.
        at: When it came into being; identifiers of one prefix sort by it.
        entropy: Ten random bytes; drawn from the operating system when absent.

    Raises:
        ValueError: ``entropy`` is not ten bytes long.
    """
    entropy = secrets.token_bytes(_RANDOM_BYTES) if entropy is None else entropy
    if len(entropy) != _RANDOM_BYTES:
        raise ValueError(f"entropy must be {_RANDOM_BYTES} bytes, got {len(entropy)}")
    number = (int(at.timestamp() * 1000) << 80) | int.from_bytes(entropy)
    return f"{prefix}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])}"
