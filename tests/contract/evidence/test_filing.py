"""Filing evidence and judging it, over a real database: what is kept, what is refused, and who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from headgate.evidence.errors import (
    EvidenceDone,
    EvidenceDuplicate,
    EvidenceMoved,
    EvidenceNotFound,
    EvidenceUnavailable,
    FilingInvalid,
    NoSuccessor,
    SamePerson,
)
from headgate.evidence.importers.interface import Unfit
from headgate.evidence.model.filing import Disposition, Opinion, Statement
from headgate.evidence.model.record import Evaluator, Kind, Relationship, Status
from headgate.evidence.ports import Wanted
from headgate.evidence.wire import cases as wired
from headgate.kernel.actor import Role
from headgate.kernel.digest import canonical_json
from headgate.kernel.errors import Forbidden
from headgate.kernel.verdict import Verdict
from headgate.testing.evidence import AUDIT, EVALUATION, ISSUES, NOON, POSTS, ReleaseUnknown, declared, document, handed_in
from headgate.testing.releases import person

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.evidence.conftest import World
    from headgate.evidence.model.filing import Filed
    from headgate.kernel.actor import Actor

ADA = person("ada", Role.RELEASE_MANAGER)
LIN = person("lin", Role.SAFETY_LEAD)
SAM = person("sam", Role.SECURITY)
ODD = person("odd", Role.AUDITOR)
KEY = person("kim", Role.ACCESS_REVIEWER)
ATLAS = "sha256:atlas-2"
NEXT = "sha256:atlas-3"
REPORT = Statement("Deployment safeguards of atlas-2", Opinion.UNQUALIFIED)
AUDITED: dict[str, Any] = {"kind": Kind.AUDIT, "suite": "deployment", "statement": REPORT}
FOUND: dict[str, Any] = {"kind": Kind.REDTEAM, "suite": "jailbreaks", "statement": Statement("A prompt that always works")}


def filed(world: World, k: int = 3, n: int = 120, *, by: Actor = ADA, **changed: Any) -> Filed:
    said = "statement" in changed
    handed = document(b"report %d" % k) if said else handed_in(k, n)
    return world.filing.add(handed, declared(**changed), by=by).filed[0]


def verdict(world: World, claim: Any = EVALUATION, version: str = ATLAS) -> Verdict:
    return world.filing.case(claim, version, now=world.clock.now()).reading.verdict


def test_a_file_becomes_a_record_for_each_of_its_parts(world: World) -> None:
    rows = ("task,metric,unit,cluster,k,n", "intrusion,accuracy,item,,3,120", "phishing,accuracy,item,,5,120", "")
    first, second = world.filing.add(document("\n".join(rows).encode()), declared(), by=ADA).filed
    assert (first.release_id, first.record.recorded_by, first.goalposts) == ("rel_atlas-2", ADA.id, POSTS)
    assert world.filing.get(first.id, by=ODD) == first
    assert {one.id for one in world.filing.list(Wanted(), by=ODD)} == {first.id, second.id}
    assert world.did() == ["filed", "filed"]
    entry = world.entries()[0]
    assert (entry.subject, entry.actor, entry.body["k"], entry.body["n"]) == (first.id, ADA.id, 3, 120)


def test_a_file_counts_once_for_whomever_it_is_filed(world: World) -> None:
    first = filed(world)
    with pytest.raises(EvidenceDuplicate, match=first.id):
        filed(world, suite="another")
    with pytest.raises(EvidenceDuplicate, match="cannot have measured both") as refused:
        filed(world, release="atlas-3", by=SAM)
    assert refused.value.help is not None
    assert f"carry {first.id}" in refused.value.help
    assert world.did() == ["filed"]


def test_what_is_no_evidence_leaves_nothing_behind(world: World) -> None:
    with pytest.raises(Unfit):
        world.filing.add(document(b"nothing that anybody reads"), declared(), by=ADA)
    assert world.filing.list(Wanted(), by=ADA) == ()
    assert world.did() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"suite": ""},
        {"domain": ""},
        {"valid_for": timedelta(0)},
        {"produced_at": NOON + timedelta(seconds=1)},
        {"kind": Kind.AUDIT},
        {"statement": Statement("Nobody counted")},
        {**AUDITED, "statement": Statement("No opinion")},
        {**FOUND, "statement": REPORT},
        {**FOUND, "statement": Statement(" ")},
        {**FOUND, "statement": Statement("two\nlines")},
        {**FOUND, "evaluator": None},
    ],
)
def test_what_cannot_be_declared_is_refused(world: World, changed: dict[str, Any]) -> None:
    with pytest.raises(FilingInvalid):
        filed(world, **changed)
    assert world.did() == []


def test_a_release_must_be_known(world: World) -> None:
    with pytest.raises(ReleaseUnknown):
        filed(world, release="atlas-9")


def test_an_auditor_files_an_opinion_and_the_gate_reads_it(world: World) -> None:
    assert verdict(world, AUDIT) is Verdict.INSUFFICIENT
    made = filed(world, by=ODD, **AUDITED)
    assert made.statement == REPORT
    assert REPORT.title not in canonical_json(dict(world.entries()[0].body)).decode()
    assert verdict(world, AUDIT) is Verdict.PASS
    adverse: dict[str, Any] = AUDITED | {"statement": replace(REPORT, opinion=Opinion.ADVERSE)}
    filed(world, 4, by=ODD, **adverse)
    assert verdict(world, AUDIT) is Verdict.FAIL


def test_a_preliminary_result_passes_once_it_is_final(world: World) -> None:
    made = filed(world, status=Status.PRELIMINARY)
    assert verdict(world) is Verdict.INSUFFICIENT
    with pytest.raises(FilingInvalid):
        world.filing.finalise(made.id, because=" ", by=LIN)
    after = world.filing.finalise(made.id, because="the institute has confirmed the numbers", by=LIN)
    assert after.record == made.record
    assert (after.final, after.revision) == (True, 2)
    assert verdict(world) is Verdict.PASS
    with pytest.raises(EvidenceDone):
        world.filing.finalise(made.id, because="again", by=LIN)


def test_a_later_result_takes_an_earlier_ones_place_by_a_second_person(world: World) -> None:
    bad = filed(world, 60)
    assert verdict(world) is Verdict.FAIL
    good = filed(world, by=LIN, produced_at=NOON - timedelta(days=1))
    assert verdict(world) is Verdict.FAIL, "the better of two results is not picked"
    with pytest.raises(SamePerson):
        world.filing.supersede(bad.id, successor=good.id, because="a broken grader", by=LIN)
    after = world.filing.supersede(bad.id, successor=good.id, because="a broken grader", by=SAM)
    assert (after.superseded is not None, after.record) == (True, bad.record)
    assert verdict(world) is Verdict.PASS
    assert [one.id for one in world.filing.list(Wanted(in_force=True), by=ADA)] == [good.id]
    assert bad.id in {one.id for one in world.filing.list(Wanted(), by=ADA)}
    with pytest.raises(EvidenceDone):
        world.filing.supersede(bad.id, successor=good.id, because="again", by=SAM)


@pytest.mark.parametrize(
    ("successor", "why"),
    [
        ({"release": "atlas-3"}, "another version"),
        ({"suite": "other"}, "measures"),
        ({"produced_at": NOON - timedelta(days=4)}, "no later"),
        ({"status": Status.PRELIMINARY, "produced_at": NOON}, "preliminary"),
    ],
)
def test_what_cannot_take_a_place(world: World, successor: dict[str, Any], why: str) -> None:
    first = filed(world)
    other = filed(world, 1, **successor)
    with pytest.raises(NoSuccessor, match=why):
        world.filing.supersede(first.id, successor=other.id, because="it is better", by=SAM)


def test_a_place_is_not_taken_in_a_circle(world: World) -> None:
    first, second, third = (filed(world, day, produced_at=NOON - timedelta(days=3 - day)) for day in range(3))
    world.filing.supersede(second.id, successor=third.id, because="later", by=SAM)
    with pytest.raises(NoSuccessor, match="was taken"):
        world.filing.supersede(first.id, successor=second.id, because="later", by=SAM)


def test_evidence_crosses_to_another_version_only_by_two_people(world: World) -> None:
    made = filed(world)
    assert verdict(world, version=NEXT) is Verdict.STALE
    carry = world.filing.carry
    carry(made.id, release="atlas-3", because="only the system prompt differs", by=LIN)
    assert verdict(world, version=NEXT) is Verdict.STALE
    with pytest.raises(SamePerson):
        carry(made.id, release="atlas-3", because="I agree with myself", by=LIN)
    with pytest.raises(Forbidden):
        carry(made.id, release="atlas-3", because="so do I", by=ADA)
    after = carry(made.id, release="atlas-3", because="looked at the difference", by=SAM)
    assert after.versions == {ATLAS, NEXT}
    case = world.filing.case(EVALUATION, NEXT, now=NOON)
    assert case.reading.verdict is Verdict.PASS
    assert any("carried over" in line for line in case.reading.not_shown)
    assert world.did() == ["filed", "carry_asked", "carried"]
    for release in ("atlas-2", "atlas-3"):
        with pytest.raises(EvidenceDone):
            carry(made.id, release=release, because="once more", by=SAM)


def test_a_finding_is_open_until_it_is_answered(world: World) -> None:
    assert verdict(world, ISSUES) is Verdict.INSUFFICIENT
    found = filed(world, by=LIN, **FOUND)
    assert verdict(world, ISSUES) is Verdict.INSUFFICIENT
    with pytest.raises(SamePerson):
        world.filing.dispose(found.id, Disposition.ACCEPTED, because="it is rare", by=LIN)
    world.filing.dispose(found.id, Disposition.FIXED, because="screen 4, tried again", by=LIN)
    assert verdict(world, ISSUES) is Verdict.PASS
    with pytest.raises(EvidenceDone):
        world.filing.dispose(found.id, Disposition.ACCEPTED, because="after all", by=SAM)
    with pytest.raises(EvidenceDone, match="red team"):
        world.filing.dispose(filed(world, 1).id, Disposition.FIXED, because="no", by=SAM)


def test_goalposts_are_those_that_stood_when_the_result_arrived(world: World) -> None:
    world.releases.goalposts = {"dual_use": replace(POSTS, thresholds={"api": 0.12})}
    filed(world)
    world.releases.goalposts = {"dual_use": POSTS}
    case = world.filing.case(EVALUATION, ATLAS, now=NOON)
    assert case.reading.verdict is Verdict.INSUFFICIENT
    assert "moved goalposts: threshold 0.12" in case.reading.sentence


def test_a_result_expires(world: World) -> None:
    filed(world)
    world.clock.set(NOON + timedelta(days=177))
    assert verdict(world) is Verdict.STALE


def test_a_case_replays_from_what_was_kept(world: World) -> None:
    filed(world)
    filed(world, 5, 130)
    case = world.filing.case(EVALUATION, ATLAS, now=NOON)
    filed(world, 120)
    assert wired.replay(case.inputs) == case.reading
    assert world.filing.case(EVALUATION, ATLAS, now=NOON).reading.verdict is Verdict.FAIL


ACTS: dict[str, Callable[[World, str, Actor], object]] = {
    "add": lambda world, _, by: filed(world, 9, by=by),
    "get": lambda world, name, by: world.filing.get(name, by=by),
    "list": lambda world, _, by: world.filing.list(Wanted(), by=by),
    "finalise": lambda world, name, by: world.filing.finalise(name, because="x", by=by),
    "supersede": lambda world, name, by: world.filing.supersede(name, successor=name, because="x", by=by),
    "carry": lambda world, name, by: world.filing.carry(name, release="atlas-3", because="x", by=by),
    "dispose": lambda world, name, by: world.filing.dispose(name, Disposition.FIXED, because="x", by=by),
}
MAY = {"get": {KEY, ODD, ADA}, "list": {KEY, ODD, ADA}, "add": {ODD, ADA}, "carry": {ODD, ADA}}


@pytest.mark.parametrize("act", ACTS)
def test_who_may(world: World, act: str) -> None:
    made = filed(world, status=Status.PRELIMINARY)
    for who in (KEY, ODD, ADA):
        if who not in MAY.get(act, set()):
            with pytest.raises(Forbidden):
                ACTS[act](world, made.id, who)
    assert world.did() == ["filed"]


@pytest.mark.parametrize("act", [act for act in ACTS if act not in {"add", "list"}])
def test_a_record_that_is_not_there(world: World, act: str) -> None:
    with pytest.raises(EvidenceNotFound):
        ACTS[act](world, "ev_nobody", LIN)


def test_records_are_found_by_release_suite_and_kind(world: World) -> None:
    one = filed(world)
    two = filed(world, 2, release="atlas-3", suite="other")
    three = filed(world, evaluator=Evaluator("us", Relationship.FIRST_PARTY), **AUDITED)

    def found(**wanted: Any) -> list[str]:
        return [record.id for record in world.filing.list(Wanted(**wanted), by=ODD)]

    assert set(found(release_id="atlas-2")) == {one.id, three.id}
    assert found(suite="other") == [two.id]
    assert found(kind=Kind.AUDIT) == [three.id]
    assert len(found()) == 3


def test_two_people_who_act_at_once_do_not_undo_each_other(world: World) -> None:
    made = filed(world)
    with world.archive.transaction() as tx:
        tx.save(replace(made, revision=2), seen=1)
    with pytest.raises(EvidenceMoved), world.archive.transaction() as tx:
        tx.save(replace(made, revision=2), seen=1)


def test_the_store_itself_refuses_a_part_that_it_has(world: World) -> None:
    made = filed(world)
    twin = replace(made, record=replace(made.record, id=type(made.id)("ev_twin")))
    with pytest.raises(EvidenceDuplicate), world.archive.transaction() as tx:
        tx.add(twin)


def test_a_record_and_its_entry_are_kept_together_or_not_at_all(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE ledger_node"))
    with pytest.raises(EvidenceUnavailable):
        filed(world)
    assert world.filing.list(Wanted(), by=ADA) == ()


def test_a_database_that_is_gone_is_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE evidence_record"))
    for act in (lambda: filed(world), lambda: world.filing.get("ev_x", by=ADA), lambda: verdict(world)):
        with pytest.raises(EvidenceUnavailable):
            act()
