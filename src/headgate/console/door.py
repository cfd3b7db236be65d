"""Who comes in, and from where: the session's cookie, and the two proofs that a command comes from a page of ours.

A browser says where a call comes from (``Origin``, ``Sec-Fetch-Site``); a page shows the proof that its session was given. Both
must fit: either alone has been forged somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.access.errors import Forged, SessionOver

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from headgate.access.service.sessions import Resumed, Sessions

PROOF_FIELD = "proof"
PROOF_HEADER = "x-page-proof"
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
    def cookie(self) -> str:
        """The name of the session's cookie; a browser lets nobody but this very host set the long one."""
        return "__Host-headgate" if self._by_tls else "headgate"

    @property
    def _by_tls(self) -> bool:
        return self.origin.startswith("https://")

    @property
    def attempt_cookie(self) -> str:
        """The name of the cookie that binds an attempt to sign in to the browser that began it."""
        return f"{self.cookie}-attempt"

    def visitor(self, request: Request) -> Resumed:
        """Return who comes.

        Raises:
            SessionMalformed: The cookie holds no session.
            SessionOver: There is no cookie, or its session has ended.
            StaffRevoked: Its holder was revoked.
        """
        text = request.cookies.get(self.cookie)
        if text is None:
            raise SessionOver("You are signed out.", help="Sign in again.")
        return self.sessions.resume(text)

    def must_come_from_here(self, request: Request) -> None:
        """Go on only if the browser says that this call was made by a page of this very place.

        Raises:
            Forged: It says otherwise, or nothing.
        """
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if origin not in (self.origin, _asked(request)) or site not in (None, "same-origin"):
            raise Forged("This did not come from a page of this console.", help="Open the console and do it there.")

    def give(self, response: Response, text: str) -> None:
        """Set the session's cookie."""
        response.set_cookie(self.cookie, text, max_age=_LIFE_S, path="/", secure=self._by_tls, httponly=True, samesite="lax")

    def take(self, response: Response) -> None:
        """Remove the session's cookie."""
        response.delete_cookie(self.cookie, path="/", secure=self._by_tls, httponly=True, samesite="lax")

    def keep_attempt(self, response: Response, text: str) -> None:
        """Set the cookie of an attempt to sign in."""
        response.set_cookie(
            self.attempt_cookie, text, max_age=_ATTEMPT_S, path="/", secure=self._by_tls, httponly=True, samesite="lax"
        )

    def attempt(self, request: Request) -> str | None:
        """Return the text of the attempt that this browser began, if it holds one."""
        return request.cookies.get(self.attempt_cookie)

    def drop_attempt(self, response: Response) -> None:
        """Remove the cookie of an attempt."""
        response.delete_cookie(self.attempt_cookie, path="/", secure=self._by_tls, httponly=True, samesite="lax")


def _asked(request: Request) -> str:
    """Return the origin that the request itself was sent to: a second name of this machine is as good as the first."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"
