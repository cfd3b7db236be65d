"""A release as one page shows it: where it stands, how each bound came about, what could be asked of it, and by whom.

Everything on one page is read once, so that it cannot disagree with itself. A command can be rehearsed: the rules that would
decide it say what they would say, and nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ids import DecisionId
from headgate.releases.decide import approvals, signing
from headgate.releases.decide.offers import material_now, offers, signatures
from headgate.releases.decide.states import decide
from headgate.releases.decide.status import status_of
from headgate.releases.model.course import StageExposure
from headgate.releases.model.plan import CoverageGate, DiscoveryGate, RateGate
from headgate.releases.service.assessing import Assessor, asked_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock
    from headgate.kernel.ids import ReleaseId
    from headgate.releases.decide.offers import Offer, Signatures
    from headgate.releases.decide.status import Status
    from headgate.releases.model.command import Command
    from headgate.releases.model.course import Course
    from headgate.releases.model.reading import Assessment, Exposure
    from headgate.releases.model.record import Moved
    from headgate.releases.model.release import Decision, Kind, Material, Release, SignedFor
    from headgate.releases.ports import Courses, Readings, Releases

_log = structlog.get_logger(__name__)
_REHEARSED = DecisionId("dec_rehearsed")
MOST_DECISIONS = 200
"""Decisions on one page; the ledger has them all."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A release as it is shown.

    Attributes:
        status: Where it stands.
        exposures: Who has had access under each stage that was ever open.
        courses: How bounds came about, by gate.
        material: The evidence that somebody who signs now signs under.
        signatures: Who has signed, and who is missing.
        offers: What could be asked of it.
        unsigned: Why whoever looks may not sign now; ``None`` when they may.
        decisions: What was decided, newest first.
    """

    status: Status
    exposures: tuple[StageExposure, ...]
    courses: Mapping[str, Course]
    material: Material
    signatures: tuple[Signatures, ...]
    offers: Mapping[Kind, Offer]
    unsigned: HeadgateError | None
    decisions: tuple[Decision, ...]

    @property
    def release(self) -> Release:
        """The release."""
        return self.status.release


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a command would do now.

    Attributes:
        release: As it stands.
        status: Where it stands.
        material: What signatures for it must be given under.
        signatures: Who has signed for it, and who is missing.
        moved: What the command would make of it; ``None`` when it would be refused.
        refusal: Why it would be refused; ``None`` when it would not.
        exposure: Who has had access so far.
    """

    release: Release
    status: Status
    material: Material
    signatures: tuple[Signatures, ...]
    moved: Moved | None
    refusal: HeadgateError | None
    exposure: Exposure | None


class Picturing:
    """Shows releases.

    Args:
        releases: Where they are kept.
        readings: Who knows the traffic.
        courses: Who knows how bounds came about.
        clock: Tells the time.
    """

    def __init__(self, releases: Releases, readings: Readings, courses: Courses, clock: Clock) -> None:
        self._releases = releases
        self._assessor = Assessor(readings)
        self._courses = courses
        self._clock = clock

    def picture(self, release_id: ReleaseId, *, by: Actor, at: datetime | None = None) -> Picture:
        """Return a release as it is shown.

        Args:
            release_id: Which release.
            by: Who looks.
            at: The instant that spans of time are counted to, for a report that is to be the same tomorrow; now when ``None``.

        Raises:
            Forbidden: ``by`` may not look.
            ReleaseNotFound: There is no such release.
        """
        by.must(Permission.VIEW)
        now = at or self._clock.now()
        with self._releases.snapshot() as tx:
            release = tx.get(release_id)
            decisions = tx.decisions(release_id, MOST_DECISIONS)
        to = _resumed_to(release)
        assessment = self._assessor.assess(release, now=now, to=to)
        status = status_of(release, assessment, self._assessor.exposure(release, now=now), now=now)
        material = material_now(release, assessment, to=to)
        return Picture(
            status=status,
            exposures=self._by_stage(release, now),
            courses=self._all_courses(release, now),
            material=material,
            signatures=signatures(release, material),
            offers=offers(release, by),
            unsigned=_unsigned(release, assessment, material, by, now),
            decisions=decisions,
        )

    def rehearse(
        self, release_id: ReleaseId, command: Command, *, by: Actor, to: int | None = None, purpose: SignedFor | None = None
    ) -> Rehearsal:
        """Return what ``command`` would do now; nothing is changed.

        Args:
            release_id: Of which release.
            command: What would be asked.
            by: Who would ask.
            to: For a cut release: how many stages would be opened again.
            purpose: What the signatures that are shown are for; what they are for in this state when ``None``.

        Raises:
            Forbidden: ``by`` may not look.
            ReleaseNotFound: There is no such release.
        """
        by.must(Permission.VIEW)
        now = self._clock.now()
        with self._releases.snapshot() as tx:
            release = tx.get(release_id)
        to = _within(release, to)
        assessment = self._assessor.assess(release, now=now, to=to)
        exposure = self._assessor.exposure(release, now=now)
        moved = refusal = None
        try:
            moved = decide(release, command, by=by, assessment=assessment, now=now, decision_id=_REHEARSED)
        except HeadgateError as error:
            refusal = error
        material = material_now(release, assessment, to=to)
        if purpose is not None and purpose is not material.purpose:
            material = approvals.material(release, assessment, purpose, release.stage + 1)
        return Rehearsal(
            release,
            status_of(release, assessment, exposure, now=now),
            material,
            signatures(release, material),
            moved,
            refusal,
            exposure,
        )

    def _by_stage(self, release: Release, now: datetime) -> tuple[StageExposure, ...]:
        return tuple(StageExposure(rung, self._assessor.under(release, rung.stage, now=now)) for rung in release.rungs)

    def _all_courses(self, release: Release, now: datetime) -> Mapping[str, Course]:
        stage = release.current
        if stage is None:
            return {}
        found: dict[str, Course] = {}
        asked = asked_of(release, stage, now)
        for gate in stage.leave:
            if not isinstance(gate, RateGate | DiscoveryGate | CoverageGate):
                continue
            try:
                course = self._courses.course(gate, asked)
            except HeadgateError as error:  # the gate itself says ERROR, and says why
                _log.warning("releases.course_unread", gate=gate.id, code=error.code)
                continue
            if course is not None:
                found[gate.id] = course
        return found


def _unsigned(release: Release, assessment: Assessment, seen: Material, by: Actor, now: datetime) -> HeadgateError | None:
    """Return why ``by`` may not sign under the evidence that is shown, if they may not."""
    try:
        by.must(Permission.APPROVE)
        signing.approve(release, seen.purpose, seen.digest, seen.to, "", by, assessment, now)
    except HeadgateError as error:
        return error
    return None


def _resumed_to(release: Release) -> int:
    return next((approval.material.to for approval in release.approvals), 1)


def _within(release: Release, to: int | None) -> int:
    """Return a number of stages that resuming could open."""
    return _resumed_to(release) if to is None else min(max(1, to), max(1, release.reached))
