"""What a gate may say, and how several gates say one thing.

A verdict is never a boolean: "could not tell" has four faces, and none of them is a pass.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(Enum):
    """One gate's answer, from best to worst."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    """The evidence shows what the gate asks for."""
    INSUFFICIENT = "INSUFFICIENT"
    """Not enough evidence yet, for or against."""
    STALE = "STALE"
    """There was evidence once; it is too old or about something else."""
    ERROR = "ERROR"
    """The gate could not be evaluated: a monitor, a store or a file failed."""
    FAIL = "FAIL"
    """The evidence shows the opposite."""


_SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; of nothing at all, INSUFFICIENT: silence is not safety."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.INSUFFICIENT)
