"""Answers that are remembered as long as what they were read from stands still.

A process that asks the same every second mostly asks a database in which nothing was written meanwhile. Whoever keeps the
database tells its version: a number that is another one after each commit, by whichever process. An answer belongs to the
version that was told *before* it was read, so that one which was overtaken while it was read is read again. Where nobody can tell
the version nothing is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headgate.kernel.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_T = TypeVar("_T")

_REMEMBERED = 1024
EVER = 2**63 - 1
"""The end of an answer that no time changes."""


@dataclass(frozen=True, slots=True)
class Lasting(Generic[_T]):
    """An answer that time alone changes only at a known instant.

    Attributes:
        answer: What it is.
        since: The first instant, in whatever unit it was asked with, at which it would have been the same.
        until: The first at which it may be another one.
    """

    answer: _T
    since: int
    until: int


class Still:
    """Remembers answers; one object serves all threads of a process.

    Args:
        version: Tells the database's version; ``None`` when it cannot be told.
    """

    def __init__(self, version: Callable[[], Hashable | None]) -> None:
        self._version = version
        self._known: Recent[Hashable, tuple[Hashable, Any]] = Recent(_REMEMBERED)

    def once(self, of: Hashable, read: Callable[[], _T]) -> _T:
        """Return what ``read`` returns, or what it returned in this version of the database.

        Args:
            of: What is asked, together with all that ``read`` goes by beside the database.
            read: Asks the database, in a transaction that sees all that was committed, and nothing else that changes: no clock.
                What it returns never changes.
        """
        version = self._version()
        known = self._known.get(of)
        if version is not None and known is not None and known[0] == version:
            return known[1]
        answer = read()
        if version is not None:
            self._known.put(of, (version, answer))
        return answer

    def lasting(self, of: Hashable, at: int, read: Callable[[], Lasting[_T]]) -> _T:
        """Return the answer at an instant: remembered while the database stands still and time does not change it.

        Args:
            of: What is asked, as for ``once``.
            at: The instant that is asked about.
            read: Asks the database about ``at``, and says how long the answer lasts.
        """
        version = self._version()
        known = self._known.get(of)
        if version is not None and known is not None and known[0] == version and known[1].since <= at < known[1].until:
            return known[1].answer
        found = read()
        if version is not None:
            self._known.put(of, (version, found))
        return found.answer


def restless() -> Still:
    """Return one that remembers nothing."""
    return Still(lambda: None)
