"""Who comes in, and from where: the session's cookie, and the two proofs that a command comes from a page of ours.

A browser says where a call comes from (``Origin``, ``Sec-Fetch-Site``); a page shows the proof that its session was given. Both
must fit: either alone has been forged somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.access.errors import Forged, SessionOver
from headgate.look.browser import Cookie, comes_from_here

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from headgate.access.service.sessions import Resumed, Sessions

_LIFE_S = 12 * 3600
_ATTEMPT_S = 300


@dataclass(frozen=True, slots=True)
class Door:
    """The way into the console.

    Attributes:
        sessions: Who is signed in.
        origin: Where the console is reached: ``https://gate.example``. Where it is reached by TLS, its cookie goes no other way.
    """

    sessions: Sessions
    origin: str

    @property
    def _session(self) -> Cookie:
        return Cookie("headgate", self.origin, _LIFE_S)

    @property
    def _attempt(self) -> Cookie:
        """The cookie that binds an attempt to sign in to the browser that began it."""
        return Cookie("headgate-attempt", self.origin, _ATTEMPT_S)

    def visitor(self, request: Request) -> Resumed:
        """Return who comes.

        Raises:
            SessionMalformed: The cookie holds no session.
            SessionOver: There is no cookie, or its session has ended.
            StaffRevoked: Its holder was revoked.
        """
        text = self._session.text(request)
        if text is None:
            raise SessionOver("You are signed out.", help="Sign in again.")
        return self.sessions.resume(text)

    def must_come_from_here(self, request: Request) -> None:
        """Go on only if the browser says that this call was made by a page of this very place.

        Raises:
            Forged: It says otherwise, or nothing.
        """
        if not comes_from_here(request, self.origin):
            raise Forged("This did not come from a page of this console.", help="Open the console and do it there.")

    def give(self, response: Response, text: str) -> None:
        """Set the session's cookie."""
        self._session.give(response, text)

    def take(self, response: Response) -> None:
        """Remove the session's cookie."""
        self._session.take(response)

    def keep_attempt(self, response: Response, text: str) -> None:
        """Set the cookie of an attempt to sign in."""
        self._attempt.give(response, text)

    def attempt(self, request: Request) -> str | None:
        """Return the text of the attempt that this browser began, if it holds one."""
        return self._attempt.text(request)

    def drop_attempt(self, response: Response) -> None:
        """Remove the cookie of an attempt."""
        self._attempt.take(response)
