"""How releases, and the records of decisions, are written down: JSON that gives equal values when it is read again.

A plan is written by its canonical form. Writing keeps every number as it is, so a decision replays from what was stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from headgate.kernel.actor import Actor, Permission, Role
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.releases.errors import DoesNotReplay
from headgate.releases.model import command as ask
from headgate.releases.model.plan import Plan, Reaction
from headgate.releases.model.reading import Assessment, GateReading, Need, WireReading, WireStanding
from headgate.releases.model.record import DecisionRecord
from headgate.releases.model.release import (
    Alarm,
    Approval,
    Decision,
    Declaration,
    DeclaredRisk,
    Kind,
    Material,
    Release,
    Rung,
    SignedFor,
    State,
    Waiver,
)
from headgate.releases.wire.canonical import canonical_text, from_canonical

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

Written: TypeAlias = dict[str, Any]
"""JSON as it was read: whoever reads it checks it by building a value from it."""


def _plain(value: Any) -> Written:
    """Return a frozen value as JSON, field by field."""
    written: Written = msgspec.to_builtins(value, builtin_types=(datetime,), enc_hook=_hook)
    return _instants(written)


def _hook(value: Any) -> Any:
    if isinstance(value, Plan):
        return canonical_text(value)
    raise TypeError(f"cannot be written: {type(value).__name__}")


def _instants(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_us(value)
    if isinstance(value, dict):
        return {key: _instants(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_instants(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


# Releases.


def write_release(release: Release) -> Written:
    """Return a release as JSON."""
    return _plain(release)


def read_release(written: Written) -> Release:
    """Return the release that ``write_release`` wrote.

    Raises:
        DoesNotReplay: It is not such JSON.
    """
    return _reading(lambda: _release(written))


def _release(w: Written) -> Release:
    return Release(
        id=ReleaseId(w["id"]),
        plan=from_canonical(w["plan"]),
        plan_revision=w["plan_revision"],
        author=w["author"],
        state=State(w["state"]),
        stage=w["stage"],
        reached=w["reached"],
        since=from_us(w["since"]),
        stage_since=from_us(w["stage_since"]),
        created_at=from_us(w["created_at"]),
        parked=None if w["parked"] is None else State(w["parked"]),
        scheduled_at=_instant(w["scheduled_at"]),
        replaces=None if w["replaces"] is None else ReleaseId(w["replaces"]),
        rungs=tuple(
            Rung(item["stage"], item["attempt"], from_us(item["opened_at"]), _instant(item.get("admits_since")))
            for item in w["rungs"]
        ),
        alarms=tuple(Alarm(**item) for item in w["alarms"]),
        approvals=tuple(_approval(item) for item in w["approvals"]),
        waivers=tuple(_waiver(item) for item in w["waivers"]),
        declaration=None if w["declaration"] is None else _declaration(w["declaration"]),
        declared_risks=tuple(_risk(item) for item in w["declared_risks"]),
        overdue_told=w["overdue_told"],
        revision=w["revision"],
    )


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def _material(w: Written) -> Material:
    return Material(
        purpose=SignedFor(w["purpose"]),
        to=w["to"],
        version=w["version"],
        plan=w["plan"],
        epochs=tuple((stage, attempt) for stage, attempt in w["epochs"]),
        verdicts=tuple((gate, Verdict(verdict)) for gate, verdict in w["verdicts"]),
        harms=tuple((gate, count) for gate, count in w["harms"]),
        incidents=w["incidents"],
    )


def _approval(w: Written) -> Approval:
    roles = frozenset(Role(role) for role in w["roles"])
    return Approval(w["by"], w["name"], roles, from_us(w["at"]), _material(w["material"]), w["note"])


def _waiver(w: Written) -> Waiver:
    until, asked = from_us(w["until"]), from_us(w["asked_at"])
    return Waiver(w["stage"], w["gate_id"], w["reason"], until, w["asked_by"], asked, w["confirmed_by"])


def _declaration(w: Written) -> Declaration:
    return Declaration(w["because"], w["asked_by"], from_us(w["asked_at"]), _material(w["material"]))


def _risk(w: Written) -> DeclaredRisk:
    first, second = w["by"]
    return DeclaredRisk(w["stage"], w["because"], (first, second), from_us(w["at"]))


# Decisions.


def write_decision(decision: Decision) -> Written:
    """Return a decision as JSON."""
    return _plain(decision)


def read_decision(written: Written) -> Decision:
    """Return the decision that ``write_decision`` wrote.

    Raises:
        DoesNotReplay: It is not such JSON.
    """
    return _reading(lambda: _decision(written))


def _decision(w: Written) -> Decision:
    return Decision(
        id=DecisionId(w["id"]),
        release_id=ReleaseId(w["release_id"]),
        model=w["model"],
        kind=Kind(w["kind"]),
        before=State(w["before"]),
        after=State(w["after"]),
        stage_before=w["stage_before"],
        stage_after=w["stage_after"],
        by=w["by"],
        reason=w["reason"],
        at=from_us(w["at"]),
        readings_digest=w["readings_digest"],
    )


def write_reading(reading: GateReading) -> Written:
    """Return a gate's reading as JSON."""
    return _plain(reading)


def write_wire(standing: WireStanding) -> Written:
    """Return a tripwire's standing as JSON."""
    return _plain(standing)


def read_reading(written: Written) -> GateReading:
    """Return the reading that ``write_reading`` wrote.

    Raises:
        DoesNotReplay: It is not such JSON.
    """
    return _reading(lambda: _gate(written))


def read_wire(written: Written) -> WireStanding:
    """Return the standing that ``write_wire`` wrote.

    Raises:
        DoesNotReplay: It is not such JSON.
    """
    return _reading(lambda: _wire(written))


def _gate(w: Written) -> GateReading:
    need = w["need"]
    return GateReading(
        gate_id=w["gate_id"],
        kind=w["kind"],
        verdict=Verdict(w["verdict"]),
        sentence=w["sentence"],
        numbers=w["numbers"],
        inputs=w["inputs"],
        digest=w["digest"],
        need=None if need is None else Need(need["labels"], _instant(need["expected_at"]), need["who"]),
        not_shown=tuple(w["not_shown"]),
    )


def _wire(w: Written) -> WireStanding:
    demands = None if w["demands"] is None else Reaction(w["demands"])
    return WireStanding(w["stage"], w["wire_id"], w["kind"], demands, WireReading(**w["reading"]))


def write_rest(record: DecisionRecord) -> Written:
    """Return everything of a record but the decision and its readings, which are kept in rows of their own."""
    return {
        "command": {"name": type(record.command).__name__, "fields": _plain(record.command)},
        "actor": {
            "id": record.actor.id,
            "name": record.actor.name,
            "roles": sorted(role.value for role in record.actor.roles),
            "permissions": sorted(permission.value for permission in record.actor.permissions),
        },
        "before": write_release(record.before),
        "stage": record.assessment.stage,
        "incidents": record.assessment.incidents,
    }


def read_record(
    decision: Decision, rest: Written, gates: tuple[GateReading, ...], wires: tuple[WireStanding, ...]
) -> DecisionRecord:
    """Return the record that was taken apart into these.

    Raises:
        DoesNotReplay: They are not the parts of one.
    """
    return _reading(
        lambda: DecisionRecord(
            decision=decision,
            command=_command(rest["command"]["name"], rest["command"]["fields"]),
            actor=_actor(rest["actor"]),
            before=_release(rest["before"]),
            assessment=Assessment(rest["stage"], gates, wires, rest["incidents"]),
        )
    )


def _actor(w: Written) -> Actor:
    roles = frozenset(Role(role) for role in w["roles"])
    return Actor(w["id"], w["name"], roles, frozenset(Permission(permission) for permission in w["permissions"]))


_COMMANDS: dict[str, type[ask.Command]] = {
    command.__name__: command
    for command in (
        ask.Apply,
        ask.Schedule,
        ask.Open,
        ask.Promote,
        ask.DeclareRisk,
        ask.Hold,
        ask.Narrow,
        ask.Cut,
        ask.Freeze,
        ask.Unfreeze,
        ask.Resume,
        ask.Approve,
        ask.DropApprovals,
        ask.Waive,
        ask.TellOwner,
        ask.Withdraw,
    )
}


def _command(name: str, fields: Written) -> ask.Command:
    read: dict[str, Callable[[Any], Any]] = {
        "plan": from_canonical,
        "at": from_us,
        "until": from_us,
        "purpose": SignedFor,
        "alarm": lambda alarm: None if alarm is None else Alarm(**alarm),
    }
    return _COMMANDS[name](**{field: read[field](value) if field in read else value for field, value in fields.items()})


def _reading(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except (KeyError, TypeError, ValueError) as error:
        raise DoesNotReplay("The stored record is not one that Headgate wrote.", rule=type(error).__name__) from error
