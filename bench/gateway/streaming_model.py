"""A model server that streams: as many chunks a second as it is told, each with the instant at which it was sent.

    python -m gateway.streaming_model --port 9000 --per-s 20
    python -m gateway.streaming_model --port 9000 --per-s 0        as fast as it is read

It speaks as much HTTP as the benches ask of it, on uvloop, because it must keep a thousand streams supplied on a part of a core.
An answer ends when its connection does.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_BEFORE = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"small-model","choices":[{"index":0,'
    b'"delta":{"content":" @'
)
_AFTER = b'"},"finish_reason":null}]}\n\n'
_DIGITS = 18
_SIZE = b"%x\r\n" % (len(_BEFORE) + _DIGITS + len(_AFTER))
_TICK_S = 0.001
_AT_ONCE = 64


def chunk() -> bytes:
    """Return one chunk of a chat stream, framed for the wire; its text says when it was made."""
    return _SIZE + _BEFORE + b"%018d" % time.monotonic_ns() + _AFTER + b"\r\n"


class Streams:
    """All open streams, each with its turn within the period."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._turns: list[set[asyncio.Transport]] = [set() for _ in range(max(1, round(1 / (per_s * _TICK_S))) if per_s else 1)]
        self._next = 0

    def add(self, transport: asyncio.Transport) -> set[asyncio.Transport]:
        self._next = (self._next + 1) % len(self._turns)
        self._turns[self._next].add(transport)
        return self._turns[self._next]

    async def run(self) -> None:
        turn, due_s = 0, time.monotonic()
        while True:
            due_s += _TICK_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            for transport in self._turns[turn]:
                transport.write(chunk())
            turn = (turn + 1) % len(self._turns)


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._received = b""
        self._writable = asyncio.Event()
        self._place: set[asyncio.Transport] | None = None
        self._flood: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._place is not None or self._flood is not None:
            return
        lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if len(body) < (int(lengths[0]) if lengths else 0):
            return
        self._transport.write(_HEAD)
        if self._streams.per_s:
            self._place = self._streams.add(self._transport)
        else:
            self._writable.set()
            self._flood = asyncio.get_running_loop().create_task(self._pour())

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._place is not None:
            self._place.discard(self._transport)
        if self._flood is not None:
            self._flood.cancel()

    async def _pour(self) -> None:
        while True:
            await self._writable.wait()
            for _ in range(_AT_ONCE):
                self._transport.write(chunk())  # each in a packet of its own, as a model would
            await asyncio.sleep(0)


async def serve(port: int, per_s: float) -> None:
    streams = Streams(per_s)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(streams), "127.0.0.1", port, backlog=4096)
    async with server:
        await streams.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--per-s", type=float, default=20.0)
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.per_s))


if __name__ == "__main__":
    main()
