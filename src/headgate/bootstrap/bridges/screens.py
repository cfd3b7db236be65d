"""The gateway asks safety whether a request may go ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.model import ScreenResult
from headgate.safety.model import Passage, Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.safety.detectors.rules import RuleDetector


class RuleScreen:
    """The gateway's ``InputScreen`` over the shipped rules."""

    def __init__(self, detector: RuleDetector) -> None:
        self._detector = detector

    def check(self, texts: Sequence[str]) -> ScreenResult:
        screening = self._detector.screen(Texts(prompt=tuple(Passage("user", text) for text in texts), completion=None))
        if not screening.blocked:
            return ScreenResult(blocked=False)
        worst = next(signal for signal in screening.signals if signal.blocks)
        return ScreenResult(blocked=True, hazard=worst.hazard, rule_id=worst.rule_id, why=worst.why)
