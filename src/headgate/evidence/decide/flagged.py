"""Users whom a detector flags, window by window.

The unit is the user. One person sends bursts, and stays for hours; counted by requests, or anew in each window, one busy person
looks like a crowd. So a flagged user counts once in a week at most, and the promise below is made for people.

The promise. Given who is there, the flagged among them are a sum of independent tosses, each with at most the tolerated
chance: a law no heavier than Poisson's, so the factor of each window has a conditional mean of at most one. What is
tolerated is the declared share, or, after the learning span, the hour's own usual share where that is lower. The latter is an
upper bound, and all 168 bounds hold together with probability ``1 - LEARNED_DELTA``, which is added to the false alarms.

Who is there is counted with those who were flagged before and do not count again: that can only delay an alarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headgate.stats import alarm
from headgate.stats.baseline import usual_week

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from numpy.typing import NDArray

    from headgate.evidence.model.alarms import StreamRule, UserWindow

LEARNED_DELTA = 0.01
"""The chance that any hour's learned bound lies below what is truly usual."""


def log_factors(windows: Sequence[UserWindow], rule: StreamRule, look_every: timedelta) -> NDArray[np.float64]:
    """Return the log factors of windows with users, shape ``(n, 6)``; their weights are ``count_weights``."""
    users = np.array([window.users for window in windows], np.float64)
    flagged = np.array([window.flagged for window in windows], np.float64)
    tolerated = _tolerated(windows, rule, look_every)
    return alarm.log_factor_counts(flagged, users * tolerated, alarm.COUNT_RATIOS)


def _tolerated(windows: Sequence[UserWindow], rule: StreamRule, look_every: timedelta) -> NDArray[np.float64]:
    declared = np.full(len(windows), rule.from_rate)
    if rule.learn is None:
        return declared
    learned_from = [window for window in windows if (window.window + 1) * look_every <= rule.learn]
    if not learned_from:
        return declared
    week = usual_week(
        [window.hour for window in learned_from],
        [window.flagged for window in learned_from],
        [window.users for window in learned_from],
        LEARNED_DELTA,
    )
    after = np.array([window.window * look_every >= rule.learn for window in windows], np.bool_)
    hours = np.array([window.hour for window in windows], np.int64)
    return np.where(after, np.minimum(declared, week[hours]), declared)
