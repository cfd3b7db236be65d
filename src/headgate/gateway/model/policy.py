"""The compiled policy: what every served name allows whom."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headgate.gateway.model.limits import Ceiling, Holder, Limits, Unit
from headgate.kernel.lots import is_drawn
from headgate.kernel.words import Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

    from headgate.gateway.model.principals import Principal
    from headgate.gateway.model.upstreams import Upstream
    from headgate.kernel.ids import AccountId, EpochId, ReleaseId


class ReleaseState(Word):
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


class OutputScreen(Word):
    """When the answer is screened."""

    NONE = "none"
    """Never: what is served is recorded as not screened."""
    AFTER = "after"
    """Once it has gone out; a detector's signal is recorded, nothing is stopped."""
    TRAIL = "trail"
    """While it goes out: what is found cuts the stream within one window."""
    HOLD_BACK = "hold_back"
    """Before it goes out: nothing leaves without a verdict."""


class OnExtra(Word):
    """What happens to a request that asks for a capability which its stage does not allow."""

    REFUSE = "refuse"
    STRIP = "strip"
    """Take it out and say so, where that leaves a request that means the same; refuse otherwise."""


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
    limits: Limits = field(default_factory=Limits)
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
