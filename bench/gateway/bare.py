"""The least that any gateway costs that is built as Headgate is: the same HTTP server and the same client, nothing in between.

    BARE_UPSTREAM=127.0.0.1:8001 python -m gateway.bare 8002

No key is read, no limit is kept, nothing is recorded. What Headgate takes beyond this is what it does; what this takes beyond
nginx is the price of Python and its event loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import uvloop

from headgate.adapters.serving import Server
from headgate.bootstrap.processes.ports import listener
from headgate.gateway.model import Upstream
from headgate.gateway.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

_KEPT = {b"content-type", b"content-length"}
_WATCH_AFTER_S = 0.1


class Bare:
    """Passes requests and answers on, and leaves a model server whose client has left."""

    def __init__(self, upstream: str) -> None:
        self._upstream = Upstream(f"http://{upstream}/v1", "small-model")
        self._upstreams = Upstreams()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        del scope
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        relaying = asyncio.current_task()
        watching: asyncio.Task[None] | None = None

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if relaying is not None:
                relaying.cancel()

        def watch_from_now() -> None:
            nonlocal watching
            watching = asyncio.create_task(watch())

        later = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, watch_from_now)
        try:
            await self._relay(body, send)
        finally:
            later.cancel()
            if watching is not None:
                watching.cancel()

    async def _relay(self, body: bytes, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        headers = [("content-type", "application/json")]
        async with self._upstreams.post(self._upstream, "/chat/completions", headers, body) as answer:
            kept = [(name.lower(), value) for name, value in answer.headers if name.lower() in _KEPT]
            await send({"type": "http.response.start", "status": answer.status, "headers": kept})

            async def on(chunk: bytes) -> bool:
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                return True

            await answer.flow(on)
            await send({"type": "http.response.body", "body": b""})

    async def serve(self, port: int) -> None:
        """Serve until told to end."""
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        await self._upstreams.start()
        server = Server(self)
        server.listen(listener("127.0.0.1", port))
        await told.wait()
        await server.close(0)
        await self._upstreams.close()


if __name__ == "__main__":
    uvloop.run(Bare(os.environ["BARE_UPSTREAM"]).serve(int(sys.argv[1])))
