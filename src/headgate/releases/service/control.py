"""The controller: looks at every release, does what the rules say next, and records it.

It keeps nothing in memory that a restart would miss. Two controllers may run: one holds the lease and acts, the other
stands by; and should both believe that they hold it, the release's revision lets only one of them change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.errors import HeadgateError
from headgate.releases.decide.next_step import next_step
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.clock import Clock
    from headgate.releases.model.release import Decision, Release
    from headgate.releases.service.releases import ReleaseService

_log = structlog.get_logger(__name__)

CONTROLLER = Actor.system("controller", Permission.HOLD, Permission.NARROW, Permission.CUT, Permission.PROMOTE)
"""Who the controller is: it may stop a release, and widen it only where every gate says PASS and people have signed."""

LEASE = timedelta(seconds=15)
"""How long a controller that has died keeps its successor waiting."""

_STEPS = 6
"""Decisions about one release in one tick; what is left is done in the next."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did.

    Attributes:
        acting: Whether this controller holds the lease.
        decisions: What it decided.
        troubled: Releases that could not be dealt with, each with the error's code; they are looked at again next time.
    """

    acting: bool
    decisions: tuple[Decision, ...] = ()
    troubled: tuple[tuple[str, str], ...] = ()


class Controller:
    """Carries out what evidence and people have decided.

    Args:
        service: The releases.
        clock: Tells the time.
        holder: This process, in the lease: unique among all that run.
        lease: How long the lease lasts without being renewed; several ticks.
    """

    def __init__(self, service: ReleaseService, clock: Clock, *, holder: str, lease: timedelta = LEASE) -> None:
        self._service = service
        self._clock = clock
        self._holder = holder
        self._lease = lease

    def tick(self) -> Tick:
        """Look at every release once, and do what is due.

        Raises:
            ReleasesUnavailable: The store does not answer; nothing was changed.
        """
        now = self._clock.now()
        if not self._leads(now):
            return Tick(acting=False)
        decisions: list[Decision] = []
        troubled: list[tuple[str, str]] = []
        for release in self._service.every():
            try:
                decisions.extend(self._settle(release))
            except HeadgateError as error:
                # one release's trouble must not keep the controller from cutting another
                _log.warning("releases.not_settled", release=release.id, code=error.code, detail=error.message)
                troubled.append((release.id, error.code))
        return Tick(acting=True, decisions=tuple(decisions), troubled=tuple(troubled))

    def _leads(self, now: datetime) -> bool:
        """Return whether this controller may act: it holds the lease for longer than half of it, or renews it."""
        leased = self._service.leased()
        if leased is not None:
            holder, until = leased
            # one that ends later than a lease taken now was taken before the clock was set back, and anybody may take it
            if holder == self._holder and self._lease / 2 < until - now <= self._lease:
                return True
        return self._service.lease(self._holder, now=now, until=now + self._lease)

    def _settle(self, release: Release) -> list[Decision]:
        made: list[Decision] = []
        while len(made) < _STEPS and release.state is not State.WITHDRAWN:
            now = self._clock.now()
            assessment = self._service.assess(release, now=now, to=reopened(release))
            command = next_step(release, assessment, now=now)
            if command is None:
                break
            release, decision = self._service.act(release, command, by=CONTROLLER, assessment=assessment, now=now)
            made.append(decision)
        return made


def reopened(release: Release) -> int:
    """Return how many stages the signatures for resuming a cut release are about; 1 while there are none."""
    return next((approval.material.to for approval in release.approvals), 1)
