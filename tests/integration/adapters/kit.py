"""A server on a real socket, in front of whatever application a test writes, and a client that says and hears single bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headgate.adapters.serving import Bounds, Server
from headgate.bootstrap.processes.ports import listener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Any, Receive, Send], Awaitable[None]]
    Headers = Iterable[tuple[bytes, bytes]]

PATIENCE_S = 20.0
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
"""What nobody could object to."""


def get(path: str = "/", *more: bytes, version: str = "1.1", method: str = "GET") -> bytes:
    return b"\r\n".join((f"{method} {path} HTTP/{version}".encode(), b"host: x", *more)) + b"\r\n\r\n"


def post(body: bytes, *more: bytes, path: str = "/") -> bytes:
    return get(path, b"content-length: %d" % len(body), *more, method="POST") + body


@dataclass
class Answer:
    """An answer as a client takes it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes = b""
    version: bytes = b"HTTP/1.1"


class Broken(Exception):
    """An answer ended before its end."""


@dataclass
class Client:
    """One connection to a server."""

    socket: socket.socket
    _read: bytes = field(default=b"", repr=False)

    async def say(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def hear(self, most_bytes: int = 65536) -> bytes:
        """Return what comes next; nothing where the connection has ended."""
        if self._read:
            heard, self._read = self._read, b""
            return heard
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.get_running_loop().sock_recv(self.socket, most_bytes)

    async def rest(self) -> bytes:
        """Return everything until the connection ends."""
        heard = b""
        while piece := await self.hear():
            heard += piece
        return heard

    async def quiet(self, for_s: float = 0.1) -> bool:
        """Return whether nothing comes for a moment."""
        try:
            async with asyncio.timeout(for_s):
                self._read += await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        except TimeoutError:
            return True
        return False

    async def answer(self, *, to_head: bool = False) -> Answer:
        """Return one answer; what follows it is kept for the next."""
        line, *lines = (await self._until(b"\r\n\r\n"))[:-4].split(b"\r\n")
        version, status, _ = line.split(b" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        assert len(headers) == len(lines), lines
        answer = Answer(int(status), headers, version=version)
        if to_head or answer.status in (204, 304) or answer.status < 200:
            return answer
        if headers.get(b"transfer-encoding") == b"chunked":
            while size := int(await self._until(b"\r\n"), 16):
                answer.body += await self._exactly(size)
                assert await self._exactly(2) == b"\r\n"
            assert await self._exactly(2) == b"\r\n"
        elif b"content-length" in headers:
            answer.body = await self._exactly(int(headers[b"content-length"]))
        else:
            answer.body = await self.rest()
        return answer

    async def ask(self, request: bytes = GET) -> Answer:
        await self.say(request)
        return await self.answer(to_head=request.startswith(b"HEAD"))

    async def is_over(self) -> bool:
        """Return whether the connection ends with nothing more."""
        return await self.rest() == b""

    def leave(self) -> None:
        self.socket.close()

    async def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            await self._more()
        at = self._read.index(end) + len(end)
        read, self._read = self._read[:at], self._read[at:]
        return read

    async def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            await self._more()
        read, self._read = self._read[:size], self._read[size:]
        return read

    async def _more(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            piece = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 20)
        if not piece:
            raise Broken(self._read[-100:])
        self._read += piece


class Serving:
    """Servers of one test, and the clients that came."""

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._clients: list[Client] = []
        self._port = 0

    @property
    def server(self) -> Server:
        return self._servers[-1]

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self.server._open)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is served."""
        return "127.0.0.1", self._port

    async def of(self, application: Application, **bounds: Any) -> Serving:
        """Serve this from here on."""
        listening = listener("127.0.0.1", 0)
        self._port = listening.getsockname()[1]
        self._servers.append(Server(application, Bounds(**bounds)))
        self.server.listen(listening)
        return self

    async def client(self, *, takes_bytes: int | None = None) -> Client:
        """Return a client that has just connected."""
        connecting = socket.socket()
        if takes_bytes is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes_bytes)
        connecting.setblocking(False)
        client = Client(connecting)
        self._clients.append(client)
        await asyncio.get_running_loop().sock_connect(connecting, self.address)
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.leave()
        for server in self._servers:
            await server.close(0.5)


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is looked at tells nobody that it changed
            await asyncio.sleep(0.01)


async def body_of(receive: Receive) -> bytes:
    """Return the whole of a request's body.

    Raises:
        ConnectionError: Its client went before its end.
    """
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message["body"]
        if not message["more_body"]:
            return body


async def reply(send: Send, body: bytes = b"", *more: bytes, status: int = 200, headers: Headers = ()) -> None:
    """Answer in one piece, or in as many as are given."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    pieces = (body, *more)
    for number, piece in enumerate(pieces, 1):
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})


async def echo(scope: Any, receive: Receive, send: Send) -> None:
    """Answer with what was asked for, and its body."""
    with contextlib.suppress(ConnectionError):
        await reply(send, b"%b %b " % (scope["method"].encode(), scope["raw_path"]) + await body_of(receive))
