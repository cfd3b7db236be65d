"""What a chunk of a stream costs a worker in processor time, without the event loop, the kernel and the HTTP server.

    python bench/relaying.py [--streams 100]

Bytes are given to each connection as the event loop would give them, and what is sent to the client is thrown away; in between is
all that the gateway does with a chunk: HTTP, frames, reading, the screen's window, the record. Each figure is the least of eight
runs, so what else the machine does counts as little as can be.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import uvloop

from headgate.bootstrap.bridges.screens import RuleScreen
from headgate.gateway.http.outlet import Outlet
from headgate.gateway.http.streaming import Streaming
from headgate.gateway.model import OutputScreen, Settings
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.service.screening import Screening
from headgate.gateway.service.underway import Underway
from headgate.gateway.upstream.client import Answer
from headgate.gateway.upstream.connection import Connection
from headgate.gateway.upstream.replicas import Chosen
from headgate.gateway.wire.chat.reading import ChatReading
from headgate.safety.detectors.rules import RuleDetector
from headgate.safety.detectors.ruleset import baseline
from headgate.traffic.model import Screened

CHUNKS = 20_000
RUNS = 8
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAME = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"small-model","choices":[{"index":0,'
    b'"delta":{"content":" a word or two"},"finish_reason":null}]}\n\n'
)
CHUNK = b"%x\r\n%b\r\n" % (len(FRAME), FRAME)
MODES = {"policy": OutputScreen.AFTER, "hold-back screen": OutputScreen.HOLD_BACK}


class Nowhere(asyncio.Transport):
    """A transport whose bytes are thrown away."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return SimpleNamespace(fileno=lambda: 0) if name == "socket" else default

    def write(self, data: Any) -> None:
        del data

    def abort(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


class ThrownAway:
    """A client's end whose bytes are thrown away."""

    async def __call__(self, message: Any) -> None:
        del message

    def write(self, body: bytes) -> bool:
        del body
        return True


def a_stream(mode: OutputScreen, screening: Screening, settings: Settings) -> tuple[Connection, Streaming, Answer]:
    connection = Connection(SimpleNamespace(), asyncio.get_running_loop(), lambda _: None)  # pyright: ignore[reportArgumentType] - leads nowhere
    connection.connection_made(Nowhere())
    connection.ask("POST", b"", b"")
    connection.data_received(HEAD)
    stage: Any = SimpleNamespace(rule=SimpleNamespace(output_screen=mode), policy=SimpleNamespace(gated=True))
    exchange: Any = SimpleNamespace(stream=True)
    nothing: Any = None

    def reading(*, texts: bool) -> ChatReading:
        return ChatReading(wants_usage=True, choices=1, texts=texts)

    door: Any = SimpleNamespace(screening=screening)
    read = reading(texts=mode is OutputScreen.HOLD_BACK)
    streaming = Streaming(
        door=door,
        underway=Underway(nothing, exchange, stage, nothing, Screened.NOT_ASKED, datetime.now(UTC), 0.0),
        reading=read,
        shown=reading(texts=True) if mode is OutputScreen.HOLD_BACK else read,
        outlet=Outlet(ThrownAway(), most_kept_bytes=settings.max_recorded_bytes),
        settings=settings,
        clock=ForwardClock(),
        keep_waiting=lambda: None,
    )
    return connection, streaming, Answer(connection, time.monotonic, Chosen("", 1))


async def cost_us(mode: OutputScreen, streams: int) -> float:
    """Return the processor time of each chunk, in microseconds."""
    settings = Settings(worker="bench", end_user_key=bytes(32))
    screening = Screening(RuleScreen(RuleDetector(baseline(), today=date(2026, 11, 21))), settings)
    opened = [a_stream(mode, screening, settings) for _ in range(streams)]
    tasks = [asyncio.create_task(streaming.carry(answer, [])) for _, streaming, answer in opened]
    await asyncio.sleep(0)
    for connection, _, _ in opened:
        connection.data_received(CHUNK)
    await asyncio.sleep(0.01)
    gc.collect()
    costs: list[float] = []
    rounds = max(1, CHUNKS // streams)
    for _ in range(RUNS):
        began_s = time.process_time()
        for _ in range(rounds):
            for connection, _, _ in opened:
                connection.data_received(CHUNK)
            await asyncio.sleep(0)
        costs.append((time.process_time() - began_s) / rounds / streams * 1e6)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return min(costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    streams = parser.parse_args().streams
    for name, mode in MODES.items():
        print(f"{name:20}{uvloop.run(cost_us(mode, streams)):8.1f} µs a chunk")


if __name__ == "__main__":
    main()
