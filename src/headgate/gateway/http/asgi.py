"""Reading a request and writing an answer, in ASGI's own terms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias, cast

from headgate.gateway.errors import NoKey, TooLarge, TooSlow, WrongContentType
from headgate.gateway.wire.encoding import decompressed

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client left before it had sent its request."""


def headers_of(scope: Scope) -> Headers:
    """Return a request's headers, names in lower case."""
    return cast("Headers", scope["headers"])


def header(scope: Scope, name: bytes) -> str:
    """Return a header's first value, empty where it is absent."""
    for key, value in headers_of(scope):
        if key == name:
            return value.decode("latin-1")
    return ""


def client_ip(scope: Scope) -> str | None:
    """Return the address of the client's end of the connection."""
    client = scope.get("client")
    return None if not client else str(client[0])


def key_text(scope: Scope) -> str:
    """Return the key that a request carries.

    Raises:
        NoKey: It carries none.
    """
    scheme, _, credential = header(scope, b"authorization").partition(" ")
    text = credential.strip() if scheme.lower() == "bearer" else header(scope, b"x-api-key").strip()
    if not text:
        raise NoKey(
            "This request carries no key.", rule="authentication", help="Send it as a bearer token in the Authorization header."
        )
    return text


async def read_json(scope: Scope, receive: Receive, *, most_bytes: int, within_s: float) -> bytes:
    """Return a request's body, decompressed.

    Raises:
        WrongContentType: It is not declared as JSON.
        TooLarge: It is larger than may be, found out as early as can be.
        TooSlow: It did not arrive in time.
        WrongEncoding: It does not decompress.
        ClientGone: The client left.
    """
    media_type = header(scope, b"content-type").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise WrongContentType("The body must be JSON.", rule="content-type", help="Send content-type: application/json.")
    announced = _announced_bytes(scope)
    if announced is not None and announced > most_bytes:
        raise _too_large(most_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(within_s):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                chunks.append(chunk)
                # Whatever the server says: it would have to be asked once more to say that nothing follows what was announced.
                more = message.get("more_body", False) and size != announced
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {within_s:g} seconds.", rule="slow request") from None
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return decompressed(body, header(scope, b"content-encoding"), most_bytes=most_bytes)


def _announced_bytes(scope: Scope) -> int | None:
    """Return how long a body is announced to be; ``None`` where that is not said, or not alone (RFC 9112, section 6.3)."""
    length = header(scope, b"content-length")
    return int(length) if length.isdecimal() and not header(scope, b"transfer-encoding") else None


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most_bytes:,} bytes.", rule="largest body", help="Send less.")
