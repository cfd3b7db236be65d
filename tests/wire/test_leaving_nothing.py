"""What is over is let go of at once: the garbage collector, which stops everything while it looks, is left nothing to find."""

from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING

from headgate.gateway.http.outlet import Outlet
from headgate.gateway.http.relay import Relay
from headgate.gateway.http.streaming import Streaming
from wire.kit import KEY, MODEL, Running, eventually, running

if TYPE_CHECKING:
    from pathlib import Path

    from wire.kit import ScriptedUpstream

OF_AN_EXCHANGE = (Relay, Outlet, Streaming)


def asked(served: Running, *, script: str) -> socket.socket:
    body = b'{"model":"%b","stream":true,"script":"%b","messages":[{"role":"user","content":"Hi"}]}' % (
        MODEL.encode(),
        script.encode(),
    )
    client = socket.create_connection(("127.0.0.1", served.port), timeout=20)
    client.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (KEY.encode(), len(body), body)
    )
    return client


def test_nothing_of_an_exchange_waits_for_the_garbage_collector(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(upstream, tmp_path / "limits.db") as served:
        gc.collect()
        gc.disable()
        try:
            for number in range(3):
                with asked(served, script="stream") as client:
                    said = b""
                    while not said.endswith(b"0\r\n\r\n"):
                        said += client.recv(65536)
                with asked(served, script="forever") as client:
                    assert b"200 OK" in client.recv(65536)
                eventually(lambda number=number: len(served.recorder.outcomes) == 2 * (number + 1))
            eventually(lambda: not served.gateway.stats().in_flight)
            eventually(lambda: not [each for each in gc.get_objects() if isinstance(each, OF_AN_EXCHANGE)])
        finally:
            gc.enable()
