"""Heads: what a request's may be, as an ASGI scope, and how an answer's is written.

A request that two readers could take for two different ones is refused here rather than repaired: no host or several, a framing
beside ``chunked``, a target that is none of the forms of RFC 9112. What llhttp has let pass has one framing already.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

Scope: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[bytes, bytes]]

MOST_HEAD_BYTES = 64 * 1024
"""Most bytes of a request's head, and of whatever else comes that is neither a body nor a request."""
MOST_HEADERS = 128
FRAMING = (b"content-length", b"transfer-encoding")
"""The headers that say where a body ends."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_SCHEMES = (b"http://", b"https://")
_REASONS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BODILESS = (204, 304)
_FIRST_STATUS, _LAST_STATUS = 200, 999


class NotServed(Exception):
    """A request that is none; not for a caller.

    Args:
        status: What its sender is told.
    """

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def scope_of(
    method: str,
    target: bytes,
    version: str,
    headers: Headers,
    *,
    client: tuple[str, int] | None,
    server: tuple[str, int] | None,
) -> Scope:
    """Return a request's head as an ASGI scope.

    Args:
        method: In capitals.
        target: What was asked for, as it stands in the first line.
        version: The version of HTTP, ``1.1`` or ``1.0``.
        headers: Names in lower case.
        client: The other end of the connection.
        server: This end.

    Raises:
        NotServed: It is not a request, or not one that could be taken in one way only.
    """
    if version not in ("1.1", "1.0"):
        raise NotServed(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding" and (value.lower() != b"chunked" or version == "1.0"):
            raise NotServed(HTTPStatus.BAD_REQUEST if version == "1.0" else HTTPStatus.NOT_IMPLEMENTED)
    if hosts > 1 or (not hosts and version == "1.1"):
        raise NotServed(HTTPStatus.BAD_REQUEST)
    path, _, query = _origin_form(target).partition(b"?")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": version,
        "method": method,
        "scheme": "http",
        "path": _decoded(path),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": client,
        "server": server,
    }


def _origin_form(target: bytes) -> bytes:
    """Return a target without the server that it may name (RFC 9112, section 3.2)."""
    if target.startswith(b"/") or target == b"*":
        return target
    scheme = next((scheme for scheme in _SCHEMES if target[: len(scheme)].lower() == scheme), None)
    if scheme is None:
        raise NotServed(HTTPStatus.BAD_REQUEST)
    rest = target[len(scheme) :]
    ends = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    after = rest[ends:]
    return after if after.startswith(b"/") else b"/" + after


def _decoded(path: bytes) -> str:
    if b"%" not in path and path.isascii():
        return path.decode("ascii")
    return unquote_to_bytes(path).decode("utf-8", "replace")


class AnswerHead:
    """How an answer begins, and what its body may then be.

    Args:
        status: Its status.
        headers: What its application says.
        method: Of the request.
        version: Of the request.
        whole_bytes: How long the body is, where all of it is there.
        close: Whether its connection ends with it.

    Attributes:
        written: The head as it goes out.
        bodiless: Whether nothing follows, whatever the application says.
        chunked: Whether what follows says itself where it ends.
        length: How many bytes follow; ``None`` where that is not said.
        close: Whether the connection ends with it.

    Raises:
        ValueError: A status that is none of an answer's, a header that would be several, or a length that is none.
    """

    __slots__ = ("bodiless", "chunked", "close", "length", "written")

    def __init__(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        method: str,
        version: str,
        whole_bytes: int | None,
        close: bool,
    ) -> None:
        if not _FIRST_STATUS <= status <= _LAST_STATUS:
            raise ValueError("a status that does not end a request")
        lines = [_REASONS.get(status) or b"HTTP/1.1 %d \r\n" % status, _date(int(time.time()))]
        announced, ends = _take_over(headers, lines)
        is_head, never = method == "HEAD", status in _BODILESS
        length = whole_bytes if announced is None and not is_head else announced
        self.bodiless = never or is_head
        self.chunked = length is None and not self.bodiless and version == "1.1"
        self.length = length
        if length is not None and not never:
            lines.append(b"content-length: %d\r\n" % length)
        elif self.chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        self.close = close or ends or (length is None and not self.chunked and not self.bodiless)
        if self.close:
            lines.append(b"connection: close\r\n")
        elif version == "1.0":
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        self.written = written = b"".join(lines)
        if written.count(b"\n") != len(lines) or written.count(b"\r") != len(lines) or b"\0" in written:
            raise ValueError("a header that would be several")


def _take_over(headers: Iterable[tuple[bytes, bytes]], lines: list[bytes]) -> tuple[int | None, bool]:
    """Write an application's headers; return how long it says its body is, and whether it ends the connection.

    How a body goes out is settled here, so what is said of that is not written.
    """
    length: int | None = None
    ends = False
    for name, value in headers:
        match len(name):  # quicker to tell apart than names are
            case 14 if name.lower() == b"content-length":
                if length is not None or not value.isdigit():
                    raise ValueError("a length that is none")
                length = int(value)
            case 4 if name.lower() == b"date":
                lines[1] = b"date: %b\r\n" % value
            case 10 if name.lower() == b"connection":
                ends = ends or b"close" in value.lower()
            case 17 if name.lower() == b"transfer-encoding":
                pass
            case _:
                lines.append(b"%b: %b\r\n" % (name, value))
    return length, ends


@lru_cache(maxsize=1)
def _date(at_s: int) -> bytes:
    """Return the line that says when this is, the same one for a second."""
    return f"date: {formatdate(at_s, usegmt=True)}\r\n".encode()


def refusal(status: HTTPStatus) -> bytes:
    """Return the whole answer to what is not a request; its connection ends with it."""
    body = f"{status.phrase}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    return AnswerHead(status, headers, method="GET", version="1.1", whole_bytes=len(body), close=True).written + body
