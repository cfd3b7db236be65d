"""The model server, called: bytes out, bytes back, nothing in between.

A small HTTP/1.1 client of our own (RFC 9112) on the event loop's streams. It exists for one property that the libraries we
measured do not give: when the caller is cancelled, at any point, also before the first byte of the answer, the connection is
broken off at once, so a model server stops working for a client that has left or may no longer ask. It follows no redirect,
keeps no cookie, decompresses nothing, takes no proxy from the environment, and never sends a request a second time.

What comes back is read strictly: an answer whose framing is ambiguous is no answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from headgate.gateway.model import Upstream

_MOST_HEAD_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024
_IDLE_S = 30.0
"""How long a connection that nobody uses is kept."""
_MOST_IDLE = 256
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_NO_BODY = frozenset({204, 304})


class NotReached(UpstreamFailed):
    """The model server could not be reached, so it did nothing."""

    code = "upstream.unreachable"


@dataclass(frozen=True, slots=True)
class _Origin:
    host: str
    port: int
    tls: bool
    path: str
    authority: str


class _Reader(asyncio.StreamReader):
    """A stream that can say whether something lies in it unread."""

    _buffer: bytearray

    def empty(self) -> bool:
        return not self._buffer


@dataclass(slots=True)
class _Wire:
    reader: _Reader
    writer: asyncio.StreamWriter
    idle_since_s: float = 0.0

    def usable(self, now_s: float) -> bool:
        """Return whether another request may be sent on it.

        It must be young, not closed by its other end, and empty: bytes that came without having been asked for would be
        taken for the answer to somebody else's request.
        """
        fresh = now_s - self.idle_since_s < _IDLE_S
        return fresh and self.reader.empty() and not self.reader.at_eof() and not self.writer.is_closing()

    def break_off(self) -> None:
        """Close it now, unsent bytes included."""
        self.writer.transport.abort()


class Answer:
    """An answer that has begun.

    Attributes:
        status: Its HTTP status.
        headers: Its headers, names in lower case, repeated ones apart.
        reusable: Whether the connection can carry another request, which is so only after a proper end.
    """

    def __init__(self, reader: asyncio.StreamReader, status: int, headers: list[tuple[str, str]], *, persistent: bool) -> None:
        self.status = status
        self.headers = headers
        self.reusable = False
        self._reader = reader
        self._persistent = persistent
        self._chunked = False
        self._left: int | None = None
        self._ended = False
        self._frame()

    def header(self, name: str) -> str:
        """Return a header's first value, empty where it is absent."""
        return next((value for key, value in self.headers if key == name), "")

    async def read(self) -> bytes | None:
        """Return the next bytes as they arrive; ``None`` at the proper end.

        Raises:
            UpstreamFailed: The answer broke off.
            UpstreamGarbage: Its framing is broken.
        """
        if self._ended:
            return None
        try:
            if self._chunked and not self._left:
                await self._next_chunk()
            if self._left == 0:
                return self._end()
            data = await self._reader.read(_READ_BYTES if self._left is None else min(self._left, _READ_BYTES))
            if not data:
                if self._left is None:
                    return self._end()
                raise _broke_off()
            if self._left is not None:
                self._left -= len(data)
                if self._chunked and not self._left and await self._reader.readexactly(2) != b"\r\n":
                    raise _garbage()
        except (OSError, asyncio.IncompleteReadError):
            raise _broke_off() from None
        except asyncio.LimitOverrunError:
            raise _garbage() from None
        return data

    def _frame(self) -> None:
        """Find out where the answer ends (RFC 9112, section 6.3)."""
        codings = [value.lower() for key, value in self.headers if key == "transfer-encoding"]
        lengths = {value for key, value in self.headers if key == "content-length"}
        if self.status in _NO_BODY:
            self._left = 0
        elif codings:
            if codings != ["chunked"] or lengths:
                raise _garbage()
            self._chunked = True
            self._left = 0
        elif lengths:
            length = lengths.pop()
            if lengths or not length.isascii() or not length.isdecimal():
                raise _garbage()
            self._left = int(length)
        else:
            self._persistent = False  # it ends where the connection does

    async def _next_chunk(self) -> None:
        match = _CHUNK_SIZE.fullmatch(await self._reader.readuntil(b"\r\n"))
        if match is None:
            raise _garbage()
        self._left = int(match[1], 16)
        if not self._left:
            while await self._reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers, which nobody asked for

    def _end(self) -> None:
        self._ended = True
        self.reusable = self._persistent


class Upstreams:
    """Connections to model servers, kept per server while they are of use."""

    def __init__(self) -> None:
        self._idle: dict[_Origin, list[_Wire]] = {}
        self._origins: dict[str, _Origin] = {}
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def post(
        self, upstream: Upstream, path: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> AsyncGenerator[Answer]:
        """Send a request and yield the answer as soon as its head is there; leaving early breaks the connection off.

        Args:
            upstream: Where to.
            path: Below its base URL.
            headers: As they are to be sent, without ``host`` and ``content-length``.
            body: As it is to be sent.

        Raises:
            UpstreamFailed: It cannot be reached, or broke off.
            UpstreamGarbage: What it answers is not HTTP.
        """
        origin = self._origin(upstream.url)
        head = _head(origin, path, headers, len(body))
        wire = self._reuse(origin) or await self._connect(origin, upstream.connect_s)
        answer: Answer | None = None
        try:
            answer = await _exchange(wire, head + body)
            yield answer
        finally:
            wire.idle_since_s = time.monotonic()
            if answer is not None and answer.reusable and wire.usable(wire.idle_since_s):
                self._put_by(origin, wire)
            else:
                wire.break_off()

    async def close(self) -> None:
        """Close every connection that is not in use."""
        idle, self._idle = self._idle, {}
        for wires in idle.values():
            for wire in wires:
                wire.break_off()

    def _origin(self, url: str) -> _Origin:
        origin = self._origins.get(url)
        if origin is None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise NotReached("The model server's address is not an HTTP URL.", rule="upstream", help="Tell its operator.")
            tls = parts.scheme == "https"
            authority = parts.netloc.rpartition("@")[2]
            origin = _Origin(parts.hostname, parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"), authority)
            self._origins[url] = origin
        return origin

    def _reuse(self, origin: _Origin) -> _Wire | None:
        wires = self._idle.get(origin, [])
        now_s = time.monotonic()
        while wires:
            wire = wires.pop()
            if wire.usable(now_s):
                return wire
            wire.break_off()
        return None

    def _put_by(self, origin: _Origin, wire: _Wire) -> None:
        wires = self._idle.setdefault(origin, [])
        wires.append(wire)
        if len(wires) > _MOST_IDLE:
            wires.pop(0).break_off()

    async def _connect(self, origin: _Origin, within_s: float) -> _Wire:
        if origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        reader = _Reader(limit=_MOST_HEAD_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(within_s):
                transport, _ = await loop.create_connection(
                    lambda: protocol, origin.host, origin.port, ssl=self._tls if origin.tls else None
                )
        except (OSError, TimeoutError):
            raise NotReached("The model server cannot be reached.", rule="upstream", help="Try again soon.") from None
        return _Wire(reader, asyncio.StreamWriter(transport, protocol, reader, loop), time.monotonic())


async def _exchange(wire: _Wire, request: bytes) -> Answer:
    try:
        wire.writer.write(request)
        await wire.writer.drain()
        while True:
            status, headers, minor = _read_head(await wire.reader.readuntil(b"\r\n\r\n"))
            if status >= 200:  # noqa: PLR2004 - anything below announces the answer and is not it
                break
    except asyncio.IncompleteReadError as error:
        raise (_garbage() if error.partial else _broke_off()) from None
    except OSError:
        raise _broke_off() from None
    except asyncio.LimitOverrunError:
        raise _garbage() from None
    tokens = {token.strip().lower() for key, value in headers if key == "connection" for token in value.split(",")}
    return Answer(wire.reader, status, headers, persistent=minor == b"1" and "close" not in tokens)


def _read_head(head: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    first, *lines = head[:-4].split(b"\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None or status[2] == b"101":
        raise _garbage()
    headers: list[tuple[str, str]] = []
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise _garbage()
        headers.append((match[1].decode("ascii").lower(), match[2].decode("latin-1")))
    return int(status[2]), headers, status[1]


def _head(origin: _Origin, path: str, headers: Sequence[tuple[str, str]], length: int) -> bytes:
    lines = [f"POST {origin.path}{path} HTTP/1.1", f"host: {origin.authority}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"content-length: {length}")
    text = "\n".join(lines)
    if text.count("\n") != len(lines) - 1 or "\r" in text or "\0" in text:
        raise UpstreamFailed("A header cannot be sent to the model server.", rule="upstream", help="Leave it out.")
    return text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n"


def _broke_off() -> UpstreamFailed:
    return UpstreamFailed("The model server broke off.", rule="upstream", help="Try again.")


def _garbage() -> UpstreamGarbage:
    return UpstreamGarbage("What the model server answers is not HTTP.", rule="upstream", help="Tell its operator.")
