from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.evidence.decide.intervals import interval_of
from headgate.evidence.importers.interface import Imported, Reason, Refusal, Unfit
from headgate.evidence.record import Counts, Evaluator, Finding, Format, Relationship, Source
from headgate.evidence.service import Filing
from headgate.evidence.store import SqlArchive, metadata
from headgate.ledger import store as ledger
from headgate.testing.clock import FixedClock
from headgate.testing.evidence import NOON, KnownReleases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.evidence.importers.interface import Declared, Upload
    from headgate.ledger.model import Entry


def counted(upload: Upload, declared: Declared) -> Imported:
    """Read ``k,n`` from each line; a line without a comma is left out, and a file of such lines is refused."""
    findings: list[Finding] = []
    left_out: list[Refusal] = []
    for number, line in enumerate(upload.stream.read().decode().split()):
        k, comma, n = line.partition(",")
        if not comma:
            left_out.append(Refusal(Reason.UNREADABLE, "No comma.", f"row {number}"))
            continue
        counts = Counts(int(k), int(n), "item")
        produced = declared.produced_at or declared.now
        findings.append(
            Finding(
                subject=declared.subject,
                kind=declared.kind,
                domain=declared.domain,
                suite=declared.suite,
                task=declared.suite,
                metric="accuracy",
                direction=declared.direction,  # type: ignore[arg-type]
                counts=counts,
                reported=None,
                interval=interval_of(counts),
                elicitation=declared.elicitation,
                evaluator=declared.evaluator or Evaluator("us", Relationship.FIRST_PARTY),
                produced_at=produced,
                expires_at=produced + declared.valid_for,
                status=declared.status,
                source=Source(upload.sha256, Format.COUNTS_CSV, f"row {number}", None, None),
            )
        )
    if not findings:
        raise Unfit(Reason.NO_RESULTS, "There is nothing in the file that was measured.")
    return Imported(tuple(findings), tuple(left_out))


@dataclass
class World:
    """Filing over a real database."""

    engine: sa.Engine
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    releases: KnownReleases = field(default_factory=KnownReleases)

    def __post_init__(self) -> None:
        self.archive = SqlArchive(self.engine)
        self.filing = Filing(self.archive, self.releases, counted, self.clock, secrets.token_bytes)

    def entries(self) -> list[Entry]:
        with self.engine.execution_options(read_only=True).connect() as connection:
            return [recorded.entry for recorded in ledger.tail(connection, 0, 1000)]

    def did(self) -> list[str]:
        return [entry.kind.removeprefix("evidence.") for entry in self.entries()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_sqlite(tmp_path / "headgate.sqlite")
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    yield World(engine)
    engine.dispose()
