from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from headgate.adapters.database import open_sqlite
from headgate.bootstrap.bridges.feed import LedgerFeed, change_of
from headgate.gateway.model import Change
from headgate.kernel.ids import AccountId, GrantId, KeyId, ReleaseId
from headgate.ledger.model import Entry, Recorded
from headgate.ledger.store import append, metadata

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def recorded(seq: int, kind: str, subject: str) -> Recorded:
    return Recorded(seq, Entry(kind, subject, "stf_1", NOON, {}), b"")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("key.revoked", Change(7, keys=frozenset({KeyId("x")}))),
        ("grant.ended", Change(7, grants=frozenset({GrantId("x")}))),
        ("account.suspended", Change(7, accounts=frozenset({AccountId("x")}))),
        ("release.cut", Change(7, releases=frozenset({ReleaseId("x")}))),
        ("organisation.suspended", Change(7, everything=True)),
        ("cohort.terms_changed", Change(7, everything=True)),
        ("label.given", Change(7)),
        ("incident.opened", Change(7)),
        ("something.unheard_of", Change(7, everything=True)),
    ],
)
def test_an_entry_touches_whom_it_names_and_what_is_unknown_touches_everybody(kind: str, change: Change) -> None:
    assert change_of([recorded(7, kind, "x")], after=3) == change


def test_no_entries_move_nothing() -> None:
    assert change_of([], after=3) == Change(3)


def test_the_feed_follows_what_is_committed(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "headgate.sqlite")
    metadata.create_all(engine)
    feed = LedgerFeed(engine)
    assert feed.position() == 0
    assert feed.wait(0, 0.01) == Change(0)
    with engine.begin() as connection:
        append(connection, Entry("key.revoked", "key_1", "stf_1", NOON, {}))
        append(connection, Entry("release.cut", "rel_1", "stf_1", NOON, {}))
    assert feed.wait(0, 5) == Change(2, keys=frozenset({KeyId("key_1")}), releases=frozenset({ReleaseId("rel_1")}))
    assert feed.wait(1, 5) == Change(2, releases=frozenset({ReleaseId("rel_1")})), "a follower may ask again from where it was"
    assert feed.position() == 2
    feed.close()
    engine.dispose()
