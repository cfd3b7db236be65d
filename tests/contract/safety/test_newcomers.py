"""Who came to an epoch, in which order, and what the sample of their first days showed."""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from headgate.adapters.database import open_sqlite
from headgate.ledger import store as ledger
from headgate.safety.errors import HazardUnknown, LabelInvalid
from headgate.safety.model import D_MAX, OTHER, Severity
from headgate.safety.sampling.newcomers import FIRST_DAYS, Newcomers, Shown
from headgate.safety.sampling.probability import WatchPlan
from headgate.safety.service.review import Answer
from headgate.safety.store import SqlSampling, metadata
from headgate.safety.store.tables import newcomers
from headgate.testing.safety import ADA, BO, EPOCH, HAZARDS, LEAD, SafetyWorld, an_answer

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.kernel.actor import Actor

HAZARD = HAZARDS[0]
DAY = timedelta(days=1)


def who_came(world: SafetyWorld, hazard: str = OTHER) -> Newcomers:
    return SqlSampling(world.engine).newcomers(EPOCH, hazard, now=world.now, d_max=D_MAX)


def arrive(world: SafetyWorld, *accounts: str) -> None:
    """Let these accounts ask something each, in this order, and draw what they asked."""
    for account in accounts:
        world.log.add()
        world.log.exchanges[-1] = structs.replace(world.log.exchanges[-1], account_id=account)
    world.collect()


def say(world: SafetyWorld, by: Actor, answer: Answer) -> str:
    item = world.take(by)
    world.review.label(item.item, answer, revision=item.revision, by=by, now=world.now)
    return item.item


def other(kind: str | None) -> Answer:
    return replace(an_answer(OTHER), kind=kind)


def test_accounts_count_when_their_first_days_are_over_in_the_order_in_which_they_came(world: SafetyWorld) -> None:
    arrive(world, "cy", "ada", "cy")
    world.now += DAY
    arrive(world, "bo", "ada")
    for _ in range(5):
        world.answer(ADA)
    assert who_came(world) == Newcomers(EPOCH, OTHER, (), ("cy", "ada", "bo"), 0)
    world.now += FIRST_DAYS - DAY
    seen = who_came(world)
    assert [(who.account_id, who.exchanges, who.labels, who.pi0) for who in seen.counted] == [
        ("cy", 2, 2, 1.0),
        ("ada", 2, 2, 1.0),
    ]
    assert seen.waiting == ("bo",)


def test_an_account_that_still_waits_holds_up_whoever_came_after(world: SafetyWorld) -> None:
    arrive(world, "ada", "bo")
    first = world.take(ADA)
    world.answer(BO)
    world.now += FIRST_DAYS
    held = who_came(world)
    assert (held.counted, held.waiting, held.pending) == ((), ("ada", "bo"), 1)
    world.review.label(first.item, an_answer(), revision=first.revision, by=ADA, now=world.now)
    assert [who.account_id for who in who_came(world).counted] == ["ada", "bo"]


def test_what_comes_after_the_first_days_is_not_theirs(world: SafetyWorld) -> None:
    arrive(world, "ada")
    world.answer(ADA)
    world.now += FIRST_DAYS
    arrive(world, "ada", "bo")
    say(world, ADA, other("swatting"))
    say(world, BO, other("swatting"))
    seen = who_came(world)
    assert [(who.account_id, who.exchanges, who.shown) for who in seen.counted] == [("ada", 1, ())]
    assert seen.waiting == ("bo",)


def test_a_harm_is_called_what_those_who_found_it_call_it(world: SafetyWorld) -> None:
    arrive(world, "ada", "bo", "cy")
    for kind in ("swatting", None, None):
        say(world, ADA, other(kind))
    for kind in ("hoax_calls", "doxxing", None):
        say(world, BO, other(kind))
    world.now += FIRST_DAYS
    kinds = [who.shown for who in who_came(world).counted]
    assert kinds == [(Shown(1.0, True, ("hoax_calls", "swatting")),), (Shown(1.0, True, ("doxxing",)),), (Shown(1.0, True),)]


def test_a_correction_names_it_anew(world: SafetyWorld) -> None:
    arrive(world, "ada")
    say(world, ADA, other("swating"))
    item = say(world, BO, other("swatting"))
    harms = an_answer(OTHER).harms
    assert harms is not None
    world.review.correct(item, harms, severity=Severity.HIGH, reason="spelling", by=LEAD, now=world.now, kind="swatting")
    world.now += FIRST_DAYS
    assert who_came(world).counted[0].shown == (Shown(1.0, True, ("swatting",)),)


def test_what_nobody_can_tell_or_tells_in_time_is_shown_and_not_confirmed(world: SafetyWorld) -> None:
    arrive(world, "ada", "bo")
    say(world, ADA, Answer(None))
    world.now += FIRST_DAYS
    assert [who.shown for who in who_came(world).counted] == [(Shown(1.0, False),)]
    world.now += D_MAX
    assert [who.shown for who in who_came(world).counted] == [(Shown(1.0, False),), (Shown(1.0, False),)]


def test_each_hazard_has_its_own_harms(world: SafetyWorld) -> None:
    arrive(world, "ada")
    say(world, ADA, an_answer(HAZARD))
    say(world, BO, an_answer(HAZARD))
    world.now += FIRST_DAYS
    assert who_came(world, HAZARD).counted[0].shown == (Shown(1.0, True),)
    assert who_came(world).counted[0].shown == ()


def test_nobody_came_where_nothing_was_drawn_and_unknown_hazards_are_refused(world: SafetyWorld) -> None:
    assert who_came(world) == Newcomers(EPOCH, OTHER, (), (), 0)
    arrive(world, "ada")
    with pytest.raises(HazardUnknown):
        who_came(world, "gardening")


@pytest.mark.parametrize("kind", ["", "Two", "two words", "x" * 41, "9lives"])
def test_a_kind_is_one_word(world: SafetyWorld, kind: str) -> None:
    arrive(world, "ada")
    with pytest.raises(LabelInvalid, match="one word"):
        say(world, ADA, other(kind))


def test_only_what_the_plan_does_not_list_has_a_kind(world: SafetyWorld) -> None:
    arrive(world, "ada")
    for answer in (an_answer(), an_answer(HAZARD), Answer(None)):
        with pytest.raises(LabelInvalid, match="does not list"):
            say(world, ADA, replace(answer, kind="swatting"))


arrivals = st.lists(st.tuples(st.integers(0, 5), st.lists(st.sampled_from("abcd"), min_size=1, max_size=4)), max_size=8)


@settings(max_examples=20, deadline=None)
@given(arrivals)
def test_what_is_noted_is_what_a_plain_replay_of_the_draws_says(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, list[str]]]
) -> None:
    path: Path = tmp_path_factory.mktemp("newcomers") / "headgate.db"
    engine = open_sqlite(path)
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    world = SafetyWorld(engine, WatchPlan(sample_per_week=3))
    recorded = []
    for days, accounts in batches:
        world.now += days * DAY
        arrive(world, *accounts)
        recorded += [(account, world.now) for account in accounts]
    tossed = list(SqlSampling(engine).draws(EPOCH))
    came: dict[str, tuple[object, ...]] = {}
    for place, (account, _) in enumerate(recorded):
        if account not in came:
            first = recorded[place][1]
            theirs = [at for at, (who, when) in enumerate(recorded) if who == account and when < first + FIRST_DAYS]
            labels = sum(bool(tossed[at].sampled) for at in theirs)
            came[account] = (place + 1, theirs[-1] + 1, len(theirs), labels, min(tossed[at].draw.pi0 for at in theirs))
    table = newcomers.c
    columns = (table.account_id, table.position, table.last, table.exchanges, table.labels, table.pi0)
    with engine.begin() as connection:
        noted = {row[0]: tuple(row[1:]) for row in connection.execute(sa.select(*columns))}
        before = connection.execute(sa.select(newcomers).order_by(newcomers.c.position)).all()
        connection.execute(sa.delete(newcomers))
        connection.execute(sa.text(importlib.import_module("headgate.migrations.versions.0003_evidence").WHO_CAME))
        assert connection.execute(sa.select(newcomers).order_by(newcomers.c.position)).all() == before
    assert noted == came
    engine.dispose()
