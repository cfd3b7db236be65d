"""Both screens: what an exchange is looked at with, how long that may take, and what happens when nobody can tell.

A gated model is not served on the strength of a screen that cannot tell: the request is refused, the answer stops. An open one
is served, and the record says that nobody looked. ``PASSED`` is said only of text that was looked at, all of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headgate.gateway import errors
from headgate.gateway.model import Refusal, ScreenResult
from headgate.kernel.eager import Begun
from headgate.kernel.errors import Unavailable
from headgate.traffic.model import Screened

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

    from headgate.gateway.model import Admitted, Settings
    from headgate.gateway.ports import Screen
    from headgate.gateway.wire.surface import Piece


class Screening:
    """Asks the screens.

    Args:
        screen: Who looks; where a stage asks for a screen and there is none, nobody can tell.
        settings: The budget, and where an appeal goes.
    """

    def __init__(self, screen: Screen | None, settings: Settings) -> None:
        self._screen = screen
        self._settings = settings

    async def prompt(self, admitted: Admitted, texts: Sequence[str], *, legible: bool) -> Screened | Refusal:
        """Return what the input screen says of a request, or why it may not go ahead.

        Args:
            admitted: What it would be admitted under.
            texts: Everything in it that can be read.
            legible: Whether that is all of it.
        """
        if self._screen is None:
            return _cannot_tell(admitted)
        result = await self._within_budget(self._screen.prompt(texts))
        if result is None:
            return _cannot_tell(admitted)
        if result.blocked:
            return Refusal(
                errors.InputBlocked(
                    result.why or "The input screen matched a rule.",
                    rule=result.rule_id or "input screen",
                    help="If this was meant well, say so: somebody will read it.",
                    link=self._settings.appeal_url,
                ),
                "messages",
            )
        return Screened.PASSED if legible else _cannot_read(admitted)

    async def answer(self, admitted: Admitted, texts: Sequence[str]) -> Screened | Refusal:
        """Return what the output screen says of a part of an answer, or why it may not be shown."""
        if self._screen is None:
            return _cannot_tell(admitted)
        result = await self._within_budget(self._screen.answer(texts))
        if result is None:
            return _cannot_tell(admitted)
        if result.blocked:
            return Refusal(
                errors.OutputBlocked(
                    result.why or "The output screen matched a rule.",
                    rule=result.rule_id or "output screen",
                    help="If this was meant well, say so: somebody will read it.",
                    link=self._settings.appeal_url,
                )
            )
        return Screened.PASSED

    async def _within_budget(self, looking: Coroutine[Any, Any, ScreenResult]) -> ScreenResult | None:
        begun = Begun(looking)
        if begun.returned:
            return begun.value
        await asyncio.sleep(0)  # whoever asks may be no task yet, and a time-out needs one
        try:
            async with asyncio.timeout(self._settings.screen_budget_s):
                return await begun
        except (Unavailable, TimeoutError):
            return None


class Window:
    """Text that nobody has looked at yet, text by text, each after the end of what was looked at before.

    What a rule must see at once may stand across two windows; it is found as long as it is no longer than the overlap.

    Args:
        overlap: How many characters of a text are looked at again with what follows them.
    """

    def __init__(self, overlap: int) -> None:
        self._overlap = overlap
        self._fresh: dict[str, list[str]] = {}
        self._before: dict[str, str] = {}
        self.size = 0
        """Characters that nobody has looked at."""

    def add(self, pieces: Iterable[Piece]) -> None:
        """Take in pieces of text."""
        for channel, text in pieces:
            self._fresh.setdefault(channel, []).append(text)
            self.size += len(text)

    def texts(self) -> list[str]:
        """Return what must be looked at now."""
        return [self._before.get(channel, "") + "".join(parts) for channel, parts in self._fresh.items()]

    def looked(self) -> None:
        """Take in that what ``texts`` returned was looked at."""
        for channel, parts in self._fresh.items():
            self._before[channel] = (self._before.get(channel, "") + "".join(parts))[-self._overlap :]
        self._fresh.clear()
        self.size = 0


def _cannot_read(admitted: Admitted) -> Screened | Refusal:
    if not admitted.policy.gated:
        return Screened.UNSCANNED
    return Refusal(
        errors.InputUnscannable(
            "No screen can read all of this request, and this stage serves nothing that was not read.",
            rule=f"stage {admitted.rule.stage}, watch.input_screen",
            help="Send text only.",
        )
    )


def _cannot_tell(admitted: Admitted) -> Screened | Refusal:
    if not admitted.policy.gated:
        return Screened.UNSCANNED
    return Refusal(errors.ScreenUnavailable("The screen cannot tell now, so this is not served.", rule="screen"))
