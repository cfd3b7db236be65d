"""Signed notes: a text, and Ed25519 signatures over it that a person can read, paste and check.

A key is written as text too: the verifier key that everybody may have (``name+hash+base64``), and the signer's key that
nobody else may see (``PRIVATE+KEY+name+hash+base64``). Base64 is read strictly: one value has one spelling, so that no
byte of a stored note can change unnoticed.

Source:
    C2SP signed-note v1.0.0 (https://c2sp.org/signed-note); the key texts are those of golang.org/x/mod/sumdb/note,
    whose published key and note ``tests/unit/ledger/test_note.py`` reproduces byte by byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from headgate.ledger.errors import NotANote, NotSigned

if TYPE_CHECKING:
    from collections.abc import Iterable

_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_DASH = "\N{EM DASH} "
_MOST_SIGNATURES = 100
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name.

    Attributes:
        name: Whose it is, such as ``headgate.example/ledger``: no spaces and no plus.
        public: The Ed25519 public key, 32 bytes.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise NotANote("A key's name must not be empty and must not hold spaces or a plus.")
        if len(self.public) != _KEY_BYTES:
            raise NotANote(f"A public key has {_KEY_BYTES} bytes.")

    @property
    def id(self) -> bytes:
        """The key's four-byte hash, which names it in a signature."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    @property
    def label(self) -> str:
        """The key's name and hash, which is enough to tell keys apart."""
        return f"{self.name}+{self.id.hex()}"

    def __str__(self) -> str:
        return f"{self.label}+{_encode(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a verifier key.

        Raises:
            NotANote: It is not one, is of another kind than Ed25519, or its hash is wrong.
        """
        key = cls(*_parse_key(text))
        if str(key) != text:
            raise NotANote("The verifier key's hash is not that of its name and key.")
        return key


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name. Its text is a secret; its ``repr`` is not.

    Attributes:
        name: Whose it is; see ``VerifierKey``.
        key: The Ed25519 private key.
    """

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Signer:
        """Return the signer whose private key grows from 32 random bytes.

        Raises:
            NotANote: The seed has another length, or the name is not one.
        """
        if len(seed) != _KEY_BYTES:
            raise NotANote(f"A private key has {_KEY_BYTES} bytes.")
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        _ = signer.verifier
        return signer

    @classmethod
    def parse(cls, secret: str) -> Signer:
        """Read a signer's key from its text.

        Raises:
            NotANote: It is not one, or its hash is wrong.
        """
        if not secret.startswith(_PRIVATE):
            raise NotANote("A signer's key begins with PRIVATE+KEY+.")
        signer = cls.from_seed(*_parse_key(secret.removeprefix(_PRIVATE)))
        if signer.secret() != secret:
            raise NotANote("The signer's key has a hash that is not that of its name and key.")
        return signer

    @property
    def verifier(self) -> VerifierKey:
        """The key that checks what this one signs."""
        return VerifierKey(self.name, self.key.public_key().public_bytes_raw())

    def secret(self) -> str:
        """Return the key's text, for a file that only its owner can read."""
        return f"{_PRIVATE}{self.verifier.label}+{_encode(_ED25519 + self.key.private_bytes_raw())}"

    def sign(self, text: str) -> str:
        """Return ``text`` as a note signed by this key.

        Raises:
            NotANote: The text does not end in a newline, or holds control characters.
        """
        _check_text(text)
        if not text.endswith("\n"):
            raise NotANote("A note's text ends in a newline.")
        signature = self.verifier.id + self.key.sign(text.encode())
        return f"{text}\n{_DASH}{self.name} {_encode(signature)}\n"


def opened(note: str, keys: Iterable[VerifierKey]) -> tuple[str, tuple[VerifierKey, ...]]:
    """Return a note's text and the keys that signed it.

    Signatures by unknown keys are ignored, as the format asks. Nobody trusted means nobody has signed.

    Args:
        note: The note.
        keys: The keys that are trusted.

    Raises:
        NotANote: The note is malformed.
        NotSigned: No trusted key has signed it, or a trusted key's signature is wrong.
    """
    _check_text(note)
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NotANote("A signed note has a text, an empty line and signatures.")
    text += "\n"
    trusted = {(key.name, key.id): key for key in keys}
    signers: list[VerifierKey] = []
    signatures = lines[:-1].split("\n")
    if len(signatures) > _MOST_SIGNATURES:
        raise NotANote(f"The note has more than {_MOST_SIGNATURES} signatures.")
    for line in signatures:
        name, key_id, signature = _signature(line)
        key = trusted.get((name, key_id))
        if key is None or key in signers:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
        except InvalidSignature as wrong:
            raise NotSigned(f"The signature by {name} is not over this text.") from wrong
        signers.append(key)
    if not signers:
        raise NotSigned("No trusted key has signed the note.")
    return text, tuple(signers)


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, spelled = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not _is_name(name):
        raise NotANote("A signature line is a dash, a name and a signature.")
    value = decode_base64(spelled)
    if len(value) <= _ID_BYTES:
        raise NotANote("A signature is longer than its key's hash.")
    return name, value[:_ID_BYTES], value[_ID_BYTES:]


def decode_base64(spelled: str) -> bytes:
    """Return the bytes that standard base64 spells, refusing every spelling but the one.

    Raises:
        NotANote: It is not base64, or not its only spelling.
    """
    try:
        value = base64.b64decode(spelled.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as wrong:
        raise NotANote("Not base64.") from wrong
    if _encode(value) != spelled:
        raise NotANote("Not the one spelling that base64 has for its value.")
    return value


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _parse_key(text: str) -> tuple[str, bytes]:
    """Return a key's name and bytes; the caller compares the hash."""
    try:
        name, _hash, spelled = text.split("+", 2)
    except ValueError as wrong:
        raise NotANote("A key is a name, a hash and base64, joined by plus.") from wrong
    value = decode_base64(spelled)
    if not value.startswith(_ED25519):
        raise NotANote("The key is not of the kind Ed25519.")
    return name, value.removeprefix(_ED25519)


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _check_text(text: str) -> None:
    if any(char < " " and char != "\n" for char in text):
        raise NotANote("A note holds no control characters but newlines.")
