"""A gateway before the small model, and before a server that answers with the very bytes that a test gives it."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import openai

from headgate.testing.small_model.answer import SmallModel
from headgate.testing.small_model.app import Application
from headgate.testing.small_model.prose import PROSE
from wire.kit import (
    EVERYTHING,
    KEY,
    MODEL,
    LoopThread,
    Received,
    Running,
    ScriptedUpstream,
    a_policy,
    a_principal,
    a_rule,
    eventually,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from headgate.gateway.model import StageRule

SURFACES = frozenset({"api.completions", "api.embeddings", "api.moderations", "api.images", "api.audio"})
ALL = EVERYTHING | {"audio_input", "audio_output", "token_input"}


def rule(**changes: Any) -> StageRule:
    return a_rule(**{"surfaces": SURFACES, "capabilities": ALL, **changes})


@dataclass
class Bytes:
    """A model server that answers everybody with the same bytes, and remembers what it was sent.

    Attributes:
        answer: The body of its answer; several for one that is sent in chunks.
        content_type: What it says that this is.
        received: What it was sent.
    """

    answer: bytes | Sequence[bytes] = b"{}"
    content_type: str = "application/json"
    received: list[Received] = field(default_factory=list[Received])
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
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")[1:-2]
                headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
                length = next((int(value) for name, value in headers if name == "content-length"), 0)
                body = await reader.readexactly(length)
                self.received.append(Received(head, headers, body))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: " + self.content_type.encode() + b"\r\n" + self._framed())
                await writer.drain()
        writer.close()

    def _framed(self) -> bytes:
        if isinstance(self.answer, bytes):
            return f"content-length: {len(self.answer)}\r\n\r\n".encode() + self.answer
        chunks = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in (*self.answer, b"")]
        return b"transfer-encoding: chunked\r\n\r\n" + b"".join(chunks)


@dataclass
class Served:
    """A gateway, and what is behind it.

    Attributes:
        running: The gateway.
        model_url: The small model's address.
        bytes: The server that answers as it is told.
    """

    running: Running
    model_url: str
    bytes: Bytes

    def client(self, **more: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.running.url, api_key=KEY, max_retries=0, timeout=20, **more)

    def direct(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.model_url, api_key="-", max_retries=0, timeout=20)

    def asynchronous(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=self.running.url, api_key=KEY, max_retries=0, timeout=20)

    def before_model(self, stage_rule: StageRule | None = None, **changes: Any) -> None:
        """Stand before the small model, under this rule."""
        self._stand(self.model_url, stage_rule, **changes)

    def before_bytes(
        self,
        answer: bytes | Sequence[bytes],
        content_type: str = "application/json",
        stage_rule: StageRule | None = None,
        **changes: Any,
    ) -> None:
        """Stand before the server that answers with these bytes, under this rule."""
        self.bytes.answer, self.bytes.content_type = answer, content_type
        self.bytes.received.clear()
        self._stand(self.bytes.url, stage_rule, **changes)

    def forwarded(self) -> Received:
        """Return what the server was sent last."""
        return self.bytes.received[-1]

    def _stand(self, url: str, stage_rule: StageRule | None, **changes: Any) -> None:
        world = self.running.world
        world.change_policy(a_policy(url, stage_rule or rule(), **changes))
        eventually(lambda: self.running.gateway.stats().policy_seq == world.position())


@contextmanager
def serving(database: Path, **settings: Any) -> Generator[Served]:
    """Serve the small model, the server of bytes, and a gateway."""
    thread = LoopThread()
    model = Application(SmallModel(PROSE), [MODEL, "upstream-atlas"])
    told = Bytes()
    with closing(thread), thread.serving(model) as port:
        url = f"http://127.0.0.1:{port}/v1"
        thread.run(told.start())
        with running(ScriptedUpstream(thread), database, policy=a_policy(url, rule()), **settings) as gateway:
            gateway.world.principals = {KEY: a_principal(scopes=SURFACES | {"api.chat"})}
            yield Served(gateway, url, told)
        thread.run(told.stop())
