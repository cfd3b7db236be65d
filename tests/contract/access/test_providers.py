"""Accounts at an OpenID provider, against every store: whom they sign in, and that only somebody's explicit act links them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from headgate.access import errors
from headgate.access.model import Asked, Proven, Purpose, SignedInBy
from headgate.access.wire.asked import asked_in
from headgate.kernel.actor import Actor, Role

if TYPE_CHECKING:
    from headgate.access.service.providers import Entered, Leaving, Linked

ISSUER = "https://accounts.example"
MINUTE = timedelta(minutes=1)


@dataclass
class Answering:
    """A provider that says whom it was told to say."""

    says: Proven | None = None
    asked: list[Asked] = field(default_factory=list[Asked])
    issuer: str = ISSUER

    def address(self, asked: Asked) -> str:
        self.asked.append(asked)
        return f"{ISSUER}/auth?state={asked.state}"

    def proven(self, code: str, asked: Asked) -> Proven:
        assert asked == self.asked[-1]
        if self.says is None or code != "right":
            raise errors.ProviderRefused("It does not take this code.")
        return self.says


class Person:
    """A member of staff, in one browser, with an account at the provider."""

    def __init__(self, house: Any, name: str = "Noor") -> None:
        self.house = house
        self.provider = Answering(Proven(ISSUER, name.lower(), house.clock.at))
        self.providers = house.access.providers(self.provider)
        self.member = house.access.staff.add(name, roles=[Role.SAFETY_LEAD], by=house.by).of
        self.session = house.access.sessions.begin(self.member.id, SignedInBy.LINK).of

    def seen(self) -> None:
        self.provider.says = Proven(ISSUER, self.member.name.lower(), self.house.clock.at)

    def goes(self, purpose: Purpose, *, signed_in: bool = True, to: str = "/console/x") -> Leaving:
        return self.providers.leave(purpose, session=self.session if signed_in else None, to=to)

    def comes(self, leaving: Leaving, *, signed_in: bool = True, code: str = "right", **other: Any) -> Any:
        usual: dict[str, Any] = {"issuer": "", "text": leaving.text, "session": self.session if signed_in else None}
        state = other.pop("state", leaving.address.partition("state=")[2])
        return self.providers.come_back(state, code, **(usual | other))

    def links(self) -> Linked:
        return self.comes(self.goes(Purpose.LINK_PROVIDER))

    def signs_in(self) -> Entered:
        return self.comes(self.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False), signed_in=False, browser="Firefox")


def test_who_links_their_account_is_signed_in_by_it(house: Any) -> None:
    noor = Person(house)
    linked = noor.links().identity
    assert (linked.staff_id, linked.issuer, linked.subject) == (noor.member.id, ISSUER, "noor")
    entered = noor.signs_in()
    assert (entered.issued.of.staff_id, entered.issued.of.means, entered.to) == (
        noor.member.id,
        SignedInBy.PROVIDER,
        "/console/x",
    )
    assert house.access.sessions.resume(entered.issued.secret).actor.id == noor.member.id
    (kept,) = house.access.identities.of(noor.member.id, by=house.by)
    assert kept.last_used_at == house.clock.at
    assert house.kinds()[-2:] == ["staff.provider_linked", "staff.signed_in"]


def test_nobody_is_signed_in_whom_nobody_linked(house: Any) -> None:
    noor = Person(house)
    before = house.kinds()
    with pytest.raises(errors.IdentityUnknown):
        noor.signs_in()
    assert house.kinds() == before


def test_an_account_of_another_provider_with_the_same_name_is_another(house: Any) -> None:
    noor = Person(house)
    noor.links()
    noor.provider.says = Proven("https://elsewhere.example", "noor", house.clock.at)
    with pytest.raises(errors.IdentityUnknown):
        noor.signs_in()


def test_an_account_belongs_to_one_member_of_staff(house: Any) -> None:
    noor, ida = Person(house), Person(house, "Ida")
    noor.links()
    assert noor.links().identity.staff_id == noor.member.id, "linking twice changes nothing"
    ida.provider.says = noor.provider.says
    with pytest.raises(errors.IdentityTaken):
        ida.links()
    with pytest.raises(errors.IdentityTaken):
        house.access.identities.link(ida.member.id, issuer=ISSUER, subject="noor", by=house.by)
    assert house.kinds().count("staff.provider_linked") == 1


def test_who_manages_staff_links_and_undoes(house: Any) -> None:
    noor = Person(house)
    linked = house.access.identities.link(noor.member.id, issuer=ISSUER, subject="noor", by=house.by)
    session = noor.signs_in().issued
    house.access.identities.unlink(linked.id, by=house.by)
    assert house.access.sessions.resume(session.secret).actor.id == noor.member.id, "it ends nothing else"
    with pytest.raises(errors.IdentityUnknown):
        noor.signs_in()
    with pytest.raises(errors.IdentityNotFound):
        house.access.identities.unlink(linked.id, by=house.by)
    house.access.identities.link(noor.member.id, issuer=ISSUER, subject="noor", by=house.by)
    assert noor.signs_in().issued.of.staff_id == noor.member.id


def test_ones_own_link_is_undone_by_oneself_and_nobody_elses(house: Any) -> None:
    noor, ida = Person(house), Person(house, "Ida")
    linked = noor.links().identity
    with pytest.raises(errors.IdentityNotFound):
        house.access.identities.unlink_own(ida.session, linked.id)
    with pytest.raises(errors.IdentityNotFound):
        house.access.identities.own(ida.session, linked.id)
    house.access.identities.unlink_own(noor.session, linked.id)
    assert house.access.identities.of(noor.member.id, by=Actor.staff(noor.member.id, "Noor", frozenset())) == []


@pytest.mark.parametrize("issuer", ["http://accounts.example", "accounts.example", "https://x.example/?a=b", "", "https://a b"])
def test_what_cannot_be_a_provider_is_not_linked(house: Any, issuer: str) -> None:
    noor = Person(house)
    with pytest.raises(errors.IdentityInvalid):
        house.access.identities.link(noor.member.id, issuer=issuer, subject="noor", by=house.by)
    with pytest.raises(errors.IdentityInvalid):
        house.access.identities.link(noor.member.id, issuer=ISSUER, subject="ö" if issuer else " ", by=house.by)


def test_who_comes_back_was_sent_in_the_same_browser_for_the_same_purpose_once(house: Any) -> None:
    noor, ida = Person(house), Person(house, "Ida")
    noor.links()
    anonymous = noor.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False)
    for text in (None, noor.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False).text, "hga_x"):
        with pytest.raises(errors.AttemptOver):
            noor.comes(anonymous, signed_in=False, text=text)
    confirming = noor.goes(Purpose.CONFIRM_BY_PROVIDER)
    with pytest.raises(errors.AttemptOver):
        noor.comes(confirming, session=ida.session)
    with pytest.raises(errors.AttemptOver):
        noor.comes(confirming, session=None)
    noor.comes(confirming)
    with pytest.raises(errors.AttemptOver):
        noor.comes(confirming)


@pytest.mark.parametrize("how", ["forged", "cut", "nothing", "strange"])
def test_a_state_that_was_not_given_out_leads_nowhere(house: Any, how: str) -> None:
    noor = Person(house)
    noor.links()
    leaving = noor.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False)
    state = leaving.address.partition("state=")[2]
    forged = {"forged": state[:-1] + ("0" if state[-1] != "0" else "1"), "cut": state[:30], "nothing": "", "strange": "é.x"}
    with pytest.raises(errors.AttemptOver):
        noor.comes(leaving, signed_in=False, state=forged[how])


def test_another_provider_or_none_at_all_signs_nobody_in(house: Any) -> None:
    noor = Person(house)
    noor.links()
    leaving = noor.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False)
    with pytest.raises(errors.ProviderRefused, match="Another provider"):
        noor.comes(leaving, signed_in=False, issuer="https://elsewhere.example")
    with pytest.raises(errors.ProviderRefused):
        noor.comes(noor.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False), signed_in=False, code="")


def test_somebody_whom_the_provider_saw_hours_ago_is_signed_in_and_may_do_nothing_dangerous_yet(house: Any) -> None:
    noor = Person(house)
    noor.links()
    house.clock.at += 6 * MINUTE
    session = noor.signs_in().issued
    with pytest.raises(errors.VerificationDue):
        house.access.sessions.must_be_verified(session.of)
    noor.session = session.of
    with pytest.raises(errors.ProviderRefused, match="anew"):
        noor.comes(noor.goes(Purpose.CONFIRM_BY_PROVIDER))
    noor.seen()
    confirmed = noor.comes(noor.goes(Purpose.CONFIRM_BY_PROVIDER))
    house.access.sessions.must_be_verified(confirmed.issued.of)


def test_nobody_confirms_with_somebody_elses_account(house: Any) -> None:
    noor, ida = Person(house), Person(house, "Ida")
    noor.links()
    ida.links()
    ida.provider.says = noor.provider.says
    with pytest.raises(errors.IdentityUnknown):
        ida.comes(ida.goes(Purpose.CONFIRM_BY_PROVIDER))


def test_a_revoked_member_is_signed_in_by_no_provider(house: Any) -> None:
    noor, _ = Person(house), house.access.staff.add("Root", roles=[Role.ADMIN], by=house.by)
    noor.links()
    house.access.staff.revoke(noor.member.id, reason="left", by=house.by)
    with pytest.raises(errors.StaffRevoked):
        noor.signs_in()


def test_what_an_attempt_asks_is_its_own(house: Any) -> None:
    noor = Person(house)
    for _ in range(3):
        noor.goes(Purpose.SIGN_IN_BY_PROVIDER, signed_in=False)
    said = [value for asked in noor.provider.asked for value in (asked.state, asked.nonce, asked.verifier)]
    assert len(set(said)) == 9
    assert all(43 <= len(asked.verifier) <= 128 for asked in noor.provider.asked), "RFC 7636, section 4.1"
    with house.access._desk.store.reading() as view:
        attempt = view.attempt(noor.provider.asked[-1].state.partition(".")[0])
    assert asked_in(attempt) == noor.provider.asked[-1]


def test_a_fresh_link_confirms_for_its_own_holder(house: Any) -> None:
    noor, ida = Person(house), Person(house, "Ida")
    house.clock.at += 10 * MINUTE
    theirs = house.access.sessions.invite(ida.member.id, by=house.by).secret
    with pytest.raises(errors.LinkUnusable):
        house.access.sessions.verify_by_link(noor.session, theirs)
    fresh = house.access.sessions.invite(noor.member.id, by=house.by).secret
    confirmed = house.access.sessions.verify_by_link(noor.session, fresh)
    house.access.sessions.must_be_verified(confirmed.of)
    with pytest.raises(errors.LinkUnusable):
        house.access.sessions.verify_by_link(noor.session, fresh)
    assert house.access.sessions.begin_by_link(theirs).of.staff_id == ida.member.id, "somebody else's link is not used up"


def test_sessions_are_shown_to_their_holder_and_ended_one_by_one(house: Any) -> None:
    noor, ida = Person(house), Person(house, "Ida")
    here = Actor.staff(noor.member.id, "Noor", frozenset())
    house.clock.at += MINUTE
    other = house.access.sessions.begin(noor.member.id, SignedInBy.PASSKEY, browser="Firefox on Linux").of
    shown = house.access.sessions.open_ones(noor.member.id, by=here)
    assert [(each.id, each.browser) for each in shown] == [(other.id, "Firefox on Linux"), (noor.session.id, "")]
    with pytest.raises(errors.SessionNotFound):
        house.access.sessions.end_other(ida.session, other.id)
    house.access.sessions.end_other(noor.session, other.id)
    with pytest.raises(errors.SessionNotFound):
        house.access.sessions.end_other(noor.session, other.id)
    assert [each.id for each in house.access.sessions.open_ones(noor.member.id, by=here)] == [noor.session.id]
    house.clock.at += 30 * MINUTE
    assert house.access.sessions.open_ones(noor.member.id, by=here) == [], "what is idle works no more"
