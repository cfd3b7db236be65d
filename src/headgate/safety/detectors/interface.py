"""What every detector promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from headgate.safety.model import Reading, Texts


class Detector(Protocol):
    """Scores exchanges for hazards."""

    @property
    def name(self) -> str:
        """``family@<digest or version>``: another name means another detector."""
        ...

    def score(self, texts: Texts) -> Reading:
        """Return what it says of an exchange.

        Raises:
            DetectorFailed: It could not be asked. That is not the answer "found nothing".
        """
        ...
