"""The model server, called: bytes out, bytes back, nothing in between.

aiohttp speaks HTTP/1.1; everything that it would do of its own accord is turned off here. It follows no redirect, keeps no
cookie, decompresses nothing, takes no proxy and no credential from the environment, adds no header but ``host`` and
``content-length``, and never sends a request a second time: it repeats only idempotent methods, and nothing but POST is sent.
How long an answer may take is the relay's matter; only the wait for a connection is bounded here.

Three things are added. When the caller is cancelled, at any point, the connection is broken off at once, unsent bytes
included, so a model server stops working for a client that has left or may no longer ask. A connection on which something
lies unread is not used again: it would be taken for the answer to somebody else's request. And what comes back is told apart
by what it costs: a server that was not reached did nothing.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import HttpProcessingError

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aiohttp.client import ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from headgate.gateway.model import Upstream

_MOST_HEADER_BYTES = 64 * 1024
_IDLE_S = 30.0
"""How long a connection that nobody uses is kept."""
_MOST_SPOILT = 8
"""Most connections in a row that are thrown away because something lies in them unread."""
_LEFT_OUT = ("accept", "accept-encoding", "content-type", "user-agent")
"""Headers that aiohttp adds where a request has none."""


class NotReached(UpstreamFailed):
    """The model server could not be reached, so it did nothing."""

    code = "upstream.unreachable"


class Answer:
    """An answer that has begun.

    Attributes:
        status: Its HTTP status.
        headers: Its headers as they came, repeated ones apart.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = response.raw_headers
        self._response = response

    def header(self, name: str) -> str:
        """Return a header's first value, empty where it is absent."""
        return self._response.headers.get(name, "")

    async def read(self) -> bytes | None:
        """Return the next bytes as they arrive; ``None`` at the proper end.

        Raises:
            UpstreamFailed: The answer broke off.
            UpstreamGarbage: Its framing is broken.
        """
        try:
            return await self._response.content.readany() or None
        except (aiohttp.ClientError, HttpProcessingError) as error:
            raise _told(error) from None


class Upstreams:
    """Connections to model servers, kept per server while they are of use; opened and closed on one event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Be ready to connect."""
        self._session = aiohttp.ClientSession(
            connector=_Connections(limit=0, keepalive_timeout=_IDLE_S),  # a worker's exchanges are bounded already
            response_class=_Response,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_LEFT_OUT,
            auto_decompress=False,
            trust_env=False,
            max_line_size=_MOST_HEADER_BYTES,
            max_field_size=_MOST_HEADER_BYTES,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

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
        assert self._session is not None, "a gateway calls nobody before it has started"
        try:
            response = await self._session.post(
                upstream.url.rstrip("/") + path,
                headers=headers,
                data=BytesIO(body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=upstream.connect_s),
            )
        except aiohttp.ClientError as error:
            raise _told(error) from None
        except ValueError:
            raise NotReached("The model server cannot be sent such a header.", rule="upstream", help="Leave it out.") from None
        try:
            if response.status < 200:  # noqa: PLR2004 - another protocol than HTTP, which nobody asked for
                raise _garbage()
            yield Answer(response)
        finally:
            response.close()  # does nothing to a connection that was given back at the answer's proper end


class _Connections(aiohttp.TCPConnector):
    """Connections on which nothing lies unread."""

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109 - the library's signature
        for _ in range(_MOST_SPOILT):
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        raise NotReached("The model server speaks before it is asked.", rule="upstream", help="Tell its operator.")


class _Response(aiohttp.ClientResponse):
    """A response whose connection is broken off when it is closed before its end."""

    def close(self) -> None:
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()  # would otherwise linger until a server that reads nothing has read everything
        super().close()


def _told(error: aiohttp.ClientError | HttpProcessingError) -> UpstreamFailed | UpstreamGarbage:
    """Return what an error of the library's means to whoever asked."""
    match error:
        case (
            aiohttp.ClientConnectorError()
            | aiohttp.ConnectionTimeoutError()
            | aiohttp.InvalidURL()
            | aiohttp.NonHttpUrlClientError()
        ):
            return NotReached("The model server cannot be reached.", rule="upstream", help="Try again soon.")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return _garbage()
        case aiohttp.ServerDisconnectedError(message=message) if not isinstance(message, str):
            return _garbage()  # it broke off within the answer's head
        case _:
            return UpstreamFailed("The model server broke off.", rule="upstream", help="Try again.")


def _garbage() -> UpstreamGarbage:
    return UpstreamGarbage("What the model server answers is not HTTP.", rule="upstream", help="Tell its operator.")
