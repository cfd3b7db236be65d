"""Requests one after another on one connection: how it goes on, and how each is answered."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from integration.adapters.kit import GET, echo, get, post, reply, until

if TYPE_CHECKING:
    from headgate.adapters.serving.head import Scope
    from integration.adapters.kit import Receive, Send, Serving


async def test_one_connection_carries_one_request_after_another(serving: Serving) -> None:
    client = await (await serving.of(echo)).client()

    answers = [await client.ask(post(b"%d" % number)) for number in range(3)]

    assert [answer.body for answer in answers] == [b"POST / 0", b"POST / 1", b"POST / 2"]
    assert not any(b"connection" in answer.headers for answer in answers)
    assert serving.open == 1


async def test_requests_that_come_at_once_are_answered_in_their_order_and_one_at_a_time(serving: Serving) -> None:
    begun: list[str] = []
    go_on = asyncio.Event()

    async def first_is_slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        if scope["path"] == "/0":
            await go_on.wait()
        await echo(scope, receive, send)

    client = await (await serving.of(first_is_slow)).client()
    await client.say(b"".join(post(b"abc", path=f"/{number}") for number in range(5)))

    assert await client.quiet()
    assert begun == ["/0"]
    go_on.set()
    assert [(await client.answer()).body for _ in range(5)] == [b"POST /%d abc" % number for number in range(5)]
    assert (await client.ask()).body == b"GET / "


async def test_the_last_of_many_may_come_in_pieces(serving: Serving) -> None:
    client = await (await serving.of(echo)).client()
    whole = GET + post(b"abcdef", path="/last")

    await client.say(whole[:-20])
    assert (await client.answer()).body == b"GET / "
    await client.say(whole[-20:-3])
    assert await client.quiet(0.05)
    await client.say(whole[-3:])

    assert (await client.answer()).body == b"POST /last abcdef"


@pytest.mark.parametrize("ends", ["client", "application", "server"])
async def test_either_side_may_end_the_connection_with_an_answer(serving: Serving, ends: str) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"ok", headers=[(b"Connection", b"Close")] if ends == "application" else [])

    client = await (await serving.of(application)).client()
    if ends == "server":
        serving.server.retire()

    answer = await client.ask(get("/", b"Connection: Close") if ends == "client" else GET)

    assert answer.headers[b"connection"] == b"close"
    assert answer.body == b"ok"
    assert await client.is_over()
    await until(lambda: serving.open == 0)


async def test_a_last_answer_is_read_whatever_was_asked_after_it(serving: Serving) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await reply(send, b"x" * 100_000, headers=[(b"connection", b"close")])

    client = await (await serving.of(application)).client()
    await client.say(GET * 20_000)

    assert len((await client.answer()).body) == 100_000
    assert await client.is_over()


async def test_http_1_0_ends_its_connection_unless_it_asks_for_another_request(serving: Serving) -> None:
    await serving.of(echo)
    client, keeping = await serving.client(), await serving.client()

    once = await client.ask(b"GET / HTTP/1.0\r\n\r\n")
    again = [await keeping.ask(get("/", b"connection: keep-alive", version="1.0")) for _ in range(2)]

    assert once.headers[b"connection"] == b"close"
    assert await client.is_over()
    assert [answer.headers[b"connection"] for answer in again] == [b"keep-alive"] * 2


@pytest.mark.parametrize(
    ("request_", "pieces", "headers", "expected"),
    [
        (GET, [b"abc"], [], {b"content-length": b"3"}),
        (GET, [b""], [], {b"content-length": b"0"}),
        (GET, [b"a", b"", b"bc"], [], {b"transfer-encoding": b"chunked"}),
        (GET, [b"abc", b""], [], {b"transfer-encoding": b"chunked"}),
        (GET, [b"", b"abc"], [(b"Content-Length", b"3")], {b"content-length": b"3"}),
        (GET, [b"a", b"bc"], [(b"transfer-encoding", b"gzip")], {b"transfer-encoding": b"chunked"}),
        (get(version="1.0"), [b"abc"], [], {b"content-length": b"3", b"connection": b"close"}),
        (get("/", b"connection: keep-alive", version="1.0"), [b"a", b"bc"], [], {b"connection": b"close"}),
        (get("/", b"connection: close"), [b"a", b"bc"], [], {b"transfer-encoding": b"chunked", b"connection": b"close"}),
    ],
)
async def test_an_answer_says_where_it_ends(
    serving: Serving,
    request_: bytes,
    pieces: list[bytes],
    headers: list[tuple[bytes, bytes]],
    expected: dict[bytes, bytes],
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, *pieces, headers=headers)

    client = await (await serving.of(application)).client()
    answer = await client.ask(request_)

    assert answer.body == b"".join(pieces)
    del answer.headers[b"date"]
    assert answer.headers == expected


@pytest.mark.parametrize(
    ("method", "status", "headers", "expected"),
    [
        ("HEAD", 200, [], {}),
        ("HEAD", 200, [(b"content-length", b"70000")], {b"content-length": b"70000"}),
        ("GET", 204, [], {}),
        ("GET", 304, [(b"etag", b'"a"')], {b"etag": b'"a"'}),
    ],
)
@pytest.mark.parametrize("pieces", [[b""], [b"not to be seen"], [b"not", b"to be", b"seen"]])
async def test_an_answer_without_a_body_has_none_whatever_its_application_says(
    serving: Serving,
    method: str,
    status: int,
    headers: list[tuple[bytes, bytes]],
    expected: dict[bytes, bytes],
    pieces: list[bytes],
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await reply(send, *pieces, status=status, headers=headers)
        else:
            await reply(send, b"the next")

    client = await (await serving.of(application)).client()
    await client.say(get("/", method=method) + get("/next"))
    answer = await client.answer(to_head=True)

    assert answer.status == status
    del answer.headers[b"date"]
    assert answer.headers == expected
    assert (await client.answer()).body == b"the next"


async def test_an_answer_is_dated_once(serving: Serving) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, headers=[(b"Date", b"Thu, 01 Jan 2026 00:00:00 GMT")] if scope["path"] == "/old" else [])

    client = await (await serving.of(application)).client()

    assert parsedate_to_datetime((await client.ask()).headers[b"date"].decode()).year > 2000
    assert (await client.ask(get("/old"))).headers[b"date"] == b"Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize("body", [b"", b"abc" * 50_000])
@pytest.mark.parametrize("other", [[b"upgrade: h2c", b"http2-settings: AAMAAABkAAQ"], [b"upgrade: websocket"]])
async def test_what_asks_for_another_protocol_is_answered_in_this_one(serving: Serving, other: list[bytes], body: bytes) -> None:
    client = await (await serving.of(echo)).client()
    asking = post(body, b"connection: upgrade", *other) if body else get("/", b"connection: upgrade", *other)

    await client.say(asking + get("/next"))

    assert (await client.answer()).body == b"%b / %b" % (b"POST" if body else b"GET", body)
    assert (await client.answer()).body == b"GET /next "
    assert (await client.ask(post(b"xyz"))).body == b"POST / xyz"


async def test_what_asks_for_another_protocol_may_come_in_chunks_and_end_the_connection(serving: Serving) -> None:
    client = await (await serving.of(echo)).client()
    await client.say(get("/", b"connection: upgrade, close", b"upgrade: h2c", b"transfer-encoding: chunked", method="POST"))
    await client.say(b"3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n")

    answer = await client.answer()

    assert answer.body == b"POST / abc"
    assert answer.headers[b"connection"] == b"close"
    assert await client.is_over()


async def test_the_application_is_told_what_was_asked_as_it_was_asked(serving: Serving) -> None:
    seen: list[Any] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await reply(send)

    client = await (await serving.of(application)).client()
    await client.ask(
        b"GET http://other.test/%C3%A9/a%2Fb?q=%20&r HTTP/1.1\r\nHost: x\r\nX-A:  b c\t \r\nx-a:\r\n"
        b"X-Empty:\r\nX-Last: \xff\r\n\r\n"
    )

    (scope,) = seen
    assert (scope["type"], scope["method"], scope["http_version"], scope["scheme"]) == ("http", "GET", "1.1", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/é/a/b", b"/%C3%A9/a%2Fb", b"q=%20&r")
    assert scope["headers"] == [(b"host", b"x"), (b"x-a", b"b c"), (b"x-a", b""), (b"x-empty", b""), (b"x-last", b"\xff")]
    assert scope["client"] == client.socket.getsockname()
    assert scope["server"] == client.socket.getpeername()
