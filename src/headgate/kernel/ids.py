"""Identifiers: a prefix that says what the thing is, then 26 characters that sort by the time they were minted.

The body is a 48-bit count of milliseconds followed by 80 random bits, in Crockford's base 32 (the ULID layout,
https://github.com/ulid/spec). Time and randomness are arguments, so a test can mint the same identifier twice.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import datetime

AccountId = NewType("AccountId", str)
OrganisationId = NewType("OrganisationId", str)
GrantId = NewType("GrantId", str)
KeyId = NewType("KeyId", str)
StaffId = NewType("StaffId", str)
SessionId = NewType("SessionId", str)
LinkId = NewType("LinkId", str)
PasskeyId = NewType("PasskeyId", str)
IdentityId = NewType("IdentityId", str)
AttemptId = NewType("AttemptId", str)
ReleaseId = NewType("ReleaseId", str)
EpochId = NewType("EpochId", str)
DecisionId = NewType("DecisionId", str)
ExchangeId = NewType("ExchangeId", str)
LabelId = NewType("LabelId", str)
IncidentId = NewType("IncidentId", str)
EvidenceId = NewType("EvidenceId", str)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
"""Two characters for each ten bits."""
_TIME_SHIFTS = tuple(range(30, -1, -10))
_RANDOM_SHIFTS = tuple(range(70, -1, -10))
_RANDOM_BYTES = 10
_RANDOM_CHARS = 16
_DRAWN_AT_ONCE = 256
_CHARACTER_OF_BYTE = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
"""Five random bits of each byte; the other three are not used."""


class _Entropy(threading.local):
    """Random characters of one thread of one process: drawn from the operating system many at a time, each handed out once.

    A draw lets go of the interpreter, and whoever asks for an identifier would stand in line for it again behind every other
    thread: that wait is what a draw for each identifier would cost.
    """

    def __init__(self) -> None:
        self._process = 0
        self._drawn = ""
        self._used = 0

    def draw(self) -> str:
        """Return sixteen characters, 80 bits."""
        start, end = self._used, self._used + _RANDOM_CHARS
        if end > len(self._drawn) or self._process != os.getpid():  # what a parent has drawn is the parent's to hand out
            self._process = os.getpid()
            self._drawn = os.urandom(_DRAWN_AT_ONCE * _RANDOM_CHARS).translate(_CHARACTER_OF_BYTE).decode("ascii")
            start, end = 0, _RANDOM_CHARS
        self._used = end
        return self._drawn[start:end]


_entropy = _Entropy()


def mint(prefix: str, *, at: datetime, entropy: bytes | None = None) -> str:
    """Return a fresh identifier such as ``ex_01JD…``.

    Args:
        prefix: What the thing is, two to four lower-case letters.
        at: When it came into being; identifiers of one prefix sort by it.
        entropy: Ten random bytes; drawn from the operating system when absent.

    Raises:
        ValueError: ``entropy`` is not ten bytes long.
    """
    ms = int(at.timestamp() * 1000)
    return f"{prefix}_{_time_of(ms >> 10)}{_PAIRS[ms & 1023]}{_entropy.draw() if entropy is None else _random_of(entropy)}"


@lru_cache(maxsize=8)
def _time_of(spans: int) -> str:
    """Return a count of spans of 1024 ms in eight characters, the same ones for about a second."""
    return "".join([_PAIRS[(spans >> shift) & 1023] for shift in _TIME_SHIFTS])


def _random_of(entropy: bytes) -> str:
    if len(entropy) != _RANDOM_BYTES:
        raise ValueError(f"entropy must be {_RANDOM_BYTES} bytes, got {len(entropy)}")
    number = int.from_bytes(entropy)
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in _RANDOM_SHIFTS])
