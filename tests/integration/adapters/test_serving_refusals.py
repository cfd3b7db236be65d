"""What is not a request is told so, after the answers to those before it; and nothing of it reaches an application."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from integration.adapters.kit import GET, Broken, body_of, echo, get, post, reply, until

if TYPE_CHECKING:
    from headgate.adapters.serving.head import Scope
    from integration.adapters.kit import Receive, Send, Serving

KIB_64 = b"x" * 65536
CHUNKED = b"transfer-encoding: chunked"


@pytest.mark.parametrize(
    ("attempt", "status"),
    {
        "a long header": (get("/", b"x-a: " + KIB_64), 431),
        "a long name": (get("/", KIB_64 + b": a"), 431),
        "long headers together": (get("/", *[b"x-%d: %b" % (number, b"x" * 1000) for number in range(70)]), 431),
        "a long target": (get("/" + KIB_64.decode()), 431),
        "a long query": (get("/?" + KIB_64.decode()), 431),
        "a long head without an end": (b"GET / HTTP/1.1\r\nx-a: " + KIB_64 * 8, 431),
        "too many headers": (get("/", *[b"x-a: b"] * 128), 431),
        "empty lines without an end": (b"\r\n" * 200_000, 431),
        "two hosts": (get("/", b"host: y"), 400),
        "the same host twice": (get("/", b"host: x"), 400),
        "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
        "a target that is none": (get("x"), 400),
        "a target of another protocol": (get("ftp://x/"), 400),
        "a target with a letter that is none": (b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        "a place to connect to": (get("x:80", method="CONNECT"), 501),
        "a method that is none": (get("/", method="GRAB"), 400),
        "HTTP/0.9": (b"GET /\r\n\r\n", 505),
        "HTTP/0.9, said so": (get("/", version="0.9"), 505),
        "HTTP/2.0": (get("/", version="2.0"), 505),
        "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        "HTTP/3.7": (get("/", version="3.7"), 400),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        "a coding": (get("/", b"transfer-encoding: gzip, chunked", method="POST") + b"0\r\n\r\n", 501),
        "chunks before there were any": (get("/", CHUNKED, method="POST", version="1.0") + b"0\r\n\r\n", 400),
    }.values(),
)
@pytest.mark.parametrize(
    ("after", "at_once"), [("nothing", False), ("a good one", True), ("a good one that is slow", True), ("a good one", False)]
)
async def test_what_is_no_request_is_refused(serving: Serving, attempt: bytes, status: int, after: str, at_once: bool) -> None:
    reached: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])
        if scope["path"] == "/slow":
            await asyncio.sleep(0.02)
        await reply(send, b"good")

    before = {"nothing": b"", "a good one": get("/good"), "a good one that is slow": get("/slow")}[after]
    client = await (await serving.of(application)).client()
    if at_once:
        await client.say(before + attempt)
    else:
        await client.say(before)
        for at in range(0, len(attempt), 9000):
            with contextlib.suppress(ConnectionError):
                await client.say(attempt[at : at + 9000])
            await asyncio.sleep(0.001)

    if before:
        assert (await client.answer()).body == b"good"
    answer = await client.answer()
    assert (answer.status, answer.headers[b"connection"]) == (status, b"close")
    assert await client.is_over()
    assert len(reached) == bool(before)


async def test_what_is_just_not_too_large_is_served(serving: Serving) -> None:
    client = await (await serving.of(echo)).client()

    assert (await client.ask(get("/", b"x-a: " + b"x" * 65_000))).status == 200
    assert (await client.ask(get("/", *[b"x-a: b"] * 127))).status == 200
    assert (await client.ask(post(KIB_64 * 4, b"x-a: " + b"x" * 60_000))).status == 200


@pytest.mark.parametrize("after", [b"", get("/first")])
async def test_a_head_that_takes_too_long_is_late(serving: Serving, after: bytes) -> None:
    client = await (await serving.of(echo, late_s=0.3, idle_s=60)).client()
    await client.say(after + b"GET / HT")
    if after:
        assert (await client.answer()).status == 200
    await client.say(b"TP/1.1\r\nhost: ")

    answer = await client.answer()

    assert (answer.status, answer.headers[b"connection"]) == (408, b"close")
    assert await client.is_over()


async def test_a_head_that_began_during_an_answer_is_late_after_it(serving: Serving) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1.2)
        await reply(send, b"slow")

    client = await (await serving.of(slow, late_s=0.2, idle_s=60)).client()
    await client.say(GET)
    await asyncio.sleep(0.05)
    await client.say(b"GET")

    assert (await client.answer()).body == b"slow"
    assert (await client.answer()).status == 408


@pytest.mark.parametrize("garbage", [b"xyz\r\n", b"3\r\nabcd\r\n", b"-1\r\n", b"0\r\nno trailer\r\n\r\n"])
@pytest.mark.parametrize("before", [b"", get("/slow")])
async def test_garbage_in_a_body_is_refused_and_the_application_hears_that_no_more_comes(
    serving: Serving, before: bytes, garbage: bytes
) -> None:
    heard: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(0.2)
            await reply(send, b"good")
            return
        try:
            await body_of(receive)
        except ConnectionError:
            heard.append("gone")
        await reply(send, b"nobody reads this")

    client = await (await serving.of(application)).client()
    if not before:
        await client.say(get("/", CHUNKED, method="POST") + b"3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        await client.say(garbage + GET)
    else:
        await client.say(before + get("/", CHUNKED, method="POST") + b"3\r\nabc\r\n" + garbage + GET)

    if before:
        assert (await client.answer()).body == b"good"
    assert (await client.answer()).status == 400
    assert await client.is_over()
    await until(lambda: not serving.server.serving)
    assert heard == ([] if before else ["gone"])


async def test_garbage_in_a_body_breaks_off_the_answer_that_has_begun(serving: Serving) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"so far", "more_body": True})
        await body_of(receive)

    client = await (await serving.of(application)).client()
    await client.say(get("/", CHUNKED, method="POST"))
    assert b"so far" in await client.hear()
    await client.say(b"garbage\r\n")

    with pytest.raises((Broken, ConnectionError)):
        await client.answer()


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-a", b"b\r\nset-cookie: c=d")],
        [(b"x-a", b"b\nset-cookie: c=d")],
        [(b"x-a", b"b\rset-cookie: c=d")],
        [(b"x-a: b\r\nset-cookie", b"c=d")],
        [(b"x-a", b"b\r\n\r\nHTTP/1.1 200 OK")],
        [(b"x-a", b"b\0")],
        [(b"content-length", b"3\r\nset-cookie: c=d")],
        [(b"content-length", b"-3")],
        [(b"content-length", b"many")],
        [(b"content-length", b"3"), (b"content-length", b"4")],
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_applications_header_is_one_header_or_its_answer_is_a_fault(
    serving: Serving, headers: list[tuple[bytes, bytes]], method: str
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"abc", headers=[(b"x-secret", b"s"), *headers])

    client = await (await serving.of(application)).client()
    await client.say(get("/", method=method))
    heard = await client.rest()

    assert heard.startswith(b"HTTP/1.1 500 ")
    assert heard.count(b"HTTP/1.1") == 1
    assert not any(leaked in heard for leaked in (b"set-cookie", b"x-secret", b"abc"))
