"""When what somebody shows proves that it is they, now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

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
