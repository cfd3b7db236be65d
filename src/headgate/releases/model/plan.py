"""The plan: who may use what, how much, under whose eyes, and what must be shown before the next stage opens.

Every type is frozen and closed: a key it does not list is an error. There is no expression language; a gate is a structure
with a meaning that is written here, so that it can be compared, checked for power and explained. What is left out means
the narrower thing, and each default below is part of the plan's meaning: the canonical form spells it out.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel.actor import Role
from headgate.kernel.digest import digest_of
from headgate.releases.model.scalars import (
    Chance,
    Count,
    Flag,
    Mitigation,
    ModelName,
    Name,
    PerSeatDay,
    Positive,
    RatePer,
    Sample,
    Sentence,
    Sha256,
    Share,
    Span,
    Url,
    Variable,
    read_span,
)


class EndState(Enum):
    """How far the ladder goes."""

    INTERNAL = "internal"
    API_LIMITED = "api_limited"
    API_GENERAL = "api_general"
    WEIGHTS_GATED = "weights_gated"
    WEIGHTS_PUBLIC = "weights_public"


class Purpose(Enum):
    """A kind of risk that releasing in stages is meant to lower."""

    MISUSE = "misuse"
    ACCIDENT = "accident"
    SOCIETAL = "societal"
    MISALIGNMENT = "misalignment"


class Severity(Enum):
    """How bad a hazard or an incident is, from worst to least."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Admission(Enum):
    """How a seat is come by."""

    INVITE = "invite"
    APPLICATION = "application"
    OPEN = "open"


class Surface(Enum):
    """A way in."""

    CHAT_PAGE = "chat_page"
    API_CHAT = "api.chat"
    API_RESPONSES = "api.responses"
    API_MESSAGES = "api.messages"
    API_EMBEDDINGS = "api.embeddings"
    API_COMPLETIONS = "api.completions"
    API_FILES = "api.files"
    API_BATCHES = "api.batches"
    API_FINE_TUNING = "api.fine_tuning"
    API_MODERATIONS = "api.moderations"
    WEIGHTS = "weights"


SERVED_SURFACES = frozenset({Surface.API_CHAT})
"""The surfaces this build answers; a plan may name the others, and they stay refused."""


class Capability(Enum):
    """A right on a surface."""

    STREAMING = "streaming"
    TOOLS = "tools"
    PARALLEL_TOOL_CALLS = "parallel_tool_calls"
    LOGPROBS = "logprobs"
    N = "n"
    SEED = "seed"
    SYSTEM_PROMPT = "system_prompt"
    RESPONSE_FORMAT = "response_format"
    IMAGE_INPUT = "image_input"


class OnExtra(Enum):
    """What happens to a request that asks for a capability it does not have."""

    REFUSE = "refuse"
    STRIP = "strip"


class Flagged(Enum):
    """What happens to an exchange that a detector flags."""

    REVIEW_ALL = "review_all"
    NONE = "none"


class OutputScreen(Enum):
    """When the response is screened."""

    AFTER = "after"


class Reaction(Enum):
    """What a failed gate or a tripped wire does, from mildest to hardest."""

    HOLD = "hold"
    NARROW = "narrow"
    CUT = "cut"


class Waivable(Enum):
    """Whether a gate or an approval may be waived."""

    NEVER = "never"
    TWO_PEOPLE = "two_people"


class Precondition(Enum):
    """Something that must have been shown before an irreversible stage may open."""

    API_STAGE_COMPLETED = "api_stage_completed"
    OPEN_WEIGHTS_THRESHOLDS = "open_weights_thresholds"
    FINE_TUNED_WORST_CASE = "fine_tuned_worst_case"
    CONTROL_LOSS_ACKNOWLEDGED = "control_loss_acknowledged"


class Part(BaseModel):
    """A frozen, closed piece of a plan."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, arbitrary_types_allowed=True
    )

    def canonical(self) -> dict[str, Any]:
        """Return this part as JSON with every default spelled out; reading it again gives an equal part."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Upstream(Part):
    """The model server that answers.

    Attributes:
        url: Its address, up to and including its version.
        model: The name it knows the model by.
        api: The dialect it speaks.
        api_key_env: The environment variable that holds its key, if it wants one.
        timeout_s: Seconds it may stay silent.
    """

    url: Url
    model: ModelName
    api: Literal["openai"] = "openai"
    api_key_env: Variable | None = None
    timeout_s: Positive = 600


class Version(Part):
    """What makes this model this model; a change of any of it is a new version.

    Attributes:
        weights: The weights' digest; absent when somebody else holds them.
        mitigations: What stands around the model, each with its version.
        system_prompt: The digest of the operator's own system prompt.
    """

    weights: Sha256 | None = None
    mitigations: tuple[Mitigation, ...] = ()
    system_prompt: Sha256 | None = None


class ServedModel(Part):
    """The model that the plan releases.

    Attributes:
        name: What a client puts in ``model``.
        upstream: Who answers.
        version: What exactly answers.
    """

    name: ModelName
    upstream: Upstream
    version: Version = Version()

    @property
    def version_digest(self) -> str:
        """Return the digest that evidence is keyed by.

        Where the weights' digest is known, moving the server is not a new version; where it is not, the address is all
        that says who answers, so a new address is a new version.
        """
        upstream = {"model": self.upstream.model}
        if self.version.weights is None:
            upstream["url"] = self.upstream.url
        return digest_of({"upstream": upstream, "version": self.version.canonical()})


class Limit(Part):
    """The most harm the plan tolerates at its end, as a share.

    Attributes:
        traffic: Of exchanges.
        users: Of users.
    """

    traffic: Share | None = None
    users: Share | None = None


class Hazard(Part):
    """A kind of harm.

    Attributes:
        severity: How bad one case is.
        limit: The share that is tolerated at the end of the ladder.
        worst_share: The most of one user's traffic that enforcement lets be harmful.
        expected: The share of exchanges that the planner expects.
    """

    severity: Severity
    limit: Limit
    worst_share: Share | None = None
    expected: Share | None = None


class Who(Part):
    """Who is let in.

    Attributes:
        cohort: The group's name.
        seats: How many grants it may hold.
        admission: How a seat is come by.
        terms: The version of the terms that must be accepted.
    """

    cohort: Name
    seats: Positive | None = None
    admission: Admission = Admission.INVITE
    terms: Sentence | None = None


class What(Part):
    """What they may do.

    Attributes:
        surfaces: The ways in.
        capabilities: The rights on them.
        max_output_tokens: The longest answer.
        max_turns: The longest conversation, in messages of the user.
        on_extra: What happens to a request for more.
    """

    surfaces: Annotated[tuple[Surface, ...], Field(min_length=1)]
    capabilities: tuple[Capability, ...] = ()
    max_output_tokens: Positive | None = None
    max_turns: Positive | None = None
    on_extra: OnExtra = OnExtra.REFUSE


class HowMuch(Part):
    """How much each seat may use.

    Attributes:
        requests: Requests per span.
        tokens: Tokens per span.
        total_tokens: Tokens over the seat's whole life.
        concurrency: Requests at one time.
        expected_use: Requests per day that the planner expects of a seat; it limits nothing, and lint reckons with it.
    """

    requests: RatePer | None = None
    tokens: RatePer | None = None
    total_tokens: Positive | None = None
    concurrency: Positive | None = None
    expected_use: PerSeatDay | None = None


class Watch(Part):
    """Who looks, and at how much.

    Attributes:
        flagged: What happens to flagged exchanges.
        sample: How many exchanges are drawn for review, or all of them.
        reviewers: How many people review.
        minutes_per_item: How long one item takes.
        input_screen: Whether requests are screened before they are forwarded.
        output_screen: When responses are screened.
    """

    flagged: Flagged = Flagged.REVIEW_ALL
    sample: Sample
    reviewers: Positive
    minutes_per_item: Positive = 3
    input_screen: Flag = False
    output_screen: OutputScreen = OutputScreen.AFTER


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
        of: Of what: exchanges served.
        below: The bound.
        alpha: The chance of passing although the rate is not below it.
        on_fail: What to do when the rate is shown to lie above; ``Plan.on_fail`` gives the default.
    """

    kind: Literal["rate"] = "rate"
    hazard: Name
    of: Literal["traffic"] = "traffic"
    below: Chance
    alpha: Chance
    on_fail: Reaction | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.hazard}"


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


Gate: TypeAlias = Annotated[ExposureGate | SoakGate | RateGate | IncidentsGate | ApprovalGate, Field(discriminator="kind")]
"""One condition for leaving a stage."""


class RiseWire(Condition):
    """A hazard's rate has risen.

    Attributes:
        hazard: Which hazard.
        from_: The rate that is tolerated.
        to: The rate that the wire is sharpest at.
        false_alarm_every: How long it runs without a rise before a false alarm, on average, at least.
        look_every: How often it looks.
        then: What happens.
    """

    kind: Literal["rise"] = "rise"
    hazard: Name
    from_: Annotated[Chance, Field(alias="from")]
    to: Chance
    false_alarm_every: Span
    look_every: Span = read_span("1h")
    then: Reaction

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.hazard}.{self.then.value}"


class IncidentWire(Condition):
    """An incident of this severity or a worse one is opened.

    Attributes:
        severity: The least severity that trips it.
        then: What happens.
    """

    kind: Literal["incident"] = "incident"
    severity: Severity
    then: Reaction

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.severity.value}"


class MonitorDownWire(Condition):
    """A monitor has been silent.

    Attributes:
        for_: How long.
        then: What happens at once.
        narrow_after: How long the silence lasts before the release steps down a stage.
    """

    kind: Literal["monitor_down"] = "monitor_down"
    for_: Annotated[Span, Field(alias="for")]
    then: Reaction
    narrow_after: Span | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


Tripwire: TypeAlias = Annotated[RiseWire | IncidentWire | MonitorDownWire, Field(discriminator="kind")]
"""One stop rule."""


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


class Stage(Part):
    """One rung of the ladder.

    Attributes:
        name: What it is called.
        who: Who is let in.
        what: What they may do.
        how_much: How much of it.
        watch: Who looks on; absent where nothing can be seen, as with weights.
        asks: The questions that the stage is there to answer.
        leave: The gates; all must pass before the next stage opens. Empty means that nothing ever passes.
        stop: The tripwires; each is evaluated before any gate.
        irreversible: Whether it cannot be taken back.
        needs_before: What must have been shown before it opens.
        approval: Who must agree before it opens.
    """

    name: Name
    who: Who
    what: What
    how_much: HowMuch = HowMuch()
    watch: Watch | None = None
    asks: tuple[Sentence, ...] = ()
    leave: tuple[Gate, ...] = ()
    stop: tuple[Tripwire, ...] = ()
    irreversible: Flag = False
    needs_before: tuple[Precondition, ...] = ()
    approval: EntryApproval | None = None


class LongestStay(Part):
    """How long a release may stay in each state before its owner is told.

    Attributes:
        held: Nothing widens.
        frozen: Nobody new is let in.
        narrowed: It is back on an earlier stage.
        cut: It is closed.
    """

    held: Span = read_span("7d")
    frozen: Span = read_span("1d")
    narrowed: Span = read_span("14d")
    cut: Span = read_span("30d")


class Plan(Part):
    """The declared ladder of one model.

    Attributes:
        kind: That this is a release plan.
        name: What the plan is called.
        model: What it releases.
        end_state: How far it goes.
        staging_is_for: The risks that its stages are meant to lower.
        hazards: The harms it knows, by name.
        stages: The rungs, lowest first.
        owner: Whom to tell.
        alpha: The chance, over the whole ladder, of opening a stage although a rate was not below its bound.
        longest_stay: How long each state may last.
    """

    kind: Literal["ReleasePlan"] = "ReleasePlan"
    name: Name
    model: ServedModel
    end_state: EndState
    staging_is_for: Annotated[tuple[Purpose, ...], Field(min_length=1)]
    hazards: dict[Name, Hazard] = Field(default_factory=dict[str, Hazard])
    stages: tuple[Stage, ...]
    owner: Sentence | None = None
    alpha: Chance = 0.05
    longest_stay: LongestStay = LongestStay()

    @property
    def version_digest(self) -> str:
        """Return the digest of the version that the plan releases."""
        return self.model.version_digest

    def stage(self, name: str) -> Stage | None:
        """Return the stage of this name, if there is one."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def on_fail(self, gate: RateGate) -> Reaction:
        """Return what a shown harm does: what the gate says, else narrow where the hazard is critical, else hold."""
        if gate.on_fail is not None:
            return gate.on_fail
        hazard = self.hazards.get(gate.hazard)
        return Reaction.NARROW if hazard is None or hazard.severity is Severity.CRITICAL else Reaction.HOLD
