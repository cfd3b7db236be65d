"""What a round of the steward costs in processor time, right after something was written and while nothing is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.steward import Steward
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.releases.service.control import LEASE
from headgate.testing.console import first_of
from headgate.testing.releases import a_plan

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

_LABELLED = """
UPDATE safety_standing SET standing = 'no_harm', label_seq = (SELECT label_seq FROM safety_epoch e WHERE e.epoch = :epoch)
WHERE epoch = :epoch AND hazard = 'harmful_advice' AND position = (SELECT MIN(position) FROM safety_standing w
    WHERE w.epoch = :epoch AND w.hazard = 'harmful_advice' AND w.standing = 'pending')
"""
_CHANGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("nothing was written", ()),
    ("a commit that concerns nothing here", ("UPDATE safety_collector SET errors = errors",)),
    ("an item was labelled", ("UPDATE safety_epoch SET label_seq = label_seq + 1 WHERE epoch = :epoch", _LABELLED)),
    ("exchanges were counted", ("UPDATE traffic_counted SET exchanges = exchanges + 1, turn = turn + 1 WHERE epoch = :epoch",)),
)


@dataclass(frozen=True, slots=True)
class Round:
    """A round of the steward.

    Attributes:
        after: What happened before it.
        used_ms: The mean of its processor time.
    """

    after: str
    used_ms: float


@contextmanager
def nearly_empty(directory: Path) -> Generator[House]:
    """Make an installation with one release and nobody in it."""
    home = Home(directory)
    home.make()
    house = open_house(home, load(home.root, {}))
    house.releases.apply(a_plan(), by=first_of(house))
    yield house
    house.close()


def rounds(house: House, count: int) -> Sequence[Round]:
    """Go round so many times after each kind of change, with the jobs that are due at every tick."""
    every = house.settings.tick_s
    jobs = [job for job in Steward(house).jobs() if job.every_s <= max(every, 1.0)]

    def once() -> None:
        for job in jobs:
            job.run(house.clock.now())

    leased = house.releases.leased()
    if leased is not None and leased[1] > house.clock.now():
        time.sleep(LEASE.total_seconds())  # another process was steward here a moment ago
    once()
    once()
    epoch = house.releases.every()[0].epoch("staff")
    found: list[Round] = []
    for after, statements in _CHANGES:
        used = 0.0
        for _ in range(count):
            with house.engine.begin() as connection:
                for statement in statements:
                    connection.execute(sa.text(statement), {"epoch": epoch} if ":epoch" in statement else {})
            began = time.process_time()
            once()
            used += time.process_time() - began
        found.append(Round(after, 1000 * used / count))
    return found
