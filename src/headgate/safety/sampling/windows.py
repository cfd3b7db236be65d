"""An epoch's traffic in closed windows of time: who was there, whom a detector flagged, and what no detector could score.

A window never changes once it is closed: it holds the draws that were recorded in it. A user who is flagged counts once in
``AGAIN_AFTER``, from the first window in which they are: what stays is one event, whatever it goes on to send.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

AGAIN_AFTER = timedelta(days=7)
"""How long after they counted a flagged user may count again."""


@dataclass(frozen=True, slots=True)
class Window:
    """One closed window.

    Attributes:
        number: Counted from the epoch's beginning, from 0.
        began_at: Its beginning.
        requests: Draws recorded in it.
        unscored: Those of them without a score.
        users: Distinct accounts among them.
        flagged: By hazard, the accounts that a detector flagged for it.
    """

    number: int
    began_at: datetime
    requests: int
    unscored: int
    users: int
    flagged: Mapping[str, frozenset[str]]


def newly_flagged(windows: Sequence[Window], hazard: str) -> list[int]:
    """Return, for each window in order, how many users were flagged who had not counted within ``AGAIN_AFTER``."""
    counted_at: dict[str, datetime] = {}
    counts: list[int] = []
    for window in windows:
        fresh = [
            account
            for account in window.flagged.get(hazard, ())
            if account not in counted_at or window.began_at - counted_at[account] >= AGAIN_AFTER
        ]
        counted_at.update(dict.fromkeys(fresh, window.began_at))
        counts.append(len(fresh))
    return counts
