"""Being signed in: once by a link, for a while, in one browser, and no longer than the credentials behind it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from headgate.access import errors
from headgate.access.model import Issued, Session, SignedInBy
from headgate.access.store import SqlStore
from headgate.kernel.actor import Actor, Permission, Role
from headgate.kernel.errors import Forbidden

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def a_member(house: Any, name: str = "Noor", *roles: Role) -> Any:
    return house.access.staff.add(name, roles=roles or [Role.SAFETY_LEAD], by=house.by).of


def signed_in(house: Any, member: Any | None = None) -> Issued[Session]:
    return house.access.sessions.begin((member or a_member(house)).id, SignedInBy.PASSKEY)


def test_a_link_signs_in_once_and_whom_it_is_for(house: Any) -> None:
    member = a_member(house)
    link = house.access.sessions.invite(member.id, by=house.by)

    session = house.access.sessions.begin_by_link(link.secret)

    resumed = house.access.sessions.resume(session.secret)
    assert (resumed.actor.id, resumed.actor.permissions) == (
        member.id,
        Actor.staff(member.id, member.name, member.roles).permissions,
    )
    assert resumed.session.means is SignedInBy.LINK
    with pytest.raises(errors.LinkUnusable):
        house.access.sessions.begin_by_link(link.secret)
    assert house.kinds()[-2:] == ["staff.invited", "staff.signed_in"]


def test_a_link_ends_and_only_who_manages_staff_makes_one(house: Any) -> None:
    member = a_member(house)
    link = house.access.sessions.invite(member.id, by=house.by, life=timedelta(hours=1))
    house.clock.at += timedelta(hours=1)
    with pytest.raises(errors.LinkUnusable):
        house.access.sessions.begin_by_link(link.secret)
    with pytest.raises(Forbidden):
        house.access.sessions.invite(member.id, by=Actor.system("test", *(set(Permission) - {Permission.STAFF})))


@pytest.mark.parametrize("text", ["", "hgb_", "hgl_01JD8E0000ABCDEFGHJKMNPQRS_x", "\0", "é" * 80])
def test_what_is_no_link_and_no_session_is_refused_before_any_store_is_asked(house: Any, text: str) -> None:
    asked = house.statements()
    with pytest.raises(errors.LinkMalformed):
        house.access.sessions.begin_by_link(text)
    with pytest.raises(errors.SessionMalformed):
        house.access.sessions.resume(text)
    assert asked == []


def test_a_text_of_the_right_form_that_nobody_was_given_opens_nothing(house: Any) -> None:
    link = house.access.sessions.invite(a_member(house).id, by=house.by)
    session = signed_in(house)
    elsewhere = house.opened(pepper=b"q" * 32)
    with pytest.raises(errors.LinkUnusable):
        elsewhere.sessions.begin_by_link(link.secret)
    with pytest.raises(errors.SessionOver):
        elsewhere.sessions.resume(session.secret)


def test_a_session_ends_when_nothing_is_done_in_it(house: Any) -> None:
    session = signed_in(house)
    text = session.secret
    for _ in range(4):  # two hours, something being done every half an hour but a second
        house.clock.at += 30 * MINUTE - SECOND
        text = house.access.sessions.resume(text).text or text
    house.clock.at += 30 * MINUTE
    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(text)


def test_a_session_ends_when_it_is_old_whatever_is_done_in_it(house: Any) -> None:
    text = signed_in(house).secret
    for _ in range(12 * 6 - 1):
        house.clock.at += 10 * MINUTE
        text = house.access.sessions.resume(text).text or text
    house.clock.at += 10 * MINUTE
    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(text)


def test_its_text_is_renewed_and_the_one_before_works_for_a_moment_longer(house: Any) -> None:
    first = signed_in(house).secret
    house.clock.at += 15 * MINUTE
    second = house.access.sessions.resume(first).text
    assert second is not None
    assert second != first

    house.clock.at += 29 * SECOND
    assert house.access.sessions.resume(first).text is None
    assert house.access.sessions.resume(second).text is None


def test_of_two_requests_that_renew_at_once_one_has_the_new_text_and_both_are_let_in(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = signed_in(house).secret
    house.clock.at += 15 * MINUTE
    winners: list[str | None] = []
    writing = SqlStore.writing

    def overtaken(store: SqlStore) -> Any:
        monkeypatch.setattr(SqlStore, "writing", writing)
        winners.append(house.access.sessions.resume(first).text)
        return writing(store)

    monkeypatch.setattr(SqlStore, "writing", overtaken)
    assert house.access.sessions.resume(first).text is None
    (second,) = winners
    assert second is not None
    for text in (first, second):
        assert house.access.sessions.resume(text).text is None


def test_a_copy_of_an_earlier_text_ends_the_session_for_everybody(house: Any) -> None:
    first = signed_in(house).secret
    house.clock.at += 15 * MINUTE
    second = house.access.sessions.resume(first).text
    house.clock.at += 30 * SECOND

    for text in (first, second):
        with pytest.raises(errors.SessionOver):
            house.access.sessions.resume(text)
    assert house.kinds()[-1] == "staff.session_copied"


def test_signing_out_ends_one_session_and_all_of_them_are_ended_by_their_holder_or_who_manages_staff(house: Any) -> None:
    member = a_member(house)
    one, other, third = (signed_in(house, member) for _ in range(3))
    house.access.sessions.end(one.of)
    house.access.sessions.end(one.of)
    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(one.secret)
    house.access.sessions.resume(other.secret)

    with pytest.raises(Forbidden):
        house.access.sessions.end_all(member.id, by=Actor.staff("stf_other", "Other", frozenset({Role.BOARD})))
    assert house.access.sessions.end_all(member.id, by=Actor.staff(member.id, member.name, member.roles)) == 2
    for text in (other.secret, third.secret):
        with pytest.raises(errors.SessionOver):
            house.access.sessions.resume(text)
    assert house.access.sessions.end_all(member.id, by=house.by) == 0


def test_a_change_of_credentials_ends_every_session(house: Any) -> None:
    a_member(house, "Ada", Role.ADMIN)
    renewed, revoked = a_member(house, "Noor"), a_member(house, "Ines")
    one, other = signed_in(house, renewed), signed_in(house, revoked)
    house.access.staff.renew(renewed.id, by=house.by)
    house.access.staff.revoke(revoked.id, reason="left", by=house.by)

    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(one.secret)
    with pytest.raises(errors.StaffRevoked):
        house.access.sessions.resume(other.secret)
    for make in (lambda: house.access.sessions.invite(revoked.id, by=house.by), lambda: signed_in(house, revoked)):
        with pytest.raises(errors.StaffRevoked):
            make()


def test_a_dangerous_command_asks_for_a_proof_of_the_last_minutes(house: Any) -> None:
    session = signed_in(house)
    house.access.sessions.must_be_verified(session.of)
    house.clock.at += 5 * MINUTE
    with pytest.raises(errors.VerificationDue):
        house.access.sessions.must_be_verified(session.of)

    verified = house.access.sessions.verify(session.of, SignedInBy.PASSKEY)

    house.access.sessions.must_be_verified(verified.of)
    assert verified.secret != session.secret
    house.access.sessions.end(verified.of)
    with pytest.raises(errors.SessionOver):
        house.access.sessions.verify(verified.of, SignedInBy.PASSKEY)


@pytest.mark.parametrize("proof", ["", "00", "zz", "é", "0" * 64])
def test_a_form_shows_what_its_page_was_given(house: Any, proof: str) -> None:
    session, other = signed_in(house).of, signed_in(house, a_member(house, "Ines")).of
    house.access.sessions.must_be_own_page(session, house.access.sessions.page_proof(session))
    for shown in (proof, house.access.sessions.page_proof(other)):
        with pytest.raises(errors.Forged):
            house.access.sessions.must_be_own_page(session, shown)


def test_no_text_is_in_the_database_or_a_repr(house: Any) -> None:
    link = house.access.sessions.invite(a_member(house).id, by=house.by)
    session = house.access.sessions.begin_by_link(link.secret)
    proof = house.access.sessions.page_proof(session.of)
    with closing(sqlite3.connect(house.path)) as connection:
        dumped = "\n".join(connection.iterdump())
    for secret in (link.secret, session.secret, session.secret.split("_")[2], proof):
        assert secret not in dumped
        assert secret not in repr((link, session, link.of, session.of))
