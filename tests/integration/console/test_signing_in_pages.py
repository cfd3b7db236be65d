"""Signing in, one's own page, confirming and staff, as browsers ask for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from headgate.access.model import SignedInBy
from headgate.bootstrap.faces import console
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.console.application import AT
from headgate.console.browsers import browser_of
from headgate.kernel.actor import Role
from headgate.look.assets import Assets
from headgate.look.pages import Pages
from headgate.testing.authenticator import Authenticator
from headgate.testing.homes import empty_home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = {"origin": "http://127.0.0.1"}
PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'


async def with_passkey(desk: Any, house: House, credential_id: bytes) -> Authenticator:
    """Add a passkey for somebody, as their page does."""
    device = Authenticator(house.settings.origin, credential_id=credential_id)
    asked = (await desk.do("/me/passkeys/ask", expect=200)).json()
    answer = device.make(asked["options"])
    added = await desk.do("/me/passkeys/add", attempt=asked["attempt"], answer=answer, name=PAYLOAD)
    assert added.headers["location"] == "/console/me"
    return device


async def test_a_passkey_signs_in_and_the_attempt_is_forgotten(house: House, root: Any, application: Starlette) -> None:
    device = await with_passkey(root, house, b"first")
    shown = await root.see("/me")
    assert PAYLOAD not in shown
    assert "&lt;script&gt;alert(1)" in shown
    usual: dict[str, Any] = {"base_url": "http://127.0.0.1", "headers": {"accept": "text/html"}, "trust_env": False}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), **usual) as stranger:
        asked = await stranger.post("/console/sign-in/passkey/ask", headers=HERE)
        answer = device.use(asked.json()["options"])
        fields = {"answer": answer, "to": "/console/me"}
        entered = await stranger.post("/console/sign-in/passkey", data=fields, headers=HERE)
        assert (entered.status_code, entered.headers["location"]) == (303, "/console/me")
        assert "headgate-attempt" not in stranger.cookies
        assert (await stranger.get("/console/me")).status_code == 200
        again = await stranger.post("/console/sign-in/passkey", data=fields, headers=HERE)
        assert again.status_code == 401
        assert "Begin again." in again.text


async def test_confirming_by_a_passkey_gives_the_session_a_new_text_and_leads_back(house: House, root: Any) -> None:
    device = await with_passkey(root, house, b"second")
    before = root.http.cookies["headgate"]
    asked = (await root.do("/confirm/passkey/ask", expect=200)).json()
    answer = device.use(asked["options"])
    done = await root.do("/confirm/passkey", attempt=asked["attempt"], answer=answer, to="/console/staff")
    assert done.headers["location"] == "/console/staff"
    assert re.findall(r"headgate=(hgb_\w+)", done.headers["set-cookie"]) not in ([], [before])
    refused = await root.do("/confirm/passkey", attempt=asked["attempt"], answer=answer, to="https://x.example", expect=401)
    assert 'value="/console/"' in refused.text, "a page that is not ours is not gone to"


async def test_who_has_only_a_link_confirms_with_a_fresh_one(house: House, seat: Callable[..., Any]) -> None:
    noor = seat(Role.ADMIN)
    assert "A fresh sign-in link of yours" in await noor.see("/confirm?to=/console/staff")
    link = house.access.sessions.invite(noor.actor.id, by=noor.actor).secret
    await noor.do("/confirm/link", link="http://localhost/console/sign-in#nonsense", expect=401)
    done = await noor.do("/confirm/link", link=f"http://localhost/console/sign-in#{link}", to="/console/staff")
    assert done.headers["location"] == "/console/staff"


async def test_a_passkey_is_removed_on_a_page_of_its_own(house: House, seat: Callable[..., Any]) -> None:
    noor, ida = seat(Role.AUDITOR), seat(Role.AUDITOR)
    await with_passkey(noor, house, b"third")
    removal = re.findall(r"/me/passkeys/psk_\w+/remove", await noor.see("/me"))[0]
    assert "your sessions that it began or confirmed end" in await noor.see(removal)
    await ida.see(removal, expect=404)
    await ida.do(removal, expect=404)
    await noor.do(removal)
    assert "You have no passkey." in await noor.see("/me")


async def test_a_passkey_is_given_another_name_by_its_owner(house: House, seat: Callable[..., Any]) -> None:
    noor, ida = seat(Role.AUDITOR), seat(Role.AUDITOR)
    await with_passkey(noor, house, b"named")
    naming = re.findall(r"/me/passkeys/psk_\w+/rename", await noor.see("/me"))[0]
    assert "&lt;script&gt;alert(1)" in await noor.see(naming)
    await ida.see(naming, expect=404)
    await ida.do(naming, name="mine", expect=404)
    refused = (await noor.do(naming, name="\x07", expect=400)).text
    assert 'role="alert"' in refused
    await noor.do(naming, name=f"Laptop {PAYLOAD}")
    shown = await noor.see("/me")
    assert "Laptop &lt;script&gt;alert(1)" in shown
    assert PAYLOAD not in shown


async def test_whoever_manages_staff_removes_somebodys_passkey_and_what_rests_on_it_ends(
    house: House, seat: Callable[..., Any], root: Any
) -> None:
    noor, auditor = seat(Role.AUDITOR), seat(Role.AUDITOR)
    device = await with_passkey(noor, house, b"theirs")
    question = (await noor.do("/confirm/passkey/ask", expect=200)).json()
    await noor.do("/confirm/passkey", attempt=question["attempt"], answer=device.use(question["options"]), to="/console/me")
    page = await root.see(f"/staff/{noor.actor.id}")
    assert PAYLOAD not in page
    removal = re.findall(r"/staff/stf_\w+/passkeys/psk_\w+/remove", page)[0]
    assert "their sessions that it began or confirmed end" in await root.see(removal)
    await auditor.see(removal, expect=403)
    await auditor.do(removal, reason="mine", expect=403)
    assert "A reason is one printable line" in (await root.do(removal, reason="", expect=400)).text
    done = await root.do(removal, reason="their telephone was stolen")
    assert done.headers["location"] == f"/console/staff/{noor.actor.id}"
    assert "1 session that rested on it ended" in await root.see(f"/staff/{noor.actor.id}")
    assert (await noor.http.get("/console/me")).headers["location"].startswith("/console/sign-in")
    await root.see(removal, expect=404)


async def test_the_only_one_who_manages_staff_is_told_why_a_last_passkey_stays(tmp_path: Path, root: Any) -> None:
    home = empty_home(tmp_path / "data")
    house = open_house(home, load(home.root, {}))
    try:
        member = house.access.first_staff("Root", roles=[Role.ADMIN]).of
        cookie = house.access.sessions.begin(member.id, SignedInBy.LINK).secret
        pages = Pages("headgate.console", assets=Assets("headgate.look", "headgate.console"))
        served = Starlette(routes=[Mount(AT, console(house, pages))])
        usual: dict[str, Any] = {"base_url": "http://127.0.0.1", "headers": {"accept": "text/html"}, "trust_env": False}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), **usual) as http:
            http.cookies.set("headgate", cookie)
            only = type(root)(http, house.access.sessions.resume(cookie).actor)
            await with_passkey(only, house, b"only")
            removal = re.findall(r"/me/passkeys/psk_\w+/remove", await only.see("/me"))[0]
            refused = await only.do(removal, expect=403)
            assert "the last way in of the only one who may manage staff" in refused.text
            assert 'role="alert"' in refused.text
    finally:
        house.close()


async def test_who_has_signed_out_is_told_so_once(seat: Callable[..., Any]) -> None:
    noor = seat(Role.AUDITOR)
    left = await noor.do("/sign-out")
    assert left.headers["location"] == "/console/sign-in"
    assert "You are signed out." in await noor.see("/sign-in")
    assert "You are signed out." not in await noor.see("/sign-in")


async def test_a_script_is_told_what_went_wrong_in_the_form_that_the_api_has(seat: Callable[..., Any]) -> None:
    noor = seat(Role.AUDITOR)
    told = await noor.http.get("/console/staff", headers={"accept": "application/json"})
    assert (told.status_code, told.headers["content-type"]) == (403, "application/problem+json")
    assert told.json() | {"type": "about:blank", "title": "Forbidden", "status": 403} == told.json()
    assert {"code", "detail"} <= set(told.json())
    lost = (await noor.http.get("/console/nowhere", headers={"accept": "application/json"})).json()
    assert (lost["status"], lost["code"]) == (404, "route.unknown")


async def test_what_is_no_passkey_is_said_to_be_none_and_the_name_is_kept(root: Any) -> None:
    asked = (await root.do("/me/passkeys/ask", expect=200)).json()
    page = await root.do("/me/passkeys/add", attempt=asked["attempt"], answer="{}", name="Key <b>", expect=400)
    assert 'value="Key &lt;b&gt;"' in page.text
    assert 'role="alert"' in page.text


async def test_sessions_are_ended_one_by_one_and_all_at_once(house: House, seat: Callable[..., Any]) -> None:
    noor = seat(Role.AUDITOR)
    other = house.access.sessions.begin_by_link(
        house.access.sessions.invite(noor.actor.id, by=seat(Role.ADMIN).actor).secret, browser="Firefox on Linux"
    )
    assert "Firefox on Linux" in await noor.see("/me")
    await noor.do(f"/me/sessions/{other.of.id}/end")
    await noor.do(f"/me/sessions/{other.of.id}/end", expect=404)
    assert "Firefox on Linux" not in await noor.see("/me")
    await noor.do("/me/sessions/end")
    assert (await noor.http.get("/console/me")).headers["location"].startswith("/console/sign-in")


async def test_somebody_is_added_with_a_link_and_no_token_is_shown(house: House, root: Any, application: Starlette) -> None:
    page = (await root.do("/staff/add", name=PAYLOAD, role=["auditor", "board", "emperor"], expect=200)).text
    assert "hgs_" not in page
    assert PAYLOAD not in page
    link = re.findall(r"http://localhost:8900/console/sign-in#(hgl_\w+)", page)
    assert len(link) == 1
    member = house.access.sessions.begin_by_link(link[0]).of.staff_id
    assert house.access.staff.get(member, by=root.actor).roles == {Role.AUDITOR, Role.BOARD}
    assert PAYLOAD not in await root.see(f"/staff/{member}")
    assert PAYLOAD not in await root.see("/staff")


@pytest.mark.parametrize(
    ("fields", "said"), [({"name": "Ida"}, "at least one role"), ({"name": "", "role": "board"}, "printable")]
)
async def test_whoever_cannot_be_added_is_told_why_and_nothing_is_lost(root: Any, fields: dict[str, str], said: str) -> None:
    page = (await root.do("/staff/add", **fields, expect=400)).text
    assert said in page
    assert f'value="{fields["name"]}"' in page


async def test_revoking_asks_for_a_reason_and_ends_everything(house: House, root: Any, seat: Callable[..., Any]) -> None:
    noor = seat(Role.AUDITOR)
    at = f"/staff/{noor.actor.id}/revoke"
    assert "1 open session of theirs ends" in await root.see(at)
    assert "reason" in (await root.do(at, reason=" ", expect=400)).text
    done = await root.do(at, reason="left the project")
    assert done.headers["location"] == "/console/staff"
    assert (await noor.http.get("/console/")).status_code == 303
    assert "Take their rights away" not in await root.see(f"/staff/{noor.actor.id}")
    await root.see("/staff/stf_nobody", expect=404)


async def test_the_list_of_staff_goes_by_pages(root: Any, house: House) -> None:
    for number in range(52):
        house.access.staff.add(f"Reader {number}", roles=[Role.AUDITOR], by=root.actor)
    first = await root.see("/staff")
    onwards = re.findall(r'href="/console(/staff\?after=\w+)"', first)[0]
    second = await root.see(onwards)
    assert first.count('<th scope="row">') == 50
    assert 2 <= second.count('<th scope="row">') <= 50
    assert not set(re.findall(r"/staff/(stf_\w+)", first)) & set(re.findall(r"/staff/(stf_\w+)", second))


async def test_without_a_provider_nobody_is_sent_to_one(root: Any) -> None:
    assert "organisation" not in await root.see("/sign-in")
    await root.do("/me/provider/link", expect=404)
    await root.do("/confirm/provider", expect=404)
    assert (await root.http.post("/console/sign-in/provider", data={}, headers=HERE)).status_code == 404
    assert (await root.http.get("/console/sign-in/back?state=x&code=y")).status_code == 404


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36", "Chrome on Android"),
        ("<script>", "another program"),
        ("", "another program"),
    ],
)
def test_a_browser_is_called_as_its_owner_would(line: str, name: str) -> None:
    scope = {"type": "http", "headers": [(b"user-agent", line.encode())], "client": ("192.0.2.7", 1)}
    assert browser_of(Request(scope)) == f"{name}, from 192.0.2.7"
