"""Reports: taken at their word, about one's own answers alone, and too few to hold a release with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.safety.errors import IncidentInvalid, ReportsExhausted, ReportUnfounded
from headgate.safety.model import IncidentState, Severity
from headgate.safety.ports import Spoken
from headgate.safety.service.reports import A_DAY, Reports
from headgate.safety.store import SqlIncidents
from headgate.testing.safety import LEAD

if TYPE_CHECKING:
    import sqlalchemy as sa

    from headgate.testing.safety import SafetyWorld

MINE, THEIRS = "ex_mine", "ex_theirs"


class Log:
    """Two exchanges, of two accounts."""

    def whose(self, exchange_id: str) -> Spoken | None:
        return {MINE: Spoken("acc_me", "rel_a"), THEIRS: Spoken("acc_you", "rel_a")}.get(exchange_id)


@pytest.fixture
def reports(world: SafetyWorld, engine: sa.Engine) -> Reports:
    return Reports(world.incidents, SqlIncidents(engine), Log())


def test_a_report_is_a_draft_that_weighs_on_its_release(world: SafetyWorld, reports: Reports) -> None:
    made = reports.file(MINE, note="  it told\n me a secret ", account_id="acc_me", now=world.now)
    assert (made.state, made.severity, made.title) == (IncidentState.DRAFT, Severity.MEDIUM, "Reported: it told me a secret")
    assert made.exchanges == (MINE,)
    assert world.incidents.open_counts("rel_a")[Severity.MEDIUM] == 1
    assert world.incidents.get(made.id, by=LEAD).opened_by == "acc_me"


def test_nobody_reports_what_they_were_not_given(world: SafetyWorld, reports: Reports) -> None:
    for exchange in (THEIRS, "ex_unknown", ""):
        with pytest.raises(ReportUnfounded):
            reports.file(exchange, note="bad", account_id="acc_me", now=world.now)
    assert world.incidents.list(by=LEAD) == ()


@pytest.mark.parametrize("note", ["", " \n ", "x" * 201])
def test_a_report_says_something_and_not_too_much(world: SafetyWorld, reports: Reports, note: str) -> None:
    with pytest.raises(IncidentInvalid):
        reports.file(MINE, note=note, account_id="acc_me", now=world.now)


def test_an_account_reports_so_often_and_no_oftener_in_a_day(world: SafetyWorld, reports: Reports) -> None:
    for _ in range(A_DAY):
        reports.file(MINE, note="bad", account_id="acc_me", now=world.now)
    with pytest.raises(ReportsExhausted):
        reports.file(MINE, note="bad", account_id="acc_me", now=world.now)
    reports.file(THEIRS, note="bad", account_id="acc_you", now=world.now)
    assert len(world.incidents.list(by=LEAD)) == A_DAY + 1
