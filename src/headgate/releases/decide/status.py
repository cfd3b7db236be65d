"""Where a release stands, as one value: what a terminal, a page and a feed all show.

It answers, in this order: how far is it open, to how many; what does each gate say; why not further, and who can change
that; what has nobody seen. Whatever was bypassed stands in it as bypassed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.kernel.verdict import Verdict
from headgate.releases.decide import leaving, stay
from headgate.releases.decide.approvals import Requirement, requirements
from headgate.releases.model.plan import SERVED_SURFACES, RateGate
from headgate.releases.model.release import SignedFor, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from headgate.kernel.digest import Json
    from headgate.releases.decide.verdicts import StageVerdict, Standing
    from headgate.releases.model.reading import Assessment, Exposure, Need, Number
    from headgate.releases.model.release import Release


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate, as it is shown.

    Attributes:
        gate_id: Which gate.
        kind: Its kind.
        shown: PASS, INSUFFICIENT, STALE, ERROR, FAIL or WAIVED.
        sentence: What it says.
        numbers: The figures behind it.
        progress: How far it has come, in [0, 1]; ``None`` where that means nothing.
        need: What it waits for.
        waived: For a waived gate: why, by whom, until when.
    """

    gate_id: str
    kind: str
    shown: str
    sentence: str
    numbers: Mapping[str, Number]
    progress: float | None
    need: Need | None
    waived: str | None

    def json(self) -> Json:
        """Return the same as JSON."""
        return {
            "gate": self.gate_id,
            "kind": self.kind,
            "shown": self.shown,
            "sentence": self.sentence,
            "numbers": dict(self.numbers),
            "progress": self.progress,
            "need": _need_json(self.need),
            "waived": self.waived,
        }


@dataclass(frozen=True, slots=True)
class WireLine:
    """One tripwire, as it is shown.

    Attributes:
        stage: Whose wire; empty for the monitor.
        wire_id: Which wire.
        tripped: Whether it is touched; ``None`` when nobody can tell. One that is not touched is shown while it is watched.
        sentence: What it says.
    """

    stage: str
    wire_id: str
    tripped: bool | None
    sentence: str

    def json(self) -> Json:
        """Return the same as JSON."""
        return {"stage": self.stage, "wire": self.wire_id, "tripped": self.tripped, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Status:
    """Where a release stands.

    Attributes:
        release: The release.
        at: When this was read.
        exposure: Who has had access so far; ``None`` when that cannot be read.
        verdict: What the gates of the present stage say together, waivers left aside.
        gates: Each gate of the present stage, approvals last.
        wires: Each tripwire of an open stage that is touched or cannot be read.
        why_not: Why it goes no further, in one sentence each; empty when nothing is in the way.
        next: What somebody can do about it: a command or a duty.
        red: What was bypassed, by whom, until when; shown in red for as long as it matters.
        not_shown: What the evidence could not have seen.
        lasts: How long the present state has lasted.
        overdue: Whether that is longer than it may.
        owner: Who is told when it is.
    """

    release: Release
    at: datetime
    exposure: Exposure | None
    verdict: Verdict
    gates: tuple[GateLine, ...]
    wires: tuple[WireLine, ...]
    why_not: tuple[str, ...]
    next: str | None
    red: tuple[str, ...]
    not_shown: tuple[str, ...]
    lasts: timedelta
    overdue: bool
    owner: str

    @property
    def where(self) -> str:
        """The state and stage for people: ``HELD at trusted (2/5)``."""
        release = self.release
        of = len(release.plan.stages)
        if release.current is not None:
            place = f" at {release.current.name} ({release.stage}/{of})"
        elif release.state is State.SCHEDULED and release.scheduled_at is not None:
            place = f" for {release.scheduled_at:%Y-%m-%d %H:%M} UTC (0/{of})"
        else:
            place = f" (0/{of})"
        then = f", then {release.parked.value.upper()}" if release.parked is not None else ""
        return release.state.value.upper() + place + then

    def json(self) -> Json:
        """Return the same as JSON."""
        release, exposure = self.release, self.exposure
        return {
            "release": release.id,
            "model": release.model,
            "version": release.plan.version_digest,
            "plan_revision": release.plan_revision,
            "state": release.state.value,
            "parked": release.parked.value if release.parked else None,
            "stage": release.stage,
            "stages": [
                {
                    "name": stage.name,
                    "open": position <= release.stage,
                    "cohort": stage.who.cohort,
                    "seats": stage.who.seats,
                    "epoch": release.epoch(stage.name) if release.attempt(stage.name) else None,
                }
                for position, stage in enumerate(release.plan.stages, start=1)
            ],
            "at": self.at.isoformat(),
            "since": release.since.isoformat(),
            "lasts_s": self.lasts.total_seconds(),
            "scheduled_at": release.scheduled_at.isoformat() if release.scheduled_at else None,
            "exposure": None
            if exposure is None
            else {
                "accounts": exposure.accounts,
                "organisations": exposure.organisations,
                "exchanges": exposure.exchanges,
                "active_days": exposure.active_days,
            },
            "verdict": self.verdict.value,
            "gates": [line.json() for line in self.gates],
            "wires": [line.json() for line in self.wires],
            "why_not": list(self.why_not),
            "next": self.next,
            "red": list(self.red),
            "not_shown": list(self.not_shown),
            "overdue": self.overdue,
            "owner": self.owner,
            "revision": release.revision,
        }


def status_of(release: Release, assessment: Assessment, exposure: Exposure | None, *, now: datetime) -> Status:
    """Return where ``release`` stands at ``now``.

    Args:
        release: The release.
        assessment: What was read of it.
        exposure: Who has had access so far, if that could be read.
        now: The present instant.
    """
    purpose = SignedFor.PROMOTE if release.state in {State.LIVE, State.COMPLETED, State.FROZEN} else SignedFor.RESUME
    to = _to(release, assessment, purpose)
    verdict = leaving.whole(release, assessment, purpose, to, now)
    lines = tuple(_line(standing) for standing in verdict.standings) if release.state is not State.WITHDRAWN else ()
    wires = tuple(
        WireLine(wire.stage, wire.wire_id, wire.reading.tripped, wire.reading.sentence)
        for wire in assessment.wires
        if wire.reading.tripped is not False or wire.reading.numbers.get("watched")
    )
    return Status(
        release=release,
        at=now,
        exposure=exposure,
        verdict=verdict.verdict,
        gates=lines,
        wires=wires,
        why_not=_why_not(release, verdict, wires),
        next=_next(release, verdict, requirements(release, purpose, to), now),
        red=_red(release, now),
        not_shown=_not_shown(release, assessment),
        lasts=now - release.since,
        overdue=stay.overdue(release, now),
        owner=stay.owner(release),
    )


def _to(release: Release, assessment: Assessment, purpose: SignedFor) -> int:
    if purpose is SignedFor.PROMOTE:
        return release.stage + 1
    return assessment.stage + 1 if release.state is State.CUT else max(1, release.stage)


def _line(standing: Standing) -> GateLine:
    reading, waiver = standing.reading, standing.waiver
    progress = reading.numbers.get("progress")
    waived = None
    if waiver is not None:
        waived = f"{waiver.asked_by} and {waiver.confirmed_by}, until {waiver.until:%Y-%m-%d %H:%M} UTC: {waiver.reason}"
    return GateLine(
        gate_id=reading.gate_id,
        kind=reading.kind,
        shown=standing.shown,
        sentence=reading.sentence,
        numbers=reading.numbers,
        progress=float(progress) if isinstance(progress, int | float) and reading.verdict is not Verdict.PASS else None,
        need=reading.need,
        waived=waived,
    )


_STOPPED = {
    State.HELD: "the release is held",
    State.FROZEN: "something cannot be read, so nobody new is let in",
    State.NARROWED: "the release was taken back to this stage",
    State.CUT: "the release is cut: nobody is served",
    State.DRAFT: "it is a draft: nobody is served",
    State.WITHDRAWN: "the release has ended",
}


def _why_not(release: Release, verdict: StageVerdict, wires: tuple[WireLine, ...]) -> tuple[str, ...]:
    reasons = [_STOPPED[release.state]] if release.state in _STOPPED else []
    if release.state is State.SCHEDULED and release.scheduled_at is not None:
        reasons.append(f"it opens at {release.scheduled_at:%Y-%m-%d %H:%M} UTC")
    reasons += [f"{alarm.source} of {alarm.stage} went off" for alarm in release.alarms]
    reasons += [f"{wire.wire_id}: {wire.sentence}" for wire in wires if wire.tripped is not False]
    if release.state in {State.LIVE, State.HELD, State.NARROWED, State.FROZEN}:
        if not verdict.standings:
            reasons.append("the stage has no gate, and no gate is not a pass")
        reasons += [
            f"{standing.reading.gate_id} {_lacks(standing)}"
            for standing in verdict.blocking
            if standing.reading.kind != "approval"
        ]
        if verdict.blocking and all(standing.reading.kind == "approval" for standing in verdict.blocking):
            reasons += [f"{standing.reading.gate_id}: {standing.reading.sentence}" for standing in verdict.blocking]
    return tuple(reasons)


def _lacks(standing: Standing) -> str:
    need = standing.reading.need
    if need is not None and need.labels:
        return f"needs {need.labels:,} more labels"
    return f"says {standing.reading.verdict.value}: {standing.reading.sentence}"


def _next(release: Release, verdict: StageVerdict, wanted: tuple[Requirement, ...], now: datetime) -> str | None:
    model = release.model
    blocking = verdict.blocking
    signs = any(item.reading.kind == "approval" for item in blocking) and all(
        item.reading.kind == "approval" for item in blocking
    )
    match release.state:
        case State.DRAFT:
            return f"headgate release open {model}"
        case State.HELD | State.NARROWED | State.CUT:
            return (
                f"headgate release approve {model}"
                if wanted and _unsigned(verdict)
                else f"headgate release resume {model} --reason …"
            )
        case State.LIVE if signs and wanted and not _cooling(verdict, now):
            return f"headgate release approve {model}"
        case State.LIVE | State.FROZEN if blocking:
            first = blocking[0]
            gate = next(
                (gate for gate in (release.current.leave if release.current else ()) if gate.id == first.reading.gate_id), None
            )
            if isinstance(gate, RateGate) and gate.of == "traffic" and first.reading.verdict is Verdict.INSUFFICIENT:
                return f"headgate review --hazard {gate.hazard}"
            return first.reading.need.who if first.reading.need else None
        case _:
            return None


def _unsigned(verdict: StageVerdict) -> bool:
    return any(item.reading.kind == "approval" and item.blocks for item in verdict.standings)


def _cooling(verdict: StageVerdict, now: datetime) -> bool:
    needs = [item.reading.need for item in verdict.blocking]
    return all(need is not None and need.expected_at is not None and need.expected_at > now for need in needs)


def _red(release: Release, now: datetime) -> tuple[str, ...]:
    told = [
        f"released from {risk.stage} at declared risk, not on a pass, by {risk.by[0]} and {risk.by[1]}: {risk.because}"
        for risk in release.declared_risks
    ]
    for waiver in release.waivers:
        if waiver.confirmed_by is None:
            told.append(f"waiver of {waiver.gate_id} asked for by {waiver.asked_by}, waits for a second person: {waiver.reason}")
        elif now < waiver.until:
            told.append(
                f"{waiver.gate_id} WAIVED by {waiver.asked_by} and {waiver.confirmed_by} "
                f"until {waiver.until:%Y-%m-%d %H:%M} UTC: {waiver.reason}"
            )
        else:
            told.append(f"the waiver of {waiver.gate_id} ended {waiver.until:%Y-%m-%d %H:%M} UTC: the gate blocks again")
    if release.declaration is not None:
        told.append(
            f"declared risk asked for by {release.declaration.asked_by}, waits for a second person: {release.declaration.because}"
        )
    return tuple(told)


def _not_shown(release: Release, assessment: Assessment) -> tuple[str, ...]:
    told = [item for reading in assessment.gates for item in reading.not_shown]
    been = release.plan.stages[: max(release.stage, release.reached)]
    asked = {gate.hazard for stage in been for gate in stage.leave if isinstance(gate, RateGate)}
    told += [f"{hazard}: no open stage has a gate on it" for hazard in release.plan.hazards if been and hazard not in asked]
    shut = sorted(
        {surface.value for stage in release.plan.stages for surface in stage.what.surfaces if surface not in SERVED_SURFACES}
    )
    if shut:
        told.append(f"use through {', '.join(shut)}: this build does not serve it")
    told += _of_access(release)
    told.append("misuse by accounts that wait for a later stage")
    return tuple(dict.fromkeys(told))


def _of_access(release: Release) -> tuple[str, ...]:
    """Return what is not shown of the effect of the stage's own access, with people held back from it and without."""
    stage = release.current
    if stage is None or release.stage == 1 or stage.irreversible:
        return ()
    if stage.holdback is None:
        why = "nobody is held back from it, so before and after differ in time and people too, and describe only"
        return (f"that {stage.name} raised no harm: {why}",)
    window = span_text(stage.holdback.window)
    return (f"by the holdback: what the access of {stage.name} does to anybody after their first {window}, or after it was left",)


def _need_json(need: Need | None) -> Json:
    if need is None:
        return None
    expected = need.expected_at.isoformat() if need.expected_at else None
    return {"labels": need.labels, "expected_at": expected, "who": need.who}
