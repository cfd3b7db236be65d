"""Those who work on a release, and how they are signed in.

A token is for the command line and the API. A browser has a session: a cookie that stands for a row here, which ends when it
is idle, when it is old, and when anything about its holder's credentials changes. A session's text is renewed while it lives, so
that one which was copied stops working. Nothing here is a secret; secrets are stored as digests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Role
    from headgate.kernel.ids import LinkId, PasskeyId, SessionId, StaffId


class StaffState(Enum):
    """Whether a member of staff may act."""

    ACTIVE = "active"
    REVOKED = "revoked"


class SignedInBy(Enum):
    """What a session rests on."""

    LINK = "link"
    """A link that works once, handed over by somebody who may manage staff, or printed when the installation was made."""
    PASSKEY = "passkey"
    """A passkey, with the person verified by it."""
    PROVIDER = "provider"
    """An OpenID provider that the operator trusts."""


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who works on a release.

    Attributes:
        id: ``stf_…``; it stands in the token's text and is no secret.
        name: What people call them.
        roles: The duties they hold.
        state: Whether they may act.
        token_digest: Keyed digest of the token's text, 32 bytes.
        token_expires_at: First instant at which the token no longer works.
        created_at: When they were entered.
        revision: How often the row has changed.
    """

    id: StaffId
    name: str
    roles: frozenset[Role]
    state: StaffState
    token_digest: bytes = field(repr=False)
    token_expires_at: datetime
    created_at: datetime
    revision: int = 0


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A way to sign in once.

    Attributes:
        id: ``lnk_…``; it stands in the link and is no secret.
        staff_id: Whom it signs in.
        digest: Keyed digest of its text, 32 bytes.
        created_at: When it was made.
        expires_at: First instant at which it no longer works.
        used_at: When it was used.
        revision: How often the row has changed.
    """

    id: LinkId
    staff_id: StaffId
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which a member of staff is signed in.

    Attributes:
        id: ``ses_…``; it stands in the cookie and is no secret.
        staff_id: Who.
        means: What it rests on.
        digest: Keyed digest of the cookie's text, 32 bytes.
        earlier_digest: The same of the text before the last renewal, for requests that were under way then.
        began_at: When they signed in.
        seen_at: When they last did something, to the minute.
        renewed_at: When the text was last renewed.
        verified_at: When they last proved that it is they; dangerous commands ask that this be recent.
        ends_at: First instant at which it no longer works, whatever happens.
        ended_at: When it was ended before that.
        revision: How often the row has changed.
        browser: What signed in, and from where, in words for its holder to recognise.
        passkey_id: The passkey that began it, or has last confirmed in it who its holder is.
    """

    id: SessionId
    staff_id: StaffId
    means: SignedInBy
    digest: bytes = field(repr=False)
    earlier_digest: bytes | None = field(repr=False)
    began_at: datetime
    seen_at: datetime
    renewed_at: datetime
    verified_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    revision: int = 0
    browser: str = ""
    passkey_id: PasskeyId | None = None
