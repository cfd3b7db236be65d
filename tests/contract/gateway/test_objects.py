"""What every store of kept objects must do; SQLite's is the one there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.errors import ObjectsUnavailable
from headgate.gateway.model import ObjectKind, StoredObject
from headgate.gateway.store import SqlObjects, metadata
from headgate.kernel.ids import AccountId, GrantId, OrganisationId, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headgate.gateway.ports import Objects

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RESPONSE = StoredObject(
    ObjectKind.RESPONSE,
    "resp_1",
    ReleaseId("rel_1"),
    "atlas",
    AccountId("acc_1"),
    GrantId("grt_1"),
    OrganisationId("org_1"),
    NOON,
    {"turns": 3, "server": "http://u/v1"},
)


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    engine = open_sqlite(tmp_path / "objects.db")
    metadata.create_all(engine)
    yield SqlObjects(engine)
    engine.dispose()


def test_what_is_kept_is_found_as_it_was(objects: Objects) -> None:
    bare = replace(RESPONSE, id="resp_2", organisation_id=None, detail={})
    objects.keep(RESPONSE)
    objects.keep(bare)

    assert objects.find(ObjectKind.RESPONSE, "resp_1") == RESPONSE
    assert objects.find(ObjectKind.RESPONSE, "resp_2") == bare
    assert objects.find(ObjectKind.RUNNING_RESPONSE, "resp_1") is None
    assert objects.find(ObjectKind.RESPONSE, "resp_3") is None


def test_what_is_kept_again_takes_the_place_of_what_was(objects: Objects) -> None:
    later = replace(RESPONSE, detail={"turns": 4})
    objects.keep(RESPONSE)
    objects.keep(later)

    assert objects.find(ObjectKind.RESPONSE, "resp_1") == later
    assert objects.owned(ObjectKind.RESPONSE, RESPONSE.account_id) == [later]


def test_each_sees_their_own_newest_first(objects: Objects) -> None:
    second = replace(RESPONSE, id="resp_2", created=NOON + timedelta(seconds=1))
    foreign = replace(RESPONSE, id="resp_3", account_id=AccountId("acc_2"), release_id=ReleaseId("rel_2"))
    for each in (RESPONSE, foreign, second, replace(RESPONSE, kind=ObjectKind.FILE)):
        objects.keep(each)

    assert objects.owned(ObjectKind.RESPONSE, AccountId("acc_1")) == [second, RESPONSE]
    assert objects.of_release(ObjectKind.RESPONSE, ReleaseId("rel_1")) == [second, RESPONSE]
    assert objects.of_release(ObjectKind.RESPONSE, ReleaseId("rel_2")) == [foreign]
    assert objects.owned(ObjectKind.RESPONSE, AccountId("acc_3")) == []


def test_only_one_of_several_is_told_that_it_forgot_something(objects: Objects) -> None:
    objects.keep(RESPONSE)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(objects.forget, [ObjectKind.RESPONSE] * 8, ["resp_1"] * 8))

    assert sorted(told) == [False] * 7 + [True]
    assert objects.find(ObjectKind.RESPONSE, "resp_1") is None


def test_a_store_that_does_not_answer_says_so(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "empty.db")
    objects = SqlObjects(engine)

    for ask in (
        lambda: objects.find(ObjectKind.RESPONSE, "resp_1"),
        lambda: objects.keep(RESPONSE),
        lambda: objects.forget(ObjectKind.RESPONSE, "resp_1"),
        lambda: objects.owned(ObjectKind.RESPONSE, RESPONSE.account_id),
        lambda: objects.of_release(ObjectKind.RESPONSE, RESPONSE.release_id),
    ):
        with pytest.raises(ObjectsUnavailable):
            ask()
    engine.dispose()
