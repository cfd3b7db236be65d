"""What evidence must satisfy before anything is concluded from it.

Labels come from outside this subject. If they contradict themselves, a number computed from them would look as sound as
any other; so the contradiction is named and nothing is computed.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.evidence.model import Harm, LabelledTraffic, Look, RateClaim, RiseRule, Segment
    from headgate.evidence.model.users import CleanUsers, HarmfulUser, LabelledUsers, UsersClaim


def in_claim(claim: RateClaim) -> str | None:
    """Return what is wrong with a claim, or ``None``."""
    if not 0 < claim.below < 1:
        return f"The limit {rate_text(claim.below)} is not between 0 and 1."
    if not 0 < claim.alpha < 1:
        return f"The error probability {rate_text(claim.alpha)} is not between 0 and 1."
    if claim.attempt < 1:
        return f"Attempts count from 1; this one is numbered {claim.attempt}."
    return None


def in_traffic(traffic: LabelledTraffic) -> str | None:
    """Return how the labels contradict themselves, or ``None``."""
    if min(traffic.labels, traffic.pending, traffic.frontier, traffic.drawn) < 0:
        return "A count of labels, of pending reviews or of requests is negative."
    if wrong := _in_draws(traffic.segments, traffic.harms, uniform=traffic.uniform):
        return wrong
    before = sum(segment.requests for segment in traffic.segments)
    if before != traffic.frontier:
        return f"The segments hold {before:,} requests, but {traffic.frontier:,} lie before the frontier."
    if not len(traffic.harms) <= traffic.labels <= traffic.frontier <= traffic.drawn:
        return (
            f"Harms ({len(traffic.harms):,}), labels ({traffic.labels:,}), requests before the frontier "
            f"({traffic.frontier:,}) and requests drawn ({traffic.drawn:,}) must not decrease in this order."
        )
    behind = traffic.drawn - traffic.frontier
    if traffic.pending > behind:
        return f"{traffic.pending:,} reviews are pending, but only {behind:,} requests follow the frontier."
    return _more_harms_than_requests(traffic.segments, traffic.harms)


def in_rule(rule: RiseRule) -> str | None:
    """Return what is wrong with an alarm's rule, or ``None``."""
    if not 0 < rule.from_rate < rule.to_rate <= 1:
        return f"A rise from {rate_text(rule.from_rate)} to {rate_text(rule.to_rate)} is none within (0, 1]."
    if not 0 < rule.look_every.total_seconds() < rule.false_alarm_every.total_seconds():
        return "The time between false alarms must be longer than the time between looks, and both positive."
    return None


def in_users_claim(claim: UsersClaim) -> str | None:
    """Return what is wrong with a claim of users, or ``None``."""
    if not 0 < claim.worst_share <= 1:
        return f"The worst share {rate_text(claim.worst_share)} is no share above 0."
    if not 0 < claim.below < claim.worst_share:
        return (
            f"The limit {rate_text(claim.below)} does not lie between 0 and the worst share {rate_text(claim.worst_share)}: "
            "at or above it there is nothing to show."
        )
    if not 0 < claim.alpha < 1:
        return f"The error probability {rate_text(claim.alpha)} is not between 0 and 1."
    if claim.attempt < 1:
        return f"Attempts count from 1; this one is numbered {claim.attempt}."
    if not claim.window.total_seconds() > 0:
        return "A user is observed for a span of time above 0."
    return None


def in_users(seen: LabelledUsers, claim: UsersClaim) -> str | None:
    """Return how users contradict themselves or what is asked of them, or ``None``."""
    if (seen.hazard, seen.window) != (claim.hazard, claim.window):
        return f"The users are observed for {seen.hazard} over {seen.window}, the claim is about {claim.hazard}, {claim.window}."
    if wrong := in_groups(seen.clean, seen.harmful):
        return wrong
    if seen.users > seen.enrolled:
        return f"{seen.users:,} users are counted, but only {seen.enrolled:,} were seen at all."
    return None


def in_groups(clean: Iterable[CleanUsers], harmful: Iterable[HarmfulUser]) -> str | None:
    """Return how users, those without harm counted together and the others one by one, contradict themselves, or ``None``."""
    for group in clean:
        if not (0 <= group.users <= group.exchanges and 0 <= group.labels <= group.exchanges):
            return f"{group.users:,} users have {group.labels:,} labels of {group.exchanges:,} exchanges."
        if not 0 < group.floor <= 1:
            return f"A sampling floor of {rate_text(group.floor)} is not a probability above 0."
    return next(filter(None, map(_in_user, harmful)), None)


def beyond(seen: LabelledUsers, worst_share: float) -> str | None:
    """Return who did more confirmed harm than enforcement was to let them, or ``None``. This is no matter of sampling."""
    over = [user for user in seen.harmful if len(user.harms) / user.exchanges > worst_share]
    if not over:
        return None
    worst = max(over, key=lambda user: len(user.harms) / user.exchanges)
    others = f" (and {len(over) - 1:,} more users went beyond it)" if len(over) > 1 else ""
    return (
        f"{len(worst.harms):,} of one user's {worst.exchanges:,} exchanges are confirmed harm, above the worst share of "
        f"{rate_text(worst_share)}{others}. A plan that promises less, up to worst_share: 1, begins a new epoch."
    )


def _in_user(user: HarmfulUser) -> str | None:
    counted = (*user.harms, *user.doubtful)
    if not 1 <= len(counted) <= user.labels <= user.exchanges:
        return f"A user has {len(counted):,} harms in {user.labels:,} labels of {user.exchanges:,} exchanges."
    if not 0 < user.floor <= 1:
        return f"A sampling floor of {rate_text(user.floor)} is not a probability above 0."
    return _in_draws((), counted, uniform=False)


def in_look(look: Look) -> str | None:
    """Return how a look contradicts itself, or ``None``."""
    return _in_draws(look.segments, look.harms, uniform=False) or _more_harms_than_requests(look.segments, look.harms)


def _in_draws(segments: Iterable[Segment], harms: Iterable[Harm], *, uniform: bool) -> str | None:
    for segment in segments:
        if segment.requests < 0:
            return f"A segment holds {segment.requests:,} requests."
        if not 0 < segment.pi0 <= 1:
            return f"A sampling floor of {rate_text(segment.pi0)} is not a probability above 0."
    for harm in harms:
        if not 0 < harm.pi <= 1:
            return f"A harm was drawn with probability {rate_text(harm.pi)}, which is not a probability above 0."
        if not 0 < harm.pi0 <= harm.pi:
            return f"A harm was drawn with probability {rate_text(harm.pi)}, against a floor of {rate_text(harm.pi0)}."
        if uniform and not math.isclose(harm.pi, harm.pi0, rel_tol=1e-12):
            return f"Draws are called uniform; a harm was drawn at {rate_text(harm.pi)} over a floor of {rate_text(harm.pi0)}."
    return None


def _more_harms_than_requests(segments: Iterable[Segment], harms: Iterable[Harm]) -> str | None:
    room = Counter[float]()
    for segment in segments:
        room[segment.pi0] += segment.requests
    for floor, count in Counter(harm.pi0 for harm in harms).items():
        if count > room[floor]:
            return f"{count:,} harms were drawn under a floor of {rate_text(floor)}, and {room[floor]:,} requests."
    return None
