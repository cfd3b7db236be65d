"""The plan: who may use what, how much, under whose eyes, and what must be shown before the next stage opens.

Every type is frozen and closed: a key it does not list is an error. There is no expression language; a gate is a structure
with a meaning that is written here, so that it can be compared, checked for power and explained. What is left out means
the narrower thing, and each default below is part of the plan's meaning: the canonical form spells it out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headgate.kernel.digest import digest_of
from headgate.releases.model.conditions import (
    ApprovalGate,
    AuditGate,
    Condition,
    CoverageGate,
    DiscoveryGate,
    EntryApproval,
    EvaluationGate,
    ExposureGate,
    Gate,
    IncidentsGate,
    IssuesGate,
    MeasuredGate,
    OpenAtMost,
    Part,
    RateGate,
    ReviewGate,
    SoakGate,
)
from headgate.releases.model.evaluations import Evaluation, Thresholds
from headgate.releases.model.holdback import Holdback
from headgate.releases.model.public import Public  # noqa: TC001 - a model's field
from headgate.releases.model.scalars import (
    Chance,
    Everything,
    Flag,
    LaterFlag,
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
from headgate.releases.model.wires import (
    Earlier,
    IncidentWire,
    MissingWire,
    MonitorDownWire,
    RiseWire,
    ShiftWire,
    Stream,
    Tripwire,
    stepped,
)
from headgate.releases.model.words import (
    SERVED_SURFACES,
    Admission,
    Api,
    Capability,
    EndState,
    Flagged,
    OnExtra,
    Opinion,
    OutputScreen,
    Precondition,
    Purpose,
    Reaction,
    Scenario,
    Severity,
    Surface,
    Waivable,
)

__all__ = [
    "SERVED_SURFACES",
    "Admission",
    "Allowance",
    "Api",
    "ApprovalGate",
    "AuditGate",
    "Capability",
    "Condition",
    "CoverageGate",
    "DiscoveryGate",
    "Earlier",
    "EndState",
    "EntryApproval",
    "Evaluation",
    "EvaluationGate",
    "Everything",
    "ExposureGate",
    "Flagged",
    "Gate",
    "Hazard",
    "Holdback",
    "HowMuch",
    "IncidentWire",
    "IncidentsGate",
    "IssuesGate",
    "Limit",
    "LongestStay",
    "MeasuredGate",
    "MissingWire",
    "MonitorDownWire",
    "OnExtra",
    "OpenAtMost",
    "Opinion",
    "OutputScreen",
    "Part",
    "Plan",
    "Precondition",
    "Purpose",
    "RateGate",
    "Reaction",
    "Replica",
    "ReviewGate",
    "RiseWire",
    "Scenario",
    "ServedModel",
    "Severity",
    "ShiftWire",
    "SoakGate",
    "Stage",
    "Stream",
    "Surface",
    "Thresholds",
    "Tripwire",
    "Upstream",
    "Version",
    "Waivable",
    "Watch",
    "What",
    "Who",
    "stepped",
]


class Replica(Part):
    """One more server of the same model, which is to answer as the first does.

    Attributes:
        url: Its address, up to and including its version; it has the model's name, API and key in common with the first.
        concurrency: Most requests at one time from one worker; none for no bound.
    """

    url: Url
    concurrency: Positive | None = None


class Upstream(Part):
    """The model server that answers.

    Attributes:
        url: Its address, up to and including its version.
        model: The name it knows the model by.
        api: The interface it speaks; nothing is translated, so a surface of another interface is not served.
        api_key_env: The environment variable that holds its key, if it wants one.
        timeout_s: Seconds it may stay silent.
        replicas: More servers of the same model, beside ``url``; how many there are changes nobody's access.
    """

    url: Url
    model: ModelName
    api: Api = Api.OPENAI
    api_key_env: Variable | None = None
    timeout_s: Positive = 600
    replicas: tuple[Replica, ...] = ()


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


class Allowance(Part):
    """How much one holder may use; what is left out has no limit of its own.

    Attributes:
        requests: Requests per span; spans are aligned to the clock in UTC.
        tokens: Tokens, of prompts and answers together, per span.
        total_tokens: Tokens over the holder's whole life in this release.
        concurrency: Requests at one time.
    """

    requests: RatePer | None = None
    tokens: RatePer | None = None
    total_tokens: Positive | None = None
    concurrency: Positive | None = None


class HowMuch(Allowance):
    """How much may be used: what stands here directly is each seat's limit, and narrower and wider holders may have their own.

    A request counts for every holder that it belongs to at once, and goes ahead only if all of them have room; when it does
    not, nothing is taken from any. Each holder is counted over all stages of the release, so that a promotion is no fresh
    allowance, and held to the limit of the stage that admits the request. A seat that enforcement has left with a part of its
    allowance is left with that part of what stands here directly; what others share is not made smaller for them.

    Attributes:
        end_user: Each person behind a seat, as the seat's own application names them (``safety_identifier``, ``user``,
            ``metadata.user_id``), within that seat. Requests that name nobody count as one person together. The names are the
            application's word: this protects its users from one another, and the seat's own limit protects everybody else.
        account: Each account, over all its seats in this release.
        organisation: Each organisation, over all its accounts; an account without one stands for itself.
        cohort: Everybody in the stage's cohort together.
        expected_use: Requests per day that the planner expects of a seat; it limits nothing, and lint reckons with it.
    """

    end_user: Allowance | None = None
    account: Allowance | None = None
    organisation: Allowance | None = None
    cohort: Allowance | None = None
    expected_use: PerSeatDay | None = None


class Watch(Part):
    """Who looks, and at how much.

    Attributes:
        flagged: What happens to flagged exchanges.
        sample: How many exchanges are drawn for review, or all of them.
        reviewers: How many people review.
        minutes_per_item: How long one item takes.
        by_score: Whether a higher score raises the chance to be drawn, by strata of the scores under earlier epochs.
        input_screen: Whether requests are screened before they are forwarded.
        output_screen: When responses are screened: ``hold_back`` before anything is shown, ``trail`` while it is shown and
            cut within one window, ``after`` once it was shown (recorded, nothing stopped), ``none`` never.
    """

    flagged: Flagged = Flagged.REVIEW_ALL
    sample: Sample
    reviewers: Positive
    minutes_per_item: Positive = 3
    by_score: LaterFlag = False
    input_screen: Flag = False
    output_screen: OutputScreen = OutputScreen.AFTER


class Stage(Part):
    """One rung of the ladder.

    Attributes:
        name: What it is called.
        who: Who is let in.
        what: What they may do.
        how_much: How much of it.
        watch: Who looks on; absent where nothing can be seen, as with weights.
        holdback: Who keeps the access of the stage before for a while, to be compared with; nobody where it is absent.
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
    holdback: Holdback | None = None
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
        evaluations: What it tolerates of each suite of evaluations that a gate reads, by the suite's name.
        stages: The rungs, lowest first.
        owner: Whom to tell.
        alpha: The chance, over the whole ladder, of opening a stage although a rate was not below its bound.
        longest_stay: How long each state may last.
        public: What the public may know; nothing where it is absent.
    """

    kind: Literal["ReleasePlan"] = "ReleasePlan"
    name: Name
    model: ServedModel
    end_state: EndState
    staging_is_for: Annotated[tuple[Purpose, ...], Field(min_length=1)]
    hazards: dict[Name, Hazard] = Field(default_factory=dict[str, Hazard])
    evaluations: dict[Name, Evaluation] = Field(default_factory=dict[str, Evaluation])
    stages: tuple[Stage, ...]
    owner: Sentence | None = None
    alpha: Chance = 0.05
    longest_stay: LongestStay = LongestStay()
    public: Public | None = None

    @property
    def version_digest(self) -> str:
        """Return the digest of the version that the plan releases."""
        return self.model.version_digest

    def stage(self, name: str) -> Stage | None:
        """Return the stage of this name, if there is one."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def worst_share(self, hazard: str) -> float:
        """Return the most of one user's traffic that enforcement lets be harmful; 1 where nothing is declared."""
        declared = self.hazards.get(hazard)
        return 1.0 if declared is None or declared.worst_share is None else declared.worst_share

    def on_fail(self, gate: RateGate) -> Reaction:
        """Return what a shown harm does: what the gate says, else narrow where the hazard is critical, else hold."""
        if gate.on_fail is not None:
            return gate.on_fail
        hazard = self.hazards.get(gate.hazard)
        return Reaction.NARROW if hazard is None or hazard.severity is Severity.CRITICAL else Reaction.HOLD
