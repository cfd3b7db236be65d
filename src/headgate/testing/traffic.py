"""An exchange log for tests: real files, a real database, a real ledger, and a clock that is moved by hand."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from headgate.adapters.database import open_sqlite
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.ids import AccountId, EpochId, ExchangeId, GrantId, KeyId, OrganisationId, ReleaseId, mint
from headgate.ledger import store as ledger
from headgate.ledger.model import Entry
from headgate.testing.clock import FixedClock
from headgate.traffic.errors import CannotRecord
from headgate.traffic.keys import DayKeys, MasterKey
from headgate.traffic.log import ExchangeLog
from headgate.traffic.model import Admission, Outcome, OutcomeStatus, Screened
from headgate.traffic.retention import Retention
from headgate.traffic.rollup import Exposures
from headgate.traffic.settlements import Settlements
from headgate.traffic.spool import Spool, Sync
from headgate.traffic.store import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.kernel.digest import Json

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
REVIEWER = Actor("stf_rita", "Rita", frozenset(), frozenset({Permission.READ_CONTENT}))
VISITOR = Actor("stf_vito", "Vito", frozenset(), frozenset({Permission.VIEW}))
DETECTORS = Actor.system("detectors", Permission.READ_CONTENT)
KEEPER = Actor.system("steward", Permission.DESTROY_CONTENT)


def append(connection: sa.Connection, *, kind: str, subject: str, actor: str, at: datetime, body: Mapping[str, Json]) -> int:
    """Append to the ledger."""
    return ledger.append(connection, Entry(kind, subject, actor, at, body))


def an_admission(at: datetime = NOON, **changes: Any) -> Admission:
    """Return an admission, its fields as given or made up."""
    fields: dict[str, Any] = {
        "exchange_id": ExchangeId(mint("ex", at=at)),
        "at": at,
        "worker": "w1",
        "release_id": ReleaseId("rel_1"),
        "version_digest": "sha256:91ab",
        "stage": "trusted",
        "epoch": EpochId("rel_1/trusted/1"),
        "account_id": AccountId("acc_1"),
        "grant_id": GrantId("grt_1"),
        "key_id": KeyId("key_1"),
        "organisation_id": OrganisationId("org_1"),
        "surface": "api.chat",
        "model": "aurora",
        "stream": True,
        "capabilities": ("streaming", "tools"),
        "stripped": (),
        "end_user": None,
        "reserved_tokens": 100,
        "request_body": b'{"q": "a question"}',
    }
    return Admission(**(fields | changes))


def an_outcome(admission: Admission, **changes: Any) -> Outcome:
    """Return an outcome of an admission, its fields as given or made up."""
    fields: dict[str, Any] = {
        "exchange_id": admission.exchange_id,
        "at": admission.at + timedelta(seconds=1),
        "status": OutcomeStatus.COMPLETED,
        "http_status": 200,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "charged_tokens": 7,
        "usage_exact": True,
        "duration_ms": 12.5,
        "screened": Screened.PASSED,
        "output_screened": Screened.NOT_ASKED,
        "response_body": b'{"a": "an answer"}',
        "detail": None,
    }
    return Outcome(**(fields | changes))


class RunningClock(FixedClock):
    """Tells the time that it was set to, and measures spans as the machine does."""

    def monotonic(self) -> float:
        """Return the machine's reading, so that whoever waits for a while does come to an end."""
        return time.monotonic()


@dataclass
class TrafficWorld:
    """One exchange log with everything around it.

    Attributes:
        directory: The exchange log's directory.
        engine: The system of record.
        master: The key that wraps day keys.
        clock: Moved by hand.
        day_keys: The keys of this process.
        log: The log as everybody reads it.
        exposures: The counts.
        retention: The end of content.
        spools: Those that were opened here.
    """

    directory: Path
    engine: sa.Engine
    master: MasterKey
    clock: RunningClock
    day_keys: DayKeys
    log: ExchangeLog
    exposures: Exposures
    retention: Retention
    spools: list[Spool] = field(default_factory=list[Spool])

    @classmethod
    def build(cls, root: Path) -> TrafficWorld:
        """Make a log and a database below ``root``."""
        engine = open_sqlite(root / "headgate.sqlite")
        metadata.create_all(engine)
        ledger.metadata.create_all(engine)
        clock = RunningClock(NOON)
        master = MasterKey.load_or_create(root / "master.key")
        directory = root / "traffic"
        day_keys = DayKeys(engine, master, clock)
        log = ExchangeLog(directory, engine, day_keys, append, clock)
        exposures = Exposures(Settlements(log), engine)
        return cls(
            directory, engine, master, clock, day_keys, log, exposures, Retention(directory, engine, day_keys, append, clock)
        )

    def open(self, worker: str = "w1", *, sync: Sync = Sync.NORMAL, busy_s: float = 1.0) -> Spool:
        """Open a worker's spool."""
        spool = Spool.open(self.directory, worker, self.day_keys, self.clock, sync=sync, busy_s=busy_s)
        self.spools.append(spool)
        return spool

    async def exchange(
        self, spool: Spool, at: datetime | None = None, outcome: Mapping[str, Any] | None = None, **changes: Any
    ) -> Admission:
        """Admit and settle one exchange."""
        admission = an_admission(at or self.clock.now(), **changes)
        await spool.admit(admission)
        await spool.settle(an_outcome(admission, **{"at": self.clock.now(), **(outcome or {})}))
        return admission

    def entries(self) -> list[Entry]:
        """Return the ledger."""
        with self.engine.execution_options(read_only=True).connect() as connection:
            return [recorded.entry for recorded in ledger.tail(connection, 0, 1000)]

    async def close(self) -> None:
        """Let go of everything. To whoever looks from outside, a closed spool and that of a dead worker are one thing."""
        for spool in self.spools:
            with suppress(CannotRecord):
                await spool.close()
        self.engine.dispose()
