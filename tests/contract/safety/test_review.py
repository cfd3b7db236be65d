from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.kernel.errors import Forbidden
from headgate.safety.errors import ClaimLost, LabelInvalid, NothingToUndo, NotSettled
from headgate.safety.model import Harm, Severity
from headgate.safety.service.review import Answer
from headgate.testing.safety import ADA, AUDITOR, BO, CY, EPOCH, FLAGGED_TEXT, LEAD, SafetyWorld, a_reviewer, an_answer

if TYPE_CHECKING:
    from headgate.kernel.actor import Actor

CYBER, ADVICE = "cyber_misuse", "harmful_advice"


def test_items_come_in_the_order_of_sampling_with_their_texts_and_every_reading_is_told_to_the_log(world: SafetyWorld) -> None:
    world.log.add(text="first")
    world.log.add(text=FLAGGED_TEXT)
    world.collect()

    first = world.take()
    assert first.texts is not None
    assert first.texts.prompt is not None
    assert (first.texts.prompt[0].text, first.flagged, first.left) == ("first", False, 2)
    assert first.hazards == (CYBER, ADVICE, "other")
    assert world.log.reads == [(first.item, ADA.id)]

    second = world.take(BO)
    assert second.item != first.item
    assert second.flagged
    assert second.signals[0].rule_id == "cyber.write-malware"


def test_a_reviewer_who_asks_again_gets_the_same_item(world: SafetyWorld) -> None:
    world.log.add(3)
    world.collect()
    assert world.take().item == world.take().item


def test_no_harm_stands_on_one_opinion(world: SafetyWorld) -> None:
    world.log.add(2)
    world.collect()
    world.answer(ADA)
    found = world.labelled()
    assert (found.frontier, found.labels, found.harms, found.pending) == (1, 1, (), 1)


def test_a_harm_waits_for_a_second_reviewer_and_stands_when_they_agree(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    item = world.answer(ADA, CYBER)
    assert world.labelled(CYBER).frontier == 0
    assert world.labelled(ADVICE).frontier == 1
    assert world.review.next(by=ADA, now=world.now) is None

    assert world.answer(BO, CYBER) == item
    assert world.labelled(CYBER).harms == (Harm(1.0, 1.0),)


def test_a_disagreement_is_decided_by_a_third_opinion(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    world.answer(ADA, CYBER)
    world.answer(BO)
    assert world.labelled().pending == 1
    world.answer(CY)
    found = world.labelled()
    assert (found.harms, found.frontier) == ((), 1)


def test_a_second_opinion_reopens_what_the_first_found_harmless(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    world.answer(ADA, CYBER)
    world.answer(BO, CYBER, ADVICE)
    assert world.labelled(CYBER).frontier == 1
    assert world.labelled(ADVICE).frontier == 0
    world.answer(CY, ADVICE)
    assert len(world.labelled(CYBER).harms) == 1
    assert len(world.labelled(ADVICE).harms) == 1


def test_nothing_that_a_reviewer_is_handed_differs_after_a_first_opinion(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    before = asdict(world.take(BO))
    world.review.skip(before["item"], revision=before["revision"], by=BO, now=world.now)
    world.answer(ADA, CYBER)
    after = asdict(world.take(CY))
    moving = {"revision", "lease_until"}
    assert {key: value for key, value in before.items() if key not in moving} == {
        key: value for key, value in after.items() if key not in moving
    }


def test_the_ledger_does_not_say_what_a_first_opinion_found_and_never_holds_a_note(world: SafetyWorld) -> None:
    world.log.add(text="a private question")
    world.collect()
    item = world.take()
    answer = Answer({CYBER: True, ADVICE: False, "other": False}, Severity.HIGH, note="they asked about the dam")
    world.review.label(item.item, answer, revision=item.revision, by=ADA, now=world.now)
    given = [entry for entry in world.ledger() if entry.kind == "label.given"]
    assert set(given[0].body) == {"epoch", "position", "opinion"}
    assert "label.confirmed" not in [entry.kind for entry in world.ledger()]

    world.answer(BO, CYBER)
    confirmed = world.ledger()[-1]
    assert confirmed.kind == "label.confirmed"
    assert confirmed.body["hazards"] == {CYBER: "harm", ADVICE: "no_harm", "other": "no_harm"}
    everything = repr(world.ledger())
    assert "dam" not in everything
    assert "private question" not in everything


def test_an_unreviewable_item_counts_as_harm_for_every_hazard_at_once(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    item = world.take()
    world.review.label(item.item, Answer(None), revision=item.revision, by=ADA, now=world.now)
    for hazard in item.hazards:
        assert len(world.labelled(hazard).harms) == 1
    assert world.review.next(by=BO, now=world.now) is None


def test_an_item_whose_content_is_gone_is_still_handed_over(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    world.log.bodies.clear()
    assert world.take().texts is None


def test_a_lease_that_ran_out_gives_the_item_to_the_next_and_the_old_answer_is_refused(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    mine = world.take(ADA)
    assert world.review.next(by=BO, now=world.now) is None
    world.now = mine.lease_until
    theirs = world.take(BO)
    assert theirs.item == mine.item
    with pytest.raises(ClaimLost):
        world.review.label(mine.item, an_answer(), revision=mine.revision, by=ADA, now=world.now)


def test_an_answer_after_the_lease_counts_when_nobody_took_the_item(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    mine = world.take(ADA)
    world.now = mine.lease_until + timedelta(hours=1)
    world.review.label(mine.item, an_answer(), revision=mine.revision, by=ADA, now=world.now)
    assert world.labelled().frontier == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer({CYBER: False}),
        Answer({CYBER: False, ADVICE: False, "other": False, "made_up": False}),
        Answer({CYBER: True, ADVICE: False, "other": False}),
        Answer({CYBER: False, ADVICE: False, "other": False}, Severity.LOW),
        Answer({CYBER: False, ADVICE: False, "other": False}, note="x" * 5000),
    ],
)
def test_a_label_that_does_not_answer_is_refused_and_the_item_stays_in_hand(world: SafetyWorld, answer: Answer) -> None:
    world.log.add()
    world.collect()
    item = world.take()
    with pytest.raises(LabelInvalid):
        world.review.label(item.item, answer, revision=item.revision, by=ADA, now=world.now)
    world.review.label(item.item, an_answer(), revision=item.revision, by=ADA, now=world.now)


def test_a_skipped_item_goes_to_somebody_else_and_never_back(world: SafetyWorld) -> None:
    world.log.add(2)
    world.collect()
    first = world.take()
    world.review.skip(first.item, revision=first.revision, by=ADA, now=world.now)
    assert world.take(ADA).item != first.item
    assert world.take(BO).item == first.item
    assert "review.skipped" in [entry.kind for entry in world.ledger()]


def test_undo_takes_the_last_label_back_and_the_item_is_in_hand_again(world: SafetyWorld) -> None:
    world.log.add(2)
    world.collect()
    item = world.answer(ADA)
    assert world.labelled().frontier == 1
    assert world.review.undo(by=ADA, now=world.now) == item
    assert world.labelled().frontier == 0
    assert world.answer(ADA, CYBER) == item
    assert world.answer(BO, CYBER) == item
    assert len(world.labelled().harms) == 1
    assert [entry.kind for entry in world.ledger()].count("label.undone") == 1


def test_undo_is_refused_once_somebody_built_on_the_label(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    with pytest.raises(NothingToUndo):
        world.review.undo(by=ADA, now=world.now)
    world.answer(ADA, CYBER)
    world.take(BO)
    with pytest.raises(NothingToUndo):
        world.review.undo(by=ADA, now=world.now)
    world.answer(BO, CYBER)
    with pytest.raises(NothingToUndo):
        world.review.undo(by=ADA, now=world.now)


def test_undo_ends_with_the_session(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    world.answer(ADA)
    with pytest.raises(NothingToUndo):
        world.review.undo(by=ADA, now=world.now + timedelta(hours=1))


def test_a_correction_moves_the_evidence_and_says_so(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    item = world.answer(ADA)
    world.review.correct(
        item, {CYBER: True, ADVICE: False, "other": False}, severity=Severity.HIGH, reason="missed it", by=BO, now=world.now
    )
    assert len(world.labelled().harms) == 1
    entry = world.ledger()[-1]
    assert entry.kind == "label.corrected"
    assert entry.body["changed"] == {CYBER: ["no_harm", "harm"]}
    assert "missed" not in repr(entry)

    none = {CYBER: False, ADVICE: False, "other": False}
    with pytest.raises(Forbidden):
        world.review.correct(item, none, severity=None, reason="no", by=CY, now=world.now)
    world.review.correct(item, none, severity=None, reason="it was a quotation", by=LEAD, now=world.now)
    assert world.labelled().harms == ()
    with pytest.raises(NothingToUndo):
        world.review.undo(by=ADA, now=world.now)


def test_what_is_still_being_reviewed_cannot_be_corrected(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    item = world.answer(ADA, CYBER)
    none = {CYBER: False, ADVICE: False, "other": False}
    with pytest.raises(NotSettled):
        world.review.correct(item, none, severity=None, reason="why not", by=LEAD, now=world.now)


def test_only_reviewers_review(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    with pytest.raises(Forbidden):
        world.review.next(by=AUDITOR, now=world.now)
    assert len(world.review.queue(by=AUDITOR, now=world.now)) == 1


def test_two_reviewers_at_once_never_hold_the_same_item(world: SafetyWorld) -> None:
    world.log.add(40)
    world.collect()
    taken: list[str] = []
    failures: list[BaseException] = []

    def work(by: Actor) -> None:
        try:
            while (item := world.review.next(by=by, now=world.now)) is not None:
                taken.append(item.item)
                world.review.label(item.item, an_answer(), revision=item.revision, by=by, now=world.now)
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(a_reviewer(f"r{number}"),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 40
    assert world.labelled().frontier == 40


def test_health_counts_the_backlog_and_measures_agreement(world: SafetyWorld) -> None:
    world.sampling = world.a_sampling(second_share=1.0)
    world.log.add(4)
    world.collect()
    for harms in ((), (CYBER,), (), ()):
        world.answer(ADA, *harms)
    for harms in ((), (CYBER,), (CYBER,), ()):
        world.answer(BO, *harms)
    health = world.review.health(by=ADA, now=world.now)
    assert health.backlog == 1
    assert health.double_reviewed == 4
    assert health.kappa == pytest.approx(0.625)
    assert (health.positives_checked, health.positives_confirmed) == (1, 1)
    assert [(count.reviewer, count.labels) for count in health.reviewers] == [(ADA.id, 4), (BO.id, 4)]
    assert health.oldest_age == timedelta(seconds=8)
    assert EPOCH in {line.epoch for line in world.review.queue(by=ADA, now=world.now)}
