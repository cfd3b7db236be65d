"""Readings of filed records in the words of releases: what evaluation, issues and audit gates have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.wire import cases
from headgate.kernel.ids import EvidenceId
from headgate.releases.model.reading import GateReading, Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.cases import CaseReading

KINDS = frozenset({cases.EVALUATION, cases.ISSUES, cases.AUDIT})
"""The kinds of gates that read filed records."""


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


def rests_on(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the records that a reading was worked out from.

    Raises:
        NotEvidence: The inputs are not those of a reading of filed records.
    """
    return tuple(cases.used(inputs))


def without(inputs: Mapping[str, Any], record: str) -> dict[str, Any]:
    """Return the inputs of the same reading without one record.

    Raises:
        NotEvidence: The inputs are not those of a reading of filed records.
    """
    return cases.without(inputs, EvidenceId(record))
