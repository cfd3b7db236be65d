"""What evidence about people to come could not have shown, said beside every such reading: see ``not_shown``.

The next stage has other people, in other numbers. What is left open here is worked out from the reading itself: how much of it
may be new, which strata hardly anybody belongs to, and whom the strata do not tell apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.kernel.units import span_text
from headgate.stats.coverage import FEW_EFFECTIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.model.people import CarriedOver, CoverageClaim, DiscoveryClaim, Division, KindsShown

_ALWAYS = (
    "People behind several accounts: each account counts as a user.",
    "People who behave well until access is wider.",
    "Harm that reviewers do not recognise, or that shows only later or elsewhere.",
    "Use that does not pass through this gateway.",
)


def of_discovery(seen: KindsShown, claim: DiscoveryClaim, *, mass: float, weighted: bool) -> tuple[str, ...]:
    """Return what a reading of kinds leaves open.

    Args:
        seen: The users.
        claim: The claim.
        mass: The bound on the unseen mass.
        weighted: The sampling floor changed on the way.

    Returns:
        Sentences, the most particular first.
    """
    lines: list[str] = []
    if mass >= 1:
        lines.append(f"Any bound on kinds that nobody has seen: {count_text(seen.users, 'user')} rule out nothing.")
    else:
        lines.append(f"Kinds that fewer than {rate_text(mass)} of users show: nothing rarer is ruled out by so many users.")
    if claim.next_users is not None:
        most = min(float(claim.next_users), claim.next_users * mass)
        lines.append(f"Unseen kinds on {claim.next_stage}: up to {most:.3g} of its {claim.next_users:,} users may meet one.")
    if seen.users < seen.enrolled:
        lines.append(_behind(seen.enrolled - seen.users, span_text(seen.window)))
    if any(stretch.pi0 < 1 for stretch in seen.stretches):
        least = min(stretch.pi0 for stretch in seen.stretches)
        lines.append(f"What most exchanges were: as few as {rate_text(least)} of a user's are drawn; the bound allows for it.")
    if weighted:
        lines.append("A plain average over users: the sampling floor changed, so users count in proportion to their floor.")
    if claim.attempt > 1:
        lines.append(f"How earlier attempts went: this is attempt {claim.attempt}, and it counts only who came after the last.")
    lines.extend(
        (
            f"What users do after their first {span_text(seen.window)}.",
            "Users of another population: the next stage's are taken to be like these, and drawn as these were.",
            "How well reviewers recognise a kind that nobody has told them of: gold items measure only kinds that are known.",
            "How bad an unseen kind would be.",
            *_ALWAYS,
        )
    )
    return tuple(lines)


def of_coverage(
    divisions: Sequence[Division],
    carried: Sequence[CarriedOver],
    claim: CoverageClaim,
    *,
    undeclared: Sequence[str],
    few: int,
) -> tuple[str, ...]:
    """Return what a reading of another stage's users leaves open.

    Args:
        divisions: The users.
        carried: What was made of them.
        claim: The claim.
        undeclared: By what nobody said what the shares of the next stage will be.
        few: A stratum with fewer users is named.

    Returns:
        Sentences, the most particular first.
    """
    lines: list[str] = [f"Anything by {of}: its shares on {claim.for_stage} are not declared." for of in undeclared]
    thin: dict[str, None] = {}
    for rate in carried:
        for stratum in rate.strata:
            if not stratum.expected or stratum.users >= few:
                continue
            who = f"{rate.of} {stratum.name}, {rate_text(stratum.expected)} of {claim.for_stage}"
            said = "nobody here is of it" if not stratum.users else f"only {count_text(stratum.users, 'user')} here are of it"
            thin[f"What people of {who} do: {said}."] = None
        if rate.users and rate.effective_users < FEW_EFFECTIVE * rate.users:
            said = f"{rate.users:,} users here are worth {rate.effective_users:,.0f} there"
            thin[f"Much of {claim.for_stage} by {rate.of}: {said}."] = None
        if rate.unseen_mass < 1:
            new = f"up to {rate_text(rate.unseen_mass)} of users who come as these came may be of yet another {rate.of}"
            thin[f"Strata that nobody expects: {new}."] = None
    lines.extend(thin)
    counted = [sum(stratum.seen.users for stratum in division.strata) for division in divisions]
    behind = max((division.enrolled - users for division, users in zip(divisions, counted, strict=True)), default=0)
    windows = [span_text(stratum.seen.window) for division in divisions for stratum in division.strata]
    if behind and windows:
        lines.append(_behind(behind, windows[0]))
    if any(division.worst_share < 1 for division in divisions):
        lines.append("That enforcement stops every user at the worst share: that is the plan's word.")
    if claim.attempt > 1:
        lines.append(f"How earlier attempts went: this is attempt {claim.attempt}, and it counts only who came after the last.")
    lines.extend(
        (
            f"People of one stratum who are not alike on both stages, and what nobody tells apart by {', '.join(claim.of)}.",
            "Whether the shares that are expected come true, and whether people are what they declare to be.",
            *_ALWAYS,
        )
    )
    return tuple(lines)


def _behind(users: int, window: str) -> str:
    return (
        f"The latest users: {count_text(users, 'user')} wait until {window} of theirs, and of all who came before them, "
        "are over and judged."
    )
