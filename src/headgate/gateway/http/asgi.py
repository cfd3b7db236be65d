"""Reading a request and writing an answer, in ASGI's own terms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias, cast

from headgate.gateway.errors import NoKey

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


def came(message: Message) -> tuple[bytes, bool]:
    """Return the next of a request's body, and whether more may follow.

    Raises:
        ClientGone: The client left.
    """
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
