"""What a gate or a tripwire said when it was read, and the plain facts that some of them are read from.

A reading carries everything that it was computed from, so that a past decision can be computed again. What was not seen
is part of a reading, never a footnote somewhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from headgate.kernel.digest import digest_of
from headgate.kernel.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.kernel.digest import Json
    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.releases.model.plan import Plan, Reaction, Stage

Number: TypeAlias = float | int | str | None
"""One figure of a reading."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an insufficient gate waits for.

    Attributes:
        labels: How many more labels, where labels are what is missing.
        expected_at: When that is expected, at the present pace.
        who: Who can bring it about: a role, a command, or the passing of time.
    """

    labels: int | None = None
    expected_at: datetime | None = None
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """On whose behalf a gate is read.

    Attributes:
        release_id: The release.
        plan: Its plan.
        stage: The stage that the gate stands at the end of.
        epoch: Whose evidence to read.
        epochs: Every epoch of the stage, the present one among them.
        attempt: How often the stage's evidence has begun afresh, from 1; spending alpha over attempts is the reader's.
        now: The present instant.
    """

    release_id: ReleaseId
    plan: Plan
    stage: Stage
    epoch: EpochId
    epochs: tuple[EpochId, ...]
    attempt: int
    now: datetime


@dataclass(frozen=True, slots=True)
class GateReading:
    """What one gate says now.

    Attributes:
        gate_id: The gate, unique within its stage.
        kind: Its kind: ``rate``, ``exposure``, ``soak``, ``incidents``, ``approval``, …
        verdict: Its answer.
        sentence: The answer for people, with its counts.
        numbers: The figures behind it by name: ``k``, ``n``, ``upper``, ``limit``, ``progress`` (0 to 1), …
        need: What it waits for, if time or work can cure it.
        inputs: Everything that replays it.
        not_shown: What this evidence could not have seen.
        digest: Of kind and inputs; two readings with one digest say the same.
    """

    gate_id: str
    kind: str
    verdict: Verdict
    sentence: str
    numbers: Mapping[str, Number]
    inputs: Json
    digest: str
    need: Need | None = None
    not_shown: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        gate_id: str,
        kind: str,
        verdict: Verdict,
        sentence: str,
        *,
        numbers: Mapping[str, Number],
        inputs: Json,
        need: Need | None = None,
        not_shown: tuple[str, ...] = (),
    ) -> GateReading:
        """Return a reading with its digest taken."""
        digest = digest_of({"kind": kind, "inputs": inputs})
        return cls(gate_id, kind, verdict, sentence, numbers, inputs, digest, need, not_shown)

    @property
    def harms(self) -> int:
        """Confirmed harms behind the reading; a rise of it is a material change."""
        count = self.numbers.get("k")
        return int(count) if isinstance(count, int | float) else 0


@dataclass(frozen=True, slots=True)
class WireReading:
    """What one tripwire says now.

    Attributes:
        tripped: Whether it has been touched; ``None`` when nobody could tell, which is an ERROR and freezes the release.
        sentence: The same for people.
        numbers: The figures behind it.
        inputs: Everything that replays it.
    """

    tripped: bool | None
    sentence: str
    numbers: Mapping[str, Number]
    inputs: Json


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who has had access, counted.

    Attributes:
        accounts: Distinct accounts.
        organisations: Distinct organisations among them.
        exchanges: Admitted exchanges.
        active_days: Distinct UTC days with at least one exchange.
    """

    accounts: int = 0
    organisations: int = 0
    exchanges: int = 0
    active_days: int = 0


@dataclass(frozen=True, slots=True)
class OpenIncidents:
    """Incidents that nobody has closed yet.

    Attributes:
        counts: How many by severity: ``critical``, ``high``, ``medium``, ``low``. An absent severity is none.
    """

    counts: Mapping[str, int]

    def of(self, severity: str) -> int:
        """Return how many are open at ``severity``."""
        return self.counts.get(severity, 0)


@dataclass(frozen=True, slots=True)
class MonitorHealth:
    """Whether what watches the traffic still watches.

    Attributes:
        down_since: When it stopped; ``None`` while it works.
        detail: What is wrong, for people.
    """

    down_since: datetime | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WireStanding:
    """A tripwire of an opened stage, and what it demands now.

    Attributes:
        stage: Whose wire.
        wire_id: Which wire.
        kind: ``rise``, ``incident``, ``monitor_down``; ``monitor`` for the watch that every release is under.
        demands: What must happen; ``None`` when nothing must.
        reading: What it said.
    """

    stage: str
    wire_id: str
    kind: str
    demands: Reaction | None
    reading: WireReading


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that was read of a release at one instant; decisions are made on nothing else.

    Attributes:
        stage: How many stages were open in the view that was assessed; the gates are those of the last of them.
        gates: Its gates, approvals left out: those are computed from signatures.
        wires: The tripwires of every stage up to it, and the monitor.
        incidents: Open incidents of the release, all severities; ``None`` when that could not be read.
    """

    stage: int
    gates: tuple[GateReading, ...]
    wires: tuple[WireStanding, ...]
    incidents: int | None

    @property
    def blind(self) -> tuple[str, ...]:
        """What could not be read, gates first."""
        gates = tuple(reading.gate_id for reading in self.gates if reading.verdict is Verdict.ERROR)
        return gates + tuple(wire.wire_id for wire in self.wires if wire.reading.tripped is None)

    def json(self) -> Json:
        """Return every reading with its inputs, as JSON."""
        return {
            "stage": self.stage,
            "incidents": self.incidents,
            "gates": [[reading.gate_id, reading.kind, reading.verdict.value, reading.digest] for reading in self.gates],
            "wires": [
                [
                    wire.stage,
                    wire.wire_id,
                    wire.demands.value if wire.demands else None,
                    wire.reading.tripped,
                    wire.reading.inputs,
                ]
                for wire in self.wires
            ],
        }

    @property
    def digest(self) -> str:
        """Digest of everything that was read."""
        return digest_of(self.json())
