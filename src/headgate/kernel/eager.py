"""A coroutine that is begun by whoever calls, and ended by a task only where it has to wait for something.

An event loop tells what happens (bytes have come, a moment is due) in a plain call. Most of what follows from it waits for
nothing, and waking a task for it would cost more than the work itself.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


class Begun(Generic[T]):
    """A coroutine, run until it first waits for something; awaiting this runs it to its end, and raises what it raises.

    Until it is awaited it runs in no task, so what needs one (a time-out) must not come before it waits for the first time.

    Args:
        coroutine: What is run. It is this one's from here on.

    Attributes:
        returned: Whether it has come to its end without waiting, and without an error.
        value: What it has returned.
    """

    __slots__ = ("_coroutine", "_error", "_waits_for", "returned", "value")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._error: BaseException | None = None
        self.returned = False
        self.value: T | None = None
        try:
            self._waits_for = coroutine.send(None)
        except StopIteration as stop:
            self.returned = True
            self.value = stop.value
        except (Exception, CancelledError) as error:  # noqa: BLE001 - told to whoever awaits it, as a task's is
            self._error = error

    def __await__(self) -> Generator[Any, Any, T]:
        """Run it to its end; it is awaited once."""
        if self._error is not None:
            raise self._error
        if self.returned:
            return self.value  # pyright: ignore[reportReturnType] - a value, since it has returned
        waits_for = self._waits_for
        while True:
            try:
                try:
                    told = yield waits_for
                except BaseException as error:  # noqa: BLE001 - cancellation, which is the coroutine's to hear
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(told)
            except StopIteration as stop:
                return stop.value

    def close(self) -> None:
        """Give it up where it stands."""
        self._coroutine.close()
