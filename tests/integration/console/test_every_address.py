"""Whoever may not is refused, at every address of the console: walked from the very tables that are served.

Nothing here names an address: whatever somebody adds to the tables is walked, too. What is refused leaves no entry on the ledger.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from headgate.access.model import SignedInBy
from headgate.bootstrap.faces import console, console_tables, desks_of
from headgate.bootstrap.http import status_of
from headgate.bootstrap.settings import Settings
from headgate.bootstrap.wiring import House, open_house
from headgate.console.application import AT, CONFIRM, SIGN_IN, Console
from headgate.console.door import Door
from headgate.console.pages import sign_in
from headgate.console.visit import Deed, Screen, Visit, within
from headgate.kernel.actor import PERMISSIONS, Actor, Permission, Role
from headgate.look.assets import Assets
from headgate.look.headers import PRIVATE
from headgate.look.pages import Pages
from headgate.testing.homes import empty_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


ORIGIN = "http://localhost:8900"
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAGE, SCRIPT = "text/html", "application/json"
Row: TypeAlias = Screen | Deed


@dataclass
class Hands:
    """A clock whose hands a test moves."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass
class Walk:
    """The console, and somebody who goes through its addresses."""

    house: House
    clock: Hands
    pages: Pages
    client: TestClient
    rows: list[Row]
    everything: Actor = field(default_factory=lambda: Actor.system("test", *Permission))

    @property
    def deeds(self) -> list[Deed]:
        return [row for row in self.rows if isinstance(row, Deed)]

    @property
    def screens(self) -> list[Screen]:
        return [row for row in self.rows if isinstance(row, Screen)]

    def somebody(self, *roles: Role, name: str = "Noor") -> tuple[str, str, str]:
        """Enter a member of staff, and return who they are, their cookie and the proof that their pages carry."""
        member = self.house.access.staff.add(name, roles=roles or tuple(Role), by=self.everything).of
        return member.id, *self.signed_in(member.id)

    def signed_in(self, member: Any) -> tuple[str, str]:
        issued = self.house.access.sessions.begin(member, SignedInBy.PASSKEY)
        return issued.secret, self.house.access.sessions.page_proof(issued.of)

    def call(
        self,
        row: Row,
        cookie: str | None,
        proof: str | None = None,
        *,
        accept: str = SCRIPT,
        method: str | None = None,
        **headers: Any,
    ) -> Any:
        """Call an address as a page of ours would, but for what is said otherwise; ``None`` leaves a header out."""
        usual: dict[str, str | None] = {"accept": accept, "origin": ORIGIN, "sec-fetch-site": "same-origin"}
        usual["cookie"] = None if cookie is None else f"headgate={cookie}"
        sent = {name: value for name, value in (usual | _dashed(headers)).items() if value is not None}
        method = method or ("GET" if isinstance(row, Screen) else "POST")
        data = {"proof": proof} if method == "POST" and proof is not None else None
        return self.client.request(method, path_of(row), headers=sent, data=data)

    def recorded(self) -> int:
        return self.house.ledger.head().size


def _dashed(headers: dict[str, str | None]) -> dict[str, str | None]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def path_of(row: Row) -> str:
    return AT + re.sub(r"\{\w+(:int)?(:\w+)?\}", lambda match: "7" if match[1] else "01JD8E0000ABCDEFGHJKMNPQRS", row.path)


def told(response: Any) -> tuple[int, str | None]:
    return response.status_code, response.json().get("code") if "json" in response.headers["content-type"] else None


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    clock = Hands()
    house = open_house(empty_home(tmp_path_factory.mktemp("walk") / "data"), Settings(), clock=clock)
    pages = Pages("headgate.console", "headgate.portal", assets=Assets("headgate.look", "headgate.console", "headgate.portal"))
    rows = [row for table in console_tables(desks_of(house)) for row in table]
    app = Starlette(routes=[Mount(AT, console(house, pages))])
    with TestClient(app, base_url=ORIGIN, follow_redirects=False, raise_server_exceptions=False) as client:
        yield Walk(house, clock, pages, client, rows)
    house.close()


def assert_refused(walk: Walk, rows: Sequence[Row], expected: tuple[int, str], call: Callable[[Row], Any]) -> None:
    """Hold every row to one refusal, none of which is written down."""
    before = walk.recorded()
    wrong = {f"{type(row).__name__} {row.path}": found for row in rows if (found := told(call(row))) != expected}
    assert rows, "there is something to walk"
    assert wrong == {}
    assert walk.recorded() == before, "what was refused has changed nothing"


def test_there_is_something_to_walk(walk: Walk) -> None:
    assert len(walk.screens) > 5
    assert len(walk.deeds) > 10
    assert any(row.confirmed for row in walk.screens)
    assert any(row.confirmed for row in walk.deeds)
    assert len({(type(row), row.path) for row in walk.rows}) == len(walk.rows), "no address is served twice"


def test_who_is_not_signed_in_is_refused_everywhere(walk: Walk) -> None:
    assert_refused(walk, walk.rows, (401, "session.over"), lambda row: walk.call(row, None))
    assert_refused(walk, walk.rows, (401, "session.malformed"), lambda row: walk.call(row, "hgb_something"))
    for row in walk.screens:
        sent = walk.call(row, None, accept=PAGE)
        assert (sent.status_code, sent.headers["location"]) == (303, f"{SIGN_IN}?to={quote(path_of(row), safe='')}")


def test_a_staff_token_is_no_session_and_a_session_is_no_staff_token(walk: Walk) -> None:
    issued = walk.house.access.staff.add("Ida", roles=[Role.ADMIN], by=walk.everything)
    assert_refused(walk, walk.rows, (401, "session.malformed"), lambda row: walk.call(row, issued.secret))
    bearer = {"authorization": f"Bearer {issued.secret}"}
    assert_refused(walk, walk.rows, (401, "session.over"), lambda row: walk.call(row, None, **bearer))


def test_an_idle_an_old_and_an_ended_session_are_refused_everywhere(walk: Walk) -> None:
    _, idle, proof = walk.somebody()
    walk.clock.at += 30 * MINUTE
    assert_refused(walk, walk.rows, (401, "session.over"), lambda row: walk.call(row, idle, proof))
    member, ended, proof = walk.somebody()
    walk.house.access.sessions.end_all(member, by=walk.everything)  # pyright: ignore[reportArgumentType] - an identifier
    assert_refused(walk, walk.rows, (401, "session.over"), lambda row: walk.call(row, ended, proof))


def test_somebody_who_was_revoked_is_refused_everywhere(walk: Walk) -> None:
    walk.somebody(Role.ADMIN)
    member, cookie, proof = walk.somebody()
    walk.house.access.staff.revoke(member, reason="left", by=walk.everything)  # pyright: ignore[reportArgumentType]
    assert_refused(walk, walk.rows, (403, "staff.revoked"), lambda row: walk.call(row, cookie, proof))


@pytest.mark.parametrize("role", Role)
def test_a_role_is_refused_whatever_it_does_not_hold_the_permission_for(walk: Walk, role: Role) -> None:
    _, cookie, proof = walk.somebody(role)
    lacking = [row for row in walk.rows if row.needs not in PERMISSIONS[role]]
    if role is Role.ADMIN:
        assert all(row.needs is not Permission.STAFF for row in lacking)
    else:
        assert_refused(walk, lacking, (403, "forbidden"), lambda row: walk.call(row, cookie, proof))


def test_a_command_needs_the_proof_of_a_page_of_its_own_session(walk: Walk) -> None:
    member, cookie, proof = walk.somebody()
    _, others = walk.signed_in(member)
    for wrong in (None, "", "00" * 32, "not hexadecimal", proof[:-2], proof.upper() + "0", others):
        assert_refused(walk, walk.deeds, (403, "session.forged"), lambda row, wrong=wrong: walk.call(row, cookie, wrong))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": "https://elsewhere.example"},
        {"origin": f"{ORIGIN}.elsewhere.example"},
        {"origin": "http://localhost"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
    ],
    ids=str,
)
def test_a_command_must_come_from_a_page_of_this_place(walk: Walk, headers: dict[str, Any]) -> None:
    _, cookie, proof = walk.somebody()
    assert_refused(walk, walk.deeds, (403, "session.forged"), lambda row: walk.call(row, cookie, proof, **headers))


def test_what_is_dangerous_needs_a_proof_of_the_last_five_minutes(walk: Walk) -> None:
    _, cookie, proof = walk.somebody()
    walk.clock.at += 5 * MINUTE
    dangerous = [row for row in walk.rows if row.confirmed]
    assert_refused(walk, dangerous, (403, "session.verification_due"), lambda row: walk.call(row, cookie, proof))
    for row in dangerous:
        late = walk.call(row, cookie, proof, accept=PAGE, referer=f"{ORIGIN}{AT}/staff?after=x")
        match row:
            case Screen():
                assert (late.status_code, late.headers["location"]) == (303, f"{CONFIRM}?to={quote(path_of(row), safe='')}")
            case Deed():
                assert late.status_code == 403
                assert f'href="{CONFIRM}?to=/console/staff%3Fafter%3Dx"' in late.text, "and back to where it was asked for"


def test_a_late_command_leads_back_to_nowhere_else(walk: Walk) -> None:
    _, cookie, proof = walk.somebody()
    walk.clock.at += 5 * MINUTE
    deed = next(deed for deed in walk.deeds if deed.confirmed)
    for referer in ("https://elsewhere.example/console/staff", f"{ORIGIN}/api/staff", "", f"{ORIGIN}{AT}/../api"):
        late = walk.call(deed, cookie, proof, accept=PAGE, referer=referer)
        assert re.findall(rf'href="{CONFIRM}\?to=([^"]*)"', late.text)[0] in {"/console/", "/console/staff"}


def test_nothing_is_changed_by_looking_and_nothing_shown_by_commanding(walk: Walk) -> None:
    _, cookie, proof = walk.somebody()
    shown, done = {row.path for row in walk.screens}, {row.path for row in walk.deeds}
    concrete = {path_of(row) for row in walk.screens}, {path_of(row) for row in walk.deeds}
    looks = [deed for deed in walk.deeds if deed.path not in shown and path_of(deed) not in concrete[0]]
    commands = [screen for screen in walk.screens if screen.path not in done and path_of(screen) not in concrete[1]]
    before = walk.recorded()
    for deed in looks:
        assert walk.call(deed, cookie, method="GET").status_code in {404, 405}, deed.path
    for screen in commands:
        assert walk.call(screen, cookie, proof, method="POST").status_code in {404, 405}, screen.path
    assert walk.recorded() == before


def test_every_answer_carries_the_headers_of_a_private_page(walk: Walk) -> None:
    _, cookie, proof = walk.somebody()
    answers = [
        walk.call(row, who, proof, accept=accept) for row in walk.screens for who in (cookie, None) for accept in (PAGE, SCRIPT)
    ]
    answers += [walk.call(deed, cookie, "00" * 32, accept=accept) for deed in walk.deeds for accept in (PAGE, SCRIPT)]
    for path in ("/no-such-page", "/sign-in", "/sign-in/back?state=x&code=y"):
        for accept in (PAGE, SCRIPT):
            answers.append(walk.client.get(AT + path, headers={"accept": accept}))
    answers += [walk.call(screen, cookie, method="PUT") for screen in walk.screens]
    seen = {answer.status_code for answer in answers}
    assert {200, 303, 401, 403, 404, 405} <= seen, seen
    for answer in answers:
        assert {name: answer.headers.get(name) for name in PRIVATE} == PRIVATE, (answer.status_code, str(answer.url))


def test_what_nobody_foresaw_carries_the_headers_too_and_says_nothing(walk: Walk) -> None:
    def broken(visit: Visit) -> Any:
        raise ZeroDivisionError("the secret of the database")

    desks, door = desks_of(walk.house), Door(walk.house.access.sessions, ORIGIN)
    made = Console(desks, door, walk.pages, status_of=status_of).application([(Screen("/broken", broken, Permission.VIEW),)])
    _, cookie, _ = walk.somebody()
    with TestClient(Starlette(routes=[Mount(AT, made)]), base_url=ORIGIN, raise_server_exceptions=False) as client:
        for accept in (PAGE, SCRIPT):
            answer = client.get(f"{AT}/broken", headers={"accept": accept, "cookie": f"headgate={cookie}"})
            assert answer.status_code == 500
            assert "secret of the database" not in answer.text
            assert {name: answer.headers.get(name) for name in PRIVATE} == PRIVATE


def by_link(client: TestClient, link: str, to: str = "/console/me") -> Any:
    headers = {"origin": str(client.base_url).rstrip("/"), "accept": PAGE}
    return client.post(SIGN_IN, data={"link": link, "to": to}, headers=headers)


def test_a_link_signs_in_once_and_its_cookie_is_for_this_host_alone(walk: Walk) -> None:
    member, _, _ = walk.somebody(Role.AUDITOR)
    link = walk.house.access.sessions.invite(member, by=walk.everything).secret  # pyright: ignore[reportArgumentType]
    entered = by_link(walk.client, link)
    assert (entered.status_code, entered.headers["location"]) == (303, "/console/me")
    assert flags(entered, "headgate") == {"httponly", "samesite=lax", "path=/", "max-age=43200"}
    again = by_link(walk.client, link)
    assert again.status_code == 401
    assert "set-cookie" not in again.headers
    walk.client.cookies.clear()


def test_under_tls_a_cookie_goes_no_other_way(walk: Walk) -> None:
    member, _, _ = walk.somebody(Role.AUDITOR)
    origin = "https://gate.example"
    desks, door = desks_of(walk.house), Door(walk.house.access.sessions, origin)
    outside = sign_in.outside(desks, door, walk.pages, AT)
    made = Console(desks, door, walk.pages, status_of=status_of).application(console_tables(desks), outside)
    with TestClient(Starlette(routes=[Mount(AT, made)]), base_url=origin, follow_redirects=False) as client:
        asked = client.post(f"{SIGN_IN}/passkey/ask", headers={"origin": origin})
        assert flags(asked, "__Host-headgate-attempt") == {"secure", "httponly", "samesite=lax", "path=/", "max-age=300"}
        link = walk.house.access.sessions.invite(member, by=walk.everything).secret  # pyright: ignore[reportArgumentType]
        entered = by_link(client, link)
        assert flags(entered, "__Host-headgate") == {"secure", "httponly", "samesite=lax", "path=/", "max-age=43200"}
        assert client.get(f"{AT}/me", headers={"accept": PAGE}).status_code == 200


def flags(response: Any, name: str) -> set[str]:
    """Return the attributes under which a response sets a cookie, in lower case."""
    found = next(value for value in response.headers.get_list("set-cookie") if value.startswith(f"{name}="))
    return {part.strip().lower() for part in found.split(";")[1:]}


@pytest.mark.parametrize("address", ["/sign-in", "/sign-in/passkey", "/sign-in/passkey/ask", "/sign-in/provider"])
@pytest.mark.parametrize(
    "headers", [{}, {"origin": "https://elsewhere.example"}, {"origin": ORIGIN, "sec-fetch-site": "cross-site"}]
)
def test_nobody_is_signed_in_from_another_place(walk: Walk, address: str, headers: dict[str, str]) -> None:
    answer = walk.client.post(AT + address, data={"link": "x"}, headers={"accept": SCRIPT, **headers})
    assert told(answer) == (403, "session.forged")


@given(to=st.text() | st.from_regex(r"/console/[a-z./\\%2e:@?#-]*"))
@example(to="https://elsewhere.example/console/")
@example(to="//elsewhere.example/console/")
@example(to="/console//elsewhere.example")
@example(to="/console/../../api/staff")
@example(to="/console/%2e%2e/api")
@example(to="/console/\\elsewhere.example")
@example(to="/console/\t/elsewhere.example")
@example(to="javascript:alert(1)")
@example(to="/console/sign-in?to=https://elsewhere.example")
def test_what_was_asked_for_is_a_page_of_the_console_or_its_first(to: str) -> None:
    led = within(to, AT)
    at = urlsplit(urljoin(f"{ORIGIN}{SIGN_IN}", led))
    assert f"{at.scheme}://{at.netloc}" == ORIGIN
    assert at.path.startswith(f"{AT}/")
    assert "//" not in at.path
    assert led in {to, f"{AT}/"}


@pytest.mark.parametrize("to", ["https://elsewhere.example", "//elsewhere.example", "/api/staff", "", "/console/../api"])
def test_signing_in_leads_nowhere_else(walk: Walk, to: str) -> None:
    member, _, _ = walk.somebody(Role.AUDITOR)
    link = walk.house.access.sessions.invite(member, by=walk.everything).secret  # pyright: ignore[reportArgumentType]
    assert by_link(walk.client, link, to).headers["location"] == "/console/"
    walk.client.cookies.clear()
