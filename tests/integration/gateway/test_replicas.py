"""Several real model servers of one model: who is asked, who is asked in whose place, and who is left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

import pytest

from headgate.gateway.errors import UpstreamFailed
from headgate.gateway.model import Replica, Upstream
from headgate.gateway.upstream import Health, NotReached, UpstreamBusy, Upstreams
from headgate.gateway.upstream.replicas import FAILURES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
NOBODY = Replica("http://127.0.0.1:1/v1")
"""Nothing listens there."""


class Server:
    """A model server that answers with what it is told to, and counts what it was asked."""

    def __init__(self, answer: bytes = FINE) -> None:
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.keys: list[bytes] = []
        self._serving: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._serving.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.append(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while head := await reader.readuntil(b"\r\n\r\n"):
                    method = head.partition(b" ")[0].decode()
                    self.asked[method] += 1
                    self.keys += [line for line in head.lower().split(b"\r\n") if line.startswith(b"authorization")]
                    if method == "POST":
                        await reader.readexactly(2)
                        await self.may_answer.wait()
                    writer.write(FINE if method == "GET" else self.answer)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def calling(*servers: Server) -> AsyncGenerator[Upstreams]:
    upstreams = Upstreams(chance=lambda: 0.0)
    for server in servers:
        await server.start()
    await upstreams.start()
    try:
        yield upstreams
    finally:
        await upstreams.close()
        for server in servers:
            await server.stop()
        await asyncio.sleep(0)  # what was aborted is closed in the next round


def model_of(*replicas: Replica, **changes: float | str) -> Upstream:
    return Upstream(replicas[0].url, "atlas", replicas=replicas[1:], **changes)  # pyright: ignore[reportArgumentType] - seconds by name


async def ask(upstreams: Upstreams, upstream: Upstream) -> int:
    async with upstreams.post(upstream, "/chat/completions", [("content-type", "application/json")], b"{}") as answer:
        while await answer.read() is not None:
            pass
        return answer.status


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another process's stead
            await asyncio.sleep(0.01)


def health(upstreams: Upstreams, url: str) -> Health:
    return next(standing.health for standing in upstreams.standings() if standing.url == url)


async def test_requests_go_to_the_least_busy() -> None:
    one, two = Server(), Server()
    async with calling(one, two) as upstreams:
        upstream = model_of(Replica(one.url), Replica(two.url))
        one.may_answer.clear()
        stuck = asyncio.create_task(ask(upstreams, upstream))
        await eventually(lambda: one.asked.total() == 1)

        for _ in range(6):
            assert await ask(upstreams, upstream) == 200

        assert (one.asked["POST"], two.asked["POST"]) == (1, 6)
        one.may_answer.set()
        assert await stuck == 200


async def test_where_every_server_is_full_a_request_is_told_to_come_back_and_nothing_is_sent() -> None:
    one, two = Server(), Server()
    async with calling(one, two) as upstreams:
        upstream = model_of(Replica(one.url), Replica(one.url, 1), Replica(two.url, 2))
        one.may_answer.clear()
        two.may_answer.clear()
        stuck = [asyncio.create_task(ask(upstreams, upstream)) for _ in range(3)]
        await eventually(lambda: (one.asked["POST"], two.asked["POST"]) == (1, 2))

        with pytest.raises(UpstreamBusy) as told:
            await ask(upstreams, upstream)

        assert told.value.http_status == 503
        assert one.asked.total() + two.asked.total() == 3
        one.may_answer.set()
        two.may_answer.set()
        assert await asyncio.gather(*stuck) == [200, 200, 200]
        assert await ask(upstreams, upstream) == 200


async def test_a_server_that_is_not_reached_costs_nothing_but_the_next_one_is_asked() -> None:
    server = Server()
    async with calling(server) as upstreams:
        upstream = model_of(NOBODY, Replica(server.url))

        assert [await ask(upstreams, upstream) for _ in range(5)] == [200] * 5

        assert server.asked["POST"] == 5
        assert health(upstreams, NOBODY.url) is Health.RESTING


async def test_where_no_server_is_reached_that_is_what_is_told_and_nothing_was_spent() -> None:
    async with calling() as upstreams:
        upstream = model_of(NOBODY, Replica("http://nobody.invalid/v1"))
        for _ in range(3):
            with pytest.raises(NotReached):
                await ask(upstreams, upstream)


@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"500 Internal Server Error", b"503 Service Unavailable"])
async def test_what_a_server_has_answered_is_never_asked_of_another(status: bytes) -> None:
    unwell, fine = Server(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\n{}"), Server()
    async with calling(unwell, fine) as upstreams:
        assert await ask(upstreams, model_of(Replica(unwell.url), Replica(fine.url))) == int(status[:3])

        assert (unwell.asked["POST"], fine.asked["POST"]) == (1, 0)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{", b"what?"])
async def test_what_was_sent_is_not_sent_again_when_the_server_breaks_off(answer: bytes) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"{}"))
        writer.write(answer)
        writer.close()

    heard: list[bytes] = []
    breaking = await asyncio.start_server(break_off, "127.0.0.1", 0)
    fine = Server()
    async with breaking, calling(fine) as upstreams:
        url = f"http://127.0.0.1:{breaking.sockets[0].getsockname()[1]}/v1"
        with pytest.raises(Exception, match=r"broke off|not HTTP"):
            await ask(upstreams, model_of(Replica(url), Replica(fine.url)))

    assert (len(heard), fine.asked["POST"]) == (1, 0)


async def test_a_server_that_keeps_failing_is_left_alone_checked_and_tried_again() -> None:
    failing, fine = Server(b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}"), Server()
    async with calling(failing, fine) as upstreams:
        upstream = model_of(Replica(failing.url), Replica(fine.url), api_key="ours")
        # when
        told = [await ask(upstreams, upstream) for _ in range(2 * FAILURES + 20)]
        # then
        assert told.count(500) == failing.asked["POST"] == FAILURES
        assert health(upstreams, failing.url) is Health.RESTING
        # when it is well again
        failing.answer = FINE
        await eventually(lambda: health(upstreams, failing.url) is Health.ON_TRIAL)
        assert failing.asked["GET"] >= 1
        assert set(failing.keys) == {b"authorization: bearer ours"}
        assert {await ask(upstreams, upstream) for _ in range(4)} == {200}
        # then
        assert health(upstreams, failing.url) is Health.WELL


async def test_a_server_that_comes_back_to_its_port_is_found_again() -> None:
    gone, fine = Server(), Server()
    async with calling(gone, fine) as upstreams:
        upstream = model_of(Replica(gone.url), Replica(fine.url))
        await gone.stop()
        assert {await ask(upstreams, upstream) for _ in range(6)} <= {200}
        assert health(upstreams, gone.url) is Health.RESTING

        await gone.start()
        await eventually(lambda: health(upstreams, gone.url) is Health.ON_TRIAL)
        assert {await ask(upstreams, upstream) for _ in range(4)} == {200}

        assert health(upstreams, gone.url) is Health.WELL


async def test_a_server_that_says_nothing_for_too_long_counts_as_failing_and_a_client_that_left_does_not() -> None:
    silent = Server()
    async with calling(silent) as upstreams:
        silent.may_answer.clear()
        for first_byte_s, expected in ((60.0, Health.WELL), (0.0, Health.RESTING)):
            upstream = model_of(Replica(silent.url), first_byte_s=first_byte_s)
            for number in range(FAILURES):
                asking = asyncio.create_task(ask(upstreams, upstream))
                before = silent.asked["POST"]
                await eventually(lambda before=before: silent.asked["POST"] > before)
                asking.cancel()
                with suppress(asyncio.CancelledError):
                    await asking
                assert (health(upstreams, silent.url) is expected) is (expected is Health.WELL or number == FAILURES - 1)
            assert upstreams.standings()[0].in_flight == 0


def test_a_refusal_for_want_of_a_server_says_that_nothing_was_spent() -> None:
    assert issubclass(UpstreamBusy, NotReached)
    assert issubclass(NotReached, UpstreamFailed)
