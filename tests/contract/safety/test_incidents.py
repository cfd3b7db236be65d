from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.kernel.errors import Forbidden
from headgate.safety.errors import IncidentInvalid, IncidentMoved, IncidentStepRefused, IncidentUnknown
from headgate.safety.model import IncidentState, Severity
from headgate.safety.service.incidents import Report
from headgate.testing.safety import ADA, AUDITOR, BO

if TYPE_CHECKING:
    from headgate.testing.safety import SafetyWorld


def a_report(world: SafetyWorld, severity: Severity = Severity.CRITICAL) -> Report:
    return Report(
        "rel_a", severity, "A user got a working exploit", "cyber_misuse", world.now - timedelta(hours=3), ("ex_1", "ex_1")
    )


def test_a_draft_weighs_on_its_release_from_the_moment_it_is_written_down(world: SafetyWorld) -> None:
    assert set(world.incidents.open_counts("rel_a").values()) == {0}
    incident = world.incidents.open(a_report(world), by=ADA, now=world.now)
    assert incident.state is IncidentState.DRAFT
    assert incident.exchanges == ("ex_1",)
    assert world.incidents.open_counts("rel_a")[Severity.CRITICAL] == 1
    assert world.incidents.open_counts("rel_b")[Severity.CRITICAL] == 0
    assert world.incidents.get(incident.id, by=AUDITOR) == incident


def test_triage_sets_the_severity_and_keeps_the_clock(world: SafetyWorld) -> None:
    incident = world.incidents.open(a_report(world), by=ADA, now=world.now)
    triaged = world.incidents.triage(incident.id, Severity.MEDIUM, by=BO, now=world.now)
    assert (triaged.severity, triaged.aware_at, triaged.revision) == (Severity.MEDIUM, incident.aware_at, 2)
    assert world.incidents.open_counts("rel_a")[Severity.MEDIUM] == 1


def test_a_closed_incident_weighs_no_more_and_does_not_come_back(world: SafetyWorld) -> None:
    incident = world.incidents.open(a_report(world), by=ADA, now=world.now)
    world.incidents.close(incident.id, by=ADA, now=world.now)
    assert set(world.incidents.open_counts("rel_a").values()) == {0}
    with pytest.raises(IncidentStepRefused):
        world.incidents.triage(incident.id, Severity.LOW, by=ADA, now=world.now)
    world.incidents.advance(incident.id, IncidentState.FINAL, by=ADA, now=world.now)
    with pytest.raises(IncidentStepRefused):
        world.incidents.advance(incident.id, IncidentState.WITHDRAWN, by=ADA, now=world.now, reason="oops")
    assert world.incidents.list(by=AUDITOR, open_only=True) == ()
    assert len(world.incidents.list(by=AUDITOR, release_id="rel_a")) == 1


def test_a_withdrawal_needs_a_reason(world: SafetyWorld) -> None:
    incident = world.incidents.open(a_report(world), by=ADA, now=world.now)
    with pytest.raises(IncidentInvalid):
        world.incidents.advance(incident.id, IncidentState.WITHDRAWN, by=ADA, now=world.now)
    world.incidents.advance(incident.id, IncidentState.WITHDRAWN, by=ADA, now=world.now, reason="a test")


def test_who_decides_on_an_old_look_is_told(world: SafetyWorld) -> None:
    incident = world.incidents.open(a_report(world), by=ADA, now=world.now)
    world.incidents.triage(incident.id, Severity.HIGH, by=BO, now=world.now, seen=1)
    with pytest.raises(IncidentMoved):
        world.incidents.close(incident.id, by=ADA, now=world.now, seen=1)


@pytest.mark.parametrize("change", [{"title": " "}, {"title": "two\nlines"}, {"hazard": ""}, {"release_id": ""}])
def test_a_report_without_its_parts_is_refused(world: SafetyWorld, change: dict[str, str]) -> None:
    parts = {"title": "t", "hazard": "h", "release_id": "r"} | change
    report = Report(parts["release_id"], Severity.LOW, parts["title"], parts["hazard"], world.now)
    with pytest.raises(IncidentInvalid):
        world.incidents.open(report, by=ADA, now=world.now)


def test_nobody_knows_of_the_future(world: SafetyWorld) -> None:
    report = Report("rel_a", Severity.LOW, "t", "other", world.now + timedelta(seconds=1))
    with pytest.raises(IncidentInvalid):
        world.incidents.open(report, by=ADA, now=world.now)


def test_titles_stay_out_of_the_ledger_and_auditors_only_look(world: SafetyWorld) -> None:
    with pytest.raises(Forbidden):
        world.incidents.open(a_report(world), by=AUDITOR, now=world.now)
    incident = world.incidents.open(a_report(world), by=ADA, now=world.now)
    world.incidents.triage(incident.id, Severity.HIGH, by=BO, now=world.now)
    assert [entry.kind for entry in world.ledger()] == ["incident.opened", "incident.triaged"]
    assert "exploit" not in repr(world.ledger())
    with pytest.raises(IncidentUnknown):
        world.incidents.get("inc_none", by=AUDITOR)
