"""A request's body is read until all of it is there, and not a message longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import TooLarge
from headgate.gateway.http.asgi import ClientGone, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    return await read_json({"headers": [JSON, *headers]}, client, most_bytes=most_bytes, within_s=5.0)


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
