"""The controller on a real database: it carries out what evidence and people decided, once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headgate.kernel.verdict import Verdict
from headgate.ledger.store import tail
from headgate.releases.errors import (
    ApprovalsMissing,
    ApprovalTooEarly,
    AuthorApproves,
    EvidenceMoved,
    ModelTaken,
    PlanMoved,
    PlanWidensOpenStage,
    WireTripped,
)
from headgate.releases.model.release import Kind, State
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, SECURITY, a_plan, a_stage

if TYPE_CHECKING:
    from integration.releases.conftest import House


def kinds(house: House) -> list[Kind]:
    return [decision.kind for decision in reversed(house.service.decisions(by=AUTHOR))]


def test_a_release_climbs_on_evidence_and_signatures_and_completes(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    for stage in (1, 2, 3):
        now = house.service.get(release.id, by=AUTHOR)
        assert now.stage == stage
        assert house.controller().tick().decisions == ()
        house.sign(now)
        assert len(house.controller().tick().decisions) == 1
    assert house.service.get(release.id, by=AUTHOR).state is State.COMPLETED
    with house.engine.connect() as connection:
        entered = [item.entry.kind for item in tail(connection, 0, 100)]
    assert entered == [
        "release.applied",
        "release.opened",
        *["release.approved", "release.approved", "release.promoted"] * 2,
        *["release.approved", "release.approved", "release.completed"],
    ]


def test_the_same_facts_give_no_second_decision(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.readings.open_incidents = {"critical": 1}
    assert [decision.kind for decision in house.controller().tick().decisions] == [Kind.CUT]
    for _ in range(3):
        assert house.controller().tick().decisions == ()
    assert house.service.get(release.id, by=AUTHOR).stage == 0


def test_a_second_controller_stands_by_and_takes_over_when_the_lease_ends(house: House) -> None:
    house.service.apply(a_plan(), by=AUTHOR)
    assert house.controller("one").tick().acting
    house.readings.open_incidents = {"critical": 1}
    assert not house.controller("two").tick().acting
    house.clock.advance(timedelta(seconds=15))
    assert [decision.kind for decision in house.controller("two").tick().decisions] == [Kind.CUT]
    assert not house.controller("one").tick().acting


def test_two_controllers_that_both_believe_in_their_lease_decide_once(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.sign(release)
    start = threading.Barrier(4)

    def tick() -> None:
        controller = house.controller("same")
        start.wait()
        controller.tick()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds(house).count(Kind.PROMOTE) == 1
    assert house.service.get(release.id, by=AUTHOR).stage == 2


@pytest.mark.parametrize("how", ["gone", "broken"])
@pytest.mark.parametrize("question", ["rate", "rise", "exposure", "incidents", "monitor"])
def test_a_reader_that_fails_freezes_and_never_promotes(house: House, question: str, how: str) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.sign(release)
    getattr(house.readings, how).add(question)
    house.controller().tick()
    frozen = house.service.get(release.id, by=AUTHOR)
    assert (frozen.state, frozen.stage, frozen.admits_newcomers) == (State.FROZEN, 1, False)
    told = str(house.service.status(frozen, by=AUTHOR).json())
    assert "nobody foresaw" not in told
    getattr(house.readings, how).clear()
    house.controller().tick()
    assert house.service.get(release.id, by=AUTHOR).state is State.LIVE
    assert house.service.get(release.id, by=AUTHOR).stage == 1


def test_a_monitor_that_stays_down_freezes_then_holds_then_steps_down(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.sign(release)
    house.controller().tick()
    house.readings.down_since = house.clock.now()
    seen: list[tuple[State, State | None, int]] = []
    for span in (timedelta(minutes=1), timedelta(minutes=14), timedelta(hours=6)):
        house.clock.advance(span)
        house.controller().tick()
        now = house.service.get(release.id, by=AUTHOR)
        seen.append((now.state, now.parked, now.stage))
    assert seen == [
        (State.FROZEN, State.LIVE, 2),
        (State.FROZEN, State.HELD, 2),
        (State.FROZEN, State.NARROWED, 1),
    ]
    house.readings.down_since = None
    house.controller().tick()
    assert house.service.get(release.id, by=AUTHOR).state is State.NARROWED


def test_signatures_lapse_when_a_harm_is_confirmed(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    _, seen = house.service.to_sign(release.id, by=LEAD)
    house.service.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=LEAD)
    house.readings.harms["harmful_advice"] = 1
    house.controller().tick()
    assert house.service.get(release.id, by=AUTHOR).approvals == ()
    assert kinds(house)[-1] is Kind.DROP_APPROVALS
    with pytest.raises(EvidenceMoved):
        house.service.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=LEAD)


def test_nobody_signs_early_and_the_author_never(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    _, seen = house.service.to_sign(release.id, by=AUTHOR)
    with pytest.raises(AuthorApproves):
        house.service.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=AUTHOR)
    house.readings.verdicts["harmful_advice"] = Verdict.INSUFFICIENT
    _, seen = house.service.to_sign(release.id, by=LEAD)
    with pytest.raises(ApprovalTooEarly):
        house.service.approve(release.id, purpose=seen.purpose, seen=seen.digest, by=LEAD)


def test_a_waiver_takes_two_lets_pass_and_blocks_again_when_it_ends(house: House) -> None:
    house.readings.verdicts["harmful_advice"] = Verdict.INSUFFICIENT
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    until = house.clock.now() + timedelta(days=3)
    for who in (LEAD, SECURITY):
        house.service.waive(release.id, gate_id="rate.harmful_advice", reason="known", until=until, by=who)
    status = house.service.status(house.service.get(release.id, by=AUTHOR), by=AUTHOR)
    assert {line.gate_id: line.shown for line in status.gates}["rate.harmful_advice"] == "WAIVED"
    assert "WAIVED" in status.red[0]
    house.sign(release)
    house.clock.advance(timedelta(days=3))
    house.controller().tick()
    assert house.service.get(release.id, by=AUTHOR).stage == 1
    assert "blocks again" in house.service.status(house.service.get(release.id, by=AUTHOR), by=AUTHOR).red[0]


def test_a_cut_release_resumes_only_when_what_cut_it_is_gone_and_people_have_signed(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.readings.open_incidents = {"critical": 1}
    house.controller().tick()
    house.sign(house.service.get(release.id, by=AUTHOR))
    with pytest.raises(WireTripped):
        house.service.resume(release.id, reason="again", by=LEAD)
    house.readings.open_incidents = {}
    house.service.resume(release.id, reason="again", by=LEAD)
    now = house.service.get(release.id, by=AUTHOR)
    assert (now.state, now.stage, now.epoch("staff")) == (State.LIVE, 1, f"{release.id}/staff/2")


def test_resuming_without_signatures_is_refused(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.service.hold(release.id, reason="look", by=SECURITY)
    with pytest.raises(ApprovalsMissing):
        house.service.resume(release.id, reason="again", by=LEAD)


def test_stopping_works_while_every_reader_is_broken(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.readings.broken = {"rate", "rise", "exposure", "incidents", "monitor"}
    house.service.hold(release.id, reason="look", by=SECURITY)
    assert house.service.cut(release.id, reason="stop", by=SECURITY).after is State.CUT


def test_people_who_stop_at_once_all_succeed(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    start = threading.Barrier(5)

    def stop() -> None:
        start.wait()
        house.service.cut(release.id, reason="stop", by=SECURITY)

    threads = [threading.Thread(target=stop) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds(house).count(Kind.CUT) == 5


def test_a_scheduled_release_opens_at_its_time_and_ends_the_one_it_replaces(house: House) -> None:
    old, _ = house.service.apply(a_plan(), by=AUTHOR)
    upstream = {"url": "http://127.0.0.1:9000/v1", "model": "atlas-2"}
    newer = a_plan(model={"name": "atlas-2", "upstream": upstream})
    with pytest.raises(ModelTaken):
        house.service.apply(newer, by=AUTHOR)
    at = house.clock.now() + timedelta(hours=3)
    new, _ = house.service.apply(newer, by=AUTHOR, at=at, replace_old=True)
    house.controller().tick()
    assert house.service.get(old.id, by=AUTHOR).state is State.LIVE
    house.clock.set(at)
    house.controller().tick()
    assert house.service.get(old.id, by=AUTHOR).state is State.WITHDRAWN
    assert house.service.get(new.id, by=AUTHOR).stage == 1
    told = {policy.release_id: policy for policy in house.service.policy()}
    assert told[new.id].stages
    assert not told[old.id].stages
    assert told[old.id].last_open, "whoever it served can be told that it was withdrawn"


def test_applying_the_same_plan_again_changes_nothing(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    assert house.service.apply(a_plan(), by=MANAGER) == (house.service.get(release.id, by=AUTHOR), None)


def test_an_edit_that_widens_what_is_open_is_refused_and_one_that_narrows_begins_nothing_afresh(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    wider = a_plan(stages=[a_stage("staff", 41), a_stage("trusted", 400), a_stage("everyone", 4000)])
    with pytest.raises(PlanWidensOpenStage):
        house.service.apply(wider, by=AUTHOR)
    narrower = a_plan(stages=[a_stage("staff", 30), a_stage("trusted", 500), a_stage("everyone", 4000)])
    after, decision = house.service.apply(narrower, by=AUTHOR)
    assert decision is not None
    assert (after.plan_revision, after.epoch("staff")) == (2, f"{release.id}/staff/1")
    assert house.service.cohort_seats(after) == {"staff": 30}


def test_an_edit_of_an_open_stages_gates_begins_its_evidence_afresh(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    stricter = a_stage("staff", 40)
    stricter["leave"] = [*stricter["leave"], {"kind": "rate", "hazard": "cyber_misuse", "below": 1e-3, "alpha": 0.02}]
    after, _ = house.service.apply(a_plan(stages=[stricter, a_stage("trusted", 400)]), by=AUTHOR)
    assert after.epoch("staff") == f"{release.id}/staff/2"


def test_a_plan_is_refused_when_the_evidence_moved_since_its_difference_was_shown(house: House) -> None:
    house.service.apply(a_plan(), by=AUTHOR)
    edited = a_plan(owner="somebody")
    token = house.service.token(edited)
    house.readings.harms["harmful_advice"] = 1
    with pytest.raises(PlanMoved):
        house.service.apply(edited, by=AUTHOR, expected=token)
    after, _ = house.service.apply(edited, by=AUTHOR, expected=house.service.token(edited))
    assert after.plan_revision == 2


def test_the_policy_says_who_is_served_under_which_epoch(house: House) -> None:
    release, _ = house.service.apply(a_plan(), by=AUTHOR)
    house.sign(release)
    house.controller().tick()
    (policy,) = house.service.policy()
    assert [(stage.who.cohort, stage.epoch) for stage in policy.stages] == [
        ("staff", f"{release.id}/staff/1"),
        ("trusted", f"{release.id}/trusted/1"),
    ]


def test_a_release_whose_trouble_is_its_own_keeps_nobody_else_waiting(house: House) -> None:
    house.service.apply(a_plan(), by=AUTHOR)
    other = a_plan(name="b", model={"name": "b", "upstream": {"url": "http://127.0.0.1:1/v1", "model": "b"}})
    house.service.apply(other, by=AUTHOR)
    house.readings.open_incidents = {"critical": 1}
    with house.engine.begin() as connection:
        name = sa.table("releases_release", sa.column("model"), sa.column("revision"))
        connection.execute(sa.update(name).where(name.c.model == "b").values(revision=7))
    tick = house.controller().tick()
    assert [decision.model for decision in tick.decisions] == ["atlas-2"]
    assert [code for _, code in tick.troubled] == ["release.moved"]
