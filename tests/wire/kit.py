"""A gateway on a real socket, in front of a model server that does as the request's ``script`` field says.

The ports are kept in memory and can be changed while the gateway runs; limits are counted in real SQLite.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from headgate.access.errors import KeyExpired, KeyRevoked, KeyUnknown
from headgate.adapters.database import open_sqlite
from headgate.adapters.serving import Server
from headgate.bootstrap.processes.ports import listener
from headgate.gateway.http import Gateway
from headgate.gateway.model import (
    Change,
    ModelPolicy,
    PolicySnapshot,
    Principal,
    ReleaseState,
    ScreenResult,
    Settings,
    StageRule,
    Upstream,
)
from headgate.gateway.store import SqlLeases, SqlObjects, metadata
from headgate.kernel.clock import SystemClock
from headgate.kernel.errors import Refused, Unavailable
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, OrganisationId, ReleaseId
from headgate.traffic.errors import CannotRecord

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.traffic.model import Admission, Outcome

KEY = "hg_test_ada"
MODEL = "atlas"
EVERYTHING = frozenset(
    {
        "streaming",
        "tools",
        "parallel_tool_calls",
        "logprobs",
        "n",
        "seed",
        "system_prompt",
        "response_format",
        "image_input",
    }
)


def a_rule(**changes: Any) -> StageRule:
    rule = StageRule(
        stage="trusted",
        epoch=EpochId("rel_1/trusted/1"),
        surfaces=frozenset({"api.chat"}),
        capabilities=EVERYTHING,
    )
    return replace(rule, **changes)


def a_policy(upstream_url: str, rule: StageRule | None = None, **changes: Any) -> ModelPolicy:
    policy = ModelPolicy(
        release_id=ReleaseId("rel_1"),
        model=MODEL,
        version_digest="sha256:" + "0" * 64,
        state=ReleaseState.LIVE,
        gated=True,
        upstream=Upstream(upstream_url, "upstream-atlas", api_key="headgates-own", first_byte_s=5.0, idle_s=5.0),
        rules={"vetted": rule or a_rule()},
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(policy, **changes)


def taken(client_ip: str | None, now: datetime) -> Refused | None:
    """The judgement on a key that was taken away."""
    return KeyRevoked("This key was taken away.", rule="key state", help="Use another.", link="https://example.org/appeal")


def a_principal(name: str = "ada", **changes: Any) -> Principal:
    ends_at = datetime.now(UTC) + timedelta(days=30)

    def refusal(client_ip: str | None, now: datetime) -> Refused | None:
        return None if now < ends_at else KeyExpired("This key is over.", rule="key state")

    principal = Principal(
        key_id=KeyId(f"key_{name}"),
        account_id=AccountId(f"acc_{name}"),
        organisation_id=OrganisationId("org_1"),
        grant_id=GrantId(f"grt_{name}"),
        cohort="vetted",
        scopes=frozenset({"api.chat"}),
        quota_percent=100,
        refusal=refusal,
    )
    return replace(principal, **changes)


class World:
    """Policies, principals and feed in one, changed by the test while the gateway looks."""

    def __init__(self, *policies: ModelPolicy) -> None:
        self.models = {policy.model: policy for policy in policies}
        self.principals: dict[str, Principal] = {KEY: a_principal()}
        self.down = False
        self.refreshes = True
        self.followed = 0
        """The last change that the gateway has done everything about: it asks what came after it."""
        self._changes: list[Change] = []
        self._news = threading.Condition()

    def change_policy(self, policy: ModelPolicy) -> None:
        with self._news:
            self.models = {**self.models, policy.model: policy}
            self._append(Change(0, releases=frozenset({policy.release_id})))

    def change_principal(self, key_text: str, **changes: Any) -> None:
        with self._news:
            principal = replace(self.principals[key_text], **changes)
            self.principals = {**self.principals, key_text: principal}
            self._append(Change(0, keys=frozenset({principal.key_id})))

    def _append(self, change: Change) -> None:
        self._changes.append(replace(change, seq=len(self._changes) + 1))
        self._news.notify_all()

    def _answers(self) -> None:
        if self.down:
            raise Unavailable("the system of record is down")

    def load(self) -> PolicySnapshot:
        self._answers()
        return PolicySnapshot(len(self._changes), self.models)

    def authenticate(self, key_text: str) -> Principal:
        self._answers()
        principal = self.principals.get(key_text)
        if principal is None:
            raise KeyUnknown("This key was never issued.", rule="key")
        return principal

    def refresh(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        self._answers()
        if not self.refreshes:
            raise Unavailable("principals cannot be read")
        return {principal.key_id: principal for principal in self.principals.values() if principal.key_id in key_ids}

    def position(self) -> int:
        self._answers()
        return len(self._changes)

    def wait(self, after: int, timeout_s: float) -> Change:
        self._answers()
        self.followed = after
        with self._news:
            self._news.wait_for(lambda: len(self._changes) > after, min(timeout_s, 0.1))
            self._answers()
            return self._changes[after] if len(self._changes) > after else Change(after)


class Memory:
    """A recorder that forgets when the process ends, and fails when told to."""

    def __init__(self) -> None:
        self.admissions: list[Admission] = []
        self.outcomes: list[Outcome] = []
        self.full = False
        self.moving = threading.Event()
        """Cleared, the disk is stuck: admissions are written once it is set again."""
        self.moving.set()
        self.writing = 0
        """How many admissions wait for the disk."""

    async def admit(self, admission: Admission) -> None:
        if not self.moving.is_set():
            self.writing += 1
            await asyncio.to_thread(self.moving.wait, 20)
        if self.full:
            raise CannotRecord("no space left on device")
        self.admissions.append(admission)

    async def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(msgspec.structs.replace(outcome, response_body=bytes(outcome.response_body)))

    def outcome(self, count: int = 1) -> Outcome:
        """Return the last outcome once there are so many."""
        eventually(lambda: len(self.outcomes) >= count)
        return self.outcomes[-1]


class Screen:
    """Blocks a word."""

    def __init__(self) -> None:
        self.broken = False
        self.slow_s = 0.0
        self.seen: list[str] = []
        self.shown: list[str] = []

    async def prompt(self, texts: Sequence[str]) -> ScreenResult:
        self.seen = list(texts)
        return await self._look(texts)

    async def answer(self, texts: Sequence[str]) -> ScreenResult:
        self.shown += texts
        return await self._look(texts)

    async def _look(self, texts: Sequence[str]) -> ScreenResult:
        if self.broken:
            raise Unavailable("the rules do not compile")
        await asyncio.sleep(self.slow_s)
        if any("sarin" in text for text in texts):
            return ScreenResult(blocked=True, hazard="chemical", rule_id="rules/chemical-1", why="A rule on weapons matched.")
        return ScreenResult(blocked=False)


class SettableClock(SystemClock):
    """The machine's clock, moved by the test."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.moved


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end_s:
            raise AssertionError("it never came to hold")
        time.sleep(0.01)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LoopThread:
    """An event loop in a thread of its own, for servers that must run beside a blocking test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any, within_s: float = 20.0) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(within_s)

    @contextmanager
    def serving(self, application: Any) -> Generator[int]:
        """Serve an ASGI application; yields its port."""
        listening = listener("127.0.0.1", 0)
        port = int(listening.getsockname()[1])

        async def start() -> Server:
            server = Server(application)
            server.listen(listening)
            return server

        server = self.run(start())
        try:
            yield port
        finally:
            self.run(server.close(0.2))

    def close(self) -> None:
        async def rest() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@dataclass
class Received:
    """What the model server was sent."""

    head: bytes
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


Script = Callable[["Connection", Received], Any]


@dataclass
class Connection:
    """One client connection of the scripted model server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: ScriptedUpstream
    close: bool = False

    async def whole(self, status: str, body: bytes, content_type: str = "application/json", extra: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
        self.writer.write(head.encode() + body)
        await self.writer.drain()

    async def start_stream(self, content_type: str = "text/event-stream; charset=utf-8") -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        self.writer.write(head.encode())
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()

    async def end_stream(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


@dataclass
class ScriptedUpstream:
    """A model server that says what it is told to."""

    thread: LoopThread
    scripts: dict[str, Script] = field(default_factory=dict[str, Script])
    received: list[Received] = field(default_factory=list[Received])
    abandoned: int = 0
    """Connections that the gateway broke off while a script was still writing."""
    port: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self)
        try:
            while not connection.close:
                received = await self._read(reader)
                if received is None:
                    break
                self.received.append(received)
                name = received.value.get("script", "stream" if received.value.get("stream") else "whole")
                await self.scripts[name](connection, received)
        except ConnectionError:
            self.abandoned += 1
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> Received | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        lines = head.decode("latin-1").split("\r\n")[1:-2]
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = int(next(value for name, value in headers if name == "content-length"))
        return Received(head, headers, await reader.readexactly(length))


def chunk_of(content: str | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    value: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream-atlas",
        "choices": [{"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}],
        **more,
    }
    return b"data: " + json.dumps(value).encode() + b"\n\n"


USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
USAGE_CHUNK = chunk_of(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream-atlas",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop", "x_new": 1.50}],
        "usage": USAGE,
    }
).encode()


async def say_whole(connection: Connection, received: Received) -> None:
    await connection.whole("200 OK", ANSWER, extra="x-upstream: yes\r\nset-cookie: a=b\r\nx-request-id: theirs\r\n")


async def say_stream(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    for word in ("Hel", "lo", "."):
        await connection.chunk(chunk_of(word))
    await connection.chunk(chunk_of(finish="stop"))
    if (received.value.get("stream_options") or {}).get("include_usage"):
        await connection.chunk(USAGE_CHUNK)
    await connection.chunk(DONE)
    await connection.end_stream()


async def say_forever(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    while True:
        await connection.chunk(chunk_of("word "))
        await asyncio.sleep(0.02)


async def say_nothing(connection: Connection, received: Received) -> None:
    connection.server.received[-1] = received
    await connection.reader.read(1)  # until the gateway gives up
    connection.server.abandoned += 1
    connection.close = True


SCRIPTS: dict[str, Script] = {"whole": say_whole, "stream": say_stream, "forever": say_forever, "nothing": say_nothing}


@dataclass
class Running:
    """A gateway that is being served."""

    gateway: Gateway
    world: World
    recorder: Memory
    screen: Screen
    clock: SettableClock
    upstream: ScriptedUpstream
    port: int
    thread: LoopThread
    database: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@contextmanager
def running(
    upstream: ScriptedUpstream, database: Path, *, policy: ModelPolicy | None = None, **settings: Any
) -> Generator[Running]:
    """Serve a gateway for as long as the test lasts."""
    world = World(policy or a_policy(upstream.url))
    recorder, screen, clock = Memory(), Screen(), SettableClock()
    engine = open_sqlite(database)
    metadata.create_all(engine)
    told = Settings(worker="w1", end_user_key=b"k" * 32, **settings)
    thread = LoopThread()

    async def start() -> Gateway:
        gateway = Gateway(
            told,
            policies=world,
            principals=world,
            feed=world,
            leases=SqlLeases(engine, owner=told.worker, slot_ttl_s=told.slot_ttl_s),
            recorder=recorder,
            objects=SqlObjects(engine),
            screen=screen,
            clock=clock,
        )
        await gateway.start()
        return gateway

    gateway = thread.run(start())
    try:
        with thread.serving(gateway) as port:
            try:
                yield Running(gateway, world, recorder, screen, clock, upstream, port, thread, database)
            finally:
                thread.run(gateway.stop(0.2))
    finally:
        thread.close()
        engine.dispose()
