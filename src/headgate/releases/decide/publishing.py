"""A release as the public sees it: where it stands, by what it is opened, what has been shown and what not.

Nothing is published that the plan does not publish, and what the plan leaves out is left out here, so that no page, feed or cache
behind this can tell it. Names of staff and their reasons are never part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.releases.model.plan import (
    ApprovalGate,
    AuditGate,
    CoverageGate,
    DiscoveryGate,
    EvaluationGate,
    ExposureGate,
    IncidentsGate,
    IssuesGate,
    RateGate,
    ReviewGate,
    Severity,
    SoakGate,
    Stage,
)
from headgate.releases.model.public import Publishable
from headgate.releases.model.release import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from headgate.releases.decide.status import GateLine, Status
    from headgate.releases.model.plan import Gate
    from headgate.releases.model.reading import Exposure
    from headgate.releases.model.release import Decision

_TOLD: Mapping[Kind, str] = {
    Kind.OPEN: "opened",
    Kind.PROMOTE: "widened",
    Kind.DECLARE_RISK: "widened although not everything passed",
    Kind.COMPLETE: "reached its last stage",
    Kind.HOLD: "held where it is",
    Kind.FREEZE: "closed to newcomers",
    Kind.UNFREEZE: "opened to newcomers again",
    Kind.NARROW: "narrowed",
    Kind.CUT: "cut",
    Kind.RESUME: "resumed",
    Kind.WAIVE: "let one gate be bypassed",
    Kind.WITHDRAW: "withdrawn",
}
"""The decisions that change what the public meets, and what they are called."""
_COUNTS: Mapping[str, Publishable] = {"exposure": Publishable.EXPOSURE, "incidents": Publishable.INCIDENTS}


@dataclass(frozen=True, slots=True)
class PublicStage:
    """One rung of the ladder.

    Attributes:
        name: What it is called.
        open: Whether it is open now.
        cohort: Who is let in.
        seats: How many; ``None`` for no bound.
        surfaces: The ways in.
        capabilities: The rights on them.
        asks: The questions that it is there to answer.
        criteria: What must be shown before the next one opens; ``None`` where that is left out.
    """

    name: str
    open: bool
    cohort: str
    seats: int | None
    surfaces: tuple[str, ...]
    capabilities: tuple[str, ...]
    asks: tuple[str, ...]
    criteria: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What one gate says.

    Attributes:
        gate: Which.
        verdict: PASS, INSUFFICIENT, STALE, ERROR, FAIL or WAIVED.
        sentence: In words, with its counts.
    """

    gate: str
    verdict: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Told:
    """A decision.

    Attributes:
        id: ``dec_…``.
        at: When.
        what: What it did, in a word or two.
        stage: The stage that was the widest open one afterwards; ``None`` when none was, or stages are left out.
    """

    id: str
    at: datetime
    what: str
    stage: str | None


@dataclass(frozen=True, slots=True)
class Published:
    """A release as the public sees it; ``None`` stands for what is left out.

    Attributes:
        release_id: Which release.
        model: Its served name.
        version: The digest of the version.
        state: Where it stands, in one word.
        at: When this was read.
        end_state: How far it is to go.
        place: The number of stages that are open, and of all.
        stages: The ladder.
        shown: What the gates of the present stage say.
        not_shown: What the evidence could not have seen.
        exposure: Who has had access.
        decisions: What was decided, newest first.
        tells_incidents: Whether incidents are told.
        left_out: What is left out, and why.
    """

    release_id: str
    model: str
    version: str
    state: str
    at: datetime
    end_state: str
    place: tuple[int, int]
    stages: tuple[PublicStage, ...] | None
    shown: tuple[Shown, ...] | None
    not_shown: tuple[str, ...] | None
    exposure: Exposure | None
    decisions: tuple[Told, ...] | None
    tells_incidents: bool
    left_out: Mapping[Publishable, str]


def publish(status: Status, decisions: Iterable[Decision]) -> Published | None:
    """Return what the public may know; ``None`` where the plan publishes nothing."""
    release, plan = status.release, status.release.plan
    if plan.public is None:
        return None
    gone = plan.public.left_out

    def tells(part: Publishable) -> bool:
        return part not in gone

    criteria = tells(Publishable.CRITERIA)
    stages = [_stage(stage, at < release.stage, criteria=criteria) for at, stage in enumerate(plan.stages)]
    names = [stage.name for stage in plan.stages] if tells(Publishable.STAGES) else None
    shown = [_shown(line, gone) for line in status.gates if line.kind != "approval"]
    return Published(
        release_id=release.id,
        model=release.model,
        version=plan.version_digest,
        state=release.state.value,
        at=status.at,
        end_state=plan.end_state.value,
        place=(release.stage, len(plan.stages)),
        stages=tuple(stages) if tells(Publishable.STAGES) else None,
        shown=tuple(shown) if tells(Publishable.SHOWN) else None,
        not_shown=status.not_shown if tells(Publishable.NOT_SHOWN) else None,
        exposure=status.exposure if tells(Publishable.EXPOSURE) else None,
        decisions=tuple(_told(decisions, names)) if tells(Publishable.DECISIONS) else None,
        tells_incidents=tells(Publishable.INCIDENTS),
        left_out=gone,
    )


def _shown(line: GateLine, gone: Mapping[Publishable, str]) -> Shown:
    """Return what a gate says; its counts are left out with that which they count."""
    of = _COUNTS.get(line.kind)
    return Shown(line.gate_id, line.shown, gone[of] if of is not None and of in gone else line.sentence)


def _stage(stage: Stage, open: bool, *, criteria: bool) -> PublicStage:  # noqa: FBT001 - the field's word
    return PublicStage(
        name=stage.name,
        open=open,
        cohort=stage.who.cohort,
        seats=stage.who.seats,
        surfaces=tuple(surface.value for surface in stage.what.surfaces),
        capabilities=tuple(capability.value for capability in stage.what.capabilities),
        asks=stage.asks,
        criteria=tuple(criterion(gate) for gate in stage.leave) if criteria else None,
    )


def _told(decisions: Iterable[Decision], names: list[str] | None) -> Iterable[Told]:
    for decision in decisions:
        if decision.kind in _TOLD:
            opened = decision.stage_after
            stage = names[opened - 1] if names is not None and 0 < opened <= len(names) else None
            yield Told(decision.id, decision.at, _TOLD[decision.kind], stage)


def criterion(gate: Gate) -> str:  # noqa: C901, PLR0911 - one arm for each gate
    """Return what a gate asks, for people."""
    match gate:
        case ExposureGate():
            asked = ((gate.accounts, "accounts"), (gate.organisations, "organisations"), (gate.exchanges, "exchanges"))
            return "use by at least " + ", ".join(f"{count:,} {what}" for count, what in asked if count is not None)
        case SoakGate():
            return f"{gate.active_days} days of use"
        case RateGate():
            of = "of what is served" if gate.of == "traffic" else "of each user's use, on average"
            return f"{gate.hazard} shown below {gate.below:.3g} {of}, with an error of {gate.alpha:.2g} at most"
        case DiscoveryGate():
            most = gate.tolerated_new_kinds_next_stage
            return f"at most {most:,} people of the next stage expected to meet a kind of harm that nobody has seen"
        case CoverageGate():
            return f"harm below {gate.transport_bound_below:.3g} among the people of {gate.for_stage}, by {', '.join(gate.of)}"
        case EvaluationGate():
            return f"the evaluation {gate.suite} below its threshold with its margin, no older than {span_text(gate.max_age)}"
        case ReviewGate():
            return "flagged exchanges read in time, and reviewers who recognise known harms"
        case IssuesGate():
            return "the findings of red teams and researchers answered"
        case AuditGate():
            return "the opinion of an auditor"
        case IncidentsGate():
            counted = ((severity, gate.open_at_most.of(severity)) for severity in Severity)
            most = ", ".join(f"{count} {severity.value}" for severity, count in counted if count is not None)
            return f"no more open incidents than {most}"
        case ApprovalGate():
            return f"signed by {' and '.join(role.value.replace('_', ' ') for role in gate.roles)}"
