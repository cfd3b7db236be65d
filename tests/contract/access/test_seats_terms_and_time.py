from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from headgate.access import errors
from headgate.access.model import AccountState, CohortState, GrantState, KeyState, Page, Swept
from headgate.kernel.ids import AccountId

if TYPE_CHECKING:
    from headgate.kernel.errors import HeadgateError

DAY = timedelta(days=1)


def test_many_decisions_at_once_never_fill_more_seats_than_there_are(house: Any) -> None:
    house.cohort(seats=3)
    accounts = [house.account(f"account {n}") for n in range(24)]

    def let_in(account: Any) -> str:
        try:
            return house.grant(account=account).state.value
        except errors.GrantNoSeat as refused:
            return refused.code

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(let_in, accounts))
    assert sorted(answers) == ["active"] * 3 + ["grant.no_seat"] * 21
    assert house.access.cohorts.get("trusted", by=house.by).taken == 3
    assert house.kinds().count("grant.created") == 3


def test_many_decisions_at_once_give_one_account_one_seat(house: Any) -> None:
    house.cohort(seats=None)
    account = house.account()

    def let_in(_: int) -> str:
        try:
            return house.grant(account=account).state.value
        except errors.GrantDuplicate as refused:
            return refused.code

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(let_in, range(8)))
    assert sorted(answers) == ["active"] + ["grant.duplicate"] * 7


def test_the_database_itself_refuses_a_second_open_seat(house: Any) -> None:
    house.cohort()
    grant = house.grant()
    with house.engine.begin() as connection, pytest.raises(IntegrityError):
        connection.exec_driver_sql(
            "INSERT INTO access_grant SELECT 'gr_twin', account_id, cohort, state, terms_version, terms_due_at_us,"
            " limited_to_percent, starts_at_us, ends_at_us, simulated, created_at_us, revision"
            " FROM access_grant WHERE id = ?",
            (grant.id,),
        )


def test_a_seat_is_free_again_when_it_ends_and_when_its_time_is_over(house: Any) -> None:
    house.cohort(seats=1)
    first = house.grant(days=1)
    with pytest.raises(errors.GrantNoSeat, match="1 of 1"):
        house.grant(account=house.account("Bob"))
    house.access.grants.end(first.id, reason="moved on", by=house.by)
    second = house.grant(account=house.account("Cy"), days=1)
    house.clock.at += DAY
    house.grant(account=house.account("Di"))
    assert house.access.grants.get(second.id, by=house.by).state is GrantState.ENDED


def test_an_account_whose_seat_ran_out_is_let_in_again_and_the_end_is_on_the_ledger(house: Any) -> None:
    house.cohort()
    account = house.account()
    old = house.grant(account=account, days=1)
    house.clock.at += DAY
    new = house.grant(account=account)
    assert new.id != old.id
    assert [recorded.entry.subject for recorded in house.ledger() if recorded.entry.kind == "grant.ended"] == [old.id]


def test_a_smaller_cohort_turns_nobody_out_and_lets_nobody_in(house: Any) -> None:
    house.cohort(seats=2)
    key = house.key()
    house.access.cohorts.change("trusted", seats=0, state=CohortState.OPEN, by=house.by)
    house.works(key.secret)
    with pytest.raises(errors.GrantNoSeat):
        house.grant(account=house.account("Bob"))
    house.access.cohorts.change("trusted", seats=None, state=CohortState.FROZEN, by=house.by)
    with pytest.raises(errors.CohortFrozen):
        house.grant(account=house.account("Cy"))
    house.works(key.secret)


def test_a_suspended_account_takes_every_key_along_and_gets_back_what_it_still_has(house: Any) -> None:
    house.cohort("one")
    house.cohort("two")
    account = house.account()
    kept, revoked = (house.key(house.grant(cohort, account)) for cohort in ("one", "two"))
    assert house.access.accounts.suspend(account.id, reason="abuse", by=house.by).state is AccountState.SUSPENDED
    for key in (kept, revoked):
        with pytest.raises(errors.AccountSuspended):
            house.works(key.secret)
    house.access.keys.revoke(revoked.of.id, reason="abuse", by=house.by)
    with pytest.raises(errors.AccountSuspended):
        house.key(house.access.grants.get(kept.of.grant_id, by=house.by))
    house.access.accounts.reinstate(account.id, reason="appeal", by=house.by)
    house.works(kept.secret)
    with pytest.raises(errors.KeyRevoked):
        house.works(revoked.secret)
    assert house.ledger()[-1].entry.subject == account.id
    assert house.ledger()[-1].entry.body["account_id"] == account.id


def test_a_suspended_organisation_takes_every_account_along(house: Any) -> None:
    house.cohort()
    organisation = house.access.organisations.add("Lab", by=house.by)
    keys = [house.key(house.grant(account=house.account(n, organisation_id=organisation.id))) for n in ("Ada", "Bob")]
    house.access.organisations.suspend(organisation.id, reason="contract ended", by=house.by)
    for key in keys:
        with pytest.raises(errors.OrganisationSuspended):
            house.works(key.secret)
    with pytest.raises(errors.OrganisationSuspended):
        house.grant(account=house.account("Cy", organisation_id=organisation.id))
    with pytest.raises(errors.OrganisationMoveIllegal):
        house.access.organisations.suspend(organisation.id, reason="again", by=house.by)
    house.access.organisations.reinstate(organisation.id, reason="renewed", by=house.by)
    house.works(keys[0].secret)


def test_a_closed_account_stays_closed_and_frees_its_address(house: Any) -> None:
    house.cohort()
    account = house.account(email="Ada@Example.org")
    key = house.key(house.grant(account=account))
    with pytest.raises(errors.AccountDuplicate):
        house.account("Ada again", email=" ada@example.org")
    house.access.accounts.close(account.id, reason="asked", by=house.by)
    with pytest.raises(errors.AccountClosed):
        house.works(key.secret)
    for move in (house.access.accounts.reinstate, house.access.accounts.suspend, house.access.accounts.close):
        with pytest.raises(errors.AccountMoveIllegal):
            move(account.id, reason="try", by=house.by)
    house.account("Ada again", email="ada@example.org")


def test_terms_wait_to_be_accepted_by_whoever_holds_a_key(house: Any) -> None:
    house.cohort(terms="1")
    key = house.key()
    with pytest.raises(errors.TermsNotAccepted):
        house.works(key.secret)
    with pytest.raises(errors.TermsSuperseded):
        house.access.accept_terms(key.secret, "0", peer="")
    grant = house.access.accept_terms(key.secret, "1", peer="")
    assert grant.state is GrantState.ACTIVE
    house.works(key.secret)
    assert house.ledger()[-1].entry.kind == "grant.activated"
    assert house.ledger()[-2].entry.actor == grant.account_id
    stopped = house.key(grant)
    house.access.keys.revoke(stopped.of.id, reason="left", by=house.by)
    with pytest.raises(errors.KeyRevoked):
        house.access.accept_terms(stopped.secret, "1", peer="")


def test_new_terms_leave_time_and_a_second_change_leaves_no_more_for_the_first(house: Any) -> None:
    house.cohort(terms="1")
    key = house.key()
    house.access.accept_terms(key.secret, "1", peer="")
    house.access.cohorts.change_terms("trusted", version="2", grace=10 * DAY, by=house.by)
    house.clock.at += 9 * DAY
    house.works(key.secret)
    house.access.cohorts.change_terms("trusted", version="3", grace=10 * DAY, by=house.by)
    house.clock.at += DAY
    with pytest.raises(errors.TermsOutdated):
        house.works(key.secret)
    assert house.access.sweep(house.clock.now()) == Swept(terms_lapsed=1)
    assert house.kinds()[-1] == "grant.terms_lapsed"
    house.clock.at -= 5 * DAY
    with pytest.raises(errors.TermsOutdated):
        house.works(key.secret)
    house.access.accept_terms(key.secret, "3", peer="")
    house.works(key.secret)


def test_the_first_terms_of_a_cohort_leave_time_too_and_never_revive_a_seat_that_had_none(house: Any) -> None:
    house.cohort()
    inside = house.key()
    house.access.cohorts.change_terms("trusted", version="1", grace=DAY, by=house.by)
    house.works(inside.secret)
    late = house.key(house.grant(account=house.account("Bob")))
    with pytest.raises(errors.TermsNotAccepted):
        house.works(late.secret)
    house.access.grants.pause(late.of.grant_id, reason="hold", by=house.by)
    house.access.cohorts.change_terms("trusted", version="2", grace=DAY, by=house.by)
    house.access.grants.resume(late.of.grant_id, reason="go on", by=house.by)
    with pytest.raises(errors.TermsNotAccepted):
        house.works(late.secret)
    with pytest.raises(errors.CohortInvalid, match="already"):
        house.access.cohorts.change_terms("trusted", version="2", by=house.by)
    with pytest.raises(errors.CohortInvalid, match="negative"):
        house.access.cohorts.change_terms("trusted", version="3", grace=-DAY, by=house.by)


def test_staff_can_record_an_acceptance_and_says_where_it_is(house: Any) -> None:
    house.cohort(terms="1")
    key = house.key()
    house.access.grants.record_acceptance(key.of.grant_id, "1", evidence="contract 2027-114", by=house.by)
    house.works(key.secret)
    assert house.ledger()[-2].entry.body["evidence"] == "contract 2027-114"


def test_a_seat_is_limited_paused_resumed_and_ended(house: Any) -> None:
    house.cohort()
    key = house.key()
    grants, seat = house.access.grants, key.of.grant_id
    assert grants.limit(seat, to_percent=25, reason="load", by=house.by).state is GrantState.LIMITED
    assert house.works(key.secret).grant.limited_to_percent == 25
    assert grants.pause(seat, reason="hold", by=house.by).state is GrantState.PAUSED
    with pytest.raises(errors.GrantPaused):
        house.works(key.secret)
    assert grants.resume(seat, reason="go on", by=house.by).state is GrantState.LIMITED
    assert grants.unlimit(seat, reason="done", by=house.by).state is GrantState.ACTIVE
    assert grants.end(seat, reason="over", by=house.by).state is GrantState.ENDED
    with pytest.raises(errors.GrantEnded):
        house.works(key.secret)
    assert house.kinds()[-5:] == ["grant.limited", "grant.paused", "grant.resumed", "grant.unlimited", "grant.ended"]


def test_a_seat_that_starts_later_counts_and_waits(house: Any) -> None:
    house.cohort(seats=1)
    account = house.account()
    grant = house.access.grants.add(
        account.id, "trusted", starts_at=house.clock.now() + DAY, ends_at=house.clock.now() + 2 * DAY, by=house.by
    )
    key = house.key(grant)
    with pytest.raises(errors.GrantNotStarted):
        house.works(key.secret)
    house.clock.at += DAY
    house.works(key.secret)


def test_what_the_sweep_has_ended_stays_ended_when_the_clock_is_set_back(house: Any) -> None:
    house.cohort()
    short = house.key(house.grant(days=2))
    old = house.key(house.grant(account=house.account("Bob"), days=300), life=2 * DAY)
    house.clock.at += 2 * DAY
    for key in (short, old):
        with pytest.raises((errors.GrantExpired, errors.KeyExpired)):
            house.works(key.secret)
    assert house.access.sweep(house.clock.now()) == Swept(grants_ended=1, keys_expired=1)
    before = house.kinds()
    assert house.access.sweep(house.clock.now()) == Swept()
    assert house.kinds() == before
    house.clock.at -= 2 * DAY
    with pytest.raises(errors.GrantEnded):
        house.works(short.secret)
    with pytest.raises(errors.KeyExpired):
        house.works(old.secret)
    assert house.access.keys.get(old.of.id, by=house.by).state is KeyState.EXPIRED


def test_a_sweep_with_nothing_due_does_not_ask_for_the_write_lock(house: Any) -> None:
    house.cohort()
    house.key()
    with house.engine.begin():
        assert house.access.sweep(house.clock.now()) == Swept()


def test_a_sweep_of_more_than_a_batch_leaves_nothing(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate.access.service import sweeping

    monkeypatch.setattr(sweeping, "_BATCH", 3)
    house.cohort(seats=None)
    for n in range(8):
        house.key(house.grant(account=house.account(f"account {n}"), days=1))
    house.clock.at += DAY
    assert house.access.sweep(house.clock.now()).grants_ended == 8


def test_what_is_entered_comes_back_page_by_page(house: Any) -> None:
    accounts = []
    for n in range(5):
        house.clock.at += timedelta(seconds=1)
        accounts.append(house.account(f"account {n}", simulated=n == 0))
    pages = house.access.accounts
    first = pages.page(Page(limit=2), by=house.by)
    rest = pages.page(Page(after=first[-1].id, limit=100), by=house.by)
    assert first + rest == accounts
    assert pages.page(Page(after=rest[-1].id), by=house.by) == []
    house.cohort()
    grant = house.grant(account=accounts[0])
    assert grant.simulated
    key = house.key(grant)
    assert house.access.grants.page(account_id=accounts[1].id, by=house.by) == []
    assert house.access.grants.page(cohort="trusted", by=house.by) == [grant]
    assert house.access.keys.page(account_id=accounts[0].id, by=house.by) == [key.of]
    assert house.access.keys.page(account_id=accounts[1].id, by=house.by) == []


def test_what_is_not_there_is_said_to_be_not_there(house: Any) -> None:
    house.cohort()
    account = house.account()
    lost: list[tuple[type[HeadgateError], Any]] = [
        (errors.AccountNotFound, lambda: house.access.accounts.get(AccountId("acc_none"), by=house.by)),
        (errors.CohortNotFound, lambda: house.grant("nowhere", account)),
        (errors.GrantNotFound, lambda: house.access.grants.pause("gr_none", reason="x", by=house.by)),
        (errors.KeyNotFound, lambda: house.access.keys.revoke("key_none", reason="x", by=house.by)),
        (errors.OrganisationNotFound, lambda: house.account(organisation_id="org_none")),
        (errors.StaffNotFound, lambda: house.access.staff.revoke("stf_none", reason="x", by=house.by)),
    ]
    for error, command in lost:
        with pytest.raises(error):
            command()


def test_a_cohort_is_entered_once(house: Any) -> None:
    house.cohort()
    with pytest.raises(errors.CohortExists):
        house.cohort()
