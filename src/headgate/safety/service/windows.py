"""Windows as they close, each read once.

Alarms look at every window from the epoch's beginning at every tick. A closed window never changes, so it is remembered, and only
those that closed since are read.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from headgate.safety.sampling.windows import Window


class WindowStore(Protocol):
    """Where windows come from."""

    def closed(self, epoch: str, *, every: timedelta, after: int, now: datetime) -> tuple[Window, ...]: ...


class Windows:
    """Remembers closed windows.

    Args:
        store: Where they come from.
    """

    def __init__(self, store: WindowStore) -> None:
        self._store = store
        self._known: dict[tuple[str, timedelta], tuple[Window, ...]] = {}
        self._one_at_a_time = threading.Lock()

    def closed(self, epoch: str, *, every: timedelta, now: datetime) -> tuple[Window, ...]:
        """Return an epoch's closed windows of length ``every``, from its beginning; those without draws are left out.

        Raises:
            SafetyStoreUnavailable: The database does not answer.
        """
        with self._one_at_a_time:
            known = self._known.get((epoch, every), ())
            known += self._store.closed(epoch, every=every, after=known[-1].number if known else -1, now=now)
            self._known[epoch, every] = known
            # A clock that was set back has closed windows that are open again for whoever asks.
            return tuple(window for window in known if window.began_at + every <= now)
