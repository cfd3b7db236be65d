"""An authenticator in software: makes passkeys and uses them as WebAuthn lays down, and lies where a test asks it to.

It answers what a browser would hand on, as JSON. Nothing of it is used outside tests: it verifies nobody.
"""

from __future__ import annotations

import hashlib
import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_AAGUID = bytes(16)
_CURVE_BYTES = 32


@dataclass
class Authenticator:
    """A device with one passkey.

    Attributes:
        origin: The page that asks, as its browser says.
        credential_id: What it calls its passkey.
        counts: How often it says that it has signed; ``None`` for one that does not count.
        verifies: Whether it says that it has verified its owner.
        owner: What it was told that its owner is called, once it has made its passkey.
    """

    origin: str
    credential_id: bytes = b"a passkey of a test"
    counts: int | None = 0
    verifies: bool = True
    owner: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: Mapping[str, Any]) -> str:
        """Return the answer to being asked for a new passkey."""
        self.owner = _bytes(options["user"]["id"])
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(_CURVE_BYTES), -3: public.y.to_bytes(_CURVE_BYTES)}
        attested = _AAGUID + struct.pack(">H", len(self.credential_id)) + self.credential_id + encode_cbor(cose)
        data = self._data(options["rp"]["id"], _ATTESTED) + attested
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": _text(client), "attestationObject": _text(attestation)})

    def use(self, options: Mapping[str, Any]) -> str:
        """Return the answer to being asked for its passkey."""
        if self.counts is not None:
            self.counts += 1
        data = self._data(options["rpId"], 0)
        client = self._client("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": _text(client),
            "authenticatorData": _text(data),
            "signature": _text(signature),
            "userHandle": _text(self.owner),
        }
        return self._answer(response)

    def _data(self, host: str, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(host.encode()).digest() + struct.pack(">BI", flags, self.counts or 0)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        called = _text(self.credential_id)
        return json.dumps({"id": called, "rawId": called, "type": "public-key", "response": response})


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
