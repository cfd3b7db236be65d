"""The model server, called: bytes out, bytes back, nothing in between.

The client follows no redirect, keeps no cookie, decompresses nothing and takes no proxy from the environment: what the
model server answers is what is looked at. Failures become three answers: it could not be reached or broke off, it was silent
for too long, or what came back is not HTTP.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, ConnectTimeoutError, RequestError, RequestTimeoutError

from headgate.gateway.errors import UpstreamFailed, UpstreamTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pyreqwest.response import Response

    from headgate.gateway.model import Upstream


class NotReached(UpstreamFailed):
    """The model server could not be reached, so it did nothing."""

    code = "upstream.unreachable"


class Answer:
    """An answer that has begun.

    Attributes:
        status: Its HTTP status.
        headers: Its headers, repeated ones apart.
    """

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers: list[tuple[str, str]] = list(response.headers.items())
        self._reader = response.body_reader

    def header(self, name: str) -> str:
        """Return a header's first value, empty where it is absent."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    async def read(self) -> bytes | None:
        """Return the next bytes as they arrive; ``None`` at the proper end.

        Raises:
            UpstreamFailed: The answer broke off.
            UpstreamTimeout: It stopped for too long.
        """
        try:
            chunk = await self._reader.read_chunk()
        except RequestError as error:
            raise _failure(error) from None
        return None if chunk is None else chunk.to_bytes()


class Upstreams:
    """Connections to model servers, pooled per server."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, float, float], Client] = {}

    @asynccontextmanager
    async def post(
        self, upstream: Upstream, path: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> AsyncGenerator[Answer]:
        """Send a request and yield the answer as soon as its head is there; leaving early breaks the connection off.

        Args:
            upstream: Where to.
            path: Below its base URL.
            headers: As they are to be sent.
            body: As it is to be sent.

        Raises:
            UpstreamFailed: It cannot be reached, or broke off.
            UpstreamTimeout: It took too long to connect.
        """
        client = self._client(upstream)
        request = client.post(upstream.url.rstrip("/") + path).headers(headers).body_bytes(body).build_streamed()
        try:
            response = await request.__aenter__()
        except RequestError as error:
            raise _failure(error) from None
        try:
            yield Answer(response)
        finally:
            await request.__aexit__(None, None, None)

    async def close(self) -> None:
        """Close every connection."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def _client(self, upstream: Upstream) -> Client:
        kind = (upstream.url, upstream.connect_s, upstream.total_s)
        client = self._clients.get(kind)
        if client is None:
            client = self._clients[kind] = (
                ClientBuilder()
                .follow_redirects(enable=False)
                .referer(enable=False)
                .gzip(enable=False)
                .brotli(enable=False)
                .zstd(enable=False)
                .deflate(enable=False)
                .no_proxy()
                .http1_only()
                .connect_timeout(timedelta(seconds=upstream.connect_s))
                .timeout(timedelta(seconds=upstream.total_s))
                .pool_idle_timeout(timedelta(seconds=30))
                .build()
            )
        return client


def _failure(error: RequestError) -> UpstreamFailed | UpstreamTimeout:
    match error:
        case ConnectTimeoutError() | ConnectError():
            return NotReached("The model server cannot be reached.", rule="upstream", help="Try again soon.")
        case RequestTimeoutError():
            return UpstreamTimeout("The model server took too long.", rule="upstream", help="Ask for a shorter answer.")
        case _:
            return UpstreamFailed("The model server broke off.", rule="upstream", help="Try again.")
