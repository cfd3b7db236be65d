"""The secret that makes stored digests useless to whoever steals only the database.

Digests are HMAC-SHA-256 under the pepper, one domain for each use, so that the digest of one thing can never stand for
another. A credential carries 192 random bits, so no slow hash is needed; an e-mail address carries few, so its digest is
only as safe as the pepper.
"""

from __future__ import annotations

import hmac
import unicodedata

PEPPER_BYTES = 32


class Pepper:
    """A secret of 32 bytes or more, and the digests taken under it.

    Args:
        secret: The bytes, from a file that only Headgate can read.

    Raises:
        ValueError: There are fewer than 32.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < PEPPER_BYTES:
            raise ValueError(f"a pepper has at least {PEPPER_BYTES} bytes")
        self._secret = secret

    def of_key(self, text: str) -> bytes:
        """Return the digest of a key's text, 32 bytes."""
        return self._digest(b"key", text)

    def of_staff_token(self, text: str) -> bytes:
        """Return the digest of a staff token's text, 32 bytes."""
        return self._digest(b"staff", text)

    def of_link(self, text: str) -> bytes:
        """Return the digest of a sign-in link's text, 32 bytes."""
        return self._digest(b"link", text)

    def of_attempt(self, text: str) -> bytes:
        """Return the digest of an attempt's text, 32 bytes."""
        return self._digest(b"attempt", text)

    def of_session(self, text: str) -> bytes:
        """Return the digest of a session's text, 32 bytes."""
        return self._digest(b"session", text)

    def of_page(self, session_id: str) -> bytes:
        """Return what a page that was given to a session proves itself with, 32 bytes."""
        return self._digest(b"page", session_id)

    def of_email(self, address: str) -> bytes:
        """Return the digest of an e-mail address in its canonical form, 32 bytes."""
        return self._digest(b"email", canonical_email(address))

    def _digest(self, domain: bytes, text: str) -> bytes:
        return hmac.digest(self._secret, domain + b"\0" + text.encode(), "sha256")


def same(digest: bytes, other: bytes) -> bool:
    """Return whether two digests are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(digest, other)


def canonical_email(address: str) -> str:
    """Return the one spelling under which an address is recognised: NFKC, trimmed, case folded.

    Dots and ``+tags`` stay: which providers ignore them is not ours to guess, and two people may differ only in them.

    Raises:
        ValueError: It has no name, no ``@`` or no domain, or is longer than 254 characters.
    """
    canonical = unicodedata.normalize("NFKC", address).strip().casefold()
    name, at, domain = canonical.rpartition("@")
    if not (name and at and "." in domain.strip(".")) or len(canonical) > 254 or any(c.isspace() for c in canonical):  # noqa: PLR2004 - RFC 5321
        raise ValueError("not an e-mail address")
    return canonical
