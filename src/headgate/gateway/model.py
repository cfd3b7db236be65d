"""What the gateway knows while it decides: the compiled policy, who is calling, what is asked for.

Everything here is frozen. A snapshot is replaced as a whole, never mended, so a request sees one policy from its first
byte to its last unless the change feed takes it away. Whatever a value does not name is not allowed: a rule without a
capability refuses it, a key without a scope opens nothing, a state that nobody has heard of serves nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from headgate.kernel.lots import is_drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta
    from pathlib import Path

    from headgate.kernel.errors import HeadgateError, Refused
    from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, OrganisationId, ReleaseId
    from headgate.kernel.units import Rate


class _Word(Enum):
    """A word of a closed list. There is one of each, so it is hashed by identity: every request looks several of them up."""

    __hash__ = object.__hash__


class ReleaseState(_Word):
    """Where a release stands, as far as serving is concerned."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    LIVE = "live"
    HELD = "held"
    """Nothing widens; access stays."""
    FROZEN = "frozen"
    """No new grants (which is access's matter); existing grants stay."""
    NARROWED = "narrowed"
    CUT = "cut"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"
    """A state that this version of the gateway has not heard of."""

    @classmethod
    def of(cls, text: str) -> ReleaseState:
        """Return the state called ``text``, or ``UNKNOWN``, which serves nobody."""
        return _STATES.get(text, cls.UNKNOWN)

    @property
    def serves(self) -> bool:
        """Whether requests may pass at all."""
        return self in _SERVING


_STATES = {state.value: state for state in ReleaseState}
_SERVING = frozenset({ReleaseState.LIVE, ReleaseState.HELD, ReleaseState.FROZEN, ReleaseState.NARROWED, ReleaseState.COMPLETED})


class Api(_Word):
    """A published interface that a client or a model server speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class OutputScreen(Enum):
    """When the answer is screened."""

    NONE = "none"
    """Never: what is served is recorded as not screened."""
    AFTER = "after"
    """Once it has gone out; a detector's signal is recorded, nothing is stopped."""
    TRAIL = "trail"
    """While it goes out: what is found cuts the stream within one window."""
    HOLD_BACK = "hold_back"
    """Before it goes out: nothing leaves without a verdict."""


class OnExtra(Enum):
    """What happens to a request that asks for a capability which its stage does not allow."""

    REFUSE = "refuse"
    STRIP = "strip"
    """Take it out and say so, where that leaves a request that means the same; refuse otherwise."""


class Holder(_Word):
    """Whose a limit is, narrowest first."""

    END_USER = "end_user"
    """A person behind a grant, as the grant's own application names them; those whom nobody names are one person together."""
    GRANT = "grant"
    ACCOUNT = "account"
    ORGANISATION = "organisation"
    """An account that belongs to none stands for itself."""
    COHORT = "cohort"


class Unit(_Word):
    """What a meter counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    TOTAL_TOKENS = "total_tokens"
    CONCURRENCY = "concurrency"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one holder may use; ``None`` is no limit of that kind.

    Attributes:
        requests: Requests admitted per window; windows are aligned to the clock.
        tokens: Tokens (prompt and completion) per window.
        total_tokens: Tokens over the holder's life under the release.
        concurrency: Exchanges in flight at one time, over all workers.
    """

    requests: Rate | None = None
    tokens: Rate | None = None
    total_tokens: int | None = None
    concurrency: int | None = None


class Ceiling(NamedTuple):
    """One limit of one kind of holder, as decisions read it.

    Attributes:
        holder: Whose.
        unit: What is counted.
        limit: The most that may be in use.
        window_s: Length of its window in seconds; 0 for one that never starts afresh.
        name: What its count is called beside its holder: ``:tokens:86400``.
    """

    holder: Holder
    unit: Unit
    limit: int
    window_s: int
    name: str


@dataclass(frozen=True, slots=True)
class Holdback:
    """Who of a stage's cohort is served under another rule for a while: one that every worker works out alike, by itself.

    Attributes:
        share: The share of organisations that are held back; an account without one stands for itself.
        key: What their lots are drawn for.
        since: When the stage opened to people.
        window: How long each account is held back, from then or from the beginning of its seat.
        rule: What they are served under.
    """

    share: float
    key: str
    since: datetime
    window: timedelta
    rule: StageRule

    def until(self, principal: Principal, now: datetime) -> datetime | None:
        """Return when the principal is no longer held back; ``None`` where it is not, or no longer."""
        enrolled = principal.enrolled_at
        end = (self.since if enrolled is None or enrolled < self.since else enrolled) + self.window
        if now >= end:
            return None
        # Colleagues share prompts, code and keys, so they are held back together: half a team would tell the other half.
        return end if is_drawn(self.key, principal.organisation_id or principal.account_id, self.share) else None


@dataclass(frozen=True, slots=True)
class StageRule:
    """What one stage allows its cohort.

    Attributes:
        stage: The stage's name in the plan.
        epoch: ``"{release_id}/{stage}/{attempt}"``: recorded with every exchange.
        surfaces: Ways in that are admitted; empty admits none.
        capabilities: Rights on those surfaces; empty allows plain text only.
        max_output_tokens: Most tokens that one answer may have; ``None`` for no bound.
        max_turns: Most user messages in one request; ``None`` for no bound.
        on_extra: What happens to a request that asks for more.
        limits: How much each grant may use.
        shared: How much other holders may use, each over all that it holds.
        input_screen: Whether requests pass the input screen before they are admitted.
        output_screen: When answers pass the output screen.
        holdback: Who of the cohort is served under another rule, where somebody is.
        ceilings: The limits of every holder one by one, narrowest holder first: a rule is made once and read by every request.
        counts_tokens: Whether any of them counts tokens.
    """

    stage: str
    epoch: EpochId
    surfaces: frozenset[str]
    capabilities: frozenset[str]
    max_output_tokens: int | None = None
    max_turns: int | None = None
    on_extra: OnExtra = OnExtra.REFUSE
    limits: Limits = Limits()
    shared: Mapping[Holder, Limits] = field(default_factory=dict[Holder, Limits])
    input_screen: bool = False
    output_screen: OutputScreen = OutputScreen.AFTER
    holdback: Holdback | None = None
    ceilings: tuple[Ceiling, ...] = field(init=False, repr=False, compare=False)
    counts_tokens: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = {**self.shared, Holder.GRANT: self.limits}
        ceilings = tuple(ceiling for holder in Holder if holder in limits for ceiling in _ceilings(holder, limits[holder]))
        object.__setattr__(self, "ceilings", ceilings)
        object.__setattr__(self, "counts_tokens", any(one.unit in (Unit.TOKENS, Unit.TOTAL_TOKENS) for one in ceilings))


def _ceilings(holder: Holder, limits: Limits) -> Iterator[Ceiling]:
    for unit, rate in ((Unit.REQUESTS, limits.requests), (Unit.TOKENS, limits.tokens)):
        if rate is not None:
            yield Ceiling(holder, unit, rate.count, rate.per_s, f":{unit.value}:{rate.per_s}")
    for unit, most in ((Unit.TOTAL_TOKENS, limits.total_tokens), (Unit.CONCURRENCY, limits.concurrency)):
        if most is not None:
            yield Ceiling(holder, unit, most, 0, f":{unit.value}")


@dataclass(frozen=True, slots=True)
class Replica:
    """One of several servers of the same model.

    Attributes:
        url: Its base, version included.
        concurrency: Most exchanges at one time from one worker; ``None`` for no bound.
    """

    url: str
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """The model server behind a release.

    Attributes:
        url: Its base, version included: ``http://127.0.0.1:8000/v1``.
        model: What it calls the model.
        api_key: Headgate's own credential there; the client's key never leaves Headgate.
        connect_s: Longest wait for a connection, in seconds.
        first_byte_s: Longest wait for the answer's status line, in seconds.
        idle_s: Longest silence within an answer, in seconds.
        total_s: Longest exchange, in seconds.
        output_cap_field: The field that bounds an answer's length there, for caps that Headgate adds.
        apis: What it speaks; a surface of another API is not served by it.
        replicas: More servers of the same model, beside ``url``.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    total_s: float = 3600.0
    output_cap_field: str = "max_tokens"
    apis: frozenset[Api] = frozenset({Api.OPENAI})
    replicas: tuple[Replica, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """One served name: its release, where the release stands, and what each cohort may do.

    Attributes:
        release_id: The release that serves the name.
        model: What a client puts in ``model``.
        version_digest: The version under release; evidence is keyed by it.
        state: Where the release stands. The rules stay in place while it is cut, so that a caller is told "cut"
            rather than "no such model".
        gated: Whether staging still protects something. A gated model fails closed when policy is stale; an open one
            (completed, nobody is kept out) goes on.
        upstream: The model server.
        rules: By cohort: the latest opened stage that names it. A cohort that is not here does not see the model.
        created: When the release was made, for listings.
        owner: Whose it is alone: a model that somebody has tuned is there for nobody else. ``None`` for a release's own.
    """

    release_id: ReleaseId
    model: str
    version_digest: str
    state: ReleaseState
    gated: bool
    upstream: Upstream
    rules: Mapping[str, StageRule]
    created: datetime
    owner: AccountId | None = None

    def seen_by(self, principal: Principal, now: datetime) -> ModelPolicy:
        """Return the policy with the rule that the principal is served under now as its cohort's: what a listing shows them."""
        rule = self.rules.get(principal.cohort)
        if rule is None or rule.holdback is None or rule.holdback.until(principal, now) is None:
            return self
        return replace(self, rules={**self.rules, principal.cohort: rule.holdback.rule})


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """All served names at one point of the ledger.

    Attributes:
        seq: The ledger sequence that it reflects, or a later one.
        models: By the name that a client uses.
    """

    seq: int
    models: Mapping[str, ModelPolicy]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a key speaks for, as access knew it when it was read. Holds no authority: the change feed evicts it.

    Attributes:
        key_id: The key.
        account_id: The account that holds the grant.
        organisation_id: Its organisation, if it has one.
        grant_id: The grant that the key is a credential of.
        cohort: The grant's cohort; the stage follows from it.
        scopes: Surfaces that the key may use; empty for none.
        quota_percent: The share of the stage's limits that the grant is left with; 100 is the whole.
        refusal: Why, from this address, now, this key may not be used at all, or ``None``: the judgement of whoever issued
            it, over what they knew when it was read.
        enrolled_at: When its seat begins, as far as that is known.
    """

    key_id: KeyId
    account_id: AccountId
    organisation_id: OrganisationId | None
    grant_id: GrantId
    cohort: str
    scopes: frozenset[str]
    quota_percent: int
    refusal: Callable[[str | None, datetime], Refused | None]
    enrolled_at: datetime | None = None


ILLEGIBLE = frozenset({"image_input", "audio_input", "file_input", "other_input"})
"""Capabilities of requests that hold more than a screen of text can read."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, whatever surface it came by: all that a decision may look at.

    Attributes:
        surface: The way in, such as ``api.chat``.
        model: What the client called the model.
        stream: Whether the answer is to be streamed.
        capabilities: Every right that the request makes use of.
        input_tokens: Estimated prompt tokens, never zero.
        output_tokens: Most completion tokens that the client allows one choice; ``None`` if it set no bound.
        choices: How many answers it asked for; none where what is answered is not text that a model writes.
        turns: How many user messages it carries.
        client_ip: Where it came from, as far as the server knows.
        end_user: The keyed hash of the end user that the client named.
        prompts: How many prompts it carries, each answered by itself.
        media_tokens: What the images and sounds of the answer are taken to cost, in tokens.
        scannable: Whether an output screen can read all of the answer: images and sound it cannot.
    """

    surface: str
    model: str
    stream: bool
    capabilities: frozenset[str]
    input_tokens: int
    output_tokens: int | None
    choices: int
    turns: int
    client_ip: str | None = None
    end_user: str | None = None
    prompts: int = 1
    media_tokens: int = 0
    scannable: bool = True

    @property
    def legible(self) -> bool:
        """Whether a screen of text can read all of the request: images, sound, files and what nobody knows it cannot."""
        return ILLEGIBLE.isdisjoint(self.capabilities)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may go ahead, and under what.

    Attributes:
        policy: The model's policy at the time.
        rule: The stage's rule that admitted it.
        principal: Who is calling.
        stripped: Capabilities taken out of the request, sorted.
        output_cap: Bound on completion tokens that Headgate sets per choice; ``None`` leaves the request's own.
        reserved_tokens: Tokens set aside until usage is known.
        meters: The limits that must be reserved, in order.
        held_back: The rule that others of the cohort have, and until when this caller has not; ``None`` where they have the same.
    """

    policy: ModelPolicy
    rule: StageRule
    principal: Principal
    stripped: tuple[str, ...]
    output_cap: int | None
    reserved_tokens: int
    meters: tuple[Meter, ...]
    held_back: tuple[StageRule, datetime] | None = None

    @property
    def waits_for_time(self) -> bool:
        """Whether the same call would be admitted under another rule by nothing but the passing of time."""
        return self.held_back is not None or self.rule.holdback is not None


class Standing(NamedTuple):
    """How one limit stands for a caller's information.

    Attributes:
        unit: What it counts.
        limit: The most that may be used in a window.
        remaining: What all workers together could still admit at some instant of the request that is told so, or less.
        reset_s: Seconds until the window ends.
    """

    unit: Unit
    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that may not go ahead.

    Attributes:
        error: Why, for the person who asked.
        param: The field of the request that it is about, if it is about one.
        standings: How the limits stand, where one of them refused; as far as that is known.
        meter: The limit that refused, where one did.
    """

    error: HeadgateError
    param: str | None = None
    standings: tuple[Standing, ...] = ()
    meter: Meter | None = None


class Meter(NamedTuple):
    """One limit of one holder.

    Attributes:
        scope: Who and what it counts for, unique: ``grant:grt_…:tokens:86400``.
        unit: What it counts.
        limit: The most that may be in use.
        window_s: Length of its window in seconds; 0 for a meter that never starts afresh.
        holder: Whose limit it is.
    """

    scope: str
    unit: Unit
    limit: int
    window_s: int
    holder: Holder = Holder.GRANT


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """What a screen says of a request, or of an answer.

    Attributes:
        blocked: Whether it must not go ahead, or be shown.
        hazard: The hazard it matched, when blocked.
        rule_id: The rule that matched, when blocked.
        why: One sentence for the caller, when blocked; never the text that matched.
    """

    blocked: bool
    hazard: str | None = None
    rule_id: str | None = None
    why: str | None = None


class ObjectKind(Enum):
    """What an upstream keeps for a caller under an identifier."""

    RESPONSE = "response"
    FILE = "file"
    BATCH = "batch"
    FINE_TUNING_JOB = "fine_tuning_job"
    TUNED_MODEL = "tuned_model"
    RESPONSE_ITEM = "response_item"
    """A message, a call or a thought of a stored response, by its own identifier."""
    CONTAINER = "container"
    """Where an upstream ran code for a caller."""
    RUNNING_RESPONSE = "running_response"
    """A response that the upstream works on with nobody waiting; known as long as that may be so."""
    MESSAGE = "message"
    """A message of a conversation that the upstream keeps."""
    SPOKEN_ANSWER = "spoken_answer"
    """What a model has said aloud, which a later request may name instead of holding it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Something that an upstream keeps, bound to whom it belongs. To everybody else it does not exist.

    Attributes:
        kind: What it is.
        id: What the upstream calls it.
        release_id: The release it was made under.
        model: The served name it was made with; access to it is access to that model. Empty for a file that names none yet.
        account_id: Whose it is.
        grant_id: The grant it was made under.
        organisation_id: Its owner's organisation.
        created: When it was made, aware, in UTC.
        detail: What its surface must remember about it; JSON, never content.
    """

    kind: ObjectKind
    id: str
    release_id: ReleaseId
    model: str
    account_id: AccountId
    grant_id: GrantId
    organisation_id: OrganisationId | None
    created: datetime
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def at(self, upstream: Upstream) -> Upstream:
        """Return an upstream as it must be asked for this: the one server that keeps it, where there are several."""
        server: Any = self.detail.get("server")
        if server not in {upstream.url, *(replica.url for replica in upstream.replicas)}:
            return upstream
        return replace(upstream, url=server, replicas=tuple(each for each in upstream.replicas if each.url == server))


@dataclass(frozen=True, slots=True)
class Change:
    """What the ledger recorded since one looked, as far as a gateway must care.

    Attributes:
        seq: The last sequence looked at.
        releases: Releases that were touched; any of them makes the policy be read again.
        keys: Keys that were touched.
        grants: Grants that were touched.
        accounts: Accounts that were touched.
        everything: Something was touched that cannot be told apart: forget all.
        at: When the newest of it was recorded, aware, in UTC; ``None`` where there is nothing or nobody can tell.
    """

    seq: int
    releases: frozenset[ReleaseId] = frozenset()
    keys: frozenset[KeyId] = frozenset()
    grants: frozenset[GrantId] = frozenset()
    accounts: frozenset[AccountId] = frozenset()
    everything: bool = False
    at: datetime | None = field(default=None, compare=False)

    @property
    def touches_policy(self) -> bool:
        """Whether the policy snapshot must be read again."""
        return self.everything or bool(self.releases)

    @property
    def touches_principals(self) -> bool:
        """Whether any cached principal may be out of date."""
        return self.everything or bool(self.keys or self.grants or self.accounts)

    def touches(self, principal: Principal) -> bool:
        """Return whether this principal may be out of date."""
        return (
            self.everything
            or principal.key_id in self.keys
            or principal.grant_id in self.grants
            or principal.account_id in self.accounts
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """How a gateway worker behaves, whatever the policy says.

    Attributes:
        worker: The worker's name, recorded with every exchange and owning its concurrency slots.
        end_user_key: Secret under which end-user names are hashed before they are recorded.
        max_body_bytes: Largest request body, before and after decompression.
        uploads_dir: Where forms wait until they are decided on, on a disk with room; the system's own where absent.
        max_uploads_bytes: The most that all forms of one worker may take up there.
        max_in_flight: Most exchanges that one worker carries; more are told to come back.
        body_s: Longest that a client may take to send its body, in seconds.
        send_idle_s: Longest that a client may leave an answer unread, in seconds.
        max_stale_s: Longest that a gated model is served while the system of record does not answer, in seconds.
        assumed_output_tokens: Bound set on an answer where tokens are limited and nobody named a bound.
        max_answer_bytes: Largest answer that is not streamed; a larger one is an upstream failure.
        max_file_bytes: Largest file that may be uploaded.
        max_batch_file_bytes: Largest file of rows for a batch.
        max_batch_rows: Most rows in one such file.
        max_recorded_bytes: Most of an answer that is kept in the record; what is beyond is noted, not kept.
        max_principals: Most principals held in memory.
        slot_ttl_s: How long a concurrency slot outlives its worker, in seconds.
        screen_budget_s: Longest that one look of a screen may take, in seconds.
        window_bytes: How much text is held back, or let go unseen, before the output screen looks at it.
        window_s: Longest that text is held back, in seconds.
        overlap_bytes: How much of the text before a window is looked at with it again.
        access_url: Where to ask for access, put in refusals.
        appeal_url: Where to appeal, put in refusals.
        help_url: Base of the error pages; the code is appended.
    """

    worker: str
    end_user_key: bytes = field(repr=False)
    max_body_bytes: int = 10 * 1024 * 1024
    uploads_dir: Path | None = None
    max_uploads_bytes: int = 4 * 1024**3
    max_in_flight: int = 2000
    body_s: float = 30.0
    send_idle_s: float = 60.0
    max_stale_s: float = 60.0
    assumed_output_tokens: int = 4096
    max_answer_bytes: int = 64 * 1024 * 1024
    max_file_bytes: int = 512 * 1024 * 1024
    max_batch_file_bytes: int = 200 * 1024 * 1024
    max_batch_rows: int = 50_000
    max_recorded_bytes: int = 1024 * 1024
    max_principals: int = 50_000
    slot_ttl_s: float = 60.0
    screen_budget_s: float = 0.25
    window_bytes: int = 1024
    window_s: float = 0.3
    overlap_bytes: int = 256
    access_url: str | None = None
    appeal_url: str | None = None
    help_url: str | None = None
