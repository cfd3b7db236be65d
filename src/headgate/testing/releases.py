"""Stand-ins for what releases need from outside, and plans and people to try them with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from headgate.kernel.actor import Actor, Role
from headgate.kernel.errors import Invalid, Unavailable
from headgate.kernel.verdict import Verdict
from headgate.releases.model.plan import Plan, RateGate
from headgate.releases.model.reading import (
    Exposure,
    GateReading,
    MonitorHealth,
    Need,
    OpenIncidents,
    WireReading,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.kernel.digest import Json
    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.plan import MeasuredGate, MissingWire, RiseWire, ShiftWire
    from headgate.releases.model.reading import Asked


class ReaderGone(Unavailable):
    """A stand-in that was told to fail."""

    code = "testing.reader_gone"


@dataclass
class MadeUpReadings:
    """Readings that say what a test tells them to.

    Attributes:
        verdicts: What the rate gate of a hazard, or another gate by its name, says; INSUFFICIENT when nothing is told.
        harms: Confirmed harms, likewise.
        risen: Epochs whose rise detector has gone off.
        unscored: Epochs of which too much was never scored.
        risen_over_holdback: Epochs whose people show more harm than those who are held back.
        exposed: What every exposure question is answered with.
        open_incidents: Open incidents by severity.
        down_since: Since when the monitor is silent.
        gone: Which questions raise ``ReaderGone``: a measured gate's or tripwire's kind, ``exposure``, ``incidents``,
            ``monitor``.
        broken: Which questions raise something that nobody foresaw.
        asked: The epochs that were asked about, in order.
        records: The records that a gate, by its name, is read from; without any of them it lacks evidence.
        objecting: Records without which a gate would pass: what a broken reader would say.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    harms: dict[str, int] = field(default_factory=dict[str, int])
    risen: set[str] = field(default_factory=set[str])
    unscored: set[str] = field(default_factory=set[str])
    risen_over_holdback: set[str] = field(default_factory=set[str])
    exposed: Exposure = field(default_factory=Exposure)
    open_incidents: dict[str, int] = field(default_factory=dict[str, int])
    down_since: datetime | None = None
    gone: set[str] = field(default_factory=set[str])
    broken: set[str] = field(default_factory=set[str])
    asked: list[str] = field(default_factory=list[str])
    records: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    objecting: set[str] = field(default_factory=set[str])

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        self._fail(gate.kind)
        self.asked.append(asked.epoch)
        about = gate.hazard if isinstance(gate, RateGate) else gate.id
        inputs: Json = {
            "gate": gate.id,
            "kind": gate.kind,
            "epoch": asked.epoch,
            "attempt": asked.attempt,
            "verdict": self.verdicts.get(about, Verdict.INSUFFICIENT).value,
            "k": self.harms.get(about, 0),
            "below": gate.below if isinstance(gate, RateGate) else None,
            "records": list(self.records.get(gate.id, ())),
        }
        return _gate(cast("Mapping[str, Any]", inputs))

    def rise(self, wire: RiseWire | ShiftWire, asked: Asked) -> WireReading:  # noqa: ARG002 - the port's signature
        self._fail("rise")
        self.asked.append(asked.epoch)
        return _rise({"epoch": asked.epoch, "risen": asked.epoch in self.risen})

    def missing(self, wire: MissingWire, asked: Asked) -> WireReading:  # noqa: ARG002 - the port's signature
        self._fail("missing")
        return _rise({"epoch": asked.epoch, "risen": asked.epoch in self.unscored})

    def holdback(self, holdback: Holdback, asked: Asked) -> WireReading:  # noqa: ARG002 - the port's signature
        self._fail("holdback")
        return _rise({"epoch": asked.epoch, "risen": asked.epoch in self.risen_over_holdback})

    def exposure(self, epochs: Sequence[EpochId], now: datetime) -> Exposure:  # noqa: ARG002 - the port's signature
        self._fail("exposure")
        return self.exposed

    def incidents(self, release_id: ReleaseId, now: datetime) -> OpenIncidents:  # noqa: ARG002 - the port's signature
        self._fail("incidents")
        return OpenIncidents(dict(self.open_incidents))

    def monitor(self, now: datetime) -> MonitorHealth:  # noqa: ARG002 - the port's signature
        self._fail("monitor")
        return MonitorHealth(self.down_since, "made to be silent" if self.down_since else "")

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        known = cast("Mapping[str, Any]", inputs)
        match kind:
            case "rise" | "shift" | "missing" | "holdback":
                return _rise(known)
            case _ if "kind" in known and known["kind"] == kind:
                return _gate(known)
            case _:
                raise Invalid(f"not a kind that is read here: {kind}")

    def rests_on(self, kind: str, inputs: Json) -> tuple[str, ...]:  # noqa: ARG002 - the port's signature
        return tuple(cast("Mapping[str, Any]", inputs).get("records", ()))

    def without(self, kind: str, inputs: Json, record: str) -> GateReading:
        known = cast("Mapping[str, Any]", inputs)
        if record not in self.rests_on(kind, inputs):
            raise Invalid(f"not read from {record}")
        rest = [name for name in known["records"] if name != record]
        told = "PASS" if record in self.objecting else "INSUFFICIENT" if not rest else known["verdict"]
        return _gate({**known, "records": rest, "verdict": told})

    def _fail(self, question: str) -> None:
        if question in self.gone:
            raise ReaderGone(f"the reader of {question} does not answer")
        if question in self.broken:
            raise ArithmeticError("something nobody foresaw, which must not be shown")


def _gate(inputs: Mapping[str, Any]) -> GateReading:
    verdict, harms = Verdict(inputs["verdict"]), inputs["k"]
    short = verdict is Verdict.INSUFFICIENT
    return GateReading.of(
        inputs["gate"],
        inputs["kind"],
        verdict,
        f"{harms} in 2,274 labels",
        numbers={"k": harms, "n": 2274, "upper": 1.8e-3, "limit": inputs["below"], "progress": 0.6 if short else 1.0},
        inputs=cast("Json", inputs),
        need=Need(labels=1830, who="reviewers") if short else None,
        not_shown=("languages other than en/de (0 labels)",),
    )


def _rise(inputs: Mapping[str, Any]) -> WireReading:
    risen = bool(inputs["risen"])
    return WireReading(risen, "the alarm has gone off" if risen else "no alarm", {"looks": 24}, cast("Json", inputs))


def a_plan(**changed: Any) -> Plan:
    """Return a ladder of three stages: staff, trusted, everyone.

    Args:
        changed: Fields of the plan, as a plan file has them, that replace those of this one.
    """
    form: dict[str, Any] = {
        "name": "atlas-2",
        "model": {"name": "atlas-2", "upstream": {"url": "http://127.0.0.1:8000/v1", "model": "atlas-2"}},
        "end_state": "api_general",
        "staging_is_for": ["misuse", "accident"],
        "hazards": {
            "cyber_misuse": {"severity": "critical", "limit": {"traffic": 1.0e-3}},
            "harmful_advice": {"severity": "high", "limit": {"traffic": 2.0e-3}},
        },
        "stages": [a_stage("staff", 40), a_stage("trusted", 400), a_stage("everyone", 4000)],
    }
    return Plan.model_validate({**form, **changed})


def a_stage(name: str, seats: int, **changed: Any) -> dict[str, Any]:
    """Return a stage in the form a plan has it, with each kind of gate and tripwire.

    Args:
        name: Its name, and its cohort's.
        seats: How many seats.
        changed: Fields that replace those of this one.
    """
    stage: dict[str, Any] = {
        "name": name,
        "who": {"cohort": name, "seats": seats},
        "what": {"surfaces": ["api.chat"], "capabilities": ["streaming"]},
        "watch": {"sample": "400/week", "reviewers": 2},
        "leave": [
            {"kind": "exposure", "accounts": 20, "exchanges": 5000},
            {"kind": "soak", "active_days": 5, "at_most": "30d"},
            {"kind": "rate", "hazard": "harmful_advice", "below": 1.0e-2, "alpha": 0.02},
            {"kind": "incidents", "open_at_most": {"critical": 0, "high": 2}},
            {"kind": "approval", "roles": ["safety_lead", "release_manager"]},
        ],
        "stop": [
            {
                "kind": "rise",
                "hazard": "cyber_misuse",
                "from": 1.0e-4,
                "to": 1.0e-3,
                "false_alarm_every": "365d",
                "then": "cut",
            },
            {"kind": "incident", "severity": "critical", "then": "cut"},
            {"kind": "monitor_down", "for": "15m", "then": "hold", "narrow_after": "6h"},
        ],
    }
    return {**stage, **changed}


ENOUGH = Exposure(accounts=400, organisations=9, exchanges=61_000, active_days=14)
"""More use than any gate of ``a_plan`` asks for."""


def everything_passes() -> MadeUpReadings:
    """Return readings under which every gate of ``a_plan`` passes, approvals left aside."""
    passing = {"cyber_misuse": Verdict.PASS, "harmful_advice": Verdict.PASS}
    return MadeUpReadings(verdicts=passing, exposed=ENOUGH)


def person(name: str, *roles: Role) -> Actor:
    """Return a member of staff with these duties."""
    return Actor.staff(f"stf_{name}", name, frozenset(roles))


AUTHOR = person("ada", Role.RELEASE_MANAGER)
LEAD = person("lin", Role.SAFETY_LEAD)
MANAGER = person("mia", Role.RELEASE_MANAGER)
SECURITY = person("sam", Role.SECURITY)
AUDITOR = person("odd", Role.AUDITOR)
