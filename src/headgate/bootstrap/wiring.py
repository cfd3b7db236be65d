"""The house, put together: one service per subject over one data directory.

``open_house`` opens what every process needs. Who needs more (a worker its spool, the steward its controller) makes it from
this.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate import migrations
from headgate.access.service import Access
from headgate.access.store import SqlStore
from headgate.adapters.database import Versions, open_sqlite
from headgate.bootstrap.bridges.courses import GateCourses, SafetyCuts
from headgate.bootstrap.bridges.epochs import ReleaseEpochs
from headgate.bootstrap.bridges.exchanges import TrafficExchanges
from headgate.bootstrap.bridges.filing import ReleasesOnFile
from headgate.bootstrap.bridges.gates.audits import Audits
from headgate.bootstrap.bridges.gates.coverage import Coverages
from headgate.bootstrap.bridges.gates.discovery import Discoveries
from headgate.bootstrap.bridges.gates.evaluations import Evaluations
from headgate.bootstrap.bridges.gates.issues import Issues
from headgate.bootstrap.bridges.gates.rates import Rates
from headgate.bootstrap.bridges.gates.reviewing import Reviewing
from headgate.bootstrap.bridges.holdback import SidesOfHoldbacks
from headgate.bootstrap.bridges.labels import SafetyLabels
from headgate.bootstrap.bridges.people import SafetyPeople
from headgate.bootstrap.bridges.readings import SubjectReadings
from headgate.bootstrap.bridges.strata import Strata
from headgate.bootstrap.bridges.streams import SafetyStreams
from headgate.bootstrap.bridges.wires import Wires
from headgate.bootstrap.home import Home, secret_file
from headgate.evidence.service import Evidence, Filing
from headgate.evidence.service.comparing import Comparing
from headgate.evidence.service.courses import Courses
from headgate.evidence.service.forecasting import Forecasting
from headgate.evidence.service.holdback import HeldBack
from headgate.evidence.service.people import People
from headgate.evidence.service.watching import Watching
from headgate.evidence.store import EvidenceStore, SqlArchive
from headgate.evidence.store.forecasts import ForecastStore
from headgate.kernel.clock import Clock, SystemClock
from headgate.kernel.still import Still
from headgate.ledger.model import Entry
from headgate.ledger.service import Ledger
from headgate.ledger.store import SqlLedger, append
from headgate.ledger.wire.note import Signer
from headgate.releases.service import Picturing, ReleaseService
from headgate.releases.service.drafting import Drafting
from headgate.releases.store import SqlDrafts, SqlReleases
from headgate.safety.decide.care import Care
from headgate.safety.detectors.rules import RuleDetector
from headgate.safety.detectors.ruleset import baseline
from headgate.safety.service.desk import Desk
from headgate.safety.service.golds import Golds
from headgate.safety.service.incidents import Incidents
from headgate.safety.service.review import Review
from headgate.safety.service.sampling import Sampling
from headgate.safety.service.windows import Windows
from headgate.safety.store import SqlGolds, SqlIncidents, SqlReview, SqlSampling
from headgate.safety.store.course import SqlCourses
from headgate.safety.store.sample import Samples
from headgate.safety.store.windows import SqlWindows
from headgate.traffic.keys import DayKeys, MasterKey
from headgate.traffic.log import ExchangeLog
from headgate.traffic.retention import Retention
from headgate.traffic.rollup import Exposures
from headgate.traffic.settlements import Settlements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import sqlalchemy as sa

    from headgate.bootstrap.settings import Settings
    from headgate.kernel.digest import Json

ENVIRONMENT = "live"
"""What this installation is called in its keys: ``hg_live_…``."""


@dataclass(frozen=True, slots=True)
class House:
    """Every subject's service over one installation.

    Attributes:
        home: The data directory.
        settings: How it runs.
        clock: The time.
        engine: The system of record.
        versions: Tells whether anything was written to it.
        ledger: What was decided.
        access: Who gets in.
        log: What was exchanged.
        exchanges: The same, as safety reads it.
        exposures: Who has had access.
        day_keys: The keys that transcripts are sealed with.
        retention: What ends them.
        detector: The shipped rules.
        desk: Draws, review and incidents.
        draws: Where draws are kept.
        queue: Where what waits for a reader is.
        evidence: What was measured.
        forecasting: What was predicted, and how it turned out.
        comparing: Epochs beside each other.
        held_back: Stages' people beside those who are held back from them.
        filing: What was handed in from outside.
        releases: Plans and where they stand.
        drafting: Texts of plans that somebody looks at.
        picturing: The same as pages and reports show it.
    """

    home: Home
    settings: Settings
    clock: Clock
    engine: sa.Engine
    versions: Versions
    ledger: Ledger
    access: Access
    log: ExchangeLog
    exchanges: TrafficExchanges
    exposures: Exposures
    day_keys: DayKeys
    retention: Retention
    detector: RuleDetector
    desk: Desk
    draws: SqlSampling
    queue: SqlReview
    evidence: Evidence
    forecasting: Forecasting
    comparing: Comparing
    held_back: HeldBack
    filing: Filing
    releases: ReleaseService
    drafting: Drafting
    picturing: Picturing

    def close(self) -> None:
        """Let go of the database."""
        self.versions.close()
        self.engine.dispose()


def open_house(home: Home, settings: Settings, *, clock: Clock | None = None) -> House:
    """Open the installation in ``home``; its schema is brought up to date first.

    Raises:
        HomeUnwritable: A secret cannot be read or made.
        SchemaTooNew: A newer Headgate wrote it.
        SchemaNotUpgraded: The schema is old and could not be brought up to date.
        MasterKeyUnusable: The transcripts' master key is damaged.
    """
    clock = clock or SystemClock()
    home.make()
    engine = open_sqlite(home.database)
    migrations.bring_up_to_date(engine, home.database)
    versions = Versions(engine)
    still = Still(versions)
    access = Access(SqlStore(engine), pepper=secret_file(home.secrets / "pepper"), environment=ENVIRONMENT, clock=clock)
    day_keys = DayKeys(engine, MasterKey.load_or_create(home.secrets / "master.key"), clock)
    log = ExchangeLog(home.traffic, engine, day_keys, record, clock)
    samples = Samples()
    settlements = Settlements(log)
    exposures = Exposures(settlements, engine, still)
    exchanges = TrafficExchanges(log, settlements)
    incidents = Incidents(store=SqlIncidents(engine, still), entropy=secrets.token_bytes, golds=SqlGolds(engine))
    detector = RuleDetector(baseline(), today=clock.now().date())
    deadline = timedelta(days=settings.label_deadline_days)
    golds = Golds(store=SqlGolds(engine), detectors=[detector], entropy=secrets.token_bytes, deadline=deadline)
    sampling_store = SqlSampling(engine, samples, still)
    labels = SafetyLabels(sampling_store, SqlGolds(engine, still), clock, deadline)
    evidence = Evidence(labels, EvidenceStore(engine, still), clock)
    release_store = SqlReleases(engine)
    sampling = Sampling(
        store=sampling_store,
        exchanges=exchanges,
        epochs=ReleaseEpochs(release_store),
        detectors=[detector],
        entropy=secrets.token_bytes,
    )
    queue = SqlReview(engine, samples)
    filing = Filing(SqlArchive(engine), ReleasesOnFile(release_store), clock, secrets.token_bytes)
    strata = Strata(access, release_store)
    newcomers = SafetyPeople(sampling_store, strata, clock, deadline)
    people = People(newcomers)
    courses = Courses(labels, SafetyCuts(SqlCourses(engine, samples), sampling_store, clock, deadline), newcomers, newcomers)
    gates = {
        "rate": Rates(evidence),
        "discovery": Discoveries(people),
        "coverage": Coverages(people),
        "review": Reviewing(queue, golds),
        "evaluation": Evaluations(filing),
        "issues": Issues(filing),
        "audit": Audits(filing),
    }
    streams = SafetyStreams(sampling_store, Windows(SqlWindows(engine)), strata, clock, looked_for=detector.hazards)
    sides = SidesOfHoldbacks(release_store, access, exposures, sampling_store, clock)
    held_back = HeldBack(sides, EvidenceStore(engine, still), clock)
    wires = Wires(evidence, Watching(streams, EvidenceStore(engine, still), clock), held_back)
    readings = SubjectReadings(gates, wires=wires, exposures=exposures, incidents=incidents, sampling=sampling)
    releases = ReleaseService(release_store, readings, clock, still=still)
    review = Review(store=queue, exchanges=exchanges, entropy=secrets.token_bytes, care=care_of(settings), locators=[detector])
    return House(
        home=home,
        settings=settings,
        clock=clock,
        engine=engine,
        versions=versions,
        ledger=Ledger(SqlLedger(engine), clock, Signer.from_seed("headgate", secret_file(home.secrets / "ledger.key"))),
        access=access,
        log=log,
        exchanges=exchanges,
        exposures=exposures,
        day_keys=day_keys,
        retention=Retention(home.traffic, engine, day_keys, record, clock),
        detector=detector,
        desk=Desk(sampling, review, incidents, golds, clock),
        draws=sampling_store,
        queue=queue,
        evidence=evidence,
        forecasting=Forecasting(ForecastStore(engine), clock),
        comparing=Comparing(labels),
        held_back=held_back,
        filing=filing,
        releases=releases,
        drafting=Drafting(SqlDrafts(engine), clock),
        picturing=Picturing(release_store, readings, GateCourses(courses), clock),
    )


def care_of(settings: Settings) -> Care:
    """Return how much hard content a reviewer is handed."""
    return Care(
        pause_after=timedelta(minutes=settings.review_pause_after_min),
        most_time=timedelta(minutes=settings.review_day_min),
        most_items=settings.review_day_items,
        run=settings.review_run,
    )


def record(connection: sa.Connection, *, kind: str, subject: str, actor: str, at: datetime, body: Mapping[str, Json]) -> int:
    """Append an entry for the exchange log, which stands beside the ledger and knows no other way to it."""
    return append(connection, Entry(kind, subject, actor, at, body))
