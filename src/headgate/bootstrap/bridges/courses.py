"""Releases ask evidence how a gate's bound came about; evidence asks safety for its labels in the order of the draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.bootstrap.bridges.gates import coverage
from headgate.bootstrap.bridges.gates.discovery import claim_of
from headgate.bootstrap.bridges.gates.rates import users_claim
from headgate.bootstrap.bridges.labels import labels_of, users_of
from headgate.evidence.model import RateClaim
from headgate.evidence.model.course import LabelsUpTo, UsersUpTo
from headgate.releases.model.course import Course, Reached
from headgate.releases.model.plan import CoverageGate, DiscoveryGate, RateGate

if TYPE_CHECKING:
    from datetime import timedelta

    from headgate.evidence.service.courses import Courses
    from headgate.kernel.clock import Clock
    from headgate.releases.model.plan import MeasuredGate
    from headgate.releases.model.reading import Asked
    from headgate.safety.store.course import SqlCourses
    from headgate.safety.store.sampling import SqlSampling


class SafetyCuts:
    """Evidence's ``CutLabels`` over safety's draws and labels.

    Args:
        courses: Where safety reads labels.
        accounts: Where it reads who came.
        clock: Tells which labels are overdue.
        deadline: How long a sampled exchange may stay unresolved before it counts as harm.
    """

    def __init__(self, courses: SqlCourses, accounts: SqlSampling, clock: Clock, deadline: timedelta) -> None:
        self._courses = courses
        self._accounts = accounts
        self._clock = clock
        self._deadline = deadline

    def course(self, epoch: str, hazard: str, *, most: int) -> tuple[LabelsUpTo, ...]:
        cuts = self._courses.course(epoch, hazard, most=most, now=self._clock.now(), d_max=self._deadline)
        return tuple(LabelsUpTo(cut.at, labels_of(cut.traffic)) for cut in cuts)

    def users_course(self, epoch: str, hazard: str, window: timedelta, *, most: int) -> tuple[UsersUpTo, ...]:
        now = self._clock.now()
        cuts = self._accounts.accounts_course(epoch, hazard, span=window, most=most, now=now, d_max=self._deadline)
        return tuple(UsersUpTo(at, users_of(seen)) for at, seen in cuts)


class GateCourses:
    """Releases' ``Courses`` over evidence's.

    Args:
        courses: Who works them out.
    """

    def __init__(self, courses: Courses) -> None:
        self._courses = courses

    def course(self, gate: MeasuredGate, asked: Asked) -> Course | None:
        match gate:
            case RateGate(of="traffic"):
                claim = RateClaim(gate.hazard, gate.below, gate.alpha, asked.attempt)
                read = self._courses.rate(asked.epoch, claim, misses_measured=gate.misses_measured)
                steps = tuple(
                    Reached(step.reading.labels, step.at, step.reading.requests, step.reading.harms, step.reading.upper_bound)
                    for step in read
                )
                return Course(gate.id, "label", "rate", gate.below, steps)
            case DiscoveryGate():
                about = claim_of(gate, asked)
                found = self._courses.discovery(asked.epoch, about)
                came = tuple(
                    Reached(step.reading.users, step.at, None, step.reading.discoveries, step.reading.expected) for step in found
                )
                return Course(gate.id, "user", "users", about.tolerated, came)
            case RateGate():
                of_users = self._courses.users(asked.epoch, users_claim(gate, asked), misses_measured=gate.misses_measured)
                seen = tuple(
                    Reached(step.reading.users, step.at, step.reading.exchanges, step.reading.harmful, step.reading.upper_bound)
                    for step in of_users
                )
                return Course(gate.id, "user", "share", gate.below, seen)
            case CoverageGate():
                carried = self._courses.coverage(asked.epoch, coverage.claim_of(gate, asked), coverage.expected_of(gate, asked))
                over = tuple(
                    Reached(users, step.at, None, len(step.reading.unseen), step.reading.bound) for users, step in carried
                )
                return Course(gate.id, "user", "carried", gate.transport_bound_below, over)
            case _:
                return None
