"""Bodies of requests: how they are taken in, how much of them waits, and what becomes of one that does not end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from headgate.adapters.serving.exchange import MOST_WAITING_BYTES
from integration.adapters.kit import GET, body_of, echo, get, post, reply, until

if TYPE_CHECKING:
    from headgate.adapters.serving.head import Scope
    from integration.adapters.kit import Receive, Send, Serving

READ_AT_ONCE_BYTES = 256 * 1024
"""What either loop reads from a socket at a time, at most."""
CHUNKED = b"transfer-encoding: chunked"
EIGHT_MIB = bytes(range(256)) * (8 * 4096)


async def test_a_body_in_chunks_is_taken_whole_without_what_is_said_between_them(serving: Serving) -> None:
    client = await (await serving.of(echo)).client()

    await client.say(get("/", CHUNKED, method="POST") + b"3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nx-trailer: y\r\n\r\n" + GET)

    assert (await client.answer()).body == b"POST / abc0123456789"
    assert (await client.answer()).body == b"GET / "


@pytest.mark.parametrize("chunked", [False, True])
async def test_no_more_of_a_body_is_read_than_its_application_keeps_up_with(serving: Serving, chunked: bool) -> None:
    go_on = asyncio.Event()
    largest = 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal largest
        await go_on.wait()
        taken = b""
        more = True
        while more:
            message = await receive()
            largest = max(largest, len(message["body"]))
            taken += message["body"]
            more = message["more_body"]
            await asyncio.sleep(0)
        await reply(send, b"whole" if taken == EIGHT_MIB else b"not what was sent")

    client = await (await serving.of(slow)).client(takes_bytes=65536)
    framed = b"".join(b"%x\r\n%b\r\n" % (65536, EIGHT_MIB[at : at + 65536]) for at in range(0, len(EIGHT_MIB), 65536))
    request = get("/", CHUNKED, method="POST") + framed + b"0\r\n\r\n" if chunked else post(EIGHT_MIB)
    saying = asyncio.create_task(client.say(request))
    await asyncio.sleep(0.2)
    assert not saying.done(), "all of it went where nobody takes it"
    (exchange,) = serving.server.serving
    assert exchange._waiting_bytes <= MOST_WAITING_BYTES + READ_AT_ONCE_BYTES
    go_on.set()
    await saying

    assert (await client.answer()).body == b"whole"
    assert largest <= MOST_WAITING_BYTES + READ_AT_ONCE_BYTES


async def test_a_connection_goes_on_after_a_body_that_its_application_did_not_want(serving: Serving) -> None:
    come = asyncio.Event()

    async def uninterested(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await come.wait()
        await reply(send, b"no, thank you")

    client = await (await serving.of(uninterested)).client()
    await client.say(post(b"x" * (MOST_WAITING_BYTES + 1)))
    await until(lambda: [exchange for exchange in serving.server.serving if exchange.received])
    come.set()

    assert b"connection" not in (await client.answer()).headers
    assert (await client.ask()).body == b"no, thank you"


async def test_a_client_is_asked_for_its_body_only_when_somebody_wants_it(serving: Serving) -> None:
    go_on = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await echo(scope, receive, send)

    client = await (await serving.of(application)).client()
    asking = post(b"abc", b"Expect: 100-Continue")
    await client.say(asking[:-3])
    assert await client.quiet()
    go_on.set()

    assert (await client.answer()).status == 100
    assert await client.quiet()
    await client.say(b"ab")
    assert await client.quiet(0.05), "asked twice"
    await client.say(b"c")
    assert (await client.answer()).body == b"POST / abc"


@pytest.mark.parametrize("request_", [post(b"abc", b"expect: 100-continue"), post(b"", b"expect: 100-continue")])
async def test_a_client_that_has_sent_its_body_is_asked_for_nothing(serving: Serving, request_: bytes) -> None:
    client = await (await serving.of(echo)).client()

    assert (await client.ask(request_)).status == 200


async def test_a_client_whose_body_nobody_wants_is_not_asked_for_it(serving: Serving) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"too large", status=413)

    client = await (await serving.of(refusing)).client()
    answer = await client.ask(post(b"abc", b"expect: 100-continue")[:-3])

    assert (answer.status, answer.headers[b"connection"]) == (413, b"close")
    assert await client.is_over()


async def test_a_client_of_http_1_0_is_not_asked_for_its_body(serving: Serving) -> None:
    client = await (await serving.of(echo)).client()
    await client.say(post(b"abc", b"expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")[:-3])

    assert await client.quiet()
    await client.say(b"abc")
    assert (await client.answer()).body == b"POST / abc"


class Hearing:
    """Reads to the end of what it hears, answers a whole body, and keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        while not self.heard or self.heard[-1].get("more_body"):
            self.heard.append(await receive())
        await reply(send, b"heard")


@pytest.mark.parametrize("framing", [b"content-length: 10", CHUNKED])
async def test_a_body_that_stops_coming_is_late(serving: Serving, framing: bytes) -> None:
    hearing = Hearing()
    client = await (await serving.of(hearing, late_s=0.2)).client()
    await client.say(get("/", framing, method="POST") + b"3\r\nab"[: 5 if framing == CHUNKED else 3])

    answer = await client.answer()

    assert (answer.status, answer.headers[b"connection"]) == (408, b"close")
    assert await client.is_over()
    await until(lambda: not serving.server.serving)
    assert hearing.heard[-1] == {"type": "http.disconnect"}


async def test_a_body_is_not_late_while_it_comes_nor_while_nobody_waits_for_it(serving: Serving) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1.2)
        await echo(scope, receive, send)

    client = await (await serving.of(application, late_s=0.6)).client()
    for piece in (post(b"abcdefgh")[:-8], b"ab"):
        await client.say(piece)
    assert await client.quiet(1.3)
    for piece in (b"c", b"de", b"fg"):
        await client.say(piece)
        assert await client.quiet(0.3)
    await client.say(b"h")

    assert (await client.answer()).body == b"POST / abcdefgh"


async def test_a_body_is_not_late_once_its_application_has_given_up_waiting(serving: Serving) -> None:
    async def impatient(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await body_of(receive)
        await asyncio.sleep(1.2)
        await reply(send, b"without it")

    client = await (await serving.of(impatient, late_s=0.2)).client()

    assert (await client.ask(post(b"abc")[:-1])).body == b"without it"


async def test_a_connection_is_kept_after_a_body_whose_end_was_waited_for(serving: Serving) -> None:
    client = await (await serving.of(echo, late_s=0.2)).client()
    await client.say(get("/", CHUNKED, method="POST") + b"3\r\nabc\r\n")
    await asyncio.sleep(0.05)
    await client.say(b"0\r\n\r\n")

    assert (await client.answer()).body == b"POST / abc"
    assert await client.quiet(1.0)
    assert (await client.ask()).status == 200


@pytest.mark.parametrize("framing", [b"content-length: 8388608", CHUNKED])
async def test_an_answer_before_the_end_of_a_large_body_can_be_read(serving: Serving, framing: bytes) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await reply(send, b"too large", status=413)

    client = await (await serving.of(refusing)).client()
    await client.say(get("/", framing, method="POST") + (b"800000\r\n" if framing == CHUNKED else b""))
    for at in range(0, len(EIGHT_MIB), 1 << 20):
        await client.say(EIGHT_MIB[at : at + (1 << 20)])

    assert (await client.answer()).body == b"too large"
    assert await client.is_over()


async def test_a_body_without_end_that_nobody_wants_is_not_read_for_ever(serving: Serving) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"too large", status=413)

    client = await (await serving.of(refusing)).client()
    await client.say(get("/", b"content-length: 999999999999", method="POST"))
    assert (await client.answer()).status == 413

    async def on_and_on() -> None:
        while True:
            await client.say(bytes(65536))
            await asyncio.sleep(0.01)

    with pytest.raises(ConnectionError):
        await on_and_on()
    await until(lambda: serving.open == 0)
