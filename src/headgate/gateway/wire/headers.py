"""Which headers cross the gateway, in either direction.

Nothing that belongs to one connection crosses (RFC 9110, section 7.6.1), nor a credential of the client's, nor a header by
which a client could choose under which of the upstream's projects Headgate itself is billed, or have its request taken for
another one: of another path, another method, from another place. Many servers read ``_`` in a name as ``-``, so a name that
differs in nothing else is the same name. The rest passes as it came.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import TYPE_CHECKING

from headgate.gateway.model import Api, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headgate.gateway.model import Standing

_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    }
)
_NOT_UPSTREAM = _CONNECTION | {
    "host",
    "expect",
    "accept-encoding",
    "content-encoding",
    "authorization",
    "api-key",
    "x-api-key",
    "cookie",
    "openai-organization",
    "openai-project",
    "anthropic-workspace-id",
    "anthropic-user-profile-id",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-request-id",
    "http2-settings",
    "via",
}
_NOT_DOWNSTREAM = _CONNECTION | {"set-cookie", "server", "date", "alt-svc", "strict-transport-security"}
_REQUEST_IDS = {Api.OPENAI: (b"x-request-id",), Api.ANTHROPIC: (b"request-id", b"x-request-id")}
"""Headers that carry a request's identifier, the API's own first."""
_IDEMPOTENCY_KEY = "idempotency-key"
_SENDABLE = bytes((9, *range(32, 127), *range(128, 256)))
"""What a header's value may hold (RFC 9110, section 5.5); no server will send more."""
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 64
"""How many names, up to what length, are remembered with what becomes of them: every exchange carries the same few."""
_CONNECTION_LENGTH = len("connection")
_USUAL = [b"keep-alive"]
"""What most clients say in ``connection``: it names a header that does not cross anyway."""
_NONE: frozenset[bytes] = frozenset()
_LIMITS = {
    unit: tuple(f"x-ratelimit-{said}-{unit.value}".encode() for said in ("limit", "remaining", "reset"))
    for unit in (Unit.REQUESTS, Unit.TOKENS)
}
"""Headers that say how a limit stands, by what it counts."""
_OURS = ("x-headgate-", "x-ratelimit-", "anthropic-ratelimit-")


def to_upstream(
    headers: Sequence[tuple[bytes, bytes]], *, request_id: str, account: str, api_key: str | None, api: Api = Api.OPENAI
) -> list[tuple[str, str]]:
    """Return the headers that go to the upstream.

    An idempotency key is the account's own: under one credential of Headgate's, two accounts that choose the same one would be
    given each other's answers.

    Args:
        headers: As the client sent them, names in lower case.
        request_id: The exchange's identifier.
        account: Who asks.
        api_key: Headgate's own credential there.
        api: What the upstream is spoken to in.
    """
    named = _named(headers)
    crossing = [
        (name, _text(value))
        for raw, value in headers
        if (name := _up(raw) if len(raw) <= _LONGEST_KNOWN else _crossing_up(raw)) and raw not in named
    ]
    for place, (name, value) in enumerate(crossing):
        if name == _IDEMPOTENCY_KEY:
            crossing[place] = (name, hashlib.sha256(f"{account}\0{value}".encode()).hexdigest())
    # A compressed answer cannot be observed, so none is asked for. The exchange is named in a header of Headgate's own: there are
    # servers that refuse an x-request-id that is not a UUID.
    crossing += (("accept-encoding", "identity"), ("x-headgate-request-id", request_id))
    if api_key is not None:
        crossing.append(("authorization", f"Bearer {api_key}"))
        if api is Api.ANTHROPIC:
            crossing.append(("x-api-key", api_key))  # the API takes it either way; servers that imitate it take one or the other
    return crossing


def to_client(headers: Sequence[tuple[bytes, bytes]], *, request_id: str, api: Api = Api.OPENAI) -> list[tuple[bytes, bytes]]:
    """Return the upstream's headers that go to the client, with the exchange's identifier.

    The upstream's own request id is kept under a name of its own; what Headgate says of itself cannot be forged by it. A value
    that is none stays behind.
    """
    ids = _REQUEST_IDS[api]
    named = _named(headers)
    crossing: list[tuple[bytes, bytes]] = []
    theirs: bytes | None = None
    for raw, value in headers:
        name = _down(raw) if len(raw) <= _LONGEST_KNOWN else _crossing_down(raw)
        if not name or name in named or value.translate(None, _SENDABLE):
            continue
        if name not in ids:
            crossing.append((name, value))
        elif theirs is None:
            theirs = value
    if theirs is not None:
        crossing.append((b"x-headgate-upstream-request-id", theirs))
    crossing += ((name, request_id.encode()) for name in ids)
    return crossing


def limits(standings: Iterable[Standing]) -> list[tuple[bytes, bytes]]:
    """Return how limits stand, as the OpenAI clients read it: of several holders' limits, the tightest."""
    tightest: dict[Unit, Standing] = {}
    for standing in standings:
        unit = standing.unit
        if unit in _LIMITS and (unit not in tightest or standing.remaining < tightest[unit].remaining):
            tightest[unit] = standing
    told: list[tuple[bytes, bytes]] = []
    for unit, (_, limit, remaining, reset_s) in tightest.items():
        says_limit, says_remaining, says_reset = _LIMITS[unit]
        told += ((says_limit, b"%d" % limit), (says_remaining, b"%d" % remaining), (says_reset, duration(reset_s)))
    return told


def duration(seconds: float) -> bytes:
    """Return a span as the OpenAI headers write it: ``6m0s``, ``1s``, ``12ms``."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms".encode()
    whole = math.ceil(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest}s"
    if whole >= 60:  # noqa: PLR2004 - seconds in a minute
        text = f"{minutes}m{text}"
    return (f"{hours}h{text}" if hours else text).encode()


def _crossing_up(name: bytes) -> str:
    """Return the name of a header as it goes up; empty where it does not."""
    text = name.decode("latin-1")
    dashed = text.replace("_", "-")
    return "" if dashed in _NOT_UPSTREAM or dashed.startswith("x-headgate-") else text


def _crossing_down(name: bytes) -> bytes:
    """Return the name of a header, in lower case, as it goes down; empty where it does not."""
    text = name.decode("latin-1").lower()
    return b"" if text in _NOT_DOWNSTREAM or text.startswith(_OURS) else text.encode("latin-1")


_up = lru_cache(maxsize=_MOST_KNOWN)(_crossing_up)
_down = lru_cache(maxsize=_MOST_KNOWN)(_crossing_down)


def _text(value: bytes) -> str:
    """Return a header's value as text that is UTF-8 on the wire again; what is not UTF-8 was Latin-1 once (RFC 9110, 5.5)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _named(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Return the headers that a ``connection`` header makes the connection's own."""
    values = [value.lower() for name, value in headers if len(name) == _CONNECTION_LENGTH and name.lower() == b"connection"]
    if not values or values == _USUAL:
        return _NONE
    return frozenset(token.strip() for value in values for token in value.split(b","))
