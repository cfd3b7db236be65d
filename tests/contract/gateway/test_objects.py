"""What every store of kept objects must do; SQLite's is the one there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.errors import ObjectsUnavailable, ObjectTaken
from headgate.gateway.model import ObjectKind, StoredObject
from headgate.gateway.store import Keeping, SqlObjects, metadata, remove_what_is_kept_no_more
from headgate.kernel.ids import AccountId, GrantId, OrganisationId, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

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


KEPT_AS_ANSWERS = frozenset(ObjectKind) - {
    *(ObjectKind.FILE, ObjectKind.BATCH, ObjectKind.FINE_TUNING_JOB, ObjectKind.TUNED_MODEL),
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "objects.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def objects(engine: sa.Engine) -> Objects:
    return SqlObjects(engine)


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


def test_what_is_somebodys_never_becomes_somebody_elses(objects: Objects) -> None:
    objects.keep(RESPONSE)

    with pytest.raises(ObjectTaken):
        objects.keep(replace(RESPONSE, account_id=AccountId("acc_2")))

    assert objects.find(ObjectKind.RESPONSE, "resp_1") == RESPONSE


DAY = timedelta(days=1)
KEEPING = Keeping(answers=30 * DAY, files=400 * DAY, ended={ReleaseId("rel_ended")})


@pytest.mark.parametrize(
    ("kind", "age", "detail", "release", "remains"),
    [
        (ObjectKind.RESPONSE, 30 * DAY, {}, "rel_1", True),
        *((kind, 31 * DAY, {}, "rel_1", kind not in KEPT_AS_ANSWERS) for kind in ObjectKind),
        (ObjectKind.FILE, 401 * DAY, {}, "rel_1", False),
        (ObjectKind.BATCH, 401 * DAY, {"over": True}, "rel_1", False),
        (ObjectKind.BATCH, 401 * DAY, {}, "rel_1", True),  # it may still run, and then has to be called off
        (ObjectKind.FINE_TUNING_JOB, 401 * DAY, {"over": False}, "rel_1", True),
        (ObjectKind.TUNED_MODEL, 4000 * DAY, {}, "rel_1", True),
        (ObjectKind.TUNED_MODEL, 2 * DAY, {}, "rel_ended", False),
        (ObjectKind.FILE, 2 * DAY, {}, "rel_ended", False),
        (ObjectKind.FILE, DAY / 2, {}, "rel_ended", True),
        (ObjectKind.BATCH, 2 * DAY, {}, "rel_ended", True),
        (ObjectKind.BATCH, 2 * DAY, {"over": True}, "rel_ended", False),
    ],
)
def test_what_is_kept_no_more_is_nobodys(
    engine: sa.Engine, objects: Objects, kind: ObjectKind, age: timedelta, detail: dict[str, bool], release: str, remains: bool
) -> None:
    stored = replace(RESPONSE, kind=kind, release_id=ReleaseId(release), detail=detail)
    objects.keep(stored)

    assert remove_what_is_kept_no_more(engine, KEEPING, now=NOON + age) == (not remains)

    assert objects.find(kind, "resp_1") == (stored if remains else None)


def test_everything_that_is_over_goes_however_much_there_is(engine: sa.Engine, objects: Objects) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO gateway_object WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
            "SELECT 'response', printf('resp_%d', i), 'rel_1', 'atlas', 'acc_1', 'grt_1', NULL, i * 86400000000, '{}' FROM n"
        )
    now = datetime.fromtimestamp(0, UTC) + 2530 * DAY

    assert remove_what_is_kept_no_more(engine, KEEPING, now=now) == 2499
    assert [stored.id for stored in objects.owned(ObjectKind.RESPONSE, AccountId("acc_1"))] == ["resp_2500"]
    assert remove_what_is_kept_no_more(engine, KEEPING, now=now) == 0


def test_a_store_that_does_not_answer_says_so(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "empty.db")
    objects = SqlObjects(engine)

    for ask in (
        lambda: remove_what_is_kept_no_more(engine, KEEPING, now=NOON),
        lambda: objects.find(ObjectKind.RESPONSE, "resp_1"),
        lambda: objects.keep(RESPONSE),
        lambda: objects.forget(ObjectKind.RESPONSE, "resp_1"),
        lambda: objects.owned(ObjectKind.RESPONSE, RESPONSE.account_id),
        lambda: objects.of_release(ObjectKind.RESPONSE, RESPONSE.release_id),
    ):
        with pytest.raises(ObjectsUnavailable):
            ask()
    engine.dispose()
