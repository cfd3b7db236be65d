"""The frontier under any order of answers, checked against a plain replay of the rule."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.adapters.database import open_sqlite
from headgate.ledger import store as ledger
from headgate.safety import decide
from headgate.safety.errors import NothingToUndo
from headgate.safety.model import D_MAX, Opinion, Standing
from headgate.safety.sampling.probability import WatchPlan
from headgate.safety.store import SqlSampling, metadata
from headgate.testing.safety import ADA, BO, CY, EPOCH, HAZARDS, LEAD, SafetyWorld, an_answer

HAZARD = HAZARDS[0]
WHO = {"ada": ADA, "bo": BO, "cy": CY}
STEPS = st.one_of(
    st.tuples(st.just("answer"), st.sampled_from(sorted(WHO)), st.booleans()),
    st.tuples(st.just("skip"), st.sampled_from(sorted(WHO)), st.booleans()),
    st.tuples(st.just("undo"), st.sampled_from(sorted(WHO)), st.booleans()),
    st.tuples(st.just("correct"), st.integers(0, 30), st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 20), st.booleans()),
    st.tuples(st.just("arrive"), st.integers(1, 5), st.booleans()),
)


@dataclass
class Replay:
    """What was said of each item, as the test itself remembers it."""

    opinions: dict[str, list[Opinion]] = field(default_factory=dict[str, list[Opinion]])
    corrected: dict[str, Standing] = field(default_factory=dict[str, Standing])
    queued: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def standing(self, item: str) -> Standing:
        return self.corrected.get(item) or decide.standing(HAZARD, self.opinions.get(item, []))


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEPS, max_size=25), first=st.integers(1, 8))
def test_the_frontier_never_passes_an_unresolved_sampled_item(steps: list[tuple[str, object, bool]], first: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_sqlite(Path(folder) / "headgate.db")
        metadata.create_all(engine)
        ledger.metadata.create_all(engine)
        world = SafetyWorld(engine, WatchPlan(sample_per_week=3))
        replay = Replay()
        _arrive(world, replay, first)
        for verb, what, flag in steps:
            _do(world, replay, verb, what, flag=flag)
            _check(world, replay)
        assert world.sampling.audit(EPOCH, by=LEAD).misfit is None
        engine.dispose()


def _arrive(world: SafetyWorld, replay: Replay, count: int) -> None:
    world.log.add(count)
    world.collect(limit=3)
    for tossed in SqlSampling(world.engine).draws(EPOCH):
        replay.queued.setdefault(tossed.draw.exchange_id, world.now)


def _do(world: SafetyWorld, replay: Replay, verb: str, what: object, *, flag: bool) -> None:
    world.now += timedelta(seconds=1)
    match verb, what:
        case "arrive", int(count):
            _arrive(world, replay, count)
        case "wait", int(days):
            world.now += timedelta(days=days)
        case "correct", int(place):
            done = sorted(item for item in replay.opinions if replay.opinions[item] and _finished(replay, item))
            if done:
                item = done[place % len(done)]
                answer = an_answer(*([HAZARD] if flag else []))
                assert answer.harms is not None
                world.review.correct(item, answer.harms, severity=answer.severity, reason="again", by=LEAD, now=world.now)
                replay.corrected[item] = Standing.HARM if flag else Standing.NO_HARM
        case "undo", str(name):
            try:
                item = world.review.undo(by=WHO[name], now=world.now)
            except NothingToUndo:
                return
            assert replay.opinions[item].pop().reviewer == WHO[name].id
        case _, str(name):
            by = WHO[name]
            item = world.review.next(by=by, now=world.now)
            if item is None:
                return
            if verb == "skip":
                world.review.skip(item.item, revision=item.revision, by=by, now=world.now)
                return
            assert by.id not in {opinion.reviewer for opinion in replay.opinions.get(item.item, [])}
            answer = an_answer(*([HAZARD] if flag else []))
            world.review.label(item.item, answer, revision=item.revision, by=by, now=world.now)
            opinion = Opinion(by.id, answer.harms, answer.severity, answer.confidence, "", world.now)
            replay.opinions.setdefault(item.item, []).append(opinion)
        case _:
            raise AssertionError(verb)


def _finished(replay: Replay, item: str) -> bool:
    opinions = replay.opinions[item]
    return len(opinions) >= decide.opinions_wanted((*HAZARDS, "other"), opinions, twice=False)


def _check(world: SafetyWorld, replay: Replay) -> None:
    found = world.labelled(HAZARD)
    frontier, labels, harms, pending = 0, 0, [], 0
    stopped = False
    drawn = 0
    for tossed in SqlSampling(world.engine).draws(EPOCH):
        drawn += 1
        assert tossed.sampled is not None
        standing = replay.standing(tossed.draw.exchange_id) if tossed.sampled else Standing.NO_HARM
        overdue = replay.queued[tossed.draw.exchange_id] <= world.now - D_MAX
        waits = tossed.sampled and standing is Standing.PENDING and not overdue
        pending += waits
        stopped = stopped or waits
        if stopped:
            continue
        frontier += 1
        labels += tossed.sampled
        if tossed.sampled and (standing.counts_as_harm or standing is Standing.PENDING):
            harms.append((tossed.draw.pi, tossed.draw.pi0))
    assert (found.frontier, found.labels, found.pending, found.drawn) == (frontier, labels, pending, drawn)
    assert [(harm.pi, harm.pi0) for harm in found.harms] == harms
    assert sum(segment.requests for segment in found.segments) == frontier
