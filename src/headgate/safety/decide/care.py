"""How much hard content one reader is handed.

Content is hard when a detector flagged it, or when its reader found harm in it. Whoever has read some of it without a break is
asked to take one; nobody has to. Whoever has read as much as a day may hold is handed nothing more of it: what was not flagged
they may still read, and the rest waits for somebody else, or for tomorrow. A day is what lies between two rests, wherever the
reader lives. Items of one hazard do not follow each other for ever either: after so many, another kind is looked for.

Readers differ, and no number here is known to be safe: these are limits, not advice. Each is a setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Care:
    """The limits.

    Attributes:
        pause_after: How much hard content somebody reads before a pause is proposed.
        pause: How long without any counts as a pause.
        most_time: How much of it a day may hold.
        most_items: How many such items a day may hold.
        rest: How long without any ends a day.
        run: How many items of one hazard may follow each other while there are others.
        longest: What one item counts at most: whoever left it open for an hour did not read for an hour.
    """

    pause_after: timedelta = timedelta(minutes=30)
    pause: timedelta = timedelta(minutes=10)
    most_time: timedelta = timedelta(hours=2)
    most_items: int = 600
    rest: timedelta = timedelta(hours=8)
    run: int = 20
    longest: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        spans = (self.pause_after, self.pause, self.most_time, self.rest, self.longest)
        if min(spans) <= timedelta(0) or self.most_items < 1 or self.run < 1:
            raise ValueError("every limit is positive")


@dataclass(frozen=True, slots=True)
class Sight:
    """An item that was put before a reader.

    Attributes:
        at: When.
        until: When they were done with it; ``None`` while it is before them, or when they left.
        hard: Whether it was flagged, or they found harm.
        hazard: The hazard that it was flagged for most strongly, if it was.
    """

    at: datetime
    until: datetime | None
    hard: bool
    hazard: str | None


class Due(Enum):
    """What a reader's day has come to."""

    NOTHING = "nothing"
    PAUSE = "pause"
    """A pause is proposed."""
    REST = "rest"
    """No more hard content is handed out."""


@dataclass(frozen=True, slots=True)
class Strain:
    """How much hard content a reader has had.

    Attributes:
        items: Hard items since their last rest.
        time: How long they looked at them.
        unbroken: How long since their last pause.
        last: When they last had any before them; ``None`` when they have had none.
        hazard: The hazard of the latest items, when those that were flagged were all flagged for the same.
        run: How many of the latest items that is.
    """

    items: int
    time: timedelta
    unbroken: timedelta
    last: datetime | None
    hazard: str | None
    run: int


def strain(sights: Sequence[Sight], care: Care, *, now: datetime) -> Strain:
    """Return how much hard content a reader has had.

    Args:
        sights: What was put before them, in order, from at least their last rest on.
        care: The limits.
        now: The present instant.
    """
    items = 0
    time = unbroken = timedelta(0)
    last: datetime | None = None
    for sight in (sight for sight in sights if sight.hard):
        away = timedelta(0) if last is None else sight.at - last
        if away >= care.rest:
            items, time = 0, timedelta(0)
        if away >= care.pause:
            unbroken = timedelta(0)
        took = _took(sight, care, now)
        items, time, unbroken = items + 1, time + took, unbroken + took
        last = sight.at + took
    away = timedelta(0) if last is None else now - last
    if away >= care.rest:
        items, time = 0, timedelta(0)
    if away >= care.pause:
        unbroken = timedelta(0)
    return Strain(items, time, unbroken, last, *_run(sights))


def due(strain: Strain, care: Care) -> Due:
    """Return what a reader's day has come to."""
    if strain.items >= care.most_items or strain.time >= care.most_time:
        return Due.REST
    return Due.PAUSE if strain.unbroken >= care.pause_after else Due.NOTHING


def rested_at(strain: Strain, care: Care) -> datetime | None:
    """Return when a new day begins for a reader who has had enough; ``None`` for one who has not."""
    return strain.last + care.rest if strain.last is not None and due(strain, care) is Due.REST else None


def wants_change(strain: Strain, care: Care) -> str | None:
    """Return the hazard of which a reader has had too many items in a row, if there is one."""
    return strain.hazard if strain.run >= care.run else None


def _took(sight: Sight, care: Care, now: datetime) -> timedelta:
    until = now if sight.until is None else sight.until
    return max(timedelta(0), min(until - sight.at, care.longest))


def _run(sights: Sequence[Sight]) -> tuple[str | None, int]:
    """Return the hazard of the latest items, and how many of them there are in a row."""
    hazard = sights[-1].hazard if sights else None
    run = 0
    for sight in reversed(sights):
        if hazard is None or sight.hazard != hazard:
            break
        run += 1
    return hazard, run
