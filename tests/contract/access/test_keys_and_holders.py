from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from headgate.access import errors
from headgate.access.model import KeyState
from headgate.kernel.ids import KeyId

DAY = timedelta(days=1)
PEER = "192.0.2.7"


def test_a_key_speaks_for_its_holder(house: Any) -> None:
    house.cohort()
    organisation = house.access.organisations.add("Lab", by=house.by)
    account = house.account(organisation_id=organisation.id)
    grant = house.grant(account=account)
    issued = house.key(grant, networks=["192.0.2.0/24"])
    holder = house.works(issued.secret)
    assert (holder.account, holder.organisation, holder.cohort.name) == (account, organisation, "trusted")
    assert (holder.grant, holder.key) == (grant, issued.of)
    assert house.access.holder(issued.of.id) == holder
    assert house.access.verify(issued.secret, holder.key.digest)
    assert not house.access.verify(issued.secret[:-1] + "x", holder.key.digest)


def test_an_account_without_an_organisation_is_found_too(house: Any) -> None:
    house.cohort()
    assert house.works(house.key().secret).organisation is None


def test_knowing_a_key_takes_one_query_by_its_identifier(house: Any) -> None:
    house.cohort()
    issued = house.key()
    asked = house.statements()
    house.access.identify(issued.secret)
    selects = [statement for statement in asked if statement.startswith("SELECT")]
    assert len(selects) == 1
    with house.engine.connect() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + selects[0], (issued.of.id,)).all()
    assert not [step for step in plan if step[3].startswith("SCAN")]


def test_a_malformed_key_and_one_of_another_house_never_reach_the_store(house: Any) -> None:
    house.cohort()
    issued = house.key()
    elsewhere = house.opened(environment="live")
    house.engine.dispose()
    asked = house.statements()
    for text in ["", "hg_", issued.secret[:-1], issued.secret.lower(), "Bearer " + issued.secret, "x" * 100_000]:
        with pytest.raises(errors.KeyMalformed):
            house.works(text)
    with pytest.raises(errors.KeyWrongEnvironment):
        elsewhere.authenticate(issued.secret, PEER, house.clock.now())
    assert asked == []


def test_a_key_that_was_never_issued_and_one_with_another_secret_look_alike(house: Any) -> None:
    house.cohort()
    issued = house.key()
    forged = house.opened(entropy=bytes)
    never = forged.keys.add(issued.of.grant_id, scopes=["api.chat"], by=house.by)
    with house.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM access_key WHERE id = ?", (never.of.id,))
    with pytest.raises(errors.KeyUnknown) as unknown:
        house.works(never.secret)
    other_pepper = house.opened(pepper=b"q" * 32)
    with pytest.raises(errors.KeyUnknown) as wrong:
        other_pepper.authenticate(issued.secret, PEER, house.clock.now())
    assert str(unknown.value) == str(wrong.value)
    with pytest.raises(errors.KeyNotFound):
        house.access.holder(KeyId("key_none"))


def test_many_holders_come_in_one_answer_and_strangers_are_absent(house: Any) -> None:
    house.cohort(seats=None)
    grant = house.grant()
    ids = [house.key(grant).of.id for _ in range(3)]
    assert set(house.access.holders([*ids, KeyId("key_none")])) == set(ids)
    assert house.access.holders([]) == {}


def test_the_text_of_a_key_is_nowhere_but_in_the_answer(house: Any) -> None:
    house.cohort()
    account = house.account(email="ada.lovelace@example.org")
    issued = house.key(house.grant(account=account))
    secret = issued.secret.split("_")[3]
    staff = house.access.staff.add("Grace", roles=_roles("auditor"), by=house.by)
    house.works(issued.secret)
    on_disk = house.bytes_on_disk()
    for private in (secret, secret[:-6], staff.secret.split("_")[2], "ada.lovelace", "p" * 32):
        assert private.encode() not in on_disk
        for shown in (repr(issued), str(issued), repr(staff), repr(house.works(issued.secret)), repr(house.ledger())):
            assert private not in shown


def test_a_key_has_an_end_and_an_end_within_a_year(house: Any) -> None:
    house.cohort()
    grant = house.grant(days=600)
    assert house.key(grant).of.expires_at == house.clock.now() + 90 * DAY
    for life in (timedelta(0), -DAY, 366 * DAY):
        with pytest.raises(errors.KeyInvalid):
            house.key(grant, life=life)
    long = house.key(grant, life=365 * DAY)
    house.clock.at += 365 * DAY
    with pytest.raises(errors.KeyExpired):
        house.works(long.secret)


def test_a_key_never_outlives_its_grant(house: Any) -> None:
    house.cohort()
    issued = house.key(house.grant(days=10))
    house.clock.at += 10 * DAY
    with pytest.raises(errors.GrantExpired):
        house.works(issued.secret)
    with pytest.raises(errors.GrantEnded):
        house.key(house.access.grants.get(issued.of.grant_id, by=house.by))


def test_a_rotated_key_and_its_successor_overlap(house: Any) -> None:
    house.cohort()
    old = house.key(networks=["192.0.2.0/24"], scopes=["api.chat", "api.embeddings"])
    new = house.access.keys.rotate(old.of.id, overlap=DAY, by=house.by)
    assert (new.of.scopes, new.of.networks, new.of.grant_id) == (old.of.scopes, old.of.networks, old.of.grant_id)
    house.works(old.secret)
    house.works(new.secret)
    house.clock.at += DAY
    with pytest.raises(errors.KeyReplaced, match="overlap") as caught:
        house.works(old.secret)
    assert new.of.id in (caught.value.help or "")
    house.works(new.secret)
    assert house.access.sweep(house.clock.now()).keys_expired == 1
    with pytest.raises(errors.KeyReplaced):
        house.works(old.secret)
    assert [kind for kind in house.kinds() if kind.startswith("key.")] == [
        "key.created",
        "key.created",
        "key.rotated",
        "key.expired",
    ]


def test_a_quarantined_key_is_replaced_without_an_overlap(house: Any) -> None:
    house.cohort()
    old = house.key()
    house.access.report_leaks([old.secret])
    new = house.access.keys.rotate(old.of.id, by=house.by)
    house.works(new.secret)
    with pytest.raises(errors.KeyRevoked):
        house.works(old.secret)


def test_revoking_twice_is_written_down_once(house: Any) -> None:
    house.cohort()
    issued = house.key()
    for _ in range(2):
        assert house.access.keys.revoke(issued.of.id, reason="left", by=house.by).state is KeyState.REVOKED
    with pytest.raises(errors.KeyRevoked):
        house.works(issued.secret)
    assert house.kinds().count("key.revoked") == 1
    with pytest.raises(errors.KeyMoveIllegal):
        house.access.keys.rotate(issued.of.id, by=house.by)


def test_a_reported_key_stops_at_once_and_the_report_says_nothing(house: Any) -> None:
    house.cohort()
    leaked, other = house.key(), house.key(house.grant(account=house.account("Bob")))
    near_miss = leaked.secret[:-1] + ("a" if leaked.secret[-1] != "a" else "b")
    assert house.access.report_leaks([near_miss, "", "sk-something-else", leaked.of.id]) is None
    house.works(leaked.secret)
    assert house.access.report_leaks([leaked.secret, leaked.secret, "noise"]) is None
    with pytest.raises(errors.KeyQuarantined):
        house.works(leaked.secret)
    house.works(other.secret)
    (entry,) = [recorded.entry for recorded in house.ledger() if recorded.entry.kind == "key.quarantined"]
    assert (entry.subject, entry.actor, entry.body["account_id"]) == (
        leaked.of.id,
        "system:leak_report",
        house.access.grants.get(leaked.of.grant_id, by=house.by).account_id,
    )
    with pytest.raises(errors.LeakReportInvalid):
        house.access.report_leaks([leaked.secret] * 101)


def test_a_right_identifier_with_a_wrong_secret_stops_nobody(house: Any) -> None:
    from headgate.access.wire import key

    house.cohort()
    issued = house.key()
    house.access.report_leaks([key.mint("test", issued.of.id, entropy=bytes(24)).text])
    assert house.works(issued.secret).key.id == issued.of.id


def test_use_is_noted_to_the_minute_and_writes_no_entry(house: Any) -> None:
    house.cohort()
    issued = house.key()
    before = house.kinds()
    first = house.clock.now()
    for later in (timedelta(0), timedelta(seconds=30), timedelta(seconds=59)):
        house.access.note_uses({issued.of.id: first + later})
    assert house.access.holder(issued.of.id).key.last_used_at == first
    house.access.note_uses({issued.of.id: first + timedelta(seconds=60), KeyId("key_none"): first})
    assert house.access.holder(issued.of.id).key.last_used_at == first + timedelta(seconds=60)
    house.access.note_uses({issued.of.id: first - DAY})
    assert house.access.holder(issued.of.id).key.last_used_at == first + timedelta(seconds=60)
    house.access.note_uses({})
    assert house.kinds() == before


def test_a_key_that_lies_unused_is_quarantined_and_one_in_use_is_not(house: Any) -> None:
    house.cohort()
    grant = house.grant(days=300)
    idle, used = house.key(grant, life=200 * DAY), house.key(grant, life=200 * DAY)
    house.access.note_uses({used.of.id: house.clock.now() + 30 * DAY})
    house.clock.at += 60 * DAY
    assert house.access.sweep(house.clock.now()).keys_dormant == 1
    with pytest.raises(errors.KeyQuarantined):
        house.works(idle.secret)
    house.works(used.secret)


def _roles(*names: str) -> list[Any]:
    from headgate.kernel.actor import Role

    return [Role(name) for name in names]
