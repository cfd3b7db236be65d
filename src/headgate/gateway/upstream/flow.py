"""An answer taken as it comes: in the very call in which the event loop brings it, in no task but in the context of one."""

from __future__ import annotations

from asyncio import CancelledError
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias

from headgate.kernel.eager import Begun

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Take: TypeAlias = "Callable[[bytes], bool | Coroutine[Any, Any, bool]]"
"""Takes the next bytes, and says whether it wants more: at once, or once what it returns has been awaited."""


class Flow:
    """What takes an answer, and what of its work still has to wait for something.

    Args:
        take: What takes it.
    """

    __slots__ = ("_context", "_take", "_taking")

    def __init__(self, take: Take) -> None:
        self._take = take
        self._context = copy_context()
        self._taking: Begun[bool] | None = None

    @property
    def is_held_up(self) -> bool:
        """Whether a task has to go on with what was brought last."""
        return self._taking is not None

    def bring(self, came: bytes) -> None:
        """Have these bytes taken now; where that has to wait, or no more is wanted, it is held up."""
        try:
            told = self._context.run(self._take, came)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - told to the task that goes on, as what waits would tell it
            told = _failing(error)
        if told is True:
            return
        taking = self._context.run(Begun, _no_more() if told is False else told)
        if not (taking.returned and taking.value):
            self._taking = taking

    async def take(self, came: bytes) -> bool:
        """Have these bytes taken, in a task; return whether more is wanted."""
        told = self._take(came)
        return told if isinstance(told, bool) else await told

    async def go_on(self) -> bool:
        """Bring to its end what is held up; return whether more is wanted, and raise what it raises."""
        taking, self._taking = self._taking, None
        return taking is None or await taking

    def close(self) -> None:
        """Give up what is held up."""
        if self._taking is not None:
            self._taking.close()
            self._taking = None


async def _no_more() -> bool:
    return False


async def _failing(error: BaseException) -> bool:
    raise error
