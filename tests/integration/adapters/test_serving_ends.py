"""How answers, connections and the server itself end: an answer is whole or visibly not, and whoever is left hears of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from integration.adapters.kit import GET, Broken, echo, get, post, reply, until

if TYPE_CHECKING:
    from headgate.adapters.serving.head import Scope
    from integration.adapters.kit import Receive, Send, Serving

BROKEN = (Broken, ConnectionError)
PIECE = b"x" * 65536
FRAMINGS = {
    "chunked": (GET, []),
    "of a length": (GET, [(b"content-length", b"1000000")]),
    "until the connection ends": (get(version="1.0"), []),
}


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def huge(_scope: Scope, _receive: Receive, send: Send) -> None:
    await reply(send, PIECE * 256)


class Waiting:
    """Waits until its client is gone, with an answer that has begun or not; then goes on sending."""

    def __init__(self, *begun: dict[str, Any]) -> None:
        self._begun = begun
        self.heard: list[str] = []
        self.ended = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        for message in self._begun:
            await send(message)
        while not self.heard or self.heard[-1] != "http.disconnect":
            self.heard.append((await receive())["type"])
        self.heard.append((await receive())["type"])
        if not self._begun:
            await send(start())
        for _ in range(3):
            await send(piece(PIECE))
        await send(piece(b"", more=False))
        self.ended = True


@pytest.mark.parametrize("begun", [(), (start(),), (start(), piece(b"so far"))])
@pytest.mark.parametrize("leaves", ["closes", "says no more"])
async def test_an_application_hears_that_its_client_left_and_may_go_on_sending(
    serving: Serving, begun: tuple[Any, ...], leaves: str
) -> None:
    waiting = Waiting(*begun)
    client = await (await serving.of(waiting)).client()
    await client.say(GET)
    await until(lambda: waiting.heard == ["http.request"])

    if leaves == "closes":
        client.leave()
    else:
        client.socket.shutdown(1)

    await until(lambda: waiting.ended)
    assert waiting.heard == ["http.request", "http.disconnect", "http.disconnect"]
    await until(lambda: serving.open == 0)


async def test_an_application_hears_that_its_client_left_within_a_body(serving: Serving) -> None:
    waiting = Waiting()
    client = await (await serving.of(waiting)).client()
    await client.say(post(b"abc")[:-1])
    await until(lambda: waiting.heard == ["http.request"])
    client.leave()

    await until(lambda: waiting.ended)
    assert waiting.heard == ["http.request", "http.disconnect", "http.disconnect"]


async def test_an_application_hears_that_its_answer_is_over(serving: Serving) -> None:
    heard: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        listening = asyncio.ensure_future(receive())
        await reply(send, b"ok")
        await reply(send, b"once more")
        await listening
        heard.append((await receive())["type"])

    client = await (await serving.of(application)).client()

    assert (await client.ask()).body == b"ok"
    await until(lambda: heard)
    assert heard == ["http.disconnect"]
    assert (await client.ask()).body == b"ok"


async def _raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("secret")


async def _raises_after_the_status(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"x-secret", b"secret")))
    raise RuntimeError("secret")


async def _returns(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def _begins_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(start())


async def _begins_with_a_body(scope: Scope, receive: Receive, send: Send) -> None:
    await send(piece(b"secret"))


async def _says_too_little(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"content-length", b"10")))
    await send(piece(b"secret", more=False))


async def _says_too_much(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"content-length", b"3")))
    await send(piece(b"secret"))


async def _gives_no_answers_status(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(status=101))
    await send(piece(b"secret", more=False))


@pytest.mark.parametrize(
    "application",
    [
        _raises,
        _raises_after_the_status,
        _returns,
        _begins_twice,
        _begins_with_a_body,
        _says_too_little,
        _says_too_much,
        _gives_no_answers_status,
    ],
)
@pytest.mark.parametrize("request_", [GET, get(version="1.0"), post(b"abc" * 100_000)[:-1]])
async def test_an_application_that_fails_before_its_answer_is_out_is_a_fault(
    serving: Serving, application: Any, request_: bytes
) -> None:
    client = await (await serving.of(application)).client()
    await client.say(request_)
    heard = await client.rest()

    assert heard.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in heard


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("how", ["raises", "returns"])
async def test_an_answer_that_is_left_without_its_end_is_visibly_broken(serving: Serving, framing: str, how: str) -> None:
    request, headers = FRAMINGS[framing]

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(*headers))
        await send(piece(b"so far"))
        if how == "raises":
            raise RuntimeError

    client = await (await serving.of(application)).client()
    with pytest.raises(BROKEN):
        await client.ask(request)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_answer_that_is_late_when_its_server_ends_is_reset_not_ended(serving: Serving, framing: str) -> None:
    request, headers = FRAMINGS[framing]
    waiting = Waiting(start(*headers), piece(b"so far"))
    client = await (await serving.of(waiting)).client()
    await client.say(request)
    assert b"200" in await client.hear()
    await serving.server.close(0.05)

    with pytest.raises(ConnectionError):
        await client.rest()
    assert waiting.ended


@pytest.mark.parametrize("more", [b"", b"y" * 10])
async def test_a_length_that_turns_out_wrong_breaks_the_answer_off(serving: Serving, more: bytes) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start((b"content-length", b"10")))
        await send(piece(b"12345"))
        await send(piece(more, more=False))

    client = await (await serving.of(application)).client()
    with pytest.raises(BROKEN):
        await client.ask()


async def test_a_client_that_does_not_read_holds_its_application_until_it_leaves(serving: Serving) -> None:
    sent = 0

    async def on_and_on(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(start())
        while sent < 2000:
            await send(piece(PIECE))
            sent += 1

    client = await (await serving.of(on_and_on)).client(takes_bytes=4096)
    await client.say(GET)
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.1)
    assert 0 < sent < 2000
    (task,) = serving.server.serving.values()
    assert not task.done()
    client.leave()

    await until(lambda: not serving.server.serving)
    await until(lambda: serving.open == 0)


async def test_a_client_that_asks_and_asks_without_reading_is_not_answered_on_and_on(serving: Serving) -> None:
    asked = 0

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += 1
        await reply(send, PIECE * 4)

    client = await (await serving.of(large)).client(takes_bytes=4096)
    await client.say(GET * 1000)
    before = -1
    while asked != before:
        before = asked
        await asyncio.sleep(0.1)
    assert asked < 100
    client.leave()

    await until(lambda: serving.open == 0 and not serving.server.serving)


async def test_a_slow_client_reads_a_last_answer_to_its_end(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.adapters.serving.connection._LAST_S", 0.2)
    client = await (await serving.of(huge)).client(takes_bytes=65536)
    await client.say(get("/", b"connection: close"))
    read = 0
    while got := await client.hear(1 << 20):
        read += len(got)
        await asyncio.sleep(0.005)

    assert read > 256 * 65536


async def test_a_client_that_does_not_read_a_last_answer_is_broken_off(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.adapters.serving.connection._LAST_S", 0.2)
    client = await (await serving.of(huge)).client(takes_bytes=4096)
    await client.say(get("/", b"connection: close"))

    await until(lambda: serving.open == 1)
    await until(lambda: serving.open == 0)

    with pytest.raises(ConnectionResetError):  # so that nobody takes it for an end
        await client.rest()


# Bounds.


async def test_idle_connections_make_room_the_oldest_first(serving: Serving) -> None:
    await serving.of(echo, connections=3)
    first, second, third = [await serving.client() for _ in range(3)]
    for client in (second, first, third):
        assert (await client.ask()).status == 200
    fourth = await serving.client()

    assert (await fourth.ask()).status == 200
    assert await second.is_over()
    assert (await first.ask()).status == 200
    assert (await third.ask()).status == 200
    assert serving.open == 3


async def test_there_is_no_room_where_no_connection_is_idle(serving: Serving) -> None:
    go_on = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await reply(send, b"ok")

    await serving.of(application, connections=3)
    clients = [await serving.client() for _ in range(3)]
    for client, request in zip(clients, (GET, GET, GET[:-1]), strict=True):
        await client.say(request)
    await until(lambda: len(serving.server.serving) == 2 and not serving.server._idle)
    refused = await (await serving.client()).answer()

    assert (refused.status, refused.headers[b"retry-after"], refused.headers[b"connection"]) == (503, b"1", b"close")
    go_on.set()
    await clients[2].say(GET[-1:])
    assert [(await client.answer()).status for client in clients] == [200] * 3
    assert (await (await serving.client()).ask()).status == 200


async def test_a_connection_is_idle_for_so_long_only(serving: Serving) -> None:
    await serving.of(echo, idle_s=0.3)
    used, unused = await serving.client(), await serving.client()
    assert (await used.ask()).status == 200

    assert await used.is_over()
    assert await unused.is_over()
    await until(lambda: serving.open == 0)


async def test_a_slow_answer_is_not_idle(serving: Serving) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1.2)
        await reply(send, b"at last")

    client = await (await serving.of(slow, idle_s=0.1, late_s=0.1)).client()

    assert (await client.ask()).body == b"at last"


async def test_thousands_of_idle_connections_need_no_task_and_no_look(serving: Serving) -> None:
    await serving.of(echo)
    tasks = len(asyncio.all_tasks())
    clients = [await serving.client() for _ in range(2000)]
    await until(lambda: serving.open == 2000)

    assert len(asyncio.all_tasks()) == tasks
    looked_at: list[Any] = []

    class Watched(dict[Any, float]):
        def __getitem__(self, key: Any) -> float:
            looked_at.append(key)
            return super().__getitem__(key)

    serving.server._idle = Watched(serving.server._idle)
    serving.server._sweep()
    assert len(looked_at) == 1
    assert (await clients[1000].ask()).status == 200


# The end of the server.


async def test_a_server_that_retires_serves_whoever_comes_and_asks_them_to_come_on_another_connection(serving: Serving) -> None:
    await serving.of(echo)
    old = await serving.client()
    assert (await old.ask()).status == 200
    serving.server.retire()

    for client in (old, await serving.client()):
        assert (await client.ask()).headers[b"connection"] == b"close"
        assert await client.is_over()


async def test_a_server_that_accepts_no_more_serves_what_was_accepted_just_now_and_closes_what_is_idle(serving: Serving) -> None:
    await serving.of(echo)
    there, idle = await serving.client(), await serving.client()
    await until(lambda: serving.open == 2)
    stopping = asyncio.create_task(serving.server.stop_accepting())
    await asyncio.sleep(0)

    with pytest.raises(ConnectionError):
        await (await serving.client()).ask()
    assert (await there.ask()).headers[b"connection"] == b"close"
    assert await idle.is_over()
    await stopping


async def test_closing_waits_for_what_is_under_way_and_ends_what_is_idle(serving: Serving) -> None:
    go_on = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await reply(send, b"ok")

    await serving.of(application)
    busy, beginning, idle = [await serving.client() for _ in range(3)]
    await busy.say(GET)
    await beginning.say(GET[:-1])
    await until(lambda: len(serving.server.serving) == 1 and len(serving.server._idle) == 1)
    closing = asyncio.create_task(serving.server.close(20))

    assert await idle.is_over()
    assert not closing.done()
    go_on.set()
    await beginning.say(GET[-1:])
    for client in (busy, beginning):
        assert (await client.answer()).headers[b"connection"] == b"close"
        client.leave()
    await closing
    assert serving.open == 0


async def test_closing_breaks_off_what_is_late_and_leaves_nothing(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.adapters.serving.server._SETTLE_S", 0.1)

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(600)

    waiting = Waiting(start(), piece(b"so far"))

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await (deaf if scope["path"] == "/deaf" else waiting)(scope, receive, send)

    await serving.of(application)
    clients = [await serving.client() for _ in range(3)]
    for client, request in zip(clients, (GET, get("/deaf"), GET[:-1]), strict=True):
        await client.say(request)
    await until(lambda: len(serving.server.serving) == 2)
    await serving.server.close(0.1)

    assert serving.open == 0
    assert waiting.ended
    assert not serving.server.serving


async def test_what_a_connection_knew_goes_with_it(serving: Serving) -> None:
    waiting = Waiting()
    await serving.of(waiting)
    client = await serving.client()
    await client.say(GET)
    await until(lambda: waiting.heard)
    (connection,) = serving.server._open
    client.leave()
    await until(lambda: waiting.ended)
    await until(lambda: serving.open == 0)

    assert connection._current is None
    assert connection._reading is None
    assert connection._parser is None
