"""The console over a house of its own, asked in process: no browser, no socket, the real services and the real database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from headgate.access.model import SignedInBy
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.kernel.actor import Role
from headgate.kernel.ids import StaffId
from headgate.testing.console import console_of
from headgate.testing.homes import empty_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.applications import Starlette

    from headgate.kernel.actor import Actor

ORIGIN = "http://127.0.0.1"
PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'
"""A name that would do something if a page took it for markup."""


@dataclass(slots=True)
class Desk:
    """Somebody of the staff at the console.

    Attributes:
        http: Their browser, as far as it matters here.
        actor: Who they are.
    """

    http: httpx.AsyncClient
    actor: Actor

    async def see(self, path: str, expect: int = 200) -> str:
        """Return a page."""
        response = await self.http.get(f"/console{path}")
        assert response.status_code == expect, response.text
        return response.text

    async def proof(self) -> str:
        """Return the proof that stands in the forms of this session's pages."""
        found = re.search(r'name="proof" value="([^"]+)"', await self.see("/ledger"))
        assert found is not None
        return found[1]

    async def do(self, path: str, files: Any = None, expect: int = 303, **fields: Any) -> httpx.Response:
        """Send a command from a page of theirs."""
        data = {"proof": await self.proof(), **fields}
        response = await self.http.post(f"/console{path}", data=data, files=files, headers={"origin": ORIGIN})
        assert response.status_code == expect, response.text
        return response


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation without processes."""
    home = empty_home(tmp_path_factory.mktemp("console") / "data")
    opened = open_house(home, load(home.root, {}))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def application(house: House) -> Starlette:
    return console_of(house)


@pytest.fixture(scope="module")
def first(house: House) -> Actor:
    """The first member of staff, who may do everything that any role may."""
    member = house.access.first_staff("Root", roles=list(Role)).of
    return house.access.sessions.resume(house.access.sessions.begin(member.id, SignedInBy.LINK).secret).actor


@pytest.fixture
async def seat(house: House, application: Starlette, first: Actor) -> AsyncIterator[Callable[..., Desk]]:
    """Makes members of staff with roles, and signs them in."""
    seated: list[Desk] = []

    def sit(*roles: Role) -> Desk:
        member = house.access.staff.add("Somebody", roles=roles, by=first).of.id if roles else StaffId(first.id)
        cookie = house.access.sessions.begin(member, SignedInBy.LINK).secret
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url=ORIGIN, headers={"accept": "text/html"}, trust_env=False
        )
        http.cookies.set("headgate", cookie)
        desk = Desk(http, house.access.sessions.resume(cookie).actor)
        seated.append(desk)
        return desk

    yield sit
    for each in seated:
        await each.http.aclose()


@pytest.fixture
def root(seat: Callable[..., Desk]) -> Desk:
    """The first member of staff, signed in."""
    return seat()
