"""Flagged users from their exchanges to the alarm: who stays, who bursts, and the hours of the day.

The whole way is simulated: who is there in which hour, who is flagged, what safety counts, what evidence concludes. Error rates
are checked with a binomial margin of three standard errors.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from headgate.evidence.decide.flagged import LEARNED_DELTA
from headgate.evidence.decide.watch import read_watch
from headgate.evidence.model.alarms import Stream, StreamRule, UserWindow, Watched, WatchRule
from headgate.safety.sampling.windows import Window, newly_flagged

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR, YEAR = timedelta(hours=1), timedelta(days=365)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK, MONTH = 168, 720
HAZARD = "misuse"


def windows(there: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> list[Window]:
    """Return windows from who is there and who is flagged, both of shape (hours, users)."""
    return [
        Window(at, MONDAY + at * HOUR, int(row.sum()), 0, int(row.sum()), {HAZARD: frozenset(map(str, np.flatnonzero(hit)))})
        for at, (row, hit) in enumerate(zip(there, flagged & there, strict=True))
    ]


def raised(seen: list[Window], counts: list[int], *, share: float, learn: timedelta | None = None) -> int | None:
    """Return the window of the alarm on counts of flagged users."""
    rule = WatchRule((StreamRule(Stream.FLAGGED_USERS, HAZARD, share, 10 * share, learn),), YEAR, HOUR, None)
    users = tuple(
        UserWindow(window.number, window.number % WEEK, window.users, count) for window, count in zip(seen, counts, strict=True)
    )
    return read_watch([Watched(users=users)], rule).raised_at


def every_hour_anew(seen: list[Window]) -> list[int]:
    return [len(window.flagged[HAZARD]) for window in seen]


def people(rng: np.random.Generator, hours: int, users: int = 400) -> NDArray[np.bool_]:
    """Return who is there: a quarter of them in a mean hour, half as many again by day, half as few by night."""
    chance = 0.25 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(hours) / 24))
    return rng.random((hours, users)) < chance[:, None]


def test_a_few_who_stay_are_a_few_and_not_a_crowd() -> None:
    rng = np.random.default_rng(61)
    there = people(rng, 10 * 24)
    flagged = rng.random(there.shape) < 0.002
    there[72:, :6] = True  # from the fourth day, six people of four hundred are there all the time
    flagged[72:, :6] = True  # and flagged in every hour
    seen = windows(there, flagged)
    assert raised(seen, every_hour_anew(seen), share=0.01) is not None
    assert raised(seen, newly_flagged(seen, HAZARD), share=0.01) is None


def test_a_crowd_is_noticed_within_hours() -> None:
    rng = np.random.default_rng(62)
    there = people(rng, 10 * 24)
    flagged = rng.random(there.shape) < 0.002
    flagged[120:] |= rng.random(flagged[120:].shape) < 0.05
    seen = windows(there, flagged)
    at = raised(seen, newly_flagged(seen, HAZARD), share=0.01)
    assert at is not None
    assert 120 < at <= 128


@pytest.mark.slow
def test_a_month_of_mixed_people_sounds_no_oftener_than_promised_with_and_without_learning() -> None:
    rng = np.random.default_rng(63)
    runs, learn = 120, timedelta(days=28)
    declared = learned = anew = 0
    for _ in range(runs):
        there = people(rng, 4 * WEEK + MONTH)
        # a few are flagged often, the others hardly ever
        chance = np.where(rng.random(there.shape[1]) < 0.02, 0.3, 0.0005)
        flagged = rng.random(there.shape) < chance
        seen = windows(there, flagged)
        counts = newly_flagged(seen, HAZARD)
        # in the first hours everybody who is often flagged is so for the first time: 0.02 * 0.3 + 0.0005 of who is there
        declared += raised(seen, counts, share=0.0066) is not None
        learned += raised(seen, counts, share=0.0066, learn=learn) is not None
        # counted anew in every hour, the same few are a standing crowd: against what is usual for newcomers it always sounds
        anew += raised(seen, every_hour_anew(seen), share=0.0033) is not None
    month = (4 * WEEK + MONTH) / (365 * 24)
    assert declared / runs <= month + 3 * math.sqrt(month * (1 - month) / runs)
    allowed = month + LEARNED_DELTA
    assert learned / runs <= allowed + 3 * math.sqrt(allowed * (1 - allowed) / runs)
    assert anew / runs > 0.5
