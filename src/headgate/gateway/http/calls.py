"""Headgate's own requests to upstreams that keep things: short answers whole, files in blocks, all of it within time.

The relay carries a caller's exchange and can be woken by whatever ends it. What is asked here is asked about things that are
kept: it is bounded in time and in size, and what an upstream answers to Headgate's credential is never passed on as if it were
said to the caller's.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage, UpstreamTimeout
from headgate.gateway.service.kept import Heard
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.gateway.wire.unpacking import unpacked
from headgate.kernel.ids import mint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from headgate.gateway.model import Settings, Upstream
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.upstream import Answer, Upstreams
    from headgate.gateway.wire.surface import Body

OUR_CREDENTIAL = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
"""What a model server answers that refuses Headgate's own credential."""

_MOST_SAID_BYTES = 64 * 1024
"""Most that is passed on of why a file is not given."""


class NotGiven(UpstreamFailed):
    """The model server does not give the content of a file.

    Args:
        heard: What it says instead.
    """

    code = "upstream.not_given"

    def __init__(self, heard: Heard) -> None:
        super().__init__("The model server does not give the file.", rule="upstream", help="Try again.")
        self.heard = heard


class Calls:
    """Asks upstreams.

    Args:
        upstreams: The way to them.
        settings: How large an answer may be.
        clock: Dates the requests.
    """

    def __init__(self, *, upstreams: Upstreams, settings: Settings, clock: ForwardClock) -> None:
        self._upstreams = upstreams
        self._settings = settings
        self._clock = clock

    async def ask(self, upstream: Upstream, method: str, path: str, body: bytes | None = None) -> Heard:
        """Return an answer that is not large.

        Raises:
            UpstreamFailed: It cannot be reached, broke off, or refuses Headgate's own credential.
            UpstreamGarbage: It answers what cannot be passed on.
            UpstreamTimeout: It was silent for too long.
        """
        headers = self._headers(upstream)
        if body is not None:
            headers.append(("content-type", "application/json"))
        return await self.send(upstream, method, path, headers, body)

    async def send(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body | None
    ) -> Heard:
        """Return the answer to a request with these headers; see ``ask``."""
        try:
            async with (
                asyncio.timeout(upstream.connect_s + upstream.first_byte_s) as time,
                self._upstreams.send(upstream, method, path, headers, body) as answer,
            ):
                _must_be_passable(answer)
                chunks: list[bytes] = []
                size = 0
                while (chunk := await self._next(answer, upstream, time)) is not None:
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self._settings.max_answer_bytes:
                        raise _garbage("The model server's answer is larger than any answer may be.")
                plain = unpacked(b"".join(chunks), answer.header("content-encoding"), most_bytes=self._settings.max_answer_bytes)
                return Heard(answer.status, tuple(answer.headers), plain, answer.server)
        except TimeoutError:
            raise _silent() from None
        except NotAnAnswer:
            raise _garbage("The model server's answer cannot be unpacked.") from None

    @asynccontextmanager
    async def content(self, upstream: Upstream, path: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Yield the content of a file in blocks; see ``ask``."""
        try:
            async with (
                asyncio.timeout(upstream.connect_s + upstream.first_byte_s) as time,
                self._upstreams.send(upstream, "GET", path, self._headers(upstream), None) as answer,
            ):
                _must_be_passable(answer)
                if answer.status != HTTPStatus.OK:
                    raise NotGiven(Heard(answer.status, tuple(answer.headers), await _little(answer), answer.server))
                if answer.header("content-encoding") not in ("", "identity"):
                    raise _garbage("The model server compressed a file although it was asked not to.")
                yield self._blocks(answer, upstream, time)
        except TimeoutError:
            raise _silent() from None

    async def _blocks(self, answer: Answer, upstream: Upstream, time: asyncio.Timeout) -> AsyncIterator[bytes]:
        while (chunk := await self._next(answer, upstream, time)) is not None:
            time.reschedule(None)  # however long whoever reads takes over it
            yield chunk

    async def _next(self, answer: Answer, upstream: Upstream, time: asyncio.Timeout) -> bytes | None:
        time.reschedule(asyncio.get_running_loop().time() + upstream.idle_s)
        return await answer.read()

    def _headers(self, upstream: Upstream) -> list[tuple[str, str]]:
        request_id = mint("req", at=self._clock.now())
        headers = [("accept", "*/*"), ("accept-encoding", "identity"), ("x-headgate-request-id", request_id)]
        if upstream.api_key is not None:
            headers.append(("authorization", f"Bearer {upstream.api_key}"))
        return headers


async def _little(answer: Answer) -> bytes:
    said = b""
    while len(said) < _MOST_SAID_BYTES and (chunk := await answer.read()) is not None:
        said += chunk
    return said


def _must_be_passable(answer: Answer) -> None:
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        raise _garbage("The model server redirects, which is not followed.")
    if answer.status in OUR_CREDENTIAL:
        raise UpstreamFailed("The model server refuses Headgate's own credential.", rule="upstream", help="Tell its operator.")


def _garbage(message: str) -> UpstreamGarbage:
    return UpstreamGarbage(message, rule="upstream", help="Tell its operator.")


def _silent() -> UpstreamTimeout:
    return UpstreamTimeout("The model server was silent for too long.", rule="upstream", help="Try again.")
