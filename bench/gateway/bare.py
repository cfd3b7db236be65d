"""The least that any gateway costs that is built as Headgate is: the same HTTP server and the same client, nothing in between.

    BARE_UPSTREAM=127.0.0.1:8001 granian --interface asgi --http 1 --loop uvloop --no-ws gateway.bare:application

No key is read, no limit is kept, nothing is recorded. What Headgate takes beyond this is what it does; what this takes beyond
nginx is the price of Python, its event loop and a server that calls it from a thread of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from headgate.gateway.model import Upstream
from headgate.gateway.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_KEPT = {b"content-type", b"content-length"}


class Bare:
    """Passes requests and answers on."""

    def __init__(self, upstream: str) -> None:
        self._upstream = Upstream(f"http://{upstream}/v1", "small-model")
        self._upstreams = Upstreams()

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
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

    async def _live(
        self, receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._upstreams.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._upstreams.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = Bare(os.environ["BARE_UPSTREAM"])
