"""One connection to a model server, and what comes back on it.

llhttp (through httptools) reads the answer; what is decided here is what an answer may be taken for. It has come to its end when
its framing says so, and in no other way: fewer bytes than were announced, a chunk that is not the last, a close where nothing
says that a close is the end, are an answer that broke off. A close counts as an end only where the server has said that it has
closed: an end of the network's, or of a TLS connection without its last word, is not the server's. An answer with two framings,
or in a coding that nobody asked for, is none, and neither is one whose head does not end.

A connection carries one exchange after another, never two at once. Whatever comes while nothing is asked would be taken for the
answer to somebody else's request, so the connection is broken off; so is one whose server has answered before it had taken all
of the request.

What comes is handed on as it comes: to whoever reads, or, where it flows, in the very call in which the event loop brings it, so
that no task is woken for what waits for nothing. Where whoever takes it does not keep up, the server is not read from until they
do. What is taken between two turns of the event loop is bounded too: a server that talks faster than its words are taken would
otherwise hold up everybody else for seconds. A body that is sent in blocks is read no faster than the server takes it.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from enum import Enum
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from headgate.gateway.errors import Faulty
from headgate.gateway.upstream.errors import broke_off, garbage
from headgate.gateway.upstream.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.gateway.upstream.flow import Take
    from headgate.gateway.upstream.request import Origin
    from headgate.gateway.wire.surface import Body

MOST_HEAD_BYTES = 64 * 1024
"""Most bytes of an answer's head, of those before it that only announce it, and of what follows the last chunk."""
MOST_HEADERS = 128
_MOST_WAITING_BYTES = 128 * 1024
"""How many bytes may wait for whoever reads, before the server is left unread."""
_TURN_BYTES = 16 * 1024
"""How many bytes of an answer that flows are taken before everybody else has had their turn."""
_MOST_JOINED_BYTES = 64 * 1024
"""Bodies up to this size go out with their head in one write."""
_INTERIM = range(100, 200)
_SWITCHED = 101
_CODING = b"transfer-encoding"
_CODING_LENGTH = len(_CODING)
_FRAMING = (b"content-length", _CODING)


class Fault(Enum):
    """Why there is no more of an answer."""

    BROKE_OFF = "broke_off"
    GARBAGE = "garbage"


class _NotWanted(Exception):
    """Bytes that are not part of the answer that was asked for."""


class Connection(asyncio.Protocol):
    """A connection that is open.

    Args:
        origin: Where it leads.
        loop: The event loop it lives on.
        lost: Told once when it is gone.

    Attributes:
        origin: Where it leads.
        status: The answer's HTTP status; 0 until its head is there.
        headers: Its headers as they came, repeated ones apart.
        heard: Whether anything has come since the last request went out.
        complete: Whether all of the answer has come.
    """

    __slots__ = (
        "_asked",
        "_bodiless",
        "_chunks",
        "_fault",
        "_feeding",
        "_flow",
        "_fruitless_bytes",
        "_kept_by_server",
        "_loop",
        "_lost",
        "_parser",
        "_poll",
        "_reading_paused",
        "_room",
        "_sent",
        "_transport",
        "_turn_due",
        "_waiter",
        "_waiting_bytes",
        "_writing_paused",
        "complete",
        "headers",
        "heard",
        "origin",
        "status",
    )

    def __init__(self, origin: Origin, loop: asyncio.AbstractEventLoop, lost: Callable[[Connection], None]) -> None:
        self.origin = origin
        self._loop = loop
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._poll = select.poll()
        self._waiter: asyncio.Future[None] | None = None
        self._flow: Flow | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._turn_due = False
        self._reading_paused = False
        self._writing_paused = False
        self._asked = False
        self._begin(bodiless=False)

    # The request.

    @property
    def is_open(self) -> bool:
        """Whether it is open, as far as has been heard."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent: it is open, and nothing lies in it unread, nor its end."""
        return self.is_open and not self._poll.poll(0)

    def ask(self, method: str, head: bytes, body: bytes | Body) -> None:
        """Send a request.

        Args:
            method: Its method.
            head: Its head.
            body: Its body.
        """
        transport = self._transport
        assert transport is not None, "a connection is asked while it is open"
        self._begin(bodiless=method == "HEAD")
        self._asked = True
        if not isinstance(body, bytes):
            transport.write(head)
            self._sent = False
            self._feeding = self._loop.create_task(self._feed(transport, body))
            self._feeding.add_done_callback(self._fed)
        elif len(body) <= _MOST_JOINED_BYTES:
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            transport.write(body)

    async def _feed(self, transport: asyncio.Transport, body: Body) -> None:
        """Send a body in blocks, each when there is room for it; all of it, or the connection is broken off."""
        left_bytes = body.length
        async for block in body:
            left_bytes -= len(block)
            if left_bytes < 0:
                break
            while self._writing_paused:
                self._room = self._loop.create_future()
                await self._room
            if transport.is_closing():
                return
            transport.write(block)
        if left_bytes:
            raise Faulty("The request's body is not as long as it says.", help="Report the request id.")
        self._sent = True

    def _fed(self, feeding: asyncio.Task[None]) -> None:
        if self._feeding is feeding:
            self._feeding = None
            if not feeding.cancelled() and (error := feeding.exception()) is not None:
                self._end(error)  # a fault of ours and not of the server's: whoever waits is told what it is

    # The answer.

    async def answered(self) -> None:
        """Wait until the answer's head is there.

        What becomes of a body that cannot be read is raised here, or while the answer is read.

        Raises:
            UpstreamFailed: The server broke off.
            UpstreamGarbage: It does not speak HTTP.
        """
        while not self.status:
            if self._fault is not None:
                raise self._error()
            await self._more()

    async def read(self) -> bytes | None:
        """Return the next bytes of the answer's body as they come; ``None`` at its proper end.

        Raises:
            UpstreamFailed: It broke off; what had come before was returned before.
            UpstreamGarbage: Its framing is broken.
        """
        while not self._chunks:
            if self.complete:
                return None
            if self._fault is not None:
                raise self._error()
            await self._more()
        return self._what_came(self._waiting_bytes)

    async def flow(self, take: Take) -> bool:
        """Hand on the answer's body as it comes; return whether it has come to its proper end.

        Args:
            take: Takes the next bytes. It is run in the call that brings them until it has to wait; what comes meanwhile waits.

        Raises:
            UpstreamFailed: It broke off; what had come before was taken before.
            UpstreamGarbage: Its framing is broken.
        """
        self._flow = flow = Flow(take)
        try:
            while True:
                if flow.is_held_up:
                    if not await flow.go_on():
                        return False
                elif self._chunks:
                    if not await flow.take(self._what_came(_TURN_BYTES)):
                        return False
                    if self._chunks:
                        await asyncio.sleep(0)
                elif self.complete:
                    return True
                elif self._fault is not None:
                    raise self._error()
                else:
                    await self._more()
        finally:
            self._flow = None
            flow.close()

    def nudge(self) -> None:
        """Have whoever takes the answer's body take nothing, because a moment has come."""
        self._chunks.append(b"")
        self._hand_on()

    def let_go(self) -> bool:
        """Have done with the exchange: return whether the connection can carry another one; break it off if not."""
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        transport = self._transport
        clean = (
            self.complete
            and self._sent
            and self._kept_by_server
            and not self._reading_paused
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )
        if clean:
            self._asked = False
            self._chunks.clear()
        else:
            self.abort()
        return clean

    def abort(self) -> None:
        """Break the connection off at once, unsent bytes included."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self, *, bodiless: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.heard = False
        self.complete = False
        self._bodiless = bodiless
        self._sent = True
        self._kept_by_server = False
        self._fault: Fault | BaseException | None = None
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._fruitless_bytes = 0  # since anything came of them

    def _what_came(self, most_bytes: int) -> bytes:
        """Return what has come and was not taken; once all of it is, read on from the server if it was left unread."""
        chunks = self._chunks
        if self._waiting_bytes > most_bytes:
            return self._first_of_what_came(most_bytes)
        came = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._waiting_bytes = 0
        if self._reading_paused:
            self._reading_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return came

    def _first_of_what_came(self, most_bytes: int) -> bytes:
        count = size = 0
        while size + len(self._chunks[count]) <= most_bytes:
            size += len(self._chunks[count])
            count += 1
        if count:
            came = b"".join(self._chunks[:count])
            del self._chunks[:count]
        else:
            came, self._chunks[0] = self._chunks[0][:most_bytes], self._chunks[0][most_bytes:]
        self._waiting_bytes -= len(came)
        return came

    def _hand_on(self) -> None:
        """Have what has come taken now, if it flows and nothing before it is held up; what is too much, in the next turn."""
        waiter = self._waiter
        if self._flow is None or waiter is None or waiter.done():
            return
        self._flow.bring(self._what_came(_TURN_BYTES))
        if self._flow.is_held_up:
            waiter.set_result(None)
        elif self._chunks and not self._turn_due:
            self._leave_unread()  # an event loop may read many times in one turn
            self._turn_due = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_due = False
        if self._chunks:
            self._hand_on()

    def _leave_unread(self) -> None:
        if not self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    async def _more(self) -> None:
        assert self._waiter is None, "an answer is read by one task at a time"
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _error(self) -> BaseException:
        match self._fault:
            case Fault.GARBAGE:
                return garbage()
            case Fault.BROKE_OFF | None:
                return broke_off()
            case error:
                return error

    def _end(self, fault: Fault | BaseException) -> None:
        """Break off; where an answer is awaited, it ends with this."""
        if self._asked and not self.complete and self._fault is None:
            self._fault = fault
        self._kept_by_server = False
        self.abort()
        self._wake()
        self.resume_writing()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self._parser = HttpResponseParser(self)
        # As servers write it and everybody reads it: lines that end in LF alone, blanks after a chunk's size.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._asked or self.complete or self._fault is not None or self._parser is None:
            self._end(Fault.BROKE_OFF)
            return
        self.heard = True
        self._fruitless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._kept_by_server = False
        except HttpParserError:
            self._end(Fault.GARBAGE)
            return
        if self._chunks and self._flow is not None:
            self._hand_on()
        if self.complete:
            self._wake()
        elif not self._fruitless_bytes:
            if self._waiting_bytes > _MOST_WAITING_BYTES:
                self._leave_unread()
            if self._flow is None:
                self._wake()
        elif self._fruitless_bytes > MOST_HEAD_BYTES:
            self._end(Fault.GARBAGE)

    def eof_received(self) -> None:
        if self._asked and not self.complete and self._fault is None:
            if self.status and self._closed_in_order() and not any(name.lower() in _FRAMING for name, _ in self.headers):
                self.complete = True  # nothing but its close says where this answer ends (RFC 9112, section 6.3)
            elif self.heard and not self.status:
                self._fault = Fault.GARBAGE
        self._end(Fault.BROKE_OFF)

    def _closed_in_order(self) -> bool:
        """Return whether it is the server that has closed: in TLS anybody on the way can end what is beneath."""
        assert self._transport is not None
        tls = self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return not tls.read(1)  # nothing, once the server has said that nothing follows
        except ssl.SSLError:
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._end(Fault.BROKE_OFF)
        self._transport = None
        self._parser = None  # knows this connection, and is known by it
        self._lost(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # What the parser says.

    def on_message_begin(self) -> None:
        """Take note that a message begins."""
        if self.complete:
            raise _NotWanted

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; those that follow a body are left out."""
        if not self.status:
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Look at the head."""
        assert self._parser is not None
        headers = self.headers
        status = self._parser.get_status_code()
        if status in _INTERIM and status != _SWITCHED:
            self.headers = []
            return
        if status < _INTERIM.start or len(headers) > MOST_HEADERS:
            raise _NotWanted
        codings = [value for name, value in headers if len(name) == _CODING_LENGTH and name.lower() == _CODING]
        if codings and (len(codings) > 1 or codings[0].lower() != b"chunked"):
            raise _NotWanted
        if self._fruitless_bytes > MOST_HEAD_BYTES and sum(len(name) + len(value) for name, value in headers) > MOST_HEAD_BYTES:
            raise _NotWanted
        self.status = status
        self._fruitless_bytes = 0
        self.complete = self._bodiless

    def on_body(self, data: bytes) -> None:
        """Take in a piece of the body."""
        if self._bodiless:
            raise _NotWanted
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self._fruitless_bytes = 0

    def on_message_complete(self) -> None:
        """Take note that a message has ended; one that only announces another is not the answer."""
        if self.status:
            assert self._parser is not None
            self.complete = True
            self._kept_by_server = not self._bodiless and self._parser.should_keep_alive()
