"""Base 62 and the checksum that every credential ends in.

The checksum is the CRC-32 of everything before it in six base-62 digits, so a mistyped, cut or merely look-alike credential
is told apart without asking a store, and a scanner for leaked ones has no false alarms to speak of. It is no secret and
proves nothing: the keyed digest does.
"""

from __future__ import annotations

import zlib

CHECKSUM_CHARS = 6
SECRET_BYTES = 24
SECRET_CHARS = 33
"""Base-62 digits for 24 bytes: 62**33 > 2**192."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number: int, chars: int) -> str:
    """Return a number in exactly ``chars`` base-62 digits.

    Raises:
        ValueError: It is negative or does not fit.
    """
    if not 0 <= number < 62**chars:
        raise ValueError(f"not a number of {chars} base-62 digits")
    digits: list[str] = []
    for _ in range(chars):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def secret_of(entropy: bytes) -> str:
    """Return 24 random bytes as 33 base-62 digits; different bytes give different digits.

    Raises:
        ValueError: There are not 24 bytes.
    """
    if len(entropy) != SECRET_BYTES:
        raise ValueError(f"a secret is made of {SECRET_BYTES} bytes, not {len(entropy)}")
    return base62(int.from_bytes(entropy), SECRET_CHARS)


def sealed(text: str) -> str:
    """Return the text with its checksum behind it."""
    return text + base62(zlib.crc32(text.encode()), CHECKSUM_CHARS)


def is_sealed(text: str) -> bool:
    """Return whether the last six characters are the checksum of those before them."""
    return sealed(text[:-CHECKSUM_CHARS]) == text
