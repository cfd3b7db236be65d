"""The gateway asks safety whether a request may go ahead, and whether an answer may be shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headgate.gateway.model import ScreenResult
from headgate.safety.model import Passage, Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.safety.detectors.rules import RuleDetector

_AT_ONCE = 16 * 1024
"""Characters that are looked at on the event loop; longer texts go to a thread, so that nobody else waits for them."""


class RuleScreen:
    """The gateway's ``Screen`` over the shipped rules."""

    def __init__(self, detector: RuleDetector) -> None:
        self._detector = detector

    async def prompt(self, texts: Sequence[str]) -> ScreenResult:
        return await self._look(Texts(prompt=tuple(Passage("user", text) for text in texts), completion=None), texts)

    async def answer(self, texts: Sequence[str]) -> ScreenResult:
        return await self._look(Texts(prompt=None, completion=tuple(Passage("assistant", text) for text in texts)), texts)

    async def _look(self, passages: Texts, texts: Sequence[str]) -> ScreenResult:
        if sum(map(len, texts)) <= _AT_ONCE:
            return self._result(passages)
        return await asyncio.to_thread(self._result, passages)

    def _result(self, passages: Texts) -> ScreenResult:
        screening = self._detector.screen(passages)
        if not screening.blocked:
            return ScreenResult(blocked=False)
        worst = next(signal for signal in screening.signals if signal.blocks)
        return ScreenResult(blocked=True, hazard=worst.hazard, rule_id=worst.rule_id, why=worst.why)
