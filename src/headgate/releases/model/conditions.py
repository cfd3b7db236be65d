"""Gates: what must be shown before a stage is left. ``wires`` has what stops it at once.

A condition is a structure with a meaning, never an expression; its digest names exactly what it asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headgate.kernel.actor import Role
from headgate.kernel.digest import digest_of
from headgate.releases.model.scalars import Chance, Count, Flag, LaterFlag, Name, Positive, Sentence, Share, Span, read_span
from headgate.releases.model.words import Opinion, Reaction, Scenario, Severity, Waivable

if TYPE_CHECKING:
    from datetime import timedelta


class Part(BaseModel):
    """A frozen, closed piece of a plan."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, arbitrary_types_allowed=True
    )

    def canonical(self) -> dict[str, Any]:
        """Return this part as JSON with every default spelled out; reading it again gives an equal part."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Condition(Part):
    """A gate or a tripwire."""

    @property
    def spec_digest(self) -> str:
        """Return the digest of what it asks; evidence recorded for one spec says nothing of another."""
        return digest_of(self.canonical())


class ExposureGate(Condition):
    """Enough of the world has met the model on this stage.

    Attributes:
        accounts: Accounts with at least one completed exchange.
        organisations: Organisations with at least one completed exchange.
        exchanges: Completed exchanges.
    """

    kind: Literal["exposure"] = "exposure"
    accounts: Positive | None = None
    organisations: Positive | None = None
    exchanges: Positive | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class SoakGate(Condition):
    """Enough days with use have passed.

    Attributes:
        active_days: Days, in UTC, with at least one completed exchange.
        at_most: How long the stage may take to collect them.
    """

    kind: Literal["soak"] = "soak"
    active_days: Positive
    at_most: Span | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class RateGate(Condition):
    """A hazard's rate is shown to lie below a bound.

    Attributes:
        hazard: Which hazard.
        of: Of what: the share of exchanges served, or the mean, over the people who use the model, of each one's share.
        below: The bound.
        alpha: The chance of passing although the rate is not below it.
        window: Of users: how long each one is observed, from when they were first seen; 7d when left out.
        misses_measured: Whether it passes only once gold items have measured what reviewers miss; without it, labels stand as
            they are until gold items measure it.
        on_fail: What to do when the rate is shown to lie above; ``Plan.on_fail`` gives the default.
    """

    kind: Literal["rate"] = "rate"
    hazard: Name
    of: Literal["traffic", "users"] = "traffic"
    below: Chance
    alpha: Chance
    window: Span | None = None
    misses_measured: LaterFlag = False
    on_fail: Reaction | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        """Spell the window of a gate on users out, so that it is part of what the gate asks; traffic has none."""
        if isinstance(value, dict) and cast("dict[str, Any]", value).get("of") == "users":
            return {"window": "7d", **cast("dict[str, Any]", value)}
        return cast("object", value)

    @property
    def observed_for(self) -> timedelta:
        """Return how long each user is observed."""
        return read_span("7d") if self.window is None else self.window

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.hazard}" if self.of == "traffic" else f"{self.kind}.{self.hazard}.{self.of}"


class DiscoveryGate(Condition):
    """Few people of the next stage would meet a kind of harm that nobody has seen yet.

    Attributes:
        tolerated_new_kinds_next_stage: How many of the next stage's users may be expected to meet one.
        alpha: The chance of passing although more would.
    """

    kind: Literal["discovery"] = "discovery"
    tolerated_new_kinds_next_stage: Positive
    alpha: Chance

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class CoverageGate(Condition):
    """The people and uses of the stage that is to open have been met on this one, or their share bounds what they can do.

    Attributes:
        of: What people are told apart by.
        for_stage: The stage that is to open.
        hazard: Whose rate is carried over; every hazard of the plan when left out.
        transport_bound_below: What the carried-over rate must stay below.
        expected: The shares that are expected on that stage, by what people are told apart by.
        alpha: The chance of passing although the rate is not below it.
    """

    kind: Literal["coverage"] = "coverage"
    of: Annotated[tuple[Name, ...], Field(min_length=1)]
    for_stage: Name
    hazard: Name | None = None
    transport_bound_below: Chance
    expected: dict[Name, dict[Sentence, Share]] = Field(default_factory=dict[str, dict[str, float]])
    alpha: Chance = 0.05

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class EvaluationGate(Condition):
    """An evaluation's upper bound, with its margin for better elicitation, lies below what the plan tolerates.

    Attributes:
        suite: Which evaluation; the plan's ``evaluations`` say what it tolerates.
        scenario: How the model is exposed.
        rule: What is asked; there is one rule.
        max_age: How old the evidence may be.
    """

    kind: Literal["evaluation"] = "evaluation"
    suite: Name
    scenario: Scenario
    rule: Literal["upper_bound + margin < threshold"] = "upper_bound + margin < threshold"
    max_age: Span = read_span("90d")

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.suite}.{self.scenario.value}"


class ReviewGate(Condition):
    """Review works: what was flagged was looked at in time, and reviewers recognise harm.

    Attributes:
        flagged_done_within: How long a flagged exchange may wait.
        canary_recall_at_least: The share of known harms that reviewers are shown to recognise.
        alpha: The chance of passing although they recognise fewer.
    """

    kind: Literal["review"] = "review"
    flagged_done_within: Span | None = None
    canary_recall_at_least: Share | None = None
    alpha: Chance = 0.05

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class IssuesGate(Condition):
    """Few enough findings of red teams and researchers are without an answer.

    Attributes:
        undisposed: How many may be.
    """

    kind: Literal["issues"] = "issues"
    undisposed: Count = 0

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class AuditGate(Condition):
    """Somebody from outside has looked, and says so.

    Attributes:
        scope: What the auditor was asked to look at.
        opinion: The worst opinion that passes.
        max_age: How old it may be.
    """

    kind: Literal["audit"] = "audit"
    scope: Name
    opinion: Opinion = Opinion.UNQUALIFIED
    max_age: Span = read_span("365d")

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.scope}"


class OpenAtMost(Part):
    """How many incidents of each severity may be open; a severity left out is not counted, except critical.

    Attributes:
        critical: None, unless the plan says otherwise.
        high: Any number, unless the plan says otherwise.
        medium: As high.
        low: As high.
    """

    critical: Count = 0
    high: Count | None = None
    medium: Count | None = None
    low: Count | None = None

    def of(self, severity: Severity) -> int | None:
        """Return the most that may be open; ``None`` where any number may."""
        match severity:
            case Severity.CRITICAL:
                return self.critical
            case Severity.HIGH:
                return self.high
            case Severity.MEDIUM:
                return self.medium
            case Severity.LOW:
                return self.low


class IncidentsGate(Condition):
    """Few enough incidents are open.

    Attributes:
        open_at_most: How many of each severity.
    """

    kind: Literal["incidents"] = "incidents"
    open_at_most: OpenAtMost = OpenAtMost()

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class ApprovalGate(Condition):
    """Named people say yes.

    Attributes:
        roles: The roles that sign.
        distinct: Whether each signature is another person's.
        not_author: Whether the author of the plan may not sign.
        quorum: How many signatures; every role signs when it is left out.
    """

    kind: Literal["approval"] = "approval"
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    distinct: Flag = True
    not_author: Flag = True
    quorum: Positive | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind

    @property
    def signatures(self) -> int:
        """Return how many signatures it takes."""
        return len(self.roles) if self.quorum is None else self.quorum


MeasuredGate: TypeAlias = RateGate | DiscoveryGate | CoverageGate | EvaluationGate | ReviewGate | IssuesGate | AuditGate
"""A gate that is read by whoever measures what it asks."""
Gate: TypeAlias = Annotated[
    ExposureGate
    | SoakGate
    | RateGate
    | DiscoveryGate
    | CoverageGate
    | EvaluationGate
    | ReviewGate
    | IssuesGate
    | AuditGate
    | IncidentsGate
    | ApprovalGate,
    Field(discriminator="kind"),
]
"""One condition for leaving a stage."""


class EntryApproval(Part):
    """Who must agree before a stage opens, beyond what the stage before it asks.

    Attributes:
        quorum: How many people.
        roles: The roles they hold.
        cool_off: How long after the last signature the stage opens.
        waivable: Whether it may be waived.
    """

    quorum: Positive
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    cool_off: Span | None = None
    waivable: Waivable = Waivable.NEVER
