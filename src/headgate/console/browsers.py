"""What a browser is called by people, from the line with which it introduces itself.

Only for its owner to recognise: nothing is decided by it, and anybody may claim to be anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""The first that is found is it: most claim to be those below them, too."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_of(request: Request) -> str:
    """Return what sent a request, and from where: ``Firefox on Linux, from 192.0.2.7``."""
    line = request.headers.get("user-agent", "")
    browser = next((name for mark, name in _BROWSERS if mark in line), "another program")
    system = next((f" on {name}" for mark, name in _SYSTEMS if mark in line), "")
    return f"{browser}{system}" + (f", from {request.client.host}" if request.client else "")
