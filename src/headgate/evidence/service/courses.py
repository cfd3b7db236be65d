"""The course of a bound: what a claim's labels said when there were fewer of them.

Each step is worked out by the function that reads the gate itself, on the labels up to a draw, as they stand now; so the last
step is the gate's own reading. A course has a bounded number of steps, however many labels there are, and is remembered while its
labels stay what they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from headgate.evidence.decide.discovery import read_discovery
from headgate.evidence.decide.rate import read_rate
from headgate.evidence.model.course import Step
from headgate.evidence.service.remembering import Remembering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.model import LabelledTraffic, RateClaim, RateReading
    from headgate.evidence.model.course import LabelsUpTo
    from headgate.evidence.model.people import DiscoveryClaim, DiscoveryReading, KindsShown, Stretch
    from headgate.evidence.model.reviewing import Readers
    from headgate.evidence.ports import LabelSource, PeopleSource

RATE_STEPS = 60
DISCOVERY_STEPS = 30


class CutLabels(Protocol):
    """Where labels come from, cut off after ever more draws."""

    def course(self, epoch: str, hazard: str, *, most: int) -> Sequence[LabelsUpTo]:
        """Return the epoch's labels up to the frontier, cut off after every so many of them; the last cut has them all.

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
    """

    def __init__(self, labels: LabelSource, cuts: CutLabels, people: PeopleSource) -> None:
        self._labels = labels
        self._cuts = cuts
        self._people = people
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
