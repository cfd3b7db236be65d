"""Connections to model servers, on both event loops: opened, kept, shared, broken off, in plain and in TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headgate.gateway.errors import Faulty, UpstreamFailed, UpstreamGarbage
from headgate.gateway.model import Upstream
from headgate.gateway.upstream import Answer, Health, NotReached, Upstreams
from headgate.gateway.upstream.connection import Connection
from headgate.gateway.upstream.connections import Connections
from headgate.gateway.upstream.replicas import FAILURES

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Serve: TypeAlias = Callable[["Caller"], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
FORGED = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"
BLOCK = b"x" * 65536


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


@dataclass
class Caller:
    """One connection, from the server's end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    @property
    def descriptor(self) -> int:
        return int(self.writer.get_extra_info("socket").fileno())

    async def asked(self) -> tuple[bytes, bytes]:
        """Return the next request's line and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *headers = head.lower().split(b"\r\n")
        (length,) = [int(header[15:]) for header in headers if header.startswith(b"content-length:")] or [0]
        return line, await self.reader.readexactly(length)

    def deaf(self, *, no_more: bool = False) -> None:
        """Read nothing."""
        transport = cast("asyncio.Transport", self.writer.transport)
        (transport.resume_reading if no_more else transport.pause_reading)()

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Server:
    """A model server, and who calls it.

    Attributes:
        upstreams: The callers' end.
        upstream: How it is called.
        callers: Connections so far.
        left: How many of them have ended.
    """

    upstreams: Upstreams
    upstream: Upstream
    callers: list[Caller] = field(default_factory=list[Caller])
    left: int = 0

    async def ask(self, body: Any = b"{}", method: str = "POST", path: str = "/x") -> bytes:
        async with self.upstreams.send(self.upstream, method, path, [], body) as answer:
            return await rest_of(answer)


async def rest_of(answer: Answer) -> bytes:
    read: list[bytes] = []
    while (chunk := await answer.read()) is not None:
        read.append(chunk)
    return b"".join(read)


@asynccontextmanager
async def serving(
    serve: Serve,
    *,
    host: str = "127.0.0.1",
    name: str = "",
    proof: ssl.SSLContext | None = None,
    trust: ssl.SSLContext | None = None,
    connect_s: float = 5.0,
    scheme: str = "",
) -> AsyncGenerator[Server]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(reader, writer, len(server.callers) + 1)
        server.callers.append(caller)
        tasks.append(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
                await serve(caller)
        finally:
            server.left += 1
            writer.transport.abort()

    tasks: list[asyncio.Task[None]] = []
    upstreams = Upstreams(trust=trust)
    await upstreams.start()
    listening = await asyncio.start_server(served, host, 0, ssl=proof)
    port = listening.sockets[0].getsockname()[1]
    scheme = scheme or ("http" if proof is None else "https")
    server = Server(upstreams, Upstream(f"{scheme}://{name or host}:{port}/v1", "atlas", connect_s=connect_s))
    try:
        yield server
    finally:
        await upstreams.close()
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.01)  # what was aborted is closed in the next rounds


async def willing(caller: Caller) -> None:
    while True:
        await caller.asked()
        await caller.say(WHOLE)


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is the kernel's
            await asyncio.sleep(0.01)


async def settled(count: Callable[[], int]) -> int:
    """Return a count once it has stopped growing."""
    before = -1
    while (now := count()) != before:
        before = now
        await asyncio.sleep(0.2)
    return now


# Kept connections.


def test_a_kept_connection_that_its_server_has_closed_is_not_used(run: Run) -> None:
    async def once(caller: Caller) -> None:
        await caller.asked()
        await caller.say(WHOLE)

    async def main() -> None:
        async with serving(once) as server:
            for number in range(1, 4):
                assert await server.ask() == b"{}"
                await eventually(lambda number=number: server.left == number)

    run(main())


@pytest.mark.parametrize("what", ["said", "closed"])
def test_what_a_server_did_a_moment_ago_is_seen_before_a_request_is_sent(run: Run, what: str) -> None:
    """The event loop has had no turn in which to hear of it: a POST would be lost, or given the answer to nothing."""

    async def main() -> None:
        async with serving(willing) as server:
            assert await server.ask() == b"{}"
            descriptor = server.callers[0].descriptor
            if what == "said":
                os.write(descriptor, FORGED)
            else:
                with socket.socket(fileno=os.dup(descriptor)) as same:
                    same.shutdown(socket.SHUT_WR)
            assert await server.ask() == b"{}"
            assert len(server.callers) == 2

    run(main())


def test_what_a_server_says_unasked_is_no_answer(run: Run) -> None:
    async def main() -> None:
        async with serving(willing) as server:
            for number in range(1, 4):
                assert await server.ask() == b"{}"
                await server.callers[-1].say(FORGED)
                await eventually(lambda number=number: server.left == number)

    run(main())


@pytest.mark.parametrize(("method", "requests"), [("POST", 2), ("GET", 3), ("DELETE", 3)])
def test_a_request_is_repeated_once_where_that_does_no_harm_and_nothing_came_back(run: Run, method: str, requests: int) -> None:
    async def closing(caller: Caller) -> None:
        heard.append((await caller.asked())[0])
        if caller.number == 1 and len(heard) == 1:
            await caller.say(WHOLE)
            heard.append((await caller.asked())[0])

    heard: list[bytes] = []

    async def main() -> None:
        async with serving(closing) as server:
            await server.ask()
            with pytest.raises(UpstreamFailed):
                await server.ask(method=method, body=None)

    run(main())
    assert len(heard) == requests


def test_a_request_that_was_repeated_is_answered(run: Run) -> None:
    async def closing(caller: Caller) -> None:
        await caller.asked()
        await caller.say(WHOLE)
        await caller.asked()
        if caller.number > 1:
            await caller.say(WHOLE)

    async def main() -> None:
        async with serving(closing) as server:
            await server.ask()
            assert await server.ask(method="GET", body=None) == b"{}"
            assert len(server.callers) == 2

    run(main())


def test_a_request_is_not_repeated_when_something_has_come_back(run: Run) -> None:
    async def closing(caller: Caller) -> None:
        await caller.asked()
        await caller.say(WHOLE)
        await caller.asked()
        await caller.say(b"HTTP/1.1 2")

    async def main() -> None:
        async with serving(closing) as server:
            await server.ask()
            with pytest.raises(UpstreamGarbage):
                await server.ask(method="GET", body=None)
            assert len(server.callers) == 1

    run(main())


def test_an_answer_reaches_whoever_asked_for_it_however_its_server_behaves(run: Run) -> None:
    async def moody(caller: Caller) -> None:
        while True:
            _, body = await caller.asked()
            mood = chance.random()
            head = b"HTTP/1.1 200 OK\r\n" + (b"connection: close\r\n" if mood < 0.1 else b"")
            answer = head + b"content-length: %d\r\n\r\n" % len(body) + body
            place = chance.randrange(len(answer))
            await caller.say(answer[:place])
            await asyncio.sleep(0)
            if 0.1 <= mood < 0.15:
                return
            await caller.say(answer[place:] + (FORGED if 0.15 <= mood < 0.25 else b""))
            if mood < 0.35:
                await asyncio.sleep(0)
                return

    chance = random.Random(7)
    wrong: list[bytes] = []
    right: list[bytes] = []

    async def main() -> None:
        async def client(number: int) -> None:
            for turn in range(20):
                body = f"{number}-{turn}".encode() * 20
                with suppress(UpstreamFailed, UpstreamGarbage):
                    (right if await server.ask(body) == body else wrong).append(body)
                await asyncio.sleep(0)

        async with serving(moody) as server:
            await asyncio.gather(*(client(number) for number in range(20)))

    run(main())
    assert not wrong
    assert len(right) > 200


def test_a_connection_that_nobody_uses_is_closed_after_a_while(run: Run) -> None:
    async def main() -> None:
        async with serving(willing) as server:
            server.upstreams._connections = connections = Connections(idle_s=0.05)
            assert await server.ask() == b"{}"
            await eventually(lambda: server.left == 1)
            assert not connections._kept
            assert await server.ask() == b"{}"
            time.sleep(0.1)  # noqa: ASYNC251 - its time is over, and nobody has had a turn to close it
            assert await server.ask() == b"{}"
            assert len(server.callers) == 3
            await connections.close()

    run(main())


def test_no_more_connections_are_kept_than_may_be(run: Run) -> None:
    async def main() -> None:
        async with serving(willing) as server:
            server.upstreams._connections = connections = Connections(most_kept=2)
            assert await asyncio.gather(*(server.ask() for _ in range(6))) == [b"{}"] * 6
            assert len(server.callers) == 6
            await eventually(lambda: server.left == 4)
            await connections.close()
            await eventually(lambda: server.left == 6)

    run(main())


def test_whoever_is_waiting_when_connections_are_closed_is_told(run: Run) -> None:
    async def silent(caller: Caller) -> None:
        await caller.reader.read()

    async def main() -> None:
        async with serving(silent) as server:
            asking = asyncio.create_task(server.ask())
            await eventually(lambda: len(server.callers) == 1)
            await server.upstreams.close()
            with pytest.raises(UpstreamFailed):
                await asking

    run(main())


def test_a_header_is_found_however_it_is_written_and_the_first_of_several_counts(run: Run) -> None:
    async def shouting(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\nX-Odd: \xff1\r\nx-odd: 2\r\nCONTENT-LENGTH: 2\r\n\r\n{}")

    async def main() -> None:
        async with serving(shouting) as server, server.upstreams.post(server.upstream, "/x", [], b"{}") as answer:
            assert (answer.header("content-length"), answer.header("x-none")) == ("2", "")
            assert answer.header("x-odd").encode(errors="surrogateescape") == b"\xff1"
            assert [name for name, _ in answer.headers] == [b"X-Odd", b"x-odd", b"CONTENT-LENGTH"]

    run(main())


@pytest.mark.parametrize("lines", [b"connection: upgrade\r\nupgrade: h2c\r\n", b""])
def test_another_protocol_is_no_answer(run: Run, lines: bytes) -> None:
    async def switching(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\nPRI * HTTP/2.0\r\n")
        await caller.reader.read()

    async def main() -> None:
        async with serving(switching) as server:
            with pytest.raises(UpstreamGarbage):
                await server.ask()
            await eventually(lambda: server.left == 1)

    run(main())


def test_a_server_that_fails_its_check_rests_on(run: Run) -> None:
    async def broken(caller: Caller) -> None:
        line, _ = await caller.asked()
        lines.append(line.partition(b" ")[0])
        await caller.say(b"what?")

    lines: list[bytes] = []

    async def main() -> None:
        async with serving(broken) as server:
            for _ in range(FAILURES):
                with pytest.raises(UpstreamGarbage):
                    await server.ask()
            await eventually(lambda: b"get" in lines)
            assert [standing.health for standing in server.upstreams.standings()] == [Health.RESTING]

    run(main())


# Called off.

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"", b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"{}"),
        (b"HTTP/1.1 200 OK\r\nx-", b"{}"),
        (HEAD, b"{}"),
        (HEAD + b"5\r\nhel", b"{}"),
        (b"", BLOCK * 200),
        (b"", None),
        (HEAD, None),
    ],
)
def test_who_is_called_off_breaks_the_connection_off_at_once(run: Run, said: bytes, body: bytes | None) -> None:
    async def stuck(caller: Caller) -> None:
        await caller.reader.readuntil(b"\r\n\r\n")
        if body != b"{}":
            caller.deaf()
        await caller.say(said)
        await asyncio.sleep(60)

    async def main() -> None:
        async with serving(stuck) as server:
            before = open_files()
            asking = asyncio.create_task(server.ask(Blocks([BLOCK] * 400) if body is None else body))
            await eventually(lambda: len(server.callers) == 1)
            await asyncio.sleep(0.05)
            assert open_files() == before + 2
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await eventually(lambda: open_files() <= before + 1)

    run(main())


@pytest.mark.parametrize(("said", "broken_off"), [(HEAD, True), (WHOLE, False)])
def test_who_is_called_off_just_as_the_head_has_come_leaves_nothing_underway(
    run: Run, monkeypatch: pytest.MonkeyPatch, said: bytes, broken_off: bool
) -> None:
    async def saying(caller: Caller) -> None:
        await caller.asked()
        await caller.say(said if caller.number == 1 else WHOLE)
        await willing(caller)

    async def main() -> None:
        async with serving(saying) as server:
            asking = asyncio.create_task(server.ask())
            heard = Connection.on_headers_complete

            def called_off(connection: Connection) -> None:
                heard(connection)
                asking.cancel()

            with monkeypatch.context() as patch:
                patch.setattr(Connection, "on_headers_complete", called_off)
                with pytest.raises(asyncio.CancelledError):
                    await asking
            await eventually(lambda: server.left == broken_off)
            assert await server.ask() == b"{}"
            assert len(server.callers) == 1 + broken_off

    run(main())


def test_who_is_called_off_while_connecting_leaves_nothing_behind(run: Run, authority: Authority) -> None:
    async def silent(caller: Caller) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with serving(silent, scheme="https", trust=authority.trust) as server:
            before = open_files()
            asking = asyncio.create_task(server.ask())
            await eventually(lambda: len(server.callers) == 1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await eventually(lambda: open_files() <= before + 1)

    run(main())


def test_reading_can_be_given_up_and_taken_up_again(run: Run) -> None:
    async def slow(caller: Caller) -> None:
        await caller.asked()
        await caller.say(HEAD)
        await go_on.wait()
        await caller.say(b"2\r\n{}\r\n0\r\n\r\n")

    go_on = asyncio.Event()

    async def main() -> None:
        async with (
            serving(slow) as server,
            server.upstreams.post(server.upstream, "/x", [], b"{}") as answer,
        ):
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(answer.read(), 0.01)
            go_on.set()
            assert await rest_of(answer) == b"{}"

    run(main())


def test_what_flows_is_taken_in_order_and_nothing_while_something_has_to_be_waited_for(run: Run) -> None:
    taken: list[bytes] = []
    at_once: list[bool] = []

    async def counting(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(40):
            await caller.say(b"2\r\n%02d\r\n" % number)
            await asyncio.sleep(0.001)
        await caller.say(b"0\r\n\r\n")

    async def main() -> None:
        busy = False

        async def take(chunk: bytes) -> bool:
            nonlocal busy
            assert not busy
            busy = True
            at_once.append(asyncio.current_task() is None)
            if len(taken) % 10 == 3:
                await asyncio.sleep(0.01)
            taken.append(chunk)
            busy = False
            return True

        async with serving(counting) as server, server.upstreams.post(server.upstream, "/x", [], b"{}") as answer:
            assert await answer.flow(take)

    run(main())
    assert b"".join(taken) == b"".join(b"%02d" % number for number in range(40))
    assert any(at_once)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_what_goes_wrong_while_bytes_are_taken_is_raised_where_they_are_waited_for(run: Run, waits: bool) -> None:
    async def talking(caller: Caller) -> None:
        await caller.asked()
        await caller.say(HEAD)
        while True:
            await caller.say(b"2\r\n{}\r\n")
            await asyncio.sleep(0.002)

    async def take(chunk: bytes) -> bool:
        taken.append(chunk)
        if len(taken) > 3:
            if waits:
                await asyncio.sleep(0)
            raise LookupError
        return True

    taken: list[bytes] = []

    async def main() -> None:
        async with serving(talking) as server:
            with pytest.raises(LookupError):
                async with server.upstreams.post(server.upstream, "/x", [], b"{}") as answer:
                    await answer.flow(take)
            assert len(taken) == 4
            await eventually(lambda: server.left == 1)

    run(main())


def test_what_flows_ends_when_no_more_is_wanted_and_can_be_read_on(run: Run) -> None:
    async def talking(caller: Caller) -> None:
        await caller.asked()
        await caller.say(HEAD)
        for block in (b"2\r\n12\r\n", b"2\r\n34\r\n", b"0\r\n\r\n"):
            await asyncio.sleep(0.01)
            await caller.say(block)

    async def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return False

    taken: list[bytes] = []

    async def main() -> None:
        async with serving(talking) as server, server.upstreams.post(server.upstream, "/x", [], b"{}") as answer:
            assert not await answer.flow(take)
            assert b"".join(taken) + await rest_of(answer) == b"1234"

    run(main())
    assert taken == [b"12"]


def test_a_server_is_read_from_no_faster_than_what_flows_is_taken(run: Run) -> None:
    async def eager(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(BLOCK) * 600))
        for _ in range(600):
            await caller.say(BLOCK)
            written.append(len(BLOCK))
        await caller.reader.read()  # until the other end has read all of it and left

    written: list[int] = []
    taken: list[int] = []
    go_on = asyncio.Event()

    async def take(chunk: bytes) -> bool:
        await go_on.wait()
        taken.append(len(chunk))
        return True

    async def main() -> None:
        async with serving(eager) as server, server.upstreams.post(server.upstream, "/x", [], b"{}") as answer:
            flowing = asyncio.create_task(answer.flow(take))
            assert await settled(lambda: sum(written)) < len(BLOCK) * 300
            assert not taken
            go_on.set()
            assert await flowing
            assert sum(taken) == len(BLOCK) * 600

    run(main())


def test_a_server_that_talks_faster_than_it_is_taken_leaves_others_their_turns(run: Run) -> None:
    blocks = 80
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)

    def talk() -> None:
        caller, _ = listening.accept()
        with caller:
            caller.recv(65536)
            caller.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(BLOCK) * blocks))
            for _ in range(blocks):
                caller.sendall(BLOCK)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        in_turn = Counter[int]()
        turn = 0

        def next_turn() -> None:
            nonlocal turn
            turn += 1
            loop.call_soon(next_turn)

        async def take(chunk: bytes) -> bool:
            in_turn[turn] += len(chunk)
            time.sleep(0.0005)  # noqa: ASYNC251 - work, during which the server goes on talking
            return True

        loop.call_soon(next_turn)
        upstreams = Upstreams()
        await upstreams.start()
        talking = asyncio.create_task(asyncio.to_thread(talk))
        try:
            upstream = Upstream(f"http://127.0.0.1:{listening.getsockname()[1]}", "atlas")
            async with upstreams.post(upstream, "/x", [], b"{}") as answer:
                assert await answer.flow(take)
            await talking
        finally:
            await upstreams.close()
        assert sum(in_turn.values()) == len(BLOCK) * blocks
        assert max(in_turn.values()) <= 2 * 16 * 1024

    with listening:
        run(main())


def test_what_flows_can_be_called_off_while_it_is_held_up(run: Run) -> None:
    async def talking(caller: Caller) -> None:
        await caller.asked()
        await caller.say(HEAD)
        await caller.say(b"2\r\n{}\r\n")
        with suppress(ConnectionError):
            await caller.reader.read()

    held_up = asyncio.Event()
    left: list[str] = []

    async def take(chunk: bytes) -> bool:
        try:
            held_up.set()
            await asyncio.sleep(60)
        finally:
            left.append(chunk.decode())
        return True

    async def main() -> None:
        async with serving(talking) as server:

            async def flows() -> None:
                async with server.upstreams.post(server.upstream, "/x", [], b"{}") as answer:
                    await answer.flow(take)

            flowing = asyncio.create_task(flows())
            await held_up.wait()
            flowing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await flowing
            await eventually(lambda: server.left == 1)

    run(main())
    assert left == ["{}"]


# Neither end is outrun.


def test_a_server_is_read_from_no_faster_than_its_answer_is_read(run: Run) -> None:
    async def eager(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(BLOCK) * 600))
        for _ in range(600):
            await caller.say(BLOCK)
            written.append(len(BLOCK))
        await caller.reader.read()  # until the other end has read all of it and left

    written: list[int] = []

    async def main() -> None:
        async with (
            serving(eager) as server,
            server.upstreams.post(server.upstream, "/x", [], b"{}") as answer,
        ):
            assert await answer.read()
            assert await settled(lambda: sum(written)) < len(BLOCK) * 300
            assert len(await rest_of(answer)) < len(BLOCK) * 600
            assert len(written) == 600

    run(main())


@dataclass
class Blocks:
    """A body in blocks.

    Attributes:
        blocks: What it yields.
        said_bytes: How long it says it is; ``None`` for the truth.
        taken: How many blocks have been taken.
        error: What it ends in.
    """

    blocks: list[bytes]
    said_bytes: int | None = None
    taken: int = 0
    error: Exception | None = None

    @property
    def length(self) -> int:
        return sum(map(len, self.blocks)) if self.said_bytes is None else self.said_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self.blocks:
            await asyncio.sleep(0)
            self.taken += 1
            yield block
        if self.error is not None:
            raise self.error


async def counting(caller: Caller) -> None:
    while True:
        _, body = await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n%10d" % len(body))


def test_a_body_is_read_no_faster_than_the_server_takes_it(run: Run) -> None:
    async def late(caller: Caller) -> None:
        caller.deaf()
        await go_on.wait()
        caller.deaf(no_more=True)
        await counting(caller)

    go_on = asyncio.Event()
    body = Blocks([BLOCK] * 600)

    async def main() -> None:
        async with serving(late) as server:
            asking = asyncio.create_task(server.ask(body))
            await eventually(lambda: body.taken > 0)
            assert await settled(lambda: body.taken) < 300
            go_on.set()
            assert int(await asking) == body.length

    run(main())


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 9_000_000])
def test_a_body_of_any_size_arrives_whole_and_the_connection_is_kept(run: Run, size: int) -> None:
    async def main() -> None:
        async with serving(counting) as server:
            for body in (b"x" * size, Blocks([b"x" * size]), Blocks([b"", b"x" * size, b""])):
                assert int(await server.ask(body)) == size
            assert len(server.callers) == 1

    run(main())


@pytest.mark.parametrize(
    ("body", "error", "announced_bytes"),
    [
        (Blocks([b"ab", b"cd"], said_bytes=5), Faulty, 5),
        (Blocks([b"ab", b"cd"], said_bytes=3), Faulty, 3),
        (Blocks([b"ab", b"cd"], said_bytes=9, error=OSError("the disk is gone")), OSError, 9),
    ],
)
def test_a_body_that_is_not_what_it_says_is_a_fault_of_ours(
    run: Run, body: Blocks, error: type[Exception], announced_bytes: int
) -> None:
    async def taking(caller: Caller) -> None:
        head = await caller.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % announced_bytes in head
        heard.append(await caller.reader.read())

    heard: list[bytes] = []

    async def main() -> None:
        async with serving(taking) as server:
            for _ in range(FAILURES):
                with pytest.raises(error):
                    await server.ask(body)
            await eventually(lambda: server.left == FAILURES)
            assert [standing.health for standing in server.upstreams.standings()] == [Health.WELL]

    run(main())
    assert all(len(body) < announced_bytes for body in heard)


@pytest.mark.parametrize("body", [BLOCK * 200, None])
def test_an_answer_that_comes_before_all_was_sent_is_an_answer_and_the_rest_is_not_sent(run: Run, body: bytes | None) -> None:
    async def refusing(caller: Caller) -> None:
        await caller.reader.readuntil(b"\r\n\r\n")
        caller.deaf()
        await caller.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nmuch")
        await asyncio.sleep(60)

    async def main() -> None:
        async with serving(refusing) as server:
            before = open_files()
            assert await server.ask(Blocks([BLOCK] * 600) if body is None else body) == b"much"
            await eventually(lambda: open_files() <= before + 1)

    run(main())


# Reached, or not.


@dataclass
class Authority:
    """Who vouches for servers.

    Attributes:
        trust: For whoever trusts it.
        proof: For the server at ``localhost`` and 127.0.0.1.
    """

    trust: ssl.SSLContext
    proof: ssl.SSLContext


USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    now = dt.datetime.now(dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", "server")]

    def certificate(place: int) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder(names[0], names[place], keys[place].public_key(), place + 1)
        return made.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))

    known_by = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())
    may_sign = dict.fromkeys((*USES, "encipher_only", "decipher_only"), False) | {"key_cert_sign": True}
    root = certificate(0).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    root = root.add_extension(x509.KeyUsage(**may_sign), critical=True).add_extension(known_by, critical=False)
    known_as = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_by)
    leaf = certificate(1).add_extension(known_as, critical=False).add_extension(signer, critical=False)
    signed = [made.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM) for made in (root, leaf)]
    chain = folder / "server.pem"
    chain.write_bytes(
        keys[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed[1]
    )
    proof = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    proof.load_cert_chain(chain)
    return Authority(ssl.create_default_context(cadata=signed[0].decode()), proof)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_server_that_proves_who_it_is_is_spoken_to(run: Run, authority: Authority, name: str) -> None:
    async def main() -> None:
        async with serving(counting, name=name, proof=authority.proof, trust=authority.trust) as server:
            for size in (2, 200_000, 5_000_000):
                assert int(await server.ask(b"x" * size)) == size
                assert int(await server.ask(Blocks([b"x" * size] * 2))) == size * 2
            assert len(server.callers) == 1

    run(main())


def test_a_server_that_does_not_prove_who_it_is_is_not_reached(run: Run, authority: Authority) -> None:
    async def main() -> None:
        other = ssl.create_default_context()
        for name, trust in (("127.0.0.1", None), ("127.0.0.1", other), ("127.1", authority.trust)):
            async with serving(willing, name=name, proof=authority.proof, trust=trust) as server:
                with pytest.raises(NotReached):
                    await server.ask()
                assert not server.callers
        async with serving(plain, scheme="https", trust=authority.trust) as server:
            with pytest.raises(NotReached):
                await server.ask()

    async def plain(caller: Caller) -> None:
        await caller.say(WHOLE)

    run(main())


@pytest.mark.parametrize("in_order", [True, False])
def test_in_tls_a_close_is_an_end_only_when_the_server_has_said_so(run: Run, authority: Authority, in_order: bool) -> None:
    async def closing(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await asyncio.sleep(0.05)
        if in_order:
            caller.writer.close()
            await caller.writer.wait_closed()

    async def main() -> None:
        async with serving(closing, proof=authority.proof, trust=authority.trust) as server:
            if in_order:
                assert await server.ask() == b"hello"
            else:
                with pytest.raises(UpstreamFailed):
                    await server.ask()

    run(main())


def test_a_server_that_takes_too_long_to_connect_to_is_not_reached(run: Run, authority: Authority) -> None:
    async def silent(caller: Caller) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with serving(silent, scheme="https", trust=authority.trust, connect_s=0.1) as server:
            before = open_files()
            with pytest.raises(NotReached):
                await server.ask()
            await eventually(lambda: open_files() <= before + 1)

    run(main())


def test_a_server_is_found_by_its_name_at_whichever_of_its_addresses_it_listens(run: Run) -> None:
    async def main() -> None:
        async with serving(willing, name="localhost") as server:
            assert await asyncio.gather(*(server.ask() for _ in range(20))) == [b"{}"] * 20

    run(main())


def test_a_server_is_found_by_an_address_of_the_newer_kind(run: Run) -> None:
    async def main() -> None:
        async with serving(heard_host, host="::1", name="[::1]") as server:
            assert await server.ask() == b"{}"
            port = server.upstream.url.rpartition(":")[2].removesuffix("/v1")
            assert hosts == [f"host: [::1]:{port}".encode()]

    async def heard_host(caller: Caller) -> None:
        head = await caller.reader.readuntil(b"\r\n\r\n")
        hosts.extend(line for line in head.split(b"\r\n") if line.startswith(b"host"))
        await caller.say(WHOLE)

    hosts: list[bytes] = []
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no address of the newer kind")
    run(main())


def test_no_proxy_and_no_credential_is_taken_from_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(listening) as server:
            assert await server.ask() == b"{}"

    async def listening(caller: Caller) -> None:
        heard.append(await caller.reader.readuntil(b"{}"))
        await caller.say(WHOLE)

    heard: list[bytes] = []
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    run(main())
    assert b"authorization" not in heard[0].lower()
