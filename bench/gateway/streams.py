"""Many open streams at once, and how long each chunk was under way.

The model server writes into each chunk when it was sent; both clocks are the machine's one monotonic clock. Beside it stands
what a client sees: the time between two chunks of one stream.
"""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from gateway.load import body_for
from gateway.machine import cpu_s, memory_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.arms import Arm

_SENT = re.compile(rb" @(\d{18})")
_AT_A_TIME = 50
_END = b"\r\n0\r\n\r\n"
"""The last piece of a chunked body, which no chunk of a chat stream can hold."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a crowd of streams saw.

    Attributes:
        streams: How many were open.
        refused: What those were told that did not open.
        per_s: Chunks that arrived, a second.
        transit_ms: From the model server to the client, 50th and 99th in a hundred.
        gap_ms: Between two chunks of one stream, likewise.
        kib_a_stream: Memory that each open stream cost what is measured.
        cpu_us: Processor time of what is measured, for each chunk.
    """

    streams: int
    refused: list[str]
    per_s: float
    transit_ms: tuple[float, float]
    gap_ms: tuple[float, float]
    kib_a_stream: float
    cpu_us: float


class Stream(asyncio.Protocol):
    """One open stream.

    Args:
        request: What is sent as soon as the connection stands.
    """

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[float] = loop.create_future()
        self.transit_ns = array("q")
        self.gap_ns = array("q")
        self.first = b""
        self._request = request
        self._last_ns = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if not self.first:
            self.first = data
            if b" 200 " not in data[:20]:
                self._refused()
        for sent in _SENT.finditer(data):
            self.transit_ns.append(now_ns - int(sent[1]))
            if self._last_ns:
                self.gap_ns.append(now_ns - self._last_ns)
            self._last_ns = now_ns
            if not self.begun.done():
                self.begun.set_result(None)
        self._tail = (self._tail + data)[-len(_END) :]
        if self._tail == _END and not self.ended.done():
            self.ended.set_result(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.ended.done():
            self.ended.set_result(time.monotonic())
        self._refused()

    def _refused(self) -> None:
        if not self.begun.done():
            self.begun.set_exception(ConnectionError(f"it was refused: {self.first[:300]!r}"))
            self.begun.exception()

    def refusal(self) -> str | None:
        """Return why it is not open; ``None`` where it is."""
        if not self.begun.done():
            return "nothing came within a minute"
        error = self.begun.exception()
        return None if error is None else str(error)

    def forget(self) -> None:
        """Count from here."""
        del self.transit_ns[:]
        del self.gap_ns[:]
        self._last_ns = 0


async def opened(arm: Arm, keys: Sequence[str], count: int) -> tuple[list[Stream], list[str]]:
    """Open streams, a few at a time; return them when each has had a chunk, and what those were told that did not open."""
    loop = asyncio.get_running_loop()
    host, port = _place(arm)
    body = body_for(arm.model).replace(b'"max_tokens": 64', b'"stream": true')
    streams: list[Stream] = []
    refused: list[str] = []
    for first in range(0, count, _AT_A_TIME):
        some: list[Stream] = []
        for number in range(first, min(count, first + _AT_A_TIME)):
            request = (
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
                b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (keys[number % len(keys)].encode(), len(body), body)
            )
            _, stream = await loop.create_connection(lambda request=request: Stream(request), host, port)
            some.append(stream)
        await asyncio.wait([stream.begun for stream in some], timeout=60)
        for stream in some:
            why = stream.refusal()
            if why is None:
                streams.append(stream)
            else:
                refused.append(why)
                stream.transport.abort()
    return streams, refused


async def watched(arm: Arm, keys: Sequence[str], *, count: int, seconds: float) -> Seen:
    """Hold streams open for a while and return what they saw."""
    warm, _ = await opened(arm, keys, min(count, 20))
    await closed(warm)
    before_bytes = memory_bytes(arm.pids)
    streams, refused = await opened(arm, keys, count)
    await asyncio.sleep(min(2.0, seconds / 2))
    for stream in streams:
        stream.forget()
    began_s, used_s = time.monotonic(), cpu_s(arm.pids)
    await asyncio.sleep(seconds)
    took_s, used_s = time.monotonic() - began_s, cpu_s(arm.pids) - used_s
    held_bytes = memory_bytes(arm.pids) - before_bytes
    transit = array("q")
    gaps = array("q")
    for stream in streams:
        transit.extend(stream.transit_ns)
        gaps.extend(stream.gap_ns)
    await closed(streams)
    return Seen(
        streams=len(streams),
        refused=refused,
        per_s=len(transit) / took_s,
        transit_ms=_percentiles_ms(transit),
        gap_ms=_percentiles_ms(gaps),
        kib_a_stream=held_bytes / 1024 / max(1, len(streams)),
        cpu_us=1e6 * used_s / max(1, len(transit)),
    )


async def closed(streams: Sequence[Stream]) -> None:
    """Leave, and wait until that has been noticed here."""
    for stream in streams:
        stream.transport.abort()
    await asyncio.gather(*(stream.ended for stream in streams))


def _percentiles_ms(values_ns: array[int]) -> tuple[float, float]:
    ordered = sorted(values_ns)
    if not ordered:
        return float("nan"), float("nan")
    return ordered[len(ordered) // 2] / 1e6, ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] / 1e6


def _place(arm: Arm) -> tuple[str, int]:
    where = urlsplit(arm.url)
    assert where.hostname is not None
    assert where.port is not None
    return where.hostname, where.port


class Asking(asyncio.Protocol):
    """One connection on which whole answers are asked for, one after another."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None:
            return
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is None or len(body) >= int(length[1]):
            self._received = b""
            self._answer.set_result(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the connection was closed"))

    async def ask(self, model: str, key: str) -> float:
        """Ask and return how long the answer took, in milliseconds.

        Raises:
            ConnectionError: It was refused.
        """
        body = body_for(model)
        self._answer = asyncio.get_running_loop().create_future()
        began_s = time.perf_counter()
        self.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
        )
        head = await self._answer
        if b" 200 " not in head[:20]:
            raise ConnectionError(f"it was refused: {head[:300]!r}")
        return 1000 * (time.perf_counter() - began_s)


async def asked(arm: Arm, keys: Sequence[str]) -> list[float]:
    """Ask once with each key, one after another on one connection; return how long each answer took, shortest first."""
    host, port = _place(arm)
    _, asking = await asyncio.get_running_loop().create_connection(Asking, host, port)
    took = [await asking.ask(arm.model, key) for key in keys]
    asking.transport.close()
    return sorted(took)
