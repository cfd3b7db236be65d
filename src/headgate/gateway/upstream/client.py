"""The model server, called: bytes out, bytes back, nothing in between.

It speaks HTTP/1.1 and does nothing of its own accord: it follows no redirect, keeps no cookie, decompresses nothing, takes no
proxy and no credential from the environment, adds no header but ``host`` and ``content-length``, and never sends a request a
second time that could cost anything. How long an answer may take is the relay's matter; only the wait for a connection is bounded
here. ``connection`` says what an answer is, ``connections`` which connection is used.

Where a model has several servers, ``replicas`` says which one is asked. Another one is asked in its place in one case only: no
connection was made, so nothing was sent and nothing can be billed. An answer of 429 or 5xx is the client's to judge, whatever it
may have cost. What an upstream keeps under an identifier (a stored response, a file) must be kept where all replicas find it.

When the caller is cancelled, at any point, the connection is broken off at once, unsent bytes included, so a model server stops
working for a client that has left or may no longer ask. And what comes back is told apart by what it costs: a server that was not
reached did nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage
from headgate.gateway.upstream.connections import Connections
from headgate.gateway.upstream.errors import NotReached, UpstreamBusy, garbage
from headgate.gateway.upstream.replicas import AllBusy, Chosen, NoneLeft, Replicas, Verdict
from headgate.gateway.upstream.request import NotSendable, base, head

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager

    from headgate.gateway.model import Upstream
    from headgate.gateway.upstream.connection import Connection
    from headgate.gateway.upstream.flow import Take
    from headgate.gateway.upstream.replicas import ServerStanding
    from headgate.gateway.wire.surface import Body

_LOTS = random.Random()  # noqa: S311 - nobody gains by guessing how long a server rests
_CHECK_EVERY_S = 0.25
_CHECK_S = 2.0
"""How long a server that is being checked may take to answer."""


class Answer:
    """An answer that has begun.

    Attributes:
        status: Its HTTP status.
        headers: Its headers as they came, repeated ones apart.
        place: The place that it takes at the server that gives it.
        heard_s: When it last said something, on the monotonic clock.
    """

    __slots__ = ("_connection", "_monotonic", "headers", "heard_s", "place", "status")

    def __init__(self, connection: Connection, monotonic: Callable[[], float], place: Chosen) -> None:
        self.status = connection.status
        self.headers = connection.headers
        self.place = place
        self.heard_s = monotonic()
        self._connection: Connection | None = connection
        self._monotonic = monotonic

    @property
    def server(self) -> str:
        """The base address of the server that gives it."""
        return self.place.url

    def header(self, name: str) -> str:
        """Return a header's first value, empty where it is absent."""
        wanted = name.encode()
        length = len(wanted)
        for found, value in self.headers:
            if len(found) == length and found.lower() == wanted:
                return value.decode(errors="surrogateescape")
        return ""

    async def read(self) -> bytes | None:
        """Return the next bytes as they arrive; ``None`` at the proper end.

        Raises:
            UpstreamFailed: The answer broke off.
            UpstreamGarbage: Its framing is broken.
        """
        assert self._connection is not None, "an answer is read while its request is underway"
        read = await self._connection.read()
        self.heard_s = self._monotonic()
        return read

    async def flow(self, take: Take) -> bool:
        """Hand on the bytes as they arrive; return whether the answer has come to its proper end.

        Args:
            take: Takes the next bytes. Until it first has to wait it runs in no task.

        Raises:
            UpstreamFailed: The answer broke off.
            UpstreamGarbage: Its framing is broken.
        """

        def heard(chunk: bytes) -> bool | Coroutine[Any, Any, bool]:
            if chunk:
                self.heard_s = self._monotonic()
            return take(chunk)

        assert self._connection is not None, "an answer is read while its request is underway"
        return await self._connection.flow(heard)

    def nudge(self) -> None:
        """Have whoever takes what arrives take nothing, because a moment has come."""
        if self._connection is not None:
            self._connection.nudge()

    def end(self) -> Connection:
        """Let nothing more be read; return the connection, which may be somebody else's from here on."""
        connection, self._connection = self._connection, None
        assert connection is not None, "an answer ends once"
        return connection


class _Sending:
    """A request: sent when this is entered, had done with when it is left, however it is left.

    Args:
        reach: Sends it and returns the answer that has begun.
        leave: Takes the answer, and the error that it was left with, if it was.
    """

    __slots__ = ("_answer", "_leave", "_reach")

    def __init__(self, reach: Callable[[], Awaitable[Answer]], leave: Callable[[Answer, BaseException | None], None]) -> None:
        self._reach = reach
        self._leave = leave

    async def __aenter__(self) -> Answer:
        self._answer = await self._reach()
        del self._reach  # and what was sent with it
        return self._answer

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._leave(self._answer, error)


class Upstreams:
    """Connections to model servers, kept per server while they are of use; opened and closed on one event loop.

    Args:
        monotonic: Tells seconds on a clock that never goes back.
        chance: Draws a number in ``[0, 1)``, which spreads the rests of servers that failed.
        trust: Whom servers must be vouched for by, in TLS; ``None`` for whom the machine trusts.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = _LOTS.random,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._chance = chance
        self._trust = trust
        self._replicas = Replicas(checked=True)
        self._keys: dict[str, str | None] = {}
        self._connections: Connections | None = None
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Be ready to connect."""
        self._connections = Connections(self._trust)
        self._checking = asyncio.create_task(self._check_rested(self._connections))

    async def close(self) -> None:
        """Close every connection."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])
        if self._connections is not None:
            await self._connections.close()

    def standings(self) -> list[ServerStanding]:
        """Return how every server is doing that was asked so far."""
        return self._replicas.standings()

    def post(
        self, upstream: Upstream, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a client's request; see ``send``."""
        return self.send(upstream, "POST", path, headers, body)

    def send(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body | None
    ) -> AbstractAsyncContextManager[Answer]:
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
        return _Sending(partial(self._reach, upstream, method, path, headers, body), partial(self._leave, upstream))

    async def _reach(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | Body | None
    ) -> Answer:
        """Send a request to one server after another until one is reached; return the answer that it has begun."""
        offered = upstream.servers
        tried: set[str] = set()
        unreached: NotReached | None = None
        while True:
            match self._replicas.choose(offered, now_s=self._monotonic(), tried=tried):
                case Chosen() as place:
                    self._keys[place.url] = upstream.api_key
                    try:
                        connection = await self._send(place, upstream, method, path, headers, body)
                        return Answer(connection, self._monotonic, place)
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
    ) -> Connection:
        """Send a request to one server and return where its answer has begun; on any error the place is given back."""
        assert self._connections is not None, "a gateway calls nobody before it has started"
        asked_s = self._monotonic()
        try:
            at = base(place.url)
            begins = head(at, method, path, headers, _length(body))
            connection = await self._connections.ask(
                at.origin, method, begins, b"" if body is None else body, connect_s=upstream.connect_s
            )
        except NotSendable:
            self._ended(place, Verdict.UNKNOWN)
            raise NotReached("The model server cannot be sent such a header.", rule="upstream", help="Leave it out.") from None
        except BaseException as error:
            self._ended(place, _verdict(error, silent=self._monotonic() - asked_s >= upstream.first_byte_s))
            raise
        if connection.status < 200:  # noqa: PLR2004 - another protocol than HTTP, which nobody asked for
            self._connections.give_back(connection)
            self._ended(place, Verdict.FAILED)
            raise garbage()
        return connection

    def _leave(self, upstream: Upstream, answer: Answer, error: BaseException | None) -> None:
        """Have done with an answer: its connection is given back, and so is its place, with what this end says of the server."""
        assert self._connections is not None, "there is no answer before the start"
        match error:
            case UpstreamFailed() | UpstreamGarbage():
                verdict = Verdict.FAILED
            case asyncio.CancelledError() if self._monotonic() - answer.heard_s >= upstream.idle_s:
                verdict = Verdict.FAILED
            case _:
                verdict = Verdict.FAILED if answer.status >= 500 else Verdict.SERVED  # noqa: PLR2004 - the server's fault
        self._connections.give_back(answer.end())
        self._ended(answer.place, verdict)

    def _ended(self, place: Chosen, verdict: Verdict) -> None:
        self._replicas.ended(place, verdict, now_s=self._monotonic(), chance=self._chance())

    async def _check_rested(self, connections: Connections) -> None:
        """Ask servers that have rested for their list of models, which costs nothing; whoever answers at all goes on trial."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            due = self._replicas.due(now_s=self._monotonic())
            for url, well in zip(due, await asyncio.gather(*(self._answers(connections, url) for url in due)), strict=True):
                self._replicas.checked(url, well=well, now_s=self._monotonic(), chance=self._chance())

    async def _answers(self, connections: Connections, url: str) -> bool:
        key = self._keys.get(url)
        try:
            at = base(url)
            asked = head(at, "GET", "/models", [] if key is None else [("authorization", f"Bearer {key}")], None)
            async with asyncio.timeout(_CHECK_S):
                connection = await connections.ask(at.origin, "GET", asked, b"", connect_s=_CHECK_S)
        except (UpstreamFailed, UpstreamGarbage, TimeoutError, NotSendable):
            return False
        connections.give_back(connection)
        return connection.status < 500  # noqa: PLR2004 - the server's fault


def _length(body: bytes | Body | None) -> int | None:
    """Return how long a body is, if there is one."""
    if body is None:
        return None
    return len(body) if isinstance(body, bytes) else body.length


def _verdict(error: BaseException, *, silent: bool) -> Verdict:
    """Return what it says about a server that asking it ended in this."""
    match error:
        case NotReached():
            return Verdict.NOT_REACHED
        case UpstreamFailed() | UpstreamGarbage():
            return Verdict.FAILED
        case asyncio.CancelledError() if silent:
            return Verdict.FAILED
        case _:
            return Verdict.UNKNOWN
