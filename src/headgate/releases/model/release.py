"""A release: one plan carried out for one version, and where it stands.

Exposure is read off two fields: the number of opened stages, and the state. Everything else here says who agreed to
what, what was bypassed, and what set off an alarm, because each of these decides what may happen next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from headgate.kernel.digest import digest_of
from headgate.kernel.ids import EpochId

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Role
    from headgate.kernel.digest import Json
    from headgate.kernel.ids import DecisionId, ReleaseId
    from headgate.kernel.verdict import Verdict
    from headgate.releases.model.plan import Plan, Stage


class State(Enum):
    """Where a release stands."""

    DRAFT = "draft"
    """Known, open to nobody."""
    SCHEDULED = "scheduled"
    """Opens its first stage by itself at a set time."""
    LIVE = "live"
    """Open up to a stage; widens when that stage's gates pass."""
    HELD = "held"
    """Nothing widens; access stays as it is."""
    FROZEN = "frozen"
    """Something cannot be read: nobody new is let in, nothing widens; whoever was in stays in."""
    NARROWED = "narrowed"
    """Taken back to an earlier stage; nothing widens."""
    CUT = "cut"
    """Open to nobody, streams closed."""
    COMPLETED = "completed"
    """The last stage has passed; still watched."""
    WITHDRAWN = "withdrawn"
    """Ended."""


LIVE_STATES = frozenset({State.LIVE, State.HELD, State.FROZEN, State.NARROWED, State.COMPLETED})
"""The states in which somebody may have access."""


class Kind(Enum):
    """What a decision did."""

    APPLY = "apply"
    SCHEDULE = "schedule"
    OPEN = "open"
    PROMOTE = "promote"
    DECLARE_RISK = "declare_risk"
    COMPLETE = "complete"
    HOLD = "hold"
    NARROW = "narrow"
    CUT = "cut"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    RESUME = "resume"
    APPROVE = "approve"
    DROP_APPROVALS = "drop_approvals"
    WAIVE = "waive"
    OVERDUE = "overdue"
    WITHDRAW = "withdraw"


class SignedFor(Enum):
    """What an approval is given for; it counts for nothing else."""

    PROMOTE = "promote"
    RESUME = "resume"
    DECLARED_RISK = "declared_risk"


@dataclass(frozen=True, slots=True)
class Rung:
    """A stage that has been opened at least once.

    Attributes:
        stage: Its name.
        attempt: How often its evidence has begun afresh, counted from 1.
        opened_at: When the present attempt began.
        admits_since: When the stage last opened to people; that its evidence begins afresh does not move it. ``None`` in what
            was written before this was kept: then it is when the attempt began.
    """

    stage: str
    attempt: int
    opened_at: datetime
    admits_since: datetime | None = None

    def afresh(self, now: datetime, *, reopens: bool = False) -> Rung:
        """Return the rung with its next attempt begun; people were let in all the time, unless it ``reopens`` with it."""
        return Rung(self.stage, self.attempt + 1, now, now if reopens else self.admits_since or self.opened_at)


@dataclass(frozen=True, slots=True)
class Material:
    """The evidence that an approver looked at, reduced to what would change their mind.

    Attributes:
        purpose: What was asked.
        to: How many stages would be open afterwards.
        version: Digest of the version.
        plan: Digest of the plan.
        epochs: Each opened stage with its attempt.
        verdicts: Each gate but approvals, with its verdict.
        harms: Each gate with its count of confirmed harms.
        incidents: Open incidents.
    """

    purpose: SignedFor
    to: int
    version: str
    plan: str
    epochs: tuple[tuple[str, int], ...]
    verdicts: tuple[tuple[str, Verdict], ...]
    harms: tuple[tuple[str, int], ...]
    incidents: int

    def json(self) -> Json:
        """Return the same as JSON."""
        return {
            "purpose": self.purpose.value,
            "to": self.to,
            "version": self.version,
            "plan": self.plan,
            "epochs": [[stage, attempt] for stage, attempt in self.epochs],
            "verdicts": [[gate, verdict.value] for gate, verdict in self.verdicts],
            "harms": [[gate, count] for gate, count in self.harms],
            "incidents": self.incidents,
        }

    @property
    def digest(self) -> str:
        """What an approver names to say which evidence they saw."""
        return digest_of(self.json())


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's signature under one set of evidence.

    Attributes:
        by: Who.
        name: What people call them.
        roles: The duties they held when they signed.
        at: When.
        material: What they looked at.
        note: What they wrote.
    """

    by: str
    name: str
    roles: frozenset[Role]
    at: datetime
    material: Material
    note: str = ""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A bypass of one gate, by two people, with an end.

    Attributes:
        stage: Whose gate.
        gate_id: Which gate.
        reason: Why.
        until: When the gate blocks again.
        asked_by: Who asked.
        asked_at: When.
        confirmed_by: The second person; the waiver counts for nothing without one.
    """

    stage: str
    gate_id: str
    reason: str
    until: datetime
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None = None

    def holds(self, stage: str, gate_id: str, now: datetime) -> bool:
        """Return whether it bypasses this gate now."""
        return self.confirmed_by is not None and now < self.until and (self.stage, self.gate_id) == (stage, gate_id)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One person's wish to widen although the gates did not pass; it takes a second person.

    Attributes:
        because: Why.
        asked_by: Who.
        asked_at: When.
        material: The evidence they looked at.
    """

    because: str
    asked_by: str
    asked_at: datetime
    material: Material


@dataclass(frozen=True, slots=True)
class DeclaredRisk:
    """A stage that was opened although the gates before it did not pass.

    Attributes:
        stage: The stage that was left.
        because: Why.
        by: The two people.
        at: When.
    """

    stage: str
    because: str
    by: tuple[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that stopped the release; resuming begins the stage's evidence afresh.

    Attributes:
        stage: Where.
        source: The gate or tripwire.
    """

    stage: str
    source: str


@dataclass(frozen=True, slots=True)
class Release:
    """One plan carried out for one version.

    Attributes:
        id: ``rel_…``.
        plan: The plan as it stands.
        plan_revision: How often it has been applied, counted from 1.
        author: Who applied that revision.
        state: Where the release stands.
        stage: How many stages are open; 0 when nobody has access.
        reached: The most stages that were ever open at once.
        since: When the state began.
        stage_since: When the number of opened stages last changed.
        created_at: When the release came into being.
        parked: The state that a frozen release returns to when readings recover.
        scheduled_at: When it opens by itself.
        replaces: The release that it ends when it opens.
        rungs: Stages that have been opened, in the order they first were.
        alarms: What has gone off since the last resumption.
        approvals: Signatures that still count.
        waivers: Bypasses of the present stage's gates.
        declaration: A declared risk that waits for its second person.
        declared_risks: Stages opened without a PASS; shown for ever.
        overdue_told: Whether the owner has been told that this state lasts too long.
        revision: Counts every change; a change says which one it saw.
    """

    id: ReleaseId
    plan: Plan
    plan_revision: int
    author: str
    state: State
    stage: int
    reached: int
    since: datetime
    stage_since: datetime
    created_at: datetime
    parked: State | None = None
    scheduled_at: datetime | None = None
    replaces: ReleaseId | None = None
    rungs: tuple[Rung, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    approvals: tuple[Approval, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    declaration: Declaration | None = None
    declared_risks: tuple[DeclaredRisk, ...] = ()
    overdue_told: bool = False
    revision: int = 0

    @property
    def model(self) -> str:
        """The name that a client asks for."""
        return self.plan.model.name

    @property
    def plan_digest(self) -> str:
        """Digest of the plan in its canonical form."""
        return digest_of(self.plan.canonical())

    @property
    def opened(self) -> tuple[Stage, ...]:
        """The stages that are open, in order."""
        return self.plan.stages[: self.stage]

    @property
    def current(self) -> Stage | None:
        """The widest stage that is open, if any is."""
        return self.plan.stages[self.stage - 1] if self.stage else None

    @property
    def following(self) -> Stage | None:
        """The stage that promotion would open, if there is one."""
        return self.plan.stages[self.stage] if self.stage < len(self.plan.stages) else None

    @property
    def admits_newcomers(self) -> bool:
        """Whether somebody who has no seat yet may be let in."""
        return self.stage > 0 and self.state is not State.FROZEN

    def attempt(self, stage: str) -> int:
        """Return the present attempt of a stage; 0 when it was never opened."""
        return next((rung.attempt for rung in self.rungs if rung.stage == stage), 0)

    def epoch(self, stage: str) -> EpochId:
        """Return the epoch that the stage's present evidence is kept under."""
        return EpochId(f"{self.id}/{stage}/{self.attempt(stage)}")

    def epochs(self, stage: str) -> tuple[EpochId, ...]:
        """Return every epoch the stage has had, oldest first."""
        return tuple(EpochId(f"{self.id}/{stage}/{attempt}") for attempt in range(1, self.attempt(stage) + 1))

    def admits_since(self, stage: str) -> datetime:
        """Return when a stage last opened to people; one that never did is taken to open now, at the latest change."""
        rung = next((rung for rung in self.rungs if rung.stage == stage), None)
        return self.since if rung is None else rung.admits_since or rung.opened_at


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by whom, why, on which evidence.

    Attributes:
        id: ``dec_…``.
        release_id: Of which release.
        model: Its served name.
        kind: What it did.
        before: State before.
        after: State after.
        stage_before: Opened stages before.
        stage_after: Opened stages after.
        by: Who decided.
        reason: Why.
        at: When.
        readings_digest: Of everything that was read for it.
    """

    id: DecisionId
    release_id: ReleaseId
    model: str
    kind: Kind
    before: State
    after: State
    stage_before: int
    stage_after: int
    by: str
    reason: str
    at: datetime
    readings_digest: str = field(default="")
