"""One request and its answer, in ASGI's terms.

The body waits here as it comes, and no more of it is read from the client than its application keeps up with. An answer is begun
once, with its first piece of body as ASGI asks, and is whole or visibly not: one that its application leaves without its end, or
that is not as long as it says, ends with its connection and without its own end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headgate.adapters.serving.head import AnswerHead

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from headgate.adapters.serving.connection import Connection
    from headgate.adapters.serving.head import Scope

MOST_WAITING_BYTES = 64 * 1024
"""How much of a body may wait for its application before the client is left unread."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """A request whose head is there.

    Args:
        connection: What it came by.
        scope: Its head.
        keep_alive: Whether the client would send another one after it.

    Attributes:
        scope: Its head.
        received: Whether all of its body has come.
        answered: Whether all of the answer has been handed to the connection.
        awaited: Whether the application waits for more of its body.
    """

    __slots__ = (
        "_asked",
        "_chunks",
        "_connection",
        "_gone",
        "_head",
        "_keep_alive",
        "_left_bytes",
        "_news",
        "_passed",
        "_start",
        "_waiting_bytes",
        "answered",
        "awaited",
        "received",
        "scope",
    )

    def __init__(self, connection: Connection, scope: Scope, *, keep_alive: bool) -> None:
        self.scope = scope
        self.received = False
        self.answered = False
        self.awaited = False
        self._asked = False
        self._connection = connection
        self._keep_alive = keep_alive
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._passed = False
        self._gone = False
        self._news: asyncio.Event | None = None
        self._start: MutableMapping[str, Any] | None = None
        self._head: AnswerHead | None = None
        self._left_bytes = 0

    @property
    def begun(self) -> bool:
        """Whether the client has been sent any of the answer."""
        return self._head is not None

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection says where the answer ends."""
        head = self._head
        return head is not None and not head.chunked and head.length is None

    # What the connection says.

    def take(self, body: bytes) -> bool:
        """Take in a piece of the body; return whether there is room for more."""
        self._chunks.append(body)
        self._waiting_bytes += len(body)
        self._tell()
        return self._waiting_bytes <= MOST_WAITING_BYTES

    def end(self) -> None:
        """Take in that the body has come to its end."""
        self.received = True
        self._tell()

    def lose(self) -> None:
        """Take in that the client is gone."""
        self._gone = True
        self._tell()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()

    # What the application asks.

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next of the body as it comes; once all of it was returned, that the client is gone, when it is."""
        while True:
            if not self._passed and (self._chunks or self.received):
                return self._what_came()
            if self._gone or self.answered:
                return {"type": "http.disconnect"}
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            if not self._passed:
                self._ask_for_more()
            try:
                await self._news.wait()
            finally:
                self.awaited = False

    def _ask_for_more(self) -> None:
        """Tell a client to send its body that waits to be told (RFC 9110, section 10.1.1), and its connection that it is late."""
        if not self._asked and not self.begun and _expects_to_be_asked(self.scope):
            self._connection.write(_CONTINUE)
        self._asked = self.awaited = True
        self._connection.awaits_body(self)

    def _what_came(self) -> MutableMapping[str, Any]:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._passed = self.received
        if self._waiting_bytes > MOST_WAITING_BYTES:
            self._connection.read_on()
        self._waiting_bytes = 0
        return {"type": "http.request", "body": body, "more_body": not self._passed}

    def write(self, body: bytes) -> bool:
        """Send the next of an answer's body without waiting; return whether the client keeps up. If not, sending nothing waits.

        An application finds this on its ``send``. What is given here is neither the first nor the last of a body.

        Raises:
            ValueError: The answer has not begun, or is longer than it says.
        """
        if self._gone or self.answered:
            return True
        if self._head is None:
            raise ValueError("an answer begins with its status")
        if piece := self._framed(self._head, body, more=True):
            self._connection.write(piece)
        return not self._connection.is_full

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Send the next of the answer, and wait while the client has enough of it; to a client that is gone, nothing.

        Raises:
            ValueError: It is not an answer.
        """
        if self._gone or self.answered:
            return
        if message["type"] == "http.response.start":
            self._note_start(message)
            return
        if self._start is None:
            raise ValueError("an answer begins with its status")
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        connection = self._connection
        head = self._head
        if head is None:
            if connection.is_full:  # of the answer before this one
                await connection.room()
                if self._gone:
                    return
            head = self._head_of(self._start, None if more else len(body))
            piece = self._framed(head, body, more=more)
            self._head = head
            connection.write(head.written + piece if piece else head.written)
        elif piece := self._framed(head, body, more=more):
            connection.write(piece)
        if not more:
            self.answered = True
            self._tell()
            connection.answered(self, close=head.close)
        elif connection.is_full:
            await connection.room()

    def _note_start(self, start: MutableMapping[str, Any]) -> None:
        if self._start is not None:
            raise ValueError("an answer is begun once")
        self._start = start

    def _head_of(self, start: MutableMapping[str, Any], whole_bytes: int | None) -> AnswerHead:
        scope = self.scope
        head = AnswerHead(
            start["status"],
            start.get("headers", ()),
            method=scope["method"],
            version=scope["http_version"],
            whole_bytes=whole_bytes,
            close=not self._keep_alive or not self.received or self._connection.is_last,
        )
        self._left_bytes = head.length or 0
        return head

    def _framed(self, head: AnswerHead, body: bytes, *, more: bool) -> bytes:
        """Return a piece of the body as it goes out."""
        if head.bodiless:
            return b""
        if head.chunked:
            if not body:
                return b"" if more else b"0\r\n\r\n"
            return b"%x\r\n%b\r\n" % (len(body), body) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        if head.length is not None:
            self._left_bytes -= len(body)
            if self._left_bytes < 0 or (self._left_bytes and not more):
                raise ValueError("an answer is as long as it says")
        return body


def _expects_to_be_asked(scope: Scope) -> bool:
    return scope["http_version"] == "1.1" and (b"expect", b"100-continue") in [(n, v.lower()) for n, v in scope["headers"]]
