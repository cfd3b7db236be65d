"""Evidence asks safety for what alarms watch; users are counted here, and named nowhere beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.bootstrap.bridges.labels import harms_of, segments_of
from headgate.evidence.model import Look
from headgate.evidence.model.alarms import LabelWindow, ScoreWindow, UserWindow
from headgate.safety.errors import NobodyFlags
from headgate.safety.sampling.windows import newly_flagged

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta

    from headgate.kernel.clock import Clock
    from headgate.safety.ports import SamplingStore
    from headgate.safety.service.windows import Windows

_HOURS_A_DAY = 24


class SafetyStreams:
    """Evidence's ``Streams`` over safety's draws.

    Args:
        draws: Where safety keeps them.
        windows: Safety's closed windows.
        clock: Tells which windows are closed.
        looked_for: The hazards that detectors look for.
    """

    def __init__(self, draws: SamplingStore, windows: Windows, clock: Clock, *, looked_for: Collection[str]) -> None:
        self._draws = draws
        self._windows = windows
        self._clock = clock
        self._looked_for = looked_for

    def labels(self, epoch: str, hazard: str, every: timedelta) -> tuple[LabelWindow, ...]:
        state = self._draws.state(epoch)
        if state is None:
            return ()
        looks = self._draws.looks(epoch, hazard, after_position=0, every=every, now=self._clock.now())
        return tuple(
            LabelWindow(
                (look.closed_at - state.committed_at) // every - 1, Look(segments_of(look.segments), harms_of(look.harms))
            )
            for look in looks
        )

    def users(self, epoch: str, hazard: str, every: timedelta) -> tuple[UserWindow, ...]:
        if hazard not in self._looked_for:  # silence about it would look like safety
            raise NobodyFlags(
                f"No detector looks for {hazard}, so nobody can be flagged for it.",
                help=f"Watch labels instead, or one of {', '.join(sorted(self._looked_for)) or 'none'}.",
            )
        windows = self._windows.closed(epoch, every=every, now=self._clock.now())
        return tuple(
            UserWindow(window.number, hour_of_week(window.began_at), window.users, flagged)
            for window, flagged in zip(windows, newly_flagged(windows, hazard), strict=True)
        )

    def scores(self, epoch: str, every: timedelta) -> tuple[ScoreWindow, ...]:
        windows = self._windows.closed(epoch, every=every, now=self._clock.now())
        return tuple(ScoreWindow(window.number, window.requests, window.unscored) for window in windows)


def hour_of_week(instant: datetime) -> int:
    """Return the hour of the week of an instant in UTC; Monday 00:00 is 0."""
    return instant.weekday() * _HOURS_A_DAY + instant.hour
