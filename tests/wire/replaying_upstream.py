"""A model server that answers as recorded, and a client that keeps every byte.

Where an answer is split, how it is framed and where the server pauses is drawn from a seed, so that what failed once fails
again. Server and client share no code with the gateway.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from wire.kit import Received, ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED_FOR = "x-replayed-exchange"
"""The request header that names what is to be replayed."""
_PAUSES_S = (0.0, 0.0, 0.0, 0.001, 0.003)
_MOST_WRITES = 24

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to give.

    Attributes:
        status: Its status.
        headers: Its headers, without those of the connection.
        body: Its body.
        coding: The coding that it is sent in, although nobody asked for one: ``gzip``, ``deflate``, or none.
        framing: ``chunked``, ``length``, ``close``, or drawn by lot when empty.
        seed: What splits and pauses are drawn from.
    """

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    coding: str = ""
    framing: str = ""
    seed: int = 0

    def wire(self) -> tuple[list[bytes], bool]:
        """Return what goes onto the wire, split, and whether the connection's end is the answer's."""
        lots = random.Random(self.seed)
        body, headers = self.body, list(self.headers)
        if self.coding:
            body = gzip.compress(body, mtime=0) if self.coding == "gzip" else zlib.compress(body)
            headers.append((b"content-encoding", self.coding.encode()))
        bodiless = self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        framing = "none" if bodiless else self.framing or lots.choice(("chunked", "chunked", "length", "close"))
        match framing:
            case "chunked":
                headers.append((b"Transfer-Encoding", b"chunked"))
                body = b"".join(_chunk(piece, lots) for piece in split(body, lots, most=12)) + b"0\r\n\r\n"
            case "length":
                headers.append((b"Content-Length", str(len(body)).encode()))
            case "close":
                headers.append((b"Connection", b"close"))
            case _:
                body = b""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in headers]
        return split(b"\r\n".join(lines) + b"\r\n\r\n" + body, lots, most=_MOST_WRITES), framing == "close"


def split(data: bytes, lots: random.Random, *, most: int) -> list[bytes]:
    """Return data in pieces: whole, in even pieces, in a few uneven ones, or byte by byte about one place."""
    if not data:
        return []
    match lots.randrange(4):
        case 0:
            cuts = list[int]()
        case 1:
            size = max(1, len(data) // most, lots.randrange(1, 400))
            cuts = list(range(size, len(data), size))
        case 2:
            cuts = sorted({lots.randrange(len(data)) for _ in range(most)} - {0})
        case _:
            at = lots.randrange(len(data))
            cuts = list(range(max(1, at - most // 2), min(len(data), at + most // 2)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _chunk(piece: bytes, lots: random.Random) -> bytes:
    extension = lots.choice((b"", b"", b"", b";x=1"))
    return f"{len(piece):{lots.choice('xX')}}".encode() + extension + b"\r\n" + piece + b"\r\n"


class ReplayingUpstream(ScriptedUpstream):
    """Answers each request with the answer that it names."""

    answers: Sequence[Answer] = ()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (received := await self._read(reader)) is not None:
                self.received.append(received)
                answer = self.answers[int(_header(received, ASKED_FOR))]
                lots = random.Random(answer.seed)
                pieces, closes = answer.wire()
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(lots.choice(_PAUSES_S))
                if closes:
                    break
        except ConnectionError:
            self.abandoned += 1
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


def _header(received: Received, name: str) -> str:
    return next(value for key, value in received.headers if key == name)


@dataclass(frozen=True, slots=True)
class Got:
    """What a client received: names in lower case, values and body as they came."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)

    def header(self, name: bytes) -> bytes:
        """Return a header's first value, empty where it is absent."""
        return next((value for key, value in self.headers if key == name), b"")


async def fetch(port: int, target: str, headers: Headers, body: bytes, *, within_s: float = 20.0) -> Got:
    """Send a request on a connection of its own and return the whole answer."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await _fetch(reader, writer, target, headers, body)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _fetch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, headers: Headers, body: bytes) -> Got:
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    head = h11.Request(
        method="POST",
        target=target,
        headers=[(b"host", b"model.test"), (b"content-length", str(len(body)).encode()), *headers],
    )
    writer.write((wire.send(head) or b"") + (wire.send(h11.Data(data=body)) or b"") + (wire.send(h11.EndOfMessage()) or b""))
    status, got, chunks = 0, list[tuple[bytes, bytes]](), list[bytes]()
    while True:
        match wire.next_event():
            case h11.Response() as response:
                status = response.status_code
                got = [(bytes(name), bytes(value)) for name, value in response.headers]
            case h11.Data() as data:
                chunks.append(bytes(data.data))
            case h11.EndOfMessage():
                return Got(status, tuple(got), b"".join(chunks))
            case h11.NEED_DATA:
                wire.receive_data(await reader.read(65536))
            case h11.InformationalResponse():
                pass
            case other:
                raise AssertionError(f"not an answer: {other!r}")
