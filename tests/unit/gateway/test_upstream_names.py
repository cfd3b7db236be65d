"""Names of servers: looked up once for all who wait, remembered for a while, each address first in its turn."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from headgate.gateway.upstream.names import Names

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from headgate.gateway.upstream.names import Address

HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


class Lookups:
    """As much of an event loop as names need, with a clock and a register of its own."""

    def __init__(self) -> None:
        self.asked = 0
        self.now_s = 0.0
        self.known = True
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def time(self) -> float:
        return self.now_s

    def create_task(self, task: Coroutine[Any, Any, list[Address]]) -> asyncio.Task[list[Address]]:
        return asyncio.create_task(task)

    async def getaddrinfo(self, host: str, port: int, **_: int) -> list[Address]:
        self.asked += 1
        await self.may_answer.wait()
        if not self.known:
            raise socket.gaierror(socket.EAI_NONAME, host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in HOSTS]


def names() -> tuple[Names, Lookups]:
    lookups = Lookups()
    return Names(cast("Any", lookups)), lookups


def hosts(addresses: list[Address]) -> list[str]:
    return [address[4][0] for address in addresses]


async def test_an_address_is_not_looked_up() -> None:
    known, lookups = names()

    assert hosts(await known.addresses("127.0.0.1", 80)) == ["127.0.0.1"]
    assert hosts(await known.addresses("::1", 80)) == ["::1"]
    assert lookups.asked == 0


async def test_all_who_wait_for_a_name_wait_for_one_look_up() -> None:
    known, lookups = names()

    found = await asyncio.gather(*(known.addresses("model.test", 80) for _ in range(50)))

    assert lookups.asked == 1
    assert [hosts(addresses) for addresses in found] == [list(HOSTS)] * 50


async def test_whoever_gives_up_takes_the_look_up_from_nobody() -> None:
    known, lookups = names()
    lookups.may_answer.clear()
    first, second = (asyncio.create_task(known.addresses("model.test", 80)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.sleep(0)
    lookups.may_answer.set()

    assert hosts(await second) == list(HOSTS)
    assert lookups.asked == 1


async def test_a_name_is_remembered_for_a_while_and_each_address_comes_first_in_its_turn() -> None:
    known, lookups = names()

    first = [hosts(await known.addresses("model.test", 80))[0] for _ in range(4)]

    assert first == [*HOSTS, HOSTS[0]]
    assert lookups.asked == 1
    lookups.now_s = 11.0
    assert hosts(await known.addresses("model.test", 80)) == list(HOSTS)
    assert lookups.asked == 2


async def test_a_name_that_nobody_knows_is_asked_for_again() -> None:
    known, lookups = names()
    lookups.known = False
    for _ in range(2):
        with pytest.raises(OSError, match=r"model\.test"):
            await known.addresses("model.test", 80)
    lookups.known = True

    assert hosts(await known.addresses("model.test", 80)) == list(HOSTS)
    assert lookups.asked == 3


async def test_what_is_no_name_is_an_error_that_is_expected() -> None:
    known = Names(asyncio.get_running_loop())

    for host in ("x" * 70, "a..b", "nobody.invalid"):
        with pytest.raises((OSError, ValueError)):
            await known.addresses(host, 80)


async def test_names_are_not_remembered_without_bound() -> None:
    known, lookups = names()

    for number in range(3000):
        await known.addresses(f"{number}.test", 80)

    assert lookups.asked == 3000
    assert len(known._found) <= 1024


async def test_who_waits_when_names_are_closed_waits_no_longer() -> None:
    known, lookups = names()
    lookups.may_answer.clear()
    waiting = asyncio.create_task(known.addresses("model.test", 80))
    await asyncio.sleep(0)

    known.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
