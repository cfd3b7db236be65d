"""Readings that are remembered as long as what they are read from stays what it was.

A controller asks at every tick, and mostly nothing has changed since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headgate.kernel.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_ReadT = TypeVar("_ReadT")
_SeenT = TypeVar("_SeenT")

REMEMBERED = 64
"""Things of which the last reading is remembered; a year of hourly windows is a megabyte or two."""


class Remembering:
    """Remembers the last reading of each thing, those that were asked for last."""

    def __init__(self) -> None:
        self._last: Recent[Hashable, tuple[object, Any]] = Recent(REMEMBERED)

    def once(self, of: Hashable, seen: _SeenT, read: Callable[[_SeenT], _ReadT]) -> _ReadT:
        """Return what is read from ``seen``: the remembered reading when the last one of the same thing was read from the same.

        Args:
            of: What it is a reading of, together with all that ``read`` goes by beside ``seen``.
            seen: What it is read from; it never changes.
            read: Works the reading out.
        """
        last = self._last.recall(of)
        if last is None or last[0] != seen:
            last = (seen, read(seen))
            self._last.put(of, last)
        return last[1]
