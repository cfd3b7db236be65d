"""Somebody of the staff at the console, asked in process: no browser and no socket, the real services and the real database."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from headgate.access.model import SignedInBy
from headgate.bootstrap.faces import console
from headgate.console.application import AT
from headgate.kernel.actor import Role
from headgate.kernel.ids import StaffId
from headgate.look.assets import Assets
from headgate.look.pages import Pages

if TYPE_CHECKING:
    from headgate.bootstrap.wiring import House
    from headgate.kernel.actor import Actor

ORIGIN = "http://127.0.0.1"
_PROOF = re.compile(r'name="proof" value="([^"]+)"')


@dataclass(slots=True)
class Seat:
    """Somebody who is signed in.

    Attributes:
        http: Their browser, as far as it matters here.
        actor: Who they are.
        proof: What stands in the forms of their pages.
    """

    http: httpx.AsyncClient
    actor: Actor
    proof: str

    async def see(self, path: str, expect: int = 200) -> str:
        """Return a page.

        Args:
            path: Its address under the console.
            expect: The status that must come back.
        """
        response = await self.http.get(f"/console{path}")
        assert response.status_code == expect, response.text
        return response.text

    async def do(self, path: str, expect: int = 303, *, files: Any = None, **fields: Any) -> httpx.Response:
        """Send a command from a page of theirs.

        Args:
            path: Its address under the console.
            expect: The status that must come back.
            files: Files of the form.
            **fields: Its other fields.
        """
        data = {"proof": self.proof, **fields}
        response = await self.http.post(f"/console{path}", data=data, files=files, headers={"origin": ORIGIN})
        assert response.status_code == expect, response.text
        return response

    async def call(self, path: str, **fields: Any) -> str:
        """Send a command as a page's script does, and return what comes back."""
        return (await self.do(path, 200, **{**fields, "as": "script"})).text


def console_of(house: House) -> Starlette:
    """Return the staff's pages over a house."""
    return Starlette(routes=[Mount(AT, console(house, _pages()))])


@functools.cache
def _pages() -> Pages:
    """Return the pages, whose templates are the same over every house and are read once."""
    return Pages("headgate.console", assets=Assets("headgate.look", "headgate.console"))


def first_of(house: House) -> Actor:
    """Enter the first member of staff, who holds every role, into an empty installation."""
    member = house.access.first_staff("Root", roles=list(Role)).of
    return house.access.sessions.resume(house.access.sessions.begin(StaffId(member.id), SignedInBy.LINK).secret).actor


def seated(house: House, first: Actor, *roles: Role, name: str = "Somebody") -> Seat:
    """Enter a member of staff with some roles, and sign them in; without roles, sign the first one in.

    Args:
        house: The installation.
        first: Who enters them.
        *roles: What they are.
        name: What they are called.
    """
    member = house.access.staff.add(name, roles=roles, by=first).of.id if roles else first.id
    secret = house.access.sessions.begin(StaffId(member), SignedInBy.LINK).secret
    resumed = house.access.sessions.resume(secret)
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(console_of(house)), base_url=ORIGIN, headers={"accept": "text/html"}, trust_env=False
    )
    http.cookies.set("headgate", secret)
    return Seat(http, resumed.actor, house.access.sessions.page_proof(resumed.session))


def proof_in(page: str) -> str:
    """Return the proof that stands in a page's forms."""
    found = _PROOF.search(page)
    assert found is not None, "the page has no form"
    return found[1]
