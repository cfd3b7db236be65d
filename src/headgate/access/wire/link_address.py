"""Where links lead that let somebody in once: to the console, and to the chat page.

Their text stands behind ``#``, which no browser sends with an address: it is in no server's log and in no ``Referer``.
"""

from __future__ import annotations

_SIGN_IN = "/console/sign-in"
_CHAT_PAGE = "/chat/enter"


def sign_in_address(origin: str, text: str) -> str:
    """Return a sign-in link's text as something to open in a browser."""
    return f"{origin}{_SIGN_IN}#{text}"


def chat_page_address(origin: str, text: str) -> str:
    """Return the text of a link to the chat page as something to open in a browser."""
    return f"{origin}{_CHAT_PAGE}#{text}"
