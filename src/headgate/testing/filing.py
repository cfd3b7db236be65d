"""Releases and filed evidence together over one database, with everything else made up."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from headgate.bootstrap.bridges.filing import ReleasesOnFile
from headgate.bootstrap.bridges.gates import filed
from headgate.bootstrap.bridges.gates.audits import Audits
from headgate.bootstrap.bridges.gates.evaluations import Evaluations
from headgate.bootstrap.bridges.gates.issues import Issues
from headgate.evidence.service import Filing
from headgate.evidence.store import SqlArchive
from headgate.releases.service import ReleaseService
from headgate.releases.store import SqlReleases
from headgate.testing.clock import FixedClock
from headgate.testing.evidence import NOON, declared, handed_in
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, MadeUpReadings, a_plan, a_stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

    from headgate.evidence.model.filing import Filed
    from headgate.kernel.actor import Actor
    from headgate.kernel.digest import Json
    from headgate.releases.model.plan import MeasuredGate
    from headgate.releases.model.reading import Asked, GateReading, WireReading
    from headgate.releases.model.release import Release

SUITE: dict[str, Any] = {
    "thresholds": {"api": 0.3, "theft": 0.25, "open_weights": 0.2},
    "margin": 0.1,
    "because": "the most that fine-tuning added to atlas-1",
}
GATES: list[dict[str, Any]] = [
    {"kind": "evaluation", "suite": "dual_use", "scenario": "api", "max_age": "30d"},
    {"kind": "issues"},
    {"kind": "audit", "scope": "deployment"},
    {"kind": "approval", "roles": ["safety_lead", "release_manager"]},
]


def plan_with(**changed: Any) -> Any:
    """Return a ladder whose first stage is left on filed evidence alone."""
    stages = [a_stage("staff", 40, leave=GATES, stop=[]), a_stage("trusted", 400)]
    return a_plan(**{"evaluations": {"dual_use": SUITE}, "stages": stages, **changed})


class ReadingsOnFile(MadeUpReadings):
    """What is filed is read as it is; everything else is made up.

    Attributes:
        filing: Where it is filed.
    """

    filing: Filing

    def _readers(self) -> Mapping[str, Any]:
        return {"evaluation": Evaluations(self.filing), "issues": Issues(self.filing), "audit": Audits(self.filing)}

    def gate(self, gate: MeasuredGate, asked: Asked) -> GateReading:
        reader = self._readers().get(gate.kind)
        return super().gate(gate, asked) if reader is None else reader.read(gate, asked)

    def replay(self, kind: str, inputs: Json) -> GateReading | WireReading:
        reader = self._readers().get(kind)
        return super().replay(kind, inputs) if reader is None else reader.replay(inputs)

    def rests_on(self, kind: str, inputs: Json) -> tuple[str, ...]:
        if kind not in filed.KINDS:
            return super().rests_on(kind, inputs)
        return filed.rests_on(cast("Mapping[str, Any]", inputs))

    def without(self, kind: str, inputs: Json, record: str) -> GateReading:
        if kind not in filed.KINDS:
            return super().without(kind, inputs, record)
        return self._readers()[kind].replay(filed.without(cast("Mapping[str, Any]", inputs), record))


@dataclass
class FilingHouse:
    """Releases and filed evidence on one real database.

    Attributes:
        engine: The database, with the tables of the ledger, of releases and of evidence.
        clock: The time; it stands still until it is moved.
        readings: What releases read.
    """

    engine: sa.Engine
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    readings: ReadingsOnFile = field(default_factory=ReadingsOnFile)

    def __post_init__(self) -> None:
        store = SqlReleases(self.engine)
        self.filing = Filing(SqlArchive(self.engine), ReleasesOnFile(store), self.clock, secrets.token_bytes)
        self.readings.filing = self.filing
        self.releases = ReleaseService(store, self.readings, self.clock)

    def apply(self, **changed: Any) -> Release:
        """Apply ``plan_with`` and return its release."""
        return self.releases.apply(plan_with(**changed), by=AUTHOR)[0]

    def file(self, k: int = 3, n: int = 120, *, by: Actor = LEAD, **changed: Any) -> Filed:
        """File ``k`` of ``n``, with ``declared`` changed as asked, and return the record."""
        return self.filing.add(handed_in(k, n), declared(**changed), by=by).filed[0]

    def says(self, release: Release) -> dict[str, str]:
        """Return what each gate of a release is shown to say."""
        status = self.releases.status(release, by=LEAD)
        return {line.gate_id: line.shown for line in status.gates}

    def sign(self, release: Release) -> None:
        """Have the safety lead and the release manager sign what is asked for."""
        for who in (LEAD, MANAGER):
            _, seen = self.releases.to_sign(release.id, by=who)
            self.releases.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=who, to=seen.to)
