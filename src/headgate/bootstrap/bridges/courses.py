"""Releases ask evidence how a gate's bound came about; evidence asks safety for its labels in the order of the draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.bootstrap.bridges.gates.discovery import claim_of
from headgate.bootstrap.bridges.labels import harms_of, segments_of
from headgate.evidence.model import LabelledTraffic, RateClaim
from headgate.evidence.model.course import LabelsUpTo
from headgate.releases.model.course import Course, Reached
from headgate.releases.model.plan import DiscoveryGate, RateGate

if TYPE_CHECKING:
    from datetime import timedelta

    from headgate.evidence.service.courses import Courses
    from headgate.kernel.clock import Clock
    from headgate.releases.model.plan import MeasuredGate
    from headgate.releases.model.reading import Asked
    from headgate.safety.store.course import SqlCourses


class SafetyCuts:
    """Evidence's ``CutLabels`` over safety's draws and labels.

    Args:
        courses: Where safety reads them.
        clock: Tells which labels are overdue.
        deadline: How long a sampled exchange may stay unresolved before it counts as harm.
    """

    def __init__(self, courses: SqlCourses, clock: Clock, deadline: timedelta) -> None:
        self._courses = courses
        self._clock = clock
        self._deadline = deadline

    def course(self, epoch: str, hazard: str, *, most: int) -> tuple[LabelsUpTo, ...]:
        cuts = self._courses.course(epoch, hazard, most=most, now=self._clock.now(), d_max=self._deadline)
        return tuple(
            LabelsUpTo(
                cut.at,
                LabelledTraffic(
                    epoch=epoch,
                    hazard=hazard,
                    segments=segments_of(cut.traffic.segments),
                    harms=harms_of(cut.traffic.harms),
                    labels=cut.traffic.labels,
                    pending=cut.traffic.pending,
                    frontier=cut.traffic.frontier,
                    drawn=cut.traffic.drawn,
                    uniform=cut.traffic.uniform,
                ),
            )
            for cut in cuts
        )


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
            case _:
                return None
