"""What was just done, told on the next page: a sentence in a cookie that lives a minute and is read once. Never a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_SAID = "headgate-said"
_SAID_S = 60


def say(response: Response, sentence: str, *, at: str) -> None:
    """Have a sentence shown on the next page.

    Args:
        response: What sends the browser there.
        sentence: The sentence.
        at: The console's path; no other page is told.
    """
    value = quote(json.dumps(sentence, ensure_ascii=True))
    response.set_cookie(_SAID, value, max_age=_SAID_S, path=at, httponly=True, samesite="lax")


def said(request: Request) -> str | None:
    """Return what was just done, as the command before told its browser."""
    value = request.cookies.get(_SAID)
    if value is None:
        return None
    try:
        sentence = json.loads(unquote(value))
    except ValueError:
        return None
    return sentence if isinstance(sentence, str) else None


def was_said(request: Request, response: Response, *, at: str) -> None:
    """Have a browser forget what the page in this response has told."""
    if _SAID in request.cookies:
        response.delete_cookie(_SAID, path=at)
