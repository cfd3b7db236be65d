"""Health: a part that says nothing, or nothing new, is never shown as well."""

from __future__ import annotations

import os
import re
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from headgate.adapters.telemetry import Seen, Sheets, families, seen
from headgate.adapters.telemetry.sheets import Sheet
from headgate.bootstrap.settings import Settings
from headgate.bootstrap.vitals import model_servers, worker
from headgate.bootstrap.wiring import open_house
from headgate.console.vitals import Standing, Vital, worst
from headgate.kernel.actor import Role
from headgate.ledger.model import Entry
from headgate.ledger.store import SqlLedger
from headgate.testing.console import first_of, seated
from headgate.testing.homes import empty_home
from headgate.testing.traffic import NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headgate.bootstrap.wiring import House

READY = {"ready": 1.0, "not_ready": 0.0, "retiring": 0.0}


def a_sheet(states: dict[str, float] = READY, *, policy_age_s: float = 0.1, owed: float = 0, stale: float = 0) -> Sheet:
    """Return what a worker writes down."""
    sheet = Sheet()
    sheet.put(families.WORKERS, {(state,): value for state, value in states.items()})
    sheet.put(families.POLICY_AGE, {(): policy_age_s})
    sheet.put(families.OWED, {(): owed})
    sheet.put(families.STALE, {(): stale})
    sheet.put(families.REPLICAS, {("model:1", "well"): 1.0, ("model:1", "resting"): 0.0, ("model:2", "resting"): 1.0})
    return sheet


def standing(page: str, name: str) -> str:
    """Return how a part is said to be doing."""
    found = re.search(rf'data-standing="(\w+)" aria-label="{re.escape(name)}', page)
    assert found is not None, f"nothing is said of {name}"
    return found[1]


async def test_of_a_house_without_processes_nothing_is_said_to_be_well_that_needs_them(tmp_path: Path) -> None:
    with closing(open_house(empty_home(tmp_path / "data"), Settings())) as house:
        root = seated(house, first_of(house))
        page = await root.see("/health")
        await root.http.aclose()
    assert {name: standing(page, name) for name in ("Workers", "Steward", "Detectors and draws", "Spool")} == {
        "Workers": "unknown",
        "Steward": "unknown",
        "Detectors and draws": "unknown",
        "Spool": "unknown",
    }
    assert standing(page, "Database") == "well"
    assert "4 parts need somebody" in page or "parts need somebody" in page


async def test_a_worker_that_died_and_one_that_is_stuck_are_shown(root: Any, house: House) -> None:
    ready, stuck, dead = (Sheets(house.home.metrics, name) for name in ("ready", "stuck", "dead"))
    for each in (ready, stuck, dead):
        each.publish(a_sheet())
    dead.close()
    [silent] = house.home.metrics.glob("stuck-*.json")
    long_ago = house.clock.now().timestamp() - 600
    os.utime(silent, (long_ago, long_ago))
    page = await root.see("/health")
    assert standing(page, "Worker ready") == "well"
    assert standing(page, "Worker stuck") == "unknown"
    assert "its last numbers are from 10m00s ago" in page
    assert standing(page, "Worker dead") == "ill"
    assert standing(page, "model:2") == "ill"
    ready.close()
    stuck.close()


async def test_a_steward_that_stopped_is_shown_with_the_time_since_when(root: Any, house: House) -> None:
    now = house.clock.now()
    assert house.releases.lease("host:1", now=now, until=now + timedelta(seconds=30))
    assert standing(await root.see("/health"), "Steward") == "well"
    with house.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE releases_controller SET until_us = 1000000")
    page = await root.see("/health")
    assert standing(page, "Steward") == "ill"
    assert "since 1970-01-01 00:00:01 UTC" in page


async def test_entries_that_wait_for_a_signature_are_counted(root: Any, house: House) -> None:
    house.ledger.checkpoint()
    assert standing(await root.see("/health"), "Ledger") == "well"
    with SqlLedger(house.engine).writing() as view:
        view.append(Entry("grant.revoked", "gr_1", "stf_1", house.clock.now() - timedelta(hours=1), {}))
    page = await root.see("/health")
    assert standing(page, "Ledger") == "ill"
    assert "1 entry waits for a signature, the first for 1h00m" in page


async def test_a_clock_that_was_set_back_is_shown(root: Any, house: House) -> None:
    with SqlLedger(house.engine).writing() as view:
        view.append(Entry("grant.revoked", "gr_1", "stf_1", house.clock.now() + timedelta(hours=1), {}))
    assert standing(await root.see("/health"), "Clock") == "ill"


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        (a_sheet(), Standing.WELL),
        (a_sheet({"ready": 0.0, "not_ready": 1.0, "retiring": 0.0}), Standing.ILL),
        (a_sheet({"ready": 0.0, "not_ready": 0.0, "retiring": 1.0}), Standing.WATCH),
        (a_sheet(stale=1), Standing.ILL),
        (a_sheet(policy_age_s=30), Standing.WATCH),
        (Sheet(), Standing.ILL),
    ],
    ids=["ready", "not ready", "retiring", "stale", "behind", "nothing written"],
)
def test_a_worker_stands_as_its_numbers_say(sheet: Sheet, expected: Standing) -> None:
    assert worker(Seen("one", lives=True, written_at=NOON.timestamp(), sheet=sheet), NOON).standing is expected


def test_numbers_that_nobody_writes_any_more_are_not_believed() -> None:
    old = NOON.timestamp() - 60
    assert worker(Seen("one", lives=True, written_at=old, sheet=a_sheet()), NOON).standing is Standing.UNKNOWN
    assert worker(Seen("one", lives=True, written_at=None, sheet=a_sheet()), NOON).standing is Standing.UNKNOWN
    assert worker(Seen("one", lives=False, written_at=old, sheet=a_sheet()), NOON).standing is Standing.ILL
    assert model_servers([Seen("one", lives=False, written_at=old, sheet=a_sheet())]) == []


def test_of_no_part_at_all_nothing_is_known() -> None:
    assert worst([]) is Standing.UNKNOWN
    assert worst([Vital("a", Standing.WELL, ""), Vital("b", Standing.WATCH, "")]) is Standing.WATCH


def test_a_directory_without_sheets_holds_no_workers(tmp_path: Path) -> None:
    assert seen(tmp_path / "absent") == []


async def test_who_may_look_may_see_health(seat: Callable[..., Any]) -> None:
    assert "Health" in await seat(Role.AUDITOR).see("/health")
