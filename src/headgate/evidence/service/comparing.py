"""Setting epochs beside each other, and reading holdbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide import comparing
from headgate.kernel.actor import Permission

if TYPE_CHECKING:
    from headgate.evidence.model.comparing import BeforeAfter, HoldbackClaim, HoldbackReading
    from headgate.evidence.ports import LabelSource
    from headgate.kernel.actor import Actor


class Comparing:
    """Compares epochs.

    Args:
        labels: Where labels come from.
    """

    def __init__(self, labels: LabelSource) -> None:
        self._labels = labels

    def before_after(self, before: str, after: str, hazard: str, *, by: Actor) -> BeforeAfter:
        """Return two epochs beside each other, for one hazard; it describes and shows nothing.

        Raises:
            Forbidden: ``by`` may not look.
            NotEvidence: The labels contradict themselves.
            headgate.kernel.errors.Unavailable: Labels cannot be read just now.
        """
        by.must(Permission.VIEW)
        return comparing.before_after(self._labels.traffic(before, hazard), self._labels.traffic(after, hazard))

    def holdback(self, claim: HoldbackClaim, *, by: Actor) -> HoldbackReading:
        """Return what people who were kept back at random show of a rise.

        Raises:
            Forbidden: ``by`` may not look.
            NotEvidence: The counts, the share or the error probability contradict themselves.
        """
        by.must(Permission.VIEW)
        return comparing.read_holdback(claim)
