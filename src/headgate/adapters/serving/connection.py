"""One connection from a client: requests out of its bytes, one after another, and the answers back in the same order.

A request is handed to the application as soon as its head is there. The next one may come before its answer is out; it waits, and
nothing more is read. What is not a request is told so and ends the connection, as does an answer before all of its request has
come: what follows then would be taken for a request.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import structlog
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from headgate.adapters.serving.exchange import Exchange
from headgate.adapters.serving.head import MOST_HEAD_BYTES, MOST_HEADERS, NotServed, refusal, scope_of

if TYPE_CHECKING:
    from headgate.adapters.serving.server import Server

_LOG = structlog.get_logger("headgate.serving")
_LAST_S = 5.0
"""How long a client may read nothing of the last of an answer."""
_LINGER_S = 2.0
"""How long what a client still sends is passed over, so that it can read why nobody takes it."""
_RESET = struct.pack("ii", 1, 0)
"""Linger for no time (socket(7))."""


class Connection(asyncio.Protocol):
    """A connection that is open.

    Args:
        server: What accepted it.
        loop: The event loop it lives on.
    """

    __slots__ = (
        "_client",
        "_closing",
        "_current",
        "_ending",
        "_fruitless_bytes",
        "_full",
        "_headers",
        "_joined",
        "_loop",
        "_own",
        "_parser",
        "_queue",
        "_reading",
        "_reading_paused",
        "_resumed",
        "_room",
        "_server",
        "_target",
        "_transport",
    )

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser: HttpRequestParser | None = None
        self._client: tuple[str, int] | None = None
        self._own: tuple[str, int] | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._fruitless_bytes = 0  # since anything came of them
        self._joined = False
        self._reading: Exchange | None = None
        self._current: Exchange | None = None
        self._queue: deque[Exchange | HTTPStatus] = deque()
        self._reading_paused = False
        self._resumed = False
        self._full = False
        self._room: asyncio.Future[None] | None = None
        self._closing = False
        self._ending: asyncio.TimerHandle | None = None

    # What an exchange asks.

    @property
    def is_full(self) -> bool:
        """Whether the client has not taken what it was sent."""
        return self._full

    @property
    def is_last(self) -> bool:
        """Whether the answer that begins now is the last one."""
        return self._server.retiring

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self._current is None and not self._fruitless_bytes and self._reading is None

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None:
            self._transport.write(data)

    async def room(self) -> None:
        """Wait until the client has taken what it was sent, or is gone."""
        while self._full and self._transport is not None:
            self._room = self._loop.create_future()
            await self._room

    def awaits_body(self, exchange: Exchange) -> None:
        """Take note that an application waits for more of a request."""
        if exchange is self._reading:
            self._server.awaits(self)

    def read_on(self) -> None:
        """Read from the client again."""
        if self._reading_paused and not self._queue and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

    def answered(self, exchange: Exchange, *, close: bool) -> None:
        """Go on to the next request, or close where there is none."""
        if exchange is not self._current:
            return
        self._current = None
        if close:
            self._close(linger=exchange is self._reading or self._reading_paused)
            return
        if self._queue:
            match self._queue.popleft():
                case HTTPStatus() as status:
                    self._refuse(status)
                case following:
                    self._begin(following)
                    self.read_on()
            return
        if self._fruitless_bytes:
            self._server.awaits(self)
        elif not self._closing:
            self._server.rests(self)
        if self._reading_paused:  # with a body that its application did not want
            self.read_on()

    # What the server asks.

    def retire(self) -> None:
        """Close if nothing is under way; what is under way ends with its answer."""
        if self.is_idle:
            self._close()

    def close_late(self) -> None:
        """Close, because nothing has come for too long."""
        if self._reading.awaited if self._reading is not None else self._fruitless_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self.is_idle:
            self._close()

    def abort(self) -> None:
        """Break off at once, so that nobody takes it for an end: with a reset."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
            if self._current is not None:
                self._current.lose()

    # Requests.

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._server.serving[exchange] = self._loop.create_task(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._server.application(exchange.scope, exchange.receive, exchange)
        except Exception:  # noqa: BLE001 - the last line: nothing above it tells anybody
            _LOG.exception("application.fault", path=exchange.scope["path"])
        finally:
            del self._server.serving[exchange]
            if self._current is exchange:
                self._break_off(exchange)

    def _break_off(self, exchange: Exchange) -> None:
        """End an answer that its application has left: without its own end, so that nobody takes it for a whole one."""
        if not exchange.begun:
            exchange.lose()
            self._current = None
            self.write(refusal(HTTPStatus.INTERNAL_SERVER_ERROR))
            self._close(linger=exchange is self._reading or self._reading_paused)
        elif exchange.ends_with_connection:
            self.abort()
        else:
            self._close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer what is not a request, after the answers to those before it."""
        if self._closing:
            return
        broken, self._reading = self._reading, None
        if broken is not None:
            broken.lose()
            if broken is not self._current:
                self._queue.remove(broken)
            elif broken.begun:
                self.abort()
                return
            else:
                self._current = None
        if self._current is not None:
            self._queue.append(status)
            self._leave_unread()
            return
        self.write(refusal(status))
        self._close(linger=True)

    def _close(self, *, linger: bool = False) -> None:
        transport = self._transport
        if transport is None or self._closing:
            return
        self._closing = True
        self._queue.clear()
        self._server.forgets(self)
        if linger and transport.can_write_eof():
            # Closed at once, with bytes unread, it would be reset, and the client might never read its answer.
            transport.write_eof()
            if self._reading_paused:
                self._reading_paused = False
                transport.resume_reading()
            self._cut_later(_LINGER_S)
        else:
            transport.close()
            self._cut_later(_LAST_S)

    def _cut_later(self, pause_s: float) -> None:
        """Break off once the client has taken nothing for a while."""
        if self._transport is not None:
            left_bytes = self._transport.get_write_buffer_size()
            self._ending = self._loop.call_later(pause_s, self._cut, pause_s, left_bytes)

    def _cut(self, pause_s: float, left_bytes: int) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size() < left_bytes:
            self._cut_later(pause_s)
        else:
            self.abort()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self._parser = HttpRequestParser(self)
        self._client = _place(transport.get_extra_info("peername"))
        self._own = _place(transport.get_extra_info("sockname"))
        if not self._server.takes(self):
            self.write(refusal(HTTPStatus.SERVICE_UNAVAILABLE))
            self._close()

    def data_received(self, data: bytes) -> None:
        if self._closing or self._parser is None:
            return
        was_waiting = self._fruitless_bytes
        self._fruitless_bytes += len(data)
        try:
            self._feed(data)
        except HttpParserError as error:
            why = error.__context__
            self._refuse(why.status if isinstance(why, NotServed) else HTTPStatus.BAD_REQUEST)
            return
        if self._fruitless_bytes > MOST_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._fruitless_bytes and not was_waiting and self._current is None:
            self._server.awaits(self)

    def _feed(self, data: bytes) -> None:
        """Have bytes read. What asks for another protocol is answered in this one, and all that follows it is read as this one's.

        The parser takes what follows such a head for the other protocol, so another parser reads on, from a head of its framing.
        """
        while True:
            assert self._parser is not None, "a connection that is lost hears nothing"
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                assert self._reading is not None, "a head that asks for an upgrade was handed on"
                framing = [
                    pair for pair in self._reading.scope["headers"] if pair[0] in (b"content-length", b"transfer-encoding")
                ]
                lines = b"".join([b"%b: %b\r\n" % pair for pair in framing])
                data = b"POST / HTTP/1.1\r\n%b\r\n%b" % (lines, data[upgrade.args[0] :])
                self._parser = HttpRequestParser(self)
                self._resumed = True
            else:
                return

    def eof_received(self) -> None:
        """Take a client that sends no more for one that is gone: nothing else tells of one that is."""
        if self._current is not None:
            self._current.lose()
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._parser = None  # knows this connection, and is known by it
        self._closing = True
        if self._current is not None:
            self._current.lose()
        self._current = self._reading = None  # they know this connection too
        self._queue.clear()
        if self._ending is not None:
            self._ending.cancel()
        self.resume_writing()
        self._server.loses(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # What the parser says.

    def on_message_begin(self) -> None:
        """Take note that a request begins."""
        if joined := not self._fruitless_bytes:  # how much of it has come with the end of another is not known
            self._fruitless_bytes = 1
        self._joined = joined
        if not self._resumed:
            self._target = b""
            self._headers = []

    def on_url(self, url: bytes) -> None:
        """Take in what is asked for, or a part of it."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; those that follow a body are left out."""
        if self._reading is None:
            self._headers.append((name.lower(), value.rstrip(b" \t")))
            if len(self._headers) > MOST_HEADERS:
                raise NotServed(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        if self._resumed:
            self._fruitless_bytes = 0
            return
        parser = self._parser
        assert parser is not None
        headers = self._headers
        if self._joined or self._fruitless_bytes > MOST_HEAD_BYTES:  # which may be a body's
            head_bytes = len(self._target) + sum(len(name) + len(value) for name, value in headers)
            if head_bytes > MOST_HEAD_BYTES:
                raise NotServed(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        method = parser.get_method().decode("ascii")
        if method == "CONNECT":
            raise NotServed(HTTPStatus.NOT_IMPLEMENTED)
        version = parser.get_http_version()
        scope = scope_of(method, self._target, version, headers, client=self._client, server=self._own)
        self._fruitless_bytes = 0
        self._server.forgets(self)
        self._reading = exchange = Exchange(self, scope, keep_alive=parser.should_keep_alive())
        if self._current is None:
            self._begin(exchange)
        else:
            self._queue.append(exchange)
            self._leave_unread()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._fruitless_bytes = 0
        if self._reading is not None:
            if self._reading.awaited:
                self._server.forgets(self)
            if not self._reading.take(body):
                self._leave_unread()

    def on_message_complete(self) -> None:
        """Take note that a request has ended."""
        assert self._parser is not None
        if self._parser.should_upgrade():
            return  # its body is still to come
        self._fruitless_bytes = 0
        self._resumed = False
        if self._reading is not None:
            if self._reading.awaited:
                self._server.forgets(self)
            self._reading.end()
            self._reading = None

    def _leave_unread(self) -> None:
        if not self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()


def _place(name: Any) -> tuple[str, int] | None:
    """Return an end of a connection, where it is one of the network's."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None  # pyright: ignore[reportUnknownArgumentType]
