"""The client of model servers, where it is broken off and where a server does not speak its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage
from headgate.gateway.model import Upstream
from headgate.gateway.upstream import NotReached, Upstreams

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def calling(serve: Serve) -> AsyncGenerator[tuple[Upstreams, Upstream]]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    serving: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    upstreams = Upstreams()
    await upstreams.start()
    try:
        yield upstreams, Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "atlas")
    finally:
        await upstreams.close()
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)
        await asyncio.sleep(0)  # what was aborted is closed in the next round


async def ask(upstreams: Upstreams, upstream: Upstream, body: bytes = b"{}") -> bytes:
    async with upstreams.post(upstream, "/chat/completions", [("content-type", "application/json")], body) as answer:
        read = b""
        while (chunk := await answer.read()) is not None:
            read += chunk
        return read


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is the kernel's
            await asyncio.sleep(0.01)


def test_a_connection_carries_one_request_after_another() -> None:
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while await reader.readuntil(b"{}"):
            writer.write(WHOLE)

    async def run() -> None:
        async with calling(whole) as (upstreams, upstream):
            assert [await ask(upstreams, upstream) for _ in range(5)] == [b"{}"] * 5

    connections: list[asyncio.StreamWriter] = []
    asyncio.run(run())
    assert len(connections) == 1


@pytest.mark.parametrize("body", [b"{}", b"x" * 9_000_000])
def test_a_server_that_reads_and_says_nothing_is_left_at_once(body: bytes) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await asyncio.sleep(60)

    called = asyncio.Event()

    async def run() -> None:
        async with calling(deaf) as (upstreams, upstream):
            before = open_files()
            asking = asyncio.create_task(ask(upstreams, upstream, body))
            await called.wait()
            await asyncio.sleep(0.05)
            assert open_files() == before + 2
            asking.cancel()
            await eventually(lambda: open_files() == before + 1)

    asyncio.run(run())


def test_a_server_that_speaks_before_it_is_asked_is_not_asked() -> None:
    async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        heard.append(await reader.read(100))

    heard: list[bytes] = []

    async def run() -> None:
        async with calling(banner) as (upstreams, upstream):
            with pytest.raises((UpstreamFailed, UpstreamGarbage)):
                await ask(upstreams, upstream)

    asyncio.run(run())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "ftp://127.0.0.1/v1", "http://nobody.invalid/v1", "http:///v1", "what"])
def test_a_server_that_cannot_be_reached_is_told_apart(url: str) -> None:
    async def run() -> None:
        upstreams = Upstreams()
        await upstreams.start()
        try:
            with pytest.raises(NotReached):
                await ask(upstreams, Upstream(url, "atlas"))
        finally:
            await upstreams.close()

    asyncio.run(run())


def test_a_credential_that_would_end_its_line_is_not_sent() -> None:
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))

    heard: list[bytes] = []

    async def run() -> None:
        async with (
            calling(whole) as (upstreams, upstream),
            upstreams.post(upstream, "/x", [("authorization", "Bearer a\r\nx-forged: 1")], b"{}"),
        ):
            raise AssertionError("it was sent")

    with pytest.raises(NotReached):
        asyncio.run(run())
    assert b"forged" not in b"".join(heard)
