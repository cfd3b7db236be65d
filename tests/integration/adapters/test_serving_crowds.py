"""Whoever comes in a crowd is let in with it, and whoever finds no room when there is some."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from headgate.adapters.serving import listening
from integration.adapters.kit import GET, Client, Serving, get, reply, until

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from integration.adapters.kit import Receive, Send


async def plain(scope: Any, receive: Receive, send: Send) -> None:
    await reply(send, b"here")


async def test_in_a_crowd_that_comes_at_once_everybody_is_served_before_anybody_is_served_thrice(serving: Serving) -> None:
    served: list[str] = []

    async def note(scope: Any, receive: Receive, send: Send) -> None:
        served.append(scope["path"])
        await reply(send)

    await serving.of(note)
    names = [f"/{number}" for number in range(200)]
    crowd = [socket.create_connection(serving.address) for _ in names]  # without a turn of the event loop
    for one, name in zip(crowd, names, strict=True):
        one.sendall(get(name) * 20)

    await until(lambda: len(served) >= 3 * len(crowd))

    assert set(served[: 3 * len(crowd)]) == set(names)
    for one in crowd:
        one.close()
    await until(lambda: not serving.open)


async def test_a_turn_leaves_some_of_a_crowd_to_others_that_listen(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_AT_ONCE", 3)
    await serving.of(plain)
    crowd = [socket.create_connection(serving.address) for _ in range(10)]
    for one in crowd:
        one.sendall(GET)

    for one in crowd:
        one.setblocking(False)
        assert (await Client(one).answer()).body == b"here"
        one.close()


async def test_whoever_has_left_before_being_accepted_is_in_nobodys_way(serving: Serving) -> None:
    await serving.of(plain)
    for _ in range(20):
        socket.create_connection(serving.address).close()
    client = await serving.client()

    assert (await client.ask()).body == b"here"
    await until(lambda: serving.open == 1)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


async def test_where_the_system_has_no_room_an_idle_connection_makes_some(serving: Serving, log: list[Any]) -> None:
    await serving.of(plain)
    idle = await serving.client()
    assert (await idle.ask()).body == b"here"
    newcomer = socket.create_connection(serving.address)
    newcomer.setblocking(False)
    client = Client(newcomer)

    with no_more_files():
        await client.say(GET)
        assert (await client.answer()).body == b"here"

    assert await idle.is_over()
    assert "server.cannot_accept" in {entry["event"] for entry in log}
    client.leave()


async def test_where_the_system_has_no_room_for_a_moment_a_newcomer_waits(serving: Serving, log: list[Any]) -> None:
    await serving.of(plain)
    newcomer = socket.create_connection(serving.address)
    newcomer.setblocking(False)
    client = Client(newcomer)
    await client.say(GET)

    with no_more_files():
        assert await client.quiet(0.3)
    assert (await client.answer()).body == b"here"

    assert 1 <= len([entry for entry in log if entry["event"] == "server.cannot_accept"]) < 10
    client.leave()


async def test_a_server_that_ends_while_it_cannot_accept_ends(serving: Serving) -> None:
    await serving.of(plain)
    newcomer = socket.create_connection(serving.address)

    with no_more_files():
        await asyncio.sleep(0.05)
        await serving.server.close(0.1)
        serving.server._stop_listening()  # again, which is harmless

    assert serving.open == 0
    newcomer.close()


@contextmanager
def no_more_files() -> Generator[None]:
    """Let this process open no file more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
