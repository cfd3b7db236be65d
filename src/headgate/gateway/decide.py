"""Whether a call may go ahead: the one door.

The order is the policy: who is calling, what enforcement says of them, whether their seat holds, whether the release
admits their cohort on this surface, whether what they ask for is within what the stage allows. The same function is run
again for every open exchange when something changes, so an answer that would not be started now is not finished either.
A reason that would tell a stranger of a model they may not know of is not given: to them it does not exist.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.model import (
    Admitted,
    Limits,
    Meter,
    ModelPolicy,
    OnExtra,
    Refusal,
    ReleaseState,
    StageRule,
    Unit,
)

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.gateway.model import Call, Network, Principal
    from headgate.kernel.errors import HeadgateError

STRIPPABLE = frozenset({"tools", "parallel_tool_calls", "logprobs", "n", "seed", "response_format", "system_prompt"})
"""Capabilities that can be taken out and leave a request that still asks the same question."""

_PASSING_SANCTIONS = frozenset({"none", "warn", "throttle", "feature_limit"})
_UNSEEN_STATES = frozenset({ReleaseState.DRAFT, ReleaseState.SCHEDULED})
_NO_LIMITS = Limits()


def admit(
    call: Call,
    principal: Principal,
    policy: ModelPolicy | None,
    *,
    now: datetime,
    assumed_output_tokens: int,
) -> Admitted | Refusal:
    """Decide about a call.

    Args:
        call: What is asked for.
        principal: Who asks, as access knows them.
        policy: The policy of the model that is asked for; ``None`` when there is none of that name.
        now: The present instant.
        assumed_output_tokens: Bound on an answer where tokens are limited and nobody named one.

    Returns:
        What it is admitted under, or why it is not.
    """
    error = _who(principal, call.client_ip, now)
    if error is not None:
        return Refusal(error)
    where = _where(call, principal, policy)
    if isinstance(where, Refusal):
        return where
    return _what(call, principal, *where, now=now, assumed_output_tokens=assumed_output_tokens)


def still_admits(earlier: Admitted, call: Call, now: Admitted) -> Refusal | None:
    """Return why an exchange that is under way goes beyond what would be admitted now, or ``None``.

    Args:
        earlier: What it was admitted under.
        call: What it asked for.
        now: What the same call would be admitted under.
    """
    more = sorted(set(now.stripped) - set(earlier.stripped))
    if more:
        return Refusal(_not_allowed(call, now.rule, more, now.allowed), more[0])
    if now.output_cap is not None and (earlier.output_cap is None or now.output_cap < earlier.output_cap):
        return Refusal(_too_long(earlier.output_cap or call.output_tokens or now.output_cap + 1, now.rule), "max_tokens")
    return None


def visible(principal: Principal, policy: ModelPolicy, *, surface: str) -> bool:
    """Return whether a listing shows this model to this principal: it may be used, now, on the surface."""
    rule = policy.rules.get(principal.cohort)
    return (
        rule is not None
        and policy.state.serves
        and surface in rule.surfaces
        and (principal.models is None or policy.model in principal.models)
        and (principal.scopes is None or surface in principal.scopes)
    )


def may_list(principal: Principal, *, client_ip: str | None, now: datetime) -> Refusal | None:
    """Return why this principal may not even list models, or ``None``."""
    error = _who(principal, client_ip, now)
    return None if error is None else Refusal(error)


def _who(principal: Principal, client_ip: str | None, now: datetime) -> HeadgateError | None:
    return _key(principal, client_ip, now) or _account(principal, now) or _grant(principal, now)


def _key(principal: Principal, client_ip: str | None, now: datetime) -> HeadgateError | None:
    rotate = "Rotate it; the grant is untouched."
    match principal.key_state:
        case "active" if now < principal.key_expires_at:
            if principal.networks is None or _within(client_ip, principal.networks):
                return None
            return errors.KeyWrongNetwork(
                "This key may not be used from this network.", rule="key networks", help="Use it from a network that it names."
            )
        case "active" | "expired":
            return errors.KeyExpired("This key has expired.", rule="key expiry", help=rotate)
        case "revoked":
            return errors.KeyRevoked("This key was revoked.", rule="key state", help="Use another key of the grant.")
        case "quarantined":
            return errors.KeyQuarantined("This key was reported as leaked.", rule="key state", help=rotate)
        case state:
            return errors.KeyNotActive(f"This key is {state}.", rule="key state", help=rotate)


def _account(principal: Principal, now: datetime) -> HeadgateError | None:
    if principal.account_state != "active":
        return errors.AccountNotActive(f"This account is {principal.account_state}.", rule="account state")
    sanction = principal.sanction
    if sanction is None or sanction.kind in _PASSING_SANCTIONS or (sanction.until is not None and now >= sanction.until):
        return None
    until = "" if sanction.until is None else f" until {sanction.until:%Y-%m-%d %H:%M} UTC"
    return errors.Sanctioned(
        f"This access is suspended{until}: {sanction.why}",
        rule=f"sanction {sanction.kind}",
        help="You may appeal; somebody else decides.",
        link=sanction.appeal,
    )


def _grant(principal: Principal, now: datetime) -> HeadgateError | None:
    match principal.grant_state:
        case "active" | "limited":
            if now >= principal.grant_ends_at:
                return errors.GrantOver(
                    "This grant's end date has passed.", rule="grant end date", help="Ask for it to be renewed."
                )
            return None if principal.terms_current else _terms()
        case "pending_terms":
            return _terms()
        case "paused":
            return errors.GrantPaused("This grant is paused.", rule="grant state", help="Ask whoever granted it.")
        case state:
            return errors.GrantNotActive(f"This grant is {state}.", rule="grant state", help="Apply again.")


def _terms() -> HeadgateError:
    return errors.TermsNotAccepted(
        "The terms in force are not accepted for this grant.", rule="terms", help="Read and accept the current terms."
    )


def _within(client_ip: str | None, networks: tuple[Network, ...]) -> bool:
    try:
        address = ip_address(client_ip or "")
    except ValueError:
        return False  # an address that cannot be read lies in no network
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _where(call: Call, principal: Principal, policy: ModelPolicy | None) -> tuple[ModelPolicy, StageRule] | Refusal:
    rule = None if policy is None else policy.rules.get(principal.cohort)
    outside = principal.models is not None and call.model not in principal.models
    if policy is None or rule is None or outside or policy.state in _UNSEEN_STATES:
        return Refusal(
            errors.ModelNotFound(
                f"The model {call.model[:100]!r} does not exist or you do not have access to it.",
                rule="model",
                help="GET /v1/models lists the models that this key may use.",
            ),
            "model",
        )
    if not policy.state.serves:
        return Refusal(_closed(policy))
    if call.surface not in rule.surfaces:
        admitted = ", ".join(sorted(rule.surfaces)) or "none"
        return Refusal(
            errors.SurfaceNotAdmitted(
                f"{call.model} does not admit {call.surface} at this stage.",
                rule=f"stage {rule.stage}, what.surfaces",
                help=f"Surfaces admitted: {admitted}.",
            )
        )
    if principal.scopes is not None and call.surface not in principal.scopes:
        return Refusal(
            errors.KeyLacksScope(
                f"This key lacks the scope {call.surface}; its grant has it.",
                rule="key scopes",
                help="Mint a key of the same grant with this scope.",
            )
        )
    return policy, rule


def _closed(policy: ModelPolicy) -> HeadgateError:
    match policy.state:
        case ReleaseState.CUT:
            return errors.ReleaseCut(
                f"The release of {policy.model} was cut: nobody has access now.",
                rule="release state",
                help="See the release page.",
            )
        case ReleaseState.WITHDRAWN:
            return errors.ReleaseWithdrawn(f"The release of {policy.model} was withdrawn.", rule="release state")
        case _:
            return errors.ReleaseNotServing(f"The release of {policy.model} does not serve now.", rule="release state")


def _what(
    call: Call, principal: Principal, policy: ModelPolicy, rule: StageRule, *, now: datetime, assumed_output_tokens: int
) -> Admitted | Refusal:
    sanction = principal.sanction
    if sanction is not None and sanction.until is not None and now >= sanction.until:
        sanction = None
    allowed = rule.capabilities if sanction is None else rule.capabilities - sanction.withheld
    extra = sorted(call.capabilities - allowed)
    strips = rule.on_extra is OnExtra.STRIP
    if extra and not (strips and STRIPPABLE.issuperset(extra)):
        return Refusal(
            _not_allowed(call, rule, [name for name in extra if not (strips and name in STRIPPABLE)], allowed), extra[0]
        )
    if rule.max_turns is not None and call.turns > rule.max_turns:
        return Refusal(
            errors.TooManyTurns(
                f"This conversation has {call.turns} user messages; this stage allows {rule.max_turns}.",
                rule=f"stage {rule.stage}, what.max_turns",
                help="Start a new conversation.",
            ),
            "messages",
        )
    meters = _meters(principal, policy, rule, None if sanction is None else sanction.limits)
    bound = call.output_tokens
    cap: int | None = None
    if rule.max_output_tokens is not None and (bound is None or bound > rule.max_output_tokens):
        if bound is not None:
            if not strips:
                return Refusal(_too_long(bound, rule), "max_tokens")
            extra.append("max_output_tokens")
        cap = rule.max_output_tokens
    elif bound is None and any(meter.unit in _TOKEN_UNITS for meter in meters):
        cap = assumed_output_tokens  # without a bound, one answer could spend more than is reserved for it
    choices = 1 if "n" in extra else call.choices
    return Admitted(
        policy=policy,
        rule=rule,
        principal=principal,
        allowed=allowed,
        stripped=tuple(sorted(extra)),
        output_cap=cap,
        reserved_tokens=call.input_tokens + choices * (cap or bound or assumed_output_tokens),
        meters=meters,
    )


def _too_long(bound: int, rule: StageRule) -> HeadgateError:
    return errors.OutputTooLong(
        f"The answer may be {bound:,} tokens long; this stage allows fewer.",
        rule=f"stage {rule.stage}, what.max_output_tokens",
        help=f"Ask for at most {rule.max_output_tokens or 0:,} tokens.",
    )


def _not_allowed(call: Call, rule: StageRule, extra: list[str], allowed: frozenset[str]) -> HeadgateError:
    return errors.CapabilityNotAllowed(
        f"{call.model} does not allow {', '.join(extra)} at this stage.",
        rule=f"stage {rule.stage}, what.capabilities",
        help=f"Allowed: {', '.join(sorted(allowed)) or 'plain text, not streamed'}.",
    )


_TOKEN_UNITS = frozenset({Unit.TOKENS, Unit.TOTAL_TOKENS})


def _meters(principal: Principal, policy: ModelPolicy, rule: StageRule, sanction: Limits | None) -> tuple[Meter, ...]:
    # A stage's limits count per release, so that one plan's quota does not eat another's; they are not keyed by stage,
    # so that a promotion hands nobody a fresh quota.
    meters = _of(rule.limits, f"grant:{principal.grant_id}@{policy.release_id}")
    if principal.limits is not None:
        meters += _of(principal.limits, f"account:{principal.account_id}")
    if sanction is not None:
        meters += _of(sanction, f"sanction:{principal.account_id}")
    return meters


def _of(limits: Limits, holder: str) -> tuple[Meter, ...]:
    if limits is _NO_LIMITS:
        return ()
    found: list[Meter] = []
    if limits.requests is not None:
        rate = limits.requests
        found.append(Meter(f"{holder}:requests:{rate.per_s}", Unit.REQUESTS, rate.count, rate.per_s))
    if limits.tokens is not None:
        rate = limits.tokens
        found.append(Meter(f"{holder}:tokens:{rate.per_s}", Unit.TOKENS, rate.count, rate.per_s))
    if limits.total_tokens is not None:
        found.append(Meter(f"{holder}:total_tokens", Unit.TOTAL_TOKENS, limits.total_tokens, 0))
    if limits.concurrency is not None:
        found.append(Meter(f"{holder}:concurrency", Unit.CONCURRENCY, limits.concurrency, 0))
    return tuple(found)
