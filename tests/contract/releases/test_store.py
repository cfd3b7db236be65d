"""What every store of releases must do; SQLite is the one that is always at hand."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.adapters.database import open_sqlite
from headgate.kernel.clock import from_us
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.ledger.model import Entry
from headgate.ledger.store import metadata as ledger_metadata
from headgate.releases.decide.revision import unborn
from headgate.releases.errors import DecisionNotFound, ModelTaken, ReleaseMoved, ReleaseNotFound, ReleasesUnavailable
from headgate.releases.model import command as ask
from headgate.releases.model.plan import Reaction
from headgate.releases.model.reading import Assessment, GateReading, Need, WireReading, WireStanding
from headgate.releases.model.record import DecisionRecord
from headgate.releases.model.release import (
    Alarm,
    Approval,
    Decision,
    Declaration,
    DeclaredRisk,
    Kind,
    Material,
    Release,
    Rung,
    SignedFor,
    State,
    Waiver,
)
from headgate.releases.store import SqlReleases, metadata
from headgate.testing.releases import AUTHOR, LEAD, a_plan

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SEEN = Material(SignedFor.PROMOTE, 2, "sha256:v", "sha256:p", (("staff", 1),), (("soak", Verdict.PASS),), (("soak", 0),), 1)


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    made = open_sqlite(tmp_path / "system.sqlite")
    ledger_metadata.create_all(made)
    metadata.create_all(made)
    return made


@pytest.fixture
def store(engine: sa.Engine) -> SqlReleases:
    return SqlReleases(engine)


def a_release(name: str = "rel_1", state: State = State.LIVE) -> Release:
    born = unborn(ReleaseId(name), a_plan(), by=AUTHOR, now=NOON, replaces=ReleaseId("rel_0"))
    return replace(
        born,
        state=state,
        stage=1,
        reached=2,
        scheduled_at=NOON + timedelta(days=1),
        parked=State.HELD,
        rungs=(Rung("staff", 3, NOON),),
        alarms=(Alarm("staff", "soak"),),
        approvals=(Approval(LEAD.id, LEAD.name, LEAD.roles, NOON, SEEN, "fine"),),
        waivers=(Waiver("staff", "soak", "why", NOON, "stf_a", NOON, "stf_b"),),
        declaration=Declaration("because", "stf_a", NOON, SEEN),
        declared_risks=(DeclaredRisk("staff", "because", ("stf_a", "stf_b"), NOON),),
    )


def a_record(release: Release, name: str = "dec_1") -> DecisionRecord:
    need = Need(12, NOON, "reviewers")
    gate = GateReading.of(
        "soak",
        "soak",
        Verdict.INSUFFICIENT,
        "3 of 5",
        numbers={"days": 3, "share": 0.1 + 0.2},
        inputs={"a": [1, None]},
        need=need,
    )
    wire = WireStanding("staff", "incident.high", "incident", Reaction.CUT, WireReading(True, "open", {"open": 1}, {"b": 2}))
    assessment = Assessment(1, (gate,), (wire,), 4)
    decision = Decision(
        DecisionId(name),
        release.id,
        release.model,
        Kind.HOLD,
        State.LIVE,
        State.HELD,
        1,
        1,
        LEAD.id,
        "why",
        NOON,
        assessment.digest,
    )
    return DecisionRecord(decision, ask.Hold("why", Alarm("staff", "soak")), LEAD, release, assessment)


def an_entry(release: Release) -> Entry:
    return Entry("release.held", release.id, LEAD.id, NOON, {"model": release.model})


def test_a_release_comes_back_equal(store: SqlReleases) -> None:
    with store.transaction() as tx:
        tx.add(a_release())
    with store.snapshot() as tx:
        assert tx.get(ReleaseId("rel_1")) == a_release()
        assert tx.list() == (a_release(),)
        assert tx.under_way("atlas-2") == a_release()


def test_a_decision_comes_back_equal_with_everything_it_was_made_from(store: SqlReleases) -> None:
    release = a_release()
    with store.transaction() as tx:
        tx.add(release)
        assert tx.record(an_entry(release), a_record(release)) == 1
    with store.snapshot() as tx:
        again = tx.decision(DecisionId("dec_1"))
        assert replace(again, ledger=None) == a_record(release)
        assert again.ledger == {"model": "atlas-2"}
        assert again.assessment.digest == again.decision.readings_digest
        assert tx.decisions(None, 10) == (a_record(release).decision,)
        assert tx.decisions(ReleaseId("rel_2"), 10) == ()


def test_every_command_comes_back_equal(store: SqlReleases) -> None:
    release = a_release()
    commands: list[ask.Command] = [
        ask.Apply(a_plan()),
        ask.Schedule(NOON),
        ask.Open(),
        ask.Promote(),
        ask.DeclareRisk("b"),
        ask.Hold("b"),
        ask.Narrow(1, "b", Alarm("s", "w")),
        ask.Cut("b"),
        ask.Freeze("b"),
        ask.Unfreeze(),
        ask.Resume("b", 2),
        ask.Approve(SignedFor.RESUME, "sha256:x", 2, "n"),
        ask.DropApprovals("b"),
        ask.Waive("soak", "b", NOON),
        ask.TellOwner(),
        ask.Withdraw("b"),
    ]
    with store.transaction() as tx:
        tx.add(release)
        for number, command in enumerate(commands):
            tx.record(an_entry(release), replace(a_record(release, f"dec_{number}"), command=command))
    with store.snapshot() as tx:
        assert [tx.decision(DecisionId(f"dec_{number}")).command for number in range(len(commands))] == commands


def test_a_change_that_saw_another_revision_changes_nothing(store: SqlReleases) -> None:
    with store.transaction() as tx:
        tx.add(a_release())
        assert tx.save(a_release()).revision == 1
    with pytest.raises(ReleaseMoved), store.transaction() as tx:
        tx.save(replace(a_release(), state=State.CUT))
    with store.snapshot() as tx:
        assert tx.get(ReleaseId("rel_1")).state is State.LIVE


@pytest.mark.parametrize("state", [State.LIVE, State.HELD, State.FROZEN, State.NARROWED, State.CUT, State.COMPLETED])
def test_a_model_has_one_release_under_way(store: SqlReleases, state: State) -> None:
    with store.transaction() as tx:
        tx.add(a_release(state=state))
    with pytest.raises(ModelTaken), store.transaction() as tx:
        tx.add(a_release("rel_2"))
    with store.transaction() as tx:
        tx.add(a_release("rel_2", State.DRAFT))
        tx.add(a_release("rel_3", State.WITHDRAWN))


def test_what_is_not_there_is_not_found(store: SqlReleases) -> None:
    with store.snapshot() as tx:
        with pytest.raises(ReleaseNotFound):
            tx.get(ReleaseId("rel_9"))
        with pytest.raises(DecisionNotFound):
            tx.decision(DecisionId("dec_9"))


def test_a_transaction_that_breaks_off_leaves_neither_the_change_nor_the_entry(store: SqlReleases, engine: sa.Engine) -> None:
    release = a_release()
    with pytest.raises(RuntimeError), store.transaction() as tx:  # noqa: PT012 - it breaks off in the middle
        tx.add(release)
        tx.record(an_entry(release), a_record(release))
        raise RuntimeError("killed here")
    with engine.connect() as connection:
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
            for name in ("releases_release", "ledger_entry")
        ]
    assert counts == [0, 0]


def test_the_lease_is_one_controllers_until_it_ends(store: SqlReleases) -> None:
    later = NOON + timedelta(seconds=10)
    with store.transaction() as tx:
        assert tx.lease("a", now=NOON, until=later)
        assert tx.lease("a", now=NOON, until=later)
        assert not tx.lease("b", now=NOON, until=later)
        assert tx.lease("b", now=later, until=later + timedelta(seconds=10))
        assert not tx.lease("a", now=later, until=later + timedelta(seconds=10))


def test_only_one_of_many_that_saw_the_same_revision_wins(store: SqlReleases) -> None:
    with store.transaction() as tx:
        tx.add(a_release())
    start = threading.Barrier(6)
    won: list[int] = []
    lost: list[int] = []

    def race(number: int) -> None:
        start.wait()
        try:
            with store.transaction() as tx:
                tx.save(replace(a_release(), author=str(number)))
        except ReleaseMoved:
            lost.append(number)
        else:
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)


def test_a_database_that_is_gone_is_said_to_be_unavailable(store: SqlReleases, engine: sa.Engine) -> None:
    metadata.drop_all(engine)
    with pytest.raises(ReleasesUnavailable), store.transaction() as tx:
        tx.list()
    with pytest.raises(ReleasesUnavailable), store.snapshot() as tx:
        tx.list()


def test_instants_keep_their_microseconds() -> None:
    assert from_us(1_772_366_400_123_456) == NOON
