"""What an OpenID provider is asked in one attempt: three values made from the attempt's challenge, so that only it is kept.

``state`` also names the attempt, because it is all that comes back with the browser.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from headgate.access.errors import AttemptOver
from headgate.access.model import Asked, Purpose
from headgate.kernel.ids import AttemptId

if TYPE_CHECKING:
    from headgate.access.model import Attempt

_FRESH = frozenset({Purpose.CONFIRM_BY_PROVIDER, Purpose.LINK_PROVIDER})


def asked_in(attempt: Attempt) -> Asked:
    """Return what the provider is asked in an attempt."""
    return Asked(
        state=f"{attempt.id}.{_derived(attempt, 'state')}",
        nonce=_derived(attempt, "nonce"),
        verifier=_derived(attempt, "verifier"),
        fresh=attempt.purpose in _FRESH,
        since=attempt.created_at,
    )


def attempt_of(state: str) -> AttemptId:
    """Return the attempt that a browser says it comes back from; nothing is checked yet.

    Raises:
        AttemptOver: It names none.
    """
    named, dot, _ = state.partition(".")
    if not (dot and named.startswith("att_") and named.isascii()):
        raise AttemptOver("This was not begun here.", help="Begin again.")
    return AttemptId(named)


def _derived(attempt: Attempt, what: str) -> str:
    return hmac.digest(attempt.challenge, what.encode(), "sha256").hex()
