"""The chat page's visitors: a link that works once, a session that nobody is shown, and whatever ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from headgate.access import errors
from headgate.access.model import KeyState, KeyUse
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.errors import Forbidden, Refused

HERE = "192.0.2.7"


def a_grant(house: Any, terms: str | None = None) -> Any:
    return house.grant(house.cohort(terms=terms))


def entered(house: Any, grant: Any) -> Any:
    return house.access.chat_page.enter(house.access.chat_page.invite(grant.id, by=house.by).secret)


def test_a_link_opens_the_page_once_for_its_seat(house: Any) -> None:
    grant = a_grant(house)
    link = house.access.chat_page.invite(grant.id, by=house.by)
    session = house.access.chat_page.enter(link.secret)
    holder = house.access.chat_page.visitor(session.secret, peer=HERE)
    assert (holder.grant.id, holder.key.use, holder.key.scopes) == (grant.id, KeyUse.PAGE, frozenset({"chat_page"}))
    assert house.access.authenticate(session.secret, HERE, house.clock.now()) == holder
    with pytest.raises(errors.LinkUnusable):
        house.access.chat_page.enter(link.secret)
    assert house.kinds()[-3:] == ["key.created", "key.created", "key.rotated"]


def test_a_link_is_no_key_and_a_session_no_link(house: Any) -> None:
    grant = a_grant(house)
    link = house.access.chat_page.invite(grant.id, by=house.by)
    with pytest.raises(errors.KeyLacksScope):
        house.access.authenticate(link.secret, HERE, house.clock.now())
    with pytest.raises(errors.SessionOver):
        house.access.chat_page.visitor(link.secret, peer=HERE)
    session = house.access.chat_page.enter(link.secret)
    with pytest.raises(errors.LinkUnusable):
        house.access.chat_page.enter(session.secret)
    with pytest.raises(errors.KeyMoveIllegal):
        house.access.keys.rotate(session.of.id, by=house.by)


def test_no_key_that_is_shown_opens_the_chat_page(house: Any) -> None:
    grant = a_grant(house)
    with pytest.raises(errors.KeyInvalid):
        house.access.keys.add(grant.id, scopes=["api.chat", "chat_page"], by=house.by)
    key = house.access.keys.add(grant.id, scopes=["api.chat"], by=house.by)
    with pytest.raises(errors.SessionOver):
        house.access.chat_page.visitor(key.secret, peer=HERE)


@pytest.mark.parametrize("text", ["", "hg_test_x", "hgl_01JD8E0000ABCDEFGHJKMNPQRS_x", "\0", "é" * 80])
def test_what_was_never_given_out_opens_nothing(house: Any, text: str) -> None:
    with pytest.raises(errors.LinkUnusable):
        house.access.chat_page.enter(text)
    with pytest.raises(errors.SessionOver):
        house.access.chat_page.visitor(text, peer=HERE)


def test_links_and_sessions_end_with_time_with_the_seat_and_when_they_are_revoked(house: Any) -> None:
    grant = a_grant(house)
    late = house.access.chat_page.invite(grant.id, by=house.by, life=timedelta(days=300))
    one, two, three = entered(house, grant), entered(house, grant), entered(house, grant)
    house.access.keys.revoke(one.of.id, reason="lost laptop", by=house.by)
    house.access.chat_page.leave(two.secret)
    house.access.chat_page.leave(two.secret)
    for session in (one, two):
        with pytest.raises(errors.SessionOver):
            house.access.chat_page.visitor(session.secret, peer=HERE)
    house.clock.at += timedelta(hours=12)
    with pytest.raises(errors.SessionOver):
        house.access.chat_page.visitor(three.secret, peer=HERE)
    house.clock.at += timedelta(hours=12)
    with pytest.raises(errors.LinkUnusable):
        house.access.chat_page.enter(late.secret)
    four = entered(house, grant)
    link = house.access.chat_page.invite(grant.id, by=house.by)
    house.access.grants.end(grant.id, reason="left", by=house.by)
    with pytest.raises(Refused):
        house.access.authenticate(four.secret, HERE, house.clock.now())
    with pytest.raises(errors.GrantEnded):
        house.access.chat_page.enter(link.secret)
    assert house.access.keys.get(two.of.id, by=house.by).state is KeyState.REVOKED


def test_a_visitor_without_terms_may_read_them_and_accept_them(house: Any) -> None:
    grant = a_grant(house, terms="2027-01")
    session = entered(house, grant)
    assert house.access.chat_page.visitor(session.secret, peer=HERE).grant.terms_version is None
    with pytest.raises(errors.TermsNotAccepted):
        house.access.authenticate(session.secret, HERE, house.clock.now())
    house.access.accept_terms(session.secret, "2027-01", peer=HERE)
    house.access.authenticate(session.secret, HERE, house.clock.now())


def test_a_page_proves_itself_to_its_own_session_alone(house: Any) -> None:
    grant = a_grant(house)
    mine, other = (house.access.chat_page.visitor(entered(house, grant).secret, peer=HERE) for _ in range(2))
    pages = house.access.chat_page
    pages.must_be_own_page(mine, pages.page_proof(mine))
    for proof in ("", "é", pages.page_proof(other)):
        with pytest.raises(errors.Forged):
            pages.must_be_own_page(mine, proof)


def test_a_page_proves_itself_by_the_text_of_its_session_without_a_look_at_the_store(house: Any) -> None:
    mine, other = (entered(house, grant) for grant in [a_grant(house)] * 2)
    pages = house.access.chat_page
    proof, others = (pages.page_proof(pages.visitor(session.secret, peer=HERE)) for session in (mine, other))
    asked = house.statements()
    pages.must_be_page_of(mine.secret, proof)
    for wrong in ("", "é", others):
        with pytest.raises(errors.Forged):
            pages.must_be_page_of(mine.secret, wrong)
    for text in ("", "hg_test_x", "é" * 80):
        with pytest.raises(errors.SessionOver):
            pages.must_be_page_of(text, proof)
    assert asked == []


def test_only_who_manages_keys_invites(house: Any) -> None:
    with pytest.raises(Forbidden):
        house.access.chat_page.invite(a_grant(house).id, by=Actor.system("test", *(set(Permission) - {Permission.KEY})))
