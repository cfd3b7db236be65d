"""What an answer may be taken for, however its bytes come: checked on a real connection that is fed byte by byte."""

from __future__ import annotations

import asyncio
import io
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage
from headgate.gateway.upstream.connection import MOST_HEAD_BYTES, MOST_HEADERS, Connection
from headgate.gateway.upstream.request import Origin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
LENGTH = OK + b"content-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKS = OK + CHUNKED + b"3\r\nhel\r\n2;why=not\r\nlo\r\n0\r\n\r\n"
TRAILED = OK + CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n"
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + LENGTH
UNTIL_CLOSED = OK + b"content-type: text/plain\r\n\r\nhello"
NOTHING = b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n"
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"
FRAMED = {
    "a length": LENGTH,
    "chunks": CHUNKS,
    "trailers": TRAILED,
    "announced": ANNOUNCED,
    "no body": NOTHING,
    "unchanged": UNCHANGED,
}


@dataclass(frozen=True)
class Heard:
    """What was made of an answer.

    Attributes:
        status: Its status, 0 where there was no head.
        headers: Its headers.
        body: What was handed on.
        end: ``whole``, ``broke off`` or ``garbage``.
        kept: Whether the connection may carry another exchange.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    end: str
    kept: bool = False


class Fed:
    """A connection whose other end never speaks; what comes is said by the test."""

    def __init__(self, connection: Connection, peer: socket.socket) -> None:
        self.connection = connection
        self.peer = peer

    def feed(self, pieces: Iterable[bytes]) -> None:
        for piece in filter(None, pieces):
            self.connection.data_received(piece)

    async def heard(self, *, closed: bool = False) -> Heard:
        """Return what was made of what was fed; ``closed`` when the server then closed in order, otherwise it went away."""
        if closed:
            self.connection.eof_received()
        elif not self.connection.complete:
            self.connection.connection_lost(None)
        body = b""
        try:
            await self.connection.answered()
            while (read := await self.connection.read()) is not None:
                body += read
            end = "whole"
        except UpstreamFailed:
            end = "broke off"
        except UpstreamGarbage:
            end = "garbage"
        headers = self.connection.headers if self.connection.status else []
        return Heard(self.connection.status, headers, body, end, self.connection.let_go())


class Bench:
    """An event loop on which connections are made."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def heard(self, pieces: Iterable[bytes], *, closed: bool = False, method: str = "POST") -> Heard:
        async def run() -> Heard:
            async for fed in a_connection():
                fed.connection.ask(method, b"POST / HTTP/1.1\r\n\r\n", b"")
                fed.feed(pieces)
                return await fed.heard(closed=closed)
            raise AssertionError

        return self._runner.run(run())


async def a_connection() -> AsyncGenerator[Fed]:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    origin = Origin(tls=False, host="model.test", port=80)
    transport, connection = await loop.create_connection(lambda: Connection(origin, loop, lambda _: None), sock=ours)
    try:
        yield Fed(connection, peer)
    finally:
        transport.abort()
        peer.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@contextmanager
def a_bench() -> Generator[Bench]:
    with asyncio.Runner() as runner:
        yield Bench(runner)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with a_bench() as made:
        yield made


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the data in pieces that begin at these places."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


# Whole answers.


@pytest.mark.parametrize("data", FRAMED.values(), ids=FRAMED)
def test_an_answer_is_the_same_wherever_it_is_split(bench: Bench, data: bytes) -> None:
    whole = bench.heard([data])

    assert whole.end == "whole"
    assert whole.kept
    for place in range(1, len(data)):
        assert bench.heard([data[:place], data[place:]]) == whole
    assert bench.heard([data[place : place + 1] for place in range(len(data))]) == whole


@settings(deadline=None)
@given(st.sampled_from([*FRAMED.values()]), st.lists(st.integers(0, 1000), max_size=12))
def test_an_answer_is_the_same_in_however_many_pieces(data: bytes, places: list[int]) -> None:
    with a_bench() as bench:
        assert bench.heard(cut(data, places)) == bench.heard([data])


def test_what_an_answer_consists_of_is_what_came(bench: Bench) -> None:
    odd = (
        OK
        + b"X-Odd:  a \t b \t\r\nset-cookie: 1\r\nSet-Cookie: 2\r\nx-empty:\r\nx-high: \xff\xc3\xbc\r\ncontent-length: 0\r\n\r\n"
    )

    assert bench.heard([odd]).headers == [
        (b"X-Odd", b"a \t b"),
        (b"set-cookie", b"1"),
        (b"Set-Cookie", b"2"),
        (b"x-empty", b""),
        (b"x-high", b"\xff\xc3\xbc"),
        (b"content-length", b"0"),
    ]
    assert bench.heard([TRAILED]) == Heard(200, [(b"transfer-encoding", b"chunked")], b"hello", "whole", kept=True)
    assert bench.heard([ANNOUNCED]) == bench.heard([LENGTH])


def test_a_body_without_a_length_ends_where_the_server_closes_and_only_there(bench: Bench) -> None:
    expected = Heard(200, [(b"content-type", b"text/plain")], b"hello", "whole")

    assert bench.heard([UNTIL_CLOSED], closed=True) == expected
    assert bench.heard([UNTIL_CLOSED], closed=False) == Heard(200, expected.headers, b"hello", "broke off")


def test_the_answer_to_a_question_for_the_head_has_no_body(bench: Bench) -> None:
    head = LENGTH.removesuffix(b"hello")

    assert bench.heard([head], method="HEAD") == Heard(
        200, [(b"content-type", b"text/plain"), (b"content-length", b"5")], b"", "whole"
    )
    assert bench.heard([LENGTH], method="HEAD") == bench.heard([head], method="HEAD")


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (OK + b"connection: close\r\ncontent-length: 1\r\n\r\na", False),
        (OK + b"Connection: x, Close\r\ncontent-length: 1\r\n\r\na", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na", True),
        (OK + b"content-length: 1\r\n\r\na", True),
        (OK + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 1\r\n\r\na", True),
        (LENGTH.replace(b"\r\n", b"\n"), True),
        (OK + CHUNKED + b"1  \r\na\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\na", True),
    ],
)
def test_a_connection_is_kept_where_its_server_keeps_it(bench: Bench, data: bytes, kept: bool) -> None:
    heard = bench.heard([data])

    assert heard.end == "whole"
    assert heard.kept is kept


# Answers that are none.


@pytest.mark.parametrize("data", FRAMED.values(), ids=FRAMED)
def test_an_answer_that_breaks_off_is_never_whole(bench: Bench, data: bytes) -> None:
    body = bench.heard([data]).body
    for place in range(len(data)):
        for closed in (True, False):
            heard = bench.heard([data[:place]], closed=closed)
            assert heard.end == ("garbage" if closed and place and not heard.status else "broke off")
            assert body.startswith(heard.body)
            assert not heard.kept


def test_what_came_before_a_break_is_handed_on(bench: Bench) -> None:
    assert bench.heard([CHUNKS[:-12], b"what"]).body == b"hel"
    assert bench.heard([CHUNKS[:-12] + b"what"]).body == b"hel"
    assert bench.heard([LENGTH[:-1]]).body == b"hell"
    assert bench.heard([OK + CHUNKED + b"1\r\naXX0\r\n\r\n"]) == Heard(200, [(b"transfer-encoding", b"chunked")], b"a", "garbage")


@pytest.mark.parametrize(
    "data",
    {
        "no answer": b"220 mail.example.org ESMTP\r\n",
        "a request": b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        "no version": b"HTTP 200 OK\r\n\r\n",
        "a version that is none": b"HTTP/9.9 200 OK\r\n\r\n",
        "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
        "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
        "a status below all": b"HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n",
        "a status below the first": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
        "a length and chunks": OK + b"content-length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
        "chunks and a length": OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "one length twice": OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "a list of lengths": OK + b"content-length: 5, 5\r\n\r\nhello",
        "a length with a sign": OK + b"content-length: +5\r\n\r\nhello",
        "a length below nothing": OK + b"content-length: -5\r\n\r\nhello",
        "a length beyond counting": OK + b"content-length: 99999999999999999999999\r\n\r\nhello",
        "a coding that nobody asked for": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "a coding that does not end": OK + b"transfer-encoding: identity\r\n\r\nhello",
        "chunks that are not the last coding": OK + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "chunks twice": OK + b"transfer-encoding: chunked\r\n" + CHUNKED + b"0\r\n\r\n" + b"what",
        "a size that is none": OK + CHUNKED + b"x\r\n",
        "a size below nothing": OK + CHUNKED + b"-1\r\n",
        "a size that overflows": OK + CHUNKED + b"ffffffffffffffffff\r\n",
        "a value of two lines": OK + b"x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
        "a CR in a value": OK + b"x-a: b\rx-b: c\r\ncontent-length: 0\r\n\r\n",
        "a NUL in a value": OK + b"x-a: b\0c\r\ncontent-length: 0\r\n\r\n",
        "a control character in a value": OK + b"x-a: b\x01c\r\ncontent-length: 0\r\n\r\n",
        "a space in a name": OK + b"x a: b\r\ncontent-length: 0\r\n\r\n",
        "a space after a name": OK + b"x-a : b\r\ncontent-length: 0\r\n\r\n",
        "no name": OK + b": b\r\ncontent-length: 0\r\n\r\n",
        "no colon": OK + b"xyz\r\ncontent-length: 0\r\n\r\n",
        "a value that does not end": OK + b"x-a: " + b"b" * (MOST_HEAD_BYTES + 1),
        "a name that does not end": OK + b"x" * (MOST_HEAD_BYTES + 1),
        "a reason that does not end": b"HTTP/1.1 200 " + b"x" * (MOST_HEAD_BYTES + 1),
        "a value that is too long": OK + b"x-a: " + b"b" * MOST_HEAD_BYTES + b"\r\ncontent-length: 0\r\n\r\n",
        "too many headers": OK + b"x-a: b\r\n" * (MOST_HEADERS + 1) + b"\r\n",
    }.items(),
    ids=lambda pair: pair[0],
)
def test_what_is_not_http_is_no_answer(bench: Bench, data: tuple[str, bytes]) -> None:
    heard = bench.heard([data[1]], closed=True)

    assert (heard.end, heard.body, heard.kept) == ("garbage", b"", False)
    assert bench.heard(cut(data[1], range(0, len(data[1]), 1000)), closed=True) == heard


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (OK, b"x-a: b\r\n"),
        (OK + CHUNKED + b"0\r\n", b"x-a: b\r\n"),
        (OK + CHUNKED + b"0\r\nx-a: ", b"b" * 100),
        (OK + CHUNKED + b"5;", b"b" * 100),
    ],
)
def test_what_goes_on_for_ever_without_saying_anything_is_given_up(bench: Bench, start: bytes, more: bytes) -> None:
    heard = bench.heard([start, *[more] * (MOST_HEAD_BYTES // len(more) + 1)])

    assert heard.end == "garbage"


def test_a_head_as_large_as_may_be_is_one(bench: Bench) -> None:
    value = b"b" * (MOST_HEAD_BYTES - 100)
    body = b"x" * 300_000
    data = OK + b"x-a: " + value + b"\r\ncontent-length: 300000\r\n\r\n" + body

    for pieces in ([data], cut(data, range(0, len(data), 10_000))):
        heard = bench.heard(pieces)
        assert (heard.end, heard.body, heard.headers[0]) == ("whole", body, (b"x-a", value))


def test_another_protocol_is_what_was_answered_and_ends_the_connection(bench: Bench) -> None:
    heard = bench.heard([b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nPRI * HTTP/2.0"])

    assert heard.status == 101
    assert not heard.kept


# What nobody asked for.


@pytest.mark.parametrize("data", FRAMED.values(), ids=FRAMED)
@pytest.mark.parametrize("more", [b"x", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged", b"\r\nHTTP/1.1 200 OK\r\n", b"\0"])
def test_what_follows_an_answer_is_not_read_and_ends_the_connection(bench: Bench, data: bytes, more: bytes) -> None:
    whole = bench.heard([data])
    expected = Heard(whole.status, whole.headers, whole.body, whole.end, kept=False)

    assert bench.heard([data + more]) == expected
    for place in range(len(data), len(data + more)):
        assert bench.heard([(data + more)[:place], (data + more)[place:]]) == expected


def test_what_comes_while_nothing_is_asked_ends_the_connection(bench: Bench) -> None:
    async def run() -> None:
        async for fed in a_connection():
            assert fed.connection.is_usable
            fed.connection.ask("POST", b"POST / HTTP/1.1\r\n\r\n", b"")
            fed.feed([LENGTH])
            assert (await fed.heard()).kept
            assert fed.connection.is_usable
            fed.feed([LENGTH])
            assert not fed.connection.is_usable

    bench._runner.run(run())


def test_what_lies_in_a_connection_unread_makes_it_useless_before_anybody_has_looked(bench: Bench) -> None:
    async def run() -> None:
        async for fed in a_connection():
            assert fed.connection.is_usable
            fed.peer.send(LENGTH)
            assert not fed.connection.is_usable
        async for fed in a_connection():
            fed.peer.shutdown(socket.SHUT_WR)
            assert not fed.connection.is_usable

    bench._runner.run(run())


# Whatever comes.


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*FRAMED.values(), UNTIL_CLOSED]),
    st.integers(0, 1000),
    st.binary(max_size=8),
    st.integers(0, 8),
    st.booleans(),
)
def test_whatever_comes_is_answered_for(data: bytes, place: int, other: bytes, left_out: int, closed: bool) -> None:
    place %= len(data) + 1
    changed = data[:place] + other + data[place + left_out :]
    with a_bench() as bench:
        heard = bench.heard([changed], closed=closed)

        assert heard == bench.heard([changed[index : index + 1] for index in range(len(changed))], closed=closed)


class _Said:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def as_the_standard_library_reads_it(data: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    response = HTTPResponse(cast("Any", _Said(data)), method="POST")
    response.begin()
    headers = [(name.encode(), value.encode()) for name, value in response.getheaders()]
    return response.status, headers, response.read()


NAMES = st.text("abcXYZ0129-_.!~*", min_size=1, max_size=12).map(lambda name: f"x{name}")
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Answers as any server may give them."""
    body = draw(st.binary(max_size=300))
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    lines = [
        f"{name}:{draw(st.sampled_from(['', ' ', '  ']))}{value}"
        for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    ]
    if framing != "close":
        line = f"Content-Length: {len(body)}" if framing == "length" else "Transfer-Encoding: chunked"
        lines.insert(draw(st.integers(0, len(lines))), line)
    status = draw(st.sampled_from([200, 201, 400, 404, 429, 500, 503]))
    start = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    head = start + "\r\n".join([f"HTTP/1.1 {status} {draw(VALUES)}", *lines, "", ""]).encode()
    if framing != "chunks":
        return head + body
    pieces = cut(body, draw(st.lists(st.integers(0, 300), max_size=5)))
    extension = draw(st.sampled_from(["", ";a", ";a=b"]))
    chunks = b"".join(f"{len(piece):{draw(st.sampled_from('xX'))}}{extension}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return head + chunks + b"0\r\n" + draw(st.sampled_from([b"", b"x-sum: 1\r\n"])) + b"\r\n"


@settings(max_examples=200, deadline=None)
@given(answers(), st.lists(st.integers(0, 1000), max_size=8))
def test_an_answer_is_what_the_standard_library_says_it_is(data: bytes, places: list[int]) -> None:
    with a_bench() as bench:
        heard = bench.heard(cut(data, places), closed=True)

    assert (heard.status, heard.headers, heard.body) == as_the_standard_library_reads_it(data)
    assert heard.end == "whole"
