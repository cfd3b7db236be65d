"""Gold items: mixed in unmarked, read like everything else, and never a label of traffic."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.kernel.errors import Forbidden
from headgate.safety.errors import ClaimLost, GoldInvalid, GoldItem, GoldUnknown, NotSettled
from headgate.safety.http import item_document
from headgate.safety.model import Content, Severity, Standing
from headgate.safety.sampling import gold
from headgate.safety.sampling.gold import GoldTally
from headgate.safety.service.incidents import Report
from headgate.safety.service.review import Review
from headgate.safety.store import SqlGolds, SqlReview
from headgate.testing.safety import ADA, BO, CY, EPOCH, FLAGGED_TEXT, LEAD, NOON, SafetyWorld, a_reviewer, an_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.kernel.actor import Actor
    from headgate.safety.model import ReviewItem

CYBER, ADVICE = "cyber_misuse", "harmful_advice"
ALWAYS, NEVER = bytes(8), b"\xff" * 8


class Dice:
    """Randomness of which the test decides the first throw of each hand-over: mix a gold item in, or do not."""

    def __init__(self, world: SafetyWorld) -> None:
        self._entropy = world.entropy
        self.mixes = True

    def __call__(self, count: int) -> bytes:
        if count != gold.NUMBER_BYTES:
            return self._entropy(count)
        return ALWAYS if self.mixes else NEVER


@pytest.fixture
def dice(world: SafetyWorld) -> Dice:
    dice = Dice(world)
    world.review = Review(store=SqlReview(world.engine), exchanges=world.log, entropy=dice, second_share=0.0)
    return dice


def a_body(text: str) -> Content:
    request = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    return Content(request, json.dumps({"choices": [{"message": {"role": "assistant", "content": "Sure."}}]}).encode())


def add(world: SafetyWorld, text: str = "how to fold a letter", known: Mapping[str, bool] | None = None, by: Actor = LEAD) -> str:
    return world.golds.add(a_body(text), known or {CYBER: True}, source="house collection", by=by, now=world.now)


def tally(world: SafetyWorld, hazard: str | None = CYBER) -> GoldTally:
    return world.golds.tally(EPOCH, hazard, now=world.now)


def is_gold(world: SafetyWorld, item: str) -> bool:
    return bool(SqlGolds(world.engine).among([item]))


def answer(world: SafetyWorld, item: ReviewItem, by: Actor, *harms: str) -> None:
    world.review.label(item.item, an_answer(*harms, hazards=item.hazards), revision=item.revision, by=by, now=world.now)


def test_a_gold_item_recognised_by_two_is_caught_and_counts_nowhere_as_traffic(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add(3)
    world.collect()
    before = world.labelled()
    first = world.take(ADA)
    assert is_gold(world, first.item)
    answer(world, first, ADA, CYBER)
    assert tally(world) == GoldTally(waiting=1)
    dice.mixes = False
    second = world.take(BO)
    assert second.item == first.item
    answer(world, second, BO, CYBER)
    assert tally(world) == tally(world, None) == GoldTally(shown=1, caught=1)
    assert world.labelled() == before
    assert world.sampling.audit(EPOCH, by=LEAD).misfit is None


def test_a_gold_item_that_the_first_reader_clears_is_missed(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add()
    world.collect()
    answer(world, world.take(ADA), ADA)
    dice.mixes = False
    assert tally(world) == GoldTally(shown=1, caught=0)
    assert not is_gold(world, world.take(BO).item)


def test_a_third_reader_decides_as_for_traffic(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add()
    world.collect()
    answer(world, world.take(ADA), ADA, CYBER)
    dice.mixes = False
    answer(world, world.take(BO), BO)
    assert tally(world) == GoldTally(waiting=1)
    answer(world, world.take(CY), CY, CYBER)
    assert tally(world) == GoldTally(shown=1, caught=1)


def test_each_reader_is_measured_alone_too(world: SafetyWorld, dice: Dice) -> None:
    for number in range(2):
        add(world, f"known harm {number}")
    add(world, "a recipe for bread", {CYBER: False})
    world.log.add(3)
    world.collect()
    assert dice.mixes
    for by, harms in ((ADA, [CYBER]), (BO, []), (CY, [])):
        for _ in range(3):
            answer(world, world.take(by), by, *harms)
    found = {reader.reviewer: (reader.shown, reader.recognised) for reader in world.golds.readers(EPOCH, by=LEAD)}
    assert found[ADA.id] == (2, 2)
    assert found[BO.id] == (2, 0)
    with pytest.raises(Forbidden):
        world.golds.readers(EPOCH, by=ADA)


def test_what_cannot_be_reviewed_counts_as_caught_because_it_counts_as_harm(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add()
    world.collect()
    assert dice.mixes
    item = world.take(ADA)
    world.review.label(item.item, replace(an_answer(), harms=None), revision=item.revision, by=ADA, now=world.now)
    assert tally(world) == GoldTally(shown=1, caught=1)


def test_nothing_that_a_reviewer_is_handed_tells_gold_from_traffic(world: SafetyWorld, dice: Dice) -> None:
    add(world, FLAGGED_TEXT)
    world.log.add(2, text=FLAGGED_TEXT, answer="Sure.")
    world.collect()
    dice.mixes = False
    traffic = item_document(world.take(ADA))
    dice.mixes = True
    known = world.take(BO)
    assert is_gold(world, known.item)
    document = item_document(known)
    assert document.keys() == traffic.keys()
    differing = {key for key in document if document[key] != traffic[key]}
    assert differing <= {"item", "at"}
    assert document["flagged"]
    assert document["signals"] == traffic["signals"]
    following = world.log.exchanges[1]
    assert document["at"] == following.at.isoformat()
    assert known.item.startswith("ex_")


def test_the_queue_and_the_ledger_tell_no_reader_which_item_is_gold_before_it_is_done(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add(2)
    world.collect()
    item = world.take(ADA)
    dice.mixes = False
    other = world.take(BO)
    lines = {line.item: line for line in world.review.queue(by=ADA, now=world.now)}
    assert replace(lines[item.item], item="", at=NOON) == replace(lines[other.item], item="", at=NOON)
    answer(world, item, ADA, CYBER)
    answer(world, other, BO, CYBER)
    said = [(entry.kind, entry.subject, sorted(entry.body)) for entry in world.ledger() if entry.kind.startswith("label.")]
    assert [(kind, keys) for kind, subject, keys in said if subject == item.item] == [
        (kind, keys) for kind, subject, keys in said if subject == other.item
    ]
    assert not [entry for entry in world.ledger() if entry.kind == "gold.judged"]
    read = [entry for entry in world.ledger() if entry.kind == "content.read"]
    assert [(entry.subject, entry.actor, entry.body) for entry in read] == [(item.item, ADA.id, {"why": "review"})]


def test_the_ledger_says_afterwards_what_was_gold_and_what_became_of_it(world: SafetyWorld, dice: Dice) -> None:
    gold_id = add(world)
    world.log.add()
    world.collect()
    item = world.take(ADA)
    answer(world, item, ADA)
    dice.mixes = False
    entries = {entry.kind: entry for entry in world.ledger()}
    assert entries["gold.judged"].subject == item.item
    assert entries["gold.judged"].body["gold"] == gold_id
    assert entries["gold.judged"].body["hazards"] == dict.fromkeys(item.hazards, Standing.NO_HARM.value)
    assert entries["gold.added"].subject == gold_id
    assert list(entries["gold.added"].body) == ["sealed"]
    assert "label.confirmed" not in entries


def test_one_is_shown_once_in_an_epoch_never_twice_to_one_reader_and_never_to_whoever_added_it(
    world: SafetyWorld, dice: Dice
) -> None:
    add(world)
    world.log.add(2)
    world.log.add(2, epoch="rel_a/staff/2")
    world.collect()
    assert dice.mixes
    assert not is_gold(world, world.take(LEAD).item)
    first = world.take(ADA)
    assert is_gold(world, first.item)
    answer(world, first, ADA)
    for reader in (ADA, BO):
        while (item := world.review.next(by=reader, now=world.now)) is not None:
            if is_gold(world, item.item):
                assert (reader, item.epoch) == (BO, "rel_a/staff/2")
            answer(world, item, reader)
    assert tally(world).shown == 1


def test_no_gold_item_makes_work_where_nothing_waits_and_none_comes_while_an_item_is_in_hand(
    world: SafetyWorld, dice: Dice
) -> None:
    add(world)
    assert world.review.next(by=ADA, now=world.now) is None
    world.log.add(2)
    world.collect()
    dice.mixes = False
    held = world.take(ADA)
    dice.mixes = True
    assert world.take(ADA).item == held.item


def test_one_whose_hazards_the_release_does_not_ask_for_is_not_shown(world: SafetyWorld, dice: Dice) -> None:
    add(world, known={CYBER: True, "bioweapons": True})
    world.log.add()
    world.collect()
    assert dice.mixes
    assert not is_gold(world, world.take(ADA).item)


def test_two_reviewers_at_once_are_never_handed_one_gold_item_together(world: SafetyWorld, dice: Dice) -> None:
    for number in range(4):
        add(world, f"known harm {number}")
    world.log.add(40)
    world.collect()
    assert dice.mixes
    handed: list[str] = []
    lock = threading.Lock()

    def sit(by: Actor) -> None:
        for _ in range(3):
            try:
                item = world.review.next(by=by, now=world.now)
            except ClaimLost:
                continue
            assert item is not None
            with lock:
                handed.append(item.item)
            answer(world, item, by)

    threads = [threading.Thread(target=sit, args=(a_reviewer(f"r{number}"),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handed) == len(set(handed)) == 12
    assert len(SqlGolds(world.engine).shown(EPOCH)) == 4
    assert tally(world) == GoldTally(shown=4)


def test_results_count_in_the_order_shown_up_to_the_first_that_waits_and_an_old_one_counts_as_missed(
    world: SafetyWorld, dice: Dice
) -> None:
    for number in range(3):
        add(world, f"known harm {number}")
    world.log.add(9)
    world.collect()
    waiting = world.take(ADA)
    answer(world, waiting, ADA, CYBER)
    world.now += timedelta(seconds=1)
    answer(world, world.take(BO), BO)
    dice.mixes = False
    assert tally(world) == GoldTally(waiting=2)
    world.now += timedelta(days=14)
    assert tally(world) == GoldTally(shown=2, caught=0)
    answer(world, world.take(BO), BO, CYBER)
    assert tally(world) == GoldTally(shown=2, caught=1)


def test_a_known_harmless_item_measures_false_alarms(world: SafetyWorld, dice: Dice) -> None:
    add(world, "a recipe for bread", {CYBER: False, ADVICE: True})
    world.log.add()
    world.collect()
    assert dice.mixes
    answer(world, world.take(ADA), ADA)
    assert tally(world) == GoldTally(harmless=1, cleared=1)
    assert tally(world, ADVICE) == GoldTally(shown=1)
    assert tally(world, "other") == GoldTally()


def test_a_miss_stays_a_miss_when_its_answer_is_taken_back_because_the_ledger_has_told_by_then(
    world: SafetyWorld, dice: Dice
) -> None:
    add(world)
    world.log.add()
    world.collect()
    item = world.take(ADA)
    answer(world, item, ADA)
    assert world.review.undo(by=ADA, now=world.now) == item.item
    dice.mixes = False
    again = world.take(ADA)
    assert again.item == item.item
    answer(world, again, ADA, CYBER)
    answer(world, world.take(BO), BO, CYBER)
    assert tally(world) == GoldTally(shown=1, caught=0)
    assert [entry.kind for entry in world.ledger()].count("gold.judged") == 1


def test_a_recognition_that_is_taken_back_waits_again(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add()
    world.collect()
    answer(world, world.take(ADA), ADA, CYBER)
    dice.mixes = False
    item = world.take(BO)
    answer(world, item, BO, CYBER)
    assert tally(world) == GoldTally(shown=1, caught=1)
    assert world.review.undo(by=BO, now=world.now) == item.item
    assert tally(world) == GoldTally(waiting=1)
    answer(world, world.take(BO), BO)
    answer(world, world.take(CY), CY)
    assert tally(world) == GoldTally(shown=1, caught=0)


def test_a_gold_label_is_not_corrected_and_a_gold_item_is_no_incident(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add()
    world.collect()
    assert dice.mixes
    item = world.take(ADA)
    harms = dict.fromkeys(item.hazards, False)
    with pytest.raises(NotSettled):
        world.review.correct(item.item, harms, severity=None, reason="no", by=LEAD, now=world.now)
    answer(world, item, ADA)
    with pytest.raises(GoldItem):
        world.review.correct(item.item, harms, severity=None, reason="no", by=LEAD, now=world.now)
    report = Report("rel_a", Severity.CRITICAL, "It told somebody how", CYBER, world.now, (item.item,))
    with pytest.raises(GoldItem):
        world.incidents.open(report, by=ADA, now=world.now)
    assert not world.incidents.list(by=LEAD)


def test_agreement_and_confirmations_leave_gold_out(world: SafetyWorld, dice: Dice) -> None:
    add(world)
    world.log.add()
    world.collect()
    answer(world, world.take(ADA), ADA, CYBER)
    dice.mixes = False
    answer(world, world.take(BO), BO, CYBER)
    health = world.review.health(by=LEAD, now=world.now)
    assert (health.positives_checked, health.double_reviewed, health.kappa, health.agreement) == (0, 0, None, ())
    assert {count.reviewer: count.labels for count in health.reviewers} == {ADA.id: 1, BO.id: 1}


def test_blind_doubles_agree_hazard_by_hazard(world: SafetyWorld) -> None:
    world.sampling = world.a_sampling(second_share=1.0)
    world.log.add(4)
    world.collect()
    for reader in (ADA, BO):
        for number in range(4):
            answer(world, world.take(reader), reader, *([CYBER] if number == 0 else []), *([ADVICE] if reader is BO else []))
    found = {one.hazard: one for one in world.review.health(by=LEAD, now=world.now).agreement}
    assert (found[CYBER].pairs, found[CYBER].agreed, found[CYBER].kappa) == (4, 4, 1.0)
    assert (found[ADVICE].pairs, found[ADVICE].agreed) == (4, 0)
    assert found["other"].kappa is found["other"].alpha is None


def test_a_stock_is_kept_by_those_who_answer_for_safety_and_not_by_readers(world: SafetyWorld) -> None:
    acts: list[Callable[[], object]] = [
        lambda: add(world, by=ADA),
        lambda: world.golds.list(by=ADA),
        lambda: world.golds.retire("gold_x", by=ADA, now=world.now),
    ]
    for act in acts:
        with pytest.raises(Forbidden):
            act()
    gold_id = add(world)
    (line,) = world.golds.list(by=LEAD)
    assert (line.id, line.known, line.source, line.shown, line.retired) == (gold_id, {CYBER: True}, "house collection", 0, False)
    world.golds.retire(gold_id, by=LEAD, now=world.now)
    world.golds.retire(gold_id, by=LEAD, now=world.now)
    assert world.golds.list(by=LEAD) == ()
    assert world.golds.list(by=LEAD, retired=True)[0].retired
    with pytest.raises(GoldUnknown):
        world.golds.retire("gold_x", by=LEAD, now=world.now)
    assert [entry.kind for entry in world.ledger()] == ["gold.added", "gold.retired"]


def test_what_cannot_measure_anybody_is_refused(world: SafetyWorld) -> None:
    for content, known, source in (
        (a_body("x"), {}, "s"),
        (a_body("x"), {" ": True}, "s"),
        (Content(b"", b"{}"), {CYBER: True}, "s"),
        (Content(b"{}", b" "), {CYBER: True}, "s"),
        (Content(b"x" * 3_000_000, b"{}"), {CYBER: True}, "s"),
        (a_body("x"), {CYBER: True}, " "),
        (a_body("x"), {CYBER: True}, "two\nlines"),
    ):
        with pytest.raises(GoldInvalid):
            world.golds.add(content, known, source=source, by=LEAD, now=world.now)
    add(world)
    with pytest.raises(GoldInvalid):
        add(world, known={ADVICE: True})


def test_about_one_reading_in_twenty_is_of_a_gold_item() -> None:
    chance = sum(gold.mixes_in((number << 48).to_bytes(8)) for number in range(1 << 16)) / (1 << 16)
    read_twice = gold.READINGS_EACH * chance / (gold.READINGS_EACH * chance + 1 - chance)
    assert read_twice == pytest.approx(0.05, abs=1e-3)
    assert [gold.place_of(number, 3) for number in (ALWAYS, NEVER)] == [0, 2]
