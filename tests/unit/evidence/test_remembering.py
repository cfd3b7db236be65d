"""Readings that are remembered: nothing is worked out twice, and nothing is kept once what it was read from has changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.people import CoverageClaim, DiscoveryClaim, Division, KindsShown, Stratum, Stretch
from headgate.evidence.model.users import LabelledUsers
from headgate.evidence.service.people import People
from headgate.evidence.service.remembering import REMEMBERED, Remembering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.model.people import Expected

EPOCH = "r1/trusted/1"
WEEK = timedelta(days=7)
KINDS = DiscoveryClaim(10, "broad", 400, alpha=0.05, attempt=1)
CARRIED = CoverageClaim(("language",), ("misuse",), "broad", below=0.01, alpha=0.05, attempt=1)


@dataclass
class Source:
    """So many users."""

    users: int

    def kinds(self, epoch: str) -> KindsShown:
        return KindsShown(epoch, WEEK, (Stretch(self.users, 1.0),), (), self.users)

    def divisions(self, epoch: str, expected: Sequence[Expected]) -> tuple[Division, ...]:
        del expected
        seen = LabelledUsers(epoch, "misuse", WEEK, (), (), self.users)
        return (Division("language", "misuse", 1.0, (Stratum("en", 1.0, seen),), (1,)),)


def test_the_same_is_read_once_and_what_changed_again() -> None:
    asked: list[int] = []

    def read(seen: int) -> int:
        asked.append(seen)
        return -seen

    remembering = Remembering()
    assert [remembering.once("a", seen, read) for seen in (1, 1, 2, 1)] == [-1, -1, -2, -1]
    assert asked == [1, 2, 1]


def test_what_was_asked_for_last_is_remembered_and_no_more() -> None:
    remembering = Remembering()
    for at in range(REMEMBERED):
        remembering.once(at, at, str)
    remembering.once(0, 0, _never)
    remembering.once(REMEMBERED, REMEMBERED, str)
    remembering.once(0, 0, _never)
    with pytest.raises(NotEvidence):
        remembering.once(1, 1, _never)


def test_what_users_show_is_worked_out_again_for_other_users_and_for_another_claim() -> None:
    source = Source(100)
    people = People(source)
    kinds, carried = people.discovery(EPOCH, KINDS), people.coverage(EPOCH, CARRIED, ())
    assert people.discovery(EPOCH, KINDS) is kinds
    assert people.coverage(EPOCH, CARRIED, ()) is carried
    assert people.discovery(EPOCH, replace(KINDS, tolerated=1))[0].tolerated == 1
    source.users = 200
    assert people.discovery(EPOCH, KINDS)[0].users == 200
    assert people.coverage(EPOCH, CARRIED, ())[1] != carried[1]


def _never(seen: int) -> str:
    raise NotEvidence(f"{seen} was to be remembered.")
