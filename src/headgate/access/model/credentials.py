"""What staff prove themselves with beside a link: passkeys, and accounts at an OpenID provider; and the attempts at it.

A passkey is a public key; whoever holds the other half, and has shown the authenticator that it is they, is its owner. An account
at a provider is known by the provider's own identifier for it, which never changes hands; its e-mail address plays no part. An
attempt is what lies between asking and proving: it works once, for minutes, in the browser that began it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.ids import AttemptId, IdentityId, PasskeyId, SessionId, StaffId


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of a member of staff.

    Attributes:
        id: ``psk_…``.
        staff_id: Whose it is.
        credential_id: What the authenticator calls it.
        public_key: Its public half, as COSE writes it.
        sign_count: How often the authenticator says that it has signed; zero from those that do not count.
        name: What its owner calls it.
        created_at: When it was added.
        last_used_at: When it last proved who somebody is.
        removed_at: When it was removed.
        revision: How often the row has changed.
    """

    id: PasskeyId
    staff_id: StaffId
    credential_id: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None = None
    removed_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at an OpenID provider that signs a member of staff in.

    Attributes:
        id: ``idn_…``.
        staff_id: Whom it signs in.
        issuer: The provider.
        subject: What the provider calls the account, for ever.
        linked_at: When somebody linked them.
        last_used_at: When it last proved who somebody is.
        removed_at: When the link was undone.
        revision: How often the row has changed.
    """

    id: IdentityId
    staff_id: StaffId
    issuer: str
    subject: str
    linked_at: datetime
    last_used_at: datetime | None = None
    removed_at: datetime | None = None
    revision: int = 0


class Purpose(Enum):
    """What an attempt is to end in."""

    ADD_PASSKEY = "add_passkey"
    SIGN_IN_BY_PASSKEY = "sign_in_by_passkey"
    CONFIRM_BY_PASSKEY = "confirm_by_passkey"
    SIGN_IN_BY_PROVIDER = "sign_in_by_provider"
    CONFIRM_BY_PROVIDER = "confirm_by_provider"
    LINK_PROVIDER = "link_provider"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody was asked to prove who they are, and has not yet.

    Attributes:
        id: ``att_…``; no secret.
        purpose: What it is to end in.
        session_id: The session that it belongs to; without one, it belongs to the browser that holds its text.
        digest: Keyed digest of that text, 32 bytes.
        challenge: 32 random bytes that what is shown must be made from.
        to: The page that was asked for.
        created_at: When it began.
        expires_at: First instant at which it no longer works.
    """

    id: AttemptId
    purpose: Purpose
    session_id: SessionId | None
    digest: bytes = field(repr=False)
    challenge: bytes = field(repr=False)
    to: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MadePasskey:
    """A passkey that an authenticator has just made.

    Attributes:
        credential_id: What the authenticator calls it.
        public_key: Its public half, as COSE writes it.
        sign_count: How often it says that it has signed.
    """

    credential_id: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a provider is asked, and what its answer must fit.

    Attributes:
        state: Comes back with the browser.
        nonce: Comes back in what the provider signs.
        verifier: Proves that who asked is who fetches the answer (RFC 7636).
        fresh: Whether the person must show the provider anew that it is they.
        since: When it was asked.
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    fresh: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Proven:
    """Who somebody is, as a provider has signed it.

    Attributes:
        issuer: The provider.
        subject: What it calls them.
        authenticated_at: When they last showed the provider that it is they.
    """

    issuer: str
    subject: str
    authenticated_at: datetime
