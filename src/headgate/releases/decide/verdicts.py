"""What the gates of a stage say together.

The stage's verdict is the worst of its gates, and of no gates at all INSUFFICIENT. A waiver changes no verdict: the gate
is shown as WAIVED beside what it really says, and only stops blocking. Whether anything blocks is a question of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.verdict import Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from headgate.releases.model.reading import GateReading
    from headgate.releases.model.release import Waiver

WAIVED = "WAIVED"


@dataclass(frozen=True, slots=True)
class Standing:
    """One gate's reading, and the waiver that bypasses it, if one does.

    Attributes:
        reading: What the gate says.
        waiver: The bypass.
    """

    reading: GateReading
    waiver: Waiver | None

    @property
    def shown(self) -> str:
        """What a status page prints: WAIVED for a bypassed gate, whatever it says."""
        return self.reading.verdict.value if self.waiver is None else WAIVED

    @property
    def blocks(self) -> bool:
        """Whether the gate keeps the next stage shut."""
        return self.waiver is None and self.reading.verdict is not Verdict.PASS


@dataclass(frozen=True, slots=True)
class StageVerdict:
    """What a stage's gates say together.

    Attributes:
        standings: Each gate.
        verdict: The worst of what they really say; of none, INSUFFICIENT.
    """

    standings: tuple[Standing, ...]
    verdict: Verdict

    @property
    def blocking(self) -> tuple[Standing, ...]:
        """The gates that keep the next stage shut."""
        return tuple(standing for standing in self.standings if standing.blocks)

    @property
    def waived(self) -> tuple[Standing, ...]:
        """The gates that are bypassed."""
        return tuple(standing for standing in self.standings if standing.waiver is not None)

    @property
    def clear(self) -> bool:
        """Whether nothing blocks; never so when there is nothing that could."""
        return bool(self.standings) and not self.blocking


def judge(readings: Sequence[GateReading], waivers: Sequence[Waiver], *, stage: str, now: datetime) -> StageVerdict:
    """Return what ``readings`` say together at ``now``.

    Args:
        readings: One reading for each gate of the stage.
        waivers: The release's waivers; only those of this stage that two people signed and that have not ended count.
        stage: The stage's name.
        now: The present instant.
    """
    standings = tuple(
        Standing(reading, next((waiver for waiver in waivers if waiver.holds(stage, reading.gate_id, now)), None))
        for reading in readings
    )
    return StageVerdict(standings, worst(reading.verdict for reading in readings))
