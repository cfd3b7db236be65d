"""Whatever valid requests come, cut anywhere, and whatever an application answers: each side reads what the other said.

h11 is the independent reader: of the same requests as a server, and of the answers as a client.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h11
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.adapters.kit import Serving, body_of, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.adapters.serving.head import Scope
    from integration.adapters.kit import Receive, Send

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.SelectorEventLoop,
}
TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SETTLED = {b"host", b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"date", b"keep-alive"}
"""Headers that say something about the exchange itself; they have tests of their own."""

names = st.text(TCHAR, min_size=1, max_size=12).map(str.encode).filter(lambda name: name.lower() not in SETTLED)
values = st.lists(
    st.binary(max_size=12).map(lambda raw: bytes(byte for byte in raw if byte >= 0x21 and byte != 0x7F)), max_size=3
).map(lambda words: b" ".join(word for word in words if word))
headers = st.lists(st.tuples(names, values), max_size=5)
paths = st.text("abcXYZ019-._~!$&'()*+,;=:@%/", max_size=12)
queries = st.just("") | st.text("abc019-._~!$&'()*+,;=:@%/?", max_size=12).map("?{}".format)
targets = st.tuples(st.just("/"), paths, queries).map("".join).map(str.encode)
extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";a=1;b=2"])
pieces = st.lists(st.binary(max_size=300), max_size=5)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request as it goes over the wire."""
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"HEAD"]))
    lines = [b"%b %b HTTP/1.1" % (method, draw(targets)), b"Host: x"]
    lines += [name + b":" + draw(st.sampled_from([b"", b" ", b"\t "])) + value for name, value in draw(headers)]
    framing = draw(st.sampled_from(["none", "length", "chunks"]))
    body = b""
    if framing == "length":
        body = b"".join(draw(pieces))
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "chunks":
        lines.append(b"Transfer-Encoding: chunked")
        body = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), draw(extensions), piece) for piece in draw(pieces) if piece)
        body += b"0\r\n" + b"".join(b"%b: %b\r\n" % trailer for trailer in draw(headers)) + b"\r\n"
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def read_by_h11(data: bytes) -> list[Any]:
    """Return the requests in some bytes."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    read: list[Any] = []
    while True:
        match connection.next_event():
            case h11.Request() as request:
                read.append((request.method, request.target, list(request.headers), b""))
            case h11.Data() as part:
                method, target, said, body = read[-1]
                read[-1] = (method, target, said, body + bytes(part.data))
            case h11.EndOfMessage():
                connection.send(h11.Response(status_code=204, headers=[]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            case _:
                return read


LIKELY = [b"\r\n", b"GET ", b" HTTP/1.1\r\n", b"host: x\r\n", b"transfer-encoding: chunked\r\n", b"upgrade: h2c\r\n"]


def run(loop: str, story: Callable[[Serving], Awaitable[None]]) -> None:
    async def told() -> None:
        serving = Serving()
        try:
            await story(serving)
        finally:
            await serving.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(told())


@pytest.mark.parametrize("loop", LOOPS)
@settings(max_examples=60)
@given(sent=st.lists(requests(), min_size=1, max_size=4), data=st.data())
def test_requests_arrive_as_they_were_sent_however_they_are_cut(loop: str, sent: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(sent)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole)), max_size=12)))
    arrived: list[Any] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        arrived.append((scope["method"].encode(), target, scope["headers"], await body_of(receive)))
        await reply(send, status=204)

    async def story(serving: Serving) -> None:
        client = await (await serving.of(application)).client()
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            await client.say(whole[begin:end])
            await asyncio.sleep(0)
        assert [(await client.answer()).status for _ in sent] == [204] * len(sent)

    run(loop, story)

    expected = [
        (method, target.removesuffix(b"?") if target.count(b"?") == 1 else target, said, body)
        for method, target, said, body in read_by_h11(whole)
    ]
    assert arrived == expected


statuses = st.sampled_from([200, 201, 202, 206, 299, 302, 400, 404, 418, 429, 500, 503, 599])


@pytest.mark.parametrize("loop", LOOPS)
@settings(max_examples=60)
@given(
    answers=st.lists(st.tuples(statuses, headers, pieces, st.booleans()), min_size=1, max_size=3),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    version=st.sampled_from(["1.1", "1.0"]),
)
def test_answers_arrive_as_they_were_given(loop: str, answers: list[Any], method: str, version: str) -> None:
    given_answers = iter(answers)
    heard: list[Any] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        status, said, body, with_length = next(given_answers)
        length = [(b"Content-Length", b"%d" % sum(map(len, body)))] if with_length else []
        await reply(send, *(body or [b""]), status=status, headers=[*said, *length])

    async def story(serving: Serving) -> None:
        await serving.of(application)
        for _ in answers:
            client = await serving.client()
            reading = h11.Connection(h11.CLIENT)
            request = h11.Request(method=method, target="/", headers=[("host", "x")])
            reading.send(request)
            reading.send(h11.EndOfMessage())
            await client.say(f"{method} / HTTP/{version}\r\nhost: x\r\n\r\n".encode())
            status, kept, body = 0, [], b""
            while True:
                match reading.next_event():
                    case h11.NEED_DATA:
                        reading.receive_data(await client.hear())
                    case h11.Response() as response:
                        kept = [(name, value) for name, value in response.headers if name not in SETTLED]
                        status = response.status_code
                    case h11.Data() as part:
                        body += bytes(part.data)
                    case _:
                        break
            heard.append((status, kept, body))

    run(loop, story)

    assert heard == [
        (status, [(name.lower(), value) for name, value in said], b"" if method == "HEAD" else b"".join(body))
        for status, said, body, _ in answers
    ]


@pytest.mark.parametrize("loop", LOOPS)
@settings(max_examples=80)
@given(
    noise=st.lists(
        st.binary(max_size=60)
        | requests()
        | st.sampled_from(
            [b"\r\n", b"GET ", b" HTTP/1.1\r\n", b"host: x\r\n", b"transfer-encoding: chunked\r\n", b"upgrade: h2c\r\n"]
        ),
        max_size=10,
    ),
    leaves=st.booleans(),
)
def test_whatever_comes_the_next_connection_is_served(loop: str, noise: list[bytes], leaves: bool) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await body_of(receive)
        await reply(send, b"ok")

    async def story(serving: Serving) -> None:
        faults: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        client = await (await serving.of(application)).client()
        for piece in noise:
            try:
                await client.say(piece)
            except ConnectionError:
                break
        if leaves:
            client.leave()
        assert (await (await serving.client()).ask()).body == b"ok"
        assert faults == []

    run(loop, story)
