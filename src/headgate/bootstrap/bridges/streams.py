"""Evidence asks safety for what alarms watch; users are counted here, and named nowhere beyond."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from headgate.bootstrap.bridges.labels import harms_of, segments_of
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm, Look
from headgate.evidence.model.alarms import ArrivalWindow, LabelWindow, ScoreWindow, UserWindow, UseWindow
from headgate.evidence.model.users import CleanUsers, HarmfulUser
from headgate.safety.errors import NobodyFlags
from headgate.safety.sampling.windows import newly_flagged

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from headgate.bootstrap.bridges.strata import Strata
    from headgate.kernel.clock import Clock
    from headgate.safety.ports import SamplingStore
    from headgate.safety.sampling.arrivals import FirstUse
    from headgate.safety.service.windows import Windows

_HOURS_A_DAY = 24


class SafetyStreams:
    """Evidence's ``Streams`` over safety's draws.

    Args:
        draws: Where safety keeps them.
        windows: Safety's closed windows.
        strata: Tells people apart.
        clock: Tells which windows are closed.
        looked_for: The hazards that detectors look for.
    """

    def __init__(
        self, draws: SamplingStore, windows: Windows, strata: Strata, clock: Clock, *, looked_for: Collection[str]
    ) -> None:
        self._draws = draws
        self._windows = windows
        self._strata = strata
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

    def uses(self, epoch: str, hazard: str, every: timedelta, window: timedelta) -> tuple[UseWindow, ...]:
        found = self._draws.first_uses(epoch, hazard, span=window, every=every, now=self._clock.now())
        return tuple(_uses(number, list(uses)) for number, uses in groupby(found, key=lambda use: use.window))

    def arrivals(self, epoch: str, of: str, every: timedelta, learn: timedelta | None) -> tuple[ArrivalWindow, ...]:
        if of == "cohort":
            raise NotEvidence("A stage lets in one cohort, so nobody who comes to it is of another.")
        found = self._draws.arrivals(epoch, every=every, now=self._clock.now())
        named = self._strata.kept(epoch, of, [*found.before, *(arrival.account_id for arrival in found.came)])
        span = timedelta(0) if learn is None else learn
        learned = [arrival.account_id for arrival in found.came if (arrival.window + 1) * every <= span]
        known = {named[account] for account in (*found.before, *learned)}
        after = (arrival for arrival in found.came if arrival.window * every >= span)
        windows: list[ArrivalWindow] = []
        for number, came in groupby(after, key=lambda arrival: arrival.window):
            strata = [named[arrival.account_id] for arrival in came]
            windows.append(ArrivalWindow(number, len(strata), sum(stratum not in known for stratum in strata)))
        return tuple(windows)

    def scores(self, epoch: str, every: timedelta) -> tuple[ScoreWindow, ...]:
        windows = self._windows.closed(epoch, every=every, now=self._clock.now())
        return tuple(ScoreWindow(window.number, window.requests, window.unscored) for window in windows)


def _uses(number: int, uses: Sequence[FirstUse]) -> UseWindow:
    return UseWindow(
        number,
        tuple(CleanUsers(use.accounts, use.exchanges, use.labels, use.floor) for use in uses if not use.harms),
        tuple(
            HarmfulUser(use.exchanges, use.labels, use.floor, tuple(Harm(harm.pi, harm.pi0) for harm in use.harms), ())
            for use in uses
            if use.harms
        ),
    )


def hour_of_week(instant: datetime) -> int:
    """Return the hour of the week of an instant in UTC; Monday 00:00 is 0."""
    return instant.weekday() * _HOURS_A_DAY + instant.hour
