"""What labels could not have shown, said beside every reading.

A pass speaks of requests already served, seen by reviewers, through the gateway. Everything beyond that is listed here in
plain words, worked out from the reading itself, so that nobody has to remember to say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.kernel.units import span_text

if TYPE_CHECKING:
    from headgate.evidence.model import LabelledTraffic, RateClaim
    from headgate.evidence.model.reviewing import Readers
    from headgate.evidence.model.users import LabelledUsers, UsersClaim


def of_rate(
    traffic: LabelledTraffic, claim: RateClaim, *, upper_bound: float, weighted: bool, readers: Readers | None = None
) -> tuple[str, ...]:
    """Return what a rate reading leaves open.

    Args:
        traffic: The labels.
        claim: The claim.
        upper_bound: The smallest limit ruled out.
        weighted: The sampling floor changed on the way.
        readers: What gold items say of the reviewers; ``None`` when nothing does.

    Returns:
        Sentences, the most particular first.
    """
    lines: list[str] = []
    if traffic.labels == 0:
        lines.append("Anything about the rate: nothing has been labelled yet.")
    elif upper_bound >= 1:
        lines.append("Any upper limit: the labels so far rule out no rate.")
    else:
        lines.append(f"That the rate is below {rate_text(upper_bound)}: nothing smaller is ruled out by this many labels.")
    if traffic.frontier < traffic.drawn:
        behind = count_text(traffic.drawn - traffic.frontier, "request")
        lines.append(f"The latest traffic: {behind} not counted yet, with {count_text(traffic.pending, 'review')} pending.")
    if weighted:
        lines.append("A plain average: the sampling floor changed, so requests count in proportion to their floor.")
    if claim.attempt > 1:
        lines.append(f"How earlier attempts went: this is attempt {claim.attempt}, and it counts only what came after the last.")
    lines.append(_of_readers(readers))
    lines.extend(
        (
            "How many people cause or meet harm: requests are counted, and one person may make many of them.",
            "Traffic to come: other people, other uses and wider access may behave differently.",
            "People who behave well until access is wider.",
            "Harm that shows only later or elsewhere.",
            "Use that does not pass through this gateway.",
        )
    )
    return tuple(lines)


def of_users(
    seen: LabelledUsers,
    claim: UsersClaim,
    *,
    upper_bound: float,
    tightest: float,
    best: int,
    weighted: bool,
    floor: float,
    readers: Readers | None = None,
) -> tuple[str, ...]:
    """Return what a reading of users leaves open.

    Args:
        seen: The users.
        claim: The claim.
        upper_bound: The smallest limit ruled out.
        tightest: The smallest limit that so many users could rule out.
        best: Users that a pass still takes at least.
        weighted: The sampling floor changed on the way.
        floor: The mean sampling floor.
        readers: What gold items say of the reviewers; ``None`` when nothing does.

    Returns:
        Sentences, the most particular first.
    """
    lines: list[str] = []
    if tightest > claim.below:
        lines.append(
            f"A user-level claim: {count_text(seen.users, 'user')} show no mean share below {rate_text(tightest)} even without "
            f"any harm; {rate_text(claim.below)} takes {best:,} more."
        )
    if upper_bound >= claim.worst_share:
        lines.append(f"Any mean share below the worst share of {rate_text(claim.worst_share)}, which is assumed.")
    else:
        lines.append(f"That the mean share is below {rate_text(upper_bound)}: nothing smaller is ruled out by so many users.")
    if seen.users < seen.enrolled:
        behind = count_text(seen.enrolled - seen.users, "user")
        lines.append(
            f"The latest users: {behind} wait until {span_text(claim.window)} of theirs, and of all who came before them, "
            "are over and judged."
        )
    if claim.worst_share < 1:
        lines.append(
            f"That enforcement stops every user before more than {rate_text(claim.worst_share)} of their exchanges are harmful: "
            "that is the plan's word, and nothing found so far contradicts it."
        )
    if floor < 1:
        lines.append(
            f"What most exchanges were: about {rate_text(floor)} of each user's are drawn, and more only where a score asks."
        )
    if weighted:
        lines.append("A plain average: the sampling floor changed, so exchanges count in proportion to their floor.")
    if claim.attempt > 1:
        lines.append(f"How earlier attempts went: this is attempt {claim.attempt}, and it counts only who came after the last.")
    lines.append(_of_readers(readers))
    lines.extend(
        (
            f"What users do after their first {span_text(claim.window)}.",
            "Other users than these: wider access may bring people who behave differently.",
            "People behind several accounts: each account counts as a user.",
            "People who behave well until access is wider.",
            "Harm that shows only later or elsewhere.",
            "Use that does not pass through this gateway.",
        )
    )
    return tuple(lines)


def _of_readers(readers: Readers | None) -> str:
    if readers is None or readers.shown == 0:
        return "Harm that reviewers do not recognise: no gold item has measured what they miss, and nothing allows for it."
    return "Harm of a kind that reviewers do not recognise: they were measured on known harms, which says nothing of other kinds."
