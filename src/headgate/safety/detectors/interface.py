"""What every detector promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from headgate.safety.model import Mark, Reading, Texts


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


class Locator(Protocol):
    """Says where in a text a rule matches, for whoever reads what it flagged."""

    def locate(self, texts: Texts, rules: Collection[str]) -> tuple[Mark, ...]:
        """Return where these rules match, in the order of the texts. A rule that is not in force any more matches nowhere."""
        ...
