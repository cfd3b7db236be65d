"""Readings about people to come as JSON: their inputs, and how to work them out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from headgate.evidence.decide.coverage import read_coverage, unreadable_coverage
from headgate.evidence.decide.discovery import read_discovery, unreadable_discovery
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.people import (
    CoverageClaim,
    CoverageReading,
    DiscoveryClaim,
    DiscoveryReading,
    Division,
    KindsShown,
)
from headgate.evidence.wire import FORMAT, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DISCOVERY = "discovery"
COVERAGE = "coverage"


def discovery_inputs(seen: KindsShown, claim: DiscoveryClaim) -> dict[str, Any]:
    """Return the inputs of a reading of kinds."""
    return {"format": FORMAT, "kind": DISCOVERY, "users": encode(seen), "claim": encode(claim)}


def coverage_inputs(divisions: Sequence[Division], claim: CoverageClaim) -> dict[str, Any]:
    """Return the inputs of a reading of another stage's users."""
    return {"format": FORMAT, "kind": COVERAGE, "divisions": [encode(division) for division in divisions], "claim": encode(claim)}


def failed_inputs(claim: DiscoveryClaim | CoverageClaim, failure: str) -> dict[str, Any]:
    """Return the inputs of a reading whose users could not be had; ``failure`` is its sentence."""
    kind = DISCOVERY if isinstance(claim, DiscoveryClaim) else COVERAGE
    return {"format": FORMAT, "kind": kind, "failure": failure, "claim": encode(claim)}


def discovery_claim(inputs: Mapping[str, Any]) -> DiscoveryClaim:
    """Return the claim that a reading of kinds was about.

    Raises:
        NotEvidence: They are not the inputs of such a reading.
    """
    _check(inputs, DISCOVERY)
    return decode(inputs.get("claim"), DiscoveryClaim)


def coverage_claim(inputs: Mapping[str, Any]) -> CoverageClaim:
    """Return the claim that a reading of another stage's users was about.

    Raises:
        NotEvidence: They are not the inputs of such a reading.
    """
    _check(inputs, COVERAGE)
    return decode(inputs.get("claim"), CoverageClaim)


def replay_discovery(inputs: Mapping[str, Any]) -> DiscoveryReading:
    """Work a reading of kinds out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of such a reading.
    """
    claim = discovery_claim(inputs)
    failure = inputs.get("failure")
    if isinstance(failure, str):
        return unreadable_discovery(claim, failure)
    return read_discovery(decode(inputs.get("users"), KindsShown), claim)


def replay_coverage(inputs: Mapping[str, Any]) -> CoverageReading:
    """Work a reading of another stage's users out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of such a reading.
    """
    claim = coverage_claim(inputs)
    failure = inputs.get("failure")
    if isinstance(failure, str):
        return unreadable_coverage(claim, failure)
    divisions = inputs.get("divisions")
    if not isinstance(divisions, list):
        raise NotEvidence("These inputs have no list of divisions.")
    return read_coverage([decode(division, Division) for division in cast("list[object]", divisions)], claim)


def _check(inputs: Mapping[str, Any], kind: str) -> None:
    if inputs.get("format") != FORMAT or inputs.get("kind") != kind:
        raise NotEvidence(f"These are not the inputs of a {kind} reading, format {FORMAT}.")
