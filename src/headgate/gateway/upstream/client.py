"""The model server, called: bytes out, bytes back, nothing in between.

aiohttp speaks HTTP/1.1; everything that it would do of its own accord is turned off here. It follows no redirect, keeps no
cookie, decompresses nothing, takes no proxy and no credential from the environment, adds no header but ``host`` and
``content-length``, and never sends a request a second time: it repeats only idempotent methods, and what could cost anything is a
POST. How long an answer may take is the relay's matter; only the wait for a connection is bounded here.

Where a model has several servers, ``replicas`` says which one is asked. Another one is asked in its place in one case only: no
connection was made, so nothing was sent and nothing can be billed. An answer of 429 or 5xx is the client's to judge, whatever it
may have cost. What an upstream keeps under an identifier (a stored response, a file) must be kept where all replicas find it.

Three things are added. When the caller is cancelled, at any point, the connection is broken off at once, unsent bytes
included, so a model server stops working for a client that has left or may no longer ask. A connection on which something
lies unread is not used again: it would be taken for the answer to somebody else's request. And what comes back is told apart
by what it costs: a server that was not reached did nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, ClassVar

import aiohttp
from aiohttp.http import HttpProcessingError

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage
from headgate.gateway.model import Replica
from headgate.gateway.upstream.replicas import AllBusy, Chosen, NoneLeft, Replicas, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from aiohttp.client import ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from headgate.gateway.model import Upstream
    from headgate.gateway.upstream.replicas import ServerStanding
    from headgate.gateway.wire.surface import Body

_MOST_HEADER_BYTES = 64 * 1024
_IDLE_S = 30.0
"""How long a connection that nobody uses is kept."""
_MOST_SPOILT = 8
"""Most connections in a row that are thrown away because something lies in them unread."""
_LEFT_OUT = ("accept", "accept-encoding", "content-type", "user-agent")
"""Headers that aiohttp adds where a request has none."""
_CHECK_EVERY_S = 0.25
_CHECK_S = 2.0
"""How long a server that is being checked may take to answer."""


class NotReached(UpstreamFailed):
    """The model server could not be reached, so it did nothing."""

    code = "upstream.unreachable"


class UpstreamBusy(NotReached):
    """Every server of the model is as busy as its plan lets it be, so none was sent the request."""

    code = "upstream.busy"
    http_status: ClassVar[int] = 503


class Answer:
    """An answer that has begun.

    Attributes:
        status: Its HTTP status.
        headers: Its headers as they came, repeated ones apart.
        server: The base address of the server that gives it.
    """

    def __init__(self, response: aiohttp.ClientResponse, monotonic: Callable[[], float], server: str) -> None:
        self.status = response.status
        self.server = server
        self.headers = response.raw_headers
        self.heard_s = monotonic()
        """When it last said something, on the monotonic clock."""
        self._response = response
        self._monotonic = monotonic

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
            read = await self._response.content.readany() or None
        except (aiohttp.ClientError, HttpProcessingError) as error:
            raise _told(error) from None
        self.heard_s = self._monotonic()
        return read


class Upstreams:
    """Connections to model servers, kept per server while they are of use; opened and closed on one event loop.

    Args:
        monotonic: Tells seconds on a clock that never goes back.
        chance: Draws a number in ``[0, 1)``, which spreads the rests of servers that failed.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random) -> None:
        self._monotonic = monotonic
        self._chance = chance
        self._replicas = Replicas(checked=True)
        self._keys: dict[str, str | None] = {}
        self._session: aiohttp.ClientSession | None = None
        self._checking: asyncio.Task[None] | None = None

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
        self._checking = asyncio.create_task(self._check_rested(self._session))

    async def close(self) -> None:
        """Close every connection."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])
        if self._session is not None:
            await self._session.close()

    def standings(self) -> list[ServerStanding]:
        """Return how every server is doing that was asked so far."""
        return self._replicas.standings()

    def post(
        self, upstream: Upstream, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a client's request; see ``send``."""
        return self.send(upstream, "POST", path, headers, body)

    @asynccontextmanager
    async def send(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body | None
    ) -> AsyncGenerator[Answer]:
        """Send a request and yield the answer as soon as its head is there; leaving early breaks the connection off.

        Args:
            upstream: Where to; the least busy of its servers is asked.
            method: ``POST``, ``GET`` or ``DELETE``.
            path: Below its base URL.
            headers: As they are to be sent, without ``host`` and ``content-length``.
            body: As it is to be sent; ``None`` for none.

        Raises:
            UpstreamBusy: All its servers are as busy as they may be; nothing was sent.
            NotReached: None of its servers can be reached; nothing was sent.
            UpstreamFailed: It broke off.
            UpstreamGarbage: What it answers is not HTTP.
        """
        place, response = await self._reach(upstream, method, path, headers, body)
        verdict = Verdict.UNKNOWN
        try:
            if response.status < 200:  # noqa: PLR2004 - another protocol than HTTP, which nobody asked for
                raise _garbage()
            answer = Answer(response, self._monotonic, place.url)
            verdict = Verdict.FAILED if answer.status >= 500 else Verdict.SERVED  # noqa: PLR2004 - the server's fault
            try:
                yield answer
            except asyncio.CancelledError:
                if self._monotonic() - answer.heard_s >= upstream.idle_s:
                    verdict = Verdict.FAILED
                raise
        except (UpstreamFailed, UpstreamGarbage):
            verdict = Verdict.FAILED
            raise
        finally:
            response.close()  # does nothing to a connection that was given back at the answer's proper end
            self._ended(place, verdict)

    async def _reach(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body | None
    ) -> tuple[Chosen, aiohttp.ClientResponse]:
        """Send a request to one server after another until one is reached; return its place and the head of its answer."""
        offered = _servers(upstream)
        tried: set[str] = set()
        unreached: NotReached | None = None
        while True:
            match self._replicas.choose(offered, now_s=self._monotonic(), tried=tried):
                case Chosen() as place:
                    self._keys[place.url] = upstream.api_key
                    try:
                        return place, await self._send(place, upstream, method, path, headers, body)
                    except NotReached as error:
                        tried.add(place.url)
                        unreached = error
                case NoneLeft():
                    assert unreached is not None, "an upstream has at least one server"
                    raise unreached
                case AllBusy():
                    raise UpstreamBusy("All servers of this model are busy.", rule="upstream", help="Try again soon.")

    async def _send(
        self,
        place: Chosen,
        upstream: Upstream,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | Body | None,
    ) -> aiohttp.ClientResponse:
        """Send a request to one server and return the head of its answer; on any error the place is given back."""
        assert self._session is not None, "a gateway calls nobody before it has started"
        asked_s = self._monotonic()
        data: BytesIO | AsyncIterator[bytes] | None = None
        if isinstance(body, bytes):
            data = BytesIO(body)
        elif body is not None:
            data = aiter(body)
            headers = [*headers, ("content-length", str(body.length))]
        try:
            return await self._session.request(
                method,
                place.url.rstrip("/") + path,
                headers=headers,
                data=data,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=upstream.connect_s),
            )
        except aiohttp.ClientError as error:
            told = _told(error)
            self._ended(place, Verdict.NOT_REACHED if isinstance(told, NotReached) else Verdict.FAILED)
            raise told from None
        except ValueError:
            self._ended(place, Verdict.UNKNOWN)
            raise NotReached("The model server cannot be sent such a header.", rule="upstream", help="Leave it out.") from None
        except BaseException as error:
            silent = isinstance(error, asyncio.CancelledError) and self._monotonic() - asked_s >= upstream.first_byte_s
            self._ended(place, Verdict.FAILED if silent else Verdict.UNKNOWN)
            raise

    def _ended(self, place: Chosen, verdict: Verdict) -> None:
        self._replicas.ended(place, verdict, now_s=self._monotonic(), chance=self._chance())

    async def _check_rested(self, session: aiohttp.ClientSession) -> None:
        """Ask servers that have rested for their list of models, which costs nothing; whoever answers at all goes on trial."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            due = self._replicas.due(now_s=self._monotonic())
            for url, well in zip(due, await asyncio.gather(*(self._answers(session, url) for url in due)), strict=True):
                self._replicas.checked(url, well=well, now_s=self._monotonic(), chance=self._chance())

    async def _answers(self, session: aiohttp.ClientSession, url: str) -> bool:
        key = self._keys.get(url)
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        try:
            async with session.get(
                url.rstrip("/") + "/models",
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_CHECK_S),
            ) as response:
                return response.status < 500  # noqa: PLR2004 - the server's fault
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError, ValueError, NotReached):
            return False


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


def _servers(upstream: Upstream) -> Sequence[Replica]:
    """Return the servers of a model; a replica that names the first one's own address says how busy that may be."""
    first = Replica(upstream.url)
    if not upstream.replicas:
        return (first,)
    return list({server.url: server for server in (first, *upstream.replicas)}.values())


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
