"""Passkeys by the ``webauthn`` library: the options that browsers are given, and what they answer.

A passkey is bound to a name, the host of the installation's origin; the same passkey shown to another place is worth nothing
there. Every passkey must know its owner by itself, so that signing in asks for no name, and must have verified the person. Who
made the authenticator is nobody's business: no attestation is asked for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from headgate.access.errors import PasskeyRefused
from headgate.access.model import MadePasskey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from webauthn.helpers.structs import PublicKeyCredentialCreationOptions, PublicKeyCredentialRequestOptions

    from headgate.access.model import Passkey, Staff
    from headgate.kernel.digest import Json

_TIMEOUT_MS = 120_000
_RESPONSE_CHARS = 20_000
_T = TypeVar("_T")


class WebauthnReader:
    """A ``PasskeyReader`` for one installation.

    Args:
        origin: Where browsers reach it: ``https://gate.example``.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._host = urlsplit(origin).hostname or ""

    def creation(self, member: Staff, challenge: bytes, known: Sequence[Passkey]) -> Mapping[str, Json]:
        return _spelled(
            generate_registration_options(
                rp_id=self._host,
                rp_name="Headgate",
                user_id=member.id.encode(),
                user_name=member.name,
                challenge=challenge,
                timeout=_TIMEOUT_MS,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
                ),
                exclude_credentials=_named(known),
            )
        )

    def made(self, response: str, challenge: bytes) -> MadePasskey:
        made = _read(
            response,
            lambda: verify_registration_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            ),
        )
        return MadePasskey(made.credential_id, made.credential_public_key, made.sign_count)

    def request(self, challenge: bytes, allowed: Sequence[Passkey]) -> Mapping[str, Json]:
        return _spelled(
            generate_authentication_options(
                rp_id=self._host,
                challenge=challenge,
                timeout=_TIMEOUT_MS,
                allow_credentials=_named(allowed),
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        )

    def called(self, response: str) -> bytes:
        return _read(response, lambda: parse_authentication_credential_json(response)).raw_id

    def shown(self, response: str, challenge: bytes, passkey: Passkey) -> int:
        def checked() -> int:
            read = parse_authentication_credential_json(response)
            if read.raw_id != passkey.credential_id or read.response.user_handle not in (None, passkey.staff_id.encode()):
                raise ValueError("another passkey")
            return verify_authentication_response(
                credential=read,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,  # whoever asks judges whether it counts on, and removes one that does not
                require_user_verification=True,
            ).new_sign_count

        return _read(response, checked)


def _named(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in passkeys]


def _spelled(options: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", json.loads(options_to_json(options)))


def _read(response: str, read: Callable[[], _T]) -> _T:
    """Return what a browser's answer says.

    Raises:
        PasskeyRefused: It says nothing that can be read, or that holds.
    """
    if len(response) > _RESPONSE_CHARS:
        raise _refused()
    try:
        return read()
    except Exception as problem:  # noqa: BLE001 - whatever a stranger's bytes do to their parsers, they are no passkey
        why = problem
    raise _refused() from why


def _refused() -> PasskeyRefused:
    return PasskeyRefused(
        "This is not the answer of a passkey that this installation can take.",
        help="Try again; use a passkey that asks for your finger, your face or its PIN.",
    )
