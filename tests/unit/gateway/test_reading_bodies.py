"""A request's body is read until all of it is there, and not a message longer."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import Overloaded, TooLarge, TooSlow, WrongContentType
from headgate.gateway.http import intake as gateway_intake
from headgate.gateway.http.asgi import ClientGone
from headgate.gateway.http.intake import Intake
from headgate.gateway.model import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

JSON = (b"content-type", b"application/json")
CHUNKED = (b"transfer-encoding", b"chunked")


class Client:
    """Sends a body in pieces, and nothing that it is not asked for."""

    def __init__(self, pieces: Sequence[bytes], *, gone: bool = False) -> None:
        self.messages: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        self.messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return self.messages.pop(0)


async def body_of(client: Client, *headers: tuple[bytes, bytes], most_bytes: int = 1000) -> bytes:
    with intake(most_bytes=most_bytes).of("acc_1") as taking:
        return await taking.json({"headers": [JSON, *headers]}, client)


def intake(*, most_bytes: int = 1000, within_s: float = 5.0, **settings: Any) -> Intake:
    return Intake(Settings("w1", b"", max_body_bytes=most_bytes, body_s=within_s, **settings))


def announcing(pieces: Sequence[bytes]) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % sum(map(len, pieces))


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8))
async def test_nobody_is_asked_for_more_than_was_announced(pieces: list[bytes]) -> None:
    client = Client(pieces)

    assert await body_of(client, announcing(pieces)) == b"".join(pieces)
    assert client.asked == len(pieces)


@given(st.lists(st.binary(max_size=40), max_size=8), st.booleans())
async def test_what_is_not_announced_alone_is_read_to_its_end(pieces: list[bytes], announced_too: bool) -> None:
    client = Client(pieces)
    headers = [CHUNKED, (b"content-length", b"1")] if announced_too else [CHUNKED]

    assert await body_of(client, *headers) == b"".join(pieces)
    assert client.asked == len(pieces) + 1


async def test_a_client_that_leaves_before_all_of_it_is_there_is_gone() -> None:
    with pytest.raises(ClientGone):
        await body_of(Client([b"{"], gone=True), (b"content-length", b"2"))


@pytest.mark.parametrize("headers", [(), (CHUNKED,), (CHUNKED, (b"content-length", b"9"))])
async def test_what_is_too_large_is_refused_whatever_it_was_announced_as(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(TooLarge):
        await body_of(Client([b"x" * 9, b"x"]), *headers, most_bytes=9)


async def test_what_is_announced_as_too_large_is_not_even_asked_for() -> None:
    client = Client([b"x"])
    with pytest.raises(TooLarge):
        await body_of(client, (b"content-length", b"10"), most_bytes=9)

    assert client.asked == 0


@pytest.mark.parametrize("come", [0, 2])
async def test_a_body_that_does_not_come_in_time_is_not_waited_for(come: int) -> None:
    client = Client([b"{"] * come)

    async def late() -> dict[str, Any]:
        if client.asked == come:
            await asyncio.Event().wait()
        return await client()

    with pytest.raises(TooSlow):
        await intake(within_s=0.01).of("acc_1").json({"headers": [JSON]}, late)


async def test_of_a_header_that_stands_twice_the_first_is_read() -> None:
    text = (b"content-type", b"text/plain")

    assert await intake().of("acc_1").json({"headers": [JSON, text]}, Client([b"{}"])) == b"{}"
    with pytest.raises(WrongContentType):
        await intake().of("acc_1").json({"headers": [text, JSON]}, Client([b"{}"]))


KIB = 1024


def tell(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


async def test_large_bodies_hold_room_until_they_are_left_and_of_one_account_a_quarter_at_most() -> None:
    taken_in = intake(most_bytes=200 * KIB, max_undecided_bytes=800 * KIB)
    headers = {"headers": [JSON, tell(100 * KIB)]}

    def large() -> Client:
        return Client([b"x" * 50 * KIB, b"x" * 50 * KIB])

    with taken_in.of("acc_1") as first, taken_in.of("acc_1") as second:
        await first.json(headers, large())
        await second.json(headers, large())
        with pytest.raises(Overloaded), taken_in.of("acc_1") as third:
            await third.json(headers, large())
        with taken_in.of("acc_2") as others:
            await others.json(headers, large())
        with taken_in.of("acc_1") as small:
            await small.json({"headers": [JSON, tell(60 * KIB)]}, Client([b"x" * 60 * KIB]))
        assert taken_in.room.held == 200 * KIB
    with taken_in.of("acc_1") as again:
        await again.json(headers, large())
    assert taken_in.room.held == 0


async def test_what_a_body_becomes_when_it_is_decompressed_counts_too() -> None:
    packed = gzip.compress(b"x" * 200 * KIB)
    headers = {"headers": [JSON, tell(len(packed)), (b"content-encoding", b"gzip")]}
    taken_in = intake(most_bytes=200 * KIB, max_undecided_bytes=200 * KIB)
    with taken_in.of("acc_1") as first:
        await first.json(headers, Client([packed]))
        with pytest.raises(Overloaded), taken_in.of("acc_2") as second:
            await second.json(headers, Client([packed]))
    assert taken_in.room.held == 0


async def test_all_room_together_is_bounded_as_well() -> None:
    taken_in = intake(most_bytes=100 * KIB, max_undecided_bytes=200 * KIB)
    headers = {"headers": [JSON, tell(100 * KIB)]}
    with taken_in.of("acc_1") as one, taken_in.of("acc_2") as two:
        await one.json(headers, Client([b"x" * 100 * KIB]))
        await two.json(headers, Client([b"x" * 100 * KIB]))
        with pytest.raises(Overloaded), taken_in.of("acc_3") as three:
            await three.json(headers, Client([b"x" * 100 * KIB]))


async def test_of_one_account_a_quarter_of_the_places_are_waited_for_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_intake, "_AT_ONCE_S", 0.02)
    taken_in = intake(max_in_flight=32)  # so 16 may be on their way, 4 of one account
    news = asyncio.Event()

    async def slow() -> dict[str, Any]:
        await news.wait()
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def read(whose: str, receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes:
        with taken_in.of(whose) as taking:
            return await taking.json({"headers": [JSON]}, receive)

    async def soon() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    waiting = [asyncio.create_task(read("acc_1", slow)) for _ in range(4)]
    await until(lambda: taken_in.places.held == 4)
    with pytest.raises(Overloaded):
        await read("acc_1", slow)
    assert await read("acc_1", Client([b"{}"])) == b"{}"
    assert await read("acc_1", soon) == b"{}", "what comes at once takes up no place"
    waiting += [asyncio.create_task(read(f"acc_{number % 3 + 2}", slow)) for number in range(12)]
    await until(lambda: taken_in.places.held == 16)
    with pytest.raises(Overloaded):
        await read("acc_5", slow)
    waiting.pop().cancel()
    await until(lambda: taken_in.places.held == 15)
    waiting.append(asyncio.create_task(read("acc_5", slow)))
    await until(lambda: taken_in.places.held == 16)
    news.set()
    assert await asyncio.gather(*waiting) == [b"{}"] * 16
    assert taken_in.places.held == 0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)
