"""A memory of few things: those that were put in or recalled last.

Whether what it holds is still true is for whoever asks to know: it forgets for want of room and for nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

_K = TypeVar("_K", bound="Hashable")
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """Keeps the last values that were put in or recalled; one object serves all threads of a process.

    To get a value does not keep it for longer, to recall it does. Neither waits for a lock: both are asked at every tick.

    Args:
        most: How many are kept, at least 1.
    """

    __slots__ = ("_changing", "_kept", "_most")

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError("a memory holds one thing or more")
        self._most = most
        self._kept: OrderedDict[_K, _V] = OrderedDict()
        self._changing = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: _K) -> _V | None:
        """Return what was put in last under a name, or ``None`` where nothing was or it is forgotten."""
        return self._kept.get(name)

    def recall(self, name: _K) -> _V | None:
        """Return the same, and keep it as the latest of all."""
        try:
            self._kept.move_to_end(name)
        except KeyError:
            return None
        return self._kept.get(name)

    def put(self, name: _K, value: _V) -> None:
        """Keep a value as the latest of all, in the place of what the name had, and forget the eldest of too many."""
        with self._changing:
            self._kept[name] = value
            self._kept.move_to_end(name)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
