"""Comparisons with a holdback as JSON, exact enough to be worked out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from headgate.evidence.decide.holdback import read_comparison
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.holdback import Compared, ComparisonReading, HoldbackRule
from headgate.evidence.wire import FORMAT, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOLDBACK = "holdback"


def holdback_inputs(compared: Sequence[Compared], rule: HoldbackRule) -> dict[str, Any]:
    """Return the inputs of a comparison."""
    return {"format": FORMAT, "kind": HOLDBACK, "rule": encode(rule), "compared": [encode(each) for each in compared]}


def replay_holdback(inputs: Mapping[str, Any]) -> ComparisonReading:
    """Work a comparison out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of a comparison.
    """
    compared = inputs.get("compared")
    if inputs.get("format") != FORMAT or inputs.get("kind") != HOLDBACK or not isinstance(compared, list):
        raise NotEvidence(f"These are not the inputs of a {HOLDBACK} reading, format {FORMAT}.")
    read = [decode(each, Compared) for each in cast("list[object]", compared)]
    return read_comparison(read, decode(inputs.get("rule"), HoldbackRule))
