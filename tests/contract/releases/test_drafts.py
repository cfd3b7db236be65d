"""Drafts: named by their content, kept for a while, and nobody's business but who may look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.errors import Forbidden
from headgate.releases.errors import DraftNotFound, PlanInvalid
from headgate.releases.model.draft import KEPT
from headgate.releases.service.drafting import Drafting
from headgate.releases.store import SqlDrafts, metadata
from headgate.testing.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANY, BO = Actor.system("any", Permission.VIEW), Actor.system("bo", Permission.VIEW)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def at(engine: sa.Engine, now: datetime) -> Drafting:
    return Drafting(SqlDrafts(engine), FixedClock(now))


def test_the_same_text_is_one_draft_and_keeps_every_byte(engine: sa.Engine) -> None:
    text = b"\xffnot a plan\r\n\x00"
    first = at(engine, NOON).keep(text, name="a.yaml", by=ANY)
    again = at(engine, NOON + timedelta(hours=1)).keep(text, name="b\x1b.yaml", by=BO)
    assert (again.digest, again.name) == (first.digest, "b.yaml")
    assert at(engine, NOON).get(first.digest, by=ANY) == again
    assert at(engine, NOON).get(first.digest, by=ANY).source == text


def test_a_draft_is_forgotten_when_it_was_not_handed_in_for_long(engine: sa.Engine) -> None:
    old = at(engine, NOON).keep(b"old", name="", by=ANY)
    kept = at(engine, NOON + KEPT).keep(b"kept", name="", by=ANY)
    assert at(engine, NOON).get(old.digest, by=ANY) == old
    at(engine, NOON + KEPT + timedelta(seconds=1)).keep(b"new", name="", by=ANY)
    with pytest.raises(DraftNotFound):
        at(engine, NOON).get(old.digest, by=ANY)
    assert [each.source for each in at(engine, NOON).latest(by=ANY)] == [b"new", b"kept"]
    assert at(engine, NOON).latest(by=BO) == []
    assert kept.name == "plan.yaml"


@pytest.mark.parametrize("text", [b"", b" \n", b"x" * 1_000_001], ids=["nothing", "blank", "endless"])
def test_what_cannot_be_a_plan_is_not_kept(engine: sa.Engine, text: bytes) -> None:
    with pytest.raises(PlanInvalid):
        at(engine, NOON).keep(text, name="a", by=ANY)


def test_who_may_not_look_may_not_hand_in(engine: sa.Engine) -> None:
    nobody = Actor.system("nobody")
    for call in (lambda: at(engine, NOON).keep(b"x", name="a", by=nobody), lambda: at(engine, NOON).get("x", by=nobody)):
        with pytest.raises(Forbidden):
            call()
