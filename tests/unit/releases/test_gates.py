"""What gates and tripwires say that are read from plain facts, and that each says it again from its inputs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.verdict import Verdict
from headgate.releases.decide import gates
from headgate.releases.model.plan import (
    ExposureGate,
    IncidentsGate,
    IncidentWire,
    MonitorDownWire,
    OpenAtMost,
    Precondition,
    Reaction,
    Severity,
    SoakGate,
)
from headgate.releases.model.reading import Exposure, GateReading, MonitorHealth, OpenIncidents
from headgate.testing.releases import a_plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNT = st.integers(0, 10**6)


def replays(reading: GateReading) -> bool:
    return gates.replayed(reading.kind, cast("dict[str, Any]", reading.inputs)) == reading


@given(COUNT, COUNT, COUNT)
def test_exposure_passes_only_when_every_count_is_reached(accounts: int, organisations: int, exchanges: int) -> None:
    gate = ExposureGate(accounts=200, exchanges=50_000)
    reading = gates.exposure(gate, Exposure(accounts, organisations, exchanges))
    assert (reading.verdict is Verdict.PASS) is (accounts >= 200 and exchanges >= 50_000)
    assert replays(reading)


def test_exposure_that_asks_for_nothing_does_not_pass() -> None:
    assert gates.exposure(ExposureGate(), Exposure(1, 1, 1)).verdict is Verdict.INSUFFICIENT


@given(st.integers(0, 40), st.integers(0, 90))
def test_soak_passes_on_days_with_use_never_on_time_alone(days: int, waited: int) -> None:
    gate = SoakGate(active_days=14, at_most=timedelta(days=60))
    reading = gates.soak(gate, Exposure(active_days=days), opened_at=NOON, now=NOON + timedelta(days=waited))
    assert (reading.verdict is Verdict.PASS) is (days >= 14)
    assert ("later than" in reading.sentence) is (days < 14 and waited > 60)
    assert replays(reading)


@given(st.integers(0, 3), st.integers(0, 4))
def test_incidents_fail_above_their_limit_and_a_critical_one_counts_by_default(critical: int, high: int) -> None:
    facts = OpenIncidents({"critical": critical, "high": high, "low": 99})
    reading = gates.incidents(IncidentsGate(open_at_most=OpenAtMost(high=2)), facts)
    assert (reading.verdict is Verdict.FAIL) is (critical > 0 or high > 2)
    assert replays(reading)


def test_what_cannot_be_read_is_an_error_and_says_so_again() -> None:
    reading = gates.unreadable("rate.x", "rate", "the database is locked")
    assert reading.verdict is Verdict.ERROR
    assert replays(reading)


@pytest.mark.parametrize(
    ("opened", "trips"), [({"critical": 1}, True), ({"high": 1}, True), ({"medium": 1}, False), ({"high": 0}, False), ({}, False)]
)
def test_an_incident_wire_is_touched_by_its_severity_and_worse(opened: dict[str, int], trips: bool) -> None:
    wire = IncidentWire(severity=Severity.HIGH, then=Reaction.CUT)
    standing = gates.incident_wire("staff", wire, OpenIncidents(opened))
    assert standing.demands is (Reaction.CUT if trips else None)
    assert gates.replayed_wire(standing) == standing


@pytest.mark.parametrize(
    ("silent", "demands"),
    [
        (None, None),
        (timedelta(minutes=14), None),
        (timedelta(minutes=15), Reaction.HOLD),
        (timedelta(hours=6), Reaction.NARROW),
    ],
)
def test_a_silent_monitor_is_answered_in_steps(silent: timedelta | None, demands: Reaction | None) -> None:
    wire = MonitorDownWire(for_=timedelta(minutes=15), then=Reaction.HOLD, narrow_after=timedelta(hours=6))
    health = MonitorHealth(None if silent is None else NOON - silent, "gone")
    standing = gates.monitor_wire("staff", wire, health, now=NOON)
    assert standing.demands is demands
    assert gates.replayed_wire(standing) == standing


@pytest.mark.parametrize("down", [None, NOON])
def test_a_monitor_that_is_down_makes_the_release_blind_at_once(down: datetime | None) -> None:
    standing = gates.monitor(MonitorHealth(down, "gone" if down else ""))
    assert standing.reading.tripped is (False if down is None else None)
    assert gates.replayed_wire(standing) == standing


@pytest.mark.parametrize("wanted", Precondition)
def test_what_an_irreversible_stage_needs_is_not_shown_by_itself(wanted: Precondition) -> None:
    shown = gates.precondition(wanted, a_plan().stages).verdict
    assert shown is (Verdict.PASS if wanted is Precondition.API_STAGE_COMPLETED else Verdict.INSUFFICIENT)
    assert gates.precondition(wanted, ()).verdict is Verdict.INSUFFICIENT


AUDIT = "audit.control_loss"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ([], Verdict.INSUFFICIENT),
        ([(AUDIT, "PASS")], Verdict.PASS),
        ([(AUDIT, "STALE")], Verdict.INSUFFICIENT),
        ([(AUDIT, "PASS"), ("audit.other", "FAIL")], Verdict.INSUFFICIENT),
    ],
)
def test_losing_control_is_acknowledged_when_somebody_outside_has_seen_it(said: list[tuple[str, str]], verdict: Verdict) -> None:
    stages = a_plan().stages
    reading = gates.precondition(Precondition.CONTROL_LOSS_ACKNOWLEDGED, stages, [("evaluation.x", "PASS")], said)
    assert reading.verdict is verdict
    assert gates.replayed("precondition", json.loads(json.dumps(reading.inputs)), stages) == reading
    for wanted in (Precondition.OPEN_WEIGHTS_THRESHOLDS, Precondition.FINE_TUNED_WORST_CASE):
        assert gates.precondition(wanted, stages, (), said).verdict is Verdict.INSUFFICIENT  # an opinion shows no threshold


def test_what_was_read_before_audits_were_looked_at_replays_as_it_was() -> None:
    then = gates.precondition(Precondition.CONTROL_LOSS_ACKNOWLEDGED, a_plan().stages, [("evaluation.x", "PASS")])
    assert "acknowledged" not in cast("dict[str, object]", then.inputs)
