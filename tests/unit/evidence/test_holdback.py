"""Comparing a stage's people with those who are held back: what it says, what it leaves open, and that it replays."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from headgate.adapters.database import open_sqlite
from headgate.evidence.cli import commands
from headgate.evidence.cli.session import Session
from headgate.evidence.decide.holdback import read_comparison, share_of
from headgate.evidence.errors import NotEvidence, RuleChanged
from headgate.evidence.model.holdback import Compared, HoldbackDay, HoldbackRule
from headgate.evidence.service import Evidence
from headgate.evidence.service.holdback import HeldBack
from headgate.evidence.store import EvidenceStore
from headgate.evidence.wire import encode
from headgate.evidence.wire.holdback import holdback_inputs, replay_holdback
from headgate.kernel.actor import Actor, Role
from headgate.kernel.errors import Forbidden
from headgate.migrations.tables import TABLES
from headgate.stats import holdback
from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

EPOCH = "rel_1/broad/1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = HoldbackRule(("harm", "leak"), 0.5, timedelta(days=7), 0.05)
LEAD = Actor.staff("stf_lin", "Lin", frozenset({Role.SAFETY_LEAD}))
STRANGER = Actor.staff("stf_sam", "Sam", frozenset())


def a_day(number: int = 1, **changed: Any) -> HoldbackDay:
    day = HoldbackDay(f"2026-03-{number:02d}", 50, 50, 500, 500, 0, 0)
    return replace(day, **changed)


def both(*days: HoldbackDay, leak: tuple[HoldbackDay, ...] = ()) -> tuple[Compared, ...]:
    return Compared("harm", days), Compared("leak", leak)


RISEN = both(a_day(1, new_harms=9), a_day(2, new_harms=5))
QUIET = both(a_day(1, new_harms=3, old_harms=2))


def test_a_rise_is_shown_once_a_hazards_stake_reaches_its_part_of_alpha() -> None:
    reading = read_comparison(RISEN, RULE)
    assert reading.threshold_log_e == pytest.approx(math.log(2 / 0.05))
    harm, leak = reading.hazards
    assert harm.log_e == pytest.approx(float(holdback.log_e(14, 0, 0.5)), abs=1e-12)
    assert (harm.risen, leak.risen, reading.risen) == (True, False, True)
    assert (harm.new_harms, harm.old_harms, harm.share, leak.share) == (14, 0, 0.5, None)
    assert (reading.days, reading.new_units, reading.old_units) == (2, 50, 50)
    assert reading.sentence == (
        "New access raised harm, over 2 days: harm by 14 units with the new access, at 50% of the exposure, and by 0 held back."
    )
    assert "How much it rose: only that it did." in reading.not_shown


def test_no_rise_is_not_called_safety() -> None:
    reading = read_comparison(QUIET, RULE)
    assert not reading.risen
    assert reading.sentence.startswith("No rise over the held back is shown, over 1 day: harm by 3 units")
    assert reading.not_shown[0].startswith("That harm and leak did not rise: a rise that is not shown may be there")
    assert any("after their first 7d00h" in line for line in reading.not_shown)


def test_nobody_and_nothing_are_said_apart() -> None:
    assert read_comparison(both(), RULE).sentence == "Nobody has been compared yet."
    alone = both(a_day(old_units=0, old_exchanges=0, new_harms=9))
    assert not read_comparison(alone, RULE).risen  # without the other side nine harms say nothing
    assert read_comparison(both(a_day()), RULE).sentence.endswith("no harm is confirmed on either side.")


@pytest.mark.parametrize(
    ("day", "share"),
    [
        (a_day(), 0.5),
        (a_day(new_units=90, old_units=10), 0.9),
        (a_day(new_exchanges=1500), 0.75),
        (a_day(new_exchanges=50, old_exchanges=5000), 0.5),
        (a_day(old_units=0, old_exchanges=0), 1.0),
        (a_day(new_units=0, new_exchanges=0), 0.0),
        (a_day(new_units=0, new_exchanges=0, old_units=0, old_exchanges=0), 0.0),
    ],
    ids=["alike", "more people", "more use", "one busy unit held back", "nobody held back", "nobody let in", "nobody"],
)
def test_neither_more_people_nor_more_use_is_a_rise_and_a_busy_unit_on_the_old_side_feigns_none(
    day: HoldbackDay, share: float
) -> None:
    assert share_of(day) == pytest.approx(share)


SIDES = st.integers(0, 40).flatmap(
    lambda units: st.tuples(st.just(units), st.integers(units, 400) if units else st.just(0), st.integers(0, units))
)


@given(st.lists(st.tuples(SIDES, SIDES), max_size=5))
def test_a_comparison_replays_from_its_inputs_to_the_same(days: list[tuple[tuple[int, int, int], tuple[int, int, int]]]) -> None:
    made = tuple(
        HoldbackDay(f"2026-03-{number:02d}", new[0], old[0], new[1], old[1], new[2], old[2])
        for number, (new, old) in enumerate(days, start=1)
    )
    compared = both(*made, leak=made[:2])
    inputs = json.loads(json.dumps(holdback_inputs(compared, RULE)))
    assert encode(replay_holdback(inputs)) == encode(read_comparison(compared, RULE))


@given(SIDES, SIDES)
def test_one_more_harm_among_the_held_back_never_makes_a_rise_look_larger(
    new: tuple[int, int, int], old: tuple[int, int, int]
) -> None:
    day = HoldbackDay("2026-03-01", new[0], old[0] + 1, new[1], old[1] + 1, new[2], old[2])
    more = replace(day, old_harms=day.old_harms + 1)
    before, after = (read_comparison(both(each), RULE).hazards[0].log_e for each in (day, more))
    assert after <= before


@pytest.mark.parametrize(
    ("compared", "rule"),
    [
        (both(a_day(new_harms=51)), RULE),
        (both(a_day(new_harms=-1)), RULE),
        (both(a_day(new_exchanges=49)), RULE),
        (both(a_day(old_units=0)), RULE),
        (both(a_day(2), a_day(1)), RULE),
        (both(a_day(1), a_day(1)), RULE),
        (both()[:1], RULE),
        (both()[::-1], RULE),
        (both(), replace(RULE, share=1.0)),
        (both(), replace(RULE, alpha=0.0)),
        (both(), replace(RULE, window=timedelta(0))),
        ((), replace(RULE, hazards=())),
        ((*both(), *both()), replace(RULE, hazards=("harm", "leak", "harm", "leak"))),
    ],
)
def test_what_contradicts_itself_is_not_compared(compared: tuple[Compared, ...], rule: HoldbackRule) -> None:
    with pytest.raises(NotEvidence, match="Nothing is compared"):
        read_comparison(compared, rule)


@pytest.mark.parametrize("key", ["format", "kind", "rule", "compared"])
def test_inputs_that_lack_anything_are_refused(key: str) -> None:
    inputs = holdback_inputs(QUIET, RULE)
    del inputs[key]
    with pytest.raises(NotEvidence):
        replay_holdback(inputs)


class Sides:
    """Both sides of one epoch, as a test has them."""

    def __init__(self) -> None:
        self.seen = QUIET

    def epoch(self, named: str) -> str:
        return EPOCH if named == "atlas" else named

    def rule(self, epoch: str) -> HoldbackRule | None:
        return RULE if epoch == EPOCH else None

    def compared(self, epoch: str, rule: HoldbackRule) -> tuple[Compared, ...]:
        assert (epoch, rule.hazards) == (EPOCH, RULE.hazards)
        return self.seen


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = open_sqlite(tmp_path / "headgate.db")
    for metadata in TABLES:
        metadata.create_all(made)
    yield made
    made.dispose()


def test_an_alarm_once_raised_stays_is_kept_and_replays(engine: sa.Engine) -> None:
    sides, records, clock = Sides(), EvidenceStore(engine), FixedClock(NOON)
    held_back = HeldBack(sides, records, clock)
    assert not held_back.alarm(EPOCH, "holdback", RULE).reading.risen
    sides.seen = RISEN
    raised = held_back.alarm(EPOCH, "holdback", RULE)
    assert raised.reading.risen
    sides.seen = QUIET  # labels were corrected: a release that was stopped goes on by a person's word, not by that
    assert held_back.alarm(EPOCH, "holdback", RULE) == raised
    assert not held_back.now(EPOCH, by=LEAD).reading.risen
    alarm = records.alarm(EPOCH, "holdback")
    assert alarm is not None
    assert alarm.raised is not None
    replay = Evidence(cast("Any", None), records, clock).replay(alarm.raised)
    assert replay.agrees
    assert replay.kept.kind == "holdback"


def test_a_rule_that_changes_on_the_way_is_refused(engine: sa.Engine) -> None:
    held_back = HeldBack(Sides(), EvidenceStore(engine), FixedClock(NOON))
    held_back.alarm(EPOCH, "holdback", RULE)
    with pytest.raises(RuleChanged):
        held_back.alarm(EPOCH, "holdback", replace(RULE, alpha=0.1))


def command(*words: str, by: Actor = LEAD) -> str:
    nothing = cast("Any", None)
    held_back = HeldBack(Sides(), nothing, nothing)
    session = Session(nothing, nothing, nothing, held_back, nothing, by)
    done = CliRunner().invoke(commands(lambda: session), ["holdback", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_compares_a_stage_by_its_own_lots() -> None:
    told = command(EPOCH)
    assert told.startswith("No rise over the held back is shown, over 1 day")
    assert "harm: 3 new, 2 held back; 50.0% of the exposure is new; stake " in told
    assert "leak: 0 new, 0 held back; nobody exposed; stake 0.000 of 3.689 nats" in told
    assert "Not shown:\n- That harm and leak did not rise" in told
    assert command("atlas") == told
    assert json.loads(command(EPOCH, "--json")) == encode(read_comparison(QUIET, RULE))


def test_the_command_still_reads_counts_that_are_given() -> None:
    assert "No rise with the new access is shown: 3 harms" in command("--new", "3", "--old", "1", "--share", "0.5")


@pytest.mark.parametrize("words", [[], ["--new", "3"], [EPOCH, "--new", "3", "--old", "1"]])
def test_half_a_question_is_refused(words: list[str]) -> None:
    with pytest.raises(NotEvidence, match="Either a stage is compared"):
        command(*words)


def test_without_a_holdback_the_command_says_that_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(NotEvidence, match=r"Nobody is held back from rel_1/staff/1\. Descriptive only"):
        command("rel_1/staff/1")


def test_who_may_not_look_is_not_shown_it() -> None:
    with pytest.raises(Forbidden):
        command(EPOCH, by=STRANGER)
