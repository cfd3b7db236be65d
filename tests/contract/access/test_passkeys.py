"""Passkeys, against every store: who adds one, whom it signs in, and what does not count as one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.access import errors
from headgate.access.decide.proving import counts_on
from headgate.access.model import Passkey, Policy, SignedInBy
from headgate.adapters.passkeys import WebauthnReader
from headgate.kernel.actor import Actor, Role
from headgate.kernel.errors import Forbidden
from headgate.kernel.ids import PasskeyId, StaffId
from headgate.testing.authenticator import Authenticator

ORIGIN = "https://gate.example"
MINUTE = timedelta(minutes=1)
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


class Owner:
    """A member of staff in one browser, with an authenticator."""

    def __init__(self, house: Any, name: str = "Noor", *, roles: tuple[Role, ...] = (Role.SAFETY_LEAD,), **device: Any) -> None:
        self.house = house
        self.passkeys = house.access.passkeys(WebauthnReader(ORIGIN))
        self.member = house.access.staff.add(name, roles=roles, by=house.by).of
        self.session = house.access.sessions.begin(self.member.id, SignedInBy.LINK).of
        self.device = Authenticator(ORIGIN, **device)

    def add(self, name: str = "Laptop") -> Any:
        question = self.passkeys.ask_for_new(self.session)
        answer = self.device.make(question.options)
        return self.passkeys.add(self.session, question.attempt.of.id, answer, name=name)

    def sign_in(self, device: Authenticator | None = None) -> Any:
        question = self.passkeys.ask()
        return self.passkeys.begin(question.attempt.secret, (device or self.device).use(question.options), browser="Firefox")

    def confirm(self) -> Any:
        question = self.passkeys.ask_again(self.session)
        return self.passkeys.verify(self.session, question.attempt.of.id, self.device.use(question.options))


def test_a_passkey_signs_its_owner_in_and_says_when_it_was_used(house: Any) -> None:
    noor = Owner(house)
    added = noor.add()
    house.clock.at += MINUTE
    session = noor.sign_in()
    assert (session.of.staff_id, session.of.means, session.of.browser) == (noor.member.id, SignedInBy.PASSKEY, "Firefox")
    assert house.access.sessions.resume(session.secret).actor.id == noor.member.id
    (kept,) = noor.passkeys.of(noor.session)
    assert (kept.id, kept.name, kept.last_used_at, kept.sign_count) == (added.id, "Laptop", house.clock.at, 1)
    assert house.kinds()[-2:] == ["staff.passkey_added", "staff.signed_in"]


def test_what_browsers_are_given_asks_for_a_verified_owner_and_no_name(house: Any) -> None:
    noor = Owner(house)
    noor.add()
    made, used = noor.passkeys.ask_for_new(noor.session).options, noor.passkeys.ask().options
    assert made["rp"]["id"] == used["rpId"] == "gate.example"
    assert made["authenticatorSelection"] | {"requireResidentKey": True} == made["authenticatorSelection"]
    assert (made["authenticatorSelection"]["residentKey"], made["authenticatorSelection"]["userVerification"]) == (
        "required",
        "required",
    )
    assert used["userVerification"] == "required"
    assert used["allowCredentials"] == [], "a stranger learns of nobody's passkeys"
    assert len(made["excludeCredentials"]) == 1


def test_a_passkey_confirms_in_its_owners_session_and_renews_its_text(house: Any) -> None:
    noor = Owner(house)
    noor.add()
    house.clock.at += 10 * MINUTE
    with pytest.raises(errors.VerificationDue):
        house.access.sessions.must_be_verified(noor.session)
    confirmed = noor.confirm()
    house.access.sessions.must_be_verified(confirmed.of)
    assert house.access.sessions.resume(confirmed.secret).session.id == noor.session.id
    assert house.kinds()[-1] == "staff.verified"


def test_an_answer_works_once(house: Any) -> None:
    noor = Owner(house)
    noor.add()
    question = noor.passkeys.ask()
    answer = noor.device.use(question.options)
    noor.passkeys.begin(question.attempt.secret, answer)
    with pytest.raises(errors.AttemptOver):
        noor.passkeys.begin(question.attempt.secret, answer)


def test_an_attempt_that_failed_is_not_taken_up_again(house: Any) -> None:
    noor = Owner(house)
    noor.add()
    question = noor.passkeys.ask()
    with pytest.raises(errors.PasskeyRefused):
        noor.passkeys.begin(question.attempt.secret, "{}")
    with pytest.raises(errors.AttemptOver):
        noor.passkeys.begin(question.attempt.secret, noor.device.use(question.options))


def test_an_answer_comes_within_minutes(house: Any) -> None:
    noor = Owner(house)
    noor.add()
    question = noor.passkeys.ask()
    house.clock.at += 5 * MINUTE
    with pytest.raises(errors.AttemptOver):
        noor.passkeys.begin(question.attempt.secret, noor.device.use(question.options))


def test_an_answer_belongs_to_the_browser_and_the_purpose_that_it_was_asked_for(house: Any) -> None:
    noor, other = Owner(house), Owner(house, "Ida", credential_id=b"ida's")
    noor.add()
    other.add()
    mine, theirs = noor.passkeys.ask(), noor.passkeys.ask()
    with pytest.raises(errors.PasskeyRefused):
        noor.passkeys.begin(theirs.attempt.secret, noor.device.use(mine.options))
    confirming = noor.passkeys.ask_again(noor.session)
    with pytest.raises(errors.AttemptOver):
        noor.passkeys.begin(confirming.attempt.secret, noor.device.use(confirming.options))
    with pytest.raises(errors.AttemptOver):
        other.passkeys.verify(other.session, confirming.attempt.of.id, other.device.use(confirming.options))
    adding = noor.passkeys.ask_for_new(noor.session)
    with pytest.raises(errors.AttemptOver):
        other.passkeys.add(other.session, adding.attempt.of.id, other.device.make(adding.options), name="stolen")
    noor.passkeys.verify(noor.session, confirming.attempt.of.id, noor.device.use(confirming.options))


def test_nobody_confirms_with_somebody_elses_passkey(house: Any) -> None:
    noor, other = Owner(house), Owner(house, "Ida", credential_id=b"ida's")
    noor.add()
    other.add()
    question = noor.passkeys.ask_again(noor.session)
    with pytest.raises(errors.PasskeyRefused):
        noor.passkeys.verify(noor.session, question.attempt.of.id, other.device.use(question.options))


def lies(device: Authenticator, how: str) -> None:
    match how:
        case "another page":
            device.origin = "https://gate.example.elsewhere.example"
        case "nobody verified":
            device.verifies = False
        case "another key":
            device.key = Authenticator(ORIGIN).key
        case "another owner":
            device.owner = b"stf_somebody_else"
        case _:
            device.credential_id = b"never added"


@pytest.mark.parametrize("how", ["another page", "nobody verified", "another key", "another owner", "unknown"])
def test_what_is_not_the_owners_passkey_shown_here_signs_nobody_in(house: Any, how: str) -> None:
    noor = Owner(house)
    noor.add()
    before = house.kinds()
    lies(noor.device, how)
    with pytest.raises(errors.PasskeyRefused) as refused:
        noor.sign_in()
    assert "Noor" not in str(refused.value)
    assert house.kinds() == before


@pytest.mark.parametrize("how", ["another page", "nobody verified"])
def test_what_was_made_elsewhere_or_without_its_owner_is_not_added(house: Any, how: str) -> None:
    noor = Owner(house)
    lies(noor.device, how)
    with pytest.raises(errors.PasskeyRefused):
        noor.add()
    assert noor.passkeys.of(noor.session) == []


def test_a_passkey_that_counts_backwards_is_removed_and_signs_nobody_in(house: Any) -> None:
    noor = Owner(house, counts=7)
    noor.add()
    noor.sign_in()
    noor.device.counts = 3
    with pytest.raises(errors.PasskeyCopied):
        noor.sign_in()
    assert house.kinds()[-1] == "staff.passkey_copied"
    noor.device.counts = 100
    with pytest.raises(errors.PasskeyRefused):
        noor.sign_in()


def test_a_passkey_that_does_not_count_works_again_and_again(house: Any) -> None:
    noor = Owner(house, counts=None)
    noor.add()
    assert {noor.sign_in().of.staff_id for _ in range(3)} == {noor.member.id}


@given(stored=st.integers(0, 2**32 - 1), shown=st.integers(0, 2**32 - 1))
def test_a_count_goes_on_when_it_rises_or_when_there_is_none(stored: int, shown: int) -> None:
    assert counts_on(stored, shown) is (shown > stored or (stored, shown) == (0, 0))


def test_what_rests_on_a_removed_passkey_ends_with_it_but_for_where_it_was_removed(house: Any) -> None:
    noor = Owner(house)
    added, session, confirmed = noor.add(), noor.sign_in(), noor.confirm()
    beside = house.access.sessions.begin(noor.member.id, SignedInBy.LINK)
    noor.passkeys.remove(confirmed.of, added.id)
    assert house.access.sessions.resume(confirmed.secret).actor.id == noor.member.id
    assert house.access.sessions.resume(beside.secret).actor.id == noor.member.id
    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(session.secret)
    with pytest.raises(errors.PasskeyRefused):
        noor.sign_in()
    with pytest.raises(errors.PasskeyNotFound):
        noor.passkeys.remove(noor.session, added.id)
    assert house.kinds()[-1] == "staff.passkey_removed"


def test_a_session_goes_on_resting_on_a_passkey_when_a_link_confirms_in_it(house: Any) -> None:
    noor = Owner(house)
    added, session = noor.add(), noor.sign_in()
    confirmed = house.access.sessions.verify(session.of, SignedInBy.LINK)
    assert confirmed.of.means is SignedInBy.LINK
    _, ended = noor.passkeys.remove_of_member(noor.member.id, added.id, reason="stolen", by=house.by)
    assert ended == 1
    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(confirmed.secret)


def test_whoever_manages_staff_removes_somebodys_passkey_with_a_reason(house: Any) -> None:
    noor, other = Owner(house), Owner(house, "Ida", credential_id=b"ida's")
    mine, theirs = noor.add(), other.add()
    session, untouched = noor.sign_in(), other.sign_in()
    assert noor.passkeys.of_member(noor.member.id, by=house.by) == noor.passkeys.of(noor.session)
    nobody = Actor.staff(other.member.id, "Ida", other.member.roles)
    for refused in (
        lambda: noor.passkeys.of_member(noor.member.id, by=nobody),
        lambda: noor.passkeys.one_of_member(noor.member.id, mine.id, by=nobody),
        lambda: noor.passkeys.remove_of_member(noor.member.id, mine.id, reason="mine now", by=nobody),
    ):
        with pytest.raises(Forbidden):
            refused()
    with pytest.raises(errors.PasskeyNotFound):
        noor.passkeys.remove_of_member(noor.member.id, theirs.id, reason="stolen", by=house.by)
    with pytest.raises(errors.ReasonInvalid):
        noor.passkeys.remove_of_member(noor.member.id, mine.id, reason=" ", by=house.by)
    removed, ended = noor.passkeys.remove_of_member(noor.member.id, mine.id, reason="stolen", by=house.by)
    assert (removed.id, ended) == (mine.id, 1)
    with pytest.raises(errors.SessionOver):
        house.access.sessions.resume(session.secret)
    assert house.access.sessions.resume(untouched.secret).actor.id == other.member.id
    assert house.kinds()[-1] == "staff.passkey_removed"


def test_the_only_one_who_manages_staff_keeps_a_last_way_in(house: Any) -> None:
    noor = Owner(house, roles=(Role.ADMIN,))
    first = noor.add()
    with pytest.raises(errors.LastWayIn):
        noor.passkeys.remove(noor.session, first.id)
    with pytest.raises(errors.LastWayIn):
        noor.passkeys.remove_of_member(noor.member.id, first.id, reason="old", by=house.by)
    linked = house.access.identities.link(noor.member.id, issuer="https://login.example", subject="noor", by=house.by)
    noor.passkeys.remove(noor.session, first.id)
    with pytest.raises(errors.LastWayIn):
        house.access.identities.unlink_own(noor.session, linked.id)
    house.access.staff.add("Ida", roles=[Role.ADMIN], by=house.by)
    house.access.identities.unlink(linked.id, by=house.by)


def test_a_passkey_is_called_what_its_owner_says(house: Any) -> None:
    noor, other = Owner(house), Owner(house, "Ida")
    added = noor.add("Laptop")
    assert noor.passkeys.rename(noor.session, added.id, " The <b>old</b> laptop ").name == "The <b>old</b> laptop"
    assert noor.passkeys.get(noor.session, added.id).name == "The <b>old</b> laptop"
    told = house.kinds()
    assert told[-1] == "staff.passkey_renamed"
    noor.passkeys.rename(noor.session, added.id, "The <b>old</b> laptop")
    assert house.kinds() == told, "the same name changes nothing"
    with pytest.raises(errors.PasskeyNotFound):
        other.passkeys.rename(other.session, added.id, "mine")
    with pytest.raises(errors.PasskeyInvalid):
        noor.passkeys.rename(noor.session, added.id, "\n")
    assert noor.sign_in().of.staff_id == noor.member.id


def test_nobody_sees_or_removes_somebody_elses_passkey(house: Any) -> None:
    noor, other = Owner(house), Owner(house, "Ida")
    added = noor.add()
    with pytest.raises(errors.PasskeyNotFound):
        other.passkeys.get(other.session, added.id)
    with pytest.raises(errors.PasskeyNotFound):
        other.passkeys.remove(other.session, added.id)
    assert other.passkeys.of(other.session) == []


def test_a_revoked_member_is_signed_in_by_no_passkey(house: Any) -> None:
    noor, _ = Owner(house), house.access.staff.add("Root", roles=[Role.ADMIN], by=house.by)
    noor.add()
    house.access.staff.revoke(noor.member.id, reason="left", by=house.by)
    with pytest.raises(errors.StaffRevoked):
        noor.sign_in()


def test_one_passkey_is_one_persons_and_has_a_name(house: Any) -> None:
    noor, other = Owner(house), Owner(house, "Ida")
    noor.add()
    with pytest.raises(errors.PasskeyInvalid, match="before"):
        other.add()
    with pytest.raises(errors.PasskeyInvalid, match="name"):
        noor.add(name="\n")


def test_strangers_fill_nothing_however_often_they_ask(house: Any) -> None:
    house.access = house.opened(policy=Policy(attempts_open_at_most=5))
    noor = Owner(house)
    first = last = noor.passkeys.ask()
    for _ in range(12):
        house.clock.at += MINUTE / 60  # those of one millisecond are in no order
        last = noor.passkeys.ask()
    with house.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM access_attempt").scalar_one() <= 6
    noor.add()
    with pytest.raises(errors.AttemptOver):
        noor.passkeys.begin(first.attempt.secret, noor.device.use(first.options))
    noor.passkeys.begin(last.attempt.secret, noor.device.use(last.options))
    house.clock.at += 5 * MINUTE
    noor.passkeys.ask()
    with house.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM access_attempt").scalar_one() == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), inner),
    max_leaves=8,
)


@given(answer=JSON.map(json.dumps) | st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_whatever_a_stranger_sends_is_no_passkey(answer: str) -> None:
    reader = WebauthnReader(ORIGIN)
    for read in (lambda: reader.called(answer), lambda: reader.made(answer, b"c" * 32)):
        with pytest.raises(errors.PasskeyRefused):
            read()


@given(field=st.sampled_from(["authenticatorData", "clientDataJSON", "signature"]), place=st.floats(0, 1), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_an_answer_of_which_one_bit_was_changed_is_no_passkey(field: str, place: float, bit: int) -> None:
    device, reader = Authenticator(ORIGIN), WebauthnReader(ORIGIN)
    made = reader.made(device.make({"rp": {"id": "gate.example"}, "user": {"id": "c3Rm"}, "challenge": "YWJj"}), b"abc")
    passkey = Passkey(PasskeyId("psk"), StaffId("stf"), made.credential_id, made.public_key, 0, "Laptop", NOON)
    answer = device.use({"rpId": "gate.example", "challenge": "ZGVm"})
    assert reader.shown(answer, b"def", passkey) == 1
    changed = json.loads(answer)
    content = bytearray(urlsafe_b64decode(changed["response"][field] + "=="))
    content[int(place * (len(content) - 1))] ^= 1 << bit
    changed["response"][field] = urlsafe_b64encode(content).decode().rstrip("=")
    with pytest.raises(errors.PasskeyRefused):
        reader.shown(json.dumps(changed), b"def", passkey)
