"""A request's head as it goes out, and where it goes.

Nothing is added but ``host`` and ``content-length``. A request is sent as it was meant or not at all: a control character in a
header or in the line would let its author write headers, or requests, of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from headgate.gateway.upstream.errors import not_reached

if TYPE_CHECKING:
    from collections.abc import Sequence

_PORTS = {"http": 80, "https": 443}
_AS_IT_IS = "%/?:@!$&'()*+,;=-._~[]|"
"""What a path and a query may hold beside letters and digits; ``%`` is there already where something was quoted."""
_SENDABLE = bytes((9, *range(32, 127), *range(128, 256)))
"""What a line may hold (RFC 9110, section 5.5)."""
_BODILESS = ("GET", "HEAD")
"""Methods whose request has no body unless one is declared (RFC 9110, section 8.6)."""


class NotSendable(ValueError):
    """A request that would not be what it was meant to be; not for a caller."""


class Origin(NamedTuple):
    """A server, as far as connections to it are alike.

    Attributes:
        tls: Whether it is spoken to in TLS.
        host: Its name or its address, without brackets.
        port: Its port.
    """

    tls: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Base:
    """A base address, read.

    Attributes:
        origin: The server.
        authority: What its ``host`` header says.
        path: What stands before each path.
    """

    origin: Origin
    authority: str
    path: str


@lru_cache(maxsize=1024)
def base(url: str) -> Base:
    """Read a server's base address.

    Raises:
        NotReached: It is not the address of a server that speaks HTTP.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
        name = host if host.isascii() else host.encode("idna").decode()
    except ValueError:
        raise not_reached() from None
    usual = _PORTS.get(parts.scheme)
    if usual is None or not name or "@" in parts.netloc or parts.query or parts.fragment:
        raise not_reached()
    port = usual if port is None else port
    shown = f"[{name}]" if ":" in name else name
    return Base(
        Origin(parts.scheme == "https", name, port),
        shown if port == usual else f"{shown}:{port}",
        quote(parts.path.rstrip("/"), safe=_AS_IT_IS),
    )


def head(at: Base, method: str, path: str, headers: Sequence[tuple[str, str]], length: int | None) -> bytes:
    """Return a request's head.

    Args:
        at: Where it goes.
        method: In capitals.
        path: Below the base, with its query.
        headers: In this order, as they are.
        length: How many bytes of body follow; ``None`` for no body.

    Raises:
        NotSendable: A line would not be one line.
    """
    try:
        if not (path.isascii() and path.isprintable()) or " " in path or "#" in path:
            path = quote(path, safe=_AS_IT_IS)
        lines = [f"{method} {at.path}{path} HTTP/1.1", f"host: {at.authority}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if length is not None:
            lines.append(f"content-length: {length}")
        elif method not in _BODILESS:
            lines.append("content-length: 0")
        lines += ("", "")
        text = "\r\n".join(lines).encode()
    except UnicodeEncodeError:
        raise NotSendable("what is no text") from None
    if text.translate(None, _SENDABLE) != b"\r\n" * (len(lines) - 1):
        raise NotSendable("a header that would be several")
    return text
