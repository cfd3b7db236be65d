"""Whether a call may go ahead: the one door.

The order is the policy: whether the key may be used at all, which is the judgement of whoever issued it; whether the release
admits the caller's cohort on this surface; whether what is asked for is within what the stage allows. The same function is
run again for every open exchange when something changes, so an answer that would not be started now is not finished either.
A reason that would tell a stranger of a model they may not know of is not given: to them it does not exist.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from headgate.gateway import errors
from headgate.gateway.model import (
    Admitted,
    Api,
    Holder,
    Meter,
    ModelPolicy,
    OnExtra,
    OutputScreen,
    Refusal,
    ReleaseState,
    StageRule,
)

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.gateway.model import Call, Principal
    from headgate.kernel.errors import HeadgateError

STRIPPABLE = frozenset({"tools", "parallel_tool_calls", "logprobs", "n", "seed", "response_format", "system_prompt"})
"""Capabilities that can be taken out, on every surface that has them, and leave a request that still asks the same question.

The others cannot. Input of any kind (``image_input``, ``file_input``, ``prefill``, …) is the question. ``stored`` may be where
the rest of it is kept (``previous_response_id``). ``streaming``, ``background`` and ``audio_output`` say how the answer comes,
and a client that waits for the one cannot read the other. ``thinking`` and ``hosted_tools`` are what the answer is made from:
without a search, a question about today has another answer, and nobody would be told.
"""

ANTHROPIC_SURFACES = frozenset({"api.messages"})
_CHAT_PAGE = "chat_page"  # speaks whatever the model's server does
"""Ways in that belong to the Anthropic API; every other belongs to the OpenAI API."""

_UNSEEN_STATES = frozenset({ReleaseState.DRAFT, ReleaseState.SCHEDULED})


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
    refused = principal.refusal(call.client_ip, now)
    if refused is not None:
        return Refusal(refused)
    rule = None if policy is None else policy.rules.get(principal.cohort)
    if rule is not None and rule.holdback is not None:
        until = rule.holdback.until(principal, now)
        if until is not None:
            return _held_back(call, principal, policy, rule, until, assumed_output_tokens=assumed_output_tokens)
    return _under(call, principal, policy, rule, assumed_output_tokens=assumed_output_tokens)


def still_admits(earlier: Admitted, call: Call, now: Admitted) -> Refusal | None:
    """Return why an exchange that is under way goes beyond what would be admitted now, or ``None``.

    Args:
        earlier: What it was admitted under.
        call: What it asked for.
        now: What the same call would be admitted under.
    """
    more = sorted(set(now.stripped) - set(earlier.stripped))
    if more:
        return Refusal(_not_allowed(call, now.rule, more), more[0])
    if now.output_cap is not None and (earlier.output_cap is None or now.output_cap < earlier.output_cap):
        return Refusal(_too_long(earlier.output_cap or call.output_tokens or now.output_cap + 1, now.rule), "max_tokens")
    return None


def visible(principal: Principal, policy: ModelPolicy) -> bool:
    """Return whether a listing shows this model to this principal: it may be used, now, on some surface of the API."""
    rule = policy.rules.get(principal.cohort)
    if rule is None or not policy.state.serves or policy.owner not in (None, principal.account_id):
        return False
    return any(_spoken(surface, policy) for surface in rule.surfaces & principal.scopes)


def may_list(principal: Principal, *, client_ip: str | None, now: datetime) -> Refusal | None:
    """Return why this principal may not even list models, or ``None``."""
    refused = principal.refusal(client_ip, now)
    return None if refused is None else Refusal(refused)


def _under(
    call: Call, principal: Principal, policy: ModelPolicy | None, rule: StageRule | None, *, assumed_output_tokens: int
) -> Admitted | Refusal:
    where = _where(call, principal, policy, rule)
    if isinstance(where, Refusal):
        return where
    return _what(call, principal, *where, assumed_output_tokens=assumed_output_tokens)


def _held_back(
    call: Call, principal: Principal, policy: ModelPolicy | None, rule: StageRule, until: datetime, *, assumed_output_tokens: int
) -> Admitted | Refusal:
    """Decide about a call of somebody who is held back from a stage; what only that refuses is refused in its own words."""
    assert rule.holdback is not None
    kept = _under(call, principal, policy, rule.holdback.rule, assumed_output_tokens=assumed_output_tokens)
    if isinstance(kept, Admitted):
        return replace(kept, held_back=(rule, until))
    given = _under(call, principal, policy, rule, assumed_output_tokens=assumed_output_tokens)
    if isinstance(given, Refusal):
        return given  # the others are refused it as well, and for the reason that they are told
    return Refusal(
        errors.HeldBack(
            f"{call.model} gives this account what it asks for from {until:%Y-%m-%d %H:%M} UTC on. Until then it keeps the access"
            " of the stage before: it was drawn by lot, so that what the new access does can be told from everything else.",
            rule=f"stage {rule.stage}, holdback",
            help=kept.error.help,
        ),
        kept.param,
    )


def _where(
    call: Call, principal: Principal, policy: ModelPolicy | None, rule: StageRule | None
) -> tuple[ModelPolicy, StageRule] | Refusal:
    hidden = policy is not None and policy.owner not in (None, principal.account_id)
    if policy is None or rule is None or hidden or policy.state in _UNSEEN_STATES:
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
    if call.surface not in principal.scopes:
        return Refusal(
            errors.ScopeMissing(
                f"This key lacks the scope {call.surface}.",
                rule="key scopes",
                help="Use or ask for a key of the same grant with this scope.",
            )
        )
    if not _spoken(call.surface, policy):
        spoken = " and ".join(sorted(api.value for api in policy.upstream.apis))
        return Refusal(
            errors.SurfaceNotSpoken(
                f"The server of {call.model} does not speak the API of {call.surface}, and nothing is translated.",
                rule="model.upstream.api",
                help=f"Use a client of the API that it speaks: {spoken or 'none'}.",
            )
        )
    return policy, rule


def _spoken(surface: str, policy: ModelPolicy) -> bool:
    if surface == _CHAT_PAGE:
        return bool(policy.upstream.apis)
    return (Api.ANTHROPIC if surface in ANTHROPIC_SURFACES else Api.OPENAI) in policy.upstream.apis


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
    call: Call, principal: Principal, policy: ModelPolicy, rule: StageRule, *, assumed_output_tokens: int
) -> Admitted | Refusal:
    extra = sorted(call.capabilities - rule.capabilities)
    strips = rule.on_extra is OnExtra.STRIP
    if extra and not (strips and STRIPPABLE.issuperset(extra)):
        return Refusal(_not_allowed(call, rule, [name for name in extra if not (strips and name in STRIPPABLE)]), extra[0])
    if rule.max_turns is not None and call.turns > rule.max_turns:
        return Refusal(
            errors.TooManyTurns(
                f"This conversation has {call.turns} user messages; this stage allows {rule.max_turns}.",
                rule=f"stage {rule.stage}, what.max_turns",
                help="Start a new conversation.",
            ),
            "messages",
        )
    if policy.gated and not call.scannable and rule.output_screen in _READS_ALL:
        return Refusal(
            errors.AnswerUnscannable(
                "No screen can read this answer, and this stage shows nothing that was not read.",
                rule=f"stage {rule.stage}, watch.output_screen",
                help="Ask for text.",
            )
        )
    bound = call.output_tokens
    cap: int | None = None
    if rule.max_output_tokens is not None and (bound is None or bound > rule.max_output_tokens):
        if bound is not None:
            if not strips:
                return Refusal(_too_long(bound, rule), "max_tokens")
            extra.append("max_output_tokens")
        cap = rule.max_output_tokens
    elif bound is None and rule.counts_tokens:
        cap = assumed_output_tokens  # without a bound, one answer could spend more than is reserved for it
    answers = call.prompts * (min(1, call.choices) if "n" in extra else call.choices)
    return Admitted(
        policy=policy,
        rule=rule,
        principal=principal,
        stripped=tuple(sorted(extra)),
        output_cap=cap,
        reserved_tokens=call.input_tokens + call.media_tokens + answers * (cap or bound or assumed_output_tokens),
        meters=_meters(call, principal, policy, rule),
    )


def _too_long(bound: int, rule: StageRule) -> HeadgateError:
    return errors.OutputTooLong(
        f"The answer may be {bound:,} tokens long; this stage allows fewer.",
        rule=f"stage {rule.stage}, what.max_output_tokens",
        help=f"Ask for at most {rule.max_output_tokens or 0:,} tokens.",
    )


def _not_allowed(call: Call, rule: StageRule, extra: list[str]) -> HeadgateError:
    return errors.CapabilityNotAllowed(
        f"{call.model} does not allow {', '.join(extra)} at this stage.",
        rule=f"stage {rule.stage}, what.capabilities",
        help=f"Allowed: {', '.join(sorted(rule.capabilities)) or 'plain text, not streamed'}.",
    )


_READS_ALL = frozenset({OutputScreen.HOLD_BACK, OutputScreen.TRAIL})


def _meters(call: Call, principal: Principal, policy: ModelPolicy, rule: StageRule) -> tuple[Meter, ...]:
    """Return what must be reserved of everybody's limits that the call counts for.

    Limits count per release, so that one plan's quota does not eat another's; they are not keyed by stage, so that a
    promotion hands nobody a fresh quota, nor by share, so that a grant that is limited keeps what it has used. The share that
    a grant was left with is a share of its own limits only: what others hold with it is theirs too, and an end user's limit
    says what one person may do, not how many of them the grant may serve.
    """
    if not rule.ceilings:
        return ()
    found: list[Meter] = []
    last: Holder | None = None
    scope = ""
    percent = principal.quota_percent
    for holder, unit, limit, window_s, name in rule.ceilings:
        if holder is not last:
            last, scope = holder, _scope(holder, call, principal, policy)
        most = _share(limit, percent) if percent < _WHOLE and holder is Holder.GRANT else limit
        found.append(Meter(scope + name, unit, most, window_s, holder))
    return tuple(found)


def _scope(holder: Holder, call: Call, principal: Principal, policy: ModelPolicy) -> str:
    """Return who a limit counts for; requests that name no end user are counted as one end user's of the grant."""
    match holder:
        case Holder.END_USER:
            return f"end_user:{principal.grant_id}/{call.end_user or ''}@{policy.release_id}"
        case Holder.GRANT:
            return f"grant:{principal.grant_id}@{policy.release_id}"
        case Holder.ACCOUNT:
            return f"account:{principal.account_id}@{policy.release_id}"
        case Holder.ORGANISATION:
            return f"organisation:{principal.organisation_id or principal.account_id}@{policy.release_id}"
        case Holder.COHORT:
            return f"cohort:{principal.cohort}@{policy.release_id}"
        case _:
            assert_never(holder)


_WHOLE = 100
"""Per cent."""


def _share(limit: int, percent: int) -> int:
    """Return a share of a limit, rounded down; of a limit that leaves something, something is left."""
    return min(limit, max(1, limit * percent // 100))
