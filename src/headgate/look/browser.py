"""What a server knows of a browser: the cookie that it was given, and whether it says that a call was made by a page of ours.

A cookie can be read by no script, goes to this host alone, and by TLS only where there is TLS. A call that changes something
must come from a page of the same origin by the browser's own word, because a cookie travels with calls of other pages too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PROOF_FIELD = "proof"
PROOF_HEADER = "x-page-proof"
"""Where a form, or a call, shows what its page was given."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """A session's cookie.

    Attributes:
        name: What it is called.
        origin: Where browsers reach this installation: ``https://gate.example``.
        life_s: How long a browser keeps it.
    """

    name: str
    origin: str
    life_s: int

    @property
    def full_name(self) -> str:
        """Its name for the browser, which lets nobody but this very host set one that begins so."""
        return f"__Host-{self.name}" if self._by_tls else self.name

    @property
    def _by_tls(self) -> bool:
        return self.origin.startswith("https://")

    def text(self, request: Request) -> str | None:
        """Return what a browser shows."""
        return request.cookies.get(self.full_name)

    def give(self, response: Response, text: str) -> None:
        """Have a browser keep it."""
        response.set_cookie(
            self.full_name, text, max_age=self.life_s, path="/", secure=self._by_tls, httponly=True, samesite="lax"
        )

    def take(self, response: Response) -> None:
        """Have a browser forget it."""
        response.delete_cookie(self.full_name, path="/", secure=self._by_tls, httponly=True, samesite="lax")


def comes_from_here(request: Request, origin: str) -> bool:
    """Return whether a browser says that a page of this origin made the call, under whichever of our names it knows us."""
    asked = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin") in (origin, asked) and request.headers.get("sec-fetch-site") in (None, "same-origin")


def peer(request: Request) -> str:
    """Return the address of the other end of the connection; empty where there is none."""
    return "" if request.client is None else request.client.host
