"""When what somebody shows proves that it is they, now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.access.model import SignedInBy

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.access.model import Session
    from headgate.kernel.ids import PasskeyId

SKEW = timedelta(seconds=60)
"""How far the clocks of two machines may be apart."""


def counts_on(stored: int, shown: int) -> bool:
    """Return whether an authenticator's count of its signatures goes on from the one that was last seen.

    Zero twice is one that does not count (WebAuthn level 3, section 6.1.1). Any other count that does not rise means that
    somewhere there is a second authenticator with the same key.
    """
    return shown > stored or shown == stored == 0


def is_fresh(authenticated_at: datetime, *, since: datetime) -> bool:
    """Return whether somebody showed their provider that it is they after they were asked, and not on an earlier occasion."""
    return authenticated_at >= since - SKEW


def rests_on(session: Session, passkey_id: PasskeyId) -> bool:
    """Return whether a session is to end with a passkey; one of which it is not known by which passkey, ends with any."""
    if session.passkey_id is None:
        return session.means is SignedInBy.PASSKEY
    return session.passkey_id == passkey_id
