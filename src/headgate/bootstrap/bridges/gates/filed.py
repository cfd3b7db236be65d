"""Readings of filed records in the words of releases: what evaluation, issues and audit gates have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.wire import cases
from headgate.releases.model.reading import GateReading, Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.cases import CaseReading


def gate_reading(gate_id: str, reading: CaseReading, inputs: Mapping[str, Any]) -> GateReading:
    """Return what filed records say, as a gate's reading."""
    return GateReading.of(
        gate_id,
        inputs["kind"],
        reading.verdict,
        reading.sentence,
        numbers=dict(reading.numbers),
        inputs=dict(inputs),
        need=None if reading.need is None else Need(who=f"{reading.need}: headgate evidence add"),
        not_shown=reading.not_shown,
    )


def replayed(gate_id: str, inputs: Mapping[str, Any]) -> GateReading:
    """Return what ``gate_reading`` said, from its inputs alone.

    Raises:
        NotEvidence: They are not the inputs of a reading of filed records.
    """
    return gate_reading(gate_id, cases.replay(inputs), inputs)
