"""What stands before a message of the chat page: its own session, its own page, and one look at what is true now."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import event
from starlette.applications import Starlette

from headgate.access.errors import Forged, SessionOver, TermsNotAccepted
from headgate.bootstrap.bridges.feed import LedgerFeed
from headgate.bootstrap.bridges.principals import AccessPrincipals
from headgate.bootstrap.bridges.talking import InThisProcess
from headgate.bootstrap.faces import portal
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.gateway.http import Gateway
from headgate.gateway.model import Settings
from headgate.gateway.store import SqlLeases, SqlObjects
from headgate.kernel.actor import Actor, Permission
from headgate.look.assets import Assets
from headgate.look.pages import Pages
from headgate.portal.chat import ModelNotThere
from headgate.testing.homes import empty_home
from wire.kit import MODEL, Memory, Screen, World, a_policy, a_rule

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping

    from headgate.access.model import Grant, Issued, Key
    from headgate.access.service import Access
    from headgate.gateway.model import Change, Principal
    from headgate.kernel.ids import KeyId

ORIGIN = "http://127.0.0.1"
HERE = "127.0.0.1"
BY = Actor.system("test", *Permission)
COHORT, WITH_TERMS = "vetted", "with-terms"


class Followed(LedgerFeed):
    """The change feed, which shows how far a gateway has followed it."""

    taken_in = 0

    def wait(self, after: int, timeout_s: float) -> Change:
        self.taken_in = after
        return super().wait(after, timeout_s)


class Looking(AccessPrincipals):
    """The gateway's principals, which tell when a thread looks again at those whom news touch: no message does that."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._here = threading.local()

    @property
    def again(self) -> bool:
        return getattr(self._here, "again", False)

    def refresh(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        self._here.again = True
        try:
            return super().refresh(key_ids)
        finally:
            self._here.again = False


@dataclass
class Visitor:
    """Somebody on the chat page, and what the database is asked about keys."""

    http: httpx.AsyncClient
    house: House
    feed: Followed
    asked: list[str]

    def seat(self, cohort: str = COHORT) -> Grant:
        access = self.house.access
        account = access.accounts.add("Ada", by=BY)
        return access.grants.add(account.id, cohort, ends_at=self.house.clock.now() + timedelta(days=30), by=BY)

    def enters(self, cohort: str = COHORT) -> tuple[Issued[Key], str]:
        """Open the page; returns the session and the proof that its page carries."""
        pages = self.house.access.chat_page
        session = pages.enter(pages.invite(self.seat(cohort).id, by=BY).secret)
        return session, pages.page_proof(pages.visitor(session.secret, peer=HERE))

    async def quiet(self) -> None:
        """Wait until the gateway has taken in all that has happened: news make it look up again whom it knew."""
        while self.feed.taken_in < self.feed.position():  # noqa: ASYNC110 - the feed has no event to wait for
            await asyncio.sleep(0.01)

    async def says(self, text: str, proof: str, model: str = MODEL) -> httpx.Response:
        """Say something with a cookie, and forget what the database was asked until then."""
        self.asked.clear()
        said = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"x-page-proof": proof, "cookie": f"headgate-chat={text}", "origin": ORIGIN}
        return await self.http.post("/chat/say", json=said, headers=headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = empty_home(tmp_path_factory.mktemp("portal") / "data")
    opened = open_house(home, load(home.root, {}))
    opened.access.cohorts.add(COHORT, seats=None, by=BY)
    opened.access.cohorts.add(WITH_TERMS, seats=None, terms_version="2027-01", by=BY)
    yield opened
    opened.close()


@asynccontextmanager
async def talking_over(house: House, principals: Looking, feed: Followed) -> AsyncGenerator[InThisProcess]:
    """Run the gateway of this process; its model server does not answer, which is after everything that counts here."""
    rule = a_rule(surfaces=frozenset({"chat_page"}))
    gateway = Gateway(
        Settings(worker="w1", end_user_key=b"k" * 32),
        policies=World(a_policy("http://127.0.0.1:1/v1", rules={COHORT: rule, WITH_TERMS: rule})),
        principals=principals,
        feed=feed,
        leases=SqlLeases(house.engine, owner="w1", slot_ttl_s=60),
        recorder=Memory(),
        objects=SqlObjects(house.engine),
        screen=Screen(),
        clock=house.clock,
    )
    await gateway.start()
    talking = InThisProcess()
    talking.gateway = gateway
    yield talking
    await gateway.stop(0.2)


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Visitor]:
    asked: list[str] = []
    principals, feed = Looking(house.access), Followed(house.engine)

    def note(_connection: object, _cursor: object, statement: str, *_rest: Any) -> None:
        if "FROM access_key" in statement.replace("\n", " ") and not principals.again:
            asked.append(statement)

    pages = Pages("headgate.portal", assets=Assets("headgate.look", "headgate.portal"))
    async with talking_over(house, principals, feed) as talking:
        transport = httpx.ASGITransport(Starlette(routes=portal(house, pages, talking)))
        event.listen(house.engine, "before_cursor_execute", note)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, trust_env=False) as http:
            yield Visitor(http, house, feed, asked)
        event.remove(house.engine, "before_cursor_execute", note)
    feed.close()


async def test_a_message_looks_its_visitor_up_once(visitor: Visitor) -> None:
    session, proof = visitor.enters()
    await visitor.quiet()
    for _ in range(2):
        answered = await visitor.says(session.secret, proof)
        assert answered.json()["error"]["code"] == "upstream.unreachable", answered.text
        assert len(visitor.asked) == 1
    elsewhere = await visitor.says(session.secret, proof, model="another")
    assert elsewhere.json()["code"] == ModelNotThere.code
    assert len(visitor.asked) == 1


async def test_a_visit_that_ended_a_moment_ago_is_over_at_the_next_message(visitor: Visitor) -> None:
    left, revoked, ended = (visitor.enters() for _ in range(3))
    await visitor.quiet()
    for session, proof in (left, revoked, ended):
        await visitor.says(session.secret, proof)  # the gateway knows them by now
    access = visitor.house.access
    access.chat_page.leave(left[0].secret)
    access.keys.revoke(revoked[0].of.id, reason="lost laptop", by=BY)
    for session, proof in (left, revoked):
        answered = await visitor.says(session.secret, proof)
        assert (answered.status_code, answered.json()["code"]) == (401, SessionOver.code)
    access.grants.end(ended[0].of.grant_id, reason="left", by=BY)
    answered = await visitor.says(ended[0].secret, ended[1])
    assert answered.status_code in {401, 403}


async def test_terms_that_are_due_come_before_a_message(visitor: Visitor) -> None:
    session, proof = visitor.enters(WITH_TERMS)
    answered = await visitor.says(session.secret, proof)
    assert answered.json()["code"] == TermsNotAccepted.code
    visitor.house.access.accept_terms(session.secret, "2027-01", peer=HERE)
    answered = await visitor.says(session.secret, proof)
    assert answered.json()["error"]["code"] == "upstream.unreachable"


async def test_only_a_page_of_the_very_session_says_anything(visitor: Visitor) -> None:
    (mine, own), (_, others) = visitor.enters(), visitor.enters()
    for proof in ("", "0" * 64, others):
        answered = await visitor.says(mine.secret, proof)
        assert (answered.status_code, answered.json()["code"]) == (403, Forged.code)
    api = visitor.house.access.keys.add(mine.of.grant_id, scopes=["api.chat"], by=BY)
    for text in ("", "hg_live_x", api.secret):
        answered = await visitor.says(text, own)
        assert (answered.status_code, answered.json()["code"]) == (401, SessionOver.code)
