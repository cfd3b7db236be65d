"""Users by the share of harm in a window of their use, as an alarm counts them.

The unit is the user, each once, as in the gate on users (``decide.users``): a thousand harms of one busy person are one large
share. A user enters in the window in which their time of observation is over, in the order in which they came, with the
floor-weighted share of what stands as harm by then, and is held against the floor times the tolerated mean.

The promise. While the mean share, given the users before, is at most what is tolerated, each user's factor has a conditional
mean of at most one, however few or many users the harm is spread over, and the time between false alarms is what was asked for.
A harm that nobody has found yet, or could not tell, counts as none and only delays an alarm. It holds for users who come as
those before did; what somebody does after their time of observation is not seen here, and is the business of labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.stats import alarm, users

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from headgate.evidence.model.alarms import UseWindow


def log_factors(windows: Sequence[UseWindow], tolerated: float) -> NDArray[np.float64]:
    """Return the log factors of windows with users, shape ``(n, 6)``; their weights are ``alarm.share_weights``."""
    clean = [(at, group) for at, window in enumerate(windows) for group in window.clean]
    harmful = [(at, user) for at, window in enumerate(windows) for user in window.harmful]
    harms = [(which, harm) for which, (_, user) in enumerate(harmful) for harm in user.harms]
    found = users.shares(
        [user.exchanges for _, user in harmful],
        [which for which, _ in harms],
        [harm.pi for _, harm in harms],
        [harm.pi0 for _, harm in harms],
    )
    return alarm.log_factors_users(
        [at for at, _ in (*clean, *harmful)],
        [*(0.0 for _ in clean), *(float(share) for share in found)],
        [one.floor for _, one in (*clean, *harmful)],
        tolerated,
        looks=len(windows),
        times=[*(group.users for _, group in clean), *(1 for _ in harmful)],
    )
