"""What is known of review as JSON, exact enough to be worked out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.decide.reviewing import read_review
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.reviewing import ReviewClaim, ReviewFacts, ReviewReading
from headgate.evidence.wire import FORMAT, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

REVIEW = "review"


def review_inputs(facts: ReviewFacts, claim: ReviewClaim) -> dict[str, Any]:
    """Return the inputs of a review reading."""
    return {"format": FORMAT, "kind": REVIEW, "facts": encode(facts), "claim": encode(claim)}


def claim_of(inputs: Mapping[str, Any]) -> ReviewClaim:
    """Return the claim that a review reading was about.

    Raises:
        NotEvidence: They are not the inputs of a review reading.
    """
    if inputs.get("format") != FORMAT or inputs.get("kind") != REVIEW:
        raise NotEvidence(f"These are not the inputs of a {REVIEW} reading, format {FORMAT}.")
    return decode(inputs.get("claim"), ReviewClaim)


def replay_review(inputs: Mapping[str, Any]) -> ReviewReading:
    """Work a review reading out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of a review reading.
    """
    claim = claim_of(inputs)
    return read_review(decode(inputs.get("facts"), ReviewFacts), claim)
