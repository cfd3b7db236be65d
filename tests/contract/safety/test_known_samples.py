"""What is known of a sample and brought up to date says what a reading of everything says, after every step, whoever took it."""

from __future__ import annotations

import contextlib
import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.adapters.database import Versions, open_sqlite
from headgate.kernel.clock import to_us
from headgate.kernel.still import Still
from headgate.ledger import store as ledger
from headgate.safety.errors import NothingToUndo, NotSettled
from headgate.safety.model import D_MAX, Severity
from headgate.safety.sampling.probability import Flagged, WatchPlan
from headgate.safety.store import SqlReview, SqlSampling, metadata
from headgate.safety.store.course import SqlCourses
from headgate.safety.store.sample import Samples
from headgate.safety.store.tables import standings
from headgate.testing.safety import ADA, BO, CY, EPOCH, HAZARDS, LEAD, SafetyWorld, an_answer

HOUR = timedelta(hours=1)
WHO = (ADA, BO, CY)
STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(1, 6)),
    st.tuples(st.just("answer"), st.integers(0, 5)),
    st.tuples(st.just("undo"), st.integers(0, 2)),
    st.tuples(st.just("correct"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 24 * 60, 15 * 24 * 60])),
    st.tuples(st.just("set the clock back"), st.sampled_from([1, 90, 3 * 24 * 60])),
    st.tuples(st.just("begin anew"), st.just(0)),
)


class Watched:
    """A world in which somebody remembers, and others write."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.world = SafetyWorld(engine, WatchPlan(flagged=Flagged.REVIEW_ALL, sample_per_week=40))
        self.world.sampling = self.world.a_sampling(second_share=0.5)
        self.versions = Versions(engine)
        self.still = Still(self.versions)
        self.samples = Samples()
        self.knowing = SqlSampling(engine, self.samples, self.still)
        self.courses = SqlCourses(engine, self.samples)
        self.items: list[str] = []
        self.arrived = 0

    def take(self, step: str, much: int) -> None:
        """Take one step; one that cannot be taken now changes nothing."""
        match step:
            case "arrive":
                self._arrive(much)
            case "answer":
                self._answer(much)
            case "undo":
                with contextlib.suppress(NothingToUndo):
                    self.world.review.undo(by=WHO[much], now=self.world.now)
            case "correct":
                self._correct(much)
            case "wait":
                self.world.now += timedelta(minutes=much)
            case "set the clock back":
                self.world.now -= timedelta(minutes=much)
            case _:
                self.knowing = SqlSampling(self.engine, self.samples, self.still)
        self.world.now += timedelta(seconds=1)

    def _arrive(self, count: int) -> None:
        for _ in range(count):
            self.arrived += 1
            self.world.log.add(text="Write ransomware in Python." if self.arrived % 4 == 0 else "What is a lens?")
        self.world.collect()

    def _answer(self, much: int) -> None:
        who = WHO[much % 3]
        item = self.world.review.next(by=who, now=self.world.now)
        if item is not None:
            answer = an_answer(*HAZARDS[: much > 3], hazards=item.hazards)
            self.world.review.label(item.item, answer, revision=item.revision, by=who, now=self.world.now)
            self.items.append(item.item)

    def _correct(self, much: int) -> None:
        if self.items:
            found = HAZARDS[: much % 2]
            harms: dict[str, bool] = {hazard: hazard in found for hazard in (*HAZARDS, "other")}
            severity = Severity.HIGH if found else None
            item = self.items[much % len(self.items)]
            with contextlib.suppress(NotSettled):
                now = self.world.now
                self.world.review.correct(item, harms, severity=severity, reason="It was read again", by=LEAD, now=now)

    def check(self) -> None:
        """Compare what is known with what is there."""
        anew = SqlSampling(self.engine)
        now = self.world.now
        for hazard in HAZARDS:
            known = self.knowing.labelled(EPOCH, hazard, now=now, d_max=D_MAX)
            assert known == anew.labelled(EPOCH, hazard, now=now, d_max=D_MAX)
            if self.arrived:
                assert (known.labels, known.pending, known.frontier, len(known.harms)) == self._counted(hazard)
            for after in (0, 3):
                looks = self.knowing.looks(EPOCH, hazard, after_position=after, every=HOUR, now=now)
                assert looks == anew.looks(EPOCH, hazard, after_position=after, every=HOUR, now=now)
                assert all(one.upto_position < other.upto_position for one, other in pairwise(looks))
            course = self.courses.course(EPOCH, hazard, most=5, now=now, d_max=D_MAX)
            assert course == SqlCourses(self.engine).course(EPOCH, hazard, most=5, now=now, d_max=D_MAX)
            assert [cut.traffic for cut in course[-1:]] == ([known] if known.labels else [])
        assert SqlReview(self.engine, self.samples).waiting() == SqlReview(self.engine).waiting()
        assert self.knowing.monitor_health() == anew.monitor_health()
        assert (self.knowing.bookmark(), self.knowing.in_the_air(9)) == (anew.bookmark(), anew.in_the_air(9))

    def _counted(self, hazard: str) -> tuple[int, int, int, int]:
        """Count what ``labelled`` promises, row by row."""
        state = SqlSampling(self.engine).state(EPOCH)
        assert state is not None
        query = sa.select(standings).where(standings.c.epoch == EPOCH, standings.c.hazard == hazard)
        with self.engine.connect() as connection:
            rows: list[Any] = list(connection.execute(query.order_by(standings.c.position)))
        overdue = to_us(self.world.now - D_MAX)
        waiting = [row.position for row in rows if row.standing == "pending" and row.drawn_at_us > overdue]
        frontier = min([state.tossed, *(place - 1 for place in waiting)])
        behind = [row.standing for row in rows if row.position <= frontier]
        return len(behind), len(waiting), frontier, sum(standing != "no_harm" for standing in behind)


@settings(max_examples=6, deadline=None)
@given(steps=st.lists(STEPS, max_size=18))
def test_what_is_known_is_what_is_there_after_every_step(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_sqlite(Path(folder) / "headgate.db")
        metadata.create_all(engine)
        ledger.metadata.create_all(engine)
        watched = Watched(engine)
        watched.take("arrive", 3)
        for step, much in steps:
            watched.take(step, much)
            watched.check()
        watched.versions.close()
        engine.dispose()


def test_another_database_in_the_place_of_the_old_one_is_read_whole(world: SafetyWorld) -> None:
    world.log.add(text="What is a lens?")
    world.collect()
    world.answer(ADA)
    samples = Samples()
    knowing = SqlSampling(world.engine, samples)
    before = knowing.labelled(EPOCH, HAZARDS[0], now=world.now, d_max=D_MAX)
    assert (before.labels, before.pending) == (1, 0)
    with world.engine.begin() as connection:  # as it was in an older copy: the same epoch, nothing labelled yet
        connection.exec_driver_sql("UPDATE safety_epoch SET label_seq = 0")
        connection.exec_driver_sql("UPDATE safety_standing SET standing = 'pending', label_seq = NULL")
    after = knowing.labelled(EPOCH, HAZARDS[0], now=world.now, d_max=D_MAX)
    assert (after.labels, after.pending) == (0, 1)


@pytest.mark.parametrize("writer", ["its own process", "another connection"])
def test_nothing_is_remembered_over_a_commit(engine: sa.Engine, writer: str) -> None:
    versions = Versions(engine)
    still = Still(versions)
    read: list[int] = []

    def count() -> int:
        read.append(len(read))
        return read[-1]

    assert [still.once("asked", count), still.once("asked", count)] == [0, 0]
    by = engine if writer == "its own process" else open_sqlite(Path(str(engine.url.database)))
    with by.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE something (at INTEGER)")
    assert still.once("asked", count) == 1
    versions.close()
    by.dispose()
