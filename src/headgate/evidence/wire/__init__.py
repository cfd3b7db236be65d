"""Evidence as JSON, exact enough to be worked out again.

Numbers are written with every digit they have, so that a reading replayed years later from its kept inputs is the reading
that the decision rested on. The form is closed: an unknown or missing field is refused, because evidence that is half
understood is not evidence.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from headgate.evidence.decide.rate import read_rate, unreadable
from headgate.evidence.decide.rise import read_rise
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import LabelledTraffic, Look, RateClaim, RateReading, RiseReading, RiseRule
from headgate.evidence.model.reviewing import Readers
from headgate.kernel.digest import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = 1
RATE = "rate"
RISE = "rise"
_T = TypeVar("_T")


def rate_inputs(traffic: LabelledTraffic, claim: RateClaim, readers: Readers | None = None) -> dict[str, Any]:
    """Return the inputs of a rate reading."""
    inputs = {"format": FORMAT, "kind": RATE, "traffic": encode(traffic), "claim": encode(claim)}
    return inputs if readers is None else {**inputs, "readers": encode(readers)}


def failed_inputs(claim: RateClaim, failure: str) -> dict[str, Any]:
    """Return the inputs of a rate reading whose labels could not be had; ``failure`` is its sentence."""
    return {"format": FORMAT, "kind": RATE, "failure": failure, "claim": encode(claim)}


def rise_inputs(looks: Sequence[Look], rule: RiseRule) -> dict[str, Any]:
    """Return the inputs of a rise reading."""
    return {"format": FORMAT, "kind": RISE, "rule": encode(rule), "looks": _plain(tuple(looks))}


def replay_rate(inputs: Mapping[str, Any]) -> RateReading:
    """Work a rate reading out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of a rate reading.
    """
    _check(inputs, RATE)
    claim = decode(inputs.get("claim"), RateClaim)
    failure = inputs.get("failure")
    if isinstance(failure, str):
        return unreadable(claim, failure)
    readers = decode(inputs["readers"], Readers) if "readers" in inputs else None
    return read_rate(decode(inputs.get("traffic"), LabelledTraffic), claim, readers)


def replay_rise(inputs: Mapping[str, Any]) -> RiseReading:
    """Work a rise reading out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of a rise reading.
    """
    _check(inputs, RISE)
    looks = inputs.get("looks")
    if not isinstance(looks, list):
        raise NotEvidence("These inputs have no list of looks.")
    return read_rise([decode(look, Look) for look in cast("list[object]", looks)], decode(inputs.get("rule"), RiseRule))


def address(epoch: str, inputs: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the digest under which a reading is kept."""
    return digest_of({"epoch": epoch, "inputs": inputs, "result": result})


def encode(value: object) -> dict[str, Any]:
    """Return a value of ``evidence.model`` as JSON.

    Raises:
        NotEvidence: It holds a number that is not finite.
    """
    encoded: dict[str, Any] = _plain(value)
    return encoded


def decode(value: object, kind: type[_T]) -> _T:
    """Return a value of ``evidence.model`` from JSON.

    Raises:
        NotEvidence: A field is missing, unknown or of the wrong type.
    """
    try:
        read = msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as wrong:
        raise NotEvidence(f"This is not a {kind.__name__}: {wrong}") from wrong
    if not spells(value, encode(read)):
        raise NotEvidence(f"This is not a {kind.__name__}: it has fields that nobody knows, or lacks some.")
    return read


def spells(told: object, whole: object) -> bool:
    """Return whether ``told`` says what ``whole`` does; it may lack what says nothing: fields that came after it was kept."""
    if isinstance(told, dict) and isinstance(whole, dict):
        said, every = cast("dict[str, object]", told), cast("dict[str, object]", whole)
        return said.keys() <= every.keys() and all(
            spells(said[key], value) if key in said else value is None for key, value in every.items()
        )
    if isinstance(told, list) and isinstance(whole, list):
        items, all_items = cast("list[object]", told), cast("list[object]", whole)
        return len(items) == len(all_items) and all(map(spells, items, all_items))
    return told == whole


def _plain(value: object) -> Any:
    try:
        return json.loads(canonical_json(msgspec.to_builtins(value)))
    except ValueError as unspeakable:
        raise NotEvidence("The evidence holds a number that is not finite.") from unspeakable


def _check(inputs: Mapping[str, Any], kind: str) -> None:
    if inputs.get("format") != FORMAT or inputs.get("kind") != kind:
        raise NotEvidence(f"These are not the inputs of a {kind} reading, format {FORMAT}.")
