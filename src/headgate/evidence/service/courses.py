"""The course of a bound: what a claim's labels said when there were fewer of them.

Each step is worked out by the function that reads the gate itself, on the labels up to a draw, as they stand now; so the last
step is the gate's own reading. A course has a bounded number of steps, however many labels there are, and is remembered while its
labels stay what they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from headgate.evidence.decide.coverage import read_coverage
from headgate.evidence.decide.discovery import read_discovery
from headgate.evidence.decide.rate import read_rate
from headgate.evidence.decide.users import read_users
from headgate.evidence.model.course import Step
from headgate.evidence.service.remembering import Remembering

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from typing import TypeAlias

    from headgate.evidence.model import LabelledTraffic, RateClaim, RateReading
    from headgate.evidence.model.course import LabelsUpTo, PeopleUpTo, UsersUpTo
    from headgate.evidence.model.people import (
        CoverageClaim,
        CoverageReading,
        DiscoveryClaim,
        DiscoveryReading,
        Division,
        Expected,
        KindsShown,
        Stretch,
    )
    from headgate.evidence.model.reviewing import Readers
    from headgate.evidence.model.users import LabelledUsers, UsersClaim, UsersReading
    from headgate.evidence.ports import LabelSource, PeopleSource

    PeopleStep: TypeAlias = tuple[int, Step[CoverageReading]]
    """How many users, and what they say."""

RATE_STEPS = 60
DISCOVERY_STEPS = 30
USERS_STEPS = 30


class CutLabels(Protocol):
    """Where labels come from, cut off after ever more draws, or users."""

    def course(self, epoch: str, hazard: str, *, most: int) -> Sequence[LabelsUpTo]:
        """Return the epoch's labels up to the frontier, cut off after every so many of them; the last cut has them all.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...

    def users_course(self, epoch: str, hazard: str, window: timedelta, *, most: int) -> Sequence[UsersUpTo]:
        """Return the epoch's users up to the frontier, cut off after every so many of them; the last cut has them all.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...


class CutPeople(Protocol):
    """Where users come from who are told apart, cut off after ever more of them."""

    def divisions_course(self, epoch: str, expected: Sequence[Expected], *, most: int) -> Sequence[PeopleUpTo]:
        """Return the epoch's users up to the frontier, cut off after every so many of them; the last cut has them all.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
        """
        ...


class Courses:
    """Works courses out.

    Args:
        labels: Where labels come from.
        cuts: Where they come from in the order of the draws.
        people: Where users come from.
        apart: Where they come from in the order in which they came, told apart.
    """

    def __init__(self, labels: LabelSource, cuts: CutLabels, people: PeopleSource, apart: CutPeople) -> None:
        self._labels = labels
        self._cuts = cuts
        self._people = people
        self._apart = apart
        self._remembering = Remembering()

    def rate(self, epoch: str, claim: RateClaim, *, misses_measured: bool = False) -> tuple[Step[RateReading], ...]:
        """Return what ever more of an epoch's labels say of a claim; nothing where nothing is labelled.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
            NotEvidence: They cannot be read at all.
        """

        def read(found: tuple[LabelledTraffic, Readers]) -> tuple[Step[RateReading], ...]:
            cuts = self._cuts.course(epoch, claim.hazard, most=RATE_STEPS)
            return tuple(Step(cut.at, read_rate(cut.traffic, claim, found[1])) for cut in cuts)

        traffic = self._labels.traffic(epoch, claim.hazard)
        readers = replace(self._labels.readers(epoch, claim.hazard), required=misses_measured)
        return self._remembering.once((epoch, claim), (traffic, readers), read)

    def discovery(self, epoch: str, claim: DiscoveryClaim) -> tuple[Step[DiscoveryReading], ...]:
        """Return what ever more of an epoch's users say of kinds to come; nothing where nobody counts yet.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
            NotEvidence: They cannot be read at all.
        """

        def read(seen: KindsShown) -> tuple[Step[DiscoveryReading], ...]:
            every = -(-seen.users // DISCOVERY_STEPS) or 1
            ends = [*range(every, seen.users, every), seen.users] if seen.users else []
            return tuple(Step(None, read_discovery(_first(seen, users), claim)) for users in ends)

        return self._remembering.once((epoch, claim), self._people.kinds(epoch), read)

    def users(self, epoch: str, claim: UsersClaim, *, misses_measured: bool = False) -> tuple[Step[UsersReading], ...]:
        """Return what ever more of an epoch's users say of a claim on users like these; nothing where nobody counts yet.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
            NotEvidence: They cannot be read at all.
        """

        def read(found: tuple[LabelledUsers, Readers]) -> tuple[Step[UsersReading], ...]:
            cuts = self._cuts.users_course(epoch, claim.hazard, claim.window, most=USERS_STEPS)
            return tuple(Step(cut.at, read_users(cut.seen, claim, found[1])) for cut in cuts)

        seen = self._labels.users(epoch, claim.hazard, claim.window)
        readers = replace(self._labels.readers(epoch, claim.hazard), required=misses_measured)
        return self._remembering.once((epoch, claim), (seen, readers), read)

    def coverage(self, epoch: str, claim: CoverageClaim, expected: Sequence[Expected]) -> tuple[PeopleStep, ...]:
        """Return what ever more of an epoch's users say of another stage's; nothing where nobody counts yet.

        Raises:
            headgate.kernel.errors.Unavailable: They cannot be read just now.
            NotEvidence: They cannot be read at all.
        """

        def read(_: tuple[Division, ...]) -> tuple[PeopleStep, ...]:
            cuts = self._apart.divisions_course(epoch, expected, most=USERS_STEPS)
            return tuple((cut.users, Step(None, read_coverage(cut.divisions, claim))) for cut in cuts)

        return self._remembering.once((epoch, claim), self._people.divisions(epoch, expected), read)


def _first(seen: KindsShown, users: int) -> KindsShown:
    """Return what the first so many users showed."""
    stretches: list[Stretch] = []
    left = users
    for stretch in seen.stretches:
        stretches.append(replace(stretch, users=min(left, stretch.users)))
        left -= stretches[-1].users
    return replace(
        seen,
        stretches=tuple(stretch for stretch in stretches if stretch.users),
        shown=tuple(showing for showing in seen.shown if showing.user <= users),
    )
