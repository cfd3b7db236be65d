"""Alarms on several streams as JSON, exact enough to be worked out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from headgate.evidence.decide.missing import read_missing
from headgate.evidence.decide.watch import read_watch
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.alarms import MissingReading, MissingRule, ScoreWindow, Watched, WatchReading, WatchRule
from headgate.evidence.wire import FORMAT, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WATCH = "watch"
MISSING = "missing"
_T = TypeVar("_T")


def watch_inputs(watched: Sequence[Watched], rule: WatchRule) -> dict[str, Any]:
    """Return the inputs of a reading of several streams."""
    return {"format": FORMAT, "kind": WATCH, "rule": encode(rule), "watched": [encode(windows) for windows in watched]}


def missing_inputs(windows: Sequence[ScoreWindow], rule: MissingRule) -> dict[str, Any]:
    """Return the inputs of a reading of missing scores."""
    return {"format": FORMAT, "kind": MISSING, "rule": encode(rule), "windows": [encode(window) for window in windows]}


def replay_watch(inputs: Mapping[str, Any]) -> WatchReading:
    """Work a reading of several streams out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of such a reading.
    """
    return read_watch(_list(inputs, WATCH, "watched", Watched), decode(inputs.get("rule"), WatchRule))


def replay_missing(inputs: Mapping[str, Any]) -> MissingReading:
    """Work a reading of missing scores out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of such a reading.
    """
    return read_missing(_list(inputs, MISSING, "windows", ScoreWindow), decode(inputs.get("rule"), MissingRule))


def _list(inputs: Mapping[str, Any], kind: str, key: str, of: type[_T]) -> list[_T]:
    found = inputs.get(key)
    if inputs.get("format") != FORMAT or inputs.get("kind") != kind or not isinstance(found, list):
        raise NotEvidence(f"These are not the inputs of a {kind} reading, format {FORMAT}.")
    return [decode(each, of) for each in cast("list[object]", found)]
