"""What labels could not have shown, said beside every reading.

A pass speaks of requests already served, seen by reviewers, through the gateway. Everything beyond that is listed here in
plain words, worked out from the reading itself, so that nobody has to remember to say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text, rate_text

if TYPE_CHECKING:
    from headgate.evidence.model import LabelledTraffic, RateClaim


def of_rate(traffic: LabelledTraffic, claim: RateClaim, *, upper_bound: float, weighted: bool) -> tuple[str, ...]:
    """Return what a rate reading leaves open.

    Args:
        traffic: The labels.
        claim: The claim.
        upper_bound: The smallest limit ruled out.
        weighted: The sampling floor changed on the way.

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
    lines.extend(
        (
            "How many people cause or meet harm: requests are counted, and one person may make many of them.",
            "Traffic to come: other people, other uses and wider access may behave differently.",
            "People who behave well until access is wider.",
            "Harm that reviewers do not recognise, or that shows only later or elsewhere.",
            "Use that does not pass through this gateway.",
        )
    )
    return tuple(lines)
