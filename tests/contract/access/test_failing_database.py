from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from headgate.access import errors
from headgate.access.service import Access
from headgate.access.store import SqlStore
from headgate.adapters import database
from headgate.kernel.errors import Unavailable

DAY = timedelta(days=1)


def test_a_locked_database_refuses_changes_says_so_and_still_answers_who_is_calling(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.cohort()
    key = house.key()
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    impatient = SqlStore(database.open_sqlite(house.path))
    access = Access(impatient, pepper=b"p" * 32, environment="test", clock=house.clock)
    with house.engine.begin():
        with pytest.raises(errors.AccessStoreUnavailable):
            access.keys.revoke(key.of.id, reason="left", by=house.by)
        with pytest.raises(errors.AccessStoreUnavailable):
            access.report_leaks([key.secret])
        with pytest.raises(errors.AccessStoreUnavailable):
            access.note_uses({key.of.id: house.clock.now()})
        access.authenticate(key.secret, "", house.clock.now())
    house.works(key.secret)
    assert "key.revoked" not in house.kinds()
    impatient._engine.dispose()


def test_a_full_disk_refuses_changes_and_keeps_what_was(house: Any) -> None:
    house.cohort(seats=None)
    key = house.key()
    kinds = house.kinds()
    with house.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def enter_many() -> None:
        for n in range(500):
            house.account(f"account {n} " + "x" * 150)

    event.listen(house.engine, "begin", fill)
    with pytest.raises(Unavailable):
        enter_many()
    with house.engine.connect() as connection:
        accounts = connection.exec_driver_sql("SELECT count(*) FROM access_account").scalar_one()
    created = house.kinds().count("account.created")
    assert accounts == created
    assert house.kinds()[: len(kinds)] == kinds
    house.works(key.secret)


def test_a_database_that_is_gone_or_is_no_database_opens_nothing(house: Any) -> None:
    house.cohort()
    key = house.key()
    house.engine.dispose()
    for file in house.path.parent.iterdir():
        os.truncate(file, 0)
    with pytest.raises(errors.AccessStoreUnavailable):
        house.works(key.secret)
    house.engine.dispose()
    house.path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(errors.AccessStoreUnavailable):
        house.works(key.secret)


def test_an_entry_that_cannot_be_written_takes_the_change_back(house: Any) -> None:
    house.cohort()
    key = house.key()
    with house.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger_entry RENAME TO ledger_entry_elsewhere")
    with pytest.raises(errors.AccessStoreUnavailable):
        house.access.keys.revoke(key.of.id, reason="left", by=house.by)
    house.works(key.secret)


def test_two_writers_of_one_revision_notice_each_other(house: Any) -> None:
    account = house.account()
    store = SqlStore(house.engine)
    with store.writing() as tx:
        tx.save(replace(account, name="Ada L."))
    with pytest.raises(errors.AccessMoved), store.writing() as tx:
        tx.save(replace(account, name="Ada B."))
    assert house.access.accounts.get(account.id, by=house.by).name == "Ada L."


def test_a_view_cannot_write(house: Any) -> None:
    account = house.account()
    store = SqlStore(house.engine)
    with pytest.raises(errors.AccessStoreUnavailable), store.reading() as view:
        view._connection.exec_driver_sql("DELETE FROM access_account")  # type: ignore[attr-defined]
    assert house.access.accounts.get(account.id, by=house.by) == account
