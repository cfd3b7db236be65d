"""What a call to a model server costs the process that makes it, in processor time.

    python bench/calling.py [--calls 5000]

A server that always says the same runs in a process of its own. Calls go through the gateway's own client, one after another,
then 32 at once; then 16 streams of 200 chunks. Each figure is the least of three runs, so what else the machine does counts as
little as can be; "bare" is a connection on which as many bytes go both ways and nobody looks at them: the event loop and the
kernel.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import time
from typing import TYPE_CHECKING, Any, cast

import uvloop

from headgate.gateway.model import Upstream
from headgate.gateway.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Coroutine

AT_ONCE = 32
STREAMS = 16
CHUNKS = 200
REQUEST = b'{"model":"atlas","messages":[{"role":"user","content":"' + b"h" * 200 + b'"}]}'
HEADERS = [
    ("content-type", "application/json"),
    ("user-agent", "bench"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("x-headgate-request-id", "req_0123456789"),
    ("authorization", "Bearer made-up"),
]
BODY = b'{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"content":"' + b"x" * 300 + b'"}}]}'
WHOLE = (
    b"HTTP/1.1 200 OK\r\nserver: bench\r\ndate: Sat, 21 Nov 2026 08:00:00 GMT\r\ncontent-type: application/json\r\n"
    b"x-request-id: 0123456789\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
)
FRAME = b'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
CHUNK = b"%x\r\n%s\r\n" % (len(FRAME), FRAME)


class Static(asyncio.Protocol):
    """Answers every request with the same."""

    def __init__(self) -> None:
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._heard.endswith(REQUEST):
            streams = b"/stream " in self._heard
            self._heard = b""
            if streams:
                self._streaming = asyncio.get_running_loop().create_task(self._stream())
            else:
                self._transport.write(WHOLE)

    async def _stream(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(CHUNKS):
            self._transport.write(CHUNK)
            await asyncio.sleep(0)
        self._transport.write(b"0\r\n\r\n")


class Bare(asyncio.Protocol):
    """Sends bytes and waits for bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        assert data
        self._heard.set_result(None)

    async def ask(self) -> None:
        self._heard = self._loop.create_future()
        self._transport.write(b"x" * 300 + REQUEST)
        await self._heard


def serve(ports: Any) -> None:
    async def run() -> None:
        listening = await asyncio.get_running_loop().create_server(Static, "127.0.0.1", 0)
        ports.put(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    uvloop.run(run())


async def cost_us(work: Coroutine[Any, Any, Any], calls: int) -> float:
    """Return the processor time of each call, in microseconds."""
    gc.collect()
    began_s = time.process_time()
    await work
    return (time.process_time() - began_s) / calls * 1e6


async def measured(port: int, calls: int) -> dict[str, float]:
    upstream = Upstream(f"http://127.0.0.1:{port}/v1", "atlas")
    upstreams = Upstreams()
    await upstreams.start()

    async def ask(path: str) -> None:
        async with upstreams.post(upstream, path, HEADERS, REQUEST) as answer:
            while await answer.read() is not None:
                pass

    async def ask_all(count: int, path: str = "/whole") -> None:
        for _ in range(count):
            await ask(path)

    async def ask_streams(count: int) -> None:
        await ask_all(count, "/stream")

    async def ask_bare(count: int) -> None:
        _, bare = await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", port)
        for _ in range(count):
            await bare.ask()

    each = calls // AT_ONCE
    await asyncio.gather(*(ask_all(10) for _ in range(AT_ONCE)))
    found = {
        "bare": await cost_us(ask_bare(calls), calls),
        f"bare, {AT_ONCE} at once": await cost_us(_all(ask_bare, AT_ONCE, each), each * AT_ONCE),
        "calls": await cost_us(ask_all(calls), calls),
        f"calls, {AT_ONCE} at once": await cost_us(_all(ask_all, AT_ONCE, each), each * AT_ONCE),
        "chunks of streams": await cost_us(_all(ask_streams, STREAMS, 2), STREAMS * 2 * CHUNKS),
    }
    await upstreams.close()
    return found


async def _all(work: Any, at_once: int, count: int) -> None:
    await asyncio.gather(*(work(count) for _ in range(at_once)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args().calls
    ports = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    try:
        port = ports.get(timeout=20)
        runs = [uvloop.run(measured(port, calls)) for _ in range(3)]
    finally:
        server.terminate()
        server.join()
    for name in runs[0]:
        print(f"{name:24}{min(run[name] for run in runs):8.1f} µs")


if __name__ == "__main__":
    main()
