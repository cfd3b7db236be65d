"""Reading evidence about people to come: kinds that nobody has seen, and the users of another stage.

Both work a reading out and keep nothing, like ``measuring``'s rate: a controller asks at every tick, and what was read is
remembered while nothing has changed. Users that cannot be read give ERROR with the reason, not an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.coverage import read_coverage, unreadable_coverage
from headgate.evidence.decide.discovery import read_discovery, unreadable_discovery
from headgate.evidence.errors import NotEvidence
from headgate.evidence.service.remembering import Remembering
from headgate.evidence.wire import people as wire
from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from headgate.evidence.model.people import (
        CoverageClaim,
        CoverageReading,
        DiscoveryClaim,
        DiscoveryReading,
        Division,
        Expected,
        KindsShown,
    )
    from headgate.evidence.ports import PeopleSource


class People:
    """Answers what users show of users to come.

    Args:
        source: Where users come from.
    """

    def __init__(self, source: PeopleSource) -> None:
        self._source = source
        self._remembering = Remembering()

    def discovery(self, epoch: str, claim: DiscoveryClaim) -> tuple[DiscoveryReading, Mapping[str, Any]]:
        """Return what the epoch's users say of a claim, now, and the inputs that replay it."""

        def read(seen: KindsShown) -> tuple[DiscoveryReading, Mapping[str, Any]]:
            return read_discovery(seen, claim), wire.discovery_inputs(seen, claim)

        try:
            return self._remembering.once((epoch, claim), self._source.kinds(epoch), read)
        except (Unavailable, NotEvidence) as failure:
            sentence = f"Nothing is concluded: {failure.message}"
            return unreadable_discovery(claim, sentence), wire.failed_inputs(claim, sentence)

    def coverage(
        self, epoch: str, claim: CoverageClaim, expected: Sequence[Expected]
    ) -> tuple[CoverageReading, Mapping[str, Any]]:
        """Return what the epoch's users say of another stage's, now, and the inputs that replay it.

        Args:
            epoch: The epoch.
            claim: What is to be shown.
            expected: What the other stage is expected to be, for each hazard and division that somebody declared.
        """

        def read(divisions: tuple[Division, ...]) -> tuple[CoverageReading, Mapping[str, Any]]:
            return read_coverage(divisions, claim), wire.coverage_inputs(divisions, claim)

        try:
            return self._remembering.once((epoch, claim), self._source.divisions(epoch, expected), read)
        except (Unavailable, NotEvidence) as failure:
            sentence = f"Nothing is concluded: {failure.message}"
            return unreadable_coverage(claim, sentence), wire.failed_inputs(claim, sentence)
